//! Leases: how long an owner may be silent before another takes its runs over.
//!
//! Only the database's own clock is compared, inside the statement that writes
//! or reads: the clocks of several machines need not agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension, params};

/// The database's time in milliseconds, in SQL.
pub(super) const NOW: &str = "(cast(unixepoch('subsec') * 1000 as integer) + lease_shift())";

/// What tests add to the database's clock; nothing otherwise.
#[derive(Debug, Clone, Default)]
pub(in crate::sqlite) struct LeaseClock {
    shift_ms: Arc<AtomicI64>,
}

impl LeaseClock {
    /// Registers the SQL function [`NOW`] uses.
    pub(in crate::sqlite) fn register(&self, db: &Connection) -> rusqlite::Result<()> {
        let shift = Arc::clone(&self.shift_ms);
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        db.create_scalar_function("lease_shift", 0, flags, move |_| Ok(shift.load(Ordering::Relaxed)))
    }

    /// Moves the clock on.
    pub(in crate::sqlite) fn shift(&self, by: Duration) {
        self.shift_ms.fetch_add(millis(by), Ordering::Relaxed);
    }
}

/// Extends the leases of all runs of an owner.
pub(super) fn renew(db: &Connection, owner: &str, ttl: Duration) -> rusqlite::Result<usize> {
    db.prepare_cached(&format!(
        "update run set lease_until = {NOW} + ?2 where ended_at is null and lease_until is not null and owner = ?1"
    ))?
    .execute(params![owner, millis(ttl)])
}

/// Tells whether a run's lease has expired.
pub(super) fn is_expired(db: &Connection, run: i64) -> rusqlite::Result<bool> {
    let found = db
        .prepare_cached(&format!("select 1 from run where id = ?1 and lease_until < {NOW}"))?
        .query_row([run], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// Returns a duration as the schema counts it.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
