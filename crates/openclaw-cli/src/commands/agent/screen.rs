//! How a run looks on a terminal: the answer as it comes, one line per tool call,
//! and the receipt.

use std::time::Duration;

use serde_json::Value;

use crate::ask::{Answered, Kind};
use crate::cx::Cx;
use crate::out::number::{bytes, thousands};
use crate::out::visible::{Shape, visible};
use crate::out::{Line, Tone, progress, time};
use crate::run::{Follower, Outcome, Told};
use crate::{peek, text};

/// Draws the run. Keeps stdout and stderr from sharing a line on one terminal.
pub(super) struct Screen<'a, 'b> {
    cx: &'a Cx<'b>,
    is_mid_line: std::cell::Cell<bool>,
    /// Whether the prompt of a question stands at the end of the screen.
    is_asking: std::cell::Cell<bool>,
    pub(super) sign: progress::Sign,
}

impl<'a, 'b> Screen<'a, 'b> {
    pub(super) fn new(cx: &'a Cx<'b>) -> Self {
        let (is_mid_line, is_asking) = Default::default();
        Self { cx, is_mid_line, is_asking, sign: progress::Sign::new() }
    }

    /// Leaves the terminal to a question, or takes it back.
    pub(super) fn asks(&self, is_asking: bool) {
        if is_asking {
            self.break_line();
        }
        self.is_asking.set(is_asking);
        self.sign.hold(is_asking);
    }

    pub(super) fn show(&self, told: Told) {
        if self.cx.flags.is_machine() {
            return;
        }
        match told {
            Told::Text(text) => self.write(&text),
            Told::Block => {
                self.break_line();
                self.write("\n");
            }
            Told::Replaced(text) => {
                self.break_line();
                self.write(&text);
            }
            Told::ToolEnded { tool, summary, outcome, took, size } => {
                self.break_line();
                self.cx.note(&activity(self.cx, &tool, &summary, outcome, took, size));
            }
            Told::Answered(answered) => self.answered(&answered),
            Told::ToolStarted { .. } | Told::Model { .. } | Told::Asked(_) => {}
        }
    }

    /// Ends the line of a prompt that nobody answered here.
    pub(super) fn leave_question(&self) {
        if self.is_asking.get() {
            self.cx.err("\n");
            self.asks(false);
        }
    }

    fn answered(&self, answered: &Answered) {
        let word = match (answered.kind, answered.answer.as_str()) {
            (_, "") => self.cx.say(&text::tui::EXPIRED, &[]),
            (Kind::Approval, "allow-once") => self.cx.say(&text::ALLOWED_ONCE, &[]),
            (Kind::Approval, "allow-always") => self.cx.say(&text::ALLOWED_ALWAYS, &[]),
            (Kind::Approval, _) => self.cx.say(&text::DENIED, &[]),
            (Kind::Outcome, label) => visible(label, Shape::Cell),
        };
        let mut line = Line::new().tone(Tone::Dim, format!("  {word}"));
        if self.is_asking.get() {
            // The prompt is still there: somebody else was faster.
            self.leave_question();
            let by = visible(&answered.by, Shape::Cell);
            line = line.tone(Tone::Dim, format!("  {}", self.cx.say(&text::ANSWERED_ELSEWHERE, &[("by", &by)])));
        }
        self.break_line();
        self.cx.note(&line);
    }

    fn write(&self, text: &str) {
        self.sign.clear(self.cx);
        self.cx.out(&visible(text, Shape::Text));
        let is_mid_line = !text.ends_with('\n');
        self.is_mid_line.set(is_mid_line);
        self.sign.hold(is_mid_line);
    }

    /// Ends a line that was begun, so that what follows starts a new one.
    pub(super) fn break_line(&self) {
        self.sign.clear(self.cx);
        self.sign.hold(false);
        if self.is_mid_line.take() && !self.cx.flags.is_machine() {
            self.cx.out("\n");
        }
    }
}

fn activity(cx: &Cx<'_>, tool: &str, summary: &str, outcome: Outcome, took: Duration, size: usize) -> Line {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (tone, mark) = match outcome {
        Outcome::Ok => (Tone::Dim, "-"),
        Outcome::Failed => (Tone::Failed, "x"),
        Outcome::Denied => (Tone::Waits, "x"),
        Outcome::Unknown => (Tone::Waits, "?"),
    };
    // What went well needs no word; a colour alone says nothing.
    let word = if outcome == Outcome::Ok { String::new() } else { format!("  {}", cx.say(outcome.word(), &[])) };
    let tail = format!("{:>9}  {}.{} s{word}", bytes(size), took_ms / 1000, took_ms % 1000 / 100);
    // Two marks and spaces, the tool's column, two gaps.
    let room = cx.width().saturating_sub(4 + 12 + 2 + unicode_width::UnicodeWidthStr::width(tail.as_str()));
    let summary = crate::out::table::cut_middle(&visible(summary, Shape::Cell), room.max(8));
    Line::new()
        .text("  ")
        .tone(tone, mark)
        .text(" ")
        .column(tool, 12)
        .column(summary, room.min(40))
        .tone(Tone::Dim, format!("  {tail}"))
}

/// The last line: run, time, tokens, money, tools, questions, and where to look.
pub(super) fn receipt(cx: &Cx<'_>, answer: &Value, follower: &Follower, took: Duration) -> Line {
    let meta = answer.pointer("/result/meta").unwrap_or(&Value::Null);
    let mut parts = Vec::new();
    let run = peek::text(answer, "/runId");
    parts.push(run.chars().take(8).collect::<String>());
    parts.push(time::span(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
    let usage = meta.pointer("/agentMeta/usage").or_else(|| meta.get("usage")).unwrap_or(&Value::Null);
    let input = peek::first_int(usage, &["/input", "/inputTokens", "/promptTokens"]);
    let output = peek::first_int(usage, &["/output", "/outputTokens", "/completionTokens"]);
    if let (Some(input), Some(output)) = (input, output) {
        parts.push(format!("{}+{} {}", thousands(input), thousands(output), cx.say(&text::TOKENS, &[])));
    }
    let cost = ["/cost/total", "/costUsd", "/cost"].iter().find_map(|at| peek::float(usage, at));
    parts.push(cost.map_or_else(|| cx.say(&text::PRICE_UNKNOWN, &[]), |cost| format!("${cost:.4}")));
    parts.push(counted(cx, follower.tools_ended, &text::TOOLS_ONE, &text::TOOLS_COUNT));
    parts.push(counted(cx, follower.asks, &text::ASKS_ONE, &text::ASKS_COUNT));
    let model = [peek::text(meta, "/agentMeta/provider"), peek::text(meta, "/agentMeta/model")];
    let model = model.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    if !model.is_empty() {
        parts.push(model);
    }
    Line::new().tone(Tone::Dim, format!("  {}", parts.join("  ")))
}

fn counted(cx: &Cx<'_>, count: usize, one: &text::Copy, many: &text::Copy) -> String {
    if count == 1 { cx.say(one, &[]) } else { cx.say(many, &[("count", &count.to_string())]) }
}
