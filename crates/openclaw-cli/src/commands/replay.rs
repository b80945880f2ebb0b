//! `replay`: a recorded run compared with what the engine asks for, or tried
//! another way from the middle. Nothing of the world is touched unless told to.

use std::time::Duration;

use clap::Args;
use openclaw_client::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Line, Report, Tone, progress, time};
use crate::text::runs as copy;
use crate::{link, peek};

use super::runs;

/// Longest wait for the new run unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Most bytes of a file of changes.
const EDIT_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Id of the recorded run, or its beginning
    #[arg(value_name = "RUN")]
    run: String,
    /// Model call to begin with, from 1
    #[arg(long, value_name = "STEP", value_parser = clap::value_parser!(u32).range(1..))]
    from: Option<u32>,
    /// Another model, PROVIDER/MODEL
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// JSON or JSON5 file of changed texts: input, system, results by call
    #[arg(long, value_name = "FILE")]
    edit: Option<std::path::PathBuf>,
    /// Let tools really work instead of answering from the record
    #[arg(long)]
    live: bool,
    /// Its conversation, when several have a run of this id
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// Work inside this command even when a gateway runs
    #[arg(long)]
    local: bool,
}

impl Arguments {
    /// Tells whether anything is to differ from the record.
    fn is_fork(&self) -> bool {
        self.model.is_some() || self.edit.is_some() || self.live
    }
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let edit = arguments.edit.as_deref().map(|path| read_edit(cx, path)).transpose()?;
    if arguments.live {
        cx.confirm(&cx.say(&copy::FORK_LIVE_ASK, &[])).await?;
    }
    let reached = link::connect_or_embed(cx, arguments.local).await?;
    let report = perform(cx, &reached.client, &arguments, edit).await;
    reached.end().await;
    report
}

async fn perform(cx: &Cx<'_>, client: &Client, arguments: &Arguments, edit: Option<Value>) -> Result<Report, Failure> {
    let mut params = runs::locate(cx, client, &arguments.run, arguments.session.as_deref()).await?;
    if !arguments.is_fork() {
        let answer = client.call("runs.replay", params).await?;
        let mut report = replayed(cx, &answer);
        if arguments.from.is_some() {
            report.warnings.push(cx.say(&copy::REPLAY_NOTHING_CHANGED, &[]));
        }
        return Ok(report);
    }
    params["fromStep"] = arguments.from.unwrap_or(1).into();
    params["live"] = arguments.live.into();
    if let Some(model) = &arguments.model {
        params["model"] = model.clone().into();
    }
    if let Some(edit) = edit {
        params["edit"] = edit;
    }
    let forked = client.call("runs.fork", params).await?;
    let [id, of, step] = ["/runId", "/ofRunId", "/fromStep"].map(|pointer| peek::text(&forked, pointer));
    let began = cx.say(&copy::FORK_BEGAN, &[("id", &id), ("of", &of), ("step", &step)]);
    cx.note(&Line::new().tone(Tone::Dim, began));
    let ended = wait(cx, client, &id).await?;
    let diff = client.call(
        "runs.diff",
        json!({ "a": of, "b": id, "sessionKeyA": forked["ofSessionKey"],
        "sessionKeyB": forked["sessionKey"] }),
    );
    let diff = diff.await?;
    let mut report = runs::compare::report(cx, &diff).raw(answer_text(&diff));
    report.data = json!({ "fork": forked, "ended": ended, "diff": diff });
    report.exit = exit(&ended);
    Ok(report.next(format!("openclaw runs show {id}")))
}

/// Waits for the new run to end.
async fn wait(cx: &Cx<'_>, client: &Client, id: &str) -> Result<Value, Failure> {
    let limit = cx.flags.timeout.unwrap_or(TIMEOUT);
    let began = Instant::now();
    let waited = async {
        loop {
            let left = limit.saturating_sub(began.elapsed()).min(Duration::from_secs(5));
            let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let answer = client.call("agent.wait", json!({ "runId": id, "timeoutMs": left_ms })).await?;
            if answer["status"] != "timeout" || began.elapsed() >= limit {
                return Ok::<Value, Failure>(answer);
            }
        }
    };
    let (verb, awaited) = (cx.say(&copy::FORK_WAITING, &[]), cx.say(&copy::FORK_AWAITED, &[]));
    let answer = progress::during(cx, &verb, &awaited, waited).await?;
    if answer["status"] != "timeout" {
        return Ok(answer);
    }
    let span = time::span(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    let said = cx.say(&copy::FORK_NOT_ENDED, &[("id", id), ("span", &span)]);
    Err(Failure::new(Exit::Timeout, "TIMEOUT", said)
        .next("openclaw approvals list")
        .next(format!("openclaw runs show {id}")))
}

fn answer_text(diff: &Value) -> String {
    let text = peek::text(diff, "/b/text");
    if text.is_empty() { text } else { crate::out::visible::visible(&text, crate::out::visible::Shape::Text) + "\n" }
}

fn exit(ended: &Value) -> Option<Exit> {
    match (peek::text(ended, "/status").as_str(), peek::text(ended, "/errorKind").as_str()) {
        ("ok", _) => None,
        (_, "timeout") => Some(Exit::Timeout),
        _ => Some(Exit::Model),
    }
}

/// Draws the answer of `runs.replay`; a difference is exit 8.
fn replayed(cx: &Cx<'_>, answer: &Value) -> Report {
    let mut report = Report::of(answer.clone());
    let text = |pointer: &str| peek::text(answer, pointer);
    if peek::is(answer, "/isIdentical") {
        let [events, rebuilt, inputs, entries] = ["/events", "/rebuilt", "/inputs", "/entries"].map(text);
        let values = [("events", &*events), ("rebuilt", &rebuilt), ("inputs", &inputs), ("entries", &entries)];
        report = report.line(Line::marked(Tone::Done, "ok", cx.say(&copy::REPLAY_SAME, &values)));
    } else {
        for difference in peek::list(answer, "/differences") {
            report = draw(cx, report, difference);
        }
        report.exit = Some(Exit::Problems);
    }
    let hash = text("/recordedSha256");
    report = report.line(Line::new().tone(Tone::Dim, format!("   sha256 {hash}")));
    report.warnings.extend(peek::list(answer, "/notes").iter().filter_map(Value::as_str).map(str::to_owned));
    let id = text("/runId");
    report.next(format!("openclaw runs show {id}"))
}

fn draw(cx: &Cx<'_>, report: Report, difference: &Value) -> Report {
    let [seq, what] = ["/seq", "/what"].map(|pointer| peek::text(difference, pointer));
    let said = if seq == "0" {
        cx.say(&copy::REPLAY_DIFFERS_WHOLE, &[("what", &what)])
    } else {
        cx.say(&copy::REPLAY_DIFFERS, &[("seq", &seq), ("what", &what)])
    };
    let one = |label: &str, pointer: &str| {
        Line::new().tone(Tone::Dim, format!("   {label}  ")).text(peek::text(difference, pointer))
    };
    report
        .line(Line::marked(Tone::Failed, "x", said))
        .line(one(&cx.say(&copy::REPLAY_EXPECTED, &[]), "/expected"))
        .line(one(&cx.say(&copy::REPLAY_FOUND, &[]), "/found"))
}

/// Reads a file of changes.
fn read_edit(cx: &Cx<'_>, path: &std::path::Path) -> Result<Value, Failure> {
    let path = cx.env.cwd().map_or_else(|| path.to_owned(), |cwd| cwd.join(path));
    let shown = path.display().to_string();
    let bad = |cause: &str| {
        Failure::usage(cx.say(&copy::EDIT_BAD, &[("path", &shown), ("cause", cause)]))
            .at_file(shown.clone())
            .next("openclaw replay --help")
    };
    let metadata = std::fs::metadata(&path).map_err(|error| bad(&error.to_string()))?;
    if metadata.len() > EDIT_BYTES_MAX {
        return Err(bad(&format!("it is larger than {EDIT_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| bad(&error.to_string()))?;
    let value = openclaw_config::tree::parse(&text).map_err(|error| bad(&error.to_string()))?;
    let Some(map) = value.as_object() else { return Err(bad("it must hold an object")) };
    match map.keys().find(|key| !["input", "system", "results"].contains(&key.as_str())) {
        Some(key) => Err(bad(&format!("\"{key}\" is not one of input, system, results"))),
        None if map.is_empty() => Err(bad("it changes nothing: give input, system or results")),
        None => Ok(value),
    }
}
