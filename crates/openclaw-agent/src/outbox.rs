//! Sends what is recorded, once.
//!
//! One task takes what is due, hands each message to the courier of its channel
//! and records what became of it. A message that may have been taken is sent
//! again only through a channel that drops repetitions itself; of the others a
//! person is told. Nothing is sent after its time (I10).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use openclaw_domain::delivery::Delivery;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Courier, Due, JournalError, Sent, Settled};
use openclaw_domain::run::End;
use openclaw_domain::{Outcome, RunRequest, SessionId, Timestamp};

use crate::shared::Shared;

/// Messages on their way at once.
const SENDING_MAX: usize = 16;

/// Longest attempt; a courier that says nothing for longer leaves the outcome unknown.
const SEND_MAX: Duration = Duration::from_secs(60);

/// Attempts of one delivery.
const ATTEMPTS_MAX: u32 = 8;

/// Wait before the second attempt; it doubles with each one.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Between two looks at the outbox when nothing wakes the task: others may have
/// put something there.
const LOOK_MIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(5);

/// How often deliveries that are long over are forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// How long messages on their way are waited for when the program stops.
const GRACE: Duration = Duration::from_secs(5);

/// Tries to record what became of an attempt.
const SETTLE_MAX: u32 = 3;

/// Longest message kept about an attempt, in bytes.
const MESSAGE_BYTES_MAX: usize = 500;

/// Returns what is sent when a run ends: its answer, or why there is none.
pub(crate) fn answer(
    request: &RunRequest,
    session: &SessionId,
    outcome: &Outcome,
    now: Timestamp,
    kept: Duration,
) -> Option<Delivery> {
    let to = request.deliver.clone()?;
    let text = match &outcome.end {
        _ if !outcome.text.trim().is_empty() => outcome.text.clone(),
        End::Done | End::Cancelled { .. } => return None,
        End::Limited { message, .. } | End::ModelFailed { message, .. } | End::Failed { message } => {
            format!("[no answer: {message}]")
        }
    };
    let idempotency_key = crate::keys::delivery_key(session, &request.id, &to);
    Some(Delivery { to, text, idempotency_key, not_after: Some(after(now, kept)) })
}

/// Refuses a request whose answer could never be sent, while somebody is there to be told.
pub(crate) fn refuse_unknown(shared: &Shared, request: &RunRequest) -> Result<(), Fault> {
    let Some(to) = &request.deliver else { return Ok(()) };
    if courier(shared, &to.channel).is_some() {
        return Ok(());
    }
    let couriers = &shared.ports.deliveries.couriers;
    let known = couriers.iter().map(|courier| courier.channel()).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "there are none".to_owned() } else { format!("known: {known}") };
    let text = format!("there is no channel {:?} to send the answer to ({known})", to.channel);
    Err(Fault::new(Kind::User, text).hint("name one of these, or leave delivery out"))
}

/// Sends until the engine stops; what is on its way then gets a moment to arrive.
pub(crate) async fn dispatch(shared: Arc<Shared>) {
    show_orphans(&shared).await;
    let mut sending = FuturesUnordered::new();
    let mut next_retry: Option<Timestamp> = None;
    let mut next_prune = Timestamp(0);
    loop {
        let now = shared.ports.clock.now();
        next_retry = next_retry.filter(|at| *at > now);
        for due in take(&shared, now, SENDING_MAX - sending.len()).await {
            sending.push(send(&shared, due));
        }
        let wait = next_retry.map_or(LOOK_MAX, |at| at.since(now).clamp(LOOK_MIN, LOOK_MAX));
        if next_prune <= now {
            forget_closed(&shared, now).await;
            next_prune = after(now, PRUNE_EVERY);
        }
        tokio::select! {
            biased;
            () = shared.stopping.cancelled() => break,
            Some(retry) = sending.next(), if !sending.is_empty() => {
                next_retry = [next_retry, retry].into_iter().flatten().min();
            }
            () = shared.deliveries_due.notified() => {}
            () = shared.ports.clock.sleep(wait) => {}
        }
    }
    tokio::select! {
        () = async { while sending.next().await.is_some() {} } => {}
        () = shared.ports.clock.sleep(GRACE) => {}
    }
}

/// Forgets deliveries that are long over.
async fn forget_closed(shared: &Shared, now: Timestamp) {
    let deliveries = &shared.ports.deliveries;
    match deliveries.outbox.prune(deliveries.retention, now).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "old deliveries were forgotten"),
        Err(error) => tracing::warn!(%error, "old deliveries could not be forgotten"),
    }
}

async fn take(shared: &Shared, now: Timestamp, free: usize) -> Vec<Due> {
    if free == 0 {
        return Vec::new();
    }
    let taken = shared.ports.deliveries.outbox.take(&shared.options.owner, now, free).await;
    taken.unwrap_or_else(|error| {
        tracing::warn!(%error, "the outbox could not be read");
        Vec::new()
    })
}

/// Tells of messages an earlier process was sending when it stopped. Those whose
/// channel drops repetitions are sent again.
async fn show_orphans(shared: &Shared) {
    let (outbox, now) = (&shared.ports.deliveries.outbox, shared.ports.clock.now());
    let orphans = match outbox.orphaned(&shared.options.owner, now).await {
        Ok(orphans) => orphans,
        Err(error) => {
            tracing::error!(%error, "messages that an earlier process was sending could not be looked for");
            return;
        }
    };
    for orphan in orphans {
        let channel = &orphan.delivery.to.channel;
        let is_safe = courier(shared, channel).is_some_and(Courier::deduplicates);
        let in_time = orphan.delivery.not_after.is_none_or(|until| now <= until);
        if is_safe && in_time {
            tracing::info!(id = orphan.id, channel, "a message may have been sent; the channel drops repetitions");
            if let Err(error) = outbox.retry(orphan.id, now).await {
                tracing::error!(id = orphan.id, %error, "a message could not be put back");
            }
        } else {
            let (run, session) = (&orphan.run, &orphan.session);
            tracing::warn!(id = orphan.id, channel, %run, %session, "a message may have been sent; it is not sent again");
        }
    }
}

fn courier<'a>(shared: &'a Shared, channel: &str) -> Option<&'a dyn Courier> {
    shared.ports.deliveries.couriers.iter().find(|courier| courier.channel() == channel).map(Arc::as_ref)
}

/// Makes one attempt and records it; returns when the next one is due.
async fn send(shared: &Shared, due: Due) -> Option<Timestamp> {
    let clock = &shared.ports.clock;
    let settled = match courier(shared, &due.delivery.to.channel) {
        None => Settled::Failed(format!("there is no channel {}", due.delivery.to.channel)),
        Some(courier) => {
            let sent = tokio::select! {
                sent = AssertUnwindSafe(courier.send(&due)).catch_unwind() => {
                    sent.unwrap_or_else(|_panic| Sent::Unknown("the channel broke because of a defect".to_owned()))
                }
                () = clock.sleep(SEND_MAX) => Sent::Unknown(format!("no word for {} s", SEND_MAX.as_secs())),
            };
            judge(sent, &due, courier.deduplicates(), clock.now(), jitter())
        }
    };
    let retry = match &settled {
        Settled::Again { at, .. } => Some(*at),
        Settled::Sent(_) | Settled::Failed(_) | Settled::Unknown(_) => None,
    };
    if let Settled::Failed(message) | Settled::Unknown(message) = &settled {
        tracing::warn!(id = due.id, run = %due.run, channel = due.delivery.to.channel, message, "a message was not sent");
    }
    settle(shared, &due, settled).await;
    retry
}

async fn settle(shared: &Shared, due: &Due, settled: Settled) {
    let (outbox, clock) = (&shared.ports.deliveries.outbox, &shared.ports.clock);
    for attempt in 1..=SETTLE_MAX {
        match outbox.settle(due, settled.clone(), clock.now()).await {
            Ok(()) => return,
            Err(JournalError::Fenced(_)) => {
                tracing::warn!(id = due.id, "somebody else has taken the message since");
                return;
            }
            Err(error) if attempt == SETTLE_MAX => {
                tracing::error!(id = due.id, %error, ?settled, "it could not be recorded what became of a message");
            }
            Err(_) => clock.sleep(BACKOFF).await,
        }
    }
}

/// Decides what an attempt means for its delivery. `jitter` is from 0 to 1.
fn judge(sent: Sent, due: &Due, deduplicates: bool, now: Timestamp, jitter: f64) -> Settled {
    match sent {
        Sent::Taken(id) => Settled::Sent(id),
        Sent::Refused(message) => Settled::Failed(cut(message)),
        Sent::Later(message, wait) => again(message, wait, due, now, jitter).unwrap_or_else(Settled::Failed),
        Sent::Unknown(message) if deduplicates => {
            again(message, Duration::ZERO, due, now, jitter).unwrap_or_else(Settled::Unknown)
        }
        Sent::Unknown(message) => Settled::Unknown(cut(message)),
    }
}

/// Plans another attempt; fails with the reason when there is none.
fn again(message: String, wait: Duration, due: &Due, now: Timestamp, jitter: f64) -> Result<Settled, String> {
    let message = cut(message);
    if due.attempt >= ATTEMPTS_MAX {
        return Err(format!("{message}; given up after {} attempts", due.attempt));
    }
    let at = after(now, wait.max(backoff(due.attempt, jitter)));
    match due.delivery.not_after {
        Some(until) if until < at => Err(format!("{message}; its time passes before another attempt")),
        _ => Ok(Settled::Again { message, at }),
    }
}

/// Half of the doubling wait for certain, the other half by chance, so that
/// messages which failed together do not come back together.
fn backoff(attempt: u32, jitter: f64) -> Duration {
    let whole = BACKOFF.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(BACKOFF_MAX);
    whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

fn jitter() -> f64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

fn after(now: Timestamp, span: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    message
}

#[cfg(test)]
mod tests {
    use openclaw_domain::delivery::Destination;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn due(attempt: u32, left: Option<Duration>) -> Due {
        let to = Destination { channel: "chat".into(), to: "ann".into(), account: None, thread: None };
        let not_after = left.map(|left| after(NOW, left));
        Due {
            id: 1,
            session: "agent:main:main".parse().unwrap(),
            run: "r1".parse().unwrap(),
            attempt,
            delivery: Delivery { to, text: "hi".into(), idempotency_key: "k".into(), not_after },
        }
    }

    fn again_after(message: &str, millis: i64) -> Settled {
        Settled::Again { message: message.into(), at: Timestamp(NOW.0 + millis) }
    }

    #[test]
    fn an_unknown_outcome_is_repeated_only_where_repetitions_are_dropped() {
        let unknown = || Sent::Unknown("broke".into());
        assert_eq!(judge(unknown(), &due(1, None), true, NOW, 1.0), again_after("broke", 1000));
        assert_eq!(judge(unknown(), &due(1, None), false, NOW, 1.0), Settled::Unknown("broke".into()));
        let last = judge(unknown(), &due(ATTEMPTS_MAX, None), true, NOW, 1.0);
        assert_eq!(last, Settled::Unknown("broke; given up after 8 attempts".into()));
    }

    #[test]
    fn attempts_wait_longer_each_time_and_end() {
        let later = |attempt, wait, jitter| {
            judge(Sent::Later("busy".into(), Duration::from_millis(wait)), &due(attempt, None), false, NOW, jitter)
        };
        assert_eq!(later(1, 0, 1.0), again_after("busy", 1000));
        assert_eq!(later(3, 0, 1.0), again_after("busy", 4000));
        assert_eq!(later(3, 0, 0.0), again_after("busy", 2000));
        assert_eq!(later(1, 30_000, 1.0), again_after("busy", 30_000));
        assert_eq!(later(ATTEMPTS_MAX, 0, 1.0), Settled::Failed("busy; given up after 8 attempts".into()));
        assert_eq!(backoff(40, 1.0), BACKOFF_MAX);
    }

    #[test]
    fn there_is_no_attempt_after_the_deliverys_time() {
        let later = |left| {
            let sent = Sent::Later("busy".into(), Duration::ZERO);
            judge(sent, &due(1, Some(Duration::from_millis(left))), false, NOW, 1.0)
        };
        assert_eq!(later(1000), again_after("busy", 1000));
        assert_eq!(later(999), Settled::Failed("busy; its time passes before another attempt".into()));
    }

    #[test]
    fn the_answer_or_the_reason_there_is_none_is_sent() {
        let due = due(1, None);
        let input = openclaw_domain::UserTurn::owner("hi", NOW);
        let source = openclaw_domain::run::Source::Chat;
        let mut request = RunRequest::new(due.run, due.session, input, source);
        let session: SessionId = "s1".parse().unwrap();
        let kept = Duration::from_secs(900);
        let sent = |request: &RunRequest, end: End, text: &str| {
            let mut outcome = crate::outcome::of(&crate::step::RunState::new(Vec::new()), end, NOW, NOW);
            outcome.text = text.to_owned();
            answer(request, &session, &outcome, NOW, kept)
        };
        assert_eq!(sent(&request, End::Done, "hello"), None);
        request.deliver = Some(due.delivery.to);
        let delivery = sent(&request, End::Done, "hello").unwrap();
        assert_eq!((delivery.text.as_str(), delivery.not_after), ("hello", Some(Timestamp(NOW.0 + 900_000))));
        assert_eq!(sent(&request, End::Done, " "), None);
        assert_eq!(sent(&request, End::Cancelled { by: "rpc".into() }, ""), None);
        let failed = sent(&request, End::Failed { message: "disk full".into() }, "").unwrap();
        assert_eq!(failed.text, "[no answer: disk full]");
        assert_eq!(failed.idempotency_key, delivery.idempotency_key);
    }
}
