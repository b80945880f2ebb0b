//! `sessions`: the conversations, what was said, and their ends.

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, number, time};
use crate::text::Copy;
use crate::{link, peek, text};

/// Most conversations looked through for a short name.
const LOOKED_AT: u32 = 1000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List conversations, the latest first
    List {
        /// Only of this agent
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// Only archived ones
        #[arg(long)]
        archived: bool,
        /// Most to list
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show one conversation and its last messages
    Show {
        /// Key, id, label or the beginning of one
        #[arg(value_name = "SESSION")]
        session: String,
        /// Messages to show
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Find conversations by words
    Search {
        /// Words in the label, key or messages
        words: String,
    },
    /// Start a conversation over; the old one is kept under its id
    Reset {
        /// Key, id, label or the beginning of one
        #[arg(value_name = "SESSION")]
        session: String,
    },
    /// Put a conversation away
    Archive {
        /// Key, id, label or the beginning of one
        #[arg(value_name = "SESSION")]
        session: String,
    },
    /// Remove a conversation and its transcript
    Rm {
        /// Key, id, label or the beginning of one
        #[arg(value_name = "SESSION")]
        session: String,
    },
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let verb = arguments.verb.unwrap_or(Verb::List { agent: None, archived: false, limit: 50 });
    let report = perform(cx, &client, verb).await;
    client.close().await;
    report
}

async fn perform(cx: &Cx<'_>, client: &Client, verb: Verb) -> Result<Report, Failure> {
    match verb {
        Verb::List { agent, archived, limit } => {
            let mut params = json!({"limit": limit, "includeDerivedTitles": true});
            if let Some(agent) = agent {
                params["agentId"] = agent.into();
            }
            if archived {
                params["archived"] = true.into();
            }
            list(cx, client, params).await
        }
        Verb::Search { words } => list(cx, client, json!({"search": words, "limit": 100})).await,
        Verb::Show { session, limit } => show(cx, client, &session, limit).await,
        Verb::Reset { session } => {
            let key = find(cx, client, &session).await?;
            cx.confirm(&cx.say(&text::SESSION_RESET_ASK, &[("key", &key)])).await?;
            change(cx, client, "sessions.reset", json!({"key": key}), &text::SESSION_RESET).await
        }
        Verb::Archive { session } => {
            let key = find(cx, client, &session).await?;
            let params = json!({"key": key, "archived": true});
            change(cx, client, "sessions.patch", params, &text::SESSION_ARCHIVED).await
        }
        Verb::Rm { session } => {
            let key = find(cx, client, &session).await?;
            cx.confirm(&cx.say(&text::SESSION_REMOVE_ASK, &[("key", &key)])).await?;
            let params = json!({"key": key, "deleteTranscript": true});
            change(cx, client, "sessions.delete", params, &text::SESSION_REMOVED).await
        }
    }
}

async fn change(cx: &Cx<'_>, client: &Client, method: &str, params: Value, copy: &Copy) -> Result<Report, Failure> {
    let key = peek::text(&params, "/key");
    let answer = client.call(method, params).await?;
    Ok(Report::of(answer).line(Line::marked(Tone::Done, "ok", cx.say(copy, &[("key", &key)]))))
}

async fn list(cx: &Cx<'_>, client: &Client, params: Value) -> Result<Report, Failure> {
    let (answer, questions) = tokio::join!(client.call("sessions.list", params), super::approvals::questions(client));
    let answer = answer?;
    let unsure: Vec<String> = questions.iter().map(|asking| asking.belongs_to().0).collect();
    let rows = peek::list(&answer, "/sessions");
    let mut table = Table::new(vec![
        Column::id("session"),
        Column::text("title", 2),
        Column::text("state", 5),
        Column::text("age", 6),
        Column::text("model", 1),
        Column::number("tokens", 4),
        Column::number("cost", 3),
    ]);
    for row in rows {
        let is_running = peek::is(row, "/hasActiveRun");
        let needs_attention = row["status"] == "attention" || unsure.iter().any(|key| row["key"] == key.as_str());
        let state = match (is_running, peek::is(row, "/archived")) {
            _ if needs_attention => (Tone::Waits, cx.say(&text::ATTENTION, &[])),
            (true, _) => (Tone::Running, "running".to_owned()),
            (false, true) => (Tone::Dim, "archived".to_owned()),
            (false, false) => (Tone::Plain, String::new()),
        };
        let age = peek::int(row, "/updatedAt").map(|at| time::relative(at, (cx.now)(), cx.lang));
        let cost = peek::float(row, "/estimatedCostUsd").map(|cost| format!("${cost:.3}"));
        table.row([
            (Tone::Plain, peek::text(row, "/key")),
            (Tone::Plain, peek::first_text(row, &["/label", "/derivedTitle", "/displayName"])),
            state,
            (Tone::Plain, age.unwrap_or_default()),
            (Tone::Plain, peek::text(row, "/model")),
            (Tone::Plain, peek::int(row, "/totalTokens").map(number::thousands).unwrap_or_default()),
            (Tone::Plain, cost.unwrap_or_default()),
        ]);
    }
    let noun = cx.say(&text::NOUN_SESSIONS, &[]);
    Ok(super::or_empty(cx, Report::of(answer.clone()).items(rows.to_vec()), table, rows.len(), &noun))
}

/// Finds the key a short name stands for, among archived conversations too.
async fn find(cx: &Cx<'_>, client: &Client, name: &str) -> Result<String, Failure> {
    let full = super::agent::full_key("main", name);
    let mut rows = Vec::new();
    for archived in [false, true] {
        let answer = client.call("sessions.list", json!({"limit": LOOKED_AT, "archived": archived})).await?;
        rows.extend(peek::list(&answer, "/sessions").iter().cloned());
        if rows.iter().any(|row| row["key"] == full.as_str()) {
            return Ok(full);
        }
    }
    let ending = format!(":{name}");
    let ends = |row: &&Value| row["key"].as_str().is_some_and(|key| key.ends_with(&ending));
    if let [only] = rows.iter().filter(ends).collect::<Vec<_>>().as_slice() {
        return Ok(peek::text(only, "/key"));
    }
    let noun = cx.say(&text::NOUN_SESSION, &[]);
    // Both lists may name one conversation.
    rows.dedup_by(|one, other| one["key"] == other["key"]);
    let row = super::pick(cx, &rows, name, &["/key", "/sessionId", "/label"], &noun, "openclaw sessions list")?;
    Ok(peek::text(row, "/key"))
}

async fn show(cx: &Cx<'_>, client: &Client, name: &str, limit: u32) -> Result<Report, Failure> {
    let key = find(cx, client, name).await?;
    let described = client.call("sessions.describe", json!({"key": key})).await?;
    let history = client.call("chat.history", json!({"sessionKey": key, "limit": limit})).await?;
    let session = described.get("session").cloned().unwrap_or(Value::Null);
    let messages = peek::list(&history, "/messages").to_vec();
    let total = peek::int(&history, "/totalMessages").unwrap_or(0);
    let drawn: String = messages.iter().map(|message| super::lists::transcript_entry(cx, message)).collect();
    let head = Line::new().tone(Tone::Strong, &key).text(format!("  {}", peek::text(&session, "/sessionId")));
    let tokens = peek::int(&session, "/totalTokens").map(number::thousands).unwrap_or_default();
    let counts = cx.say(&text::MESSAGES_AND_TOKENS, &[("count", &messages.len().to_string()), ("tokens", &tokens)]);
    Ok(Report::of(json!({"session": session, "messages": messages, "total": total}))
        .items(messages)
        .line(head)
        .line(Line::new().tone(Tone::Dim, counts))
        .raw(drawn))
}
