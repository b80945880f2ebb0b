//! The store: the run's epoch, its lease and its log.

use super::{EPOCH_MAX, TTL, Without};

/// What an owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Claim,
    Append(Entry),
}

/// What the store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    /// The run is the owner's: epoch, next position, the last thing that happened.
    Claimed {
        epoch: u8,
        next: u8,
        last: Event,
    },
    Done,
    Refused,
}

/// A line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) seq: u8,
    pub(super) epoch: u8,
    pub(super) event: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Event {
    Claimed,
    /// The tool is about to be dispatched.
    Started,
    /// Its outcome is recorded, be it that nobody knows.
    Settled,
    Ended,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) epoch: u8,
    lease_until: u8,
    log: Vec<Entry>,
    pub(super) is_done: bool,
}

impl Store {
    /// Does what is asked; `None` where the model ends.
    pub(super) fn receive(&mut self, request: Request, now: u8, without: Option<Without>) -> Option<Reply> {
        match request {
            Request::Claim => self.claim(now),
            Request::Append(entry) => Some(self.append(entry, without)),
        }
    }

    fn claim(&mut self, now: u8) -> Option<Reply> {
        if self.is_done || self.epoch > 0 && now < self.lease_until {
            return Some(Reply::Refused);
        }
        if self.epoch == EPOCH_MAX {
            return None;
        }
        let happened = |entry: &&Entry| entry.event != Event::Claimed;
        let last = self.log.iter().rev().find(happened).map_or(Event::Claimed, |entry| entry.event);
        self.epoch += 1;
        self.lease_until = now + TTL;
        let seq = self.next();
        self.log.push(Entry { seq, epoch: self.epoch, event: Event::Claimed });
        Some(Reply::Claimed { epoch: self.epoch, next: seq + 1, last })
    }

    fn append(&mut self, entry: Entry, without: Option<Without>) -> Reply {
        let is_fenced = match without {
            Some(Without::Fences) => false,
            Some(Without::Epoch) => entry.seq != self.next(),
            _ => entry.epoch != self.epoch || entry.seq != self.next(),
        };
        if is_fenced {
            return Reply::Refused;
        }
        self.is_done |= entry.event == Event::Ended;
        self.log.push(entry);
        Reply::Done
    }

    fn next(&self) -> u8 {
        self.log.last().map_or(1, |last| last.seq + 1)
    }

    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.log.contains(entry)
    }

    pub(super) fn has_started(&self, epoch: u8) -> bool {
        self.log.iter().any(|entry| entry.epoch == epoch && entry.event == Event::Started)
    }

    /// I1 and I2.
    pub(super) fn is_orderly(&self) -> bool {
        let mut epoch = 0;
        self.log.iter().enumerate().all(|(n, entry)| {
            let begins = entry.event == Event::Claimed;
            let fits = if begins { entry.epoch == epoch + 1 } else { entry.epoch == epoch };
            epoch = entry.epoch;
            fits && usize::from(entry.seq) == n + 1
        })
    }
}
