//! What a subscriber is told next, as a fold over the journal.
//!
//! Pure: it is given events and live text and says what to send. It keeps two
//! numbers per turn: the bytes of text the journal holds, and the bytes the
//! client has. The client is never behind the journal's text at its position;
//! it may be ahead of it, by live text.

use openclaw_domain::{Cursor, Recorded, RunEvent, Seq};

/// How far one subscriber is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telling {
    /// The last event that was told.
    seq: Seq,
    /// Bytes of the turn's text that the journal holds up to there.
    kept: u64,
    /// Bytes of the turn's text that the client has; never less than `kept`.
    seen: u64,
    /// Whether an owner took the run over and has recorded nothing since.
    is_taken_over: bool,
    is_ended: bool,
}

/// One thing to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// Where the client is once it has this.
    pub(crate) cursor: Cursor,
    /// What it is.
    pub(crate) what: What,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// Text that goes on at this byte of the turn.
    Text {
        /// The text.
        delta: String,
        /// Where it begins.
        offset: u64,
        /// Whether it survives a crash.
        is_durable: bool,
    },
    /// The turn's text after `keep` bytes is void.
    Superseded {
        /// Bytes that stand.
        keep: u64,
    },
    /// An event of the journal. Text it brings stands before it.
    Event {
        /// Whether it is the first one of an owner that took the run over (I14).
        is_resumed: bool,
        /// Text of a `model_delta` that the client does not have, and where it begins.
        text: Option<(String, u64)>,
    },
}

impl Telling {
    /// Begins at the beginning of the run.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Returns the last event that was told.
    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// Tells whether the run's end was told.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Returns where the client is.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { seq: self.seq, off: self.seen.saturating_sub(self.kept) }
    }

    /// Takes note of an event that the client has.
    pub(crate) fn skip(&mut self, recorded: &Recorded) {
        drop(self.tell(recorded));
        self.seen = self.kept;
    }

    /// Takes note of live text that the client has after the last skipped event.
    pub(crate) fn has_live(&mut self, bytes: u64) {
        self.seen = self.kept.saturating_add(bytes);
    }

    /// Tells an event; nothing when it was told already.
    pub(crate) fn tell(&mut self, recorded: &Recorded) -> Vec<Told> {
        if recorded.seq <= self.seq {
            return Vec::new();
        }
        let mut told = Vec::new();
        let mut text = None;
        match &recorded.event {
            RunEvent::ModelStarted { .. } => {
                self.cut_to(self.kept, &mut told);
                (self.kept, self.seen) = (0, 0);
            }
            RunEvent::ModelDelta { text: delta } => text = self.delta(delta, &mut told),
            RunEvent::ModelSuperseded { .. } => (self.kept, self.seen) = (0, 0),
            RunEvent::ModelDone { turn, .. } => {
                self.complete(&turn.text(), &mut told);
                (self.kept, self.seen) = (0, 0);
            }
            // Live text that nobody recorded was lost with its owner.
            RunEvent::ModelFailed { .. } | RunEvent::Ended { .. } => self.cut_to(self.kept, &mut told),
            RunEvent::Accepted { .. }
            | RunEvent::Claimed { .. }
            | RunEvent::Began { .. }
            | RunEvent::ModelSelected { .. }
            | RunEvent::ToolIntent { .. }
            | RunEvent::ApprovalRequested { .. }
            | RunEvent::ApprovalResolved { .. }
            | RunEvent::ToolStarted { .. }
            | RunEvent::ToolEnded { .. }
            | RunEvent::ToolUnsure { .. }
            | RunEvent::ToolSettled { .. }
            | RunEvent::Compacted { .. }
            | RunEvent::Steered { .. }
            | RunEvent::CancelRequested { .. }
            | RunEvent::DeadlinePassed => {}
        }
        self.is_ended = matches!(recorded.event, RunEvent::Ended { .. });
        let is_claim = matches!(recorded.event, RunEvent::Claimed { .. });
        let is_resumed = !is_claim && std::mem::take(&mut self.is_taken_over);
        self.is_taken_over |= is_claim && recorded.epoch.0 > 1;
        self.seq = recorded.seq;
        told.push(Told { cursor: self.cursor(), what: What::Event { is_resumed, text } });
        told
    }

    /// Tells live text that stands after event `seq`, its first byte `from` bytes after it.
    pub(crate) fn live(&mut self, seq: Seq, from: u64, live: &str) -> Vec<Told> {
        let mut told = Vec::new();
        let Some(known) = self.cursor().off.checked_sub(from) else { return told };
        if seq != self.seq || known >= live.len() as u64 {
            return told;
        }
        if let Some((delta, offset)) = self.rest_of(live, self.kept + from, &mut told) {
            told.push(Told { cursor: self.cursor(), what: What::Text { delta, offset, is_durable: false } });
        }
        told
    }

    /// Takes note of recorded text; returns what of it the client does not have.
    fn delta(&mut self, delta: &str, told: &mut Vec<Told>) -> Option<(String, u64)> {
        let start = self.kept;
        let missing = self.rest_of(delta, start, told);
        self.kept = start + delta.len() as u64;
        missing
    }

    /// Tells what the client does not have of a complete turn.
    fn complete(&mut self, text: &str, told: &mut Vec<Told>) {
        if self.seen > text.len() as u64 {
            // The turn is not what was streamed: it stands instead.
            self.cut_to(0, told);
        }
        if let Some((delta, offset)) = self.rest_of(text, 0, told) {
            told.push(Told { cursor: self.cursor(), what: What::Text { delta, offset, is_durable: true } });
        }
    }

    /// Returns the part of `text`, which begins at byte `start` of the turn, that
    /// the client does not have, and takes it as seen.
    fn rest_of(&mut self, text: &str, start: u64, told: &mut Vec<Told>) -> Option<(String, u64)> {
        let known = usize::try_from(self.seen.saturating_sub(start)).unwrap_or(usize::MAX);
        if known >= text.len() {
            return None;
        }
        // A client that cut a character in two gets it whole again.
        let whole = text.floor_char_boundary(known);
        if whole < known {
            self.cut_to(start + whole as u64, told);
        }
        let offset = self.seen;
        self.seen += (text.len() - whole) as u64;
        Some((text[whole..].to_owned(), offset))
    }

    fn cut_to(&mut self, keep: u64, told: &mut Vec<Told>) {
        if self.seen > keep {
            self.seen = keep;
            told.push(Told { cursor: self.cursor(), what: What::Superseded { keep } });
        }
    }
}

#[cfg(test)]
mod tests;
