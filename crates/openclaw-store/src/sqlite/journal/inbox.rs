//! The inbox: which run a channel's message became. A channel that delivers a
//! message twice, to this process or to the next one, starts nothing new.

use openclaw_domain::delivery::Inbound;
use openclaw_domain::ids::Timestamp;
use openclaw_domain::ports::RunRecord;
use rusqlite::{Connection, OptionalExtension, params};

use super::run;

/// How long a message is remembered; no channel delivers one again after that.
const KEPT_MS: i64 = 30 * 24 * 3600 * 1000;

/// Returns the run that a message became.
pub(super) fn first(db: &Connection, inbound: &Inbound) -> rusqlite::Result<Option<RunRecord>> {
    let (columns, joined) = (run::COLUMNS, run::JOINED);
    db.prepare_cached(&format!(
        "select {columns} from inbox i join run r on r.id = i.run {joined}
         where i.channel = ?1 and i.account = ?2 and i.ext_id = ?3"
    ))?
    .query_row([&inbound.channel, &inbound.account, &inbound.message], run::record)
    .optional()
}

/// Notes the run of a message, and forgets messages that are long past.
pub(super) fn keep(db: &Connection, inbound: &Inbound, run: i64, at: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("delete from inbox where seen < ?1")?.execute([at.0.saturating_sub(KEPT_MS)])?;
    db.prepare_cached("insert into inbox(channel, account, ext_id, run, seen) values (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![inbound.channel, inbound.account, inbound.message, run, at.0])?;
    Ok(())
}
