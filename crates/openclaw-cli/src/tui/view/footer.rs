//! The footer: one line that never wraps. Under 80 columns it drops labels, under
//! 60 it keeps the agent, the context and the cost. A lost connection is always said.

use super::super::row::{Look, Row};
use super::super::state::{Link, State};
use super::super::text::{self, fill};
use super::super::width;
use crate::tui::{clock, seconds};

/// Cells of the context bar.
const CELLS: i64 = 10;

/// Context fill in percent from which it is amber, and red.
const AMBER: i64 = 70;
const RED: i64 = 90;

/// Draws the footer.
pub(crate) fn draw(state: &State, columns: usize) -> Row {
    let mut row = Row::of(Look::Plain, " ");
    let mut parts: Vec<(Look, String)> = vec![link(state, columns)];
    let agent = width::safe_line(&state.agent);
    match columns {
        80.. => parts.push((Look::Dim, format!("{agent}  {}", model(state)).trim_end().to_owned())),
        60..80 => parts.push((Look::Dim, model(state))),
        _ => parts.push((Look::Dim, agent)),
    }
    parts.extend(context(state, columns >= 80));
    parts.extend(state.cost.filter(|cost| *cost > 0.0).map(|cost| (Look::Plain, format!("${cost:.3}"))));
    if columns >= 60
        && let Some(turn) = &state.turn
    {
        parts.push((Look::Running, seconds(state.now - turn.began_at)));
    }
    if columns >= 60 && !state.queue.is_empty() {
        parts.push((Look::Dim, format!("{} {}", text::QUEUED.in_lang(state.lang), state.queue.len())));
    }
    for (look, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        let gap = if row.width() > 1 { " | " } else { "" };
        let room = columns.saturating_sub(row.width() + gap.len());
        if room < 2 {
            break;
        }
        let part = width::cut_middle(&part, room);
        row = row.with(Look::Dim, gap).with(look, &part);
    }
    row
}

fn model(state: &State) -> String {
    width::safe_line(&state.model)
}

fn link(state: &State, columns: usize) -> (Look, String) {
    let lang = state.lang;
    let span = clock((state.now - state.link_since).max(0));
    match &state.link {
        None => (Look::Running, "...".to_owned()),
        Some(Link::Offline { retry_at, .. }) => {
            let retry = seconds((*retry_at - state.now).max(0));
            let say = if columns >= 60 { text::OFFLINE } else { text::OFFLINE_SHORT };
            (Look::Failed, fill(say.in_lang(lang), &[("span", &span), ("retry", &retry)]))
        }
        Some(Link::Live { .. }) => match state.behind_since.filter(|since| state.now - since >= 1000) {
            Some(since) => (Look::Waits, fill(text::BEHIND.in_lang(lang), &[("span", &seconds(state.now - since))])),
            None => (Look::Done, text::LIVE.in_lang(lang).to_owned()),
        },
    }
}

fn context(state: &State, has_bar: bool) -> Option<(Look, String)> {
    let (used, all) = (state.tokens?, state.context.filter(|all| *all > 0)?);
    let percent = used.clamp(0, all) * 100 / all;
    let look = match percent {
        RED.. => Look::Failed,
        AMBER..RED => Look::Waits,
        _ => Look::Plain,
    };
    let filled = usize::try_from(percent * CELLS / 100).unwrap_or(0);
    let empty = usize::try_from(CELLS).unwrap_or(0).saturating_sub(filled);
    let bar = if has_bar { format!("[{}{}] ", "#".repeat(filled), ".".repeat(empty)) } else { String::new() };
    Some((look, format!("ctx {bar}{percent}%")))
}
