//! How many turns a summary stands for.

use openclaw_domain::Turn;
use openclaw_domain::catalog::Compacting;

use super::budget::Budget;
use super::estimate;
use crate::step::Why;

/// Fewer new turns than this are not worth a summary.
const TURNS_MIN: usize = 2;

/// Room for the summary itself, as a part of the room of all turns.
const SUMMARY_PART: u64 = 8;

/// Decides how many of the first turns are hidden. What the settings say is
/// kept is kept, unless what is left would still be too much.
pub(crate) fn plan(turns: &[Turn], before: usize, settings: &Compacting, budget: &Budget, why: Why) -> Option<usize> {
    let room = match why {
        Why::Full | Why::ByHand => budget.room(),
        // The estimate was wrong: this conversation has less room than it says.
        Why::Overflow => budget.room() / 2,
    };
    let asked = match why {
        Why::ByHand => Compacting { keep_tokens: 0, ..settings.clone() },
        Why::Full | Why::Overflow => settings.clone(),
    };
    let less = Compacting { keep_tokens: room / 4, keep_turns: 1, ..settings.clone() };
    let nothing = Compacting { keep_tokens: 0, keep_turns: 0, ..settings.clone() };
    let tries = match why {
        // Whoever asks by hand wants what the settings keep to be kept.
        Why::ByHand => vec![asked],
        Why::Full | Why::Overflow => vec![asked, less, nothing],
    };
    let mut last = None;
    for settings in tries {
        let Some(first) = choose(turns, before, &settings, room) else { continue };
        if estimate::turns(turns[first..].iter()) + room / SUMMARY_PART <= room {
            return Some(first);
        }
        last = Some(first);
    }
    last
}

/// Returns how many of the first turns a new summary stands for; `None` when it
/// would stand for no more than the one before.
///
/// Recent turns stay within `keep_tokens`; `keep_turns` of them stay in any
/// case, as long as they leave half of the room. A call is never apart from its
/// result: both stand in one turn.
fn choose(turns: &[Turn], before: usize, settings: &Compacting, room: u64) -> Option<usize> {
    let (keep, half) = (settings.keep_tokens.min(room / 2), room / 2);
    let (mut first, mut taken, mut kept) = (turns.len(), 0, 0);
    while first > before {
        let tokens = estimate::turn(&turns[first - 1]);
        let max = if kept < settings.keep_turns { half } else { keep };
        if taken + tokens > max {
            break;
        }
        (first, taken, kept) = (first - 1, taken + tokens, kept + 1);
    }
    (first >= before + TURNS_MIN).then_some(first)
}
