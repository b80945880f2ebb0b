//! Follows, feeds and ends programs that `exec` left running.
//!
//! A session sees its own programs only; the id of another session's program is
//! answered exactly like an id that does not exist (T-34). Ending goes by id and
//! never by what a command line looks like (T-31).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{ProcessInfo, Snapshot, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, Progress, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::args::Alias;
use crate::exec::{describe, failed};
use crate::registry::Entry;
use crate::tail::Tail;
use crate::{args, text};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:runtime",
    summary: "Follows, feeds and ends running commands",
    build: |_| Some(Arc::new(Process { spec: spec(), read: Mutex::default() })),
};

const NAME: &str = "process";

/// Waits for output unless told otherwise, and at most.
const WAIT_MS: u64 = 10_000;
const WAIT_MS_MAX: u64 = 120_000;

/// Longest single wait, so that signs of life keep coming.
const SLICE: Duration = Duration::from_secs(5);

/// Lines of a log shown unless asked otherwise.
const LOG_LINES: usize = 200;

/// Most programs whose read position is kept.
const POSITIONS_MAX: usize = 256;

const ALIASES: &[Alias] = &[("id", "sessionId"), ("processId", "sessionId"), ("text", "data"), ("input", "data")];

struct Process {
    spec: ToolSpec,
    // How far each program's output was given to the model, so that a poll brings
    // only what is new. Losing it shows output twice, nothing worse.
    read: Mutex<BTreeMap<String, u64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    action: Action,
    session_id: Option<String>,
    data: Option<String>,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    eof: bool,
    timeout: Option<u64>,
    offset: Option<usize>,
    limit: Option<usize>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Action {
    List,
    Poll,
    Log,
    Write,
    Submit,
    SendKeys,
    Kill,
}

#[async_trait]
impl Tool for Process {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, ALIASES, permit.call())?;
        if args.action == Action::List {
            return Ok(listing(&cx.processes.list(&cx.session)));
        }
        let id = own(&args, cx)?;
        match args.action {
            Action::List | Action::Poll => self.poll(&id, &args, cx).await,
            Action::Log => log(&id, &args, cx).await,
            Action::Write | Action::Submit | Action::SendKeys => {
                let bytes = input(&args)?;
                cx.processes.input(&id, &bytes, args.eof).await.map_err(failed)?;
                let said = format!("wrote {} bytes to {id}; poll shows what it answers", bytes.len());
                Ok(ToolOutput::text(said, Origin::System).with_details(json!({ "sessionId": id })))
            }
            Action::Kill => {
                let last = cx.processes.kill(&id).await.map_err(failed)?;
                self.forget(&id);
                let how = last.exit.map_or_else(|| "it is still ending".to_owned(), describe);
                Ok(ToolOutput::text(format!("ended {id}: {how}"), Origin::System)
                    .with_details(json!({ "sessionId": id, "status": "killed" })))
            }
        }
    }
}

/// Returns the id asked for, when it is a program of this session.
fn own(args: &Args, cx: &ToolCx) -> Result<String, Error> {
    let Some(id) = args.session_id.as_deref().map(str::trim).filter(|id| !id.is_empty()) else {
        return Err(Error::tell("process: argument `sessionId` is missing; action \"list\" shows the ids"));
    };
    if !cx.processes.list(&cx.session).iter().any(|it| it.id == id) {
        return Err(Error::tell(format!("there is no process {id} in this session; action \"list\" shows the ids")));
    }
    Ok(id.to_owned())
}

impl Process {
    /// Waits for new output, the program's end, or the time limit.
    async fn poll(&self, id: &str, args: &Args, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let wait = Duration::from_millis(args.timeout.unwrap_or(WAIT_MS).min(WAIT_MS_MAX));
        let deadline = cx.clock.monotonic() + wait;
        let offset = self.position(id);
        let snapshot = loop {
            let left = deadline.saturating_sub(cx.clock.monotonic());
            let snapshot = cx.processes.watch(id, offset, left.min(SLICE)).await.map_err(failed)?;
            if !snapshot.output.is_empty() || snapshot.exit.is_some() || left.is_zero() {
                break snapshot;
            }
            (cx.progress)(Progress::Status { text: format!("waiting for output of {id}") });
        };
        self.advance(id, snapshot.offset);
        Ok(polled(id, &snapshot))
    }

    fn position(&self, id: &str) -> u64 {
        self.positions().get(id).copied().unwrap_or(0)
    }

    fn advance(&self, id: &str, offset: u64) {
        let mut positions = self.positions();
        if positions.len() >= POSITIONS_MAX && !positions.contains_key(id) {
            positions.pop_first();
        }
        positions.insert(id.to_owned(), offset);
    }

    fn forget(&self, id: &str) {
        self.positions().remove(id);
    }

    fn positions(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn polled(id: &str, snapshot: &Snapshot) -> ToolOutput {
    let mut tail = Tail::new(text::BYTES_MAX);
    tail.push(&snapshot.output);
    let mut shown = tail.finish("action \"log\" shows them");
    if snapshot.is_truncated {
        shown = format!("[output before this was dropped]\n{shown}");
    }
    if !shown.is_empty() && !shown.ends_with('\n') {
        shown.push('\n');
    }
    let state = snapshot.exit.map_or_else(|| "still running".to_owned(), describe);
    let nothing = if snapshot.output.is_empty() { "no new output; " } else { "" };
    shown.push_str(&format!("[{id}: {nothing}{state}]"));
    ToolOutput::text(shown, Origin::Tool { tool: NAME.into() }).with_details(status(id, snapshot))
}

/// Shows lines of the kept output: the last ones, or a page from `offset`.
async fn log(id: &str, args: &Args, cx: &ToolCx) -> Result<ToolOutput, Error> {
    let snapshot = cx.processes.watch(id, 0, Duration::ZERO).await.map_err(failed)?;
    let total = snapshot.output.lines().count();
    let limit = args.limit.unwrap_or(if args.offset.is_some() { usize::MAX } else { LOG_LINES });
    let first = args.offset.unwrap_or_else(|| total.saturating_sub(limit));
    let mut shown = String::new();
    let wanted = snapshot.output.lines().skip(first).take(limit);
    let taken = text::fill(&mut shown, wanted, text::BYTES_MAX);
    let dropped = if snapshot.is_truncated { "; earlier output was dropped" } else { "" };
    let next = first + taken;
    let more = if next < total { format!(", use offset {next} for more") } else { String::new() };
    shown.push_str(&format!("[{id}: {taken} of {}, from line {first}{more}{dropped}]", text::count(total, "line")));
    Ok(ToolOutput::text(shown, Origin::Tool { tool: NAME.into() }).with_details(status(id, &snapshot)))
}

fn status(id: &str, snapshot: &Snapshot) -> serde_json::Value {
    json!({
        "sessionId": id,
        "status": if snapshot.exit.is_some() { "ended" } else { "running" },
        "exit": snapshot.exit.map(describe),
        "durationMs": u64::try_from(snapshot.took.as_millis()).unwrap_or(u64::MAX),
    })
}

fn listing(processes: &[ProcessInfo]) -> ToolOutput {
    if processes.is_empty() {
        return ToolOutput::text("[no processes in this session]", Origin::System);
    }
    let row = |it: &ProcessInfo| {
        let state = it.exit.map_or_else(|| "running".to_owned(), describe);
        let script = it.script.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = script.chars().take(200).collect();
        format!("{}  {state}  {cut}", it.id)
    };
    let rows: Vec<_> = processes.iter().map(row).collect();
    let mut shown = String::new();
    let taken = text::fill(&mut shown, rows.iter().map(String::as_str), text::BYTES_MAX);
    if taken < rows.len() {
        shown.push_str(&format!("[{} left out]", text::count(rows.len() - taken, "more process")));
    }
    ToolOutput::text(shown, Origin::Tool { tool: NAME.into() }).with_details(json!({ "processes": processes.len() }))
}

fn input(args: &Args) -> Result<Vec<u8>, Error> {
    let mut bytes = args.data.clone().unwrap_or_default().into_bytes();
    match args.action {
        // Enter on a terminal is a carriage return; pipes take a line feed. The
        // line discipline of a terminal maps the one to the other by default.
        Action::Submit => bytes.push(b'\n'),
        Action::SendKeys => {
            for key in &args.keys {
                let code =
                    KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, code)| (*code).to_owned());
                bytes.extend(code.or_else(|| control(key)).ok_or_else(|| unknown_key(key))?.into_bytes());
            }
        }
        Action::List | Action::Poll | Action::Log | Action::Write | Action::Kill => {}
    }
    if bytes.is_empty() && !args.eof {
        return Err(Error::tell("process: nothing to write; give data, keys, or eof: true"));
    }
    Ok(bytes)
}

/// Keys by name and what a terminal sends for them.
const KEYS: &[(&str, &str)] = &[
    ("Enter", "\r"),
    ("Tab", "\t"),
    ("Escape", "\u{1b}"),
    ("Space", " "),
    ("Backspace", "\u{7f}"),
    ("Delete", "\u{1b}[3~"),
    ("Up", "\u{1b}[A"),
    ("Down", "\u{1b}[B"),
    ("Right", "\u{1b}[C"),
    ("Left", "\u{1b}[D"),
    ("Home", "\u{1b}[H"),
    ("End", "\u{1b}[F"),
    ("PageUp", "\u{1b}[5~"),
    ("PageDown", "\u{1b}[6~"),
];

/// Reads `C-c` and the like.
fn control(key: &str) -> Option<String> {
    let letter = key.strip_prefix("C-").or_else(|| key.strip_prefix("c-"))?;
    let &[letter] = letter.as_bytes() else { return None };
    letter.is_ascii_alphabetic().then(|| char::from(letter.to_ascii_lowercase() - b'a' + 1).to_string())
}

fn unknown_key(key: &str) -> Error {
    let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
    Error::tell(format!("process: {key:?} is not a key; expected C-a to C-z or one of {}", names.join(", ")))
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Follows commands that exec left running in the background: list them, poll for new output, \
                      show the log, write input or keys, kill."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "action": { "type": "string", "description": "What to do.",
                    "enum": ["list", "poll", "log", "write", "submit", "send-keys", "kill"] },
                "sessionId": { "type": "string", "description": "The id that exec or list gave." },
                "data": { "type": "string", "description": "Text to write; submit adds a line end." },
                "keys": { "type": "array", "items": { "type": "string", "description": "For example C-c or Enter." },
                    "description": "Keys to send to a terminal." },
                "eof": { "type": "boolean", "description": "Close the input after writing." },
                "timeout": { "type": "integer", "minimum": 0, "description": "Longest wait of a poll, in milliseconds." },
                "offset": { "type": "integer", "minimum": 0, "description": "First line of a log, from 0." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most lines of a log." },
            },
            "required": ["action"],
        }),
        effect: Effect::Once,
        capability: Capability::Exec,
    }
}
