//! Somebody else takes a run over and dies: what another process of a cluster would do.
//!
//! The gateway that worked on the run must notice at its next write, do nothing
//! more to the world, and take the run over again once the thief's lease is over.

use std::path::Path;

use anyhow::Context as _;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::snapshot::DATABASE;

/// Who takes it.
pub const THIEF: &str = "a thief";

/// How long its lease lasts.
const LEASE_MS: u32 = 1_200;

/// Takes over one running run of a live database; false when there is none, or one was taken before.
///
/// # Errors
/// When the database cannot be written.
pub fn steal(state_dir: &Path) -> anyhow::Result<bool> {
    let mut db = Connection::open(state_dir.join(DATABASE)).context("the database")?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_taken: bool =
        tx.query_row("select exists(select 1 from run where owner = ?1)", [THIEF], |row| row.get(0))?;
    let was_taken: bool = tx.query_row(
        "select exists(select 1 from ev where kind = 'claimed' and instr(body, ?1) > 0)",
        [THIEF],
        |row| row.get(0),
    )?;
    let found: Option<(i64, u64, u64)> = tx
        .query_row("select id, epoch, seq from run where status = 'running' order by id limit 1", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((run, epoch, seq)) = found.filter(|_| !is_taken && !was_taken) else { return Ok(false) };
    let claimed = serde_json::json!({ "kind": "claimed", "owner": THIEF }).to_string();
    tx.execute(
        "insert into ev(run, seq, epoch, kind, at, v, body)
         select ?1, ?2, ?3, 'claimed', max(at), 1, ?4 from ev where run = ?1",
        params![run, seq + 1, epoch + 1, claimed],
    )?;
    tx.execute(
        "update run set epoch = ?2, seq = ?3, owner = ?4, attempts = attempts + 1,
                lease_until = cast(unixepoch('subsec') * 1000 as integer) + ?5 where id = ?1",
        params![run, epoch + 1, seq + 1, THIEF, LEASE_MS],
    )?;
    tx.commit()?;
    Ok(true)
}
