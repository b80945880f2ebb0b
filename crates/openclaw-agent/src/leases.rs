//! Keeps the leases of running runs, and takes over runs whose owner is silent.
//!
//! Whether a lease has expired is for the store's clock to say; this process
//! only measures, by its monotonic clock, how long ago its own was granted, and
//! stops acting earlier than anybody may take over ([`MARGIN`]). A machine that
//! was suspended is not seen by that clock; what it does then is still refused
//! by the journal. Nothing is written while nothing runs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_domain::lease::{MARGIN, RENEW_EVERY, TTL};
use openclaw_domain::ports::RunRecord;
use openclaw_domain::{Fault, SessionKey};

use crate::command::Command;
use crate::instances;
use crate::recover::{self, Expired};
use crate::shared::Shared;

/// How often expired leases are looked for: no run stays without an owner longer (I13).
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Most runs taken over by one sweep; the next one finds the rest.
const SWEEP_MAX: usize = 64;

/// What this process knows about its own leases.
#[derive(Default)]
pub(crate) struct Leases {
    /// Whether they are renewed. An engine that does not watch has no lease to
    /// lose: nobody else works on its store.
    is_kept: AtomicBool,
    /// When the last renewal that worked was asked for, by the monotonic clock.
    renewed_at: Mutex<Duration>,
}

impl Leases {
    /// From here on a lease that was not renewed is not relied on.
    pub(crate) fn keep(&self) {
        self.is_kept.store(true, Ordering::SeqCst);
    }

    /// Returns when the lease of a run was granted last; `claimed_at` is when
    /// its claim was asked for.
    pub(crate) fn granted(&self, claimed_at: Duration) -> Duration {
        claimed_at.max(*self.lock())
    }

    /// Tells whether a lease that was granted then is surely in force now.
    pub(crate) fn holds(&self, granted_at: Duration, now: Duration) -> bool {
        !self.is_kept.load(Ordering::SeqCst) || now.saturating_sub(granted_at) < TTL - MARGIN
    }

    fn is_due(&self, now: Duration) -> bool {
        now.saturating_sub(*self.lock()) >= RENEW_EVERY
    }

    fn renewed(&self, asked_at: Duration) {
        *self.lock() = asked_at;
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews and sweeps until the engine stops.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let stopping = shared.stopping.clone();
    let mut trouble = Trouble::default();
    let tend = async {
        loop {
            shared.ports.clock.sleep(SWEEP_EVERY).await;
            trouble.renew.note("leases could not be renewed", renew(&shared).await);
            trouble.sweep.note("expired leases could not be looked for", sweep(&shared).await);
        }
    };
    tokio::select! {
        () = stopping.cancelled() => {}
        () = tend => {}
    }
}

/// Failures that were logged and have not passed.
#[derive(Default)]
struct Trouble {
    renew: Known,
    sweep: Known,
}

#[derive(Default)]
struct Known(bool);

impl Known {
    /// Logs the first failure of a row of them: there would be one every second.
    fn note(&mut self, what: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.0 = false,
            Err(_) if self.0 => {}
            Err(error) => {
                self.0 = true;
                tracing::warn!(%error, "{what}; trying again every second");
            }
        }
    }
}

async fn renew(shared: &Shared) -> Result<(), String> {
    let asked_at = shared.ports.clock.monotonic();
    if !shared.leases.is_due(asked_at) || !shared.waiters.is_working() {
        return Ok(());
    }
    let renewed = shared.ports.journal.renew(&shared.options.owner, TTL).await;
    renewed.map_err(|error| error.to_string())?;
    shared.leases.renewed(asked_at);
    Ok(())
}

async fn sweep(shared: &Arc<Shared>) -> Result<(), String> {
    let expired = shared.ports.journal.expired(SWEEP_MAX).await.map_err(|error| error.to_string())?;
    let mut told = BTreeSet::new();
    for record in expired {
        let name = (record.session.clone(), record.id.clone());
        if shared.waiters.works(&name.0, &name.1) || shared.instances.holds(&name) {
            continue;
        }
        if let Err(fault) = take_over(shared, &record, &mut told).await {
            tracing::warn!(run = %record.id, session = %record.session, %fault, "a run without an owner was left for now");
        }
    }
    Ok(())
}

/// Hands a run to its session's actor or to an instance of its own, which claim
/// it as after a restart. `told` are the sessions that were given one: they take
/// one run at a time, and the next sweep finds the others.
async fn take_over(shared: &Arc<Shared>, record: &RunRecord, told: &mut BTreeSet<SessionKey>) -> Result<(), Fault> {
    let is_instance = recover::runtime_of(shared, record).await?.thread_bound().is_some();
    if !is_instance && !told.insert(record.session.clone()) {
        return Ok(());
    }
    let is_own = record.details.get("owner").and_then(|owner| owner.as_str()) == Some(&shared.options.owner);
    // One of our own that does not work broke, and its end is still to be recorded.
    let found = match (is_own, is_instance) {
        (true, true) => return instances::settle_late(shared, record).await,
        (true, false) => Expired::Turn(Box::default()),
        (false, _) => recover::expired(shared, record).await?,
    };
    match found {
        Expired::Turn(found) => crate::engine::tell(shared, &record.session, Command::Recover(found)),
        Expired::Instance(left) => {
            instances::take_up(shared, *left.standing, left.terms);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_given_up_before_it_expires() {
        let leases = Leases::default();
        let last = Duration::from_secs(100);
        assert!(leases.holds(last, last + TTL * 9), "nobody keeps it");
        leases.keep();
        assert!(leases.holds(last, last + TTL - MARGIN - Duration::from_millis(1)));
        assert!(!leases.holds(last, last + TTL - MARGIN));
    }

    #[test]
    fn a_run_is_covered_by_its_claim_or_by_a_later_renewal() {
        let leases = Leases::default();
        let at = Duration::from_secs;
        assert_eq!(leases.granted(at(5)), at(5));
        leases.renewed(at(8));
        assert_eq!((leases.granted(at(5)), leases.granted(at(9))), (at(8), at(9)));
        assert_eq!((leases.is_due(at(10)), leases.is_due(at(11))), (false, true));
    }
}
