//! Records events: step first in memory, then one transaction, then the world is told.

use std::sync::Arc;

use openclaw_domain::ports::{Batch, Durability, JournalError};
use openclaw_domain::run::{End, Status};
use openclaw_domain::session::Entry;
use openclaw_domain::{Answer, CallId, Change, RunEvent, Seq, ToolResult, Turn};

use super::{Broken, Driver};
use crate::outbox;
use crate::step::{self, Effect};

impl Driver {
    /// Folds events into the state and commits them together with the turns and
    /// the status they brought. Returns what is to be done next.
    pub(super) async fn record(&mut self, mut events: Vec<RunEvent>) -> Result<Vec<Effect>, Broken> {
        let mut effects = Vec::new();
        let mut i = 0;
        while i < events.len() {
            for effect in step::step(&mut self.state, &events[i]) {
                match effect {
                    // An end is recorded in the transaction that caused it.
                    Effect::Finish { .. } => events.extend(self.perform(vec![effect])),
                    other => effects.push(other),
                }
            }
            i += 1;
        }
        if self.state.is_ended {
            effects.clear();
        }
        let batch = self.batch(&events);
        let written_before = self.written;
        let sends = !batch.deliveries.is_empty();
        self.granted_at = self.shared.leases.granted(self.claimed_at);
        let entries = self.shared.ports.journal.append(batch).await.map_err(|error| self.broken(&error))?;
        self.publisher.committed(Seq(self.next.0 + events.len() as u64 - 1));
        self.next.0 += events.len() as u64;
        if sends {
            self.shared.deliveries_due.notify_one();
        }
        self.note_entries(written_before, &entries);
        self.tell_resumed();
        self.tell(&events, entries);
        Ok(effects)
    }

    fn batch(&mut self, events: &[RunEvent]) -> Batch {
        let turns = self.state.conversation.turns();
        let entries: Vec<Turn> = turns.get(self.written..).unwrap_or_default().to_vec();
        let amended = match self.open_entry {
            Some((n, index)) if self.state.open.is_empty() => turns.get(index).map(|turn| (n, turn.clone())),
            Some(_) | None => None,
        };
        let outcome = events.iter().find_map(|event| match event {
            RunEvent::Ended { outcome } => Some(outcome.clone()),
            _ => None,
        });
        let status = match &outcome {
            Some(outcome) => Some(Status::from(&outcome.end)),
            None => Some(self.status()),
        };
        let at = self.shared.ports.clock.now();
        let deliveries = outcome.as_ref().and_then(|outcome| {
            outbox::answer(&self.request, &self.session.id, outcome, at, self.shared.ports.deliveries.kept)
        });
        Batch {
            session: self.request.session.clone(),
            run: self.request.id.clone(),
            epoch: self.epoch,
            first: self.next,
            events: events.to_vec(),
            entries,
            amended,
            status,
            outcome,
            deliveries: deliveries.into_iter().collect(),
            at,
            durability: durability(events),
        }
    }

    fn note_entries(&mut self, written_before: usize, entries: &[Entry]) {
        if self.state.open.is_empty() {
            self.open_entry = None;
        }
        for (offset, entry) in entries.iter().enumerate() {
            let has_open_calls =
                matches!(&entry.turn, Turn::Assistant(turn) if turn.calls().any(|(_, result)| result.is_none()));
            if has_open_calls {
                self.open_entry = Some((entry.n, written_before + offset));
            }
        }
        self.head = entries.last().map_or(self.head, |last| last.n);
        self.written = written_before + entries.len();
    }

    /// Tells surfaces what is now durable.
    fn tell(&mut self, events: &[RunEvent], entries: Vec<Entry>) {
        for entry in entries {
            self.publisher.publish(Change::EntryAdded(Box::new(entry)));
        }
        for event in events {
            self.keep_ledger(event);
            match event {
                RunEvent::ModelDelta { .. } => self.publisher.publish(Change::TextKept),
                RunEvent::ModelSuperseded { .. } => self.publisher.publish(Change::TextReplaced(String::new())),
                RunEvent::ToolUnsure { question } => {
                    self.shared.questions.add((**question).clone());
                    self.unsure.insert(question.id.clone(), (**question).clone());
                    self.publisher.publish(Change::QuestionAsked(question.clone()));
                }
                RunEvent::ToolSettled { question, answer, by, .. } => {
                    if let Some(asked) = self.unsure.remove(question) {
                        let question = Box::new(asked);
                        self.publisher.publish(Change::QuestionAnswered { question, answer: *answer, by: by.clone() });
                    }
                }
                RunEvent::ModelDone { usage, .. } => self.publisher.publish(Change::TurnCompleted(*usage)),
                RunEvent::ApprovalRequested { approval } => {
                    self.shared.pending.add((**approval).clone());
                    self.publisher.publish(Change::ApprovalRequested(approval.clone()));
                }
                RunEvent::ApprovalResolved { approval, decision, by, .. } => {
                    if let Some(asked) = self.asking.remove(approval) {
                        self.publisher.publish(Change::ApprovalResolved {
                            approval: Box::new(asked),
                            decision: *decision,
                            by: by.clone(),
                        });
                    }
                }
                RunEvent::ToolEnded { call, result } => self.tell_ended(call, result),
                RunEvent::Compacted { compaction, .. } => {
                    let is_retry = self.shortening.is_retry();
                    let entries = compaction.turns as u64;
                    self.publisher.publish(Change::Compacted { entries, tokens: compaction.tokens, is_retry });
                }
                RunEvent::Steered { input, .. } => self.publisher.publish(Change::Steered { input: input.clone() }),
                RunEvent::Ended { outcome } => self.ended = Some(Arc::new((**outcome).clone())),
                _ => {}
            }
            if let RunEvent::ApprovalRequested { approval } = event {
                self.asking.insert(approval.id.clone(), (**approval).clone());
            }
        }
        // The end is told last, after everything it ends.
        if let Some(outcome) = &self.ended {
            self.publisher.publish(Change::Ended(Box::new((**outcome).clone())));
        }
    }

    /// An earlier process's run works again once something new is recorded (I14).
    fn tell_resumed(&mut self) {
        if std::mem::take(&mut self.is_resuming) {
            self.publisher.publish(Change::Started);
            self.publisher.publish(Change::Resumed);
        }
    }

    /// Notes which actions have a known outcome now.
    fn keep_ledger(&self, event: &RunEvent) {
        let (session, run) = (&self.request.session, &self.request.id);
        let end = |call: &CallId| self.shared.actions.end(session, run, call);
        match event {
            RunEvent::ToolEnded { call, result } if result.status.is_known() => end(call),
            RunEvent::ToolSettled { call, answer: Answer::Happened | Answer::NotHappened, .. } => end(call),
            // Whoever stops a run knows what was stopped; a call that nobody
            // could tell about before stays blocked.
            RunEvent::Ended { outcome } if matches!(outcome.end, End::Cancelled { .. }) => {
                let unsure: Vec<&CallId> = self.unsure.values().map(|question| &question.call.id).collect();
                for action in self.shared.actions.list() {
                    if action.session == *session && action.run == *run && !unsure.contains(&&action.call) {
                        end(&action.call);
                    }
                }
            }
            _ => {}
        }
    }

    fn tell_ended(&mut self, id: &CallId, result: &ToolResult) {
        let took = self.took.remove(id).unwrap_or_default();
        if let Some(call) = self.state.call(id).cloned() {
            self.publisher.publish(Change::ToolEnded { call, result: Box::new(result.clone()), took });
        }
    }

    fn broken(&self, error: &JournalError) -> Broken {
        tracing::error!(run = %self.request.id, session = %self.request.session, %error, "the journal refused; the run stops here");
        let is_lost = matches!(error, JournalError::Fenced(_) | JournalError::Ended(_));
        Broken { message: error.to_string(), is_lost }
    }
}

/// A synced commit before the world is touched and after it was promised something.
fn durability(events: &[RunEvent]) -> Durability {
    let must_sync = events.iter().any(|event| match event {
        RunEvent::ToolIntent { effect, .. } => *effect != openclaw_domain::tool::Effect::Pure,
        RunEvent::Ended { .. }
        | RunEvent::ApprovalRequested { .. }
        | RunEvent::ApprovalResolved { .. }
        | RunEvent::ToolUnsure { .. }
        | RunEvent::ToolSettled { .. }
        | RunEvent::Steered { .. } => true,
        RunEvent::Accepted { .. }
        | RunEvent::Claimed { .. }
        | RunEvent::Began { .. }
        | RunEvent::ModelStarted { .. }
        | RunEvent::ModelSelected { .. }
        | RunEvent::ModelDelta { .. }
        | RunEvent::ModelSuperseded { .. }
        | RunEvent::ModelDone { .. }
        | RunEvent::ModelFailed { .. }
        | RunEvent::ToolStarted { .. }
        | RunEvent::Compacted { .. }
        | RunEvent::ToolEnded { .. }
        | RunEvent::CancelRequested { .. }
        | RunEvent::DeadlinePassed => false,
    });
    if must_sync { Durability::Barrier } else { Durability::Committed }
}
