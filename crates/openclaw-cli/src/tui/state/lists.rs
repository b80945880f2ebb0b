//! Slash commands and the lists they open.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Asked, Effect, State, call};
use crate::ask::Kind;
use crate::out::time;
use crate::peek;
use crate::text::Lang;
use crate::tui::command::{self, Verb};
use crate::tui::pick::{Choice, Item, Pick};
use crate::tui::row::{Look, Row, Span};
use crate::tui::text;
use crate::tui::width;

impl State {
    /// Opens a list that does not follow the line.
    pub(super) fn open(&mut self, pick: Pick) {
        if !self.asks.is_empty() {
            return;
        }
        self.pick = Some(pick);
        self.is_pick_typed = false;
    }

    /// Runs a line that began with a slash.
    pub(super) fn command(&mut self, line: &str, effects: &mut Vec<Effect>) {
        let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
        match command::find(name) {
            Some(verb) => self.perform(verb, argument.trim(), effects),
            None => self.print(Look::Failed, &text::UNKNOWN_COMMAND, &[("name", name)]),
        }
    }

    /// Performs a command.
    pub(super) fn perform(&mut self, verb: Verb, argument: &str, effects: &mut Vec<Effect>) {
        match verb {
            Verb::Help => self.help(),
            Verb::New => {
                let id = (self.new_id)();
                let key = format!("agent:{}:{}", self.agent, id.split('-').next().unwrap_or(&id));
                self.switch(&key, effects);
            }
            Verb::Reset => {
                let key = self.session.clone();
                effects.push(call(Asked::Chose("reset", key.clone()), "sessions.reset", json!({ "key": key })));
            }
            Verb::Sessions if argument.is_empty() => {
                effects.push(call(Asked::Sessions, "sessions.list", json!({ "limit": 50 })));
            }
            Verb::Sessions => {
                let key = if argument.starts_with("agent:") {
                    argument.to_owned()
                } else {
                    format!("agent:{}:{argument}", self.agent)
                };
                self.switch(&key, effects);
            }
            Verb::Model if argument.is_empty() => effects.push(call(Asked::Models, "models.list", json!({}))),
            Verb::Model => {
                let params = json!({ "key": self.session, "model": argument });
                effects.push(call(Asked::Chose("model", argument.to_owned()), "sessions.patch", params));
            }
            Verb::Think if argument.is_empty() => {
                let level = |name: &&str| Item {
                    group: String::new(),
                    name: (*name).to_owned(),
                    about: String::new(),
                    right: format!("/think {name}"),
                    choice: Choice::Level((*name).to_owned()),
                };
                self.open(Pick::new(command::LEVELS.iter().map(level).collect()));
            }
            Verb::Think => {
                let params = json!({ "key": self.session, "thinkingLevel": argument });
                effects.push(call(Asked::Chose("thinking", argument.to_owned()), "sessions.patch", params));
            }
            Verb::Compact => self.compact(argument, effects),
            Verb::Abort if self.turn.is_none() => self.say(&text::NOTHING_RUNS, &[]),
            Verb::Abort => self.interrupt(effects),
            Verb::Approve => {
                self.list_asks(Kind::Outcome, true, effects);
                self.list_asks(Kind::Approval, true, effects);
            }
            Verb::Status => effects.push(call(Asked::Status { at: self.now }, "health", json!({}))),
            Verb::Tool => self.open_card(),
            Verb::Thought if self.thought.is_empty() => self.say(&text::NO_THOUGHT, &[]),
            Verb::Thought => self.is_thought_open = !self.is_thought_open,
            Verb::Exit => effects.push(Effect::Quit),
        }
    }

    fn help(&mut self) {
        let mut rows = vec![Row::default()];
        for command in &command::ALL {
            let lead = Row::of(Look::Strong, format!("  /{:<9}", command.name));
            let about = format!("{}  {}", command.about.in_lang(self.lang), command.key);
            rows.extend(crate::tui::row::hang(&lead, &[Span::new(Look::Plain, about.trim_end())], self.columns));
        }
        let keys = Span::new(Look::Dim, text::KEYS_HELP.in_lang(self.lang));
        rows.extend(width::wrap(&[keys], self.columns));
        self.transcript.note(rows);
    }

    /// Prints the last tool call in full: printed lines are never touched again.
    fn open_card(&mut self) {
        match self.transcript.cards.back().map(|card| card.opened(self.columns, self.lang)) {
            Some(rows) => self.transcript.note(rows),
            None => self.say(&text::NO_CARD, &[]),
        }
    }
}

/// Lists conversations, newest first.
pub(super) fn sessions(answer: &Value, now: i64, lang: Lang) -> Vec<Item> {
    let now = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
    let item = |row: &Value| {
        let key = peek::text(row, "/key");
        let at = peek::int(row, "/updatedAt").map(|at| time::relative(at, now, lang)).unwrap_or_default();
        Item {
            group: String::new(),
            name: width::safe_line(&key),
            about: width::safe_line(&peek::first_text(row, &["/label", "/lastMessagePreview", "/displayName"])),
            right: at,
            choice: Choice::Session(key),
        }
    };
    peek::list(answer, "/sessions").iter().map(item).filter(|item| !item.name.is_empty()).collect()
}

/// Lists models.
pub(super) fn models(answer: &Value) -> Vec<Item> {
    let item = |row: &Value| {
        let (provider, id) = (peek::text(row, "/provider"), peek::first_text(row, &["/id", "/model"]));
        let full = if provider.is_empty() || id.starts_with(&format!("{provider}/")) {
            id
        } else {
            format!("{provider}/{id}")
        };
        Item {
            group: String::new(),
            name: width::safe_line(&full),
            about: width::safe_line(&peek::text(row, "/name")),
            right: String::new(),
            choice: Choice::Model(full),
        }
    };
    peek::list(answer, "/models").iter().map(item).filter(|item| !item.name.is_empty()).collect()
}

/// Makes an entry of an earlier message.
pub(super) fn recalled(text: &str) -> Item {
    let line = width::safe_line(text);
    Item {
        group: String::new(),
        name: line,
        about: String::new(),
        right: String::new(),
        choice: Choice::Recall(text.to_owned()),
    }
}
