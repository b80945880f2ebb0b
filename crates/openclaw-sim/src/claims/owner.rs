//! An owner: what it believes, and what it does next.

use super::store::{Entry, Event, Reply, Request};
use super::{MARGIN, SKEW, TTL, Without};

/// How far an owner is with the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It has no run.
    #[default]
    Idle,
    Claiming,
    /// The tool's start is to be recorded.
    ToStart,
    /// The start is recorded; the tool may be dispatched.
    Started,
    /// The outcome is to be recorded.
    ToSettle,
    ToEnd,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) stage: Stage,
    pub(super) epoch: u8,
    next: u8,
    /// Time since it asked for the run, by its own clock.
    elapsed: u8,
    /// Its clock against the store's.
    skew: i8,
    pub(super) sent: Option<Request>,
    pub(super) answer: Option<(Request, Reply)>,
    has_dispatched: bool,
}

impl Owner {
    /// Returns what it asks for next.
    pub(super) fn next_request(&self) -> Option<Request> {
        let append = |event| Some(Request::Append(Entry { seq: self.next, epoch: self.epoch, event }));
        match self.stage {
            Stage::Idle => Some(Request::Claim),
            Stage::ToStart => append(Event::Started),
            Stage::ToSettle => append(Event::Settled),
            Stage::ToEnd => append(Event::Ended),
            Stage::Claiming | Stage::Started => None,
        }
    }

    pub(super) fn send(&mut self) {
        self.sent = self.next_request();
        if self.stage == Stage::Idle {
            self.stage = Stage::Claiming;
            // From here on, because the lease begins no earlier.
            self.elapsed = 0;
        }
    }

    /// Tells whether it still knows what it asked.
    pub(super) fn is_waiting(&self) -> bool {
        self.stage != Stage::Idle
    }

    pub(super) fn hear(&mut self, request: Request, reply: Reply, without: Option<Without>) {
        self.stage = match (request, reply) {
            (Request::Claim, Reply::Claimed { epoch, next, last }) => {
                (self.epoch, self.next) = (epoch, next);
                match last {
                    Event::Claimed => Stage::ToStart,
                    Event::Started if without == Some(Without::Ledger) => Stage::ToStart,
                    // Nobody knows whether it happened; that is the outcome.
                    Event::Started => Stage::ToSettle,
                    Event::Settled | Event::Ended => Stage::ToEnd,
                }
            }
            (Request::Append(entry), Reply::Done) => {
                self.next += 1;
                match entry.event {
                    Event::Started if self.has_dispatched => Stage::ToSettle,
                    Event::Started => Stage::Started,
                    Event::Settled => Stage::ToEnd,
                    Event::Ended | Event::Claimed => Stage::Idle,
                }
            }
            _ => Stage::Idle,
        };
        if self.stage == Stage::Idle {
            self.forget();
        }
    }

    /// Tells whether it believes that it may touch the world now.
    pub(super) fn may_dispatch(&self, without: Option<Without>) -> bool {
        let margin = if without == Some(Without::Margin) { 0 } else { MARGIN };
        let is_started = match without {
            Some(Without::Barrier) => matches!(self.stage, Stage::ToStart | Stage::Started) && self.sent.is_some(),
            _ => self.stage == Stage::Started,
        };
        is_started && !self.has_dispatched && self.elapsed < TTL - margin
    }

    pub(super) fn dispatched(&mut self) {
        self.has_dispatched = true;
        if self.stage == Stage::Started {
            self.stage = Stage::ToSettle;
        }
    }

    /// Forgets everything but what is on its way already.
    pub(super) fn crash(&mut self) {
        self.stage = Stage::Idle;
        self.answer = None;
        self.forget();
    }

    fn forget(&mut self) {
        (self.epoch, self.next, self.elapsed, self.has_dispatched) = (0, 0, 0, false);
    }

    /// Its clock goes on by `step` while the store's goes on by one; `None` when
    /// it would be further off than clocks are.
    pub(super) fn pass(&mut self, step: u8) -> Option<()> {
        self.skew += i8::try_from(step).ok()? - 1;
        if self.stage != Stage::Idle {
            self.elapsed = (self.elapsed + step).min(TTL);
        }
        (self.skew.abs() <= SKEW).then_some(())
    }
}
