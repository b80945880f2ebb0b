//! Changes a session's record, each change in one transaction.

use openclaw_domain::ids::{ID_BYTES_MAX, SessionKey, Timestamp};
use openclaw_domain::ports::{Durability, RecordError as Error};
use openclaw_domain::session::{Session, SessionChange, SessionPatch, SessionState};
use rusqlite::{Connection, params};

use super::{lane, remove, row};
use crate::sqlite::body::Body;
use crate::sqlite::error::{Failure, WorkError};

/// A change made ready on the caller's thread.
#[derive(Debug)]
pub(super) enum Prepared {
    Patch(SessionPatch),
    Transition(SessionState),
    /// The delivery context as JSON.
    Deliver(String),
    Reset,
    Inject(Body),
    Delete {
        transcript: bool,
    },
}

impl Prepared {
    /// Words and removals must survive a power cut; the rest is noted anew with the next message.
    pub(super) fn durability(&self) -> Durability {
        match self {
            Prepared::Transition(_) | Prepared::Deliver(_) => Durability::Committed,
            Prepared::Patch(_) | Prepared::Reset | Prepared::Inject(_) | Prepared::Delete { .. } => Durability::Barrier,
        }
    }
}

/// Checks and encodes a change.
pub(super) fn prepare(change: SessionChange) -> Result<Prepared, WorkError<Error>> {
    Ok(match change {
        SessionChange::Patch(patch) => {
            if patch.label.iter().flatten().any(|label| label.len() > ID_BYTES_MAX) {
                let max = format!("{ID_BYTES_MAX} bytes");
                return Err(WorkError::Refused(Error::TooLarge { what: "the session's label".to_owned(), max }));
            }
            Prepared::Patch(patch)
        }
        SessionChange::Transition(state) => Prepared::Transition(state),
        SessionChange::Deliver(delivery) => Prepared::Deliver(
            serde_json::to_string(&delivery)
                .map_err(|error| Failure::Damaged(format!("the delivery context cannot be written: {error}")))?,
        ),
        SessionChange::Reset => Prepared::Reset,
        SessionChange::Inject(turn) => Prepared::Inject(Body::of("the note", &turn)?),
        SessionChange::Delete { transcript } => Prepared::Delete { transcript },
    })
}

/// Makes a change; returns the session afterwards, or as it was before its removal.
pub(super) fn apply(
    db: &Connection,
    key: &SessionKey,
    change: &Prepared,
    expected_revision: Option<u64>,
    at: Timestamp,
) -> Result<Session, WorkError<Error>> {
    let before = row::require(db, key)?;
    if expected_revision.is_some_and(|revision| revision != before.revision) {
        return Err(WorkError::Refused(Error::Stale(format!("session {key}"))));
    }
    match change {
        Prepared::Patch(patch) => set(db, &patched(&before, patch), at)?,
        Prepared::Transition(state) => {
            let state = before.state.to(*state).map_err(|error| WorkError::Refused(error.into()))?;
            set(db, &Session { state, ..before }, at)?;
        }
        Prepared::Deliver(delivery) => {
            db.prepare_cached("update session set delivery = ?2 where skey = ?1")?
                .execute(params![key.as_str(), delivery])?;
            set(db, &before, at)?;
        }
        Prepared::Reset => reset(db, &before, at)?,
        Prepared::Inject(turn) => {
            let mut lane = lane::open(db, key, at)?;
            lane.push(db, None, turn, at)?;
            lane.save(db, at)?;
        }
        Prepared::Delete { transcript } => {
            remove::remove(db, key, *transcript, at)?;
            return Ok(before);
        }
    }
    row::require(db, key)
}

fn patched(before: &Session, patch: &SessionPatch) -> Session {
    let patch = patch.clone();
    let before = before.clone();
    Session {
        label: patch.label.unwrap_or(before.label),
        model: patch.model.unwrap_or(before.model),
        thinking: patch.thinking.unwrap_or(before.thinking),
        is_pinned: patch.is_pinned.unwrap_or(before.is_pinned),
        is_unread: patch.is_unread.unwrap_or(before.is_unread),
        ..before
    }
}

/// Writes the fields people set, and notes that the record changed.
fn set(db: &Connection, session: &Session, at: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "update session set state = ?2, label = ?3, model = ?4, thinking = ?5, pinned = ?6, unread = ?7,
                revision = revision + 1, updated_at = max(updated_at, ?8)
         where skey = ?1",
    )?
    .execute(params![
        session.key.as_str(),
        session.state.as_str(),
        session.label,
        session.model.as_ref().map(ToString::to_string),
        session.thinking.map(|thinking| thinking.as_str()),
        session.is_pinned,
        session.is_unread,
        at.0,
    ])?;
    Ok(())
}

/// Begins a new conversation: numbers go on, counters begin at nothing.
fn reset(db: &Connection, session: &Session, at: Timestamp) -> rusqlite::Result<()> {
    let id: i64 = db
        .prepare_cached(
            "update session set entries = 0, tokens_in = 0, tokens_out = 0, cache_read = 0, cache_write = 0,
                    reasoning = 0, cost_usd = null
             where skey = ?1 returning id",
        )?
        .query_row([session.key.as_str()], |row| row.get(0))?;
    lane::begin_conversation(db, id, at)?;
    set(db, session, at)
}
