//! A tool call as one line: mark, tool, the literal thing it works on, time, state.
//! While it runs its last lines stand below; when it failed, the cause does.

use serde_json::Value;

use super::row::{Look, Row, Span};
use super::text;
use super::width;
use crate::out::time;
use crate::run::{Outcome, summary};
use crate::text::Lang;

/// Output kept of a call.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Lines shown while it runs, and of the cause when it failed.
const RUNNING_LINES: usize = 2;
const CAUSE_LINES: usize = 3;
const OPEN_LINES: usize = 20;

/// A tool call.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) id: String,
    pub(crate) run: String,
    pub(crate) tool: String,
    head: String,
    arguments: String,
    output: String,
    size: usize,
    began_at: i64,
    took_ms: Option<u64>,
    pub(crate) outcome: Option<Outcome>,
}

impl Card {
    /// Makes the card of a call that begins.
    pub(crate) fn began(run: &str, id: &str, tool: &str, arguments: &Value, now: i64) -> Self {
        let all = if arguments.is_null() { String::new() } else { arguments.to_string() };
        Self {
            id: id.to_owned(),
            run: run.to_owned(),
            tool: width::safe_line(tool),
            head: width::literal(&summary(arguments)),
            arguments: all,
            output: String::new(),
            size: 0,
            began_at: now,
            took_ms: None,
            outcome: None,
        }
    }

    /// Takes more output; a text that begins with what is known stands for all of it.
    pub(crate) fn more(&mut self, text: &str) {
        if text.starts_with(&self.output) {
            text.clone_into(&mut self.output);
        } else {
            self.output.push_str(text);
        }
        self.keep_tail();
    }

    fn keep_tail(&mut self) {
        if self.output.len() > OUTPUT_BYTES_MAX {
            let from = self.output.ceil_char_boundary(self.output.len() - OUTPUT_BYTES_MAX);
            self.output.drain(..from);
        }
    }

    /// Takes the end of the call.
    pub(crate) fn ended(&mut self, output: &str, is_error: bool, details: &Value, took_ms: Option<u64>) {
        self.size = output.len();
        output.clone_into(&mut self.output);
        self.keep_tail();
        self.took_ms = took_ms;
        self.outcome = Some(Outcome::read(is_error, details));
    }

    /// Draws the folded card.
    pub(crate) fn rows(&self, columns: usize, now: i64, lang: Lang) -> Vec<Row> {
        let (mark, look) = match self.outcome {
            None => ("v", Look::Running),
            Some(Outcome::Ok) => (">", Look::Done),
            Some(Outcome::Failed) => ("x", Look::Failed),
            Some(Outcome::Denied) => ("x", Look::Waits),
            Some(Outcome::Unknown) => ("?", Look::Waits),
        };
        let word = self.outcome.map_or(&text::RUNNING, Outcome::word);
        let took = match self.outcome {
            None => (now > self.began_at).then(|| u64::try_from(now - self.began_at).unwrap_or(0) / 1000 * 1000),
            // Nothing ran, so nothing took time or gave output.
            Some(Outcome::Denied) => None,
            Some(_) => self.took_ms,
        };
        let took = took.filter(|ms| *ms > 0).map(|ms| format!("  {}", time::span(ms))).unwrap_or_default();
        let has_size = columns >= 80 && self.size > 0 && self.outcome != Some(Outcome::Denied);
        let size = if has_size { format!("  {}", bytes(self.size)) } else { String::new() };
        let state = word.in_lang(lang);
        let around = 4 + width::of(&self.tool) + 2 + width::of(&took) + width::of(state) + width::of(&size);
        let head = width::cut_middle(&self.head, columns.saturating_sub(around));
        let row = Row::of(look, format!("{mark} ")).with(Look::Strong, &self.tool).with(Look::Plain, "  ");
        let row = row.with(Look::Code, &head).with(Look::Dim, &took).with(Look::Plain, "  ").with(look, state);
        let mut rows = vec![row.with(Look::Dim, &size)];
        match self.outcome {
            None => rows.extend(self.tail(RUNNING_LINES, columns)),
            Some(Outcome::Failed) => rows.extend(self.cause(columns)),
            Some(Outcome::Ok | Outcome::Denied | Outcome::Unknown) => {}
        }
        rows
    }

    fn tail(&self, count: usize, columns: usize) -> Vec<Row> {
        let lines: Vec<&str> = self.output.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(count);
        lines[from..].iter().map(|line| quoted(line, columns)).collect()
    }

    /// The cause stands first in most errors.
    fn cause(&self, columns: usize) -> Vec<Row> {
        let lines = self.output.lines().filter(|line| !line.trim().is_empty());
        lines.take(CAUSE_LINES).map(|line| quoted(line, columns)).collect()
    }

    /// Draws the open card: arguments as sent and the end of the output.
    pub(crate) fn opened(&self, columns: usize, lang: Lang) -> Vec<Row> {
        let mut rows = self.rows(columns, 0, lang);
        rows.truncate(1);
        rows.push(Row::of(Look::Dim, format!("| {}", text::ARGUMENTS.in_lang(lang))));
        let room = columns.saturating_sub(2);
        let literal = width::literal(&self.arguments);
        rows.extend(width::chop(&literal, room).into_iter().map(|row| Row::of(Look::Dim, "| ").with(Look::Code, row)));
        let lines: Vec<&str> = self.output.lines().collect();
        let shown = lines.len().min(OPEN_LINES);
        let counts = [("shown", &*shown.to_string()), ("all", &*lines.len().to_string())];
        rows.push(Row::of(Look::Dim, format!("| {}", text::fill(text::OUTPUT_TAIL.in_lang(lang), &counts))));
        for line in &lines[lines.len() - shown..] {
            let line = width::safe(line);
            rows.extend(
                width::chop(&line, room).into_iter().map(|row| Row::of(Look::Dim, "| ").with(Look::Plain, row)),
            );
        }
        rows
    }
}

/// Draws calls of one tool that ended well as one line; each can still be opened.
pub(crate) fn folded<'a>(cards: impl IntoIterator<Item = &'a Card>, columns: usize, lang: Lang) -> Row {
    let (mut tool, mut count, mut size, mut ms) = ("", 0_usize, 0_usize, 0_u64);
    for card in cards {
        tool = &card.tool;
        count += 1;
        size = size.saturating_add(card.size);
        ms = ms.saturating_add(card.took_ms.unwrap_or(0));
    }
    let took = if ms > 0 { format!("  {}", time::span(ms)) } else { String::new() };
    let size = if columns >= 80 && size > 0 { format!("  {}", bytes(size)) } else { String::new() };
    let state = text::OK.in_lang(lang);
    let around = 4 + width::of(&took) + width::of(state) + width::of(&size);
    let head = width::cut_middle(&format!("{tool} x{count}"), columns.saturating_sub(around));
    let row = Row::of(Look::Done, "> ").with(Look::Strong, &head).with(Look::Dim, &took);
    row.with(Look::Plain, "  ").with(Look::Done, state).with(Look::Dim, &size)
}

fn quoted(line: &str, columns: usize) -> Row {
    let line = width::cut_middle(&width::safe(line), columns.saturating_sub(2));
    Row { spans: vec![Span::new(Look::Dim, format!("| {line}"))] }
}

/// Returns a size with its unit.
fn bytes(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{:.1} KB", size as f64 / 1024.0),
        _ => format!("{:.1} MB", size as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(rows: &[Row]) -> Vec<String> {
        rows.iter().map(Row::text).collect()
    }

    #[test]
    fn the_headline_is_the_command_itself_cut_in_the_middle() {
        let command = "df -h / && echo ok > /very/long/path/to/some/file";
        let mut card = Card::began("r", "1", "exec", &json!({"command": command}), 0);
        card.ended("out", false, &Value::Null, Some(201));
        assert_eq!(texts(&card.rows(100, 0, Lang::En)), [format!("> exec  {command}  201 ms  ok  3 B")]);
        let narrow = card.rows(46, 0, Lang::En);
        assert!(narrow[0].width() <= 46);
        assert!(narrow[0].text().contains("...") && narrow[0].text().contains("file"), "{}", narrow[0].text());
    }

    #[test]
    fn a_failure_shows_its_cause_and_running_shows_the_last_lines() {
        let mut card = Card::began("r", "1", "exec", &json!({"command": "x"}), 0);
        card.more("a\nb\nc\n");
        assert_eq!(texts(&card.rows(80, 2500, Lang::En)), ["v exec  x  2.0 s  running", "| b", "| c"]);
        card.ended("no such file\n", true, &Value::Null, None);
        assert_eq!(texts(&card.rows(80, 0, Lang::En)), ["x exec  x  failed  13 B", "| no such file"]);
    }

    #[test]
    fn an_unknown_outcome_is_neither_ok_nor_failed() {
        let mut card = Card::began("r", "1", "mail", &Value::Null, 0);
        card.ended("", false, &json!({"status": "unknown"}), None);
        assert_eq!(texts(&card.rows(80, 0, Lang::En)), ["? mail    may have run"]);
    }

    #[test]
    fn a_denied_call_is_denied_not_failed() {
        let mut card = Card::began("r", "1", "exec", &json!({"command": "rm x"}), 0);
        card.ended("not allowed by policy", true, &json!({"status": "denied"}), Some(3));
        let rows = card.rows(80, 0, Lang::En);
        assert_eq!(texts(&rows), ["x exec  rm x  denied"]);
        assert!(rows[0].spans.iter().all(|span| span.look != Look::Failed), "{rows:?}");
    }

    #[test]
    fn escape_sequences_in_arguments_and_output_are_drawn() {
        let mut card = Card::began("r", "1", "ex\x1b[1mec", &json!({"command": "echo \x1b]0;x\x07\u{202e}"}), 0);
        card.ended("\x1b[2J\x1b[Hgone\r", true, &Value::Null, None);
        for row in card.rows(80, 0, Lang::En).iter().chain(&card.opened(80, Lang::En)) {
            assert!(!row.text().chars().any(|c| c.is_control() || c == '\u{202e}'), "{row:?}");
        }
    }
}
