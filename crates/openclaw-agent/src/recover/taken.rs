//! Finds input that joined another run: it ends with that run, not by itself.

use super::*;

/// How many ended runs of a session are searched.
const LOOKBACK: usize = 100;

/// A clock that was set back by no more than this hides no carrier.
const CLOCK_STEP_MS: i64 = 3_600_000;

/// Returns the inputs other runs took in, each with that run's outcome if it
/// has ended. Only runs that worked while one of the inputs waited can have
/// taken one in: `first` is when the oldest of them was accepted.
pub(super) async fn inputs(
    shared: &Shared,
    key: &SessionKey,
    interrupted: Option<&Interrupted>,
    first: openclaw_domain::Timestamp,
) -> Result<BTreeMap<RunId, Option<Outcome>>, Fault> {
    let mut taken = BTreeMap::new();
    if let Some(Interrupted { state, .. }) = interrupted {
        // Given and not yet put before the model counts as well: it will be.
        let given = state.steered.iter().map(|(id, _)| id);
        taken.extend(state.carried.iter().chain(given).map(|id| (id.clone(), None)));
    }
    let recent = shared.ports.journal.runs(Some(key), false, LOOKBACK).await.map_err(|error| journal(&error))?;
    for record in recent {
        let Some(outcome) = record.outcome else { continue };
        if outcome.ended_at.0 < first.0.saturating_sub(CLOCK_STEP_MS) {
            continue;
        }
        let mut state = RunState::new(Vec::new());
        for recorded in events_after(shared, key, &record.id, Seq(0)).await? {
            step::step(&mut state, &recorded.event);
        }
        // What it was given too late to use is a turn of its own.
        taken.extend(state.carried.into_iter().map(|id| (id, Some(outcome.clone()))));
    }
    Ok(taken)
}
