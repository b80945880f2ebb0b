//! Finds where in the transcript the summarised part ends.

use openclaw_domain::RunRequest;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::session::EntryQuery;

use crate::shared::Shared;
use crate::step::RunState;

/// Returns the number of the entry that holds turn number `hidden` of a working
/// run. Entries of a conversation have consecutive numbers; once a run works,
/// notes of others may come between its own.
///
/// # Errors
/// When the store fails, or the turn is not in the transcript.
pub(crate) async fn of_run(
    shared: &Shared,
    request: &RunRequest,
    state: &RunState,
    hidden: usize,
) -> Result<u64, Fault> {
    let missing = || Fault::new(Kind::Bug, format!("turn {hidden} of run {} is not in the transcript", request.id));
    let began_after = state.began_after.ok_or_else(missing)?;
    if hidden <= state.earlier {
        return began_after.checked_sub((state.earlier - hidden) as u64).ok_or_else(missing);
    }
    let query = EntryQuery { after: began_after, ..EntryQuery::default() };
    let page = shared.ports.sessions.entries(&request.session, query).await;
    let page = page.map_err(|error| Fault::new(Kind::Unavailable, error.to_string()))?;
    let mut own = page.entries.iter().filter(|entry| entry.run.as_ref() == Some(&request.id));
    own.nth(hidden - state.earlier - 1).map(|entry| entry.n).ok_or_else(missing)
}
