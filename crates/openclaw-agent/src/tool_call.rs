//! Brings one tool call before the gate, and runs it when it is admitted.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openclaw_domain::approval::Approval;
use openclaw_domain::gate::{self, Admission, Evidence, Request};
use openclaw_domain::message::{Part, ToolStatus};
use openclaw_domain::ports::{Tool, ToolCx};
use openclaw_domain::tool::{Effect, Error, Probed, ToolOutput};
use openclaw_domain::{CallId, Change, Origin, Permit, RunId, RunRequest, SessionId, SessionKey, ToolCall, ToolResult};

use crate::model_call::Preparation;
use crate::publish::Publisher;
use crate::shared::Shared;

/// Most text one result may carry; tools keep well below, this is the backstop.
const RESULT_BYTES_MAX: usize = 512 * 1024;

/// Longest time a tool may take to find out whether a call happened.
const PROBE_MAX: Duration = Duration::from_secs(10);

/// What became of a call at the gate.
pub(crate) enum Judged {
    /// It may run.
    Admitted { permit: Box<Permit>, effect: Effect },
    /// A person must decide.
    Asks(Box<Approval>),
    /// It is answered without running.
    Refused(ToolResult),
}

/// Brings a call before the gate.
pub(crate) fn judge(
    shared: &Shared,
    run: &RunId,
    session: &SessionKey,
    call: &ToolCall,
    prepared: &Preparation,
    evidence: Option<Evidence>,
) -> Judged {
    let Some(tool) = shared.tool(&call.name).filter(|_| prepared.offers(&call.name)) else {
        let names = prepared.tool_names().join(", ");
        let text = format!("There is no tool {:?}. The tools are: {names}.", call.name);
        return Judged::Refused(ToolResult::notice(ToolStatus::Failed, text));
    };
    if let Err(error) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&call.arguments) {
        let text = format!("The arguments of {} are not a JSON object: {error}. Send them again.", call.name);
        return Judged::Refused(ToolResult::notice(ToolStatus::Failed, text));
    }
    let (capability, effect) = (tool.spec().capability, tool.spec().effect);
    let was_asked = evidence.is_some();
    let request = Request {
        call: call.clone(),
        capability,
        effect,
        agent: session.agent().clone(),
        session: session.clone(),
        run: run.clone(),
        evidence,
    };
    match gate::admit(shared.ports.gate.as_ref(), request) {
        Admission::Allow(permit) => Judged::Admitted { permit: Box::new(permit), effect },
        Admission::Deny { reason, .. } => Judged::Refused(ToolResult::notice(ToolStatus::Denied, reason)),
        // An answer that does not satisfy the gate is no reason to ask again and again.
        Admission::Ask { reason, .. } if was_asked => Judged::Refused(ToolResult::notice(
            ToolStatus::Denied,
            format!("the approval did not fit this call: {reason}"),
        )),
        Admission::Ask { rule, reason } => Judged::Asks(Box::new(question(shared, run, session, call, rule, reason))),
    }
}

fn question(
    shared: &Shared,
    run: &RunId,
    session: &SessionKey,
    call: &ToolCall,
    rule: String,
    reason: String,
) -> Approval {
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    let asked_at = shared.ports.clock.now();
    let lapse = shared.options.approval_timeout.and_then(|timeout| i64::try_from(timeout.as_millis()).ok());
    Approval {
        id: uuid::Uuid::new_v4().to_string(),
        call: call.clone(),
        run: run.clone(),
        session: session.clone(),
        agent: session.agent().clone(),
        rule,
        reason,
        cwd: arguments.get("workdir").or_else(|| arguments.get("cwd")).and_then(|cwd| cwd.as_str()).map(str::to_owned),
        asked_at,
        expires_at: lapse.map(|lapse| openclaw_domain::Timestamp(asked_at.0 + lapse)),
    }
}

/// A call that ended.
pub(crate) struct EndedCall {
    /// The call.
    pub(crate) call: ToolCall,
    /// Its result, or why the run cannot go on.
    pub(crate) result: Result<ToolResult, String>,
    /// How long it ran.
    pub(crate) took: Duration,
}

/// Runs an admitted call. Dropping the future ends what it started.
pub(crate) fn run(
    shared: &Arc<Shared>,
    publisher: &Arc<Publisher>,
    permit: Permit,
    key: String,
    root: SessionKey,
) -> BoxFuture<'static, EndedCall> {
    let call = permit.call().clone();
    let Some(tool) = shared.tool(&call.name) else {
        let result = Err(format!("tool {} vanished after it was admitted", call.name));
        return std::future::ready(EndedCall { call, result, took: Duration::ZERO }).boxed();
    };
    let (shared, publisher) = (shared.clone(), publisher.clone());
    async move {
        let began = shared.ports.clock.monotonic();
        let request = permit.request();
        let result = match context(&shared, &publisher, (&request.session, &request.run, root), &call.id, key) {
            Ok(cx) => execute(tool.as_ref(), permit, &cx).await,
            Err(text) => Ok(ToolResult::notice(ToolStatus::Failed, text)),
        };
        let took = shared.ports.clock.monotonic().saturating_sub(began);
        let status = result.as_ref().map_or("broken", |result| if result.is_error() { "error" } else { "ok" });
        metrics::counter!(crate::metrics::TOOL_CALLS_TOTAL, "tool" => call.name.clone(), "status" => status)
            .increment(1);
        metrics::histogram!(crate::metrics::TOOL_SECONDS, "tool" => call.name.clone()).record(took.as_secs_f64());
        EndedCall { call, result: result.map(|result| timed(result, took)), took }
    }
    .boxed()
}

/// Notes how long a call took, unless the tool says so itself.
fn timed(mut result: ToolResult, took: Duration) -> ToolResult {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match &mut result.details {
        serde_json::Value::Null => result.details = serde_json::json!({ "durationMs": millis }),
        serde_json::Value::Object(facts) => {
            facts.entry("durationMs").or_insert_with(|| millis.into());
        }
        _ => {}
    }
    result
}

/// A call of an earlier process, and what its tool found out.
pub(crate) struct ProbedCall {
    pub(crate) call: ToolCall,
    pub(crate) found: Probed,
}

/// Asks a tool whether a call happened; one that does not say in time cannot tell.
pub(crate) fn probe(
    shared: &Arc<Shared>,
    publisher: &Arc<Publisher>,
    request: &RunRequest,
    session: &SessionId,
    call: ToolCall,
) -> BoxFuture<'static, ProbedCall> {
    let key = crate::keys::call_key(session, &request.id, &call.id);
    let root = request.parent.as_ref().map_or(&request.session, |parent| &parent.root).clone();
    let cx = context(shared, publisher, (&request.session, &request.id, root), &call.id, key);
    let tool = shared.tool(&call.name);
    let clock = shared.ports.clock.clone();
    async move {
        let found = match (tool, cx) {
            (Some(tool), Ok(cx)) => {
                let asked = AssertUnwindSafe(tool.probe(&call, &cx)).catch_unwind();
                tokio::select! {
                    found = asked => found.unwrap_or(Probed::Unknown),
                    () = clock.sleep(PROBE_MAX) => Probed::Unknown,
                }
            }
            (None, _) | (_, Err(_)) => Probed::Unknown,
        };
        ProbedCall { call, found }
    }
    .boxed()
}

/// Makes the result of a call that worked.
pub(crate) fn result(output: ToolOutput) -> ToolResult {
    let parts = output.parts.into_iter().map(cap).collect();
    ToolResult { parts, status: ToolStatus::Ok, origin: output.origin, details: output.details }
}

async fn execute(tool: &dyn Tool, permit: Permit, cx: &ToolCx) -> Result<ToolResult, String> {
    let name = permit.call().name.clone();
    match AssertUnwindSafe(tool.run(permit, cx)).catch_unwind().await {
        Ok(Ok(output)) => Ok(result(output)),
        Ok(Err(Error::Tell(text))) => Ok(ToolResult {
            parts: vec![cap(Part::text(text))],
            status: ToolStatus::Failed,
            origin: Origin::Tool { tool: name },
            details: serde_json::Value::Null,
        }),
        Ok(Err(Error::EndRun(text))) => Err(text),
        Err(_panic) => {
            tracing::error!(tool = name, "a tool panicked");
            Ok(ToolResult::notice(
                ToolStatus::Failed,
                format!("{name} broke because of a defect of its own; try another way"),
            ))
        }
    }
}

/// Cuts a result that is longer than any tool should return.
pub(crate) fn cap(part: Part) -> Part {
    match part {
        Part::Text { mut text } if text.len() > RESULT_BYTES_MAX => {
            text.truncate(text.floor_char_boundary(RESULT_BYTES_MAX));
            text.push_str("\n[cut: the result was longer than 512 KiB]");
            Part::Text { text }
        }
        Part::Text { .. } | Part::Image { .. } => part,
    }
}

fn context(
    shared: &Arc<Shared>,
    publisher: &Arc<Publisher>,
    (session, run, root): (&SessionKey, &RunId, SessionKey),
    call: &CallId,
    key: String,
) -> Result<ToolCx, String> {
    let files = (shared.ports.workspaces)(session.agent()).map_err(|fault| fault.to_string())?;
    let runs = shared.runs().ok_or("the program is stopping")?;
    let (publisher, call) = (publisher.clone(), call.clone());
    Ok(ToolCx {
        agent: session.agent().clone(),
        session: session.clone(),
        run: run.clone(),
        root,
        idempotency_key: key,
        files,
        processes: shared.ports.processes.clone(),
        net: shared.ports.net.clone(),
        sessions: shared.ports.sessions.clone(),
        variables: shared.ports.variables.clone(),
        memories: shared.ports.memories.clone(),
        grants: shared.ports.grants.clone(),
        runs,
        clock: shared.ports.clock.clone(),
        progress: Arc::new(move |progress| publisher.publish(Change::ToolProgress { call: call.clone(), progress })),
    })
}
