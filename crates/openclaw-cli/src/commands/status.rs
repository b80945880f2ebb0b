//! `status`: is it working? The first line answers; after it only what is not as
//! usual. Answers within 100 ms whether the gateway is up or down.

use clap::Args;
use openclaw_client::Client;
use serde_json::{Value, json};

use crate::ask::{self, Asking};
use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, number, time};
use crate::{link, peek, text};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show each agent and what it does now, and the instances of thread-bound ones
    #[arg(long)]
    agents: bool,
    /// Also measure health anew and check this installation
    #[arg(long)]
    deep: bool,
}

/// What the gateway said, all asked at once.
struct Facts {
    status: Value,
    health: Value,
    models: Value,
    agents: Value,
    approvals: Value,
    /// Open questions about outcomes: their runs need attention.
    questions: Vec<Asking>,
    sessions: Value,
    /// Instances of thread-bound agents.
    instances: Value,
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let facts = gather(&client, arguments.deep).await?;
    let endpoint = client.endpoint().to_string();
    let address = cx.address(client.endpoint());
    let uptime = client.hello().snapshot.uptime_ms;
    let version = peek::text(&client.hello().server, "/version");
    client.close().await;
    let data = json!({
        "endpoint": endpoint, "version": version, "uptimeMs": uptime, "status": facts.status,
        "health": facts.health, "approvals": facts.approvals, "agents": facts.agents,
        "instances": peek::list(&facts.instances, "/instances"),
        "questions": facts.questions.iter().map(|asking| &asking.payload).collect::<Vec<_>>(),
    });
    let mut report = Report::of(data);
    if arguments.agents {
        report = instances(agents(cx, report, &facts), &facts);
    } else {
        report = overview(cx, report, &facts, &address, uptime, &version);
    }
    if arguments.deep {
        let checks = super::doctor::check(cx, true).await;
        for problem in checks.problems.iter().take(5) {
            report.warnings.push(format!("{} {}", problem.id, problem.what));
        }
        if !checks.problems.is_empty() {
            report.next.push("openclaw doctor".to_owned());
        }
    }
    Ok(report)
}

async fn gather(client: &Client, is_deep: bool) -> Result<Facts, Failure> {
    let health = if is_deep { json!({"probe": true}) } else { json!({}) };
    let (status, health, models, agents, approvals, questions, sessions, instances) = tokio::join!(
        client.call("status", json!({"includeChannelSummary": false})),
        client.call("health", health),
        client.call("models.list", json!({"view": "configured"})),
        client.call("agents.list", json!({})),
        client.call(ask::APPROVALS, json!({})),
        super::approvals::questions(client),
        client.call("sessions.list", json!({"limit": 200})),
        client.call("agents.instances", json!({})),
    );
    // A gateway that lacks one of these still has a status; health it must have.
    let or_nothing = |answer: Result<Value, _>| answer.unwrap_or(Value::Null);
    Ok(Facts {
        health: health?,
        status: or_nothing(status),
        models: or_nothing(models),
        agents: or_nothing(agents),
        approvals: or_nothing(approvals),
        questions,
        sessions: or_nothing(sessions),
        instances: or_nothing(instances),
    })
}

fn overview(cx: &Cx<'_>, report: Report, facts: &Facts, address: &str, uptime: u64, version: &str) -> Report {
    let row = |label: &str, value: String| Line::new().tone(Tone::Dim, format!("{label:<10}")).text(value);
    let mut report = report.line(headline(cx, facts));
    let mut gateway = format!("{}  {}", address, cx.say(&text::UP_SINCE, &[("span", &time::span(uptime))]));
    if !version.is_empty() {
        gateway.push_str(&format!("  {version}"));
    }
    let memory = peek::first_int(&facts.status, &["/processMemory/rss", "/processMemory/rssBytes"]);
    if let Some(memory) = memory.and_then(|bytes| usize::try_from(bytes).ok()) {
        gateway.push_str(&format!("  {}", number::bytes(memory)));
    }
    report = report.line(row("gateway", gateway));
    if let Some((name, available)) = default_model(facts) {
        let state = if available { "ok" } else { "x" };
        report = report.line(row("model", format!("{name}  {state}")));
    }
    let agents = peek::list(&facts.agents, "/agents").len();
    let (running, waiting, unsure) = (running(facts), waiting(facts), facts.questions.len());
    let mut states = Vec::new();
    if running > 0 {
        states.push(cx.say(&text::RUNNING_COUNT, &[("count", &running.to_string())]));
    }
    if waiting > 0 {
        states.push(cx.say(&text::WAITING_FOR_YOU, &[("count", &waiting.to_string())]));
        report.next.push("openclaw approvals list".to_owned());
    }
    if unsure > 0 {
        states.push(cx.say(&text::ATTENTION_COUNT, &[("count", &unsure.to_string())]));
        if waiting == 0 {
            report.next.push("openclaw approvals list".to_owned());
        }
    }
    let states = if states.is_empty() { String::new() } else { format!("  ({})", states.join(", ")) };
    report = report.line(row("agents", format!("{agents}{states}")));
    if let Some(count) = peek::first_int(&facts.health, &["/sessions/count"]) {
        report = report.line(row("sessions", count.to_string()));
    }
    report
}

/// Answers the question: working, or why not.
fn headline(cx: &Cx<'_>, facts: &Facts) -> Line {
    if !peek::is(&facts.health, "/ok") {
        return Line::marked(Tone::Failed, "x", cx.say(&text::UNHEALTHY, &[]));
    }
    if default_model(facts).is_some_and(|(name, _)| name.starts_with("offline/")) {
        return Line::marked(Tone::Waits, "!", cx.say(&text::NOT_READY_MODEL, &[]));
    }
    let latest = peek::list(&facts.sessions, "/sessions").iter().filter_map(|row| peek::int(row, "/updatedAt")).max();
    let mut words = cx.say(&text::WORKING, &[]);
    if let Some(at) = latest {
        let ago = time::relative(at, (cx.now)(), cx.lang);
        words.push_str(&format!(": {}", cx.say(&text::LAST_REPLY, &[("ago", &ago)])));
    }
    Line::marked(Tone::Done, "ok", words)
}

fn default_model(facts: &Facts) -> Option<(String, bool)> {
    let agents = peek::list(&facts.agents, "/agents");
    let default = peek::text(&facts.agents, "/defaultId");
    let agent = agents.iter().find(|agent| agent["id"] == default.as_str()).or(agents.first())?;
    let name = peek::text(agent, "/model/primary");
    let models = peek::list(&facts.models, "/models");
    let fits = |model: &&Value| format!("{}/{}", peek::text(model, "/provider"), peek::text(model, "/id")) == name;
    let available = models.iter().find(fits).is_none_or(|model| model["available"] != false);
    (!name.is_empty()).then_some((name, available))
}

fn running(facts: &Facts) -> usize {
    peek::list(&facts.sessions, "/sessions").iter().filter(|row| peek::is(row, "/hasActiveRun")).count()
}

fn waiting(facts: &Facts) -> usize {
    facts.approvals.as_array().map_or(0, Vec::len)
}

fn agents(cx: &Cx<'_>, report: Report, facts: &Facts) -> Report {
    let mut table = Table::new(vec![
        Column::id("agent"),
        Column::text("state", 6),
        Column::text("session", 4),
        Column::text("age", 5),
        Column::text("model", 2),
        Column::text("now", 3),
    ]);
    let rows = peek::list(&facts.sessions, "/sessions");
    let questions = facts.approvals.as_array().map_or(&[] as &[Value], Vec::as_slice);
    for agent in peek::list(&facts.agents, "/agents") {
        let id = peek::text(agent, "/id");
        let own = rows.iter().filter(|row| row["agentId"] == id.as_str());
        let active = own.clone().find(|row| peek::is(row, "/hasActiveRun"));
        let asked = questions.iter().find(|question| question["request"]["agentId"] == id.as_str());
        let unsure = facts.questions.iter().find(|asking| asking.agent() == id);
        let state = match (asked, active) {
            _ if unsure.is_some() => (Tone::Waits, cx.say(&text::ATTENTION, &[])),
            (Some(_), _) => (Tone::Waits, cx.say(&text::WAITING_FOR_YOU, &[("count", "1")])),
            (None, Some(_)) => (Tone::Running, "running".to_owned()),
            (None, None) => (Tone::Dim, "idle".to_owned()),
        };
        let latest = active.or_else(|| own.clone().next());
        let age = latest.and_then(|row| peek::int(row, "/updatedAt"));
        table.row([
            (Tone::Plain, id),
            state,
            (Tone::Plain, latest.map(|row| peek::text(row, "/key")).unwrap_or_default()),
            (Tone::Plain, age.map(|at| time::relative(at, (cx.now)(), cx.lang)).unwrap_or_default()),
            (Tone::Plain, peek::text(agent, "/model/primary")),
            (Tone::Plain, now(unsure, asked)),
        ]);
    }
    report.table(table)
}

/// Adds the instances that serve one request each, when there are any.
fn instances(report: Report, facts: &Facts) -> Report {
    let live = peek::list(&facts.instances, "/instances");
    if live.is_empty() {
        return report;
    }
    let mut table = Table::new(vec![
        Column::id("instance"),
        Column::text("agent", 6),
        Column::text("state", 7),
        Column::text("age", 4),
        Column::text("left", 5),
        Column::text("run", 2),
    ]);
    let span = |row: &Value, pointer: &str| {
        peek::int(row, pointer).and_then(|ms| u64::try_from(ms).ok()).map_or_else(|| "-".to_owned(), time::span)
    };
    for row in live {
        let state = peek::text(row, "/state");
        let tone = match state.as_str() {
            "running" => Tone::Running,
            "queued" => Tone::Dim,
            _ => Tone::Waits,
        };
        table.row([
            (Tone::Plain, peek::text(row, "/id")),
            (Tone::Plain, peek::text(row, "/agentId")),
            (tone, state),
            (Tone::Plain, span(row, "/ageMs")),
            (Tone::Plain, span(row, "/timeoutLeftMs")),
            (Tone::Plain, peek::text(row, "/runId")),
        ]);
    }
    report.table(table)
}

/// Returns what an agent waits for: a call of unknown outcome before one to be allowed.
fn now(unsure: Option<&Asking>, asked: Option<&Value>) -> String {
    match unsure {
        Some(asking) => asking.literal().lines().next().unwrap_or_default().to_owned(),
        None => asked.map(|question| peek::text(question, "/request/command")).unwrap_or_default(),
    }
}
