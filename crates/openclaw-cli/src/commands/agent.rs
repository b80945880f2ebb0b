//! `agent`: one task. The answer streams on stdout; activity, questions and the
//! receipt go to stderr. Without a gateway everything runs inside this command.

mod screen;

use std::time::Duration;

use clap::Args;
use openclaw_client::{Client, ConnectOptions, Error};
use serde_json::{Value, json};

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Report, progress, time};
use crate::run::{Ended, Follower, Request, Told, follow};
use crate::{link, peek, text};

use screen::{Screen, receipt};

/// Longest wait for a gateway to answer the handshake.
const CONNECT: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// The task; `-` reads it from standard input
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// The task, as a flag
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<String>,
    /// Conversation of this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["session_key", "to"])]
    session_id: Option<String>,
    /// Conversation of this key
    #[arg(long, value_name = "SESSION", conflicts_with = "to")]
    session_key: Option<String>,
    /// Conversation with this peer of a channel
    #[arg(short, long, value_name = "PEER")]
    to: Option<String>,
    /// Send the answer to a channel as well
    #[arg(long, requires = "channel")]
    deliver: bool,
    /// Channel the answer is sent to, for example `webhook`
    #[arg(long, value_name = "CHANNEL", requires = "deliver")]
    channel: Option<String>,
    /// Who gets it there, when not the peer of --to
    #[arg(long, value_name = "PEER", requires = "deliver")]
    reply_to: Option<String>,
    /// Account it is sent from
    #[arg(long, value_name = "ACCOUNT", requires = "deliver")]
    reply_account: Option<String>,
    /// Agent to ask
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Model to use, PROVIDER/MODEL; no other stands in for it
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// How hard to think: off, minimal, low, medium, high, xhigh or max
    #[arg(long, value_name = "LEVEL")]
    thinking: Option<String>,
    /// Work inside this command even when a gateway runs
    #[arg(long)]
    local: bool,
    /// A model served on this machine to use with --local
    #[arg(long, value_name = "MODEL")]
    local_llm: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let message = message(cx, &arguments).await?;
    let agent = arguments.agent.as_deref().unwrap_or("main");
    let key = match (&arguments.session_key, &arguments.session_id, &arguments.to) {
        (Some(key), _, _) => full_key(agent, key),
        (None, Some(id), _) => format!("agent:{agent}:explicit:{id}"),
        (None, None, Some(peer)) => format!("agent:{agent}:direct:{peer}"),
        (None, None, None) => format!("agent:{agent}:main"),
    };
    let request = Request::new(&message, &key, cx.flags.timeout)
        .with("sessionId", arguments.session_id)
        .with("agentId", arguments.agent)
        .with("model", arguments.model)
        .with("thinking", arguments.thinking)
        .with("to", arguments.to)
        .with("channel", arguments.channel)
        .with("replyTo", arguments.reply_to)
        .with("replyAccountId", arguments.reply_account);
    let request = if arguments.deliver { request.delivering() } else { request };
    // The time limit is the run's; connecting has its own.
    let options = ConnectOptions { timeout: CONNECT, ..link::options(cx) };
    let is_local = arguments.local || arguments.local_llm.is_some();
    let reached = link::connect_or_embed_with(cx, is_local, options, arguments.local_llm).await?;
    let result = converse(cx, &reached.client, &request, reached.is_embedded()).await;
    reached.end().await;
    result
}

/// A bare name stands for a conversation of the agent.
pub(crate) fn full_key(agent: &str, key: &str) -> String {
    if key.starts_with("agent:") { key.to_owned() } else { format!("agent:{agent}:{key}") }
}

async fn message(cx: &Cx<'_>, arguments: &Arguments) -> Result<String, Failure> {
    let given = match (&arguments.text, &arguments.message) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage(cx.say(&text::TEXT_TWICE, &[])).next("openclaw agent --help"));
        }
        (Some(text), None) | (None, Some(text)) => Some(text.as_str()),
        (None, None) => None,
    };
    let message = match given {
        Some("-") => read_input(cx).await?,
        Some(text) => text.to_owned(),
        None if !cx.terminal().input => read_input(cx).await?,
        None => String::new(),
    };
    if message.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "MESSAGE_NEEDED", cx.say(&text::MESSAGE_NEEDED, &[]))
            .next("openclaw agent \"list the files here\""));
    }
    Ok(message)
}

async fn read_input(cx: &Cx<'_>) -> Result<String, Failure> {
    let text = cx.io.read_all().await;
    text.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")).next("openclaw agent --help"))
}

/// Runs the request to its end and words what came of it.
pub(crate) async fn converse(
    cx: &Cx<'_>,
    client: &Client,
    request: &Request,
    is_embedded: bool,
) -> Result<Report, Failure> {
    let mut follower = Follower::new(&request.run_id, &request.session_key);
    let screen = Screen::new(cx);
    let began = tokio::time::Instant::now();
    // Set by a question that nobody here can answer; ends the wait.
    let unanswered = std::cell::RefCell::new(None);
    let nobody = tokio::sync::Notify::new();
    let followed = async {
        let told = async |item: Told| match item {
            Told::Asked(asking) => {
                screen.asks(true);
                let answer = super::approvals::ask(cx, &asking, is_embedded).await;
                screen.asks(false);
                let given = match answer {
                    Ok(answer) => super::approvals::give(client, &asking, &answer).await,
                    Err(failure) => Err(failure),
                };
                if let Err(failure) = given {
                    unanswered.replace(Some(failure));
                    nobody.notify_one();
                }
            }
            other => screen.show(other),
        };
        tokio::select! {
            ended = follow(client, request, &mut follower, told) => Some(ended),
            () = nobody.notified() => None,
        }
    };
    let (verb, awaited) = (cx.say(&text::ASKING, &[]), cx.say(&text::AWAITING_MODEL, &[]));
    let watched = progress::beside(cx, &screen.sign, &verb, &awaited, followed);
    let ended = tokio::select! {
        ended = watched => ended,
        interrupted = interrupt(cx, client, request) => return Err(interrupted),
    };
    if let Some(failure) = unanswered.take() {
        return Err(failure);
    }
    let took = began.elapsed();
    match ended {
        Some(Ended::Answer(answer)) => finish(cx, &screen, &follower, request, answer, took),
        Some(Ended::Failed(error)) => {
            // The run may have ended under a question: what follows stands on a line of its own.
            screen.leave_question();
            Err(lost(cx, error, request))
        }
        None => Err(Failure::new(Exit::Waits, "APPROVAL_WAITS", "an approval waits").next("openclaw approvals list")),
    }
}

/// The first Ctrl+C asks the run to stop, the second leaves.
async fn interrupt(cx: &Cx<'_>, client: &Client, request: &Request) -> Failure {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a signal handler nothing can interrupt; the other branch ends.
        std::future::pending::<()>().await;
    }
    cx.err(&format!("\n{}\n", cx.say(&text::STOPPING, &[])));
    let stop = client.call("chat.abort", json!({"sessionKey": request.session_key, "runId": request.run_id}));
    let wait = async {
        // Whatever comes of it, the person wants to leave.
        let _stopped = stop.await;
        let params = json!({"runId": request.run_id, "timeoutMs": 10_000});
        let _ended = client.call("agent.wait", params).await;
    };
    tokio::select! {
        () = wait => {}
        _second = tokio::signal::ctrl_c() => {}
    }
    cx.interrupted().next(format!("{} sessions show {}", cx.program(), request.session_key))
}

/// Once accepted, a run goes on without us: its outcome is unknown here, not failed.
fn lost(cx: &Cx<'_>, error: Error, request: &Request) -> Failure {
    let next = format!("{} sessions show {}", cx.program(), request.session_key);
    match error {
        Error::Closed { .. } => {
            Failure::new(Exit::Unknown, "OUTCOME_UNKNOWN", cx.say(&text::RUN_UNKNOWN, &[])).next(next)
        }
        Error::Timeout { after, .. } => timed_out(cx, after, next),
        // The run was accepted and ended badly: its end travels as an error.
        Error::Refused(refusal) => match ended(&refusal) {
            Some(answer) => failure(cx, &answer, request).unwrap_or_else(|| Error::Refused(refusal.clone()).into()),
            None => Error::Refused(refusal).into(),
        },
        other @ (Error::Unreachable { .. } | Error::Protocol(_) | Error::Call { .. }) => other.into(),
    }
}

/// Reads an error as the end of a run, when it is one.
fn ended(refusal: &openclaw_client::Refusal) -> Option<Value> {
    let is_late = refusal.code == openclaw_protocol::ErrorCode::AgentTimeout;
    let details = refusal.details.as_ref().filter(|details| details.get("runId").is_some());
    let mut answer = match details {
        Some(details) => details.clone(),
        None if is_late => json!({}),
        None => return None,
    };
    answer["status"] = if is_late { "timeout" } else { "error" }.into();
    answer["error"] = refusal.message.as_str().into();
    Some(answer)
}

fn timed_out(cx: &Cx<'_>, after: Duration, next: String) -> Failure {
    let span = time::span(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    Failure::new(Exit::Timeout, "TIMEOUT", cx.say(&text::RUN_TIMED_OUT, &[("span", &span)])).next(next)
}

fn finish(
    cx: &Cx<'_>,
    screen: &Screen<'_, '_>,
    follower: &Follower,
    request: &Request,
    answer: Value,
    took: Duration,
) -> Result<Report, Failure> {
    let payloads = peek::list(&answer, "/result/payloads");
    let texts: Vec<String> = payloads.iter().map(|payload| peek::text(payload, "/text")).collect();
    let last = if follower.has_text { texts.last().cloned().unwrap_or_default() } else { texts.join("\n\n") };
    let failure = failure(cx, &answer, request);
    if failure.is_none()
        && let Some(rest) = follower.rest(&last)
    {
        screen.show(Told::Text(rest.to_owned()));
    }
    screen.break_line();
    if let Some(failure) = failure {
        return Err(failure);
    }
    cx.note(&receipt(cx, &answer, follower, took));
    let report = Report { data: answer, is_told: !cx.flags.is_machine(), ..Report::default() };
    Ok(report)
}

/// Whose time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ceiling {
    /// The agent's own.
    Agent,
    /// The time the person gave.
    Request,
}

impl Ceiling {
    /// Reads what the gateway says of it: a word of its own, or the end of a path. A
    /// gateway that only says that time was over means the time it was given, if any.
    fn read(answer: &Value, reason: &str, is_timed: bool) -> Option<Ceiling> {
        let path = peek::first_text(answer, &["/stopReason", "/result/meta/stopReason"]);
        let named = peek::first_text(answer, &["/ceiling", "/result/meta/ceiling"]);
        match (named.as_str(), path.as_str()) {
            ("request", _) | ("", "limit:duration:request") => Some(Ceiling::Request),
            ("agent", _) | ("", "limit:duration:agent") => Some(Ceiling::Agent),
            _ if peek::text(answer, "/status") == "timeout" || reason == "timeout" => {
                Some(if is_timed { Ceiling::Request } else { Ceiling::Agent })
            }
            _ => None,
        }
    }
}

/// Words a run that ended other than well; the kind decides the exit code. Only the
/// time the person gave it is a timeout: the agent's own ceiling is a budget like others.
fn failure(cx: &Cx<'_>, answer: &Value, request: &Request) -> Option<Failure> {
    let status = peek::text(answer, "/status");
    if status == "ok" || status.is_empty() {
        return None;
    }
    let cause = peek::first_text(answer, &["/error", "/error/message", "/errorMessage", "/result/error", "/summary"]);
    let reason = peek::first_text(
        answer,
        &[
            "/limit",
            "/errorKind",
            "/result/meta/errorKind",
            "/stopReason",
            "/result/meta/stopReason",
            "/result/meta/end",
        ],
    );
    let ceiling = Ceiling::read(answer, &reason, request.timeout.is_some());
    if let (Some(Ceiling::Request), Some(given)) = (ceiling, request.timeout) {
        let next = format!("{} sessions show {}", cx.program(), request.session_key);
        return Some(timed_out(cx, given, next));
    }
    let (exit, code, next) = match (status.as_str(), reason.as_str()) {
        (_, reason) if ceiling.is_some() || reason == "duration" => {
            (Exit::Budget, "LIMIT_REACHED", "openclaw config explain agents.defaults.timeoutSeconds")
        }
        (
            _,
            "cost" | "tokens" | "iterations" | "identical_calls" | "errors_in_row" | "budget" | "limit" | "limited",
        ) => (Exit::Budget, "LIMIT_REACHED", "openclaw config explain agents.defaults.limits"),
        ("cancelled" | "aborted", _) | (_, "rpc" | "cancelled" | "aborted" | "interrupt") => {
            return Some(
                Failure::new(Exit::Interrupted, "STOPPED", cx.say(&text::RUN_STOPPED, &[]))
                    .next("openclaw sessions list"),
            );
        }
        (_, "denied" | "policy") => (Exit::Denied, "DENIED", "openclaw approvals list"),
        (_, "failed" | "internal") => (Exit::Failed, "RUN_FAILED", "openclaw logs"),
        _ => (Exit::Model, "MODEL_FAILED", "openclaw models list"),
    };
    let message = cx.say(&text::RUN_FAILED, &[("cause", &cause)]);
    Some(Failure::new(exit, code, message).next(next).with_details(answer.clone()))
}

#[cfg(test)]
mod tests {
    use super::full_key;

    #[test]
    fn a_bare_session_name_belongs_to_the_agent() {
        assert_eq!(full_key("main", "notes"), "agent:main:notes");
        assert_eq!(full_key("main", "agent:lab:notes"), "agent:lab:notes");
    }
}
