//! What a follower has seen of a run, and whether it came as promised (I9).

use openclaw_domain::ids::Seq;
use openclaw_domain::{Cursor, Recorded, RunEvent};

/// A follower's view of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Position of the last event.
    seq: u64,
    /// Text of the current turn that survives a crash.
    kept: String,
    /// Text after it that may still be voided.
    live: String,
    /// Texts of the completed turns.
    pub(super) turns: Vec<String>,
    /// The text the run ended with.
    pub(super) ended: Option<String>,
    /// Times that text was taken back.
    pub(super) taken_back: usize,
    /// Promises that were broken.
    pub(super) broken: Vec<String>,
}

impl Seen {
    /// Where to go on.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor { seq: Seq(self.seq), off: self.live.len() as u64 }
    }

    /// More live text, which goes on where the cursor says.
    pub(super) fn text(&mut self, after: Cursor, delta: &str) {
        if after != self.cursor() {
            self.broken.push(format!("text for {after:?} came at {:?}", self.cursor()));
        }
        self.live.push_str(delta);
    }

    /// The next event of the journal.
    pub(super) fn event(&mut self, recorded: &Recorded) {
        if recorded.seq.0 != self.seq + 1 {
            self.broken.push(format!("event {} came after {}", recorded.seq.0, self.seq));
        }
        self.seq = recorded.seq.0;
        match &recorded.event {
            // Another process took over: what was live is void.
            RunEvent::Claimed { .. } => self.live.clear(),
            RunEvent::ModelDelta { text } => {
                let is_continued = text.starts_with(&self.live);
                self.expect(is_continued, "live text is not what was kept");
                self.live.clear();
                self.kept.push_str(text);
            }
            RunEvent::ModelSuperseded { .. } => {
                self.taken_back += 1;
                self.kept.clear();
                self.live.clear();
            }
            RunEvent::ModelStarted { .. } => {
                let is_clean = self.kept.is_empty() && self.live.is_empty();
                self.expect(is_clean, "text of an interrupted answer was not taken back");
            }
            RunEvent::ModelDone { turn, .. } => {
                let text = turn.text();
                let shown = format!("{}{}", self.kept, self.live);
                let is_beginning = text.starts_with(&shown);
                self.expect(is_beginning, "what was shown is not how the turn begins");
                self.kept.clear();
                self.live.clear();
                self.turns.push(text);
            }
            RunEvent::Ended { outcome } => self.ended = Some(outcome.text.clone()),
            _ => {}
        }
    }

    fn expect(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.broken.push(format!("at event {}: {otherwise}: {:?} then {:?}", self.seq, self.kept, self.live));
        }
    }
}
