//! Commands that only list what one method answers: one row of a table each.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::visible::{Shape, visible};
use crate::out::{Column, Report, Table, time};
use crate::{link, peek};

#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List all
    #[command(visible_alias = "status")]
    List,
}

#[derive(Debug, Args)]
pub(crate) struct MessageArguments {
    #[command(subcommand)]
    verb: MessageVerb,
}

#[derive(Debug, Subcommand)]
enum MessageVerb {
    /// List the last messages of a conversation
    #[command(visible_alias = "read")]
    List {
        /// Key of the conversation
        #[arg(value_name = "SESSION", default_value = "main")]
        session: String,
        /// How many
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

/// How a cell is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Text, a number or a switch.
    Text,
    /// A moment, shown from now.
    Moment,
    /// A list of texts.
    Texts,
}

/// A cell: title, places to look, kind, rank for fitting (255 is an id).
type Cell = (&'static str, &'static [&'static str], Kind, u8);

/// A list: which method, where its items are, what each shows.
pub(crate) struct List {
    noun: &'static str,
    method: &'static str,
    params: fn() -> Value,
    /// Where the items are; an object there lists its values under their keys.
    items: &'static str,
    cells: &'static [Cell],
}

const ID: u8 = u8::MAX;

pub(crate) const AGENTS: List = List {
    noun: "agents",
    method: "agents.list",
    params: || json!({}),
    items: "/agents",
    cells: &[
        ("agent", &["/id"], Kind::Text, ID),
        ("name", &["/name"], Kind::Text, 3),
        ("model", &["/model/primary"], Kind::Text, 4),
        ("workspace", &["/workspace"], Kind::Text, 1),
    ],
};

pub(crate) const CRON: List = List {
    noun: "jobs",
    method: "cron.list",
    params: || json!({"includeDisabled": true}),
    items: "/jobs",
    cells: &[
        ("id", &["/id"], Kind::Text, ID),
        ("job", &["/name"], Kind::Text, 5),
        ("when", &["/schedule/expr", "/schedule/every", "/schedule/at", "/schedule/kind"], Kind::Text, 4),
        ("next", &["/state/nextRunAtMs"], Kind::Moment, 3),
        ("last", &["/state/lastStatus"], Kind::Text, 2),
        ("on", &["/enabled"], Kind::Text, 1),
    ],
};

pub(crate) const SKILLS: List = List {
    noun: "skills",
    method: "skills.status",
    params: || json!({}),
    items: "/skills",
    cells: &[
        ("skill", &["/name"], Kind::Text, ID),
        ("ready", &["/eligible"], Kind::Text, 4),
        ("source", &["/source"], Kind::Text, 2),
        ("about", &["/description"], Kind::Text, 1),
    ],
};

pub(crate) const CHANNELS: List = List {
    noun: "channels",
    method: "channels.status",
    params: || json!({"probe": false}),
    items: "/channels",
    cells: &[
        ("channel", &["/key", "/id"], Kind::Text, ID),
        ("configured", &["/configured"], Kind::Text, 3),
        ("running", &["/running", "/connected"], Kind::Text, 4),
        ("last", &["/lastInboundAt", "/lastStartAt"], Kind::Moment, 2),
        ("error", &["/lastError"], Kind::Text, 1),
    ],
};

pub(crate) const NODES: List = List {
    noun: "nodes",
    method: "node.list",
    params: || json!({}),
    items: "/nodes",
    cells: &[
        ("node", &["/nodeId", "/id"], Kind::Text, ID),
        ("name", &["/displayName"], Kind::Text, 4),
        ("platform", &["/platform"], Kind::Text, 2),
        ("connected", &["/connected"], Kind::Text, 3),
        ("offers", &["/commands"], Kind::Texts, 1),
    ],
};

/// Runs a list.
pub(crate) async fn run(cx: &Cx<'_>, list: &List) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let answer = client.call(list.method, (list.params)()).await?;
    client.close().await;
    let items = items(&answer, list.items);
    let column = |(title, _, _, rank): &Cell| if *rank == ID { Column::id(title) } else { Column::text(title, *rank) };
    let mut table = Table::new(list.cells.iter().map(column).collect());
    for item in &items {
        table.row(list.cells.iter().map(|(_, pointers, kind, _)| cell(cx, item, pointers, *kind)));
    }
    let count = items.len();
    Ok(super::or_empty(cx, Report::of(answer).items(items), table, count, list.noun))
}

fn items(answer: &Value, pointer: &str) -> Vec<Value> {
    match answer.pointer(pointer) {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::Object(map)) => {
            let with_key = |(key, value): (&String, &Value)| {
                let mut item = value.clone();
                if let Some(map) = item.as_object_mut() {
                    map.insert("key".to_owned(), key.as_str().into());
                }
                item
            };
            map.iter().map(with_key).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

fn cell(cx: &Cx<'_>, item: &Value, pointers: &[&str], kind: Kind) -> String {
    match kind {
        Kind::Text => peek::first_text(item, pointers),
        Kind::Moment => {
            let at = peek::first_int(item, pointers);
            at.map(|at| time::relative(at, (cx.now)(), cx.lang)).unwrap_or_default()
        }
        Kind::Texts => {
            let texts = pointers.iter().flat_map(|pointer| peek::list(item, pointer)).filter_map(Value::as_str);
            texts.collect::<Vec<_>>().join(",")
        }
    }
}

/// Lists messages of a conversation.
pub(crate) async fn messages(cx: &Cx<'_>, arguments: MessageArguments) -> Result<Report, Failure> {
    let MessageVerb::List { session, limit } = arguments.verb;
    let client = link::connect(cx).await?;
    let key = super::agent::full_key("main", &session);
    let answer = client.call("chat.history", json!({"sessionKey": key, "limit": limit})).await?;
    client.close().await;
    let messages = peek::list(&answer, "/messages").to_vec();
    let drawn: String = messages.iter().map(|message| transcript_entry(cx, message)).collect();
    Ok(Report::of(json!({"sessionKey": key, "messages": messages})).items(messages).raw(drawn))
}

/// Draws one entry of a transcript: who and when, then the text.
pub(crate) fn transcript_entry(cx: &Cx<'_>, message: &Value) -> String {
    let role = peek::text(message, "/role");
    let at = peek::int(message, "/timestamp").map(|at| time::moment(at, cx.flags.utc)).unwrap_or_default();
    let head = cx.paint().paint(crate::out::Tone::Dim, format!("{role}  {at}").trim_end());
    let mut body = visible(&peek::message_text(message), Shape::Text);
    for call in peek::list(message, "/content").iter().filter(|part| part["type"] == "toolCall") {
        let line = format!("- {}  {}", peek::text(call, "/name"), crate::run::summary(&call["arguments"]));
        let gap = if body.is_empty() { "" } else { "\n" };
        body.push_str(&format!("{gap}{}", visible(&line, Shape::Cell)));
    }
    if body.is_empty() { format!("{head}\n") } else { format!("{head}\n{body}\n\n") }
}
