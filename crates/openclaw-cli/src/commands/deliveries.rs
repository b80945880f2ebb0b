//! `deliveries`: what was sent to people, what may not have arrived, and what to do about it.

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, time};
use crate::text::runs as copy;
use crate::{link, peek};

/// States a list can be narrowed to, as the gateway names them.
const STATES: [&str; 6] = ["pending", "sending", "sent", "failed", "unknown", "discarded"];

/// How the gateway refuses a delivery nobody has to decide about.
const NOT_OPEN: &str = "DELIVERY_NOT_OPEN";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List what was sent and what is to be sent, the latest first
    List {
        /// Only in this state
        #[arg(long, value_name = "STATE", value_parser = STATES)]
        state: Option<String>,
        /// Most to list
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Show one delivery in full
    Show {
        /// Number of the delivery
        #[arg(value_name = "DELIVERY")]
        id: u64,
    },
    /// Send one again that failed or may not have arrived
    Retry {
        /// Number of the delivery
        #[arg(value_name = "DELIVERY")]
        id: u64,
    },
    /// Settle those that failed or may not have arrived, without sending them
    Discard {
        /// Numbers of deliveries
        #[arg(value_name = "DELIVERY", required = true, num_args = 1..=500)]
        ids: Vec<u64>,
    },
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let verb = arguments.verb.unwrap_or(Verb::List { state: None, limit: 50 });
    let report = perform(cx, &client, verb).await.map_err(told_by_gateway);
    client.close().await;
    report
}

async fn perform(cx: &Cx<'_>, client: &Client, verb: Verb) -> Result<Report, Failure> {
    match verb {
        Verb::List { state, limit } => {
            let mut params = json!({ "limit": limit });
            if let Some(state) = state {
                params["state"] = state.into();
            }
            let answer = client.call("deliveries.list", params).await?;
            Ok(list(cx, &answer))
        }
        Verb::Show { id } => {
            let answer = client.call("deliveries.get", json!({ "id": id })).await?;
            Ok(show(cx, &answer))
        }
        Verb::Retry { id } => retry(cx, client, id).await,
        Verb::Discard { ids } => discard(cx, client, &ids).await,
    }
}

/// Asks first where sending again may show the message twice.
async fn retry(cx: &Cx<'_>, client: &Client, number: u64) -> Result<Report, Failure> {
    let answer = client.call("deliveries.get", json!({ "id": number })).await?;
    let delivery = &answer["delivery"];
    if delivery["state"] == "unknown" {
        let marks = [("id", number.to_string()), ("channel", peek::text(delivery, "/channel")), ("to", to(delivery))];
        let marks = marks.each_ref().map(|(name, value)| (*name, value.as_str()));
        cx.confirm(&cx.say(&copy::DELIVERY_RETRY_ASK, &marks)).await?;
    }
    let answer = client.call("deliveries.retry", json!({ "id": number })).await?;
    let said = cx.say(&copy::DELIVERY_RETRIED, &[("id", &number.to_string())]);
    let report = Report::of(answer).line(Line::marked(Tone::Done, "ok", said));
    Ok(report.next(format!("openclaw deliveries show {number}")))
}

/// Settles one after the other; the first that cannot be settled ends it.
async fn discard(cx: &Cx<'_>, client: &Client, ids: &[u64]) -> Result<Report, Failure> {
    let mut report = Report::of(json!({ "ok": true, "ids": ids }));
    for id in ids {
        client.call("deliveries.discard", json!({ "id": id })).await?;
        let said = cx.say(&copy::DELIVERY_DISCARDED, &[("id", &id.to_string())]);
        report = report.line(Line::marked(Tone::Done, "ok", said));
    }
    Ok(report)
}

fn list(cx: &Cx<'_>, answer: &Value) -> Report {
    let rows = peek::list(answer, "/deliveries");
    let mut table = Table::new(vec![
        Column::id("delivery"),
        Column::text("age", 4),
        Column::text("channel", 5),
        Column::text("to", 3),
        Column::text("state", 6),
        Column::number("tries", 2),
        Column::text("why", 1),
    ]);
    for row in rows {
        table.row([
            (Tone::Plain, peek::text(row, "/id")),
            (Tone::Plain, age(cx, row, "/at")),
            (Tone::Plain, peek::text(row, "/channel")),
            (Tone::Plain, to(row)),
            state(&peek::text(row, "/state")),
            (Tone::Plain, peek::text(row, "/attempts")),
            (Tone::Dim, why(row)),
        ]);
    }
    let noun = cx.say(&copy::NOUN_DELIVERIES, &[]);
    let report = super::or_empty(cx, Report::of(answer.clone()).items(rows.to_vec()), table, rows.len(), &noun);
    // The newest one that somebody has to decide about.
    match rows.iter().find(|row| is_open(row)) {
        Some(row) => {
            let number = peek::text(row, "/id");
            report.next(format!("openclaw deliveries show {number}"))
        }
        None => report,
    }
}

fn show(cx: &Cx<'_>, answer: &Value) -> Report {
    let delivery = &answer["delivery"];
    let (tone, state) = state(&peek::text(delivery, "/state"));
    let number = peek::text(delivery, "/id");
    let head = Line::plain(format!("{} {number}  ", cx.say(&copy::NOUN_DELIVERY, &[]))).tone(tone, state);
    let mut report = Report::of(answer.clone()).line(head.text(format!("  {}", age(cx, delivery, "/at"))));
    let not_after = peek::int(delivery, "/notAfter").map(|at| time::moment(at, cx.flags.utc)).unwrap_or_default();
    let discarded = match peek::text(delivery, "/discardedBy") {
        by if by.is_empty() => by,
        by => format!("{by}, {}", age(cx, delivery, "/discardedAt")),
    };
    let facts = [
        ("to", format!("{} {}", peek::text(delivery, "/channel"), to(delivery))),
        ("account", peek::text(delivery, "/accountId")),
        ("thread", peek::text(delivery, "/threadId")),
        ("run", peek::text(delivery, "/runId")),
        ("session", peek::text(delivery, "/sessionKey")),
        ("tries", peek::text(delivery, "/attempts")),
        ("why", why(delivery)),
        ("sent as", peek::text(delivery, "/providerId")),
        ("not after", not_after),
        ("discarded", discarded),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.trim().is_empty()) {
        report = report.line(Line::new().column(*name, 11).text(value.trim_end()));
    }
    report = report.line(Line::new()).line(Line::plain(peek::text(delivery, "/text")));
    if is_open(delivery) {
        report = report.next(format!("openclaw deliveries retry {number}"));
        report = report.next(format!("openclaw deliveries discard {number}"));
    }
    report
}

fn age(cx: &Cx<'_>, value: &Value, pointer: &str) -> String {
    peek::int(value, pointer).map(|at| time::relative(at, (cx.now)(), cx.lang)).unwrap_or_default()
}

/// Names the recipient; a channel with only one has none.
fn to(row: &Value) -> String {
    match peek::text(row, "/to") {
        to if to.is_empty() => "-".to_owned(),
        to => to,
    }
}

/// Says why it is as it is, in one line.
fn why(row: &Value) -> String {
    peek::text(row, "/message").lines().next().unwrap_or_default().to_owned()
}

fn is_open(row: &Value) -> bool {
    row["state"] == "unknown" || row["state"] == "failed"
}

/// Marks a state by tone and word; what is unknown has a sign as well.
fn state(state: &str) -> (Tone, String) {
    match state {
        "sent" => (Tone::Done, "sent".to_owned()),
        "failed" => (Tone::Failed, "failed".to_owned()),
        "unknown" => (Tone::Waits, "? unknown".to_owned()),
        "sending" => (Tone::Running, "sending".to_owned()),
        other => (Tone::Dim, other.to_owned()),
    }
}

/// Gives the gateway's refusals about deliveries the exit code of their case.
fn told_by_gateway(mut failure: Failure) -> Failure {
    failure.exit = match failure.code.as_ref() {
        "DELIVERY_NOT_FOUND" => Exit::NotFound,
        code if code == NOT_OPEN => Exit::Conflict,
        _ => return failure,
    };
    failure.next = vec!["openclaw deliveries list".to_owned()];
    failure
}
