//! Removes a session, and everything that was said in it when asked.

use openclaw_domain::ids::{SessionKey, Timestamp};
use openclaw_domain::ports::RecordError as Error;
use rusqlite::{Connection, params};

use super::{lane, row};
use crate::sqlite::body::Shas;
use crate::sqlite::error::WorkError;
use crate::sqlite::journal;

/// Who ends the runs of a removed session, for the record.
const REMOVED_BY: &str = "session removed";

/// Finds the large bodies of a session.
const LARGE_BODIES: [&str; 7] = [
    "select body from ev where typeof(body) = 'blob' and run in (select id from run where session = ?1)",
    "select body from entry where typeof(body) = 'blob' and session = ?1",
    "select body from compaction where typeof(body) = 'blob' and session = ?1",
    "select outcome from run where typeof(outcome) = 'blob' and session = ?1",
    "select body from outbox where typeof(body) = 'blob' and run in (select id from run where session = ?1)",
    "select body from mail where typeof(body) = 'blob' and run in (select id from run where session = ?1)",
    "select body from scratch_file where scratch in
       (select id from scratch where run in (select id from run where session = ?1))",
];

/// Most pages given back to the disk by one removal; the rest is used again or given back later.
const VACUUM_PAGES_MAX: usize = 4096;

/// Removes a session. Its row stays without content, so that entry numbers are
/// never given out twice should the key come back.
///
/// With `transcript`, entries, runs, events and bodies go as well. Without it,
/// runs that have not ended are cancelled, so that nothing is left to recover.
pub(super) fn remove(
    db: &Connection,
    key: &SessionKey,
    transcript: bool,
    at: Timestamp,
) -> Result<(), WorkError<Error>> {
    let session = lane::find(db, key)?.ok_or_else(|| row::not_found(key))?.id;
    if transcript {
        remove_words(db, session)?;
    } else {
        journal::cancel_open_runs(db, session, REMOVED_BY, at)?;
    }
    db.prepare_cached("update conversation set ended_at = ?2 where session = ?1 and ended_at is null")?
        .execute(params![session, at.0])?;
    db.prepare_cached("delete from variable where scope = 'session' and owner = ?1")?.execute([key.as_str()])?;
    db.prepare_cached(
        "update session set removed_at = ?2, updated_at = ?2, label = null, model = null, thinking = null, pinned = 0,
                unread = 0, delivery = '{}', tokens_in = 0, tokens_out = 0, cache_read = 0, cache_write = 0,
                reasoning = 0, cost_usd = null, entries = 0, revision = revision + 1
         where id = ?1",
    )?
    .execute(params![session, at.0])?;
    Ok(())
}

fn remove_words(db: &Connection, session: i64) -> rusqlite::Result<()> {
    let mut unused = Shas::default();
    for sql in LARGE_BODIES {
        unused.add(db, sql, session)?;
    }
    for sql in [
        "update retention set is_open = 1",
        "delete from ev     where run in (select id from run where session = ?1)",
        "update retention set is_open = 0",
        "delete from step   where run in (select id from run where session = ?1)",
        "delete from outbox where run in (select id from run where session = ?1)",
        "delete from compaction where session = ?1",
        "delete from inbox  where run in (select id from run where session = ?1)",
        "delete from mail   where run in (select id from run where session = ?1)",
        "delete from ckpt   where run in (select id from run where session = ?1)",
        "delete from scratch_file where scratch in
           (select id from scratch where run in (select id from run where session = ?1))",
        "delete from scratch where run in (select id from run where session = ?1)",
        "delete from run          where session = ?1",
        "delete from entry        where session = ?1",
        "delete from conversation where session = ?1",
    ] {
        let mut statement = db.prepare_cached(sql)?;
        if statement.parameter_count() == 0 {
            statement.execute(())?
        } else {
            statement.execute([session])?
        };
    }
    // The same text may have been said elsewhere.
    unused.collect(db)?;
    // Gives the pages back to the disk, a bounded number at a time: others wait for this thread.
    let mut vacuum = db.prepare(&format!("pragma incremental_vacuum({VACUUM_PAGES_MAX})"))?;
    let mut pages = vacuum.query(())?;
    while pages.next()?.is_some() {}
    Ok(())
}
