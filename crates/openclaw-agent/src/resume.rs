//! Takes up a run that nobody works on, because a person asked for it.
//!
//! At the start and when a lease expires this happens by itself; what is found
//! here was left out then, for example because its session could not be read or
//! its owner fell silent a moment ago. Nothing is taken from an owner that lives.

use std::sync::Arc;

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{RunRecord, TakeUp};
use openclaw_domain::run::Status;

use crate::command::Command;
use crate::recover::{self, Expired};
use crate::shared::Shared;
use crate::{engine, instances};

/// Expired leases among which that of a run is looked for.
const EXPIRED_MAX: usize = 10_000;

/// Sees to it that a run which has not ended is worked on here.
pub(crate) async fn take_up(shared: &Arc<Shared>, record: &RunRecord) -> Result<TakeUp, Fault> {
    let name = (record.session.clone(), record.id.clone());
    if shared.waiters.status(&name).is_some() || shared.instances.holds(&name) {
        return Ok(TakeUp::Held);
    }
    let owner = record.details.get("owner").and_then(|owner| owner.as_str());
    let is_free = record.status == Status::Queued || owner.is_none_or(|owner| owner == shared.options.owner);
    if !is_free {
        return take_over(shared, record, owner.unwrap_or_default()).await;
    }
    // Known at once, so that whoever waits for it or stops it finds it.
    let runtime = recover::introduce(shared, record).await?;
    if runtime.thread_bound().is_some() {
        shared.tasks.spawn(recover::take_up_instances(shared.clone(), vec![record.clone()]));
    } else {
        engine::tell(shared, &record.session, Command::TakeUp(vec![record.clone()]))?;
    }
    Ok(TakeUp::Taken)
}

/// Takes a run from an owner whose lease has expired.
async fn take_over(shared: &Arc<Shared>, record: &RunRecord, owner: &str) -> Result<TakeUp, Fault> {
    let expired = shared.ports.journal.expired(EXPIRED_MAX).await;
    let expired = expired.map_err(|error| Fault::new(Kind::Unavailable, error.to_string()))?;
    if !expired.iter().any(|other| other.session == record.session && other.id == record.id) {
        let text = format!("run {} is worked on by another process ({owner})", record.id);
        return Err(Fault::new(Kind::Conflict, text)
            .hint("if that process is gone, this one takes the run over within seconds; openclaw runs list --active"));
    }
    match recover::expired(shared, record).await? {
        Expired::Turn(found) => {
            recover::introduce(shared, record).await?;
            engine::tell(shared, &record.session, Command::Recover(found))?;
        }
        Expired::Instance(left) => instances::take_up(shared, *left.standing, left.terms),
    }
    Ok(TakeUp::Taken)
}
