//! Everything the terminal UI knows, and what each input changes. Pure: time comes
//! in as a value, and whatever must happen outside goes out as effects. Called by
//! the loop in `run`, and by tests without a terminal.

mod compaction;
mod events;
mod follow;
mod keys;
mod kinds;
mod lists;
mod replies;

use std::collections::VecDeque;

use openclaw_protocol::Event;
use serde_json::{Value, json};

use super::approval::{Armed, Ask};
use super::drafts::Draft;
use super::editor::Editor;
use super::pick::Pick;
use super::row::{Look, Row, Span};
use super::text::{self, Copy, fill};
use super::transcript::Transcript;
use super::width;
use crate::ask::Kind;
use crate::text::Lang;

pub use kinds::Motion;
pub(crate) use kinds::{Asked, CURSORS, Effect, Input, Link, Offers, Steer, Step, Turn};

/// Messages that may wait for the end of a turn, and to be taken by one.
pub(crate) const QUEUE_MAX: usize = 50;

/// Events kept while history is read again.
const HELD_MAX: usize = 4096;

/// How long a note stays above the input.
const NOTICE_MS: i64 = 4000;

/// Messages of history read at the beginning and after a gap.
const HISTORY_LIMIT: usize = 200;

/// Everything the terminal UI knows.
pub(crate) struct State {
    pub(crate) now: i64,
    pub(crate) columns: usize,
    pub(crate) height: usize,
    pub(crate) lang: Lang,
    pub(crate) motion: Motion,
    pub(crate) agent: String,
    pub(crate) session: String,
    pub(crate) is_embedded: bool,
    pub(crate) editor: Editor,
    pub(crate) transcript: Transcript,
    pub(crate) turn: Option<Turn>,
    pub(crate) queue: VecDeque<String>,
    pub(crate) steers: Vec<Steer>,
    pub(crate) asks: VecDeque<Ask>,
    /// Whether Tab gave the keys to the question.
    pub(crate) is_ask_focused: bool,
    /// Whether a reason to deny is being typed.
    pub(crate) is_note: bool,
    pub(crate) pick: Option<Pick>,
    /// Whether the open list is the palette that follows the line.
    pub(crate) is_pick_typed: bool,
    pub(crate) link: Option<Link>,
    pub(crate) link_since: i64,
    /// Since when history is being read again.
    pub(crate) behind_since: Option<i64>,
    pub(crate) model: String,
    pub(crate) tokens: Option<i64>,
    pub(crate) context: Option<i64>,
    pub(crate) cost: Option<f64>,
    pub(crate) thought: String,
    pub(crate) is_thinking: bool,
    pub(crate) is_thought_open: bool,
    pub(crate) plan: Vec<Step>,
    pub(crate) is_plan_folded: bool,
    pub(crate) notice: Option<(String, i64)>,
    pub(crate) typed_at: i64,
    /// Messages sent by us whose entry was not seen yet.
    echoes: VecDeque<(String, String)>,
    held: VecDeque<Event>,
    /// The last runs that ended: a late event must not bring them back.
    ended: VecDeque<String>,
    /// Where the running turn stands, if the gateway says so.
    position: Option<follow::Position>,
    /// The run that is followed from a position, until its end.
    following: Option<follow::Following>,
    taken_at: Option<i64>,
    leaving_at: Option<i64>,
    is_leader: bool,
    is_greeted: bool,
    /// Which reading of history is the current one.
    round: u32,
    /// Messages whose fate is not known: the connection was lost before the answer.
    unsure: Vec<(String, String)>,
    /// Makes ids; a counter in tests.
    new_id: fn() -> String,
    /// Words a moment, `14:03`.
    clock: fn(i64) -> String,
}

/// What a state begins with.
pub(crate) struct Beginning {
    pub(crate) columns: usize,
    pub(crate) height: usize,
    pub(crate) lang: Lang,
    pub(crate) motion: Motion,
    pub(crate) agent: String,
    pub(crate) session: String,
    pub(crate) is_embedded: bool,
    pub(crate) new_id: fn() -> String,
    pub(crate) clock: fn(i64) -> String,
}

impl State {
    pub(crate) fn new(with: Beginning) -> Self {
        let Beginning { columns, height, lang, motion, agent, session, is_embedded, new_id, clock } = with;
        Self {
            now: 0,
            columns,
            height,
            lang,
            motion,
            agent,
            session,
            is_embedded,
            editor: Editor::default(),
            transcript: Transcript::new(columns, lang),
            turn: None,
            queue: VecDeque::new(),
            steers: Vec::new(),
            asks: VecDeque::new(),
            is_ask_focused: false,
            is_note: false,
            pick: None,
            is_pick_typed: false,
            link: None,
            link_since: 0,
            behind_since: None,
            model: String::new(),
            tokens: None,
            context: None,
            cost: None,
            thought: String::new(),
            is_thinking: false,
            is_thought_open: false,
            plan: Vec::new(),
            is_plan_folded: false,
            notice: None,
            typed_at: i64::MIN / 2,
            echoes: VecDeque::new(),
            held: VecDeque::new(),
            ended: VecDeque::new(),
            position: None,
            following: None,
            taken_at: None,
            leaving_at: None,
            is_leader: false,
            is_greeted: false,
            round: 0,
            unsure: Vec::new(),
            new_id,
            clock,
        }
    }

    /// Takes an input; returns what must be done outside.
    pub(crate) fn update(&mut self, now: i64, input: Input) -> Vec<Effect> {
        self.now = now;
        let mut effects = Vec::new();
        match input {
            Input::Key(key) => self.key(key, &mut effects),
            Input::Paste(text) => self.paste(&text),
            Input::Resize(columns, height) => {
                (self.columns, self.height) = (columns.max(2), height.max(2));
                self.transcript.resize(self.columns);
            }
            Input::Event(event) => self.event(*event, &mut effects),
            Input::Gap => self.catch_up(&mut effects),
            Input::Tick => {}
            Input::Reply(asked, result) => self.reply(asked, result, &mut effects),
            Input::Lost(asked) => self.lost(asked, &mut effects),
            Input::Link(link) => self.linked(link, &mut effects),
        }
        self.expire();
        self.show_ask();
        effects
    }

    fn paste(&mut self, text: &str) {
        // What is pasted never answers a question.
        self.typed_at = self.now;
        self.editor.insert(text);
        self.sync_palette();
    }

    fn linked(&mut self, link: Link, effects: &mut Vec<Effect>) {
        let is_live = matches!(link, Link::Live { .. });
        let was_live = matches!(self.link, Some(Link::Live { .. }));
        if is_live != was_live || self.link.is_none() {
            self.link_since = self.now;
        }
        if let (Link::Live { address, .. }, false) = (&link, self.is_greeted) {
            self.is_greeted = true;
            let greeting = if self.is_embedded { &text::CONNECTED_HERE } else { &text::CONNECTED };
            self.print(Look::Dim, greeting, &[("address", address)]);
            let key = self.session.clone();
            self.print(Look::Dim, &text::CONVERSATION, &[("key", &key)]);
        }
        self.link = Some(link);
        if is_live {
            self.subscribe(effects);
        }
    }

    /// Follows the conversation and reads what was missed.
    pub(crate) fn subscribe(&mut self, effects: &mut Vec<Effect>) {
        let key = json!({ "key": self.session });
        effects.push(call(Asked::Quiet, "sessions.subscribe", json!({})));
        effects.push(call(Asked::Quiet, "sessions.messages.subscribe", key));
        self.list_asks(Kind::Approval, false, effects);
        self.list_asks(Kind::Outcome, false, effects);
        self.follow(effects);
        // An answer of the connection before may still come; it is not waited for.
        self.behind_since = None;
        self.catch_up(effects);
    }

    fn catch_up(&mut self, effects: &mut Vec<Effect>) {
        if self.behind_since.is_some() {
            return;
        }
        self.round = self.round.wrapping_add(1);
        self.behind_since = Some(self.now);
        let params = json!({ "sessionKey": self.session, "limit": HISTORY_LIMIT });
        effects.push(call(Asked::History { round: self.round }, "chat.history", params));
    }

    /// Drops questions whose time is over, in words.
    fn expire(&mut self) {
        while let Some(at) = self.asks.iter().position(|ask| ask.is_expired(self.now)) {
            if let Some(ask) = self.asks.remove(at) {
                self.record(&ask, Look::Waits, text::EXPIRED.in_lang(self.lang));
            }
        }
    }

    /// Notes that the front question is on screen.
    fn show_ask(&mut self) {
        let (columns, height, now) = (self.columns, self.ask_height(), self.now);
        match self.asks.front_mut() {
            Some(ask) => ask.note_shown(columns, height, now),
            None => (self.is_ask_focused, self.is_note) = (false, false),
        }
    }

    /// Returns the rows a question may take.
    pub(crate) fn ask_height(&self) -> usize {
        self.height.saturating_sub(3)
    }

    /// Returns whether keys answer the front question.
    pub(crate) fn armed(&self) -> Option<Armed> {
        let ask = self.asks.front()?;
        Some(ask.armed(self.now, self.typed_at, self.editor.is_empty(), self.is_ask_focused, self.is_note))
    }

    /// Prints how a question was decided.
    fn record(&mut self, ask: &Ask, look: Look, decision: &str) {
        let head = width::cut_middle(&ask.literal.replace('\n', " "), self.columns / 2);
        let row = Row::of(look, "= ").with(Look::Strong, &ask.tool).with(Look::Plain, "  ").with(Look::Code, &head);
        let rows = width::wrap(&row.with(look, &format!("  {decision}")).spans, self.columns);
        self.transcript.note(rows);
    }

    /// Prints a line of our own.
    pub(crate) fn print(&mut self, look: Look, say: &Copy, values: &[(&str, &str)]) {
        let line = width::safe_line(&fill(say.in_lang(self.lang), values));
        let rows = width::wrap(&[Span::new(look, line)], self.columns);
        self.transcript.note(rows);
    }

    /// Shows a note above the input for a moment.
    pub(crate) fn say(&mut self, say: &Copy, values: &[(&str, &str)]) {
        let line = width::safe_line(&fill(say.in_lang(self.lang), values));
        self.notice = Some((line, self.now + NOTICE_MS));
    }

    /// Sends a message as a new turn, or waits when one runs.
    pub(crate) fn send(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if self.turn.is_some() {
            self.enqueue(text);
            return;
        }
        let run = (self.new_id)();
        let time = (self.clock)(self.now);
        self.transcript.said(text::YOU.in_lang(self.lang), &time, text);
        self.echo(&run, text);
        self.turn = Some(Turn { run: run.clone(), began_at: self.now, ..Turn::default() });
        self.thought.clear();
        effects.push(self.chat_send(run, text, false));
    }

    /// Sends a message into the running turn.
    pub(crate) fn steer(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if self.turn.is_none() {
            return self.send(text, effects);
        }
        if self.steers.len() >= QUEUE_MAX {
            return self.say(&text::QUEUE_FULL, &[("count", &QUEUE_MAX.to_string())]);
        }
        let run = (self.new_id)();
        self.steers.push(Steer { run: run.clone(), text: text.to_owned() });
        effects.push(self.chat_send(run, text, true));
    }

    fn chat_send(&self, run: String, text: &str, is_steer: bool) -> Effect {
        let mode = if is_steer { "steer" } else { "followup" };
        let params = json!({ "sessionKey": self.session, "message": text, "idempotencyKey": run, "queueMode": mode });
        call(Asked::Send { run, text: text.to_owned(), is_steer }, "chat.send", params)
    }

    fn enqueue(&mut self, text: &str) {
        if self.queue.len() < QUEUE_MAX {
            self.queue.push_back(text.to_owned());
        } else {
            // Nothing typed is ever lost.
            self.editor.set(text);
            self.say(&text::QUEUE_FULL, &[("count", &QUEUE_MAX.to_string())]);
        }
    }

    fn echo(&mut self, run: &str, text: &str) {
        if self.echoes.len() >= QUEUE_MAX {
            self.echoes.pop_front();
        }
        self.echoes.push_back((run.to_owned(), text.to_owned()));
    }

    /// Asks the gateway to stop the run; the queue stays.
    pub(crate) fn interrupt(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        if turn.is_stopping {
            return;
        }
        turn.is_stopping = true;
        turn.then = self.steers.drain(..).map(|steer| steer.text).collect();
        let params = json!({ "sessionKey": self.session });
        effects.push(call(Asked::Plain("chat.abort"), "chat.abort", params));
    }

    /// Goes on with another conversation.
    pub(crate) fn switch(&mut self, key: &str, effects: &mut Vec<Effect>) {
        effects.push(call(Asked::Quiet, "sessions.messages.unsubscribe", json!({ "key": self.session })));
        key.clone_into(&mut self.session);
        self.transcript.clear();
        (self.turn, self.tokens, self.cost) = (None, None, None);
        (self.position, self.following) = (None, None);
        self.steers.clear();
        self.asks.clear();
        self.plan.clear();
        self.held.clear();
        self.echoes.clear();
        self.unsure.clear();
        self.thought.clear();
        self.transcript.note(vec![Row::default()]);
        let key = key.to_owned();
        self.print(Look::Dim, &text::CONVERSATION, &[("key", &key)]);
        self.subscribe(effects);
    }

    /// Tells whether the conversation is known, so that something may be said in it.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.link, Some(Link::Live { .. })) && self.behind_since.is_none()
    }

    /// Says the first message.
    pub(crate) fn start(&mut self, now: i64, message: &str) -> Vec<Effect> {
        self.now = now;
        let mut effects = Vec::new();
        self.send(message, &mut effects);
        effects
    }

    /// Takes back what was typed and not sent.
    pub(crate) fn restore(&mut self, draft: Draft) {
        for text in &draft.history {
            self.editor.remember(text);
        }
        if draft.session == self.session {
            self.editor.set(&draft.line);
            self.queue = draft.queue.into_iter().take(QUEUE_MAX).collect();
        }
    }

    /// Returns what was typed and not sent.
    pub(crate) fn draft(&self) -> Draft {
        Draft {
            line: self.editor.text().to_owned(),
            queue: self.queue.iter().cloned().collect(),
            session: self.session.clone(),
            history: self.editor.history().to_vec(),
        }
    }

    /// Tells whether something on screen changes with time alone.
    pub(crate) fn is_moving(&self) -> bool {
        self.turn.is_some()
            || self.notice.is_some()
            || !self.asks.is_empty()
            || self.behind_since.is_some()
            || matches!(self.link, Some(Link::Offline { .. }) | None)
    }
}

/// Makes a call.
pub(crate) fn call(asked: Asked, method: &'static str, params: Value) -> Effect {
    Effect::Call { asked, method, params }
}

#[cfg(test)]
pub(crate) mod tests;
