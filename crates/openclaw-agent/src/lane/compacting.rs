//! Summaries by hand, while nothing runs, and taking them back.

use openclaw_domain::Timestamp;
use openclaw_domain::compaction::{Compaction, Kept};
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::Compacted;
use openclaw_domain::session::Entry;

use super::Lane;
use super::admitting::{Opened, store};
use crate::command::Command;
use crate::compaction::budget::Budget;
use crate::compaction::make::{self, Job, Made};
use crate::compaction::{self, cut};
use crate::driver::Control;
use crate::step::Why;

/// Commands put off while a summary is made; more wait in the mailbox.
const DEFERRED_MAX: usize = 256;

/// Compactions searched for the one to be taken back, or listed.
pub(crate) const KEPT_MAX: usize = 1000;

impl Lane {
    /// Makes the conversation shorter: now, or before the next model call of the running turn.
    pub(super) async fn compact(&mut self) -> Result<Compacted, Fault> {
        if self.running.is_some() {
            return match self.control(Control::Compact) {
                true => Ok(Compacted::Due),
                false => Err(Fault::new(Kind::Unavailable, format!("session {} is busy", self.key)).hint("try again")),
            };
        }
        self.refuse_before_interrupted()?;
        let at = self.shared.ports.clock.now();
        if self.shared.ports.sessions.get(&self.key).await.map_err(store)?.is_none() {
            let none = Fault::new(Kind::NotFound, format!("there is no session {}", self.key));
            return Err(none.hint("openclaw sessions"));
        }
        let opened = self.open(at).await?;
        let Some(job) = self.job(&opened)? else { return Ok(Compacted::Nothing) };
        let Some(Made { compaction, .. }) = self.make(job).await? else { return Ok(Compacted::Nothing) };
        let kept = self.shared.ports.compactions.keep(&self.key, &opened.session.id, compaction, at).await;
        Ok(Compacted::Done(Box::new(kept.map_err(store)?)))
    }

    /// A run that goes on soon keeps the view of the conversation it began with.
    fn refuse_before_interrupted(&self) -> Result<(), Fault> {
        self.refuse_before_read()?;
        match &self.interrupted {
            None => Ok(()),
            Some(interrupted) => {
                let text = format!("run {} of session {} waits to go on", interrupted.request.id, self.key);
                Err(Fault::new(Kind::Conflict, text).hint("wait for it or stop it, then try again"))
            }
        }
    }

    fn job(&self, opened: &Opened) -> Result<Option<Job>, Fault> {
        let agent = self.agent()?;
        let Opened { session, conversation, compaction } = opened;
        let choice = crate::model_call::choice_of(session, agent.choice);
        let budget = Budget::of(self.shared.ports.catalog.as_ref(), &choice, 0);
        let turns = conversation.turns();
        let before = compaction.as_ref().map_or(0, |compaction| compaction.turns);
        let Some(hidden) = cut::plan(turns, before, &agent.compaction, &budget, Why::ByHand) else { return Ok(None) };
        // The conversation was just read, so its last turn is the last entry.
        let after = (turns.len() - hidden) as u64;
        Ok(Some(Job {
            turns: turns[before..hidden].to_vec(),
            after: turns[hidden..].to_vec(),
            hidden,
            through: session.head.saturating_sub(after),
            previous: compaction.clone(),
            choice,
            settings: agent.compaction,
            budget,
            key: format!("{}-summary-{hidden}", session.id),
            cache_key: session.id.to_string(),
        }))
    }

    /// Makes the summary; commands that come meanwhile wait, but for one that stops the actor.
    async fn make(&mut self, job: Job) -> Result<Option<Made>, Fault> {
        let mut making = std::pin::pin!(make::make(self.shared.clone(), job));
        loop {
            tokio::select! {
                biased;
                made = &mut making => return match made {
                    Ok(made) => Ok(Some(made)),
                    Err(fault) => {
                        tracing::info!(session = %self.key, %fault, "no summary was made");
                        Ok(None)
                    }
                },
                command = self.commands.recv(), if self.deferred.len() < DEFERRED_MAX => match command {
                    None | Some(Command::Stop) => {
                        self.is_stopped = true;
                        return Err(Fault::new(Kind::Unavailable, "the gateway is stopping"));
                    }
                    Some(command) => self.deferred.push_back(command),
                },
            }
        }
    }

    /// Shows turns again that a compaction stands for.
    pub(super) async fn undo_compaction(&mut self, id: u64, by: &str) -> Result<Kept, Fault> {
        if let Some(running) = &self.running {
            let text = format!("run {} of session {} works with this summary", running.request.id, self.key);
            return Err(Fault::new(Kind::Conflict, text).hint("wait for it or stop it, then try again"));
        }
        self.refuse_before_interrupted()?;
        let at = self.shared.ports.clock.now();
        let undone = self.shared.ports.compactions.undo(&self.key, id, by, at).await.map_err(store)?;
        self.history = None;
        Ok(undone)
    }

    /// Returns what of the conversation is shown as a summary. A compaction that
    /// does not fit the transcript any more is taken back.
    pub(super) async fn compaction_of(
        &mut self,
        entries: &[Entry],
        at: Timestamp,
    ) -> Result<Option<Compaction>, Fault> {
        let compactions = self.shared.ports.compactions.clone();
        let Some(kept) = compactions.current(&self.key).await.map_err(store)? else { return Ok(None) };
        match compaction::check_kept(&kept.compaction, entries) {
            Ok(()) => Ok(Some(kept.compaction)),
            Err(reason) => {
                tracing::warn!(session = %self.key, id = kept.id, %reason, "a summary is taken back; all turns are shown again");
                compactions.undo(&self.key, kept.id, "check", at).await.map_err(store)?;
                Ok(None)
            }
        }
    }
}
