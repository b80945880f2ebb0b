//! What each key does. Keys reach, in this order: an open list, a question that
//! is armed, the line being typed.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::json;

use super::{Asked, Effect, State, call};
use crate::tui::approval::Armed;
use crate::tui::command;
use crate::tui::outside::NotEdited;
use crate::tui::pick::{Choice, Pick};
use crate::tui::text;

/// How long after a steer was taken an Esc that meant it does nothing.
pub(crate) const LATE_ESC_MS: i64 = 400;

/// Time for the second Ctrl+C.
const LEAVE_MS: i64 = 1000;

impl State {
    pub(super) fn key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        if self.is_leader {
            self.is_leader = false;
            return self.after_leader(key, effects);
        }
        if is_ctrl(key, 'c') {
            return self.cancel(effects);
        }
        if self.pick.is_some() && self.list_key(key, effects) {
            return;
        }
        if self.ask_key(key, effects) {
            return;
        }
        self.typed_at = self.now;
        if !self.chord(key, effects) {
            self.edit_key(key);
        }
        self.sync_palette();
    }

    /// Ctrl+C clears the line; twice within a second on an empty line leaves.
    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        if !self.editor.is_empty() || self.pick.is_some() || self.is_note {
            let text = self.editor.take();
            self.editor.remember(&text);
            self.pick = None;
            self.is_note = false;
            return;
        }
        if self.leaving_at.is_some_and(|at| self.now - at <= LEAVE_MS) {
            effects.push(Effect::Quit);
            return;
        }
        self.leaving_at = Some(self.now);
        let hint = if self.is_embedded { &text::LEAVE_ENDS } else { &text::LEAVE };
        self.say(hint, &[]);
    }

    fn after_leader(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        match key.code {
            KeyCode::Char('n') => self.perform(command::Verb::New, "", effects),
            KeyCode::Char('l') => self.perform(command::Verb::Sessions, "", effects),
            _ => {}
        }
    }

    /// Keys of an open list; false when the key is not for it.
    fn list_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let is_typed = self.is_palette_typed();
        let Some(pick) = &mut self.pick else { return false };
        match key.code {
            KeyCode::Up => pick.up(),
            KeyCode::Down => pick.down(),
            KeyCode::Esc => {
                self.pick = None;
                if is_typed {
                    self.editor.take();
                }
            }
            KeyCode::Enter | KeyCode::Tab => {
                let exact = is_typed.then(|| command::find(self.editor.text().trim_start_matches('/'))).flatten();
                let chosen = exact.map(Choice::Run).or_else(|| pick.chosen().map(|item| item.choice.clone()));
                if chosen.is_none() && is_typed {
                    return false;
                }
                self.pick = None;
                if is_typed {
                    self.editor.take();
                }
                if let Some(choice) = chosen {
                    self.choose(choice, effects);
                }
            }
            KeyCode::Backspace if !is_typed => pick.backspace(),
            KeyCode::Char(c) if !is_typed && !has_modifier(key) => pick.push(c),
            _ => return !is_typed,
        }
        true
    }

    fn choose(&mut self, choice: Choice, effects: &mut Vec<Effect>) {
        match choice {
            Choice::Run(verb) => self.perform(verb, "", effects),
            Choice::Session(key) => self.switch(&key, effects),
            Choice::Model(name) => {
                let params = json!({ "key": self.session, "model": name });
                effects.push(call(Asked::Chose("model", name), "sessions.patch", params));
            }
            Choice::Level(name) => {
                let params = json!({ "key": self.session, "thinkingLevel": name });
                effects.push(call(Asked::Chose("thinking", name), "sessions.patch", params));
            }
            Choice::Recall(text) => self.editor.set(&text),
        }
    }

    /// Keys of the front question; false when the key goes to the line.
    fn ask_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let Some(armed) = self.armed() else { return false };
        let (columns, height) = (self.columns, self.ask_height());
        let Some(ask) = self.asks.front_mut() else { return false };
        match (armed, key.code) {
            (_, KeyCode::PageDown) => ask.scroll_by(1, columns, height),
            (_, KeyCode::PageUp) => ask.scroll_by(-1, columns, height),
            (Armed::Note, KeyCode::Esc) => self.is_note = false,
            (Armed::Note, KeyCode::Enter) if !has_modifier(key) => self.deny_with_note(effects),
            (Armed::Note | Armed::NotYet, _) => return false,
            (Armed::Typing, KeyCode::Tab) => {
                self.is_ask_focused = true;
                self.typed_at = self.now;
            }
            (Armed::Typing, _) => return false,
            (Armed::Yes, KeyCode::Tab) if self.is_ask_focused => self.is_ask_focused = false,
            // No key is the default.
            (Armed::Yes, KeyCode::Enter) if !has_modifier(key) => {}
            (Armed::Yes, KeyCode::Char('b')) if !has_modifier(key) => ask.scroll_by(1, columns, height),
            (Armed::Yes, KeyCode::Char('n')) if !has_modifier(key) && !ask.is_sent && ask.takes_note() => {
                self.is_note = true;
            }
            (Armed::Yes, KeyCode::Char(c)) if !has_modifier(key) => match ask.decision(c) {
                Some(decision) => self.resolve(&decision, effects),
                // An answer that may not be given yet is not typed into the line either.
                None if ask.means(c) => {}
                None => return false,
            },
            (Armed::Yes, _) => return false,
        }
        true
    }

    fn deny_with_note(&mut self, effects: &mut Vec<Effect>) {
        self.is_note = false;
        let note = self.editor.take();
        self.resolve("deny", effects);
        if !note.trim().is_empty() {
            self.steer(note.trim(), effects);
        }
    }

    fn resolve(&mut self, decision: &str, effects: &mut Vec<Effect>) {
        self.is_ask_focused = false;
        let Some(ask) = self.asks.front_mut().filter(|ask| !ask.is_sent) else { return };
        ask.is_sent = true;
        let (method, params) = ask.asking.reply(decision);
        let asked = Asked::Resolve { kind: ask.asking.kind, id: ask.id.clone(), answer: decision.to_owned() };
        effects.push(call(asked, method, params));
    }

    /// Keys with a meaning of their own; false when the key edits the line.
    fn chord(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let (is_ctrl, is_alt) =
            (key.modifiers.contains(KeyModifiers::CONTROL), key.modifiers.contains(KeyModifiers::ALT));
        let is_shift = key.modifiers.contains(KeyModifiers::SHIFT);
        match key.code {
            KeyCode::Enter if is_alt || is_ctrl => self.submit(true, effects),
            KeyCode::Enter if is_shift => self.editor.insert("\n"),
            KeyCode::Enter => self.submit(false, effects),
            KeyCode::Esc => self.escape(effects),
            KeyCode::F(1) => self.perform(command::Verb::Help, "", effects),
            KeyCode::Char('j') if is_ctrl => self.editor.insert("\n"),
            KeyCode::Char('g') if is_ctrl && self.asks.is_empty() => {
                effects.push(Effect::Edit(self.editor.text().to_owned()));
            }
            KeyCode::Char('p') if is_ctrl && self.asks.is_empty() => self.open(Pick::palette(self.lang)),
            KeyCode::Char('r') if is_ctrl && self.asks.is_empty() => self.search_history(),
            KeyCode::Char('x') if is_ctrl => self.is_leader = true,
            KeyCode::Char('t') if is_ctrl => self.is_plan_folded = !self.is_plan_folded,
            KeyCode::Char('t') if is_alt => self.perform(command::Verb::Thought, "", effects),
            KeyCode::Char('o') if is_ctrl => self.perform(command::Verb::Tool, "", effects),
            KeyCode::Char('d') if is_ctrl && self.editor.is_empty() => effects.push(Effect::Quit),
            _ => return false,
        }
        true
    }

    fn edit_key(&mut self, key: KeyEvent) {
        let is_alt = key.modifiers.contains(KeyModifiers::ALT);
        let editor = &mut self.editor;
        match key.code {
            KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => match c {
                'a' => editor.home(),
                'e' => editor.end(),
                'b' => editor.left(),
                'f' => editor.right(),
                'd' => editor.delete(),
                'h' => editor.backspace(),
                'k' => editor.kill_to_end(),
                'u' => editor.kill_to_begin(),
                'w' => editor.kill_word(),
                'y' => editor.yank(),
                _ => {}
            },
            KeyCode::Char('b') if is_alt => editor.word_left(),
            KeyCode::Char('f') if is_alt => editor.word_right(),
            KeyCode::Char(_) if is_alt => {}
            KeyCode::Char(c) => editor.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace if is_alt => editor.kill_word(),
            KeyCode::Backspace => editor.backspace(),
            KeyCode::Delete => editor.delete(),
            KeyCode::Left if has_modifier(key) => editor.word_left(),
            KeyCode::Right if has_modifier(key) => editor.word_right(),
            KeyCode::Left => editor.left(),
            KeyCode::Right => editor.right(),
            KeyCode::Home => editor.home(),
            KeyCode::End => editor.end(),
            KeyCode::Up => self.up(),
            KeyCode::Down => drop(editor.down()),
            _ => {}
        }
    }

    /// Up on an empty line takes the last queued message back for editing.
    fn up(&mut self) {
        match self.queue.pop_back() {
            Some(text) if self.editor.is_empty() => self.editor.set(&text),
            Some(text) => {
                self.queue.push_back(text);
                self.editor.up();
            }
            None => drop(self.editor.up()),
        }
    }

    fn submit(&mut self, is_steer: bool, effects: &mut Vec<Effect>) {
        let text = self.editor.text().trim().to_owned();
        if text.is_empty() {
            // After an interrupt the queue stays; an empty line sends it.
            if self.turn.is_none()
                && let Some(next) = self.queue.pop_front()
            {
                self.send(&next, effects);
            }
            return;
        }
        if !matches!(self.link, Some(super::Link::Live { .. })) {
            return self.say(&text::OFFLINE_KEPT, &[]);
        }
        self.editor.take();
        self.editor.remember(&text);
        match text.strip_prefix('/') {
            Some(line) if !line.starts_with('/') && !line.starts_with(' ') => self.command(line, effects),
            _ if is_steer => self.steer(&text, effects),
            _ => self.send(&text, effects),
        }
    }

    /// Esc closes what is open, else interrupts. One that was meant for a steer
    /// which has just been taken does nothing.
    fn escape(&mut self, effects: &mut Vec<Effect>) {
        if self.taken_at.is_some_and(|at| self.now - at < LATE_ESC_MS) {
            return self.say(&text::DELIVERED, &[]);
        }
        if self.turn.is_some() {
            self.say(&text::STOPPING, &[]);
            self.interrupt(effects);
        }
    }

    /// Takes the line back from the person's editor.
    pub(crate) fn edited(&mut self, now: i64, result: Result<String, NotEdited>) {
        self.now = now;
        // Whatever was typed meanwhile was typed elsewhere.
        self.typed_at = now;
        match result {
            Ok(text) => self.editor.set(&text),
            Err(NotEdited::NoEditor) => self.say(&text::NO_EDITOR, &[]),
            Err(NotEdited::Failed(cause)) => self.say(&text::NOT_EDITED, &[("cause", &cause)]),
        }
    }

    fn search_history(&mut self) {
        let items = self.editor.history().iter().rev().map(|text| super::lists::recalled(text)).collect();
        self.open(Pick::new(items));
    }

    /// Tells whether the open list is the palette that follows the line.
    fn is_palette_typed(&self) -> bool {
        self.pick.is_some() && self.is_pick_typed
    }

    /// A line that begins with a slash opens the palette, as long as it names one command.
    pub(super) fn sync_palette(&mut self) {
        if !self.asks.is_empty() {
            return;
        }
        let line = self.editor.text();
        let typed = line.strip_prefix('/').filter(|rest| !rest.contains([' ', '/', '\n'])).map(ToOwned::to_owned);
        match (typed, &mut self.pick) {
            (Some(typed), Some(pick)) if self.is_pick_typed => pick.set_filter(&typed),
            (Some(_), Some(_)) => {}
            (Some(typed), None) => {
                let mut palette = Pick::palette(self.lang);
                palette.set_filter(&typed);
                self.pick = Some(palette);
                self.is_pick_typed = true;
            }
            (None, Some(_)) if self.is_pick_typed => self.pick = None,
            (None, Some(_) | None) => {}
        }
    }
}

fn is_ctrl(key: KeyEvent, c: char) -> bool {
    key.code == KeyCode::Char(c) && key.modifiers.contains(KeyModifiers::CONTROL)
}

fn has_modifier(key: KeyEvent) -> bool {
    key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}
