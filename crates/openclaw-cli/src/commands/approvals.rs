//! `approvals`: what agents ask a person: whether a call is allowed, and whether a call
//! that was cut off happened. The literal thing that would run is always shown in full
//! before it can be allowed; no flag allows by itself.

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::ask::{self, Asking, Kind};
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::visible::{Shape, visible};
use crate::out::{Column, Line, Report, Table, Tone, time};
use crate::tui::ARMS_AFTER;
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
    /// Say whether a call that was cut off happened
    Answer {
        /// Id of the question, or its beginning
        #[arg(value_name = "QUESTION")]
        id: String,
        /// One of its answers, for example `happened`
        #[arg(value_name = "ANSWER")]
        answer: String,
    },
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    match arguments.verb.unwrap_or(Verb::List) {
        Verb::List => list(cx).await,
        Verb::Show { id } => show(cx, &id).await,
        Verb::Allow { id, always } => allow(cx, &id, always).await,
        Verb::Deny { id } => deny(cx, &id).await,
        Verb::Answer { id, answer } => settle(cx, &id, &answer).await,
    }
}

async fn pending(client: &Client) -> Result<Vec<Asking>, Failure> {
    let approvals = client.call(ask::APPROVALS, json!({})).await?;
    let listed = approvals.as_array().map_or_else(|| peek::list(&approvals, "/approvals"), Vec::as_slice);
    let mut all: Vec<Asking> = listed.iter().map(|item| Asking::of(Kind::Approval, item)).collect();
    all.extend(questions(client).await);
    Ok(all)
}

/// Lists open questions about outcomes; a gateway that knows none of them has none.
pub(crate) async fn questions(client: &Client) -> Vec<Asking> {
    if !client.offers(ask::QUESTIONS) {
        return Vec::new();
    }
    let answer = client.call(ask::QUESTIONS, json!({})).await.unwrap_or_default();
    peek::list(&answer, "/questions").iter().map(|item| Asking::of(Kind::Outcome, item)).collect()
}

async fn find(cx: &Cx<'_>, client: &Client, id: &str) -> Result<Asking, Failure> {
    let all = pending(client).await?;
    let payloads: Vec<Value> = all.iter().map(|asking| asking.payload.clone()).collect();
    let noun = cx.say(&text::NOUN_APPROVAL, &[]);
    let found = super::pick(cx, &payloads, id, &["/id"], &noun, "openclaw approvals list")?;
    let id = peek::text(found, "/id");
    let asking = all.into_iter().find(|asking| asking.id == id);
    asking.ok_or_else(|| Failure::new(Exit::NotFound, "NOT_FOUND", noun).next("openclaw approvals list"))
}

/// Finds what may be allowed or denied: a question about an outcome has other answers.
async fn find_approval(cx: &Cx<'_>, client: &Client, id: &str) -> Result<Asking, Failure> {
    let asking = find(cx, client, id).await?;
    if asking.kind == Kind::Outcome {
        return Err(Failure::usage(cx.say(&text::NOT_AN_APPROVAL, &[("id", &asking.id)])).next(answer_line(&asking)));
    }
    Ok(asking)
}

/// Returns the command that answers a question.
fn answer_line(asking: &Asking) -> String {
    let first = asking.choices().into_iter().next().map(|choice| choice.label).unwrap_or_default();
    format!("openclaw approvals answer {} \"{first}\"", asking.id)
}

async fn list(cx: &Cx<'_>) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let all = pending(&client).await?;
    client.close().await;
    let mut table = Table::new(vec![
        Column::id("id"),
        Column::text("kind", 4),
        Column::text("age", 4),
        Column::text("expires", 3),
        Column::text("agent", 2),
        Column::text("tool", 5),
        Column::text("wants", 6),
    ]);
    for asking in &all {
        let age = peek::int(&asking.payload, "/createdAtMs").map(|at| time::relative(at, (cx.now)(), cx.lang));
        table.row([
            asking.id.clone(),
            asking.kind.name().to_owned(),
            age.unwrap_or_default(),
            expires(cx, asking),
            asking.agent(),
            asking.tool(),
            asking.literal().lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    let count = all.len();
    let of = |kind| -> Vec<Value> {
        all.iter().filter(|asking| asking.kind == kind).map(|asking| asking.payload.clone()).collect()
    };
    let report = Report::of(json!({ "approvals": of(Kind::Approval), "questions": of(Kind::Outcome) }));
    let report = report.items(all.iter().map(|asking| asking.payload.clone()).collect());
    let noun = cx.say(&text::NOUN_APPROVALS, &[]);
    Ok(super::or_empty(cx, report, table, count, &noun))
}

/// A deadline a year away is none; a question about an outcome stays open until it is answered.
fn expires(cx: &Cx<'_>, asking: &Asking) -> String {
    const FAR_MS: i64 = 300 * 24 * 60 * 60 * 1000;
    match peek::int(&asking.payload, "/expiresAtMs") {
        Some(at) if asking.kind == Kind::Approval && at - cx.now_ms() < FAR_MS => {
            time::relative(at, (cx.now)(), cx.lang)
        }
        Some(_) | None => "-".to_owned(),
    }
}

async fn show(cx: &Cx<'_>, id: &str) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let asking = find(cx, &client, id).await?;
    client.close().await;
    let report = Report::of(asking.payload.clone()).raw(literal(cx, &asking));
    Ok(match asking.kind {
        Kind::Approval => report
            .next(format!("openclaw approvals allow {}", asking.id))
            .next(format!("openclaw approvals deny {}", asking.id)),
        Kind::Outcome => report.next(answer_line(&asking)),
    })
}

/// Draws the question: who, why, and the literal in full with everything
/// invisible made visible.
fn literal(cx: &Cx<'_>, asking: &Asking) -> String {
    let (paint, width) = (cx.paint_err(), cx.width());
    let (agent, question) = (asking.agent(), &asking.payload);
    let (wants, heading) = match asking.kind {
        Kind::Approval => (&text::APPROVAL_WANTS, &text::APPROVAL_LITERAL),
        Kind::Outcome => (&text::OUTCOME_ASKED, &text::OUTCOME_LITERAL),
    };
    let wants = cx.say(wants, &[("agent", if agent.is_empty() { "agent" } else { &agent })]);
    let mut drawn = Line::new().tone(Tone::Waits, asking.tool()).text("  ").text(wants).draw(paint, width) + "\n";
    let mut row = |label: &str, value: &str| {
        if !value.is_empty() {
            let line = Line::new().text("  ").column(label, 12).text(value);
            drawn.push_str(&(line.draw(paint, width) + "\n"));
        }
    };
    row(&cx.say(&text::APPROVAL_WHY, &[]), &peek::first_text(question, &["/request/ask", "/request/rule"]));
    row(&cx.say(&text::APPROVAL_FOLDER, &[]), &peek::text(question, "/request/cwd"));
    row(&cx.say(&text::APPROVAL_EXPIRES, &[]), &expires(cx, asking));
    let command = visible(&asking.literal(), Shape::Text);
    let count = command.lines().count().to_string();
    let heading = cx.say(heading, &[("count", &count)]);
    drawn.push_str(&format!("--- {heading} ---\n{command}\n---\n"));
    for choice in asking.choices() {
        let line = Line::new().text("  ").column(&choice.label, 14).tone(Tone::Dim, &choice.meaning);
        drawn.push_str(&(line.draw(paint, width) + "\n"));
    }
    drawn
}

async fn allow(cx: &Cx<'_>, id: &str, is_always: bool) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let asking = find_approval(cx, &client, id).await?;
    let id = asking.id.clone();
    // Neither --yes nor a pipe can allow: the person must have seen the literal.
    if !cx.can_ask() {
        return Err(Failure::new(Exit::Waits, "TERMINAL_NEEDED", cx.say(&text::APPROVAL_ONCE_TTY, &[]))
            .next(format!("openclaw approvals show {id}")));
    }
    cx.err(&literal(cx, &asking));
    let copy = if is_always { &text::ALLOWED_ALWAYS } else { &text::ALLOWED_ONCE };
    let question = if is_always { &text::ALLOW_ALWAYS_ASK } else { &text::ALLOW_ONCE_ASK };
    let answer = cx.ask(&cx.say(question, &[]), "a terminal").await?;
    if !matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes" | "是") {
        return Err(Failure::new(Exit::Failed, "NOT_CONFIRMED", cx.say(&text::NOT_CONFIRMED, &[]))
            .next(format!("openclaw approvals deny {id}")));
    }
    let decision = if is_always { "allow-always" } else { "allow-once" };
    resolve(&client, &asking, decision).await?;
    client.close().await;
    Ok(Report::of(json!({"id": id, "decision": decision})).line(Line::marked(Tone::Done, "ok", cx.say(copy, &[]))))
}

async fn deny(cx: &Cx<'_>, id: &str) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let asking = find_approval(cx, &client, id).await?;
    resolve(&client, &asking, "deny").await?;
    client.close().await;
    let line = Line::marked(Tone::Done, "ok", cx.say(&text::DENIED, &[]));
    Ok(Report::of(json!({"id": asking.id, "decision": "deny"})).line(line))
}

/// Answers a question about an outcome.
async fn settle(cx: &Cx<'_>, id: &str, given: &str) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let asking = find(cx, &client, id).await?;
    let label = asking.chosen(given).filter(|_| asking.kind == Kind::Outcome).ok_or_else(|| {
        let all: Vec<String> = asking.choices().into_iter().map(|choice| choice.label).collect();
        let failure = Failure::usage(cx.say(&text::OUTCOME_OPTIONS, &[("given", given), ("all", &all.join(", "))]));
        failure.next(format!("openclaw approvals show {}", asking.id))
    })?;
    resolve(&client, &asking, &label).await?;
    client.close().await;
    let line = Line::marked(Tone::Done, "ok", cx.say(&text::OUTCOME_ANSWERED, &[("answer", &label)]));
    Ok(Report::of(json!({"id": asking.id, "answer": label})).line(line))
}

async fn resolve(client: &Client, asking: &Asking, answer: &str) -> Result<(), Failure> {
    let (method, params) = asking.reply(answer);
    client.call(method, params).await?;
    Ok(())
}

/// Gives an answer; when somebody else was faster, theirs stands.
pub(crate) async fn give(client: &Client, asking: &Asking, answer: &str) -> Result<(), Failure> {
    match resolve(client, asking, answer).await {
        Err(failure) if failure.exit == Exit::NotFound => Ok(()),
        other => other,
    }
}

/// Asks about a question that came up during a run; returns the answer. Nothing is
/// decided when this is dropped.
///
/// # Errors
/// Exit 7 when nobody can be asked: the run waits.
pub(crate) async fn ask(cx: &Cx<'_>, asking: &Asking, is_embedded: bool) -> Result<String, Failure> {
    if !cx.can_ask() {
        return Err(unasked(cx, asking, is_embedded));
    }
    cx.err(&literal(cx, asking));
    cx.io.forget_typed(ARMS_AFTER).await;
    let choices = asking.choices();
    let prompt = match asking.kind {
        Kind::Approval if asking.can_always() => cx.say(&text::APPROVAL_ASK, &[]),
        Kind::Approval => cx.say(&text::APPROVAL_ASK_ONCE, &[]),
        Kind::Outcome => {
            let keys: Vec<String> = choices.iter().map(|choice| format!("[{}] {}", choice.key, choice.label)).collect();
            cx.say(&text::OUTCOME_PROMPT, &[("choices", &visible(&keys.join(", "), Shape::Cell))])
        }
    };
    loop {
        let answer = cx.ask(&prompt, "a terminal").await?;
        let decision = match (asking.kind, answer.to_ascii_lowercase().as_str()) {
            (Kind::Approval, "o" | "once") => Some("allow-once".to_owned()),
            (Kind::Approval, "a" | "always") if asking.can_always() => Some("allow-always".to_owned()),
            (Kind::Approval, "d" | "deny" | "n" | "no") => Some("deny".to_owned()),
            // Silence is not an answer: neither yes nor no.
            (Kind::Approval, _) => None,
            (Kind::Outcome, given) => asking.chosen(given),
        };
        if let Some(decision) = decision {
            return Ok(decision);
        }
    }
}

/// Says that a question waits for somebody else.
fn unasked(cx: &Cx<'_>, asking: &Asking, is_embedded: bool) -> Failure {
    let what = crate::out::table::cut_middle(&visible(&asking.literal(), Shape::Cell), 60);
    let copy = match asking.kind {
        Kind::Approval => &text::APPROVAL_WAITS,
        Kind::Outcome => &text::OUTCOME_WAITS,
    };
    let message = cx.say(copy, &[("id", &asking.id), ("what", &what)]);
    // An embedded run ends with this process, so its question cannot be answered elsewhere.
    let next = match is_embedded {
        true => "openclaw gateway run".to_owned(),
        false => format!("openclaw approvals show {}", asking.id),
    };
    let failure = match asking.kind {
        Kind::Approval => Failure::new(Exit::Waits, "APPROVAL_WAITS", message).next(next),
        Kind::Outcome => Failure::new(Exit::Waits, "QUESTION_WAITS", message).next(next),
    };
    failure.with_details(asking.payload.clone())
}
