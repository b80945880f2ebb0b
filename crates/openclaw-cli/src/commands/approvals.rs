//! `approvals`: what agents ask a person. The literal thing that would run is
//! always shown in full before it can be allowed; no flag allows by itself.

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::visible::{Shape, visible};
use crate::out::{Column, Line, Report, Table, Tone, time};
use crate::{link, peek, text};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List what waits for an answer
    #[command(visible_alias = "get")]
    List,
    /// Show one question in full
    Show {
        /// Id, or its beginning
        #[arg(value_name = "APPROVAL")]
        id: String,
    },
    /// Allow a call, once it was shown in full
    Allow {
        /// Id, or its beginning
        #[arg(value_name = "APPROVAL")]
        id: String,
        /// Allow the same call from the same agent from now on
        #[arg(long)]
        always: bool,
    },
    /// Deny a call
    Deny {
        /// Id, or its beginning
        #[arg(value_name = "APPROVAL")]
        id: String,
    },
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    match arguments.verb.unwrap_or(Verb::List) {
        Verb::List => list(cx).await,
        Verb::Show { id } => show(cx, &id).await,
        Verb::Allow { id, always } => allow(cx, &id, always).await,
        Verb::Deny { id } => deny(cx, &id).await,
    }
}

async fn pending(client: &Client) -> Result<Vec<Value>, Failure> {
    let answer = client.call("exec.approval.list", json!({})).await?;
    let items = answer.as_array().cloned().unwrap_or_else(|| peek::list(&answer, "/approvals").to_vec());
    Ok(items)
}

async fn find(cx: &Cx<'_>, client: &Client, id: &str) -> Result<Value, Failure> {
    let all = pending(client).await?;
    let noun = cx.say(&text::NOUN_APPROVAL, &[]);
    super::pick(cx, &all, id, &["/id"], &noun, "openclaw approvals list").cloned()
}

async fn list(cx: &Cx<'_>) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let all = pending(&client).await?;
    client.close().await;
    let mut table = Table::new(vec![
        Column::id("id"),
        Column::text("age", 4),
        Column::text("expires", 3),
        Column::text("agent", 2),
        Column::text("tool", 5),
        Column::text("wants", 6),
    ]);
    for item in &all {
        let age = peek::int(item, "/createdAtMs").map(|at| time::relative(at, (cx.now)(), cx.lang));
        let tool = peek::first_text(item, &["/request/toolName", "/approvalKind"]);
        let wants = peek::text(item, "/request/command");
        table.row([
            peek::text(item, "/id"),
            age.unwrap_or_default(),
            expires(cx, item),
            peek::text(item, "/request/agentId"),
            tool,
            wants.lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    let count = all.len();
    let report = Report::of(json!({ "approvals": all })).items(all);
    let noun = cx.say(&text::NOUN_APPROVALS, &[]);
    Ok(super::or_empty(cx, report, table, count, &noun))
}

/// A deadline a year away is none.
fn expires(cx: &Cx<'_>, item: &Value) -> String {
    const FAR_MS: i64 = 300 * 24 * 60 * 60 * 1000;
    match peek::int(item, "/expiresAtMs") {
        Some(at) if at - cx.now_ms() < FAR_MS => time::relative(at, (cx.now)(), cx.lang),
        Some(_) | None => "-".to_owned(),
    }
}

async fn show(cx: &Cx<'_>, id: &str) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let question = find(cx, &client, id).await?;
    client.close().await;
    let id = peek::text(&question, "/id");
    let report = Report::of(question.clone()).raw(literal(cx, &question));
    Ok(report.next(format!("openclaw approvals allow {id}")).next(format!("openclaw approvals deny {id}")))
}

/// Draws the question: who, why, and the literal in full with everything
/// invisible made visible.
fn literal(cx: &Cx<'_>, question: &Value) -> String {
    let (paint, width) = (cx.paint_err(), cx.width());
    let agent = peek::text(question, "/request/agentId");
    let tool = peek::first_text(question, &["/request/toolName", "/approvalKind"]);
    let wants = cx.say(&text::APPROVAL_WANTS, &[("agent", if agent.is_empty() { "agent" } else { &agent })]);
    let mut drawn = Line::new().tone(Tone::Waits, &tool).text("  ").text(wants).draw(paint, width) + "\n";
    let mut row = |label: &str, value: &str| {
        if !value.is_empty() {
            let line = Line::new().text("  ").column(label, 12).text(value);
            drawn.push_str(&(line.draw(paint, width) + "\n"));
        }
    };
    row(&cx.say(&text::APPROVAL_WHY, &[]), &peek::first_text(question, &["/request/ask", "/request/rule"]));
    row(&cx.say(&text::APPROVAL_FOLDER, &[]), &peek::text(question, "/request/cwd"));
    row(&cx.say(&text::APPROVAL_EXPIRES, &[]), &expires(cx, question));
    let command = visible(&peek::text(question, "/request/command"), Shape::Text);
    let count = command.lines().count().to_string();
    let heading = cx.say(&text::APPROVAL_LITERAL, &[("count", &count)]);
    drawn.push_str(&format!("--- {heading} ---\n{command}\n---\n"));
    drawn
}

async fn allow(cx: &Cx<'_>, id: &str, is_always: bool) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let question = find(cx, &client, id).await?;
    let id = peek::text(&question, "/id");
    // Neither --yes nor a pipe can allow: the person must have seen the literal.
    if !cx.can_ask() {
        return Err(Failure::new(Exit::Waits, "TERMINAL_NEEDED", cx.say(&text::APPROVAL_ONCE_TTY, &[]))
            .next(format!("openclaw approvals show {id}")));
    }
    cx.err(&literal(cx, &question));
    let copy = if is_always { &text::ALLOWED_ALWAYS } else { &text::ALLOWED_ONCE };
    let question = if is_always { &text::ALLOW_ALWAYS_ASK } else { &text::ALLOW_ONCE_ASK };
    let answer = cx.ask(&cx.say(question, &[]), "a terminal").await?;
    if !matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes" | "是") {
        return Err(Failure::new(Exit::Failed, "NOT_CONFIRMED", cx.say(&text::NOT_CONFIRMED, &[]))
            .next(format!("openclaw approvals deny {id}")));
    }
    let decision = if is_always { "allow-always" } else { "allow-once" };
    resolve(&client, &id, decision).await?;
    client.close().await;
    Ok(Report::of(json!({"id": id, "decision": decision})).line(Line::marked(Tone::Done, "ok", cx.say(copy, &[]))))
}

async fn deny(cx: &Cx<'_>, id: &str) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let question = find(cx, &client, id).await?;
    let id = peek::text(&question, "/id");
    resolve(&client, &id, "deny").await?;
    client.close().await;
    let line = Line::marked(Tone::Done, "ok", cx.say(&text::DENIED, &[]));
    Ok(Report::of(json!({"id": id, "decision": "deny"})).line(line))
}

async fn resolve(client: &Client, id: &str, decision: &str) -> Result<(), Failure> {
    client.call("exec.approval.resolve", json!({"id": id, "decision": decision})).await?;
    Ok(())
}

/// Asks about a question that came up during a run.
///
/// # Errors
/// Exit 7 when nobody can be asked: the run waits, nothing is decided.
pub(crate) async fn ask(cx: &Cx<'_>, client: &Client, question: &Value, is_embedded: bool) -> Result<(), Failure> {
    let id = peek::text(question, "/id");
    if !cx.can_ask() {
        let what = peek::text(question, "/request/command");
        let what = crate::out::table::cut_middle(&visible(&what, Shape::Cell), 60);
        let message = cx.say(&text::APPROVAL_WAITS, &[("id", &id), ("what", &what)]);
        let failure = Failure::new(Exit::Waits, "APPROVAL_WAITS", message).with_details(question.clone());
        // An embedded run ends with this process, so its question cannot be answered elsewhere.
        return Err(if is_embedded {
            failure.next("openclaw gateway run")
        } else {
            failure.next(format!("openclaw approvals show {id}"))
        });
    }
    let can_always = peek::list(question, "/request/allowedDecisions").iter().any(|one| one == "allow-always");
    let prompt = if can_always { &text::APPROVAL_ASK } else { &text::APPROVAL_ASK_ONCE };
    cx.err(&literal(cx, question));
    loop {
        let answer = cx.ask(&cx.say(prompt, &[]), "a terminal").await?;
        let decision = match answer.to_ascii_lowercase().as_str() {
            "o" | "once" => "allow-once",
            "a" | "always" if can_always => "allow-always",
            "d" | "deny" | "n" | "no" => "deny",
            // Silence is not an answer: neither yes nor no.
            _ => continue,
        };
        return match resolve(client, &id, decision).await {
            // Somebody else was faster; their answer stands.
            Err(failure) if failure.exit == Exit::NotFound => Ok(()),
            other => other,
        };
    }
}
