//! Two runs side by side.

use serde_json::Value;

use crate::cx::Cx;
use crate::out::{Column, Line, Report, Table, Tone};
use crate::peek;
use crate::text::runs as copy;

/// Characters of a text that are shown.
const SHOWN: usize = 200;

/// Draws the answer of `runs.diff`.
pub(crate) fn report(cx: &Cx<'_>, answer: &Value) -> Report {
    let steps = peek::list(answer, "/steps");
    let mut table = Table::new(vec![Column::id(""), Column::text("a", 3), Column::text("b", 3)]);
    let row = |name: &str, value: fn(&Value) -> String| {
        [name.to_owned(), value(&answer["a"]), value(&answer["b"])].map(|text| (Tone::Plain, text))
    };
    table.row(row("run", |side| peek::text(side, "/runId")));
    table.row(row("state", |side| super::timeline::status(&peek::text(side, "/status")).1));
    table.row(row("model", |side| peek::text(side, "/model")));
    table.row(row("tokens", |side| super::tokens(&side["usage"])));
    table.row(row("cost", |side| super::timeline::cost(&side["usage"])));
    let mut report = Report::of(answer.clone()).table(table);
    let first = peek::int(answer, "/firstDifference");
    let verdict = match first {
        None => {
            let said = cx.say(&copy::DIFF_SAME, &[("count", &steps.len().to_string())]);
            Line::marked(Tone::Done, "ok", said)
        }
        Some(step) => {
            let said = cx.say(&copy::DIFF_FIRST, &[("step", &step.to_string())]);
            Line::marked(Tone::Waits, "!", said)
        }
    };
    report = report.line(verdict);
    for pair in steps {
        report = step(cx, report, pair);
    }
    report
}

fn step(cx: &Cx<'_>, report: Report, pair: &Value) -> Report {
    let differs: Vec<&str> = peek::list(pair, "/differs").iter().filter_map(Value::as_str).collect();
    let number = peek::text(pair, "/step");
    if differs.is_empty() {
        let said = said(cx, &pair["a"]);
        return report.line(Line::new().tone(Tone::Dim, format!("=  {number}  {said}")));
    }
    let head = Line::marked(Tone::Waits, "!", format!("{number}  {}", differs.join(", ")));
    let one = |name: &str, value: &Value| Line::plain(format!("   {name}  {}", said(cx, value)));
    report.line(head).line(one("a", &pair["a"])).line(one("b", &pair["b"]))
}

/// Tells what happened in a step, in one line.
fn said(cx: &Cx<'_>, step: &Value) -> String {
    if step.is_null() {
        return super::none(cx);
    }
    let mut parts = vec![short(&peek::text(step, "/text"))];
    for call in peek::list(step, "/tools") {
        let [tool, arguments, status, result] =
            ["/tool", "/arguments", "/status", "/result"].map(|pointer| peek::text(call, pointer));
        parts.push(format!("[{tool} {} -> {status} {}]", short(&arguments), short(&result)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}
