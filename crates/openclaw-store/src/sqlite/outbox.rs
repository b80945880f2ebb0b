//! What is sent to people: recorded with what decided it, tried, settled once.

use async_trait::async_trait;
use openclaw_domain::delivery::{Delivery, DeliveryRecord, DeliveryState, Discarded, Retention};
use openclaw_domain::event::VERSION;
use openclaw_domain::ids::Timestamp;
use openclaw_domain::ports::{Due, Durability, JournalError as Error, Outbox, Settled};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Store;
use super::body::{self, Body, Shas};
use super::error::{Failure, WorkError, damaged};

/// Most rows of one answer.
const ROWS_MAX: usize = 1000;

/// Most deliveries forgotten in one commit: others wait for the writer.
const PRUNED_MAX: usize = 200;

/// A delivery on its way into the table, encoded on the caller's thread.
#[derive(Debug)]
pub(super) struct Planned {
    key: String,
    not_after: Option<i64>,
    body: Body,
}

impl Planned {
    /// Encodes a delivery.
    pub(super) fn of(delivery: &Delivery) -> Result<Self, Failure> {
        Ok(Self {
            key: delivery.idempotency_key.clone(),
            not_after: delivery.not_after.map(|at| at.0),
            body: Body::of("the delivery", delivery)?,
        })
    }

    /// Writes it, in the commit that decided it. One whose key is known is the
    /// same delivery and is not recorded again.
    pub(super) fn write(&self, db: &Connection, run: i64, at: Timestamp) -> rusqlite::Result<()> {
        self.body.place(db)?;
        db.prepare_cached(
            "insert into outbox(run, ikey, state, not_before, not_after, at, v, body)
             values (?1, ?2, 'pending', ?3, ?4, ?3, ?5, ?6) on conflict(ikey) do nothing",
        )?
        .execute(params![run, self.key, at.0, self.not_after, VERSION, self.body])?;
        Ok(())
    }
}

#[async_trait]
impl Outbox for Store {
    async fn take(&self, owner: &str, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        let owner = owner.to_owned();
        let work = move |db: &Connection| Ok(take(db, &owner, now, limit)?);
        // Synced: after a power cut a message that was being sent must not look untried.
        self.write("outbox.take", Durability::Barrier, work).await.map_err(|error| self.store_error(error))
    }

    async fn settle(&self, due: &Due, settled: Settled, now: Timestamp) -> Result<(), Error> {
        let due = due.clone();
        let work = move |db: &Connection| settle(db, &due, &settled, now);
        self.write("outbox.settle", Durability::Committed, work).await.map_err(|error| self.store_error(error))
    }

    async fn orphaned(&self, owner: &str, _now: Timestamp) -> Result<Vec<DeliveryRecord>, Error> {
        let owner = owner.to_owned();
        let work = move |db: &Connection| Ok(orphaned(db, &owner)?);
        self.write("outbox.orphaned", Durability::Barrier, work).await.map_err(|error| self.store_error(error))
    }

    async fn deliveries(&self, state: Option<DeliveryState>, limit: usize) -> Result<Vec<DeliveryRecord>, Error> {
        let work = move |db: &Connection| {
            let sql = format!("{SELECT} where ?1 is null or o.state = ?1 order by o.id desc limit ?2");
            let state = state.map(DeliveryState::as_str);
            let mut select = db.prepare_cached(&sql)?;
            let rows = select.query_map(params![state, limit.min(ROWS_MAX)], record)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.read("outbox.deliveries", work).await.map_err(|error| self.store_error(error))
    }

    async fn retry(&self, id: u64, now: Timestamp) -> Result<bool, Error> {
        let work = move |db: &Connection| {
            // Whoever asks for it when its time has passed wants it sent late.
            let updated = db
                .prepare_cached(
                    "update outbox set state = 'pending', owner = null, not_before = ?2,
                            not_after = iif(not_after < ?2, null, not_after)
                     where id = ?1 and state in ('unknown','failed')",
                )?
                .execute(params![id, now.0])?;
            Ok(updated > 0)
        };
        self.write("outbox.retry", Durability::Barrier, work).await.map_err(|error| self.store_error(error))
    }

    async fn delivery(&self, id: u64) -> Result<Option<DeliveryRecord>, Error> {
        let work = move |db: &Connection| Ok(find(db, id)?);
        self.read("outbox.delivery", work).await.map_err(|error| self.store_error(error))
    }

    async fn discard(&self, id: u64, by: &str, now: Timestamp) -> Result<bool, Error> {
        let by = by.to_owned();
        let work = move |db: &Connection| {
            let updated = db
                .prepare_cached(
                    "update outbox set state = 'discarded', discarded_by = ?2, discarded_at = ?3, not_before = ?3
                     where id = ?1 and state in ('unknown','failed')",
                )?
                .execute(params![id, by, now.0])?;
            Ok(updated > 0)
        };
        self.write("outbox.discard", Durability::Barrier, work).await.map_err(|error| self.store_error(error))
    }

    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<usize, Error> {
        let age_ms = i64::try_from(retention.age_max.as_millis()).unwrap_or(i64::MAX);
        let (before, kept) = (now.0.saturating_sub(age_ms), retention.count_max);
        let mut pruned = 0;
        loop {
            let look = move |db: &Connection| Ok(!closed(db, before, kept, 1)?.is_empty());
            if !self.read("outbox.closed", look).await.map_err(|error| self.store_error(error))? {
                return Ok(pruned);
            }
            let work = move |db: &Connection| Ok(forget(db, &closed(db, before, kept, PRUNED_MAX)?)?);
            let forgotten = self.write("outbox.prune", Durability::Committed, work).await;
            pruned += forgotten.map_err(|error| self.store_error(error))?;
        }
    }
}

/// What [`record`] expects.
const SELECT: &str = "select o.id, s.skey, r.idem, o.state, o.provider_id, o.message, o.attempt, o.at, o.not_after,
        o.v, o.body, b.bytes, o.discarded_by, o.discarded_at
 from outbox o join run r on r.id = o.run join session s on s.id = r.session
 left join blob b on typeof(o.body) = 'blob' and b.sha = o.body";

fn record(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    body::check_version(row, 9, VERSION)?;
    let delivery: Delivery = body::read(row, 10)?;
    let discarded = row.get::<_, Option<String>>(12)?.zip(row.get::<_, Option<i64>>(13)?);
    Ok(DeliveryRecord {
        id: row.get(0)?,
        session: row.get_ref(1)?.as_str()?.parse().map_err(|error| damaged(1, error))?,
        run: row.get_ref(2)?.as_str()?.parse().map_err(|error| damaged(2, error))?,
        delivery: Delivery { not_after: row.get::<_, Option<i64>>(8)?.map(Timestamp), ..delivery },
        state: state(row, 3)?,
        provider_id: row.get(4)?,
        message: row.get(5)?,
        attempts: row.get(6)?,
        at: Timestamp(row.get(7)?),
        discarded: discarded.map(|(by, at)| Discarded { by, at: Timestamp(at) }),
    })
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<DeliveryState> {
    let name = row.get_ref(column)?.as_str()?;
    let found = DeliveryState::ALL.into_iter().find(|state| state.as_str() == name);
    found.ok_or_else(|| damaged(column, UnknownState(name.to_owned())))
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a state of a delivery")]
struct UnknownState(String);

fn find(db: &Connection, id: u64) -> rusqlite::Result<Option<DeliveryRecord>> {
    db.prepare_cached(&format!("{SELECT} where o.id = ?1"))?.query_row([id], record).optional()
}

fn take(db: &Connection, owner: &str, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<Due>> {
    db.prepare_cached(
        "update outbox set state = 'failed', message = 'it was not sent before its time passed'
         where state = 'pending' and not_after < ?1",
    )?
    .execute([now.0])?;
    let ids = db
        .prepare_cached("select id from outbox where state = 'pending' and not_before <= ?1 order by id limit ?2")?
        .query_map(params![now.0, limit.min(ROWS_MAX)], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<u64>>>()?;
    let mut due = Vec::with_capacity(ids.len());
    for id in ids {
        db.prepare_cached("update outbox set state = 'sending', attempt = attempt + 1, owner = ?2 where id = ?1")?
            .execute(params![id, owner])?;
        due.extend(find(db, id)?.map(|record| Due {
            id,
            session: record.session,
            run: record.run,
            attempt: record.attempts,
            delivery: record.delivery,
        }));
    }
    Ok(due)
}

fn settle(db: &Connection, due: &Due, settled: &Settled, now: Timestamp) -> Result<(), WorkError<Error>> {
    let (state, provider, message, not_before) = match settled {
        Settled::Sent(id) => (DeliveryState::Sent, Some(id), None, now),
        Settled::Again { message, at } => (DeliveryState::Pending, None, Some(message), *at),
        Settled::Failed(message) => (DeliveryState::Failed, None, Some(message), now),
        Settled::Unknown(message) => (DeliveryState::Unknown, None, Some(message), now),
    };
    let updated = db
        .prepare_cached(
            "update outbox set state = ?3, provider_id = ?4, message = ?5, not_before = ?6, owner = null
             where id = ?1 and attempt = ?2 and state = 'sending'",
        )?
        .execute(params![due.id, due.attempt, state.as_str(), provider, message, not_before.0])?;
    if updated == 0 { Err(WorkError::Refused(Error::Fenced(due.run.clone()))) } else { Ok(()) }
}

fn orphaned(db: &Connection, owner: &str) -> rusqlite::Result<Vec<DeliveryRecord>> {
    let ids = db
        .prepare_cached(
            "update outbox set state = 'unknown', owner = null, message = 'the program stopped while it was being sent'
             where state = 'sending' and owner <> ?1 returning id",
        )?
        .query_map([owner], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<u64>>>()?;
    let found = ids.into_iter().map(|id| find(db, id)).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Returns closed deliveries that are too old or too many, the oldest first.
fn closed(db: &Connection, before: i64, kept: usize, limit: usize) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached(
        "select id from (
           select id, not_before, row_number() over (order by not_before desc, id desc) as place
           from outbox where state = 'sent' or state = 'discarded')
         where not_before < ?1 or place > ?2 order by not_before, id limit ?3",
    )?
    .query_map(params![before, kept, limit], |row| row.get(0))?
    .collect()
}

/// Removes deliveries, and their texts where nothing else has the same.
fn forget(db: &Connection, ids: &[i64]) -> rusqlite::Result<usize> {
    let mut unused = Shas::default();
    let mut forgotten = 0;
    for id in ids {
        unused.add(db, "select body from outbox where id = ?1 and typeof(body) = 'blob'", *id)?;
        forgotten += db.prepare_cached("delete from outbox where id = ?1")?.execute([id])?;
    }
    unused.collect(db)?;
    Ok(forgotten)
}
