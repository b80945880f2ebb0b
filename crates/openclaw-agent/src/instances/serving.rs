//! The task of one instance: wait for a place, work, leave nothing behind.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use openclaw_domain::ports::{JournalError, Keeping};
use openclaw_domain::run::{End, Limit, Outcome, Status};
use openclaw_domain::{Change, Epoch, Seq};
use tokio::sync::mpsc;

use super::{Known, Quarters};
use crate::command::Interrupted;
use crate::driver::{Broken, Control, Driver, Finished, Start};
use crate::lane::{close, is_repeatable, stopped};
use crate::places::Place;
use crate::publish::Publisher;
use crate::shared::Shared;
use crate::step::{self, Effect};

/// How long after its time a run may take to record its own end. Then the
/// instance is taken down from outside.
const GRACE: Duration = Duration::from_millis(500);

/// How often an end is offered to a journal that refuses it, and how long apart.
const CLOSE_TRIES: u32 = 3;
const CLOSE_PAUSE: Duration = Duration::from_secs(1);

/// An instance from here to its end.
pub(crate) struct Serving {
    pub(crate) known: Arc<Known>,
    /// How far the run is.
    pub(crate) standing: Interrupted,
    /// What a new run does first; `None` for one that an earlier process left.
    pub(crate) first: Option<Vec<Effect>>,
    /// The claim, when the admission made it.
    pub(crate) claimed: Option<(Epoch, Seq)>,
    pub(crate) place: Option<Arc<Place>>,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) publisher: Arc<Publisher>,
}

impl Serving {
    /// Works to the end, or until the engine stops: then the journal shows a
    /// run without an end, and the next process goes on in the same scratch.
    pub(crate) async fn work(self, shared: Arc<Shared>) {
        let stopping = shared.stopping.clone();
        tokio::select! {
            biased;
            () = stopping.cancelled() => {}
            () = self.serve(&shared) => {}
        }
    }

    async fn serve(mut self, shared: &Arc<Shared>) {
        let known = self.known.clone();
        let publisher = self.publisher.clone();
        // Held to the very end: whoever comes next finds nothing of this one.
        let place = match self.place.take() {
            Some(place) => Ok(place),
            None => self.wait_for_place(shared).await,
        };
        let ended = match place.clone() {
            Ok(place) => self.run(shared, place).await,
            Err(end) => Err(end),
        };
        let outcome = match ended {
            Ok(finished) => {
                crate::metrics::ended(&finished.outcome);
                finished.outcome
            }
            Err(end) => settle(shared, &known, &publisher, end).await,
        };
        leave(shared, &known, outcome).await;
        drop(place);
    }

    /// Waits for a free place, unless the request is cancelled meanwhile.
    async fn wait_for_place(&mut self, shared: &Shared) -> Result<Arc<Place>, End> {
        let seat = shared.places.of(&self.standing.request.session, &self.standing.runtime);
        let mut taking = std::pin::pin!(seat.take());
        loop {
            tokio::select! {
                biased;
                told = self.control.recv() => match told {
                    Some(Control::Cancel { by }) => return Err(End::Cancelled { by }),
                    None => return Err(End::Cancelled { by: "shutdown".to_owned() }),
                    Some(Control::Steer { .. } | Control::Resolve { .. } | Control::Answer { .. }) => {}
                },
                place = &mut taking => return Ok(place),
            }
        }
    }

    /// Claims the run, opens the scratch and drives it.
    async fn run(self, shared: &Arc<Shared>, place: Arc<Place>) -> Result<Finished, End> {
        let failed = |message: String| End::Failed { message };
        let (session, run) = self.known.name().clone();
        let (epoch, seq) = match self.claimed {
            Some(claimed) => claimed,
            None => {
                let claimed = shared.ports.journal.claim(&session, &run, &shared.options.owner).await;
                claimed.map_err(|error| failed(error.to_string()))?
            }
        };
        let keeping = keeping(&self.known);
        let scratch = shared.ports.scratches.open(&self.known.id, session.agent(), keeping).await;
        let scratch = scratch.map_err(|fault| failed(fault.to_string()))?;
        let now = shared.ports.clock.monotonic();
        let (kind, limit) = self.limit();
        let left = limit.saturating_sub(self.standing.worked);
        self.known.began(&scratch.path, now + left);
        let terms = self.known.terms;
        let quarters = Quarters { scratch, terms, seed: crate::keys::seed(&self.standing.request) };
        let start = self.start(shared, place, Arc::new(quarters), (epoch, seq));
        let (driver, effects, events) = Driver::new(shared.clone(), start);
        let driven = AssertUnwindSafe(driver.drive(effects, events)).catch_unwind();
        let too_late = shared.ports.clock.sleep(left + GRACE);
        tokio::select! {
            biased;
            driven = driven => match driven {
                Ok(driven) => driven.map_err(|Broken { message }| failed(message)),
                Err(_panic) => Err(failed("the run broke because of a defect of the program".to_owned())),
            },
            () = too_late => Err(overdue(kind, limit)),
        }
    }

    /// The end of its time: its request's, when that is shorter.
    fn limit(&self) -> (Limit, Duration) {
        let own = self.known.terms.duration_max;
        match self.standing.request.timeout.filter(|asked| *asked < own) {
            Some(asked) => (Limit::Timeout, asked),
            None => (Limit::Duration, own),
        }
    }

    fn start(
        self,
        shared: &Arc<Shared>,
        place: Arc<Place>,
        quarters: Arc<Quarters>,
        (epoch, seq): (Epoch, Seq),
    ) -> Start {
        let at = shared.ports.clock.now();
        let standing = self.standing;
        let mut state = standing.state;
        let is_resumed = self.first.is_none();
        let effects = self.first.unwrap_or_else(|| {
            step::resume(&mut state, |call| is_repeatable(shared, call, standing.started.get(&call.id), at))
        });
        for approval in standing.asked {
            shared.pending.add(approval);
        }
        for question in standing.unsure {
            shared.questions.add(question);
        }
        self.publisher.committed(seq);
        let request = standing.request;
        let live = shared.waiters.begin(&request.id, &request.session, request.source, Status::Running, at);
        Start {
            request,
            session: standing.session,
            epoch,
            seq,
            state,
            written: standing.written,
            head: standing.head,
            open_entry: standing.open_entry,
            effects,
            events: Vec::new(),
            live,
            publisher: self.publisher,
            control: self.control,
            is_resumed,
            started: standing.started,
            started_at: at,
            place,
            quarters: Some(quarters),
            worked: standing.worked,
        }
    }
}

/// Records an end that the run could not record itself.
async fn settle(shared: &Shared, known: &Known, publisher: &Publisher, end: End) -> Arc<Outcome> {
    let (session, run) = known.name();
    let outcome = Arc::new(stopped(end, shared.ports.clock.now()));
    for attempt in 1..=CLOSE_TRIES {
        match close(shared, session, run, &outcome).await {
            Ok(()) | Err(JournalError::NoSuchRun(_)) => break,
            Err(error) => tracing::error!(%run, %session, %error, attempt, "the end of an instance was not recorded"),
        }
        shared.ports.clock.sleep(CLOSE_PAUSE).await;
    }
    crate::metrics::ended(&outcome);
    publisher.publish(Change::Ended(Box::new((*outcome).clone())));
    outcome
}

/// Tells whoever waits, and releases everything.
async fn leave(shared: &Arc<Shared>, known: &Known, outcome: Arc<Outcome>) {
    let (session, run) = known.name();
    shared.pending.forget(session, run);
    shared.questions.forget(session, run);
    shared.waiters.end(run, session, outcome);
    shared.stop_children(known.name());
    if let Err(fault) = shared.ports.scratches.close(&known.id, keeping(known)).await {
        tracing::error!(instance = %known.id, %fault, "a scratch could not be removed; the next start tries again");
    }
    shared.instances.forget(known.name());
}

fn keeping(known: &Known) -> Keeping {
    if known.terms.auto_destroy { Keeping::Destroy } else { Keeping::Keep }
}

fn overdue(kind: Limit, limit: Duration) -> End {
    let message =
        format!("stopped: the instance lived for {} s, its limit, and did not end by itself", limit.as_secs());
    End::Limited { limit: kind, message }
}
