//! The schema as a list of steps, and the settings of a connection.
//!
//! A step is never edited once a build with it has been used: a change is a new
//! step. [`super::migrate`] applies them to a copy.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// Marks the file as ours (`OCLW`), so that another program's database is never migrated.
pub(super) const APPLICATION_ID: i32 = 0x4F43_4C57;

/// One change of the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// The version it leads to.
    pub(super) to: u32,
    /// What it does.
    pub(super) sql: &'static str,
    /// Tables whose number of rows it may change; all others must keep theirs.
    pub(super) recounts: &'static [&'static str],
}

/// All steps, oldest first; the last one's version is what this build writes.
pub(super) const STEPS: &[Step] = &[
    Step { to: 1, sql: include_str!("schema/v1.sql"), recounts: &[] },
    Step { to: 2, sql: include_str!("schema/v2.sql"), recounts: &[] },
    Step { to: 3, sql: include_str!("schema/v3.sql"), recounts: &[] },
    Step { to: 4, sql: include_str!("schema/v4.sql"), recounts: &[] },
    Step { to: 5, sql: include_str!("schema/v5.sql"), recounts: &[] },
    Step { to: 6, sql: include_str!("schema/v6.sql"), recounts: &[] },
    Step { to: 7, sql: include_str!("schema/v7.sql"), recounts: &[] },
];

/// Returns the version the steps lead to.
pub(super) fn latest(steps: &[Step]) -> u32 {
    steps.last().map_or(0, |step| step.to)
}

/// Prepares a connection that writes.
pub(super) fn prepare_writer(db: &Connection) -> rusqlite::Result<()> {
    // WAL lets readers work beside the writer. A larger checkpoint interval than
    // the default 1000 pages keeps checkpoints, which run on the writer's
    // thread, off most commits; the size limit gives the space back afterwards.
    // Recursive triggers make `replace` meet the journal's guard against deletion.
    db.execute_batch(
        "pragma journal_mode = wal;
         pragma synchronous = full;
         pragma recursive_triggers = on;
         pragma temp_store = memory;
         pragma cache_size = -4096;
         pragma wal_autocheckpoint = 4000;
         pragma journal_size_limit = 67108864;
         pragma busy_timeout = 5000;",
    )?;
    db.set_prepared_statement_cache_capacity(96);
    keep_plans(db)
}

/// Prepares a connection that only reads.
pub(super) fn prepare_reader(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "pragma query_only = on;
         pragma temp_store = memory;
         pragma cache_size = -1024;
         pragma busy_timeout = 5000;",
    )?;
    db.set_prepared_statement_cache_capacity(48);
    keep_plans(db)?;
    super::words::register(db)
}

/// Keeps the plan of a prepared statement whatever is bound to it. Otherwise
/// SQLite compares bound values with the conditions of partial indexes and
/// prepares the statement anew at every call, a fifth of the cost of a run.
fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with every step applied, one after the other as homes got them.
    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        for step in STEPS {
            db.execute_batch(step.sql).unwrap();
        }
        db
    }

    /// Columns that hold one of a few names, with a row that has a good one.
    const NAMED: [(&str, &str, &[&str]); 6] = [
        (
            "session(skey, agent, conversation, created_at, updated_at, state)",
            "'k', 'main', 1, 0, 0, ?1",
            &["CREATED", "ACTIVE", "PAUSED", "RESUMING", "CLOSING", "CLOSED"],
        ),
        (
            "run(session, idem, request_hash, epoch, seq, attempts, accepted_at, owner, status, ended_at)",
            "1, 'i', x'', 1, 1, 1, 0, 'o', ?1, iif(?1 in ('done','failed','cancelled'), 0, null)",
            &["queued", "running", "waiting", "attention", "done", "failed", "cancelled"],
        ),
        (
            "step(run, step, epoch, result_seq, kind, state)",
            "1, 1, 1, 1, 'tool', ?1",
            &["intent", "started", "done", "failed", "unknown", "resolved"],
        ),
        ("step(run, step, epoch, state, kind)", "1, 1, 1, 'intent', ?1", &["model", "tool", "wait", "child"]),
        (
            "step(run, step, epoch, kind, state, effect)",
            "1, 1, 1, 'tool', 'intent', ?1",
            &["pure", "idempotent", "keyed", "once"],
        ),
        (
            "outbox(run, ikey, not_before, at, v, body, owner, provider_id, state)",
            "1, 'k', 0, 0, 1, '', 'o', 'p', ?1",
            &["pending", "sending", "sent", "failed", "unknown"],
        ),
    ];

    #[test]
    fn a_column_that_holds_one_of_a_few_names_takes_those_and_no_other() {
        let db = database();
        for (columns, values, names) in NAMED {
            let sql = format!("insert into {columns} values ({values})");
            let insert = |name: &str| {
                let inserted = db.execute(&sql, [name]);
                db.execute_batch("delete from session; delete from run; delete from step; delete from outbox;")
                    .unwrap();
                inserted
            };
            for name in names {
                insert(name).unwrap_or_else(|error| panic!("{columns}: {name}: {error}"));
            }
            for other in ["", "other", &names[0].to_uppercase().to_lowercase().repeat(2)] {
                let error = insert(other).expect_err(columns);
                assert!(error.to_string().contains("CHECK constraint failed"), "{columns}: {other:?}: {error}");
            }
        }
        let ends = "insert into run(session, idem, request_hash, epoch, seq, attempts, accepted_at, status, ended_at)
             values (1, 'i', x'', 1, 1, 1, 0, ?1, ?2)";
        for (status, ended_at) in [("done", None), ("failed", None), ("cancelled", None), ("queued", Some(1))] {
            assert!(db.execute(ends, rusqlite::params![status, ended_at]).is_err(), "{status} {ended_at:?}");
        }
    }

    #[test]
    fn testing_what_a_row_may_hold_builds_no_table() {
        let db = database();
        for (columns, values, _) in NAMED {
            let values = values.replace("iif(?1 in ('done','failed','cancelled'), 0, null)", "null");
            let sql = format!("explain insert into {columns} values ({values})");
            let mut program = db.prepare(&sql).unwrap();
            let opcodes = program.query_map(["x"], |row| row.get::<_, String>(1)).unwrap();
            let builds = opcodes.map(Result::unwrap).any(|opcode| opcode == "OpenEphemeral");
            assert!(!builds, "{columns}");
        }
    }
}
