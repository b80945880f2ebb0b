//! `devices`: which devices may connect, and which wait to be admitted.

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, time};
use crate::{link, peek, text};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List devices
    List,
    /// Admit a waiting device
    Approve {
        /// Id of the request or device, or its beginning
        #[arg(value_name = "DEVICE")]
        id: String,
    },
    /// Remove a device; its token stops working
    #[command(visible_alias = "rm")]
    Revoke {
        /// Id of the device, or its beginning
        #[arg(value_name = "DEVICE")]
        id: String,
    },
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let report = match arguments.verb.unwrap_or(Verb::List) {
        Verb::List => list(cx, &client).await,
        Verb::Approve { id } => approve(cx, &client, &id).await,
        Verb::Revoke { id } => revoke(cx, &client, &id).await,
    };
    client.close().await;
    report
}

async fn list(cx: &Cx<'_>, client: &Client) -> Result<Report, Failure> {
    let answer = client.call("device.pair.list", json!({})).await?;
    let mut table = Table::new(vec![
        Column::id("id"),
        Column::text("state", 6),
        Column::text("client", 5),
        Column::text("platform", 2),
        Column::text("scopes", 1),
        Column::text("seen", 3),
    ]);
    let mut row = |item: &Value, id: &str, state: (Tone, String), seen: &str| {
        let scopes = peek::list(item, "/scopes").iter().filter_map(Value::as_str);
        let scopes = scopes.map(|scope| scope.trim_start_matches("operator.")).collect::<Vec<_>>().join(",");
        let seen = peek::int(item, seen).map(|at| time::relative(at, (cx.now)(), cx.lang));
        // The first 12 characters of a device's hash are unique enough to type.
        let id: String = peek::text(item, id).chars().take(12).collect();
        table.row([
            (Tone::Plain, id),
            state,
            (Tone::Plain, peek::first_text(item, &["/displayName", "/clientId"])),
            (Tone::Plain, peek::text(item, "/platform")),
            (Tone::Plain, scopes),
            (Tone::Plain, seen.unwrap_or_default()),
        ]);
    };
    let (pending, paired) = (peek::list(&answer, "/pending"), peek::list(&answer, "/paired"));
    for item in pending {
        row(item, "/requestId", (Tone::Waits, cx.say(&text::DEVICE_WAITS, &[])), "/ts");
    }
    for item in paired {
        row(item, "/deviceId", (Tone::Done, cx.say(&text::DEVICE_PAIRED, &[])), "/lastSeenAtMs");
    }
    let count = pending.len() + paired.len();
    let noun = cx.say(&text::NOUN_DEVICES, &[]);
    Ok(super::or_empty(cx, Report::of(answer.clone()), table, count, &noun))
}

async fn approve(cx: &Cx<'_>, client: &Client, id: &str) -> Result<Report, Failure> {
    let answer = client.call("device.pair.list", json!({})).await?;
    let noun = cx.say(&text::NOUN_DEVICE, &[]);
    let pending = peek::list(&answer, "/pending");
    let found = super::pick(cx, pending, id, &["/requestId", "/deviceId"], &noun, "openclaw devices list")?;
    let request = peek::text(found, "/requestId");
    let done = client.call("device.pair.approve", json!({"requestId": request})).await?;
    Ok(Report::of(done).line(Line::marked(Tone::Done, "ok", cx.say(&text::DEVICE_APPROVED, &[("id", &request)]))))
}

async fn revoke(cx: &Cx<'_>, client: &Client, id: &str) -> Result<Report, Failure> {
    let answer = client.call("device.pair.list", json!({})).await?;
    let noun = cx.say(&text::NOUN_DEVICE, &[]);
    let paired = peek::list(&answer, "/paired");
    let found = super::pick(cx, paired, id, &["/deviceId"], &noun, "openclaw devices list")?;
    let device = peek::text(found, "/deviceId");
    cx.confirm(&cx.say(&text::DEVICE_REVOKE_ASK, &[("id", &device)])).await?;
    let done = client.call("device.pair.remove", json!({"deviceId": device})).await?;
    Ok(Report::of(done).line(Line::marked(Tone::Done, "ok", cx.say(&text::DEVICE_REVOKED, &[("id", &device)]))))
}
