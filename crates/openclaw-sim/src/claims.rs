//! A model of claim, append and takeover, small enough to visit every state.
//!
//! Two owners, one run with a tool that must not be repeated, messages that
//! arrive late, owners that crash or stand still, leases that end by the store's
//! clock while owners measure with clocks of their own that drift apart. Each
//! rule of the protocol can be left out, to see that it is needed.

mod owner;
mod store;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

use owner::{Owner, Stage};
use store::{Entry, Reply, Request, Store};

/// Ticks that a lease lasts.
const TTL: u8 = 3;

/// How far an owner's clock is from the store's, at most, either way.
const SKEW: i8 = 1;

/// An owner stops this much before its lease ends: the most that two readings
/// of a clock within [`SKEW`] can be too short.
const MARGIN: u8 = 2;

/// When the model ends.
const NOW_MAX: u8 = 4;

/// Takeovers are bounded as well.
const EPOCH_MAX: u8 = 2;

/// A rule of the protocol that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// An append need not carry the run's epoch. (Its position is still checked.)
    Epoch,
    /// An append takes any position, whatever its epoch.
    Fences,
    /// An owner dispatches until the last moment of its lease.
    Margin,
    /// An owner dispatches before its start is acknowledged.
    Barrier,
    /// A new owner dispatches again what an earlier one started.
    Ledger,
}

/// What checking found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// States that were visited.
    pub states: usize,
    /// Rules that some order of events breaks.
    pub broken: Vec<&'static str>,
    /// Situations that must come up and never did.
    pub missing: Vec<&'static str>,
}

/// Visits every state of the protocol.
pub fn check(without: Option<Without>) -> Findings {
    // With a rule left out, the first thing that breaks is enough.
    let end = if without.is_some() { HasDiscoveries::AnyFailures } else { HasDiscoveries::All };
    let checker = Protocol { without }.checker().finish_when(end).spawn_bfs().join();
    let discovered = |name| checker.discovery(name).is_some();
    Findings {
        states: checker.unique_state_count(),
        broken: ALWAYS.into_iter().map(|(name, _)| name).filter(|name| discovered(name)).collect(),
        missing: SOMETIMES.into_iter().map(|(name, _)| name).filter(|name| !discovered(name)).collect(),
    }
}

#[derive(Debug, Clone)]
struct Protocol {
    without: Option<Without>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    store: Store,
    owners: [Owner; 2],
    /// What was acknowledged to somebody.
    acked: Vec<Entry>,
    /// Epochs of the dispatches.
    dispatched: Vec<u8>,
    /// Somebody dispatched although the run was another's.
    is_late: bool,
    /// Somebody dispatched without a start in the log.
    is_unrecorded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// An owner sends its next request.
    Send(usize),
    /// A request arrives at the store.
    Arrive(usize),
    /// An answer arrives at the owner.
    Answer(usize),
    Dispatch(usize),
    /// An owner forgets everything; what it sent may still arrive.
    Crash(usize),
    /// Time goes on; the owners' clocks by this much.
    Tick([u8; 2]),
}

type Rule = (&'static str, fn(&Protocol, &State) -> bool);

/// What must hold in every state.
const ALWAYS: [Rule; 5] = [
    ("the tool is dispatched at most once", |_, state| state.dispatched.len() <= 1),
    ("nobody dispatches after a takeover", |_, state| !state.is_late),
    ("a start is recorded before the dispatch", |_, state| !state.is_unrecorded),
    ("positions have no gap and epochs never go back", |_, state| state.store.is_orderly()),
    ("what was acknowledged is in the log", |_, state| state.acked.iter().all(|entry| state.store.has(entry))),
];

/// What must come up, or the model proves nothing.
const SOMETIMES: [Rule; 3] = [
    ("the run ends", |_, state| state.store.is_done),
    ("a dispatched tool is taken over", |_, state| state.store.epoch == 2 && state.dispatched == [1]),
    ("the second owner dispatches", |_, state| state.dispatched == [2]),
];

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            store: Store::default(),
            owners: [Owner::default(), Owner::default()],
            acked: Vec::new(),
            dispatched: Vec::new(),
            is_late: false,
            is_unrecorded: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (n, owner) in state.owners.iter().enumerate() {
            if owner.next_request().is_some() && owner.sent.is_none() && owner.answer.is_none() {
                actions.push(Action::Send(n));
            }
            if owner.sent.is_some() {
                actions.push(Action::Arrive(n));
            }
            if owner.answer.is_some() {
                actions.push(Action::Answer(n));
            }
            if owner.may_dispatch(self.without) {
                actions.push(Action::Dispatch(n));
            }
            if owner.stage != Stage::Idle {
                actions.push(Action::Crash(n));
            }
        }
        if state.now < NOW_MAX {
            for a in 0..=2 {
                actions.extend((0..=2).map(|b| Action::Tick([a, b])));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Send(n) => {
                let owner = state.owners.get_mut(n)?;
                owner.send();
            }
            Action::Arrive(n) => {
                let request = state.owners.get_mut(n)?.sent.take()?;
                let reply = state.store.receive(request, state.now, self.without)?;
                let owner = state.owners.get_mut(n)?;
                if owner.is_waiting() {
                    owner.answer = Some((request, reply));
                }
            }
            Action::Answer(n) => {
                let owner = state.owners.get_mut(n)?;
                let (request, reply) = owner.answer.take()?;
                if let (Request::Append(entry), Reply::Done) = (request, reply) {
                    state.acked.push(entry);
                }
                owner.hear(request, reply, self.without);
            }
            Action::Dispatch(n) => {
                let owner = state.owners.get_mut(n)?;
                state.is_late |= state.store.epoch != owner.epoch;
                state.is_unrecorded |= !state.store.has_started(owner.epoch);
                state.dispatched.push(owner.epoch);
                owner.dispatched();
            }
            Action::Crash(n) => {
                let owner = state.owners.get_mut(n)?;
                owner.crash();
            }
            Action::Tick(steps) => {
                state.now += 1;
                for (owner, step) in state.owners.iter_mut().zip(steps) {
                    owner.pass(step)?;
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = ALWAYS.into_iter().map(|(name, rule)| Property::always(name, rule));
        always.chain(SOMETIMES.into_iter().map(|(name, rule)| Property::sometimes(name, rule))).collect()
    }
}
