//! The part of a session that a growing transcript changes.
//!
//! Used wherever entries are written: by the journal in the same transaction as
//! the events they belong to, and by notes that are injected without a run.

use openclaw_domain::event::VERSION;
use openclaw_domain::ids::{SessionKey, Timestamp};
use openclaw_domain::model::Usage;
use openclaw_domain::session::SessionState;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row;
use crate::sqlite::body::Body;

/// What [`read`] expects, in its order; of `session s`.
pub(in crate::sqlite) const COLUMNS: &str = "s.id, s.conversation, s.state, s.entries, s.head, s.revision, \
    s.updated_at, s.tokens_in, s.tokens_out, s.cache_read, s.cache_write, s.reasoning, s.cost_usd";

/// A session while its transcript is being written to. [`Lane::save`] keeps the changes.
#[derive(Debug)]
pub(in crate::sqlite) struct Lane {
    pub(in crate::sqlite) id: i64,
    pub(in crate::sqlite) conversation: i64,
    state: SessionState,
    entries: u64,
    pub(in crate::sqlite) head: u64,
    revision: u64,
    updated_at: Timestamp,
    usage: Usage,
}

/// Reads a lane from [`COLUMNS`], which begin at column `first`.
pub(in crate::sqlite) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Lane> {
    Ok(Lane {
        id: row.get(first)?,
        conversation: row.get(first + 1)?,
        state: row::state(row, first + 2)?,
        entries: row.get(first + 3)?,
        head: row.get(first + 4)?,
        revision: row.get(first + 5)?,
        updated_at: Timestamp(row.get(first + 6)?),
        usage: row::usage(row, first + 7)?,
    })
}

/// Returns a session's lane; a removed session has none.
pub(in crate::sqlite) fn find(db: &Connection, key: &SessionKey) -> rusqlite::Result<Option<Lane>> {
    let sql = format!("select {COLUMNS} from session s where s.skey = ?1 and s.removed_at is null");
    db.prepare_cached(&sql)?.query_row([key.as_str()], |row| read(row, 0)).optional()
}

/// Returns a session's lane; makes the session when it is not there.
pub(in crate::sqlite) fn open(db: &Connection, key: &SessionKey, at: Timestamp) -> rusqlite::Result<Lane> {
    if let Some(lane) = find(db, key)? {
        return Ok(lane);
    }
    // A key that was removed keeps its row, and with it the numbers it gave out.
    let id: i64 = db
        .prepare_cached(
            "insert into session(skey, agent, conversation, state, created_at, updated_at)
             values (?1, ?2, 0, 'CREATED', ?3, ?3)
             on conflict(skey) do update
             set removed_at = null, state = 'CREATED', entries = 0, revision = revision + 1,
                 created_at = ?3, updated_at = ?3
             returning id",
        )?
        .query_row(params![key.as_str(), key.agent().as_str(), at.0], |row| row.get(0))?;
    begin_conversation(db, id, at)?;
    let sql = format!("select {COLUMNS} from session s where s.id = ?1");
    db.prepare_cached(&sql)?.query_row([id], |row| read(row, 0))
}

/// Gives a session a new conversation; the old one, if any, is ended and kept.
pub(in crate::sqlite) fn begin_conversation(db: &Connection, session: i64, at: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("update conversation set ended_at = ?2 where session = ?1 and ended_at is null")?
        .execute(params![session, at.0])?;
    db.prepare_cached("insert into conversation(session, uuid, started_at) values (?1, ?2, ?3)")?.execute(params![
        session,
        new_uuid(at),
        at.0
    ])?;
    db.prepare_cached("update session set conversation = ?2 where id = ?1")?
        .execute(params![session, db.last_insert_rowid()])?;
    Ok(())
}

/// Makes a version 7 uuid of the given time, so that ids sort by age (E3).
fn new_uuid(at: Timestamp) -> String {
    let millis = u64::try_from(at.0).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, nanos)).to_string()
}

impl Lane {
    /// Adds an entry and returns its number.
    pub(in crate::sqlite) fn push(
        &mut self,
        db: &Connection,
        run: Option<&str>,
        turn: &Body,
        at: Timestamp,
    ) -> rusqlite::Result<u64> {
        let n = self.head + 1;
        turn.place(db)?;
        db.prepare_cached(
            "insert into entry(session, n, conversation, run, at, v, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![self.id, n, self.conversation, run, at.0, VERSION, turn])?;
        self.head = n;
        self.entries += 1;
        if self.state == SessionState::Created {
            self.state = SessionState::Active;
        }
        Ok(n)
    }

    /// Adds what a run used.
    pub(in crate::sqlite) fn spend(&mut self, usage: &Usage) {
        self.usage.add(usage);
    }

    /// Writes the session's counters; one change of its record.
    pub(in crate::sqlite) fn save(&self, db: &Connection, at: Timestamp) -> rusqlite::Result<()> {
        let usage = &self.usage;
        db.prepare_cached(
            "update session set state = ?2, entries = ?3, head = ?4, revision = ?5, updated_at = ?6, tokens_in = ?7,
                    tokens_out = ?8, cache_read = ?9, cache_write = ?10, reasoning = ?11, cost_usd = ?12
             where id = ?1",
        )?
        .execute(params![
            self.id,
            self.state.as_str(),
            self.entries,
            self.head,
            self.revision + 1,
            self.updated_at.max(at).0,
            usage.input,
            usage.output,
            usage.cache_read,
            usage.cache_write,
            usage.reasoning,
            usage.cost_usd,
        ])?;
        Ok(())
    }
}
