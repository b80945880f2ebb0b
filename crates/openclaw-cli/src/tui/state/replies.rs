//! What answers of the gateway change.

use serde_json::{Value, json};

use super::{Asked, Effect, Link, State, Turn, call, lists};
use crate::ask::{self, Answered, Asking, Kind};
use crate::out::time;
use crate::peek;
use crate::tui::approval::Ask;
use crate::tui::pick::Pick;
use crate::tui::row::Look;
use crate::tui::text;
use crate::tui::width;

impl State {
    pub(super) fn reply(&mut self, asked: Asked, result: Result<Value, String>, effects: &mut Vec<Effect>) {
        let answer = match result {
            Ok(answer) => answer,
            Err(cause) => return self.refused(asked, &width::safe_line(&cause), effects),
        };
        match asked {
            Asked::Plain(_) | Asked::Quiet | Asked::Follow { .. } => {}
            Asked::History { round } if round == self.round => self.history(&answer, effects),
            Asked::History { .. } => {}
            Asked::Send { run, is_steer, .. } => self.sent(&run, is_steer, &answer),
            Asked::Resolve { kind, id, answer } => {
                self.answered(&Answered { kind, id, answer, by: String::new() });
            }
            Asked::Open { kind, is_asked } => self.open_asks(kind, &answer, is_asked, effects),
            Asked::Sessions => self.open(Pick::new(lists::sessions(&answer, self.now, self.lang))),
            Asked::Models => self.open(Pick::new(lists::models(&answer))),
            Asked::Chose("model", name) => {
                self.model.clone_from(&name);
                self.say(&text::DONE_MODEL, &[("name", &name)]);
            }
            Asked::Chose("thinking", name) => self.say(&text::DONE_THINK, &[("name", &name)]),
            Asked::Chose(_, key) => {
                // The transcript begins anew under the same key.
                self.say(&text::DONE_RESET, &[]);
                self.switch(&key, effects);
            }
            Asked::Compact => self.compacted(&answer),
            Asked::Summaries => self.undo_compaction(&answer, effects),
            Asked::Uncompact => self.print(Look::Done, &text::UNCOMPACTED, &[]),
            Asked::Status { at } => self.status(at),
        }
    }

    fn refused(&mut self, asked: Asked, cause: &str, effects: &mut Vec<Effect>) {
        match asked {
            Asked::Quiet => {}
            Asked::Follow { run } => self.unfollow(&run, effects),
            Asked::Send { run, text, is_steer } => {
                self.steers.retain(|steer| steer.run != run);
                self.echoes.retain(|(id, _)| *id != run);
                if !is_steer {
                    self.turn.take_if(|turn| turn.run == run);
                }
                if self.editor.is_empty() {
                    self.editor.set(&text);
                } else {
                    self.queue.push_front(text);
                }
                self.print(Look::Failed, &text::NOT_SENT, &[("cause", cause)]);
            }
            Asked::Resolve { kind, id, .. } => {
                if let Some(ask) = self.asks.iter_mut().find(|ask| ask.is(kind, &id)) {
                    ask.is_sent = false;
                }
                self.say(&text::FAILED_TO, &[("what", kind.name()), ("cause", cause)]);
                self.list_asks(kind, false, effects);
            }
            Asked::History { round } => {
                if round == self.round {
                    self.behind_since = None;
                    self.print(Look::Failed, &text::FAILED_TO, &[("what", "chat.history"), ("cause", cause)]);
                    self.release(effects);
                }
            }
            Asked::Plain(what) | Asked::Chose(what, _) => {
                if what == "chat.abort"
                    && let Some(turn) = &mut self.turn
                {
                    turn.is_stopping = false;
                }
                self.print(Look::Failed, &text::FAILED_TO, &[("what", what), ("cause", cause)]);
            }
            Asked::Open { kind, .. } => {
                self.say(&text::FAILED_TO, &[("what", list_of(kind)), ("cause", cause)]);
            }
            Asked::Sessions => {
                self.print(Look::Failed, &text::FAILED_TO, &[("what", "sessions.list"), ("cause", cause)]);
            }
            Asked::Models => self.print(Look::Failed, &text::FAILED_TO, &[("what", "models.list"), ("cause", cause)]),
            Asked::Compact => self.print(Look::Failed, &text::FAILED_TO, &[("what", "/compact"), ("cause", cause)]),
            Asked::Summaries | Asked::Uncompact => {
                self.print(Look::Failed, &text::FAILED_TO, &[("what", "/compact undo"), ("cause", cause)]);
            }
            Asked::Status { .. } => self.print(Look::Failed, &text::FAILED_TO, &[("what", "health"), ("cause", cause)]),
        }
    }

    /// The connection ended before the answer came. A message may have arrived: it
    /// is looked for in the history, and sent again under the same id if it is not there.
    pub(super) fn lost(&mut self, asked: Asked, effects: &mut Vec<Effect>) {
        match asked {
            Asked::Send { run, text, is_steer: false } => self.unsure.push((run, text)),
            // Read again once the connection is back.
            Asked::Quiet | Asked::Follow { .. } | Asked::History { .. } | Asked::Open { .. } => {}
            other => self.refused(other, text::OFFLINE_KEPT.in_lang(self.lang), effects),
        }
    }

    /// Sends what did not arrive; the id makes sure that it is taken once.
    fn send_unsure(&mut self, effects: &mut Vec<Effect>) {
        for (run, text) in std::mem::take(&mut self.unsure) {
            if self.echoes.iter().any(|(id, _)| *id == run) {
                effects.push(self.chat_send(run, &text, false));
            }
        }
    }

    /// The gateway may carry a message in another run than the one that was asked for.
    fn sent(&mut self, run: &str, is_steer: bool, answer: &Value) {
        let carrier = peek::text(answer, "/runId");
        if !is_steer
            && !carrier.is_empty()
            && let Some(turn) = self.turn.as_mut().filter(|turn| turn.run == run)
        {
            turn.run.clone_from(&carrier);
            self.echoes.iter_mut().filter(|(id, _)| id == run).for_each(|(id, _)| id.clone_from(&carrier));
        }
    }

    /// Takes the transcript: shows what is not on screen yet, then what waited.
    fn history(&mut self, answer: &Value, effects: &mut Vec<Effect>) {
        let behind_since = self.behind_since.take().unwrap_or(self.now);
        let is_first = !self.transcript.has_any();
        if is_first && peek::is(answer, "/hasMore") {
            let key = self.session.clone();
            self.print(Look::Dim, &text::EARLIER, &[("key", &key)]);
        }
        let clock = self.clock;
        let mut owner = String::new();
        for message in peek::list(answer, "/messages") {
            if self.is_told_by_following(message, &mut owner) {
                continue;
            }
            let is_new = peek::int(message, "/__openclaw/seq").is_none_or(|seq| !self.transcript.has_seen(seq));
            if peek::text(message, "/role") == "user" && is_new && (!is_first || self.echo_of(message).is_some()) {
                self.heard(message);
                self.transcript.saw(peek::int(message, "/__openclaw/seq").unwrap_or(0));
            } else {
                self.transcript.history(message, &mut owner, &|at| clock(at));
            }
        }
        let defaults = &answer["defaults"];
        if self.model.is_empty() {
            self.model = peek::text(defaults, "/model");
        }
        self.context = peek::int(defaults, "/contextTokens").filter(|it| *it > 0).or(self.context);
        self.row(&answer["sessionInfo"]);
        if self.unsure.is_empty() {
            self.in_flight(answer, behind_since, effects);
        } else {
            self.send_unsure(effects);
        }
        self.release(effects);
    }

    /// Tells whether an entry belongs to a run that is followed: its events tell it in order.
    fn is_told_by_following(&self, message: &Value, owner: &mut String) -> bool {
        match peek::text(message, "/role").as_str() {
            "user" => false,
            "assistant" => {
                let run = peek::text(message, "/__openclaw/runId");
                let is_followed = self.is_following(&run);
                if is_followed {
                    *owner = run;
                }
                is_followed
            }
            _ => self.is_following(owner),
        }
    }

    /// Takes up the run that goes on, or ends the one that ended while nobody looked.
    fn in_flight(&mut self, answer: &Value, behind_since: i64, effects: &mut Vec<Effect>) {
        if self.turn.as_ref().is_some_and(|turn| self.is_following(&turn.run)) {
            return;
        }
        let run = peek::text(answer, "/inFlightRun/runId");
        if !run.is_empty() && !self.ended.contains(&run) {
            let began_at = peek::int(answer, "/inFlightRun/startedAt").unwrap_or(self.now);
            if self.turn.as_ref().is_none_or(|turn| turn.run != run) {
                self.turn = Some(Turn { run: run.clone(), began_at, ..Turn::default() });
            }
            let partial = peek::text(answer, "/inFlightRun/text");
            if !partial.is_empty() {
                self.transcript.partial(&run, &partial);
            }
            return;
        }
        let is_over =
            peek::int(answer, "/sessionInfo/activeRunIds").is_none() && !peek::is(answer, "/sessionInfo/hasActiveRun");
        let ended =
            self.turn.as_ref().filter(|turn| is_over && turn.began_at < behind_since).map(|turn| turn.run.clone());
        if let Some(run) = ended {
            self.end(&run, "", false, effects);
        }
    }

    /// Asks the gateway for the open questions of a kind.
    pub(super) fn list_asks(&self, kind: Kind, is_asked: bool, effects: &mut Vec<Effect>) {
        let is_offered = match (&self.link, kind) {
            (Some(Link::Live { offers, .. }), Kind::Outcome) => offers.questions,
            (_, Kind::Approval) => true,
            (Some(Link::Offline { .. }) | None, Kind::Outcome) => false,
        };
        if is_offered {
            effects.push(call(Asked::Open { kind, is_asked }, list_of(kind), json!({})));
        }
    }

    fn open_asks(&mut self, kind: Kind, answer: &Value, is_asked: bool, effects: &mut Vec<Effect>) {
        let at = match kind {
            Kind::Approval => "/approvals",
            Kind::Outcome => "/questions",
        };
        let listed = answer.as_array().map_or_else(|| peek::list(answer, at), Vec::as_slice);
        for payload in listed {
            self.asked(&Asking::of(kind, payload), effects);
        }
        let is_open = |ask: &Ask| listed.iter().any(|payload| payload["id"] == ask.id.as_str());
        self.asks.retain(|ask| ask.asking.kind != kind || is_open(ask));
        if is_asked && kind == Kind::Approval && self.asks.is_empty() {
            self.say(&text::NO_APPROVALS, &[]);
        }
    }

    fn status(&mut self, at: i64) {
        let Some(Link::Live { version, address, .. }) = self.link.clone() else { return };
        let span = time::span(u64::try_from(self.now - at).unwrap_or(0));
        self.print(Look::Done, &text::STATUS_OK, &[("version", &version), ("span", &span)]);
        let line = format!("{address}  {}  {}", self.session, self.model);
        let rows = width::wrap(&[crate::tui::row::Span::new(Look::Dim, width::safe_line(&line))], self.columns);
        self.transcript.note(rows);
    }
}

/// Names the method that lists open questions of a kind.
fn list_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Approval => ask::APPROVALS,
        Kind::Outcome => ask::QUESTIONS,
    }
}
