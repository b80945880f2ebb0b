//! `runs`: what runs did, what they wait for, and what became of their calls.

pub(crate) mod compare;
pub(crate) mod timeline;

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::commands::Needs;
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, number, time};
use crate::text::{self, runs as copy};
use crate::{link, peek};

/// Runs looked through for a short id.
const LOOKED_AT: u32 = 500;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// One run.
#[derive(Debug, Args)]
struct Named {
    /// Id, or its beginning
    #[arg(value_name = "RUN")]
    run: String,
    /// Its conversation, when several have a run of this id
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List runs, the latest first
    List {
        /// Only those that have not ended
        #[arg(long)]
        active: bool,
        /// Only of this conversation
        #[arg(long, value_name = "SESSION")]
        session: Option<String>,
        /// Most to list
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Show what one run did, step by step
    Show(Named),
    /// See to it that a run works, or say what it waits for
    Resume(Named),
    /// Stop a run
    Cancel(Named),
    /// Say what became of a call whose outcome is unknown
    Settle {
        #[command(flatten)]
        run: Named,
        /// The call
        #[arg(value_name = "CALL")]
        call: String,
        /// What became of it
        #[arg(value_name = "ANSWER", value_parser = ["happened", "not-happened", "unknown"])]
        answer: String,
    },
    /// Keep a run as it stands, so that taking it up is quick
    Snapshot(Named),
    /// Compare two runs step by step
    Diff {
        /// One run
        #[arg(value_name = "A")]
        a: String,
        /// The other
        #[arg(value_name = "B")]
        b: String,
    },
}

impl Arguments {
    /// Tells what the command needs around it.
    pub(crate) fn needs(&self) -> Needs {
        match self.verb {
            Some(Verb::Diff { .. }) => Needs::Engine,
            _ => Needs::Connection,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let verb = arguments.verb.unwrap_or(Verb::List { active: false, session: None, limit: 50 });
    if let Verb::Diff { a, b } = verb {
        let reached = link::connect_or_embed(cx, false).await?;
        let report = diff(cx, &reached.client, &a, &b).await;
        reached.end().await;
        return report;
    }
    let client = link::connect(cx).await?;
    let report = perform(cx, &client, verb).await.map_err(told_by_gateway);
    client.close().await;
    report
}

async fn perform(cx: &Cx<'_>, client: &Client, verb: Verb) -> Result<Report, Failure> {
    match verb {
        Verb::List { active, session, limit } => {
            let mut params = json!({ "limit": limit });
            if active {
                params["active"] = true.into();
            }
            if let Some(session) = session {
                params["sessionKey"] = session.into();
            }
            list(cx, client, params).await
        }
        Verb::Show(run) => {
            let run = find(cx, client, &run.run, run.session.as_deref()).await?;
            let answer = client.call("runs.get", run).await?;
            Ok(timeline::report(cx, &answer))
        }
        Verb::Resume(run) => {
            let run = find(cx, client, &run.run, run.session.as_deref()).await?;
            let answer = client.call("runs.resume", run).await?;
            let (id, status) = (peek::text(&answer, "/runId"), peek::text(&answer, "/status"));
            let copy = match (peek::is(&answer, "/takenUp"), status.as_str()) {
                (true, _) => &copy::RUN_TAKEN_UP,
                (false, "queued") => &copy::RUN_QUEUED,
                (false, _) => &copy::RUN_WORKS,
            };
            Ok(done(cx, answer, &cx.say(copy, &[("id", &id), ("status", &status)])))
        }
        Verb::Cancel(run) => {
            let run = find(cx, client, &run.run, run.session.as_deref()).await?;
            let id = peek::text(&run, "/runId");
            let answer = client.call("runs.cancel", run).await?;
            let copy = if answer["cancelled"] == false { &copy::RUN_WAS_ENDED } else { &copy::RUN_CANCELLED };
            Ok(done(cx, answer, &cx.say(copy, &[("id", &id)])))
        }
        Verb::Settle { run, call, answer } => {
            let mut params = find(cx, client, &run.run, run.session.as_deref()).await?;
            params["callId"] = call.clone().into();
            params["answer"] = answer.clone().into();
            let settled = client.call("runs.settle", params).await?;
            Ok(done(cx, settled, &cx.say(&copy::RUN_SETTLED, &[("call", &call), ("answer", &answer)])))
        }
        Verb::Snapshot(run) => {
            let run = find(cx, client, &run.run, run.session.as_deref()).await?;
            let id = peek::text(&run, "/runId");
            // The gateway knows runs at work by their id alone.
            let answer = client.call("runs.snapshot", json!({ "runId": run["runId"] })).await?;
            Ok(snapshot(cx, &id, answer))
        }
        Verb::Diff { a, b } => diff(cx, client, &a, &b).await,
    }
}

fn done(_cx: &Cx<'_>, answer: Value, said: &str) -> Report {
    Report::of(answer).line(Line::marked(Tone::Done, "ok", said))
}

fn snapshot(cx: &Cx<'_>, id: &str, answer: Value) -> Report {
    let said = if answer["state"] == "due" { &copy::RUN_DUE } else { &copy::RUN_SNAPSHOT };
    let (said, scratch) = (cx.say(said, &[("id", id)]), answer["scratch"].clone());
    let mut report = done(cx, answer, &said);
    let [files, bytes, left_out] = ["/files", "/bytes", "/notKept"].map(|pointer| peek::int(&scratch, pointer));
    if let (Some(files), Some(bytes)) = (files, bytes) {
        let bytes = number::bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        let kept = cx.say(&copy::RUN_FILES_KEPT, &[("files", &files.to_string()), ("bytes", &bytes)]);
        report = report.line(Line::marked(Tone::Done, "ok", &kept));
    }
    if let Some(count) = left_out.filter(|count| *count > 0) {
        let why = peek::text(&scratch, "/why");
        let missing = cx.say(&copy::RUN_FILES_NOT_KEPT, &[("count", &count.to_string()), ("why", &why)]);
        report = report.line(Line::marked(Tone::Waits, "!", &missing));
    }
    report
}

async fn list(cx: &Cx<'_>, client: &Client, params: Value) -> Result<Report, Failure> {
    let answer = client.call("runs.list", params).await?;
    let rows = peek::list(&answer, "/runs");
    let mut table = Table::new(vec![
        Column::id("run"),
        Column::text("session", 3),
        Column::text("state", 6),
        Column::text("age", 5),
        Column::number("steps", 2),
        Column::number("tools", 2),
        Column::number("cost", 4),
        Column::text("text", 1),
    ]);
    for row in rows {
        let age = peek::int(row, "/acceptedAt").map(|at| time::relative(at, (cx.now)(), cx.lang));
        let text = peek::text(row, "/outcome/text");
        table.row([
            (Tone::Plain, peek::text(row, "/runId")),
            (Tone::Plain, peek::text(row, "/sessionKey")),
            timeline::status(&peek::text(row, "/status")),
            (Tone::Plain, age.unwrap_or_default()),
            (Tone::Plain, peek::text(row, "/outcome/iterations")),
            (Tone::Plain, peek::text(row, "/outcome/toolCalls")),
            (Tone::Plain, timeline::cost(&row["outcome"]["usage"])),
            (Tone::Dim, text.lines().next().unwrap_or_default().to_owned()),
        ]);
    }
    let noun = cx.say(&copy::NOUN_RUNS, &[]);
    Ok(super::or_empty(cx, Report::of(answer.clone()), table, rows.len(), &noun))
}

async fn diff(cx: &Cx<'_>, client: &Client, a: &str, b: &str) -> Result<Report, Failure> {
    let (a, b) = (locate(cx, client, a, None).await?, locate(cx, client, b, None).await?);
    let mut params = json!({ "a": a["runId"], "b": b["runId"] });
    for (run, name) in [(&a, "sessionKeyA"), (&b, "sessionKeyB")] {
        if run["sessionKey"].is_string() {
            params[name] = run["sessionKey"].clone();
        }
    }
    let answer = client.call("runs.diff", params).await?;
    Ok(compare::report(cx, &answer))
}

/// Finds the run a short id stands for; what is not listed is asked for as it is.
pub(crate) async fn find(cx: &Cx<'_>, client: &Client, id: &str, session: Option<&str>) -> Result<Value, Failure> {
    locate(cx, client, id, session).await
}

/// As [`find`]: a gateway that cannot list runs still knows whole ids.
pub(crate) async fn locate(cx: &Cx<'_>, client: &Client, id: &str, session: Option<&str>) -> Result<Value, Failure> {
    let mut params = json!({ "limit": LOOKED_AT });
    if let Some(session) = session {
        params["sessionKey"] = session.into();
    }
    let mut named = json!({ "runId": id });
    if let Some(session) = session {
        named["sessionKey"] = session.into();
    }
    let Ok(answer) = client.call("runs.list", params).await else { return Ok(named) };
    let rows = peek::list(&answer, "/runs");
    let fits = rows.iter().any(|row| row["runId"].as_str().is_some_and(|own| own.starts_with(id)));
    if !fits {
        return Ok(named);
    }
    let row = super::pick(cx, rows, id, &["/runId"], &cx.say(&copy::NOUN_RUN, &[]), "openclaw runs list")?;
    Ok(json!({ "runId": row["runId"], "sessionKey": row["sessionKey"] }))
}

/// Gives the gateway's refusals about runs the exit code of their case.
fn told_by_gateway(mut failure: Failure) -> Failure {
    match failure.code.as_ref() {
        "RUN_WAITS" => {
            failure.exit = Exit::Waits;
            let answers = particular(&failure, "/details/waitsFor").into_iter().flatten();
            failure.next = answers.flat_map(answering).collect();
            failure.next.push("openclaw runs list --active".to_owned());
        }
        "RUN_ENDED" => {
            failure.exit = Exit::Conflict;
            let fork = failure.details.as_deref().map(|details| peek::text(details, "/details/next"));
            failure.next = fork.filter(|next| !next.is_empty()).into_iter().collect();
            failure.next.push("openclaw runs list".to_owned());
        }
        _ if failure.exit == Exit::NotFound => failure.next = vec!["openclaw runs list".to_owned()],
        _ => {}
    }
    failure
}

/// Returns the commands that answer what a run waits for, one for each answer.
fn answering(waits: &Value) -> Vec<String> {
    let next = peek::text(waits, "/next");
    let answers = peek::list(waits, "/answers").iter().filter_map(Value::as_str);
    match next.rsplit_once(' ') {
        Some((command, _)) if waits["answers"].is_array() => answers.map(|it| format!("{command} {it}")).collect(),
        Some(_) => vec![next],
        None => Vec::new(),
    }
}

fn particular<'a>(failure: &'a Failure, pointer: &str) -> Option<&'a Vec<Value>> {
    failure.details.as_deref().and_then(|details| details.pointer(pointer)).and_then(Value::as_array)
}

/// Writes tokens as `in+out`.
pub(super) fn tokens(usage: &Value) -> String {
    let count = |names: &[&str]| number::thousands(peek::first_int(usage, names).unwrap_or(0));
    format!("{}+{}", count(&["/input", "/inputTokens"]), count(&["/output", "/outputTokens"]))
}

/// Asks the text module for a word both languages share.
pub(super) fn none(cx: &Cx<'_>) -> String {
    cx.say(&text::NONE, &[])
}
