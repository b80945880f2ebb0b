//! What events of the gateway change. While history is read again, events of the
//! conversation wait, so that nothing is shown out of order or twice.

use openclaw_protocol::Event;
use serde_json::{Value, json};

use super::{Effect, HELD_MAX, State, Step, Turn};
use crate::ask::{Answered, Asking, Kind};
use crate::peek;
use crate::tui::approval::{ASKS_MAX, Ask};
use crate::tui::card::Card;
use crate::tui::row::Look;
use crate::tui::text::{self, Copy};
use crate::tui::width;

/// Runs remembered after their end.
const ENDED_MAX: usize = 32;

/// Steps of a plan that are kept.
const STEPS_MAX: usize = 50;

/// Thinking kept of one turn.
const THOUGHT_BYTES_MAX: usize = 64 * 1024;

impl State {
    pub(super) fn event(&mut self, event: Event, effects: &mut Vec<Effect>) {
        let payload = event.payload.as_ref().unwrap_or(&Value::Null);
        match event.event.as_str() {
            "sessions.changed" if self.is_ours(payload) => self.row(&payload["session"]),
            "agent" | "chat" | "session.message" if self.is_ours(payload) => {
                if self.behind_since.is_some() {
                    self.hold(event);
                } else {
                    self.said(&event, effects);
                }
            }
            name => match (Asking::read(name, payload), Answered::read(name, payload)) {
                (Some(asking), _) => self.asked(&asking, effects),
                (None, Some(answered)) => self.answered(&answered),
                (None, None) => {}
            },
        }
    }

    fn is_ours(&self, payload: &Value) -> bool {
        payload["sessionKey"] == self.session.as_str()
    }

    /// Text is cumulative and history is read again, so the oldest may go.
    fn hold(&mut self, event: Event) {
        if self.held.len() >= HELD_MAX {
            self.held.pop_front();
        }
        self.held.push_back(event);
    }

    /// Takes the events that waited for history.
    pub(super) fn release(&mut self, effects: &mut Vec<Effect>) {
        let was_full = self.held.len() >= HELD_MAX;
        for event in std::mem::take(&mut self.held) {
            self.said(&event, effects);
        }
        if was_full {
            self.catch_up(effects);
        }
    }

    fn said(&mut self, event: &Event, effects: &mut Vec<Effect>) {
        let payload = event.payload.as_ref().unwrap_or(&Value::Null);
        match event.event.as_str() {
            "agent" => self.stream(payload, effects),
            "chat" => self.chat(payload, effects),
            _ => self.entry(payload),
        }
    }

    fn stream(&mut self, payload: &Value, effects: &mut Vec<Effect>) {
        let (run, data) = (peek::text(payload, "/runId"), &payload["data"]);
        if run.is_empty() || self.ended.contains(&run) || !self.takes(&run, payload) {
            return;
        }
        if self.followed(&run, payload, effects) {
            return;
        }
        let phase = data["phase"].as_str().unwrap_or_default();
        match (payload["stream"].as_str().unwrap_or_default(), phase) {
            ("lifecycle", "end") => {
                let reason = self.stopped_by(&run, peek::text(data, "/stopReason"));
                self.end(&run, &reason, peek::is(data, "/aborted"), effects);
            }
            ("lifecycle", "error") => self.fail(&run, &peek::text(data, "/error"), effects),
            ("lifecycle", _) => {
                self.begin(&run);
                let model = peek::text(data, "/model");
                if !model.is_empty() {
                    self.model = model;
                }
            }
            ("assistant", _) => {
                self.begin(&run);
                self.is_thinking = false;
                let (item, delta) = (peek::text(data, "/itemId"), data["delta"].as_str().unwrap_or_default());
                self.transcript.text(&run, &item, data["text"].as_str(), delta, peek::is(data, "/replace"));
            }
            ("thinking", _) => self.think(data),
            ("tool", _) => self.tool(&run, phase, data),
            ("plan", _) => self.take_plan(data),
            ("compaction", _) => self.compaction(phase, data),
            _ => {}
        }
    }

    fn begin(&mut self, run: &str) {
        if self.turn.as_ref().is_none_or(|turn| turn.run != run) {
            self.turn = Some(Turn { run: run.to_owned(), began_at: self.now, ..Turn::default() });
        }
    }

    fn think(&mut self, data: &Value) {
        self.is_thinking = true;
        match data["text"].as_str() {
            Some(whole) => whole.clone_into(&mut self.thought),
            None => self.thought.push_str(data["delta"].as_str().unwrap_or_default()),
        }
        if self.thought.len() > THOUGHT_BYTES_MAX {
            let from = self.thought.ceil_char_boundary(self.thought.len() - THOUGHT_BYTES_MAX);
            self.thought.drain(..from);
        }
    }

    fn tool(&mut self, run: &str, phase: &str, data: &Value) {
        let id = peek::text(data, "/toolCallId");
        self.is_thinking = false;
        match phase {
            "start" => {
                self.begin(run);
                self.transcript
                    .tool_began(run, Card::began(run, &id, &peek::text(data, "/name"), &data["args"], self.now));
            }
            "update" => {
                if let Some(card) = self.transcript.card_mut(&id) {
                    card.more(&peek::message_text(&data["partialResult"]));
                }
            }
            "result" => {
                let took = peek::first_int(data, &["/durationMs", "/result/details/durationMs"]);
                let took = took.and_then(|ms| u64::try_from(ms).ok());
                let output = peek::message_text(&data["result"]);
                if let Some(card) = self.transcript.card_mut(&id) {
                    card.ended(&output, peek::is(data, "/isError"), &data["result"]["details"], took);
                }
                self.transcript.settle();
            }
            _ => {}
        }
    }

    fn take_plan(&mut self, data: &Value) {
        let steps = ["/steps", "/items", "/plan"].iter().map(|at| peek::list(data, at)).find(|list| !list.is_empty());
        let step = |step: &Value| {
            let mark = match peek::text(step, "/status").as_str() {
                "done" | "completed" => "[x]",
                "running" | "in_progress" => "[>]",
                _ => "[ ]",
            };
            let text =
                step.as_str().map_or_else(|| peek::first_text(step, &["/text", "/step", "/title"]), ToOwned::to_owned);
            Step { mark, text: width::safe_line(&text) }
        };
        self.plan = steps.unwrap_or_default().iter().take(STEPS_MAX).map(step).collect();
    }

    fn chat(&mut self, payload: &Value, effects: &mut Vec<Effect>) {
        let run = peek::text(payload, "/runId");
        let message = peek::message_text(&payload["message"]);
        if run.starts_with("inject-") {
            self.transcript.final_text(&run, &message);
            return self.transcript.end_run(&run);
        }
        if payload["state"] == "final" && payload["stopReason"] == "steered" {
            return self.steers.retain(|steer| steer.run != run);
        }
        if self.ended.contains(&run) {
            // Its end was told; only text that never streamed may still be missing.
            if payload["state"] == "final" && !self.transcript.has_shown(&run) {
                self.transcript.final_text(&run, &message);
                self.transcript.end_run(&run);
            }
            return;
        }
        match payload["state"].as_str().unwrap_or_default() {
            // What came before the end is still on its way.
            "final" | "error" if self.is_following(&run) => {}
            "final" => {
                self.transcript.final_text(&run, &message);
                self.end(&run, "", false, effects);
            }
            "aborted" => self.end(&run, &peek::text(payload, "/stopReason"), true, effects),
            "error" => self.fail(&run, &peek::text(payload, "/errorMessage"), effects),
            _ => {}
        }
    }

    /// Takes a new entry of the transcript: what was said by a person is shown,
    /// unless it was when it was sent.
    fn entry(&mut self, payload: &Value) {
        let message = &payload["message"];
        if peek::text(message, "/role") == "user" {
            self.heard(message);
        }
        if let Some(seq) = peek::first_int(payload, &["/messageSeq", "/message/__openclaw/seq"]) {
            self.transcript.saw(seq);
        }
    }

    /// Takes what a person said; ours was printed when it was sent, a steer is printed now.
    pub(super) fn heard(&mut self, message: &Value) {
        if let Some(at) = self.echo_of(message) {
            self.echoes.remove(at);
            return;
        }
        let words = peek::message_text(message);
        let key = peek::text(message, "/idempotencyKey");
        let run = key.strip_suffix(":user").unwrap_or_default();
        if let Some(at) = self.steers.iter().position(|steer| steer.run == run || steer.text == words) {
            self.steers.remove(at);
            self.taken_at = Some(self.now);
        }
        // It was given up on by Esc, but taken before the run stopped.
        if let Some(turn) = &mut self.turn
            && let Some(at) = turn.then.iter().position(|text| *text == words)
        {
            turn.then.remove(at);
        }
        if let Some(turn) = &self.turn {
            self.transcript.pause(&turn.run.clone());
        }
        let at = peek::int(message, "/timestamp").unwrap_or(self.now);
        let time = (self.clock)(at);
        self.transcript.said(text::YOU.in_lang(self.lang), &time, &words);
    }

    /// Finds the message of ours that an entry is; by its words only when it has no id.
    pub(super) fn echo_of(&self, message: &Value) -> Option<usize> {
        let key = peek::text(message, "/idempotencyKey");
        let words = peek::message_text(message);
        let is_it = |(id, text): &(String, String)| match key.strip_suffix(":user") {
            Some(run) => id == run,
            None => *text == words,
        };
        self.echoes.iter().position(is_it)
    }

    fn fail(&mut self, run: &str, cause: &str, effects: &mut Vec<Effect>) {
        let is_told = self.ended.iter().any(|ended| ended == run);
        self.transcript.end_run(run);
        if !is_told {
            self.print(Look::Failed, &text::RUN_FAILED, &[("cause", cause)]);
        }
        self.end(run, "", false, effects);
    }

    /// Ends a run: what waited is sent, unless the person stopped it.
    pub(super) fn end(&mut self, run: &str, reason: &str, is_aborted: bool, effects: &mut Vec<Effect>) {
        if self.ended.iter().any(|ended| ended == run) {
            return;
        }
        self.transcript.end_run(run);
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(run.to_owned());
        if is_aborted {
            let who = if reason.is_empty() || reason == "rpc" { text::YOU.in_lang(self.lang) } else { reason };
            self.print(Look::Waits, &text::STOPPED, &[("who", who)]);
        }
        if self.is_following(run) {
            self.following = None;
        }
        let Some(turn) = self.turn.take_if(|turn| turn.run == run) else { return };
        self.position = None;
        self.is_thinking = false;
        self.plan.clear();
        if !turn.then.is_empty() {
            let words = turn.then.join("\n\n");
            return self.send(&words, effects);
        }
        if turn.is_stopping || is_aborted {
            if !self.queue.is_empty() {
                self.say(&text::QUEUE_KEPT, &[]);
            }
            return;
        }
        // Steers that were not taken become the next turn at the gateway.
        if self.steers.is_empty()
            && let Some(next) = self.queue.pop_front()
        {
            self.send(&next, effects);
        }
    }

    pub(super) fn asked(&mut self, asking: &Asking, effects: &mut Vec<Effect>) {
        let (session, run) = asking.belongs_to();
        let is_ours =
            session == self.session || self.turn.as_ref().is_some_and(|turn| !run.is_empty() && turn.run == run);
        let Some(ask) = Ask::of(asking).filter(|_| is_ours) else { return };
        if self.asks.len() >= ASKS_MAX || self.asks.iter().any(|known| known.is(asking.kind, &asking.id)) {
            return;
        }
        // An open list would take the keys without being seen.
        self.pick = None;
        self.asks.push_back(ask);
        effects.push(Effect::Bell);
    }

    /// A question was answered, here or elsewhere: the block becomes its record.
    pub(super) fn answered(&mut self, answered: &Answered) {
        let Some(at) = self.asks.iter().position(|ask| ask.is(answered.kind, &answered.id)) else { return };
        let Some(ask) = self.asks.remove(at) else { return };
        let (look, say): (Look, &Copy) = match (answered.kind, answered.answer.as_str()) {
            (Kind::Approval, "allow-once") => (Look::Done, &text::ALLOWED_ONCE),
            (Kind::Approval, "allow-always") => (Look::Done, &text::ALLOWED_ALWAYS),
            (Kind::Approval, "deny") => (Look::Waits, &text::DENIED_BY),
            (Kind::Outcome, label) if !label.is_empty() => (Look::Done, &text::ANSWERED_BY),
            (Kind::Approval | Kind::Outcome, _) => (Look::Waits, &text::EXPIRED),
        };
        let by = answered.by.as_str();
        let who = if ask.is_sent || by.is_empty() { text::YOU.in_lang(self.lang) } else { by };
        let values = [("who", &*width::safe_line(who)), ("answer", &*width::safe_line(&answered.answer))];
        let words = text::fill(say.in_lang(self.lang), &values);
        self.record(&ask, look, &words);
        if answered.is_denial() {
            self.denied(&ask);
        }
    }

    /// A denied call has no event of its own: its card is drawn from what was asked.
    fn denied(&mut self, ask: &Ask) {
        let (id, tool, arguments) = ask.asking.call();
        let (_, run) = ask.asking.belongs_to();
        if id.is_empty() || run.is_empty() {
            return;
        }
        self.transcript.tool_began(&run, Card::began(&run, &id, &tool, &arguments, self.now));
        if let Some(card) = self.transcript.card_mut(&id) {
            card.ended("", true, &json!({ "status": "denied" }), None);
        }
        self.transcript.settle();
    }

    /// Takes a row of the list of conversations: the numbers of the footer.
    pub(super) fn row(&mut self, row: &Value) {
        let model = peek::text(row, "/model");
        if !model.is_empty() {
            self.model = model;
        }
        self.tokens = peek::int(row, "/totalTokens").or(self.tokens);
        self.context = peek::int(row, "/contextTokens").filter(|tokens| *tokens > 0).or(self.context);
        self.cost = peek::float(row, "/estimatedCostUsd").or(self.cost);
    }
}
