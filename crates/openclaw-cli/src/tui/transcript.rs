//! What was said and done, in the order of the journal: text, tool, text. A part
//! leaves for the scrollback once it is final and everything before it has left,
//! so no printed line is ever touched again. Each part is kept by run and place,
//! so that reading history after a lost connection neither loses nor doubles it.

use std::collections::VecDeque;

use serde_json::Value;

use super::card::{self, Card};
use super::markdown::Flow;
use super::row::{Look, Row, Span, hang};
use super::text;
use super::width;
use crate::peek;
use crate::run::Outcome;
use crate::text::Lang;

/// Runs whose parts are remembered, for history read again.
const RUNS_MAX: usize = 8;

/// Finished cards kept to be opened.
const CARDS_MAX: usize = 32;

/// Rows of text shown live while a tool call before it still runs.
const LIVE_ROWS: usize = 8;

/// From how many calls of one tool that ended well they stand as one line, and how
/// many wait for each other at most.
const FOLD_MIN: usize = 5;
const FOLD_MAX: usize = 50;

/// Largest answer text kept of one part; more is cut with a word.
const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The conversation as far as it is known here.
#[derive(Debug)]
pub(crate) struct Transcript {
    columns: usize,
    lang: Lang,
    open: VecDeque<Part>,
    runs: VecDeque<Run>,
    /// Newest transcript entry that was shown.
    last_seq: i64,
    rows: Vec<Row>,
    /// The last finished tool calls.
    pub(crate) cards: VecDeque<Card>,
    /// Bytes laid out so far; tests bound it.
    pub(crate) work: usize,
}

#[derive(Debug)]
struct Run {
    id: String,
    parts: Vec<Known>,
    is_labelled: bool,
}

/// A part of a run that was taken in.
#[derive(Debug)]
enum Known {
    Text { item: String, text: String },
    Tool { id: String },
}

impl Known {
    /// Tells whether it is a text of more than some bytes.
    fn is_longer(&self, bytes: usize) -> bool {
        matches!(self, Known::Text { text, .. } if text.len() > bytes)
    }
}

#[derive(Debug)]
enum Part {
    /// `held` are final rows that wait for the parts before; `printed` counts those that
    /// have left, laid out in `columns`.
    Text {
        run: String,
        place: usize,
        flow: Flow,
        held: Vec<Row>,
        printed: usize,
        columns: usize,
        is_final: bool,
    },
    Tool(Box<Card>),
    /// What a person said.
    Said(Vec<Row>),
}

impl Transcript {
    pub(crate) fn new(columns: usize, lang: Lang) -> Self {
        let (open, runs, cards) = Default::default();
        Self { columns, lang, open, runs, last_seq: 0, rows: Vec::new(), cards, work: 0 }
    }

    /// Sets the width of rows from now on.
    pub(crate) fn resize(&mut self, columns: usize) {
        self.columns = columns;
    }

    /// Takes the rows that are final and not printed yet.
    pub(crate) fn take_rows(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }

    /// Prints rows that belong to no run, below what has ended.
    pub(crate) fn note(&mut self, rows: Vec<Row>) {
        self.close();
        self.rows.extend(rows);
    }

    /// Takes what a person said: it stands after everything that began before it.
    pub(crate) fn said(&mut self, who: &str, time: &str, message: &str) {
        let lead = Row::of(Look::Strong, who).with(Look::Dim, &format!("  {time}  "));
        let mut rows = vec![Row::default()];
        for (number, line) in width::safe(message).trim_end().split('\n').enumerate() {
            let lead = if number == 0 { lead.clone() } else { Row::of(Look::Plain, "  ") };
            rows.extend(hang(&lead, &[Span::new(Look::Plain, line)], self.columns));
        }
        self.open.push_back(Part::Said(rows));
        self.settle();
    }

    fn run(&mut self, id: &str) -> &mut Run {
        if let Some(at) = self.runs.iter().position(|run| run.id == id) {
            return &mut self.runs[at];
        }
        if self.runs.len() >= RUNS_MAX {
            self.runs.pop_front();
        }
        self.runs.push_back(Run { id: id.to_owned(), parts: Vec::new(), is_labelled: false });
        let last = self.runs.len() - 1;
        &mut self.runs[last]
    }

    /// Tells whether anything of a run was shown.
    pub(crate) fn has_shown(&self, run: &str) -> bool {
        self.runs.iter().any(|known| known.id == run && !known.parts.is_empty())
    }

    /// Takes more of an answer: the whole text of the item so far, and its last stretch.
    pub(crate) fn text(&mut self, run: &str, item: &str, whole: Option<&str>, delta: &str, is_replacing: bool) {
        let parts = &self.run(run).parts;
        let place = match parts.last() {
            Some(Known::Text { item: last, .. }) if last == item || item.is_empty() => Some(parts.len() - 1),
            // A part known from history has no item yet; it may be the one that goes on.
            Some(Known::Text { item: last, text })
                if last.is_empty() && whole.is_some_and(|whole| continues(text, whole)) =>
            {
                Some(parts.len() - 1)
            }
            Some(_) | None => None,
        };
        let place = place.unwrap_or_else(|| self.begin_text(run, item));
        let Some(Known::Text { item: known, text }) = self.run(run).parts.get_mut(place) else { return };
        item.clone_into(known);
        let more = match whole {
            // The common case costs the delta only, not the text so far.
            Some(whole) if !is_replacing && whole.len() == text.len() + delta.len() => delta,
            Some(whole) => match whole.strip_prefix(text.as_str()) {
                Some(more) => more,
                None => return self.replace(run, item, whole),
            },
            None => delta,
        };
        self.append(run, place, more);
    }

    fn begin_text(&mut self, run: &str, item: &str) -> usize {
        self.finish_texts(run);
        let known = self.run(run);
        known.parts.push(Known::Text { item: item.to_owned(), text: String::new() });
        let place = known.parts.len() - 1;
        self.open.push_back(Part::Text {
            run: run.to_owned(),
            place,
            flow: Flow::new(),
            held: Vec::new(),
            printed: 0,
            columns: self.columns,
            is_final: false,
        });
        place
    }

    fn append(&mut self, run: &str, place: usize, more: &str) {
        let Some(Known::Text { text, .. }) = self.run(run).parts.get_mut(place) else { return };
        let is_cut = text.len() + more.len() > TEXT_BYTES_MAX;
        if is_cut || more.is_empty() {
            return;
        }
        text.push_str(more);
        let is_there =
            |part: &Part| matches!(part, Part::Text { run: its, place: at, .. } if its == run && *at == place);
        if !self.open.iter().any(is_there) {
            // It had left as final; what comes now goes on below it.
            let (flow, held) = (Flow::new(), Vec::new());
            // Rows of it were printed before; they are not counted any more.
            let (printed, columns) = (usize::MAX, self.columns);
            let run = run.to_owned();
            self.open.push_back(Part::Text { run, place, flow, held, printed, columns, is_final: false });
        }
        let columns = self.columns;
        let Some(Part::Text { flow, held, .. }) = self.open.iter_mut().find(|part| is_there(part)) else { return };
        let before = flow.work;
        held.extend(flow.push(more, columns));
        self.work += flow.work - before;
        self.settle();
    }

    fn label(&mut self, run: &str) {
        let name = text::ASSISTANT.in_lang(self.lang);
        let known = self.run(run);
        if !known.is_labelled {
            known.is_labelled = true;
            self.rows.push(Row::default());
            self.rows.push(Row::of(Look::Strong, name));
        }
    }

    /// What was shown is void; scrollback cannot be taken back, so it is said in words.
    fn replace(&mut self, run: &str, item: &str, whole: &str) {
        self.finish_texts(run);
        self.settle();
        if !whole.is_empty() {
            let note = text::REPLACED.in_lang(self.lang);
            self.rows.extend(width::wrap(&[Span::new(Look::Waits, note)], self.columns));
        }
        let known = self.run(run);
        if let Some(Known::Text { item: last, text }) = known.parts.last_mut() {
            item.clone_into(last);
            text.clear();
            let place = known.parts.len() - 1;
            self.append(run, place, whole);
        }
    }

    /// Returns how much is known of the text of an item; of the last text when it has no name.
    pub(crate) fn text_bytes(&self, run: &str, item: &str) -> usize {
        let last = self.runs.iter().find(|known| known.id == run).and_then(|known| known.parts.last());
        match last {
            Some(Known::Text { item: its, text }) if item.is_empty() || its == item => text.len(),
            Some(_) | None => 0,
        }
    }

    /// Takes back the end of the last text: `keep` bytes of it stand. Where only rows that
    /// are still open change, nothing is said about it.
    pub(crate) fn cut(&mut self, run: &str, keep: usize) {
        let width = self.columns;
        let known = self.run(run);
        let place = known.parts.len().saturating_sub(1);
        let Some(Known::Text { item, text }) = known.parts.last_mut().filter(|part| part.is_longer(keep)) else {
            return;
        };
        let (item, whole) = (item.clone(), text[..text.floor_char_boundary(keep)].to_owned());
        let is_it =
            |part: &&mut Part| matches!(part, Part::Text { run: its, place: at, .. } if its == run && *at == place);
        if let Some(Part::Text { flow, held, printed, columns, .. }) = self.open.iter_mut().find(is_it) {
            let mut again = Flow::new();
            let mut rows = again.push(&whole, width);
            if *columns == width && *printed <= rows.len() {
                (*held, *flow) = (rows.split_off(*printed), again);
                if let Some(Known::Text { text, .. }) = self.run(run).parts.get_mut(place) {
                    *text = whole;
                }
                return;
            }
        }
        self.replace(run, &item, &whole);
    }

    /// Takes the beginning of a tool call.
    pub(crate) fn tool_began(&mut self, run: &str, card: Card) {
        if self.knows_tool(run, &card.id) {
            return;
        }
        self.finish_texts(run);
        self.run(run).parts.push(Known::Tool { id: card.id.clone() });
        self.open.push_back(Part::Tool(Box::new(card)));
    }

    fn knows_tool(&self, run: &str, id: &str) -> bool {
        let run = self.runs.iter().find(|known| known.id == run);
        run.is_some_and(|run| run.parts.iter().any(|part| matches!(part, Known::Tool { id: its } if its == id)))
    }

    /// Returns a tool call that is not finished.
    pub(crate) fn card_mut(&mut self, id: &str) -> Option<&mut Card> {
        self.open.iter_mut().find_map(|part| match part {
            Part::Tool(card) if card.id == id => Some(card.as_mut()),
            Part::Tool(_) | Part::Text { .. } | Part::Said(_) => None,
        })
    }

    /// Marks the texts of a run as final.
    fn finish_texts(&mut self, run: &str) {
        for part in &mut self.open {
            if let Part::Text { run: its, is_final, .. } = part
                && its == run
            {
                *is_final = true;
            }
        }
        self.settle();
    }

    /// Ends a run: nothing of it stays open.
    pub(crate) fn end_run(&mut self, run: &str) {
        self.finish_texts(run);
        for part in &mut self.open {
            if let Part::Tool(card) = part
                && card.run == run
                && card.outcome.is_none()
            {
                card.outcome = Some(Outcome::Unknown);
            }
        }
        self.close();
    }

    /// Prints what is final, from the front: text in full lines, calls once they ended.
    /// Calls of one tool wait for what follows them, so that many can stand as one line.
    pub(crate) fn settle(&mut self) {
        self.settle_until(false);
    }

    /// Prints what is final without waiting for more calls of the same tool.
    pub(crate) fn close(&mut self) {
        self.settle_until(true);
    }

    fn settle_until(&mut self, is_closing: bool) {
        loop {
            let calls = calls_at(&self.open, 0);
            if calls > 0 {
                let is_followed = self.open.get(calls).is_some_and(|next| !self.goes_on(next));
                if !is_closing && !is_followed && calls < FOLD_MAX {
                    return;
                }
                self.print_calls(calls.min(FOLD_MAX));
                continue;
            }
            let Some(front) = self.open.front_mut() else { return };
            let is_done = match front {
                Part::Text { run, held, printed, is_final, .. } => {
                    *printed = printed.saturating_add(held.len());
                    let (run, held, is_final) = (run.clone(), std::mem::take(held), *is_final);
                    self.print_text(&run, held);
                    is_final
                }
                Part::Tool(card) => card.outcome.is_some(),
                Part::Said(_) => true,
            };
            if !is_done {
                return;
            }
            match self.open.pop_front() {
                Some(Part::Text { run, mut flow, .. }) => {
                    let rows = flow.finish(self.columns);
                    self.print_text(&run, rows);
                }
                Some(Part::Tool(card)) => self.print_card(*card),
                Some(Part::Said(rows)) => self.rows.extend(rows),
                None => return,
            }
        }
    }

    /// Tells whether a part is one more call of the tool at the front.
    fn goes_on(&self, next: &Part) -> bool {
        let (first, next) = (self.open.front().and_then(card_of), card_of(next));
        matches!((first, next), (Some(first), Some(next)) if first.run == next.run && first.tool == next.tool && next.outcome.is_none())
    }

    fn print_calls(&mut self, count: usize) {
        let calls: Vec<Card> = self.open.drain(..count).filter_map(into_card).collect();
        if count >= FOLD_MIN {
            self.rows.push(card::folded(&calls, self.columns, self.lang));
        }
        for card in calls {
            if count < FOLD_MIN {
                self.rows.extend(card.rows(self.columns, 0, self.lang));
            }
            self.keep(card);
        }
    }

    fn print_text(&mut self, run: &str, rows: Vec<Row>) {
        if !rows.is_empty() {
            self.label(run);
            self.rows.extend(rows);
        }
    }

    fn print_card(&mut self, card: Card) {
        self.rows.extend(card.rows(self.columns, 0, self.lang));
        self.keep(card);
    }

    /// Keeps a finished card to be opened.
    fn keep(&mut self, card: Card) {
        if self.cards.len() >= CARDS_MAX {
            self.cards.pop_front();
        }
        self.cards.push_back(card);
    }

    /// Returns the rows of what is still open.
    pub(crate) fn live(&mut self, now: i64) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut at = 0;
        while at < self.open.len() {
            let calls = calls_at(&self.open, at);
            if calls >= FOLD_MIN {
                let cards = self.open.range(at..at + calls).filter_map(card_of);
                rows.push(card::folded(cards, self.columns, self.lang));
                at += calls;
                continue;
            }
            let Some(part) = self.open.get_mut(at) else { break };
            at += 1;
            match part {
                Part::Text { flow, held, .. } => {
                    rows.extend(held.iter().skip(held.len().saturating_sub(LIVE_ROWS)).cloned());
                    let before = flow.work;
                    rows.extend(flow.open(self.columns));
                    self.work += flow.work - before;
                }
                Part::Tool(card) => rows.extend(card.rows(self.columns, now, self.lang)),
                Part::Said(said) => rows.extend(said.iter().cloned()),
            }
        }
        rows
    }

    /// Notes that a transcript entry is on screen.
    pub(crate) fn saw(&mut self, seq: i64) {
        self.last_seq = self.last_seq.max(seq);
    }

    /// Takes one message of the history that may be known already.
    pub(crate) fn history(&mut self, message: &Value, owner: &mut String, time: &dyn Fn(i64) -> String) {
        let seq = peek::int(message, "/__openclaw/seq");
        let key = peek::text(message, "/idempotencyKey");
        let run = peek::first_text(message, &["/__openclaw/runId"]);
        let run = if run.is_empty() { key.strip_suffix(":user").unwrap_or_default().to_owned() } else { run };
        match peek::text(message, "/role").as_str() {
            "user" if seq.is_some_and(|seq| self.has_seen(seq)) => {}
            "user" => {
                let at = peek::int(message, "/timestamp").map(time).unwrap_or_default();
                self.said(text::YOU.in_lang(self.lang), &at, &peek::message_text(message));
            }
            "assistant" => {
                let id = if run.is_empty() { format!("entry-{}", seq.unwrap_or(0)) } else { run };
                let is_old = seq.is_some_and(|seq| seq <= self.last_seq) && !self.runs.iter().any(|run| run.id == id);
                id.clone_into(owner);
                if !is_old {
                    self.assistant(&id, message);
                }
            }
            "toolResult" | "tool" => self.result(&owner.clone(), message),
            _ => {}
        }
        if let Some(seq) = seq {
            self.saw(seq);
        }
    }

    /// Takes an assistant's turn of the history: its text, then its calls.
    fn assistant(&mut self, run: &str, message: &Value) {
        let whole = match message.get("content") {
            Some(Value::String(text)) => text.clone(),
            _ => peek::list(message, "/content")
                .iter()
                .filter(|part| part["type"] == "text")
                .map(|part| peek::text(part, "/text"))
                .collect(),
        };
        if !whole.trim().is_empty() && !self.complete(run, &whole) {
            let place = self.begin_text(run, "");
            self.append(run, place, &whole);
        }
        for call in peek::list(message, "/content").iter().filter(|part| part["type"] == "toolCall") {
            let card = Card::began(run, &peek::text(call, "/id"), &peek::text(call, "/name"), &call["arguments"], 0);
            self.tool_began(run, card);
        }
        if peek::text(message, "/stopReason") != "toolUse" {
            self.finish_texts(run);
        }
    }

    /// Completes a text that was shown in part; tells whether there was one.
    fn complete(&mut self, run: &str, whole: &str) -> bool {
        let parts = &self.run(run).parts;
        let mut texts = parts.iter().enumerate().filter_map(|(place, part)| match part {
            Known::Text { text, .. } if continues(text, whole) => Some((place, text.len())),
            Known::Text { .. } | Known::Tool { .. } => None,
        });
        let Some((place, shown)) = texts.next_back() else { return false };
        if let Some(more) = whole.get(shown..).filter(|more| !more.trim().is_empty()) {
            self.append(run, place, more);
        }
        true
    }

    fn result(&mut self, run: &str, message: &Value) {
        let id = peek::text(message, "/toolCallId");
        let is_error = peek::is(message, "/isError");
        if self.card_mut(&id).is_none() {
            if self.knows_tool(run, &id) {
                return;
            }
            let card = Card::began(run, &id, &peek::text(message, "/toolName"), &Value::Null, 0);
            self.tool_began(run, card);
        }
        if let Some(card) = self.card_mut(&id) {
            let took = peek::first_int(message, &["/details/durationMs", "/durationMs"]);
            let took = took.and_then(|ms| u64::try_from(ms).ok());
            card.ended(&peek::message_text(message), is_error, &message["details"], took);
        }
        self.settle();
    }

    /// Completes the last text of a run with the final answer; prints it when nothing was streamed.
    pub(crate) fn final_text(&mut self, run: &str, whole: &str) {
        if whole.trim().is_empty() || self.complete(run, whole) {
            return;
        }
        let has_text = self.run(run).parts.iter().any(|part| matches!(part, Known::Text { .. }));
        if !has_text {
            let place = self.begin_text(run, "");
            self.append(run, place, whole);
        }
    }

    /// Ends the text of a run for now: something else comes between.
    pub(crate) fn pause(&mut self, run: &str) {
        self.finish_texts(run);
    }

    /// Takes what a run has said so far, as a history read again tells it.
    pub(crate) fn partial(&mut self, run: &str, whole: &str) {
        if !self.complete(run, whole) {
            let place = self.begin_text(run, "");
            self.append(run, place, whole);
        }
    }

    /// Tells whether anything was shown.
    pub(crate) fn has_any(&self) -> bool {
        self.last_seq > 0 || !self.runs.is_empty()
    }

    /// Tells whether a transcript entry is on screen.
    pub(crate) fn has_seen(&self, seq: i64) -> bool {
        seq <= self.last_seq
    }

    /// Forgets everything: another conversation begins.
    pub(crate) fn clear(&mut self) {
        (self.open, self.runs, self.cards) = Default::default();
        self.last_seq = 0;
    }
}

/// Counts the calls of one tool and run from a place on that ended well.
fn calls_at(open: &VecDeque<Part>, at: usize) -> usize {
    let Some(Part::Tool(first)) = open.get(at) else { return 0 };
    let is_alike = |part: &&Part| matches!(part, Part::Tool(card) if card.outcome == Some(Outcome::Ok) && card.tool == first.tool && card.run == first.run);
    open.range(at..).take_while(is_alike).count()
}

fn card_of(part: &Part) -> Option<&Card> {
    match part {
        Part::Tool(card) => Some(card),
        Part::Text { .. } | Part::Said(_) => None,
    }
}

fn into_card(part: Part) -> Option<Card> {
    match part {
        Part::Tool(card) => Some(*card),
        Part::Text { .. } | Part::Said(_) => None,
    }
}

/// Tells whether `whole` begins with what was shown, give or take space at the end.
fn continues(shown: &str, whole: &str) -> bool {
    whole.starts_with(shown) || whole.trim_end() == shown.trim_end()
}

#[cfg(test)]
mod tests;
