//! One lane: a session that accepts inputs, calls tools and answers, until the power goes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use openclaw_domain::conversation::Turn;
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{CallId, Epoch, Seq, SessionKey};
use openclaw_domain::message::{Block, ToolResult, ToolStatus};
use openclaw_domain::ports::{Admitted, Batch, Durability, Journal, JournalError};
use openclaw_domain::run::{End, Status};
use openclaw_domain::tool::Effect;
use openclaw_powercut::Disk;
use openclaw_store::Store;
use openclaw_testkit::contract::journal::{admission, assistant, batch, outcome};

use super::history::{History, Name, Write};

/// What all lanes of a generation share.
pub(super) struct Site<'a> {
    pub(super) store: &'a Store,
    pub(super) disk: &'a Disk,
    pub(super) history: &'a Mutex<History>,
    /// The defect to plant: a barrier that is asked for as if it were none.
    pub(super) forgets_barriers: bool,
    /// Which generation of the chain this is; names its runs and its owner.
    pub(super) generation: usize,
}

/// Why a lane stopped.
pub(super) enum Stop {
    /// The power is off: what was being written may be there or not.
    PowerCut,
    /// The store refused although it had power.
    Refused(String),
}

/// A run being written.
struct Run {
    name: Name,
    epoch: Epoch,
    next: Seq,
}

impl Site<'_> {
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what earlier generations left, then accepts inputs until `inputs` are answered.
    pub(super) async fn work(&self, session: &SessionKey, rng: &mut Rng, inputs: usize) -> Result<(), Stop> {
        let left = self.store.runs(Some(session), true, 10).await.map_err(|error| self.stop(&error))?;
        for record in left {
            let mut run = self.take_over((session.clone(), record.id)).await?;
            self.end(&mut run).await?;
        }
        for n in 0..inputs {
            let id = format!("g{}-{n}", self.generation);
            let mut run = self.accept(session, &id, rng).await?;
            self.think(&mut run, rng).await?;
            if rng.u8(0..3) > 0 {
                self.call_tool(&mut run).await?;
                self.think(&mut run, rng).await?;
            }
            self.end(&mut run).await?;
        }
        Ok(())
    }

    async fn accept(&self, session: &SessionKey, id: &str, rng: &mut Rng) -> Result<Run, Stop> {
        // One input in ten is too long for its row and stands in a table of its own.
        let length = if rng.u8(0..10) == 0 { rng.usize(9_000..30_000) } else { rng.usize(1..2_000) };
        let admission = admission(session, id, &"word ".repeat(length / 5 + 1));
        let name = (session.clone(), admission.request.id.clone());
        self.issue(&name, "input", Seq(1), Epoch(1), &admission.events, true);
        let admitted = self.store.admit(admission).await.map_err(|error| self.stop(&error))?;
        self.history().acknowledge(&name);
        match admitted {
            Admitted::New { epoch, seq, .. } => Ok(Run { name, epoch, next: seq.next() }),
            Admitted::Known(record) => Err(Stop::Refused(format!("input {} was known: {record:?}", name.1))),
        }
    }

    async fn take_over(&self, name: Name) -> Result<Run, Stop> {
        let owner = format!("boot-{}", self.generation);
        let (epoch, next) = self
            .history()
            .runs
            .get(&name)
            .and_then(|writes| writes.last())
            .map_or_else(|| (Epoch(1), Seq(1)), |last| (last.epoch, last.next()));
        let epoch = Epoch(epoch.0 + 1);
        self.issue(&name, "claim", next, epoch, &[RunEvent::Claimed { owner: owner.clone() }], true);
        let claimed = self.store.claim(&name.0, &name.1, &owner).await.map_err(|error| self.stop(&error))?;
        self.history().acknowledge(&name);
        if claimed != (epoch, next) {
            return Err(Stop::Refused(format!(
                "run {} was claimed as {claimed:?}, expected {epoch:?} {next:?}",
                name.1
            )));
        }
        Ok(Run { name, epoch, next: next.next() })
    }

    /// Streams some text: nothing of it needs to survive a power cut by itself.
    async fn think(&self, run: &mut Run, rng: &mut Rng) -> Result<(), Stop> {
        let first = RunEvent::ModelStarted { step: 1, idempotency_key: format!("{}-1", run.name.1) };
        self.append(run, "model", vec![first], Durability::Committed).await?;
        for _ in 0..rng.usize(0..4) {
            let text = "text ".repeat(rng.usize(1..200));
            self.append(run, "text", vec![RunEvent::ModelDelta { text }], Durability::Committed).await?;
        }
        Ok(())
    }

    async fn call_tool(&self, run: &mut Run) -> Result<(), Stop> {
        let action: String =
            run.name.0.as_str().bytes().chain(run.name.1.as_str().bytes()).map(|byte| format!("{byte:02x}")).collect();
        let call: CallId = "pay-1".parse().map_err(|error| Stop::Refused(format!("{error}")))?;
        let events = vec![
            RunEvent::ToolIntent {
                call: call.clone(),
                tool: "pay".to_owned(),
                digest: action.clone(),
                effect: Effect::Once,
                action,
            },
            RunEvent::ToolStarted { call: call.clone(), idempotency_key: format!("{}-pay", run.name.1) },
        ];
        self.append(run, "tool", events, Durability::Barrier).await?;
        let result = Box::new(ToolResult::notice(ToolStatus::Ok, "paid"));
        self.append(run, "result", vec![RunEvent::ToolEnded { call, result }], Durability::Committed).await
    }

    async fn end(&self, run: &mut Run) -> Result<(), Stop> {
        let outcome = outcome(End::Done);
        let events = vec![RunEvent::Ended { outcome: Box::new(outcome.clone()) }];
        let turn = assistant(vec![Block::Text { text: "hello".to_owned() }]);
        let ending = Batch {
            entries: vec![Turn::Assistant(turn)],
            status: Some(Status::Done),
            outcome: Some(Box::new(outcome)),
            ..self.batch(run, events, Durability::Barrier)
        };
        self.write(run, "end", ending).await
    }

    async fn append(
        &self,
        run: &mut Run,
        what: &'static str,
        events: Vec<RunEvent>,
        durability: Durability,
    ) -> Result<(), Stop> {
        let batch = self.batch(run, events, durability);
        self.write(run, what, batch).await
    }

    fn batch(&self, run: &Run, events: Vec<RunEvent>, durability: Durability) -> Batch {
        let empty = batch(&run.name.0, run.name.1.as_str(), run.next.0);
        Batch { epoch: run.epoch, events, durability, ..empty }
    }

    async fn write(&self, run: &mut Run, what: &'static str, mut batch: Batch) -> Result<(), Stop> {
        let is_barrier = batch.durability == Durability::Barrier;
        self.issue(&run.name, what, batch.first, batch.epoch, &batch.events, is_barrier);
        if self.forgets_barriers {
            batch.durability = Durability::Committed;
        }
        let next = Seq(batch.first.0 + batch.events.len() as u64);
        self.store.append(batch).await.map_err(|error| self.stop(&error))?;
        self.history().acknowledge(&run.name);
        run.next = next;
        Ok(())
    }

    fn issue(&self, name: &Name, what: &'static str, first: Seq, epoch: Epoch, events: &[RunEvent], is_barrier: bool) {
        let write = Write { what, first, epoch, events: events.to_vec(), is_barrier, issued: 0, acked: None };
        self.history().issue(name, write);
    }

    fn stop(&self, error: &JournalError) -> Stop {
        if self.disk.is_off() { Stop::PowerCut } else { Stop::Refused(error.to_string()) }
    }
}
