//! What a chain asked the store to write, and what it was promised.

use std::collections::BTreeMap;

use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey};

/// A run's name: its session and its id.
pub(super) type Name = (SessionKey, RunId);

/// One write and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) what: &'static str,
    pub(super) first: Seq,
    pub(super) epoch: Epoch,
    pub(super) events: Vec<RunEvent>,
    /// Whether the writer was promised that a power cut takes nothing of it.
    pub(super) is_barrier: bool,
    /// When it was asked for.
    pub(super) issued: u64,
    /// When it was acknowledged.
    pub(super) acked: Option<u64>,
}

impl Write {
    /// Position after its last event.
    pub(super) fn next(&self) -> Seq {
        Seq(self.first.0 + self.events.len() as u64)
    }
}

/// Everything that was asked for, by run.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) runs: BTreeMap<Name, Vec<Write>>,
    /// Orders requests and acknowledgements of all lanes.
    now: u64,
}

impl History {
    /// Notes a request before it is made.
    pub(super) fn issue(&mut self, name: &Name, mut write: Write) {
        self.now += 1;
        write.issued = self.now;
        self.runs.entry(name.clone()).or_default().push(write);
    }

    /// Notes that the newest request of a run was acknowledged.
    pub(super) fn acknowledge(&mut self, name: &Name) {
        self.now += 1;
        let now = self.now;
        if let Some(write) = self.runs.get_mut(name).and_then(|writes| writes.last_mut()) {
            write.acked = Some(now);
        }
    }

    /// When the last barrier was asked for that was acknowledged later: whatever
    /// was acknowledged before that moment is in the same log and must be there.
    pub(super) fn last_barrier(&self) -> u64 {
        let acked_barriers = self.runs.values().flatten().filter(|write| write.is_barrier && write.acked.is_some());
        acked_barriers.map(|write| write.issued).max().unwrap_or(0)
    }

    /// Counts acknowledged writes of a kind.
    pub(super) fn count(&self, what: &str) -> usize {
        self.runs.values().flatten().filter(|write| write.what == what && write.acked.is_some()).count()
    }
}
