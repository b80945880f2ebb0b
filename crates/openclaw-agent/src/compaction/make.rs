//! Makes one compaction: by a model in pieces, checked, or else by rule.

use std::sync::Arc;

use openclaw_domain::catalog::Compacting;
use openclaw_domain::compaction::{Compaction, Shrunk, Summary};
use openclaw_domain::model::{ModelChoice, Usage};
use openclaw_domain::{Timestamp, Turn};

use super::ask::{self, Question};
use super::budget::Budget;
use super::check::{Fault, Originals};
use super::{estimate, extract, pieces};
use crate::shared::Shared;

/// Answers of a model to one piece, the retry with its fault named included.
const ATTEMPTS_MAX: usize = 2;

/// Largest summary by rule, where the window does not say less.
const RULE_BYTES_MAX: usize = 8 * 1024;

/// What is to be made.
pub(crate) struct Job {
    /// The turns that are to be hidden and are not yet.
    pub(crate) turns: Vec<Turn>,
    /// The turns that stay.
    pub(crate) after: Vec<Turn>,
    /// All turns the summary will stand for.
    pub(crate) hidden: usize,
    /// Number of the last transcript entry among them.
    pub(crate) through: u64,
    /// What stands for the turns before them.
    pub(crate) previous: Option<Compaction>,
    /// The conversation's model.
    pub(crate) choice: ModelChoice,
    pub(crate) settings: Compacting,
    /// The window of the conversation's model, with its correction.
    pub(crate) budget: Budget,
    /// Stable id of the wish, for the keys of its questions.
    pub(crate) key: String,
    /// Stable id of the conversation.
    pub(crate) cache_key: String,
}

/// A compaction, and what it cost.
pub(crate) struct Made {
    pub(crate) compaction: Compaction,
    pub(crate) usage: Usage,
}

/// Makes a compaction. Dropping the future half-way loses nothing but the money
/// of a question under way.
///
/// # Errors
/// When no summary can be smaller than the turns.
pub(crate) async fn make(shared: Arc<Shared>, job: Job) -> Result<Made, Fault> {
    let previous = job.previous.as_ref().map(|compaction| &compaction.summary);
    let originals = Originals::of(&job.turns, &job.after, previous);
    let mut usage = Usage { cost_usd: Some(0.0), ..Usage::default() };
    let timeout = shared.ports.clock.sleep(job.settings.timeout);
    let by_model = tokio::select! {
        made = by_model(&shared, &job, &originals, &mut usage) => made,
        () = timeout => Err("it took too long".to_owned()),
    };
    let summary = match by_model {
        Ok(summary) => summary,
        Err(reason) => {
            tracing::info!(reason, turns = job.hidden, "no model made a usable summary; it is made by rule");
            let whole = job.budget.estimated(job.budget.window) * estimate::TOKEN_BYTES;
            let bytes_max = usize::try_from(whole / 8).unwrap_or(usize::MAX).min(RULE_BYTES_MAX);
            extract::summary(&job.turns, previous, &originals, bytes_max)?
        }
    };
    let tokens = Some(shrunk(&job, &summary));
    Ok(Made { compaction: Compaction { turns: job.hidden, through: job.through, summary, tokens }, usage })
}

/// Returns the conversation's size without the summary and with it.
fn shrunk(job: &Job, summary: &Summary) -> Shrunk {
    let shown = |summary: &Summary| estimate::turn(&Turn::User(summary.turn(Timestamp::default())));
    let earlier = job.previous.as_ref().map_or(0, |previous| shown(&previous.summary));
    let (hidden, after) = (estimate::turns(job.turns.iter()), estimate::turns(job.after.iter()));
    Shrunk { before: job.budget.real(earlier + hidden + after), after: job.budget.real(shown(summary) + after) }
}

async fn by_model(shared: &Shared, job: &Job, originals: &Originals, usage: &mut Usage) -> Result<Summary, String> {
    let (choice, budget) = summariser(shared, job);
    let sizes = pieces::sizes(&budget, ask::INSTRUCTIONS).ok_or("the model's window is too small")?;
    let pieces = pieces::split(&job.turns, &sizes).ok_or("the text is too long")?;
    let previous = job.previous.as_ref().map(|compaction| compaction.summary.clone());
    let mut notes = previous.map(|summary| extract::fit(summary, sizes.summary_bytes));
    for (n, piece) in pieces.iter().enumerate() {
        let is_last = n + 1 == pieces.len();
        let mut fault: Option<Fault> = None;
        let mut next = None;
        for attempt in 0..ATTEMPTS_MAX {
            let key = format!("{}-{n}-{attempt}", job.key);
            let cache_key = job.cache_key.clone();
            let question =
                Question { choice: &choice, notes: notes.as_ref(), piece, fault: fault.as_ref(), key, cache_key };
            let request = ask::request(question, &sizes).ok_or("the question has an open call")?;
            let answered = ask::answer(shared.ports.model.as_ref(), request).await;
            let (text, used) = answered.map_err(|error| error.to_string())?;
            shared.reach("summary_made");
            usage.add(&used);
            let read = ask::read(&text, &sizes).and_then(|summary| {
                if is_last {
                    originals.check(&summary, sizes.summary_bytes)?;
                }
                Ok(summary)
            });
            match read {
                Ok(summary) => {
                    next = Some(summary);
                    break;
                }
                Err(found) => fault = Some(found),
            }
        }
        notes = Some(next.ok_or_else(|| fault.map(|fault| fault.to_string()).unwrap_or_default())?);
    }
    notes.ok_or_else(|| "there is no text".to_owned())
}

/// Returns the model that summarises, with its window.
fn summariser(shared: &Shared, job: &Job) -> (ModelChoice, Budget) {
    match &job.settings.model {
        None => (job.choice.clone(), job.budget),
        Some(model) => {
            let choice =
                ModelChoice { primary: model.clone(), fallbacks: vec![job.choice.primary.clone()], thinking: None };
            let budget = Budget::of(shared.ports.catalog.as_ref(), &choice, 0);
            // A stand-in must be able to read the question as well.
            let budget = if budget.window < job.budget.window { budget } else { job.budget };
            (choice, budget)
        }
    }
}
