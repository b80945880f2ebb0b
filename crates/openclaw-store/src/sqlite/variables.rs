//! Variables of a session, of an agent, or of everybody (E4).

use async_trait::async_trait;
use openclaw_domain::ids::{ID_BYTES_MAX, Timestamp};
use openclaw_domain::ports::{Durability, RecordError as Error, Variables};
use openclaw_domain::session::{Scope, VARIABLE_BYTES_MAX, VARIABLES_MAX};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::Store;
use super::error::{WorkError, damaged};

#[async_trait]
impl Variables for Store {
    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Value>, Error> {
        let (scope, name) = (Owner::of(scope), name.to_owned());
        let work = move |db: &Connection| {
            let value = db
                .prepare_cached("select value from variable where scope = ?1 and owner = ?2 and name = ?3")?
                .query_row(params![scope.kind, scope.owner, name], |row| value(row, 0))
                .optional()?;
            Ok(value)
        };
        self.read("variables.get", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn set(&self, scope: &Scope, name: &str, value: Option<Value>, at: Timestamp) -> Result<(), Error> {
        let (scope, name) = (Owner::of(scope), name.to_owned());
        if name.is_empty() || name.len() > ID_BYTES_MAX {
            let max = format!("{ID_BYTES_MAX} bytes, or empty");
            return Err(Error::TooLarge { what: "the variable's name".to_owned(), max });
        }
        let Some(value) = value else {
            let work = move |db: &Connection| {
                db.prepare_cached("delete from variable where scope = ?1 and owner = ?2 and name = ?3")?
                    .execute(params![scope.kind, scope.owner, name])?;
                Ok(())
            };
            return self
                .write("variables.unset", Durability::Barrier, work)
                .await
                .map_err(|error| error.in_records(self.path()));
        };
        let value = value.to_string();
        if value.len() > VARIABLE_BYTES_MAX {
            return Err(Error::TooLarge {
                what: format!("variable {name}"),
                max: format!("{VARIABLE_BYTES_MAX} bytes"),
            });
        }
        let work = move |db: &Connection| insert(db, &scope, &name, &value, at);
        self.write("variables.set", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn list(&self, scope: &Scope) -> Result<Vec<(String, Value)>, Error> {
        let scope = Owner::of(scope);
        let work = move |db: &Connection| {
            let list = db
                .prepare_cached("select name, value from variable where scope = ?1 and owner = ?2 order by name")?
                .query_map(params![scope.kind, scope.owner], |row| Ok((row.get(0)?, value(row, 1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(list)
        };
        self.read("variables.list", work).await.map_err(|error| error.in_records(self.path()))
    }
}

/// A scope as its two columns.
#[derive(Debug)]
struct Owner {
    kind: &'static str,
    owner: String,
}

impl Owner {
    fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Session(key) => Self { kind: "session", owner: key.to_string() },
            Scope::Agent(agent) => Self { kind: "agent", owner: agent.to_string() },
            Scope::Global => Self { kind: "global", owner: String::new() },
        }
    }
}

fn insert(db: &Connection, scope: &Owner, name: &str, value: &str, at: Timestamp) -> Result<(), WorkError<Error>> {
    db.prepare_cached(
        "insert into variable(scope, owner, name, value, updated_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict do update set value = ?4, updated_at = ?5",
    )?
    .execute(params![scope.kind, scope.owner, name, value, at.0])?;
    let count: usize = db
        .prepare_cached("select count(*) from variable where scope = ?1 and owner = ?2")?
        .query_row(params![scope.kind, scope.owner], |row| row.get(0))?;
    if count > VARIABLES_MAX {
        let what = format!("the list of {} variables", scope.kind);
        return Err(WorkError::Refused(Error::TooLarge { what, max: format!("{VARIABLES_MAX} variables") }));
    }
    Ok(())
}

fn value(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Value> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| damaged(column, error))
}
