//! Completion as you type: commands, flags, and live ids asked from the gateway.
//! Answers within 50 ms; with the gateway down it stays silent.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;
use openclaw_client::{Client, ConnectOptions, Endpoint, Introduction};
use openclaw_config::{Env, Home};
use serde_json::{Value, json};

use crate::cli::tree;
use crate::io::Io;
use crate::peek;
use crate::text::Lang;

/// Set by the scripts when they ask for candidates.
pub(crate) const VARIABLE: &str = "OPENCLAW_COMPLETE";

/// Shells there is a script for.
pub(crate) const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

/// Longest time spent asking the gateway.
const ASKING: Duration = Duration::from_millis(40);

/// Most candidates of one list.
const CANDIDATES_MAX: usize = 500;

/// Values that only the gateway knows: the argument's name, what to ask, and
/// where the ids are.
struct Live {
    value_name: &'static str,
    method: &'static str,
    params: fn() -> Value,
    items: &'static str,
    ids: &'static [&'static str],
}

const LIVE: &[Live] = &[
    Live {
        value_name: "SESSION",
        method: "sessions.list",
        params: || json!({"limit": 200}),
        items: "/sessions",
        ids: &["/key"],
    },
    Live { value_name: "APPROVAL", method: "exec.approval.list", params: || json!({}), items: "", ids: &["/id"] },
    Live {
        value_name: "MODEL",
        method: "models.list",
        params: || json!({"view": "configured"}),
        items: "/models",
        ids: &["/provider", "/id"],
    },
    Live { value_name: "AGENT", method: "agents.list", params: || json!({}), items: "/agents", ids: &["/id"] },
    Live {
        value_name: "DEVICE",
        method: "device.pair.list",
        params: || json!({}),
        items: "/paired",
        ids: &["/deviceId"],
    },
    Live { value_name: "RUN", method: "runs.list", params: || json!({"limit": 100}), items: "/runs", ids: &["/runId"] },
    Live {
        value_name: "DELIVERY",
        method: "deliveries.list",
        params: || json!({"limit": 100}),
        items: "/deliveries",
        ids: &["/id"],
    },
];

/// Returns the script a shell loads.
pub(crate) fn script(shell: &str) -> std::io::Result<String> {
    let shells = Shells::builtins();
    let writer = shells.completer(shell).ok_or_else(|| std::io::Error::other("no such shell"))?;
    let mut bytes = Vec::new();
    writer.write_registration(VARIABLE, "openclaw", "openclaw", "openclaw", &mut bytes)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// Answers a script's question. Errors are silence: there is nobody to tell.
pub(crate) fn answer(shell: &str, arguments: &[OsString], env: &Env, io: &Io) {
    let shells = Shells::builtins();
    let Some(writer) = shells.completer(shell) else { return };
    let words = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => arguments[at + 1..].to_vec(),
        None => return,
    };
    let mut command = with_live_values(tree(Lang::choose(None, env)), env);
    let mut bytes = Vec::new();
    if writer.write_complete(&mut command, words, env.cwd(), &mut bytes).is_ok()
        && let Ok(text) = String::from_utf8(bytes)
    {
        io.out(&text);
    }
}

/// Gives every argument with a known value name its live candidates.
fn with_live_values(command: Command, env: &Env) -> Command {
    let Ok(home) = Home::locate(env, None) else { return command };
    let home = Arc::new(home);
    attach(command, &home)
}

fn attach(command: Command, home: &Arc<Home>) -> Command {
    let command = command.mut_args(|argument| {
        let name = argument.get_value_names().and_then(|names| names.first()).map(|name| name.to_string());
        match name.as_deref() {
            Some("SETTING") => argument.add(ArgValueCandidates::new(settings)),
            Some(name) => match LIVE.iter().find(|live| live.value_name == name) {
                Some(live) => {
                    let home = Arc::clone(home);
                    argument.add(ArgValueCandidates::new(move || ask(&home, live)))
                }
                None => argument,
            },
            None => argument,
        }
    });
    command.mut_subcommands(|subcommand| attach(subcommand, home))
}

/// Completes settings from the table of all of them; no gateway is needed.
fn settings() -> Vec<CompletionCandidate> {
    let keys = openclaw_config::keys::all().filter(|(path, key)| key.ring <= 2 && !path.contains(['*', '[']));
    keys.map(|(path, key)| CompletionCandidate::new(path).help(Some(key.doc.into()))).collect()
}

fn ask(home: &Home, live: &Live) -> Vec<CompletionCandidate> {
    let socket = home.state_dir.join("gateway.sock");
    if !socket.exists() {
        return Vec::new();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let asking = async {
        let options = ConnectOptions::new(Introduction::cli(env!("CARGO_PKG_VERSION")));
        let client = Client::connect(&Endpoint::Unix(socket), &options).await.ok()?;
        client.call(live.method, (live.params)()).await.ok()
    };
    let answer = runtime.block_on(async { tokio::time::timeout(ASKING, asking).await });
    match answer {
        Ok(Some(answer)) => candidates(&answer, live),
        Ok(None) | Err(_) => Vec::new(),
    }
}

fn candidates(answer: &Value, live: &Live) -> Vec<CompletionCandidate> {
    let items = peek::list(answer, live.items).iter().take(CANDIDATES_MAX);
    let id = |item: &Value| live.ids.iter().map(|at| peek::text(item, at)).collect::<Vec<_>>().join("/");
    items.map(id).filter(|id| !id.is_empty()).map(CompletionCandidate::new).collect()
}
