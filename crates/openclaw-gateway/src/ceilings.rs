//! Whose wall-clock ceiling a run has: its agent's, or the shorter one of its request.
//!
//! An outcome says that the time was over, not whose time it was. Requests come
//! in here, so it is noted when a run is asked for. Only so many runs are
//! remembered; of the others, and of runs an earlier process began, nothing is
//! said rather than something wrong.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openclaw_domain::{RunId, SessionKey};
use serde::Serialize;

/// Runs remembered; clients ask about a run while it works or soon after.
const RUNS_MAX: usize = 16 * 1024;

/// Whose ceiling it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ceiling {
    /// The agent's own.
    Agent,
    /// One the request brought, shorter than the agent's.
    Request,
}

impl Ceiling {
    /// Returns whose ceiling comes first.
    pub(crate) fn of(asked: Option<Duration>, own: Duration) -> Self {
        match asked {
            Some(asked) if asked < own => Ceiling::Request,
            Some(_) | None => Ceiling::Agent,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Ceiling::Agent => "agent",
            Ceiling::Request => "request",
        }
    }
}

/// The ceilings of recent runs.
#[derive(Default)]
pub(crate) struct Ceilings {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_run: HashMap<RunId, Noted>,
    /// Oldest first.
    order: VecDeque<RunId>,
}

struct Noted {
    session: SessionKey,
    /// `None` when two sessions use the same run id: who asks by id alone means either.
    ceiling: Option<Ceiling>,
}

impl Ceilings {
    /// Notes the ceiling of a run about to start; the first note of a run stands.
    pub(crate) fn note(&self, session: &SessionKey, run: &RunId, ceiling: Ceiling) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = known.by_run.get_mut(run) {
            if noted.session != *session {
                noted.ceiling = None;
            }
            return;
        }
        if known.order.len() >= RUNS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_run.remove(&oldest);
        }
        known.order.push_back(run.clone());
        known.by_run.insert(run.clone(), Noted { session: session.clone(), ceiling: Some(ceiling) });
    }

    /// Notes that a run took in an input: the input ends when the run does.
    pub(crate) fn share(&self, input: &RunId, carrier: &RunId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let ceiling = known.by_run.get(carrier).and_then(|noted| noted.ceiling);
        if let Some(noted) = known.by_run.get_mut(input) {
            noted.ceiling = ceiling;
        }
    }

    /// Returns the ceiling of a run, when it is known.
    pub(crate) fn of(&self, run: &RunId) -> Option<Ceiling> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.by_run.get(run)?.ceiling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: usize) -> RunId {
        format!("r{n}").parse().unwrap()
    }

    fn session(name: &str) -> SessionKey {
        format!("agent:main:{name}").parse().unwrap()
    }

    #[test]
    fn the_shorter_of_the_two_is_the_ceiling() {
        let own = Duration::from_secs(600);
        assert_eq!(Ceiling::of(None, own), Ceiling::Agent);
        assert_eq!(Ceiling::of(Some(own), own), Ceiling::Agent);
        assert_eq!(Ceiling::of(Some(Duration::from_millis(599_999)), own), Ceiling::Request);
    }

    #[test]
    fn an_input_has_the_ceiling_of_the_run_that_took_it_in() {
        let ceilings = Ceilings::default();
        ceilings.note(&session("a"), &run(1), Ceiling::Request);
        ceilings.note(&session("a"), &run(2), Ceiling::Agent);
        ceilings.share(&run(2), &run(1));
        assert_eq!(ceilings.of(&run(2)), Some(Ceiling::Request));
        ceilings.share(&run(2), &run(9));
        assert_eq!(ceilings.of(&run(2)), None, "the carrier is not known");
    }

    #[test]
    fn nothing_is_said_of_an_id_two_sessions_use_or_of_a_run_never_noted() {
        let ceilings = Ceilings::default();
        ceilings.note(&session("a"), &run(1), Ceiling::Request);
        ceilings.note(&session("a"), &run(1), Ceiling::Agent);
        assert_eq!(ceilings.of(&run(1)), Some(Ceiling::Request), "the first note stands");
        ceilings.note(&session("b"), &run(1), Ceiling::Agent);
        assert_eq!((ceilings.of(&run(1)), ceilings.of(&run(2))), (None, None));
    }

    #[test]
    fn the_oldest_run_is_forgotten_first() {
        let ceilings = Ceilings::default();
        (0..=RUNS_MAX).for_each(|n| ceilings.note(&session("a"), &run(n), Ceiling::Agent));
        assert_eq!((ceilings.of(&run(0)), ceilings.of(&run(1))), (None, Some(Ceiling::Agent)));
        assert_eq!(ceilings.known.lock().unwrap().by_run.len(), RUNS_MAX);
    }
}
