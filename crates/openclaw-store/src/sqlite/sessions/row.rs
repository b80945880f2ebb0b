//! A session's row and the noun it stands for.

use openclaw_domain::ids::{SessionKey, Timestamp};
use openclaw_domain::model::Usage;
use openclaw_domain::ports::RecordError as Error;
use openclaw_domain::session::{Session, SessionState};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::sqlite::error::{WorkError, damaged};

/// What [`read`] expects, in its order; of `session s` joined with `conversation c`.
pub(super) const COLUMNS: &str = "s.skey, c.uuid, s.state, s.label, s.model, s.thinking, s.pinned, s.unread, \
    s.delivery, s.tokens_in, s.tokens_out, s.cache_read, s.cache_write, s.reasoning, s.cost_usd, s.entries, s.head, \
    s.revision, s.created_at, s.updated_at";

/// Reads a session from [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    let delivery = row.get_ref(8)?.as_str().map_err(|error| damaged(8, error))?;
    Ok(Session {
        key: parsed(row, 0)?,
        id: parsed(row, 1)?,
        state: state(row, 2)?,
        label: row.get(3)?,
        model: optional(row, 4)?,
        thinking: optional(row, 5)?,
        is_pinned: row.get(6)?,
        is_unread: row.get(7)?,
        delivery: serde_json::from_str(delivery).map_err(|error| damaged(8, error))?,
        usage: usage(row, 9)?,
        entries: row.get(15)?,
        head: row.get(16)?,
        revision: row.get(17)?,
        created_at: Timestamp(row.get(18)?),
        updated_at: Timestamp(row.get(19)?),
    })
}

/// Reads six columns, tokens and price, from `first` on.
pub(super) fn usage(row: &Row<'_>, first: usize) -> rusqlite::Result<Usage> {
    Ok(Usage {
        input: row.get(first)?,
        output: row.get(first + 1)?,
        cache_read: row.get(first + 2)?,
        cache_write: row.get(first + 3)?,
        reasoning: row.get(first + 4)?,
        cost_usd: row.get(first + 5)?,
    })
}

/// Reads a state by its name.
pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<SessionState> {
    let name = row.get_ref(column)?.as_str().map_err(|error| damaged(column, error))?;
    SessionState::ALL
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| damaged(column, UnknownState(name.to_owned())))
}

/// Reads text that has a parser.
pub(in crate::sqlite) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = row.get_ref(column)?.as_str().map_err(|error| damaged(column, error))?;
    text.parse().map_err(|error| damaged(column, error))
}

/// Reads text that has a parser, or nothing.
pub(in crate::sqlite) fn optional<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, column).map(Some),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a session state")]
struct UnknownState(String);

/// Returns a session by its key.
pub(super) fn find(db: &Connection, key: &SessionKey) -> rusqlite::Result<Option<Session>> {
    let sql = format!(
        "select {COLUMNS} from session s join conversation c on c.id = s.conversation
         where s.skey = ?1 and s.removed_at is null"
    );
    db.prepare_cached(&sql)?.query_row([key.as_str()], read).optional()
}

/// Returns a session that must be there.
pub(super) fn require(db: &Connection, key: &SessionKey) -> Result<Session, WorkError<Error>> {
    find(db, key)?.ok_or_else(|| not_found(key))
}

/// Makes the error of an unknown session.
pub(super) fn not_found(key: &SessionKey) -> WorkError<Error> {
    WorkError::Refused(Error::NotFound { what: "session", name: key.to_string() })
}
