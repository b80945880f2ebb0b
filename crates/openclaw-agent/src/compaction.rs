//! Makes a long conversation short enough for its model, without losing a word.
//!
//! Turns are never changed: a compaction is a view ([`openclaw_domain::Compaction`])
//! in which a summary stands for the oldest turns. `step` decides when one is
//! needed, by an estimate ([`estimate`]) against the model's window
//! ([`budget`]); [`cut`] decides how many turns it stands for; [`make`] asks a
//! model in pieces that always fit ([`pieces`], [`ask`]), [`check`]s the answer
//! against the originals, and falls back to a summary by rule ([`extract`]).

pub(crate) mod budget;
pub(crate) mod cut;
pub(crate) mod estimate;
pub(crate) mod make;
pub(crate) mod place;

mod ask;
mod check;
mod extract;
mod pieces;
mod words;

use openclaw_domain::Conversation;
use openclaw_domain::compaction::Compaction;
use openclaw_domain::session::Entry;

/// Why a kept compaction is not used any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it stands for {claimed} turns, and the transcript has {found} up to entry {through}")]
    OtherTurns { claimed: usize, found: usize, through: u64 },
    #[error(transparent)]
    Fault(#[from] check::Fault),
}

/// Checks a kept compaction against the transcript it was made from.
///
/// # Errors
/// When entries joined since, or the summary says what the turns do not.
pub(crate) fn check_kept(compaction: &Compaction, entries: &[Entry]) -> Result<(), Unfit> {
    let hidden = entries.iter().take_while(|entry| entry.n <= compaction.through).count();
    if hidden != compaction.turns {
        return Err(Unfit::OtherTurns { claimed: compaction.turns, found: hidden, through: compaction.through });
    }
    let turns: Vec<_> = entries.iter().take(hidden).map(|entry| entry.turn.clone()).collect();
    let turns = Conversation::resume(turns).into_turns();
    Ok(check::Originals::of(&turns, &[], None).vouch(&compaction.summary)?)
}

#[cfg(test)]
mod tests;
