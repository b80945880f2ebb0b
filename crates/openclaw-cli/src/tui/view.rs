//! Draws the live region: what is still open of the turn, the question, what
//! waits, the line being typed, the footer. Pure: state in, rows and a cursor out.

mod footer;

use super::approval::Drawing;
use super::row::{Look, Row, Span};
use super::state::{Motion, State};
use super::text::{self, Copy};
use super::width;

/// Rows of a list of waiting messages.
const WAITING_ROWS: usize = 3;

/// Rows of thinking that are shown when it is open.
const THOUGHT_ROWS: usize = 8;

/// Prompt of the line being typed.
const PROMPT: &str = "> ";

/// The live region.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) rows: Vec<Row>,
    /// Row and column of the cursor.
    pub(crate) cursor: (usize, usize),
}

/// Draws the live region, at most one row less high than the terminal.
pub(crate) fn draw(state: &mut State) -> Live {
    let (columns, height) = (state.columns, state.height.saturating_sub(1).max(2));
    // A question gets all the room there is.
    let input_rows = if state.asks.is_empty() { (height / 3).max(1) } else { 1 };
    let (input, mut cursor) = input(state, columns, input_rows);
    let footer = footer::draw(state, columns);
    let room = height.saturating_sub(input.len() + 1);
    let mut rows = Vec::new();
    let above = match state.asks.front() {
        Some(_) => question(state, columns, room),
        None => working(state, columns, room),
    };
    let over = above.len().saturating_sub(room);
    // The newest rows are the ones to see; a question is never cut, it scrolls.
    rows.extend(above.into_iter().skip(over));
    cursor.0 += rows.len();
    rows.extend(input);
    rows.push(footer);
    Live { rows, cursor }
}

fn question(state: &State, columns: usize, room: usize) -> Vec<Row> {
    let (Some(ask), Some(armed)) = (state.asks.front(), state.armed()) else { return Vec::new() };
    let look = Drawing {
        columns,
        height: state.ask_height(),
        now: state.now,
        lang: state.lang,
        armed,
        more: state.asks.len() - 1,
    };
    let mut rows = ask.draw(&look);
    let mut waiting = notice(state, columns);
    waiting.extend(self::waiting(state, columns));
    waiting.truncate(room.saturating_sub(rows.len()));
    rows.append(&mut waiting);
    rows
}

fn working(state: &mut State, columns: usize, room: usize) -> Vec<Row> {
    let now = state.now;
    let mut rows = state.transcript.live(now);
    rows.extend(thought(state, columns));
    rows.extend(plan(state, columns));
    let mut below = notice(state, columns);
    below.extend(waiting(state, columns));
    if let Some(pick) = &state.pick {
        if !state.is_pick_typed {
            below.push(Row::of(Look::Strong, "/ ").with(Look::Plain, &width::safe_line(&pick.filter)));
        }
        let height = room.saturating_sub(below.len()).max(1);
        below.extend(pick.rows(columns, height, text::NO_MATCH.in_lang(state.lang)));
    }
    if state.turn.is_some() && rows.is_empty() && below.len() < room {
        rows.push(busy(state));
    }
    let keep = room.saturating_sub(below.len());
    let over = rows.len().saturating_sub(keep);
    rows.drain(..over);
    rows.extend(below);
    rows
}

fn notice(state: &State, columns: usize) -> Vec<Row> {
    match &state.notice {
        Some((notice, until)) if state.now < *until => {
            width::wrap(&[Span::new(Look::Dim, format!(" {notice}"))], columns)
        }
        Some(_) | None => Vec::new(),
    }
}

/// One line that says the run is alive.
fn busy(state: &State) -> Row {
    let began = state.turn.as_ref().map_or(state.now, |turn| turn.began_at);
    let word = if state.is_thinking { text::THINKING } else { text::WORKING };
    let elapsed = (state.now - began).max(0);
    let mark = match state.motion {
        Motion::Off => "*",
        Motion::Slow => ["*", "-"][usize::try_from(elapsed / 2000 % 2).unwrap_or(0)],
        Motion::On => ["|", "/", "-", "\\"][usize::try_from(elapsed / 250 % 4).unwrap_or(0)],
    };
    Row::of(Look::Running, format!("{mark} "))
        .with(Look::Dim, &format!("{} {}", word.in_lang(state.lang), super::seconds(elapsed)))
}

fn thought(state: &State, columns: usize) -> Vec<Row> {
    if state.thought.is_empty() || !(state.is_thought_open || state.is_thinking) {
        return Vec::new();
    }
    let tokens = state.thought.len() / 4;
    let head = format!("{}  ~{tokens} tokens  (Alt+T)", text::THOUGHT.in_lang(state.lang));
    let mut rows = vec![Row::of(Look::Dim, width::cut_middle(&head, columns))];
    if state.is_thought_open {
        let tail: Vec<&str> = state.thought.lines().rev().take(THOUGHT_ROWS).collect();
        for line in tail.into_iter().rev() {
            let line = format!("| {}", width::safe(line));
            rows.extend(width::wrap(&[Span::new(Look::Dim, line)], columns));
        }
        let over = rows.len().saturating_sub(THOUGHT_ROWS + 1);
        rows.drain(1..1 + over);
    }
    rows
}

fn plan(state: &State, columns: usize) -> Vec<Row> {
    if state.plan.is_empty() {
        return Vec::new();
    }
    let name = text::PLAN.in_lang(state.lang);
    if state.is_plan_folded {
        let done = state.plan.iter().filter(|step| step.mark == "[x]").count();
        return vec![Row::of(Look::Dim, format!("{name}  {done}/{}  (Ctrl+T)", state.plan.len()))];
    }
    let steps = state.plan.iter().enumerate().map(|(at, step)| format!("{} {} {}", at + 1, step.mark, step.text));
    let line = format!("{name}  {}", steps.collect::<Vec<_>>().join("   "));
    width::wrap(&[Span::new(Look::Plain, line)], columns)
}

/// What is queued, and what is on its way into the turn: two labelled lists.
fn waiting(state: &State, columns: usize) -> Vec<Row> {
    let steers: Vec<&str> = state.steers.iter().map(|steer| steer.text.as_str()).collect();
    let queue: Vec<&str> = state.queue.iter().map(String::as_str).collect();
    let list = |name: &Copy, when: &Copy, items: &[&str]| -> Vec<Row> {
        let label = format!(" {}  {} {}: ", name.in_lang(state.lang), items.len(), when.in_lang(state.lang));
        let from = items.len().saturating_sub(WAITING_ROWS);
        let rows = items[from..].iter().enumerate().map(|(at, item)| {
            let lead = if at == 0 { label.clone() } else { " ".repeat(width::of(&label)) };
            let item = format!("\"{}\"", width::safe_line(item));
            let room = columns.saturating_sub(width::of(&lead));
            Row::of(Look::Dim, width::cut_middle(&lead, columns)).with(Look::Plain, &width::cut_middle(&item, room))
        });
        rows.collect()
    };
    let mut rows = list(&text::QUEUED, &text::AFTER_TURN, &queue);
    rows.extend(list(&text::STEER, &text::NEXT_TOOL, &steers));
    rows
}

/// The line being typed, and the cursor in it.
fn input(state: &State, columns: usize, rows_max: usize) -> (Vec<Row>, (usize, usize)) {
    let wide = width::of(PROMPT);
    let layout = state.editor.layout(columns.saturating_sub(wide));
    let from = (layout.cursor_row + 1).saturating_sub(rows_max);
    let shown = layout.rows.iter().enumerate().skip(from).take(rows_max);
    let mut rows: Vec<Row> = shown
        .map(|(at, line)| Row::of(Look::Strong, if at == 0 { PROMPT } else { "  " }).with(Look::Plain, line))
        .collect();
    if state.editor.is_empty() {
        let hint = width::take(text::HINT.in_lang(state.lang), columns.saturating_sub(wide));
        rows = vec![Row::of(Look::Strong, PROMPT).with(Look::Dim, &hint)];
    }
    (rows, (layout.cursor_row - from, layout.cursor_column + wide))
}

#[cfg(test)]
mod tests;
