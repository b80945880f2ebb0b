//! The task of one instance: wait for a place, work, leave nothing behind.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use openclaw_domain::fault::Fault;
use openclaw_domain::ports::{JournalError, Keeping, RunRecord};
use openclaw_domain::run::{End, Limit, Outcome, Status};
use openclaw_domain::{Change, Epoch, Seq, ToolCall};
use tokio::sync::mpsc;

use super::{Known, Quarters, files};
use crate::command::Interrupted;
use crate::driver::{Broken, Control, Driver, Finished, Start};
use crate::lane::{close, fault, is_repeatable, stopped};
use crate::mailbox;
use crate::places::Place;
use crate::publish::Publisher;
use crate::shared::Shared;
use crate::step::{self, Effect};
use crate::waiters::Known as Told;

/// How long after its time a run may take to record its own end. Then the
/// instance is taken down from outside.
const GRACE: Duration = Duration::from_millis(500);

/// How often an end is offered to a journal that refuses it, and how long apart.
const CLOSE_TRIES: u32 = 3;
const CLOSE_PAUSE: Duration = Duration::from_secs(1);

/// When and as what a run was claimed.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
    /// By the monotonic clock, when it was asked for.
    pub(crate) at: Duration,
}

/// Why an instance stops before its run recorded an end.
#[derive(Clone)]
enum Stop {
    /// The run ends like this.
    End(End),
    /// Another process goes on with the run.
    Lost,
}

/// An instance from here to its end.
pub(crate) struct Serving {
    pub(crate) known: Arc<Known>,
    /// How far the run is.
    pub(crate) standing: Interrupted,
    /// What a new run does first; `None` for one that an earlier process left.
    pub(crate) first: Option<Vec<Effect>>,
    /// The claim, when the admission made it.
    pub(crate) claimed: Option<Claim>,
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
            Err(Stop::End(end)) => settle(shared, &known, &publisher, end).await,
            Err(Stop::Lost) => return give_up(shared, &known).await,
        };
        leave(shared, &known, outcome).await;
        drop(place);
    }

    /// Waits for a free place, unless the request is cancelled meanwhile.
    async fn wait_for_place(&mut self, shared: &Shared) -> Result<Arc<Place>, Stop> {
        let seat = shared.places.of(&self.standing.request.session, &self.standing.runtime);
        let mut taking = std::pin::pin!(seat.take());
        loop {
            tokio::select! {
                biased;
                told = self.control.recv() => match told {
                    Some(Control::Cancel { by }) => return Err(Stop::End(End::Cancelled { by })),
                    None => return Err(Stop::End(End::Cancelled { by: "shutdown".to_owned() })),
                    // Dropping the reply of a snapshot says that the run does not work.
                    Some(
                        Control::Steer { .. }
                        | Control::Resolve { .. }
                        | Control::Answer { .. }
                        | Control::Snapshot { .. }
                        | Control::Compact,
                    ) => {}
                },
                place = &mut taking => return Ok(place),
            }
        }
    }

    /// Claims the run, opens the scratch and drives it.
    async fn run(mut self, shared: &Arc<Shared>, place: Arc<Place>) -> Result<Finished, Stop> {
        let failed = |message: String| Stop::End(End::Failed { message });
        let turn = match self.first {
            Some(_) => None,
            None => shared.take_turn().await,
        };
        let claim = match self.claimed {
            Some(claim) => claim,
            None => self.claim(shared).await?,
        };
        let keeping = keeping(&self.known);
        if self.is_resumed(claim) {
            let origin = self.standing.request.origin.as_deref();
            let brought = files::bring_back(shared, &self.known, keeping, origin, claim.seq).await;
            brought.map_err(|fault| failed(format!("its files could not be brought back: {fault}")))?;
        }
        let scratch = shared.ports.scratches.open(&self.known.id, self.known.name().0.agent(), keeping).await;
        let scratch = scratch.map_err(|fault| failed(fault.to_string()))?;
        let now = shared.ports.clock.monotonic();
        let (kind, limit) = self.limit();
        let left = limit.saturating_sub(self.standing.worked);
        self.known.began(&scratch.path, now + left);
        let terms = self.known.terms;
        let instance = self.known.id.clone();
        let quarters = Quarters { instance, scratch, terms, seed: crate::keys::seed(&self.standing.request) };
        let start = Start { turn, ..self.start(shared, place, Arc::new(quarters), claim).await };
        let (driver, effects, events) = Driver::new(shared.clone(), start);
        let driven = AssertUnwindSafe(driver.drive(effects, events)).catch_unwind();
        let too_late = shared.ports.clock.sleep(left + GRACE);
        tokio::select! {
            biased;
            driven = driven => match driven {
                Ok(driven) => driven.map_err(|broken| match broken {
                    Broken { is_lost: true, .. } => Stop::Lost,
                    Broken { message, .. } => failed(message),
                }),
                Err(_panic) => Err(failed("the run broke because of a defect of the program".to_owned())),
            },
            () = too_late => Err(Stop::End(overdue(kind, limit))),
        }
    }

    /// Claims a run that waited, or that an earlier owner left.
    async fn claim(&mut self, shared: &Shared) -> Result<Claim, Stop> {
        let failed = |message: String| Stop::End(End::Failed { message });
        let (session, run) = self.known.name().clone();
        let (journal, owner) = (&shared.ports.journal, &shared.options.owner);
        let at = shared.ports.clock.monotonic();
        let claimed = match self.standing.is_expired {
            true => journal.take_over(&session, &run, owner).await,
            false => journal.claim(&session, &run, owner).await,
        };
        let (epoch, seq) = match claimed {
            Ok(claimed) => claimed,
            Err(error) if self.standing.is_expired => {
                tracing::info!(%run, %error, "a run was not taken over");
                return Err(Stop::Lost);
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        let claim = Claim { epoch, seq, at };
        if self.first.is_some() {
            shared.reach("waiting_claimed");
            return Ok(claim);
        }
        shared.reach("taken_up");
        // The old owner's last write may have landed after the run was read: the
        // claim came after it, and fenced off what follows.
        if self.standing.seq.next() != seq {
            match crate::recover::anew(shared, &session, &run, (epoch, seq)).await {
                Ok(Some(now)) => self.standing = now,
                Ok(None) => {}
                Err(fault) => return Err(failed(fault.to_string())),
            }
        }
        Ok(claim)
    }

    /// One that only waited begins now, whoever accepted it.
    fn is_resumed(&self, claim: Claim) -> bool {
        self.first.is_none() && claim.epoch > Epoch(1)
    }

    /// The end of its time: its request's, when that is shorter.
    fn limit(&self) -> (Limit, Duration) {
        let own = self.known.terms.duration_max;
        match self.standing.request.timeout.filter(|asked| *asked < own) {
            Some(asked) => (Limit::Timeout, asked),
            None => (Limit::Duration, own),
        }
    }

    async fn start(self, shared: &Arc<Shared>, place: Arc<Place>, quarters: Arc<Quarters>, claim: Claim) -> Start {
        let at = shared.ports.clock.now();
        let is_resumed = self.is_resumed(claim);
        let standing = self.standing;
        let mut state = standing.state;
        let effects = match self.first {
            Some(first) => first,
            None => {
                let is_repeatable = |call: &ToolCall| is_repeatable(shared, call, standing.started.get(&call.id), at);
                let effects = step::resume(&mut state, is_repeatable);
                mailbox::answer(shared, &standing.request, effects).await
            }
        };
        // Claims are not folded: they say who works, not what was done.
        state.seq = claim.seq;
        for approval in standing.asked {
            shared.pending.add(approval);
        }
        for question in standing.unsure {
            shared.questions.add(question);
        }
        self.publisher.committed(claim.seq);
        let request = standing.request;
        let live = shared.waiters.begin(&request.id, &request.session, request.source, Status::Running, at);
        Start {
            request,
            session: standing.session,
            epoch: claim.epoch,
            seq: claim.seq,
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
            claimed_at: claim.at,
            turn: None,
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

/// Records the end of an instance of this process that the journal refused when it came.
pub(crate) async fn settle_late(shared: &Shared, record: &RunRecord) -> Result<(), Fault> {
    match shared.waiters.find(Some(&record.session), &record.id) {
        Some(Told::Ended(outcome)) => {
            close(shared, &record.session, &record.id, &outcome).await.map_err(|error| fault(&error))
        }
        Some(Told::Live(_)) | None => Ok(()),
    }
}

/// Leaves a run to the process that goes on with it: nothing is recorded, whoever
/// waits is told to ask again. Programs end; the files stay, for they are the other's now.
async fn give_up(shared: &Shared, known: &Known) {
    let (session, run) = known.name();
    shared.pending.forget(session, run);
    shared.questions.forget(session, run);
    shared.actions.forget(session, run);
    let _left_to_it = shared.children.ended(known.name());
    shared.waiters.forget(run, session);
    if let Err(fault) = shared.ports.scratches.close(&known.id, Keeping::Keep).await {
        tracing::error!(instance = %known.id, %fault, "the programs of a lost instance could not be ended");
    }
    shared.instances.forget(known.name());
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
