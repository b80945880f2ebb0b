//! `onboard`: at most three questions, each answer checked at once, and an end
//! that is a real reply. Stopped half-way it goes on where it was; keys never
//! stand in the configuration, in arguments or on the screen.

mod model;
mod record;
mod trial;
mod workspace;

use std::path::PathBuf;

use clap::Args;
use openclaw_client::Client;
use serde_json::json;
use tokio::time::Instant;

use crate::cx::Cx;
use crate::exchange::exchange;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Line, Report, Tone, progress, time};
use crate::service::{holder, is_held};
use crate::{link, text};

use record::Record;

#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// Model to use, PROVIDER/MODEL
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Read the key from this file descriptor
    #[arg(long, value_name = "FD", conflicts_with = "key_env")]
    key_fd: Option<i32>,
    /// Take the key from this environment variable
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// OpenAI-style server that serves the model
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Folder it may work in
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Keep the gateway running: on or off
    #[arg(long, value_name = "WHEN", value_parser = ["on", "off"])]
    service: Option<String>,
    /// Keep the gateway running; the same as --service on
    #[arg(long, conflicts_with = "service")]
    install_daemon: bool,
}

/// Tells whether this installation was never set up, or only half.
pub(crate) fn is_needed(cx: &Cx<'_>) -> bool {
    match Record::read(cx) {
        Some(record) => !record.is_done(),
        None => !cx.home.config_path.exists(),
    }
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let began = Instant::now();
    refuse_when_running(cx)?;
    // What an earlier, unfinished run was given is kept; a finished one is done over.
    let mut record = Record::read(cx).filter(|record| !record.is_done()).unwrap_or_default();
    greet(cx);
    let result = steps(cx, &arguments, &mut record, began).await;
    if result.is_err() && !cx.flags.is_machine() {
        cx.note(&Line::new().tone(Tone::Dim, cx.say(&text::ONBOARD_LATER_KEPT, &[])));
    }
    let report = result.map_err(|failure| kept(failure, &record))?;
    if cx.can_ask() && !cx.flags.is_machine() {
        return super::chat::run(cx, super::chat::Arguments::default()).await;
    }
    Ok(report)
}

async fn steps(cx: &Cx<'_>, arguments: &Arguments, record: &mut Record, began: Instant) -> Result<Report, Failure> {
    say(cx, &Line::new().tone(Tone::Strong, cx.say(&text::ONBOARD_Q1, &[])));
    model::ask(cx, arguments, record).await?;
    say(cx, &Line::new().tone(Tone::Strong, cx.say(&text::ONBOARD_Q2, &[])));
    workspace::ask(cx, arguments, record).await?;
    say(cx, &Line::new().tone(Tone::Strong, cx.say(&text::ONBOARD_Q3, &[])));
    let is_service = service(cx, arguments, record).await?;
    if is_service {
        model::keep_for_service(cx, record)?;
        let installed = super::gateway::install(cx).await?;
        for warning in &installed.warnings {
            cx.note(&Line::marked(Tone::Waits, "!", warning));
        }
    }
    reply(cx, record, began).await
}

fn greet(cx: &Cx<'_>) {
    let hello = cx.say(&text::ONBOARD_HELLO, &[("version", env!("CARGO_PKG_VERSION"))]);
    say(cx, &Line::plain(hello));
    say(cx, &Line::new().tone(Tone::Dim, cx.say(&text::ONBOARD_LATER, &[])));
}

/// Writes on stderr: stdout is for the reply.
fn say(cx: &Cx<'_>, line: &Line) {
    cx.note(line);
}

/// A running gateway would not see new keys, and holds the folder we must use.
fn refuse_when_running(cx: &Cx<'_>) -> Result<(), Failure> {
    if !is_held(&cx.home.state_dir) {
        return Ok(());
    }
    let pid = holder(&cx.home.state_dir).map_or_else(String::new, |holder| holder.pid.to_string());
    Err(Failure::new(Exit::Failed, "ALREADY_RUNNING", cx.say(&text::GATEWAY_RUNS, &[("pid", &pid)]))
        .next(format!("{} gateway stop", cx.program())))
}

/// Says in the failure what was kept, for programs.
fn kept(failure: Failure, record: &Record) -> Failure {
    let kept = json!({"kept": record.shown()});
    let next = failure.next.clone();
    let mut failure = failure.with_details(kept);
    failure.next = if next.is_empty() { vec!["openclaw onboard".to_owned()] } else { next };
    failure
}

/// The third question.
async fn service(cx: &Cx<'_>, arguments: &Arguments, record: &mut Record) -> Result<bool, Failure> {
    let given = if arguments.install_daemon { Some("on") } else { arguments.service.as_deref() };
    let is_on = match (given, record.service) {
        (Some(given), _) => given == "on",
        (None, Some(kept)) => {
            let what = if kept { &text::ONBOARD_SERVICE_ON } else { &text::ONBOARD_SERVICE_OFF };
            say(cx, &Line::plain(cx.say(&text::ONBOARD_KEPT, &[("what", &cx.say(what, &[]))])));
            kept
        }
        (None, None) if !cx.can_ask() => false,
        (None, None) => {
            let options = [cx.say(&text::ONBOARD_SERVICE_OFF, &[]), cx.say(&text::ONBOARD_SERVICE_ON, &[])];
            choose(cx, &options, "--service").await? == 1
        }
    };
    record.service = Some(is_on);
    record.write(cx)?;
    Ok(is_on)
}

/// Offers numbered options; Enter takes the first.
async fn choose(cx: &Cx<'_>, options: &[String], flag: &str) -> Result<usize, Failure> {
    for (at, option) in options.iter().enumerate() {
        let mark = if at == 0 { ">" } else { " " };
        say(cx, &Line::plain(format!("  {mark} {}  {option}", at + 1)));
    }
    loop {
        let answer = cx.ask(&cx.say(&text::ONBOARD_CHOOSE, &[]), flag).await?;
        let chosen = if answer.is_empty() { Some(1) } else { answer.parse::<usize>().ok() };
        if let Some(at) = chosen.filter(|at| (1..=options.len()).contains(at)) {
            return Ok(at - 1);
        }
    }
}

/// The end: a real reply from the chosen model, or no end.
async fn reply(cx: &Cx<'_>, record: &mut Record, began: Instant) -> Result<Report, Failure> {
    let reached = link::connect_or_embed(cx, true).await?;
    let is_offline = record.model.as_deref() == Some(model::OFFLINE);
    let greeting = match cx.lang {
        // The offline model follows rules; this is one of them.
        text::Lang::En if is_offline => "help",
        text::Lang::Zh if is_offline => "帮助",
        text::Lang::En => "Say hello in at most two sentences, and name one thing you could do in this folder.",
        text::Lang::Zh => "用最多两句话打个招呼，并说出一件你能在这个文件夹里做的事。",
    };
    let result = speak(cx, &reached.client, greeting).await;
    reached.end().await;
    let (answer, answered_by) = result?;
    if !cx.flags.is_machine() {
        cx.out(&format!("{}\n", crate::out::visible::visible(&answer, crate::out::visible::Shape::Text)));
    }
    let span = time::span(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let is_ready = !answered_by.starts_with("offline/");
    let line = if is_ready {
        let values = [("model", answered_by.as_str()), ("span", span.as_str())];
        Line::marked(Tone::Done, "ok", cx.say(&text::ONBOARD_READY, &values))
    } else {
        Line::marked(Tone::Waits, "!", cx.say(&text::ONBOARD_DEMO, &[]))
    };
    record.is_proved = is_ready;
    record.is_finished = true;
    record.write(cx)?;
    say(cx, &line);
    let data = json!({
        "ready": is_ready, "model": answered_by, "reply": answer, "workspace": record.workspace,
        "service": record.service, "config": cx.home.config_path,
    });
    let report = Report { is_told: !cx.flags.is_machine(), ..Report::of(data) };
    Ok(report.next("openclaw chat"))
}

async fn speak(cx: &Cx<'_>, client: &Client, message: &str) -> Result<(String, String), Failure> {
    let asking = exchange(client, None, message);
    let (verb, awaited) = (cx.say(&text::ASKING, &[]), cx.say(&text::AWAITING_MODEL, &[]));
    let had = progress::during(cx, &verb, &awaited, asking).await;
    match had.failure {
        None => Ok((had.text, had.answered_by)),
        Some(cause) => Err(not_ready(cx, &had.answered_by, &cause)),
    }
}

/// No reply, no "ready".
fn not_ready(cx: &Cx<'_>, model: &str, cause: &str) -> Failure {
    let model = if model.is_empty() { cx.say(&text::NOUN_MODEL, &[]) } else { model.to_owned() };
    let message = cx.say(&text::ONBOARD_MODEL_FAILED, &[("model", &model), ("cause", cause)]);
    Failure::new(Exit::Model, "NOT_READY", format!("{}: {message}", cx.say(&text::ONBOARD_NOT_READY, &[])))
        .next("openclaw onboard")
}
