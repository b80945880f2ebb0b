//! Sessions and their transcripts.

mod change;
pub(super) mod lane;
mod list;
mod remove;
mod row;

use async_trait::async_trait;
use openclaw_domain::ids::{SessionKey, Timestamp};
use openclaw_domain::ports::{Durability, RecordError as Error, Sessions};
use openclaw_domain::session::{EntryPage, EntryQuery, Session, SessionChange, SessionPage, SessionQuery};

use super::Store;

pub(super) use row::{optional, parsed};

#[async_trait]
impl Sessions for Store {
    async fn open(&self, key: &SessionKey, at: Timestamp) -> Result<Session, Error> {
        // Most sessions are there already, and reading does not wait for a commit.
        if let Some(session) = self.get(key).await? {
            return Ok(session);
        }
        let wanted = key.clone();
        let work = move |db: &rusqlite::Connection| {
            lane::open(db, &wanted, at)?;
            row::require(db, &wanted)
        };
        self.write("sessions.open", Durability::Committed, work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn get(&self, key: &SessionKey) -> Result<Option<Session>, Error> {
        let key = key.clone();
        let work = move |db: &rusqlite::Connection| Ok(row::find(db, &key)?);
        self.read("sessions.get", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, Error> {
        let query = query.clone();
        let work = move |db: &rusqlite::Connection| Ok(list::page(db, &query)?);
        self.read("sessions.list", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn change(
        &self,
        key: &SessionKey,
        change: SessionChange,
        expected_revision: Option<u64>,
        at: Timestamp,
    ) -> Result<Session, Error> {
        let prepared = change::prepare(change).map_err(|error| error.in_records(self.path()))?;
        let durability = prepared.durability();
        let key = key.clone();
        let work = move |db: &rusqlite::Connection| change::apply(db, &key, &prepared, expected_revision, at);
        self.write("sessions.change", durability, work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn entries(&self, key: &SessionKey, query: EntryQuery) -> Result<EntryPage, Error> {
        let key = key.clone();
        let work = move |db: &rusqlite::Connection| Ok(list::entries(db, &key, query)?);
        self.read("sessions.entries", work).await.map_err(|error| error.in_records(self.path()))
    }
}
