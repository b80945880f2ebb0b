//! One run drawn on a time axis: model calls, tools with their effect class and
//! state, times and cost. What is unknown is marked with a sign and a word.

use serde_json::Value;

use crate::cx::Cx;
use crate::out::{Column, Line, Report, Table, Tone, time};
use crate::peek;
use crate::text::runs as copy;

/// Cells of the axis.
const AXIS: usize = 24;

/// Something a run did.
struct Item<'a> {
    value: &'a Value,
    is_model: bool,
    from: Option<i64>,
    to: Option<i64>,
}

/// Draws the answer of `runs.get`.
pub(crate) fn report(cx: &Cx<'_>, answer: &Value) -> Report {
    let (run, summary) = (&answer["run"], &answer["summary"]);
    let items = items(summary);
    let mut report = Report::of(answer.clone()).line(head(run, summary));
    let from = items.iter().filter_map(|item| item.from).min();
    let to = items.iter().filter_map(|item| item.to.or(item.from)).max();
    let mut table = Table::new(vec![
        Column::id(""),
        Column::text("time", 1),
        Column::text("what", 6),
        Column::text("effect", 3),
        Column::text("state", 7),
        Column::number("took", 4),
        Column::number("cost", 5),
    ]);
    for item in &items {
        let (tone, mark, state) = state(item);
        let took = item.from.zip(item.to).and_then(|(from, to)| u64::try_from(to - from).ok()).map(time::span);
        table.row([
            (tone, mark.to_owned()),
            (Tone::Dim, axis(item, from, to)),
            (Tone::Plain, what(item)),
            (Tone::Dim, peek::text(item.value, "/effect")),
            (tone, state),
            (Tone::Plain, took.unwrap_or_default()),
            (Tone::Plain, cost(&item.value["usage"])),
        ]);
    }
    if !items.is_empty() {
        report = report.table(table);
    }
    notes(cx, report, run, summary, &items)
}

fn head(run: &Value, summary: &Value) -> Line {
    let (tone, status) = status(&peek::text(run, "/status"));
    let mut rest = Vec::new();
    if let (Some(from), Some(to)) = (peek::int(run, "/outcome/startedAt"), peek::int(run, "/outcome/endedAt")) {
        rest.extend(u64::try_from(to - from).ok().map(time::span));
    }
    let usage = if run["outcome"]["usage"].is_object() { &run["outcome"]["usage"] } else { &summary["usage"] };
    rest.push(cost(usage));
    rest.push(super::tokens(usage));
    rest.push(peek::text(run, "/sessionKey"));
    let rest = rest.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    let id = peek::text(run, "/runId");
    Line::new().text("run ").tone(Tone::Strong, id).text("  ").tone(tone, status).text(format!("  {rest}"))
}

/// Brings model calls and tools into the order they began in.
fn items(summary: &Value) -> Vec<Item<'_>> {
    let item = |value: &'static str, is_model: bool| {
        peek::list(summary, value).iter().map(move |value| Item {
            from: peek::int(value, "/startedAt").or_else(|| peek::int(value, "/endedAt")),
            to: peek::int(value, "/endedAt"),
            value,
            is_model,
        })
    };
    let mut items: Vec<Item<'_>> = item("/modelCalls", true).chain(item("/tools", false)).collect();
    // What has not begun comes last; a model call before the tools it asked for.
    items.sort_by_key(|item| (item.from.unwrap_or(i64::MAX), !item.is_model));
    items
}

fn what(item: &Item<'_>) -> String {
    if item.is_model {
        let model = peek::first_text(item.value, &["/model"]);
        return format!("{} model {model}", peek::text(item.value, "/step")).trim_end().to_owned();
    }
    let title = peek::text(item.value, "/title");
    format!("  {} {title}", peek::text(item.value, "/name")).trim_end().to_owned()
}

/// Says how it stands with something: a tone, a sign, a word.
fn state(item: &Item<'_>) -> (Tone, &'static str, String) {
    let state = peek::text(item.value, "/state");
    let (tone, mark) = match state.as_str() {
        "done" => (Tone::Done, "ok"),
        "failed" => (Tone::Failed, "x"),
        "unknown" => (Tone::Waits, "?"),
        "asking" => (Tone::Waits, "!"),
        "started" | "intent" => (Tone::Running, "~"),
        _ => (Tone::Dim, "-"),
    };
    let again = match (peek::int(item.value, "/dispatches"), peek::int(item.value, "/superseded")) {
        (Some(count), _) if count > 1 => format!(", {count} x"),
        (_, Some(count)) if count > 0 => format!(", {} x", count + 1),
        _ => String::new(),
    };
    let word = match (state.as_str(), peek::text(item.value, "/outcome")) {
        ("unknown", _) => "outcome unknown".to_owned(),
        ("failed", outcome) if !outcome.is_empty() => outcome,
        ("resolved", _) => format!("settled: {}", peek::text(item.value, "/answer")),
        _ => state,
    };
    (tone, mark, word + &again)
}

fn axis(item: &Item<'_>, from: Option<i64>, to: Option<i64>) -> String {
    let (Some(from), Some(to), Some(began)) = (from, to, item.from) else { return ".".repeat(AXIS) };
    let span = usize::try_from((to - from).max(1)).unwrap_or(1);
    let cell = |at: i64| (usize::try_from(at - from).unwrap_or(0) * AXIS / span).min(AXIS - 1);
    let (first, last) = (cell(began), cell(item.to.unwrap_or(to)));
    let sign = if item.value["state"] == "unknown" { '?' } else { '#' };
    (0..AXIS).map(|at| if (first..=last).contains(&at) { sign } else { '.' }).collect()
}

fn notes(cx: &Cx<'_>, mut report: Report, run: &Value, summary: &Value, items: &[Item<'_>]) -> Report {
    let id = peek::text(run, "/runId");
    if let Some(owners) = peek::int(summary, "/owners").filter(|owners| *owners > 1) {
        let said = cx.say(&copy::RUN_OWNERS, &[("count", &owners.to_string())]);
        report = report.line(Line::marked(Tone::Waits, "!", said));
    }
    for item in items.iter().filter(|item| item.value["state"] == "unknown") {
        let (tool, call) = (peek::text(item.value, "/name"), peek::text(item.value, "/callId"));
        let said = cx.say(&copy::RUN_CALL_UNKNOWN, &[("tool", &tool), ("call", &call)]);
        report = report
            .line(Line::marked(Tone::Waits, "?", said))
            .next(format!("openclaw runs settle {id} {call} happened"));
    }
    for waits in peek::list(summary, "/waitsFor") {
        let [kind, waiting, name] = ["/kind", "/id", "/name"].map(|pointer| peek::text(waits, pointer));
        let said = cx.say(&copy::RUN_WAITS_FOR, &[("kind", &kind), ("id", &waiting), ("name", &name)]);
        report = report.line(Line::marked(Tone::Waits, "!", said));
        let next = peek::text(waits, "/next");
        if next.starts_with("openclaw ") {
            report = report.next(next);
        }
    }
    report.next(format!("openclaw replay {id}"))
}

/// Words a run's status, with its tone.
pub(crate) fn status(status: &str) -> (Tone, String) {
    let tone = match status {
        "done" => Tone::Done,
        "failed" => Tone::Failed,
        "running" => Tone::Running,
        "waiting" | "attention" => Tone::Waits,
        _ => Tone::Dim,
    };
    let word = match status {
        "waiting" => "waits for you",
        "attention" => "? outcome unknown",
        other => other,
    };
    (tone, word.to_owned())
}

/// Writes what something cost; nothing when no price is known.
pub(crate) fn cost(usage: &Value) -> String {
    let cost = ["/costUsd", "/cost/total"].iter().find_map(|name| peek::float(usage, name));
    cost.map(|cost| format!("${cost:.3}")).unwrap_or_default()
}
