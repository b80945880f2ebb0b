//! `logs`: the end of the gateway's log, and what is added to it.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::visible::{Shape, visible};
use crate::out::{Report, Tone};
use crate::{link, peek};

/// Pause between two looks at a log that is followed.
const STEP: Duration = Duration::from_millis(500);

/// Most bytes of one answer.
const BYTES_MAX: u32 = 250_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Go on with what is added
    #[arg(short, long)]
    follow: bool,
    /// Lines to begin with
    #[arg(short = 'n', long, visible_alias = "lines", value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
    limit: u32,
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let mut params = json!({"limit": arguments.limit, "maxBytes": BYTES_MAX});
    let page = client.call("logs.tail", params.clone()).await?;
    if !arguments.follow {
        client.close().await;
        let drawn: String = peek::list(&page, "/lines").iter().map(|line| drawn(cx, line)).collect();
        let lines = peek::list(&page, "/lines").iter().map(entry).collect();
        return Ok(Report::of(page).items(lines).raw(drawn));
    }
    show(cx, &page);
    params["cursor"] = page["cursor"].clone();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        if cx.io.has_reader_left() {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(STEP) => {}
            _stopped = &mut interrupted => break,
        }
        let page = client.call("logs.tail", params.clone()).await?;
        show(cx, &page);
        params["cursor"] = page["cursor"].clone();
    }
    client.close().await;
    Ok(Report::told())
}

fn show(cx: &Cx<'_>, page: &Value) {
    for line in peek::list(page, "/lines") {
        if cx.flags.is_machine() {
            cx.out(&format!("{}\n", entry(line)));
        } else {
            cx.out(&drawn(cx, line));
        }
    }
}

/// Returns a line for programs: what is an object as one, others as the text they are.
fn entry(line: &Value) -> Value {
    let object = line.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
    object.unwrap_or_else(|| line.clone())
}

/// Draws a line: JSON ones as time, level, where and message, others as they are.
fn drawn(cx: &Cx<'_>, line: &Value) -> String {
    let text = line.as_str().unwrap_or_default();
    let Ok(entry) = serde_json::from_str::<Value>(text) else {
        return visible(text, Shape::Cell) + "\n";
    };
    let at = peek::first_text(&entry, &["/time", "/timestamp", "/ts"]);
    let level = peek::first_text(&entry, &["/level", "/_meta/logLevelName"]).to_ascii_lowercase();
    let place = peek::first_text(&entry, &["/target", "/subsystem"]);
    let message = peek::first_text(&entry, &["/fields/message", "/message", "/msg", "/1", "/0"]);
    let tone = match level.as_str() {
        "error" | "fatal" => Tone::Failed,
        "warn" => Tone::Waits,
        "debug" | "trace" => Tone::Dim,
        _ => Tone::Plain,
    };
    let extra = fields(&entry);
    let paint = cx.paint();
    let (level, place) =
        (paint.paint(tone, &format!("{level:<5}")), paint.paint(Tone::Dim, &visible(&place, Shape::Cell)));
    let rest = visible(&format!("{message}{extra}"), Shape::Cell);
    format!("{}  {level}  {place}  {rest}\n", visible(&at, Shape::Cell))
}

fn fields(entry: &Value) -> String {
    let Some(fields) = entry.get("fields").and_then(Value::as_object) else { return String::new() };
    let others = fields.iter().filter(|(name, _)| *name != "message");
    others
        .map(|(name, value)| format!("  {name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}
