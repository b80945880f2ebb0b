//! Going on with a run where the connection was lost: in the middle of a text, without
//! repeating or losing anything. The gateway says with each event where the run stands;
//! after a new connection it is asked for what came after the last position. While that
//! goes on, only what it sends for that is taken: other events of the run tell the same.

use serde_json::{Value, json};

use super::{Asked, Effect, Link, State, call};
use crate::peek;

/// A position in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    run: String,
    /// The last recorded event, and the bytes of live text after it.
    seq: i64,
    off: i64,
}

/// A run that is followed from a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Following {
    run: String,
    /// The text that is going on; empty for the one that was when the connection was lost.
    item: String,
    /// Who asked for its end; what ends it does not say.
    stopped_by: String,
}

impl State {
    /// Asks for what came after the last position of the running turn.
    pub(super) fn follow(&mut self, effects: &mut Vec<Effect>) {
        self.following = None;
        let has_cursors = matches!(&self.link, Some(Link::Live { offers, .. }) if offers.cursors);
        let turn = self.turn.as_ref().filter(|_| has_cursors).map(|turn| turn.run.as_str());
        let Some(at) = self.position.as_ref().filter(|at| Some(at.run.as_str()) == turn) else { return };
        let after = json!({ "seq": at.seq, "off": at.off });
        let params = json!({ "runId": at.run, "sessionKey": self.session, "after": after });
        self.following = Some(Following { run: at.run.clone(), item: String::new(), stopped_by: String::new() });
        effects.push(call(Asked::Follow { run: at.run.clone() }, "agent.subscribe", params));
    }

    /// Goes on with the ordinary events and the history: following did not work.
    pub(super) fn unfollow(&mut self, run: &str, effects: &mut Vec<Effect>) {
        if self.following.take_if(|following| following.run == run).is_none() {
            return;
        }
        self.position = None;
        effects.push(call(Asked::Quiet, "agent.unsubscribe", json!({ "runId": run })));
        // What was read meanwhile left this run out.
        self.behind_since = None;
        self.catch_up(effects);
    }

    /// Tells whether a run is followed from a position.
    pub(super) fn is_following(&self, run: &str) -> bool {
        self.following.as_ref().is_some_and(|following| following.run == run)
    }

    /// Returns who stopped a run; for a followed one the end itself does not say.
    pub(super) fn stopped_by(&self, run: &str, said: String) -> String {
        match self.following.as_ref().filter(|following| following.run == run) {
            Some(following) => following.stopped_by.clone(),
            None => said,
        }
    }

    /// Takes note of where an event stands; tells whether to take the event at all.
    pub(super) fn takes(&mut self, run: &str, payload: &Value) -> bool {
        if payload.get("subscription").is_some() != self.is_following(run) {
            return false;
        }
        let (seq, off) = (peek::int(payload, "/cursor/seq"), peek::int(payload, "/cursor/off"));
        if let (Some(seq), Some(off)) = (seq, off)
            && payload["cursor"]["run"] == run
        {
            self.position = Some(Position { run: run.to_owned(), seq, off });
        }
        true
    }

    /// Takes an event of a followed run that only such runs have; tells whether it was one.
    pub(super) fn followed(&mut self, run: &str, payload: &Value, effects: &mut Vec<Effect>) -> bool {
        let Some(following) = self.following.as_mut().filter(|following| following.run == run) else { return false };
        let data = &payload["data"];
        match (payload["stream"].as_str().unwrap_or_default(), data["phase"].as_str().unwrap_or_default()) {
            ("lifecycle", "starting_model") => {
                following.item = format!("{run}:{}", peek::int(payload, "/seq").unwrap_or(0));
                false
            }
            ("lifecycle", "cancelling") => {
                following.stopped_by = peek::text(data, "/by");
                false
            }
            ("assistant", _) => {
                let item = following.item.clone();
                let offset = peek::int(data, "/offset").and_then(|offset| usize::try_from(offset).ok());
                if offset == Some(self.transcript.text_bytes(run, &item)) {
                    self.is_thinking = false;
                    self.transcript.text(run, &item, None, data["delta"].as_str().unwrap_or_default(), false);
                } else {
                    // Something is missing here: the history has it.
                    self.unfollow(run, effects);
                }
                true
            }
            ("superseded", _) => {
                let keep = peek::int(data, "/keep").and_then(|keep| usize::try_from(keep).ok()).unwrap_or(0);
                self.transcript.cut(run, keep);
                true
            }
            ("subscription", "error") => {
                self.unfollow(run, effects);
                true
            }
            _ => false,
        }
    }
}
