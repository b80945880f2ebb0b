//! Makes the conversation shorter between two model calls, and goes on.
//!
//! A summary that cannot be made changes nothing: the model is called with the
//! conversation as it is, or, when the provider refused that already, the run
//! ends and says so.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openclaw_domain::catalog::Compacting;
use openclaw_domain::fault::Fault;
use openclaw_domain::model::ErrorClass;
use openclaw_domain::run::End;
use openclaw_domain::{Change, RunEvent};

use super::Driver;
use crate::compaction::budget::Budget;
use crate::compaction::make::{self, Job, Made};
use crate::compaction::{cut, estimate, place};
use crate::step::{self, Effect, Overflow, Why};

/// Conversations below this many estimated tokens are never too long for any
/// model; most turns are spared the estimate of the rest of the prompt.
const SHORT: u64 = 2_000;

/// A compaction that is wanted or under way.
#[derive(Default)]
pub(super) struct Shortening {
    due: Option<Why>,
    is_asked: bool,
    /// The model call before which it was tried last.
    tried: Option<u32>,
    making: Option<(Why, BoxFuture<'static, Result<Made, String>>)>,
    /// Whether the newest one was made because a model call did not fit.
    is_retry: bool,
}

impl Shortening {
    /// Notes that somebody asked.
    pub(super) fn ask(&mut self) {
        self.is_asked = true;
    }

    /// Tells whether a summary is being made.
    pub(super) fn is_making(&self) -> bool {
        self.making.is_some()
    }

    /// Tells whether the model call that did not fit is made again after the newest summary.
    pub(super) fn is_retry(&self) -> bool {
        self.is_retry
    }
}

/// Waits for the summary; pends while none is made, so that it can stand in a `select!`.
pub(super) async fn made(shortening: &mut Shortening) -> (Why, Result<Made, String>) {
    match &mut shortening.making {
        Some((why, making)) => (*why, making.await),
        None => std::future::pending().await,
    }
}

impl Driver {
    /// Takes up what `step` decided; returns the end of the run where nothing may be done.
    pub(super) fn begin_shortening(&mut self, why: Why) -> Option<RunEvent> {
        if self.compacting().is_automatic {
            self.shortening.due = Some(why);
            return None;
        }
        let end = self.overflowed("automatic compaction is off (agents.defaults.compaction.enabled)");
        Some(self.end(end))
    }

    /// Begins a summary if one is wanted; the model is then not called yet.
    pub(super) async fn shorten(&mut self) -> bool {
        let Some(why) = self.wanted() else { return false };
        self.shortening.is_asked = false;
        self.shortening.tried = Some(self.state.iterations);
        let making = match self.job(why).await {
            Ok(Some(job)) => {
                let making = make::make(self.shared.clone(), job);
                making.map(|made| made.map_err(|fault| fault.to_string())).boxed()
            }
            Ok(None) if why != Why::Overflow => return false,
            Ok(None) => std::future::ready(Err("there are no older turns to summarise".to_owned())).boxed(),
            Err(fault) => std::future::ready(Err(fault.to_string())).boxed(),
        };
        self.shortening.making = Some((why, making));
        self.publisher.publish(Change::Compacting);
        true
    }

    fn wanted(&mut self) -> Option<Why> {
        if let Some(why) = self.shortening.due.take() {
            return Some(why);
        }
        if !self.model_due || self.shortening.tried == Some(self.state.iterations) {
            return None;
        }
        if self.shortening.is_asked {
            return Some(Why::ByHand);
        }
        let shown = estimate::turns(self.state.conversation.view(self.state.compaction.as_ref()).iter());
        if shown < SHORT || !self.compacting().is_automatic {
            return None;
        }
        match step::before_call(&self.state, &self.budget()?) {
            Some(Effect::Compact { why }) => Some(why),
            _ => None,
        }
    }

    /// Turns a summary into its event; `None` when there is none and the model
    /// is called all the same.
    pub(super) fn shortened(&mut self, (why, made): (Why, Result<Made, String>)) -> Option<Vec<RunEvent>> {
        self.shortening.making = None;
        self.shortening.is_retry = why == Why::Overflow;
        if let Err(reason) = &made {
            self.publisher.publish(Change::NotCompacted { reason: reason.clone() });
        }
        match (made, why) {
            (Ok(Made { compaction, usage }), _) => {
                tracing::info!(run = %self.request.id, turns = compaction.turns, ?why, "older turns are shown as a summary");
                Some(vec![RunEvent::Compacted { compaction: Box::new(compaction), usage }])
            }
            (Err(reason), Why::Overflow) => {
                let end = self.overflowed(&reason);
                Some(vec![self.end(end)])
            }
            (Err(reason), Why::Full | Why::ByHand) => {
                tracing::warn!(run = %self.request.id, reason, "no summary was made; the conversation is sent as it is");
                None
            }
        }
    }

    fn overflowed(&self, reason: &str) -> End {
        let said = match &self.state.overflow {
            Overflow::Due(said) => said.as_str(),
            Overflow::None | Overflow::Done => "the conversation does not fit the model",
        };
        let message = format!("{said}; it could not be made shorter: {reason}. Start a new one with /new");
        End::ModelFailed { class: ErrorClass::ContextOverflow, message }
    }

    fn compacting(&self) -> Compacting {
        let agent = self.shared.ports.catalog.agent(self.request.session.agent());
        agent.map_or_else(Compacting::default, |agent| agent.compaction)
    }

    fn budget(&self) -> Option<Budget> {
        let prepared = self.prepared.as_ref()?;
        let budget = Budget::of(self.shared.ports.catalog.as_ref(), prepared.choice(), prepared.fixed_tokens());
        Some(budget.corrected(self.state.measured))
    }

    /// Decides what is summarised; `None` when nothing would become shorter.
    async fn job(&mut self, why: Why) -> Result<Option<Job>, Fault> {
        let (Some(budget), Some(prepared)) = (self.budget(), &self.prepared) else { return Ok(None) };
        let settings = self.compacting();
        let turns = self.state.conversation.turns();
        let before = self.state.compaction.as_ref().map_or(0, |compaction| compaction.turns);
        let Some(hidden) = cut::plan(turns, before, &settings, &budget, why) else { return Ok(None) };
        let through = place::of_run(&self.shared, &self.request, &self.state, hidden).await?;
        let key = format!("{}-summary-{hidden}", self.step_key(self.state.iterations));
        Ok(Some(Job {
            turns: turns[before..hidden].to_vec(),
            after: turns[hidden..].to_vec(),
            hidden,
            through,
            previous: self.state.compaction.clone(),
            choice: prepared.choice().clone(),
            settings,
            budget,
            key,
            cache_key: self.session.id.to_string(),
        }))
    }
}
