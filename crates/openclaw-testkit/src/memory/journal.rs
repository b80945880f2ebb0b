//! The journal in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::conversation::Turn;
use openclaw_domain::event::{Recorded, RunEvent};
use openclaw_domain::ids::{CallId, Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::lease::TTL;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{
    Admission, Admitted, Batch, Checkpoint, Journal, JournalError as Error, Mail, OpenAction, RunRecord,
};
use openclaw_domain::question::Answer;
use openclaw_domain::run::{End, Outcome, Parent, RunRequest, Status};
use openclaw_domain::runtime::Runtime;
use openclaw_domain::scratch::KeptScratch;
use openclaw_domain::session::Entry;
use openclaw_domain::tool::Effect;
use serde_json::json;

use super::{Lane, Run, State, Store};

#[async_trait]
impl Journal for Store {
    async fn admit(&self, admission: Admission) -> Result<Admitted, Error> {
        let Admission { request, events, transcript, owner, at } = admission;
        let (id, key) = (request.id.clone(), request.session.clone());
        let claims = events.iter().filter(|event| matches!(event, RunEvent::Claimed { .. })).count();
        if events.is_empty() || claims != usize::from(owner.is_some()) {
            return Err(Error::Store(format!(
                "run {id} needs one claimed event if it has an owner, and none otherwise"
            )));
        }
        let mut state = self.state();
        let first = request.inbound.as_ref().and_then(|inbound| state.inbox.get(inbound)).cloned();
        if let Some((session, run)) = first.filter(|first| *first != (key.clone(), id.clone()))
            && let Some(known) = state.lanes.get(&session).and_then(|lane| lane.runs.get(&run))
        {
            return Ok(Admitted::Known(Box::new(known.record.clone())));
        }
        let inbound = request.inbound.clone();
        let lease_until = owner.is_some().then(|| state.lease_clock + TTL);
        state.admitted += 1;
        let order = state.admitted;
        let input = request.input.clone();
        let request = without_what_differs(request);
        // Refused before the session is made: a refusal changes nothing.
        let known = state.lanes.get(&key).and_then(|lane| lane.runs.get(&id));
        if known.is_some_and(|known| known.request != request) {
            return Err(Error::Mismatch(id));
        }
        let lane = state.open(&key, at);
        if let Some(known) = lane.runs.get(&id) {
            return Ok(Admitted::Known(Box::new(known.record.clone())));
        }
        let is_own = serves_one_request(&events);
        if owner.is_some() && !is_own {
            lane.check_turn(&id)?;
        }
        let status = if owner.is_some() { Status::Running } else { Status::Queued };
        let details = json!({ "attempts": u32::from(owner.is_some()), "owner": owner });
        let record = RunRecord {
            id: id.clone(),
            session: key,
            status,
            epoch: Epoch(0),
            seq: Seq(0),
            outcome: None,
            accepted_at: at,
            details,
        };
        let mut run = Run {
            order,
            record,
            request,
            is_own,
            events: Vec::new(),
            settled: BTreeSet::new(),
            checkpoint: None,
            scratches: BTreeMap::new(),
            lease_until,
        };
        run.record_all(events, at);
        let (epoch, seq) = (run.record.epoch, run.record.seq);
        lane.runs.insert(id.clone(), run);
        let entry = transcript.then(|| {
            lane.touch(at);
            lane.push(Some(&id), Turn::User(input), at)
        });
        if let Some(inbound) = inbound {
            let place = (lane.session.key.clone(), id);
            state.inbox.insert(inbound, place);
        }
        Ok(Admitted::New { epoch, seq, entry })
    }

    async fn claim(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error> {
        let mut state = self.state();
        let lease_until = state.lease_clock + TTL;
        let lane = state.lane(session).ok_or_else(|| Error::NoSuchRun(run.clone()))?;
        // Whoever waits for a person waits on: a new owner answers nothing.
        let waits = matches!(lane.open_run(run)?.record.status, Status::Waiting | Status::Attention);
        if !waits {
            lane.check_turn(run)?;
        }
        let found = lane.open_run(run)?;
        let at = found.events.last().map_or(Timestamp(0), |event| event.at);
        found.record_all(vec![RunEvent::Claimed { owner: owner.to_owned() }], at);
        let attempts = found.record.details["attempts"].as_u64().unwrap_or(0) + 1;
        found.record.details = json!({ "attempts": attempts, "owner": owner });
        if !waits {
            found.record.status = Status::Running;
        }
        found.lease_until = Some(lease_until);
        Ok((found.record.epoch, found.record.seq))
    }

    async fn take_over(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error> {
        {
            let mut state = self.state();
            let now = state.lease_clock;
            let lane = state.lane(session).ok_or_else(|| Error::NoSuchRun(run.clone()))?;
            if !lane.open_run(run)?.is_expired(now) {
                return Err(Error::Fenced(run.clone()));
            }
        }
        self.claim(session, run, owner).await
    }

    async fn renew(&self, owner: &str, ttl: Duration) -> Result<usize, Error> {
        let mut state = self.state();
        let until = state.lease_clock + ttl;
        let mut renewed = 0;
        for run in state.lanes.values_mut().flat_map(|lane| lane.runs.values_mut()) {
            if run.lease_until.is_some() && run.record.details["owner"] == owner {
                run.lease_until = Some(until);
                renewed += 1;
            }
        }
        Ok(renewed)
    }

    async fn expired(&self, limit: usize) -> Result<Vec<RunRecord>, Error> {
        let state = self.state();
        let now = state.lease_clock;
        let mut runs: Vec<&Run> = state
            .lanes
            .values()
            .filter(|lane| !lane.is_removed)
            .flat_map(|lane| lane.runs.values())
            .filter(|run| run.is_expired(now))
            .collect();
        runs.sort_by_key(|run| run.lease_until);
        Ok(runs.into_iter().take(limit).map(|run| run.record.clone()).collect())
    }

    async fn mail(&self, session: &SessionKey, run: &RunId) -> Result<Vec<Mail>, Error> {
        let state = self.state();
        let letters = state.mail.iter().filter(|(to, parent, _)| to == session && parent == run);
        Ok(letters.map(|(_, _, mail)| mail.clone()).collect())
    }

    async fn append(&self, batch: Batch) -> Result<Vec<Entry>, Error> {
        let id = batch.run.clone();
        if batch.events.iter().any(|event| matches!(event, RunEvent::Claimed { .. })) {
            return Err(Error::Store(format!("run {id}: only a claim appends the event claimed")));
        }
        if batch.status.is_some_and(Status::is_final) != batch.outcome.is_some() {
            return Err(Error::Store(format!("run {id}: a final status and an outcome come together")));
        }
        let mut state = self.state();
        let lane = state.lane(&batch.session).ok_or_else(|| Error::NoSuchRun(id.clone()))?;
        lane.check(&batch)?;
        state.refuse_repeats(&batch)?;
        let lane = state.lane(&batch.session).ok_or_else(|| Error::NoSuchRun(id.clone()))?;
        // The summary of an instance is about its own conversation, which is no part of the session's.
        let is_instance = lane.open_run(&id)?.is_own;
        for event in &batch.events {
            if let RunEvent::Compacted { compaction, .. } = event
                && !is_instance
            {
                lane.compact(Some(&id), (**compaction).clone(), batch.at);
            }
        }
        let run = lane.open_run(&id)?;
        let ended_calls: Vec<CallId> = batch.events.iter().filter_map(ended_call).collect();
        run.record_all(batch.events, batch.at);
        if let Some(status) = batch.status {
            run.record.status = status;
            if status.is_final() || status == Status::Queued {
                run.record.details["owner"] = serde_json::Value::Null;
                run.lease_until = None;
            }
        }
        let parent = run.request.parent.clone();
        run.record.outcome = batch.outcome.as_deref().cloned();
        let changes = !batch.entries.is_empty() || batch.amended.is_some() || batch.outcome.is_some();
        if let Some((n, turn)) = batch.amended
            && let Some(entry) = lane.entries.iter_mut().find(|entry| entry.n == n)
        {
            entry.turn = turn;
        }
        if let Some(outcome) = &batch.outcome {
            lane.session.usage.add(&outcome.usage);
        }
        if changes {
            lane.touch(batch.at);
        }
        let entries = batch.entries.into_iter().map(|turn| lane.push(Some(&id), turn, batch.at)).collect();
        let is_over = batch.outcome.is_some();
        state.mail.retain(|(to, run, mail)| {
            *to != batch.session || *run != id || !(is_over || ended_calls.contains(&mail.call))
        });
        for delivery in batch.deliveries {
            state.plan(&batch.session, &id, delivery, batch.at);
        }
        if let (Some(outcome), Some(parent)) = (batch.outcome, parent) {
            state.post(&parent, (batch.session, id), *outcome, batch.at);
        }
        Ok(entries)
    }

    async fn events(
        &self,
        session: &SessionKey,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Recorded>, Error> {
        let mut state = self.state();
        let run =
            state.lane(session).and_then(|lane| lane.runs.get(run)).ok_or_else(|| Error::NoSuchRun(run.clone()))?;
        Ok(run.events.iter().filter(|event| event.seq > after).take(limit).cloned().collect())
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, Error> {
        let state = self.state();
        let mut runs: Vec<&Run> =
            state.lanes.values().filter(|lane| !lane.is_removed).flat_map(|lane| lane.runs.values()).collect();
        runs.sort_by_key(|run| run.order);
        Ok(runs.into_iter().flat_map(Run::open_actions).collect())
    }

    async fn settle_action(
        &self,
        session: &SessionKey,
        run: &RunId,
        call: &CallId,
        answer: Answer,
    ) -> Result<bool, Error> {
        let mut state = self.state();
        let lane = state.lane(session).ok_or_else(|| Error::NoSuchRun(run.clone()))?;
        let found = lane.runs.get_mut(run).ok_or_else(|| Error::NoSuchRun(run.clone()))?;
        let is_open = found.open_actions().iter().any(|open| open.call == *call);
        if is_open && answer != Answer::Unknown {
            found.settled.insert(call.clone());
        }
        Ok(is_open)
    }

    async fn keep_checkpoint(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        checkpoint: Checkpoint,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let lane = state.lane(session).ok_or_else(|| Error::NoSuchRun(run.clone()))?;
        let found = lane.open_run(run)?;
        if found.record.epoch != epoch || checkpoint.seq > found.record.seq {
            return Err(Error::Fenced(run.clone()));
        }
        found.checkpoint = Some(checkpoint);
        Ok(())
    }

    async fn checkpoint(&self, session: &SessionKey, run: &RunId) -> Result<Option<Checkpoint>, Error> {
        let mut state = self.state();
        Ok(state.lane(session).and_then(|lane| lane.runs.get(run)).and_then(|run| run.checkpoint.clone()))
    }

    async fn keep_scratch(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        kept: KeptScratch,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let lane = state.lane(session).ok_or_else(|| Error::NoSuchRun(run.clone()))?;
        let found = lane.open_run(run)?;
        if found.record.epoch != epoch || kept.seq > found.record.seq {
            return Err(Error::Fenced(run.clone()));
        }
        found.scratches.insert(kept.seq, kept);
        Ok(())
    }

    async fn scratch(&self, session: &SessionKey, run: &RunId, through: Seq) -> Result<Option<KeptScratch>, Error> {
        let mut state = self.state();
        let found = state.lane(session).and_then(|lane| lane.runs.get(run));
        Ok(found.and_then(|run| run.scratches.range(..=through).next_back()).map(|(_, kept)| kept.clone()))
    }

    async fn runs(
        &self,
        session: Option<&SessionKey>,
        unfinished_only: bool,
        limit: usize,
    ) -> Result<Vec<RunRecord>, Error> {
        let state = self.state();
        let mut runs: Vec<&Run> = state
            .lanes
            .values()
            .filter(|lane| !lane.is_removed && session.is_none_or(|key| lane.session.key == *key))
            .flat_map(|lane| lane.runs.values())
            .filter(|run| !unfinished_only || !run.record.status.is_final())
            .collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.order));
        Ok(runs.into_iter().take(limit).map(|run| run.record.clone()).collect())
    }
}

fn ended_call(event: &RunEvent) -> Option<CallId> {
    match event {
        RunEvent::ToolEnded { call, .. } => Some(call.clone()),
        _ => None,
    }
}

impl State {
    /// Settles what a session that was removed owes to others, and forgets the
    /// rest of what was said in it when that is asked.
    pub(super) fn forget(&mut self, key: &SessionKey, words: bool, children: Vec<(RunId, Parent)>, at: Timestamp) {
        if words {
            self.outbox.retain(|row| !row.is_of(key));
            self.mail.retain(|(to, _, _)| to != key);
            self.inbox.retain(|_, (session, _)| session != key);
        }
        for (child, parent) in children {
            let outcome = self.lanes.get(key).and_then(|lane| lane.runs.get(&child)?.record.outcome.clone());
            if let Some(outcome) = outcome {
                self.post(&parent, (key.clone(), child), outcome, at);
            }
        }
    }

    /// Puts the outcome of a child before its parent, unless nobody waits for it any more.
    pub(super) fn post(&mut self, to: &Parent, child: (SessionKey, RunId), outcome: Outcome, at: Timestamp) {
        let parent = self.lanes.get(&to.session).and_then(|lane| lane.runs.get(&to.run));
        let is_answered =
            |run: &Run| run.events.iter().any(|event| ended_call(&event.event).as_ref() == Some(&to.call));
        if parent.is_some_and(|run| !run.record.status.is_final() && !is_answered(run)) {
            let (session, run) = child;
            let mail = Mail { call: to.call.clone(), session, run, outcome, at };
            self.mail.push((to.session.clone(), to.run.clone(), mail));
        }
    }
}

/// Two requests are the same when they differ in nothing but time and trace.
fn without_what_differs(mut request: RunRequest) -> RunRequest {
    request.trace = None;
    request.input.at = Timestamp(0);
    request
}

/// Tells whether the run has an instance of its own, so that it is no turn of its session.
fn serves_one_request(events: &[RunEvent]) -> bool {
    events.iter().any(|event| matches!(event, RunEvent::Accepted { runtime: Runtime::ThreadBound(_), .. }))
}

/// What is known of a call that has no result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcomes {
    NotStarted,
    Started,
    Unknown,
}

impl Run {
    fn is_expired(&self, now: Duration) -> bool {
        self.lease_until.is_some_and(|until| until < now)
    }

    /// Finds the calls whose outcome is not known, by folding the events.
    fn open_actions(&self) -> Vec<OpenAction> {
        let mut open: BTreeMap<CallId, (OpenAction, Outcomes)> = BTreeMap::new();
        for recorded in &self.events {
            match &recorded.event {
                RunEvent::ToolIntent { call, tool, effect: Effect::Keyed | Effect::Once, action, digest } => {
                    let action = if action.is_empty() { digest.clone() } else { action.clone() };
                    let (session, run) = (self.record.session.clone(), self.record.id.clone());
                    open.insert(
                        call.clone(),
                        (
                            OpenAction { action, session, run, call: call.clone(), tool: tool.clone() },
                            Outcomes::NotStarted,
                        ),
                    );
                }
                RunEvent::ToolStarted { call, .. } => {
                    open.entry(call.clone()).and_modify(|(_, outcome)| *outcome = Outcomes::Started);
                }
                RunEvent::ToolEnded { call, result } => {
                    let is_known = !matches!(result.status, ToolStatus::Unknown | ToolStatus::Interrupted);
                    open.retain(|id, (_, outcome)| id != call || !(is_known || *outcome == Outcomes::NotStarted));
                    open.entry(call.clone()).and_modify(|(_, outcome)| *outcome = Outcomes::Unknown);
                }
                RunEvent::ToolUnsure { question } => {
                    open.entry(question.call.id.clone()).and_modify(|(_, outcome)| *outcome = Outcomes::Unknown);
                }
                RunEvent::ToolSettled { call, answer: Answer::Happened | Answer::NotHappened, .. } => {
                    open.remove(call);
                }
                RunEvent::Ended { outcome } if matches!(outcome.end, End::Cancelled { .. }) => {
                    open.retain(|_, (_, outcome)| *outcome != Outcomes::Started);
                }
                _ => {}
            }
        }
        let started = open
            .into_values()
            .filter(|(action, outcome)| *outcome != Outcomes::NotStarted && !self.settled.contains(&action.call));
        started.map(|(action, _)| action).collect()
    }

    /// Appends events; each `claimed` begins an epoch.
    fn record_all(&mut self, events: Vec<RunEvent>, at: Timestamp) {
        for event in events {
            if matches!(event, RunEvent::Claimed { .. }) {
                self.record.epoch = Epoch(self.record.epoch.0 + 1);
            }
            self.record.seq = self.record.seq.next();
            self.events.push(Recorded { seq: self.record.seq, epoch: self.record.epoch, at, event });
        }
    }
}

impl State {
    /// Refuses a batch that plans or starts a call which another, of unknown
    /// outcome, may have made already.
    fn refuse_repeats(&self, batch: &Batch) -> Result<(), Error> {
        let own = self.lanes.get(&batch.session).and_then(|lane| lane.runs.get(&batch.run));
        let known = own.into_iter().flat_map(|run| &run.events).map(|recorded| &recorded.event);
        let actions: BTreeMap<&CallId, &str> = known.chain(&batch.events).filter_map(acting).collect();
        let open: Vec<OpenAction> =
            self.lanes.values().flat_map(|lane| lane.runs.values()).flat_map(Run::open_actions).collect();
        for event in &batch.events {
            let (RunEvent::ToolIntent { call, .. } | RunEvent::ToolStarted { call, .. }) = event else { continue };
            let is_own =
                |open: &&OpenAction| open.session == batch.session && open.run == batch.run && open.call == *call;
            let holder = open.iter().find(|open| actions.get(call) == Some(&open.action.as_str()) && !is_own(open));
            if let Some(holder) = holder {
                return Err(Error::Blocked { run: holder.run.clone(), call: holder.call.clone() });
            }
        }
        Ok(())
    }
}

/// Returns the call that an event plans, with its action, unless repeating it is harmless.
fn acting(event: &RunEvent) -> Option<(&CallId, &str)> {
    match event {
        RunEvent::ToolIntent { call, effect: Effect::Keyed | Effect::Once, action, digest, .. } => {
            Some((call, if action.is_empty() { digest } else { action }))
        }
        _ => None,
    }
}

impl Lane {
    /// Returns a run that has not ended.
    fn open_run(&mut self, id: &RunId) -> Result<&mut Run, Error> {
        let run = self.runs.get_mut(id).ok_or_else(|| Error::NoSuchRun(id.clone()))?;
        if run.record.status.is_final() { Err(Error::Ended(id.clone())) } else { Ok(run) }
    }

    /// Refuses a second running turn.
    fn check_turn(&self, id: &RunId) -> Result<(), Error> {
        if self.runs.get(id).is_some_and(|run| run.is_own) {
            return Ok(());
        }
        let is_turn = |run: &&Run| run.record.status == Status::Running && !run.is_own && run.record.id != *id;
        let other = self.runs.values().find(is_turn);
        match other {
            None => Ok(()),
            Some(other) => {
                let (other, session) = (&other.record.id, &self.session.key);
                Err(Error::Store(format!("run {id} cannot start: run {other} of session {session} is running")))
            }
        }
    }

    /// Checks a whole batch before anything of it is written.
    fn check(&mut self, batch: &Batch) -> Result<(), Error> {
        let id = &batch.run;
        let run = self.runs.get(id).ok_or_else(|| Error::NoSuchRun(id.clone()))?;
        if run.record.epoch != batch.epoch {
            return Err(Error::Fenced(id.clone()));
        }
        let next = run.record.seq.next();
        self.open_run(id)?;
        if !batch.events.is_empty() && batch.first < next {
            return Err(Error::Fenced(id.clone()));
        }
        if !batch.events.is_empty() && batch.first > next {
            return Err(Error::Store(format!("run {id}: a batch would leave a gap after position {}", next.0)));
        }
        let is_owned = self.runs.get(id).is_some_and(|run| !run.record.details["owner"].is_null());
        if batch.status == Some(Status::Running) && !is_owned {
            return Err(Error::Store(format!("run {id} has no owner; claim it before it runs")));
        }
        if batch.status == Some(Status::Running) {
            self.check_turn(id)?;
        }
        match &batch.amended {
            Some((n, _)) if !self.entries.iter().any(|entry| entry.n == *n) => {
                Err(Error::Store(format!("session {} has no entry {n} to amend", batch.session)))
            }
            _ => Ok(()),
        }
    }

    /// Returns the runs that have not ended and that a call of another run waits for.
    pub(super) fn open_children(&self) -> Vec<(RunId, Parent)> {
        let open = self.runs.values().filter(|run| !run.record.status.is_final());
        open.filter_map(|run| Some((run.record.id.clone(), run.request.parent.clone()?))).collect()
    }

    /// Cancels what has not ended, each run in an epoch of its own.
    pub(super) fn cancel_open_runs(&mut self, by: &str, at: Timestamp) {
        for run in self.runs.values_mut().filter(|run| !run.record.status.is_final()) {
            let outcome = Outcome {
                end: End::Cancelled { by: by.to_owned() },
                text: String::new(),
                answered_by: None,
                usage: Usage::default(),
                iterations: 0,
                tool_calls: 0,
                started_at: run.record.accepted_at,
                ended_at: at,
            };
            let ended = RunEvent::Ended { outcome: Box::new(outcome.clone()) };
            run.record_all(vec![RunEvent::Claimed { owner: by.to_owned() }, ended], at);
            run.record.status = Status::Cancelled;
            run.record.details["owner"] = serde_json::Value::Null;
            run.lease_until = None;
            run.record.outcome = Some(outcome);
        }
    }
}
