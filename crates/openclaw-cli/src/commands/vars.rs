//! `vars`: values that sessions, agents or everybody share.

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone};
use crate::{link, peek, text};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Variables of this conversation
    #[arg(long, global = true, value_name = "SESSION", conflicts_with = "agent")]
    session: Option<String>,
    /// Variables of this agent
    #[arg(long, global = true, value_name = "AGENT")]
    agent: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List variables
    List,
    /// Show one variable
    Get {
        /// Name
        name: String,
    },
    /// Set a variable to a JSON value or to text
    Set {
        /// Name
        name: String,
        /// JSON, or text; `-` reads it from standard input
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a variable
    Unset {
        /// Name
        name: String,
    },
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let scope = match (&arguments.session, &arguments.agent) {
        (Some(key), _) => json!({"scope": "session", "sessionKey": super::agent::full_key("main", key)}),
        (None, Some(agent)) => json!({"scope": "agent", "agentId": agent}),
        (None, None) => json!({"scope": "global"}),
    };
    let report = match arguments.verb.unwrap_or(Verb::List) {
        Verb::List => list(cx, &client, scope).await,
        Verb::Get { name } => get(cx, &client, scope, &name).await,
        Verb::Set { name, value } => {
            let text = if value == "-" { read(cx).await? } else { value };
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            set(cx, &client, scope, &name, value).await
        }
        Verb::Unset { name } => set(cx, &client, scope, &name, Value::Null).await,
    };
    client.close().await;
    report
}

async fn read(cx: &Cx<'_>) -> Result<String, Failure> {
    let text = cx.io.read_all().await;
    text.map(|text| text.trim_end().to_owned())
        .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")).next("openclaw vars --help"))
}

async fn list(cx: &Cx<'_>, client: &Client, scope: Value) -> Result<Report, Failure> {
    let answer = client.call("vars.list", scope).await?;
    let mut table = Table::new(vec![Column::id("name"), Column::text("value", 1)]);
    let rows: Vec<(String, Value)> = match ["/vars", "/variables"].iter().find_map(|at| answer.pointer(at)) {
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| (peek::text(item, "/name"), item["value"].clone())).collect()
        }
        Some(_) | None => Vec::new(),
    };
    for (name, value) in &rows {
        table.row([name.clone(), shown(value)]);
    }
    let noun = cx.say(&text::NOUN_VARIABLES, &[]);
    // Gateways answer a map or a list; programs get one form.
    let vars: Vec<Value> = rows.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let report = Report::of(json!({ "vars": vars })).items(vars);
    Ok(super::or_empty(cx, report, table, rows.len(), &noun))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn with(mut scope: Value, name: &str) -> Value {
    scope["name"] = name.into();
    scope
}

async fn get(cx: &Cx<'_>, client: &Client, scope: Value, name: &str) -> Result<Report, Failure> {
    let answer = client.call("vars.get", with(scope, name)).await?;
    match answer.get("value") {
        Some(value) if !value.is_null() => Ok(Report::of(answer.clone()).raw(shown(value) + "\n")),
        Some(_) | None => {
            let noun = cx.say(&text::NOUN_VARIABLE, &[]);
            let message = cx.say(&text::NO_SUCH, &[("what", &noun), ("name", name)]);
            Err(Failure::new(Exit::NotFound, "NOT_FOUND", message).next("openclaw vars list"))
        }
    }
}

async fn set(cx: &Cx<'_>, client: &Client, scope: Value, name: &str, value: Value) -> Result<Report, Failure> {
    let copy = if value.is_null() { &text::VARIABLE_REMOVED } else { &text::VARIABLE_SET };
    let mut params = with(scope, name);
    params["value"] = value;
    let answer = client.call("vars.set", params).await?;
    Ok(Report::of(answer).line(Line::marked(Tone::Done, "ok", cx.say(copy, &[("name", name)]))))
}
