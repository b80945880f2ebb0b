//! The outbox in memory.

use async_trait::async_trait;
use openclaw_domain::delivery::{Delivery, DeliveryRecord, DeliveryState, Discarded, Retention};
use openclaw_domain::ids::{RunId, SessionKey, Timestamp};
use openclaw_domain::ports::{Due, JournalError as Error, Outbox, Settled};

use super::{State, Store};

#[derive(Debug)]
pub(super) struct Row {
    record: DeliveryRecord,
    owner: String,
    not_before: Timestamp,
}

impl Row {
    /// Tells whether a run of this session decided it.
    pub(super) fn is_of(&self, session: &SessionKey) -> bool {
        self.record.session == *session
    }
}

/// Tells whether nothing happens to a delivery any more.
fn is_closed(row: &Row) -> bool {
    match row.record.state {
        DeliveryState::Sent | DeliveryState::Discarded => true,
        DeliveryState::Pending | DeliveryState::Sending | DeliveryState::Failed | DeliveryState::Unknown => false,
    }
}

impl State {
    /// Records a delivery; one whose key is known is the same and is not recorded again.
    pub(super) fn plan(&mut self, session: &SessionKey, run: &RunId, delivery: Delivery, at: Timestamp) {
        if self.outbox.iter().any(|row| row.record.delivery.idempotency_key == delivery.idempotency_key) {
            return;
        }
        let record = DeliveryRecord {
            id: self.outbox.last().map_or(0, |row| row.record.id) + 1,
            session: session.clone(),
            run: run.clone(),
            delivery,
            state: DeliveryState::Pending,
            provider_id: None,
            message: None,
            attempts: 0,
            at,
            discarded: None,
        };
        self.outbox.push(Row { record, owner: String::new(), not_before: at });
    }
}

#[async_trait]
impl Outbox for Store {
    async fn take(&self, owner: &str, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        let mut state = self.state();
        let mut due = Vec::new();
        for row in state.outbox.iter_mut().filter(|row| row.record.state == DeliveryState::Pending) {
            let record = &mut row.record;
            if record.delivery.not_after.is_some_and(|until| until < now) {
                record.state = DeliveryState::Failed;
                record.message = Some("it was not sent before its time passed".to_owned());
            } else if row.not_before <= now && due.len() < limit {
                record.state = DeliveryState::Sending;
                record.attempts += 1;
                row.owner = owner.to_owned();
                due.push(Due {
                    id: record.id,
                    session: record.session.clone(),
                    run: record.run.clone(),
                    attempt: record.attempts,
                    delivery: record.delivery.clone(),
                });
            }
        }
        Ok(due)
    }

    async fn settle(&self, due: &Due, settled: Settled, now: Timestamp) -> Result<(), Error> {
        let mut state = self.state();
        let fits = |row: &&mut Row| {
            let record = &row.record;
            record.id == due.id && record.attempts == due.attempt && record.state == DeliveryState::Sending
        };
        let row = state.outbox.iter_mut().find(fits).ok_or_else(|| Error::Fenced(due.run.clone()))?;
        let record = &mut row.record;
        (record.provider_id, record.message) = (None, None);
        row.not_before = now;
        match settled {
            Settled::Sent(id) => {
                record.state = DeliveryState::Sent;
                record.provider_id = Some(id);
            }
            Settled::Again { message, at } => {
                record.state = DeliveryState::Pending;
                record.message = Some(message);
                row.not_before = at;
            }
            Settled::Failed(message) => {
                record.state = DeliveryState::Failed;
                record.message = Some(message);
            }
            Settled::Unknown(message) => {
                record.state = DeliveryState::Unknown;
                record.message = Some(message);
            }
        }
        Ok(())
    }

    async fn orphaned(&self, owner: &str, _now: Timestamp) -> Result<Vec<DeliveryRecord>, Error> {
        let mut state = self.state();
        let left = |row: &&mut Row| row.record.state == DeliveryState::Sending && row.owner != owner;
        let orphans = state.outbox.iter_mut().filter(left).map(|row| {
            row.record.state = DeliveryState::Unknown;
            row.record.message = Some("the program stopped while it was being sent".to_owned());
            row.record.clone()
        });
        Ok(orphans.collect())
    }

    async fn deliveries(&self, wanted: Option<DeliveryState>, limit: usize) -> Result<Vec<DeliveryRecord>, Error> {
        let state = self.state();
        let fits = |record: &&DeliveryRecord| wanted.is_none_or(|wanted| record.state == wanted);
        Ok(state.outbox.iter().rev().map(|row| &row.record).filter(fits).take(limit).cloned().collect())
    }

    async fn retry(&self, id: u64, now: Timestamp) -> Result<bool, Error> {
        let mut state = self.state();
        let fits = |row: &&mut Row| {
            row.record.id == id && matches!(row.record.state, DeliveryState::Unknown | DeliveryState::Failed)
        };
        let Some(row) = state.outbox.iter_mut().find(fits) else { return Ok(false) };
        row.record.state = DeliveryState::Pending;
        row.record.delivery.not_after = row.record.delivery.not_after.filter(|until| *until >= now);
        row.not_before = now;
        Ok(true)
    }

    async fn delivery(&self, id: u64) -> Result<Option<DeliveryRecord>, Error> {
        Ok(self.state().outbox.iter().map(|row| &row.record).find(|record| record.id == id).cloned())
    }

    async fn discard(&self, id: u64, by: &str, now: Timestamp) -> Result<bool, Error> {
        let mut state = self.state();
        let fits = |row: &&mut Row| {
            row.record.id == id && matches!(row.record.state, DeliveryState::Unknown | DeliveryState::Failed)
        };
        let Some(row) = state.outbox.iter_mut().find(fits) else { return Ok(false) };
        row.record.state = DeliveryState::Discarded;
        row.record.discarded = Some(Discarded { by: by.to_owned(), at: now });
        row.not_before = now;
        Ok(true)
    }

    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<usize, Error> {
        let mut state = self.state();
        let closed = state.outbox.iter().filter(|row| is_closed(row)).count();
        let (before, mut surplus) = (state.outbox.len(), closed.saturating_sub(retention.count_max));
        state.outbox.retain(|row| {
            let is_closed = is_closed(row);
            let is_old = is_closed && now.since(row.not_before) > retention.age_max;
            let is_surplus = is_closed && surplus > 0;
            surplus -= usize::from(is_surplus);
            !is_old && !is_surplus
        });
        Ok(before - state.outbox.len())
    }
}
