//! `/compact`: older messages are shown to the model as a summary, and again in full.
//! Nothing on screen or in the transcript changes by it.

use serde_json::{Value, json};

use super::{Asked, Effect, State, call};
use crate::out::number;
use crate::peek;
use crate::tui::row::{Look, Row, Span};
use crate::tui::text;
use crate::tui::width;

impl State {
    /// Performs `/compact` and `/compact undo`.
    pub(super) fn compact(&mut self, argument: &str, effects: &mut Vec<Effect>) {
        let params = json!({ "key": self.session });
        match argument {
            "" => {
                self.say(&text::COMPACTING, &[]);
                effects.push(call(Asked::Compact, "sessions.compact", params));
            }
            "undo" => effects.push(call(Asked::Summaries, "sessions.compaction.list", params)),
            other => self.print(Look::Failed, &text::COMPACT_FORMS, &[("name", other)]),
        }
    }

    /// Shows what the summary says, and how much shorter the conversation is for the model.
    pub(super) fn compacted(&mut self, answer: &Value) {
        if peek::is(answer, "/due") {
            return self.say(&text::COMPACT_DUE, &[]);
        }
        if !peek::is(answer, "/compacted") {
            let cause = peek::text(answer, "/reason");
            return self.print(Look::Dim, &text::NOT_COMPACTED, &[("cause", &cause)]);
        }
        self.shorter(&answer["result"]);
        let mut rows = Vec::new();
        for line in peek::text(answer, "/checkpoint/summary").lines() {
            let span = Span::new(Look::Dim, format!("  {}", width::safe_line(line)));
            rows.extend(if line.is_empty() { vec![Row::default()] } else { width::wrap(&[span], self.columns) });
        }
        self.transcript.note(rows);
    }

    /// Takes the newest summary back, if there is one.
    pub(super) fn undo_compaction(&mut self, answer: &Value, effects: &mut Vec<Effect>) {
        let newest = peek::text(answer, "/checkpoints/0/checkpointId");
        if newest.is_empty() {
            return self.say(&text::NO_SUMMARY, &[]);
        }
        let params = json!({ "key": self.session, "checkpointId": newest });
        effects.push(call(Asked::Uncompact, "sessions.compaction.restore", params));
    }

    /// Takes an event of the stream `compaction`: a run made its conversation shorter.
    pub(super) fn compaction(&mut self, phase: &str, data: &Value) {
        match phase {
            "start" => self.say(&text::COMPACTING, &[]),
            "end" if peek::is(data, "/completed") => self.shorter(data),
            "end" => {
                let cause = peek::text(data, "/reason");
                self.print(Look::Dim, &text::NOT_COMPACTED, &[("cause", &cause)]);
            }
            _ => {}
        }
    }

    fn shorter(&mut self, result: &Value) {
        let count = |name: &str| peek::int(result, name).map(number::thousands);
        let entries = count("/entries").unwrap_or_default();
        match count("/tokensBefore").zip(count("/tokensAfter")) {
            Some((before, after)) => {
                let values = [("count", &*entries), ("before", &*before), ("after", &*after)];
                self.print(Look::Done, &text::COMPACTED, &values);
            }
            None => self.print(Look::Done, &text::COMPACTED_SOME, &[("count", &entries)]),
        }
    }
}
