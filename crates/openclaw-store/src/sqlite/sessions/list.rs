//! Reads pages of sessions and of transcripts.

use openclaw_domain::event::VERSION;
use openclaw_domain::ids::{SessionKey, Timestamp};
use openclaw_domain::session::{Entry, EntryPage, EntryQuery, SessionPage, SessionQuery};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row;
use crate::sqlite::body;

/// Most sessions of one page; also what a limit of 0 means.
const SESSIONS_MAX: usize = 1000;

/// Returns a page of sessions.
pub(super) fn page(db: &Connection, query: &SessionQuery) -> rusqlite::Result<SessionPage> {
    const WHERE: &str = "s.removed_at is null
        and (s.state = 'CLOSED') = ?1
        and (?2 is null or s.agent = ?2)
        and (?3 is null or instr(fold(s.skey), ?3) > 0 or instr(fold(coalesce(s.label, '')), ?3) > 0)";
    let tx = db.unchecked_transaction()?;
    let agent = query.agent.as_ref().map(|agent| agent.as_str());
    let search = query.search.as_deref().filter(|text| !text.is_empty()).map(str::to_lowercase);
    let limit = if query.limit == 0 { SESSIONS_MAX } else { query.limit.min(SESSIONS_MAX) };
    let columns = row::COLUMNS;

    let total = tx
        .prepare_cached(&format!("select count(*) from session s where {WHERE}"))?
        .query_row(params![query.archived, agent, search], |row| row.get(0))?;
    let sessions = tx
        .prepare_cached(&format!(
            "select {columns} from session s join conversation c on c.id = s.conversation where {WHERE}
             order by s.pinned desc, s.updated_at desc, s.id desc limit ?4 offset ?5"
        ))?
        .query_map(params![query.archived, agent, search, limit, query.offset.min(i64::MAX as usize)], row::read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(SessionPage { sessions, total })
}

/// Returns a page of the current conversation.
pub(super) fn entries(db: &Connection, key: &SessionKey, query: EntryQuery) -> rusqlite::Result<EntryPage> {
    let tx = db.unchecked_transaction()?;
    let session: Option<(i64, u64, u64)> = tx
        .prepare_cached("select id, entries, head from session where skey = ?1 and removed_at is null")?
        .query_row([key.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((id, total, head)) = session else { return Ok(EntryPage::default()) };
    // The current conversation holds the last numbers that were given out.
    let after = query.after.max(head - total).min(head);
    let before = if query.before == 0 { head + 1 } else { query.before.min(head + 1) };
    let limit = if query.limit == 0 { i64::MAX } else { i64::try_from(query.limit).unwrap_or(i64::MAX) };
    let mut entries = tx
        .prepare_cached(
            "select e.n, e.run, e.at, e.v, e.body, b.bytes
             from entry e left join blob b on typeof(e.body) = 'blob' and b.sha = e.body
             where e.session = ?1 and e.n > ?2 and e.n < ?3 order by e.n desc limit ?4",
        )?
        .query_map(params![id, after, before, limit], entry)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    entries.reverse();
    Ok(EntryPage { entries, total })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    body::check_version(row, 3, VERSION)?;
    Ok(Entry { n: row.get(0)?, run: row::optional(row, 1)?, turn: body::read(row, 4)?, at: Timestamp(row.get(2)?) })
}
