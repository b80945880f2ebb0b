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
