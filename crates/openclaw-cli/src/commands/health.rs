//! `health`: the gateway's own report, for people and probes.

use clap::Args;
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Line, Report, Tone, time};
use crate::{link, peek, text};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Measure anew instead of taking a report up to a second old
    #[arg(long)]
    probe: bool,
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let params = if arguments.probe { json!({"probe": true}) } else { json!({}) };
    let health = client.call("health", params).await?;
    client.close().await;
    if !peek::is(&health, "/ok") {
        return Err(Failure::new(Exit::Problems, "UNHEALTHY", cx.say(&text::UNHEALTHY, &[]))
            .with_details(health)
            .next("openclaw doctor"));
    }
    let row = |label: &str, value: String| Line::new().column(label, 10).text(value);
    let mut report = Report::of(health.clone()).line(Line::marked(Tone::Done, "ok", cx.say(&text::HEALTHY, &[])));
    for agent in peek::list(&health, "/agents") {
        let count = peek::int(agent, "/sessions/count").unwrap_or(0);
        let latest = peek::int(agent, "/sessions/recent/0/updatedAt")
            .map(|at| format!(", {}", time::relative(at, (cx.now)(), cx.lang)))
            .unwrap_or_default();
        let name = peek::text(agent, "/agentId");
        let count = match count {
            1 => cx.say(&text::SESSIONS_ONE, &[]),
            count => cx.say(&text::SESSIONS_COUNT, &[("count", &count.to_string())]),
        };
        report = report.line(row("agent", format!("{name}  {count}{latest}")));
    }
    let channels = health.get("channels").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if channels > 0 {
        report = report.line(row("channels", channels.to_string()));
    }
    for error in peek::list(&health, "/plugins/errors") {
        report.warnings.push(peek::first_text(error, &["/message", ""]));
    }
    Ok(report)
}
