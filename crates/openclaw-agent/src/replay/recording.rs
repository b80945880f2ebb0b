//! A recorded run, read whole.

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Journal, JournalError, RunName, RunRecord, Sessions};
use openclaw_domain::session::EntryQuery;
use openclaw_domain::{Limits, Recorded, RunEvent, RunRequest, Runtime, Seq, SessionId, Turn};

/// Events read at a time.
const PAGE: usize = 1000;

/// Most events of one run that are read: its limits end it long before.
const EVENTS_MAX: usize = 1_000_000;

/// How many runs are searched for an id.
const LOOKBACK: usize = 10_000;

/// A run as recorded, with the part of the transcript it belongs to.
pub(crate) struct Recording {
    /// What the journal says of the run as a whole.
    pub(crate) record: RunRecord,
    /// All its events.
    pub(crate) events: Vec<Recorded>,
    /// The transcript, if the run's conversation is still the session's.
    pub(crate) transcript: Option<Transcript>,
}

/// The conversation a run belongs to.
pub(crate) struct Transcript {
    /// Its id, from which keys are derived.
    pub(crate) id: SessionId,
    /// What was said before the run.
    pub(crate) earlier: Vec<Turn>,
    /// What the run added.
    pub(crate) own: Vec<Turn>,
}

impl Recording {
    /// Returns what was asked; `None` when the journal does not begin with it.
    pub(crate) fn accepted(&self) -> Option<(&RunRequest, &Limits, &Runtime)> {
        match &self.events.first()?.event {
            RunEvent::Accepted { request, limits, runtime } => Some((request, limits, runtime)),
            _ => None,
        }
    }
}

/// Reads a run from the record.
///
/// # Errors
/// `NotFound` for an unknown run, `Conflict` when several sessions have it.
pub(crate) async fn read(journal: &dyn Journal, sessions: &dyn Sessions, name: &RunName) -> Result<Recording, Fault> {
    let record = find(journal, name).await?;
    let mut events: Vec<Recorded> = Vec::new();
    while events.len() < EVENTS_MAX {
        let after = events.last().map_or(Seq(0), |last| last.seq);
        let page =
            journal.events(&record.session, &record.id, after, PAGE).await.map_err(|error| unreadable(&error))?;
        let is_last = page.len() < PAGE;
        events.extend(page);
        if is_last {
            break;
        }
    }
    let transcript = transcript(sessions, &record, &events).await?;
    Ok(Recording { record, events, transcript })
}

async fn find(journal: &dyn Journal, name: &RunName) -> Result<RunRecord, Fault> {
    let runs = journal.runs(name.session.as_ref(), false, LOOKBACK).await.map_err(|error| unreadable(&error))?;
    let mut found: Vec<RunRecord> = runs.into_iter().filter(|record| record.id == name.run).collect();
    match (found.pop(), found.is_empty()) {
        (Some(record), true) => Ok(record),
        (Some(record), false) => {
            let text = format!("sessions {} and {} both have a run {}", record.session, found[0].session, name.run);
            Err(Fault::new(Kind::Conflict, text).hint("name the session too: --session KEY"))
        }
        (None, _) => {
            Err(Fault::new(Kind::NotFound, format!("there is no run {}", name.run)).hint("openclaw runs list"))
        }
    }
}

/// Reads the run's part of the transcript; `None` when the session was reset or
/// removed since, so that its current conversation is another one.
async fn transcript(
    sessions: &dyn Sessions,
    record: &RunRecord,
    events: &[Recorded],
) -> Result<Option<Transcript>, Fault> {
    let failed = |error: openclaw_domain::ports::RecordError| Fault::new(Kind::Unavailable, error.to_string());
    let head = events.iter().find_map(|recorded| match recorded.event {
        RunEvent::Began { transcript_head } => Some(transcript_head),
        _ => None,
    });
    let (Some(head), Some(session)) = (head, sessions.get(&record.session).await.map_err(failed)?) else {
        return Ok(None);
    };
    let page = sessions.entries(&record.session, EntryQuery::default()).await.map_err(failed)?;
    let (earlier, later): (Vec<_>, Vec<_>) = page.entries.into_iter().partition(|entry| entry.n <= head);
    let own: Vec<Turn> =
        later.into_iter().filter(|entry| entry.run.as_ref() == Some(&record.id)).map(|entry| entry.turn).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let earlier = earlier.into_iter().map(|entry| entry.turn).collect();
    Ok(Some(Transcript { id: session.id, earlier, own }))
}

fn unreadable(error: &JournalError) -> Fault {
    let kind = if matches!(error, JournalError::NoSuchRun(_)) { Kind::NotFound } else { Kind::Unavailable };
    Fault::new(kind, error.to_string())
}
