//! Runs a shell command.
//!
//! A command runs in the foreground until it ends or `yieldMs` has passed; then
//! it goes on in the background under an id for tool `process`. Dropping the
//! call kills the command. What may run is the gate's business, and which
//! variables may be set is the port's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Command, Exit, IDEMPOTENCY_KEY, ProcessError, Snapshot, Spawned, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, Progress, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::registry::Entry;
use crate::section::Section;
use crate::tail::Tail;
use crate::{args, text};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:runtime",
    summary: "Runs a shell command",
    build: |section| Some(Exec::build(section)),
};

const NAME: &str = "exec";

/// Output kept for `process log`, in bytes.
const KEPT_BYTES: usize = 1024 * 1024;

/// Longest run time, also for `timeoutSeconds: 0`.
const TIMEOUT_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Longest time a call waits in the foreground.
const YIELD_MS_MAX: u64 = 10 * 60 * 1000;

/// Longest single wait for output, so that signs of life keep coming.
const SLICE: Duration = Duration::from_secs(5);

/// Most bytes of one sign of life.
const PROGRESS_BYTES: usize = 16 * 1024;

struct Exec {
    spec: ToolSpec,
    yield_after: Duration,
    timeout: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    command: String,
    workdir: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    timeout_seconds: Option<u64>,
    #[serde(default)]
    pty: bool,
    #[serde(default)]
    background: bool,
    yield_ms: Option<u64>,
}

impl Exec {
    fn build(section: &Section<'_>) -> Arc<dyn Tool> {
        let yield_after = section.number("exec.backgroundMs", 10_000, 10..=YIELD_MS_MAX);
        Arc::new(Self {
            spec: spec(),
            yield_after: Duration::from_millis(yield_after),
            timeout: section.seconds("exec.timeoutSeconds", 1800, 1..=TIMEOUT_SECONDS_MAX),
        })
    }

    fn command(&self, args: &Args, cx: &ToolCx) -> Result<Command, Error> {
        if args.command.trim().is_empty() {
            return Err(Error::tell("exec: argument `command` is empty; give a shell command"));
        }
        let timeout = match args.timeout_seconds {
            None => self.timeout,
            Some(0) => Duration::from_secs(TIMEOUT_SECONDS_MAX),
            Some(seconds) => Duration::from_secs(seconds.min(TIMEOUT_SECONDS_MAX)),
        };
        Ok(Command {
            owner: cx.session.clone(),
            script: args.command.clone(),
            cwd: args.workdir.clone(),
            env: environment(args.env.clone(), &cx.idempotency_key)?,
            pty: args.pty,
            timeout,
            output_bytes_max: KEPT_BYTES,
        })
    }
}

#[async_trait]
impl Tool for Exec {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, &[("cwd", "workdir")], permit.call())?;
        let command = self.command(&args, cx)?;
        let spawned = cx.processes.spawn(command).await.map_err(failed)?;
        if args.background {
            return Ok(backgrounded(spawned, String::new()));
        }
        let wait = args.yield_ms.map_or(self.yield_after, |ms| Duration::from_millis(ms.min(YIELD_MS_MAX)));
        follow(spawned, wait, cx).await
    }
}

/// Watches a program until it ends or the wait is over.
async fn follow(spawned: Spawned, wait: Duration, cx: &ToolCx) -> Result<ToolOutput, Error> {
    let deadline = cx.clock.monotonic() + wait;
    let mut output = Tail::new(text::BYTES_MAX);
    let mut offset = 0;
    loop {
        let left = deadline.saturating_sub(cx.clock.monotonic());
        let snapshot = cx.processes.watch(&spawned.id, offset, left.min(SLICE)).await.map_err(failed)?;
        offset = snapshot.offset;
        tell(&snapshot.output, cx);
        output.push(&snapshot.output);
        if let Some(exit) = snapshot.exit {
            return Ok(ended(spawned, exit, output, &snapshot));
        }
        if left.is_zero() {
            let so_far = output.finish("process log shows them");
            return Ok(backgrounded(spawned, so_far));
        }
    }
}

fn tell(output: &str, cx: &ToolCx) {
    let newest = text::tail(output, PROGRESS_BYTES);
    if !newest.is_empty() {
        (cx.progress)(Progress::Output { text: newest.to_owned() });
    }
}

/// Run time and id stay out of the text: a result that differs each time would
/// hide an identical call from the run's breaker.
fn ended(spawned: Spawned, exit: Exit, output: Tail, last: &Snapshot) -> ToolOutput {
    let Spawned { id, leash } = spawned;
    // The program has ended; its output stays readable under its id.
    leash.release();
    let mut text = output.finish("process list gives the sessionId, process log shows them");
    if text.is_empty() {
        text.push_str("(no output)");
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("[{}]", describe(exit)));
    let code = match exit {
        Exit::Code(code) => Some(code),
        Exit::Signal(_) | Exit::TimedOut => None,
    };
    ToolOutput::text(text, Origin::Tool { tool: NAME.into() }).with_details(json!({
        "status": if code == Some(0) { "completed" } else { "failed" },
        "exitCode": code,
        "timedOut": exit == Exit::TimedOut,
        "durationMs": u64::try_from(last.took.as_millis()).unwrap_or(u64::MAX),
        "sessionId": id,
    }))
}

fn backgrounded(spawned: Spawned, so_far: String) -> ToolOutput {
    let Spawned { id, leash } = spawned;
    leash.release();
    let mut text = so_far;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!(
        "[still running in the background as {id}; tool process with action \"poll\" and sessionId \"{id}\" shows more, \
         action \"kill\" ends it]"
    ));
    ToolOutput::text(text, Origin::Tool { tool: NAME.into() })
        .with_details(json!({ "status": "running", "sessionId": id }))
}

/// Says how a program ended.
pub(crate) fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("ended by signal {signal}"),
        Exit::TimedOut => "its time was up and it was killed; raise timeoutSeconds or use background".to_owned(),
    }
}

pub(crate) fn failed(error: ProcessError) -> Error {
    Error::tell(error.to_string())
}

/// Brings the variables into text. Which of them may be set is the port's
/// business: it knows what the environment already holds (T-29).
fn environment(given: BTreeMap<String, Value>, key: &str) -> Result<Vec<(String, String)>, Error> {
    let text = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(number) => Ok((name, number.to_string())),
        Value::Bool(flag) => Ok((name, flag.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Error::tell(format!("exec: variable {name} in `env` must be text")))
        }
    };
    let mut all = given.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    // Last, so that no caller can put another key in its place.
    all.push((IDEMPOTENCY_KEY.to_owned(), key.to_owned()));
    Ok(all)
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Runs a shell command with /bin/sh and returns its output and exit code. A command that runs \
                      longer than yieldMs goes on in the background; use tool process to follow, feed or end it."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "command": { "type": "string", "description": "The shell command." },
                "workdir": { "type": "string", "description": "Directory to run in. Default: the workspace." },
                "env": { "type": "object", "description": "Variables to add: names and text values." },
                "timeoutSeconds": { "type": "integer", "minimum": 0,
                    "description": "Kill the command after this many seconds. 0 means the longest time allowed." },
                "pty": { "type": "boolean", "description": "Give the command a terminal." },
                "background": { "type": "boolean", "description": "Return at once and let it run." },
                "yieldMs": { "type": "integer", "minimum": 0,
                    "description": "How long to wait before letting it run in the background." },
            },
            "required": ["command"],
        }),
        effect: Effect::Once,
        capability: Capability::Exec,
    }
}
