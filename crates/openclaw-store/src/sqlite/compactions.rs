//! Which turns are shown as a summary.

use async_trait::async_trait;
use openclaw_domain::compaction::{Compaction, Kept, Undone};
use openclaw_domain::ids::{RunId, SessionId, SessionKey, Timestamp};
use openclaw_domain::ports::{Compactions, Durability, RecordError as Error};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Store;
use super::body::{self, Body};
use super::error::WorkError;
use super::sessions::{lane, optional};

/// Version of the bodies written here.
const VERSION: u16 = 1;

/// Most rows of one answer.
const ROWS_MAX: usize = 10_000;

/// What [`kept`] expects, in its order; of `compaction c` with `blob b` for a large body.
const COLUMNS: &str = "c.id, c.run, c.v, c.body, b.bytes, c.at, c.undone_at, c.undone_by";

const FROM: &str = "from session s join compaction c on c.conversation = s.conversation
    left join blob b on typeof(c.body) = 'blob' and b.sha = c.body
    where s.skey = ?1 and s.removed_at is null";

#[async_trait]
impl Compactions for Store {
    async fn current(&self, key: &SessionKey) -> Result<Option<Kept>, Error> {
        let key = key.clone();
        let work = move |db: &Connection| {
            let sql = format!("select {COLUMNS} {FROM} and c.undone_at is null order by c.id desc limit 1");
            Ok(db.prepare_cached(&sql)?.query_row([key.as_str()], kept).optional()?)
        };
        self.read("compactions.current", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn history(&self, key: &SessionKey, limit: usize) -> Result<Vec<Kept>, Error> {
        let key = key.clone();
        let work = move |db: &Connection| {
            let sql = format!("select {COLUMNS} {FROM} order by c.id desc limit ?2");
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map(params![key.as_str(), limit.min(ROWS_MAX)], kept)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.read("compactions.history", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn keep(
        &self,
        key: &SessionKey,
        conversation: &SessionId,
        compaction: Compaction,
        at: Timestamp,
    ) -> Result<Kept, Error> {
        let new = New::of(&compaction).map_err(|error| error.in_records(self.path()))?;
        let (wanted, uuid) = (key.clone(), conversation.clone());
        let work = move |db: &Connection| {
            let lane = lane::find(db, &wanted)?.ok_or_else(|| WorkError::Refused(no_session(&wanted)))?;
            let current: String = db
                .prepare_cached("select uuid from conversation where id = ?1")?
                .query_row([lane.conversation], |row| row.get(0))?;
            if current != uuid.as_str() {
                return Err(WorkError::Refused(Error::Stale(format!("session {wanted}"))));
            }
            Ok(new.write(db, lane.id, lane.conversation, None, at)?)
        };
        let id = self.write("compactions.keep", Durability::Barrier, work).await;
        let id = id.map_err(|error| error.in_records(self.path()))?;
        Ok(Kept { id, run: None, compaction, at, undone: None })
    }

    async fn undo(&self, key: &SessionKey, id: u64, by: &str, at: Timestamp) -> Result<Kept, Error> {
        let (key, by) = (key.clone(), by.to_owned());
        let work = move |db: &Connection| {
            let sql = format!("select {COLUMNS} {FROM} and c.id = ?2");
            let id = i64::try_from(id).unwrap_or(i64::MAX);
            let found = db.prepare_cached(&sql)?.query_row(params![key.as_str(), id], kept).optional()?;
            let found = found.ok_or_else(|| not_found(&key, id))?;
            if found.undone.is_some() {
                return Ok(found);
            }
            db.prepare_cached("update compaction set undone_at = ?2, undone_by = ?3 where id = ?1")?
                .execute(params![id, at.0, by])?;
            Ok(Kept { undone: Some(Undone { by: by.clone(), at }), ..found })
        };
        self.write("compactions.undo", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }
}

/// A compaction made ready on the caller's thread.
#[derive(Debug)]
pub(super) struct New {
    body: Body,
}

impl New {
    /// Encodes a compaction.
    pub(super) fn of<E>(compaction: &Compaction) -> Result<Self, WorkError<E>> {
        Ok(Self { body: Body::of("the compaction", compaction)? })
    }

    /// Writes its row; returns its number.
    pub(super) fn write(
        &self,
        db: &Connection,
        session: i64,
        conversation: i64,
        run: Option<&str>,
        at: Timestamp,
    ) -> rusqlite::Result<u64> {
        self.body.place(db)?;
        db.prepare_cached(
            "insert into compaction(session, conversation, run, v, body, at) values (?1, ?2, ?3, ?4, ?5, ?6)
             returning id",
        )?
        .query_row(params![session, conversation, run, VERSION, self.body, at.0], |row| row.get(0))
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    body::check_version(row, 2, VERSION)?;
    let run: Option<RunId> = optional(row, 1)?;
    let undone_at: Option<i64> = row.get(6)?;
    let by: Option<String> = row.get(7)?;
    Ok(Kept {
        id: row.get(0)?,
        run,
        compaction: body::read(row, 3)?,
        at: Timestamp(row.get(5)?),
        undone: undone_at.map(|at| Undone { by: by.unwrap_or_default(), at: Timestamp(at) }),
    })
}

fn no_session(key: &SessionKey) -> Error {
    Error::NotFound { what: "session", name: key.to_string() }
}

fn not_found(key: &SessionKey, id: i64) -> WorkError<Error> {
    WorkError::Refused(Error::NotFound { what: "compaction", name: format!("{id} of session {key}") })
}
