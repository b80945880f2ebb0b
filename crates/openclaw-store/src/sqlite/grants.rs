//! Standing permissions.

use async_trait::async_trait;
use openclaw_domain::approval::Grant;
use openclaw_domain::ports::{Durability, Grants, RecordError as Error};
use rusqlite::{Connection, params};

use super::Store;
use super::body::{inline, read_rows};
use super::error::WorkError;

/// Version of the bodies written here.
const VERSION: u16 = 1;

/// Most grants that stand at once.
const GRANTS_MAX: usize = 10_000;

#[async_trait]
impl Grants for Store {
    async fn list(&self) -> Result<Vec<Grant>, Error> {
        let work = |db: &Connection| Ok(read_rows(db, "select v, body from standing_grant order by at, id", VERSION)?);
        self.read("grants.list", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn add(&self, grant: Grant) -> Result<(), Error> {
        let body = inline("the grant", &grant).map_err(|error| WorkError::from(error).in_records(self.path()))?;
        let work = move |db: &Connection| insert(db, &grant, &body);
        self.write("grants.add", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn revoke(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        let work = move |db: &Connection| {
            Ok(db.prepare_cached("delete from standing_grant where id = ?1")?.execute([&id])? > 0)
        };
        self.write("grants.revoke", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }
}

fn insert(db: &Connection, grant: &Grant, body: &str) -> Result<(), WorkError<Error>> {
    db.prepare_cached(
        "insert into standing_grant(id, v, body, at) values (?1, ?2, ?3, ?4)
         on conflict do update set v = ?2, body = ?3, at = ?4",
    )?
    .execute(params![grant.id, VERSION, body, grant.at.0])?;
    let count: usize = db.prepare_cached("select count(*) from standing_grant")?.query_row((), |row| row.get(0))?;
    if count > GRANTS_MAX {
        let what = "the list of standing permissions".to_owned();
        return Err(WorkError::Refused(Error::TooLarge { what, max: format!("{GRANTS_MAX} permissions") }));
    }
    Ok(())
}
