//! `support bundle`: one file with what helps to find a defect. Secrets are
//! taken out of every part before it is packed; credentials are never read.

mod blot;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Map, Value, json};

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Line, Report, Tone, number, time};
use crate::text::runs as copy;
use crate::{link, peek};

use blot::Blot;

/// Lines of the log that are packed.
const LOG_LINES: u32 = 2000;

/// Bytes of the log that are packed.
const LOG_BYTES_MAX: u32 = 1_000_000;

/// Events of a run read at a time.
const PAGE: u32 = 1000;

/// Most events of a run that are packed.
const EVENTS_MAX: usize = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write one .tar.gz
    Bundle {
        /// A run whose journal is packed too
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Leave out what people, models and tools said
        #[arg(long)]
        no_text: bool,
    },
}

/// What is packed.
struct Bundle {
    blot: Blot,
    files: Vec<(String, String)>,
    /// What could not be had, and why.
    without: Vec<String>,
}

impl Bundle {
    fn add(&mut self, name: impl Into<String>, text: &str) {
        self.files.push((name.into(), self.blot.clean(text)));
    }

    fn add_json(&mut self, name: &str, value: &Value) {
        let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
        self.add(name, &text);
    }
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let Verb::Bundle { run, out, no_text } = arguments.verb;
    let path = place(cx, out);
    if path.exists() {
        let shown = path.display().to_string();
        return Err(Failure::new(Exit::Conflict, "FILE", cx.say(&copy::BUNDLE_EXISTS, &[("path", &shown)]))
            .at_file(shown)
            .next("openclaw support bundle"));
    }
    let mut bundle = Bundle { blot: Blot::of(cx), files: Vec::new(), without: Vec::new() };
    bundle.add_json("config.json", &openclaw_config::redact::value(&cx.config().value));
    bundle.add_json("doctor.json", &super::doctor::findings(cx).await);
    if let Err(failure) = from_gateway(cx, &mut bundle, run.as_deref(), no_text).await {
        if run.is_some() {
            return Err(failure);
        }
        bundle.without.push(failure.message);
    }
    manifest(cx, &mut bundle, run.as_deref(), no_text);
    let bytes = write(cx, &path, &bundle.files)?;
    Ok(report(cx, &path, &bundle, bytes))
}

fn place(cx: &Cx<'_>, out: Option<PathBuf>) -> PathBuf {
    let name = out.unwrap_or_else(|| {
        let at = time::iso((cx.now)()).replace([':', '-'], "");
        PathBuf::from(format!("openclaw-support-{at}.tar.gz"))
    });
    cx.env.cwd().map_or_else(|| name.clone(), |cwd| cwd.join(&name))
}

/// Adds what only the gateway, or the engine inside this command, can tell.
async fn from_gateway(cx: &Cx<'_>, bundle: &mut Bundle, run: Option<&str>, no_text: bool) -> Result<(), Failure> {
    // Without a run to show, nothing is started for it.
    let (client, reached) = match run {
        None => (link::connect(cx).await?, None),
        Some(_) => {
            let reached = link::connect_or_embed(cx, false).await?;
            (reached.client.clone(), Some(reached))
        }
    };
    let added = add_from(cx, bundle, &client, run, no_text).await;
    match reached {
        Some(reached) => reached.end().await,
        None => client.close().await,
    }
    added
}

async fn add_from(
    cx: &Cx<'_>,
    bundle: &mut Bundle,
    client: &Client,
    run: Option<&str>,
    no_text: bool,
) -> Result<(), Failure> {
    let page = client.call("logs.tail", json!({ "limit": LOG_LINES, "maxBytes": LOG_BYTES_MAX })).await?;
    let lines: Vec<&str> = peek::list(&page, "/lines").iter().filter_map(Value::as_str).collect();
    bundle.add("logs.jsonl", &(lines.join("\n") + "\n"));
    let Some(run) = run else { return Ok(()) };
    let named = super::runs::locate(cx, client, run, None).await?;
    let events = events(client, &named).await?;
    let mut lines = String::new();
    for event in events {
        let event = if no_text { without_text(event) } else { event };
        lines.push_str(&event.to_string());
        lines.push('\n');
    }
    bundle.add("run/events.jsonl", &lines);
    let replay = client.call("runs.replay", named).await?;
    let replay = if no_text { without_text(replay) } else { replay };
    bundle.add_json("run/replay.json", &replay);
    Ok(())
}

async fn events(client: &Client, named: &Value) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    let mut after = 0;
    while all.len() < EVENTS_MAX {
        let mut params = named.clone();
        params["after"] = after.into();
        params["limit"] = PAGE.into();
        let page = client.call("runs.events", params).await?;
        let events = peek::list(&page, "/events");
        after = peek::int(&page, "/after").unwrap_or(after);
        all.extend(events.iter().cloned());
        if events.is_empty() || !peek::is(&page, "/hasMore") {
            break;
        }
    }
    Ok(all)
}

/// Names of fields that say how, not what: they stay readable.
const KEPT: [&str; 22] = [
    "runId",
    "sessionKey",
    "agentId",
    "callId",
    "toolCallId",
    "id",
    "event",
    "stream",
    "phase",
    "status",
    "state",
    "effect",
    "name",
    "kind",
    "key",
    "action",
    "digest",
    "end",
    "provider",
    "model",
    "recordedSha256",
    "rebuiltSha256",
];

/// Replaces every text that may hold words of people, models or tools by its length.
fn without_text(value: Value) -> Value {
    fn walk(value: Value, is_kept: bool) -> Value {
        match value {
            Value::String(text) if !is_kept => json!({ "chars": text.chars().count() }),
            Value::Array(items) => items.into_iter().map(|item| walk(item, is_kept)).collect(),
            Value::Object(map) => {
                let fields = map.into_iter().map(|(name, value)| {
                    let is_kept = KEPT.contains(&name.as_str()) && value.is_string();
                    // Keys of arguments are words of a model.
                    if name == "args" || name == "arguments" {
                        let bytes = value.to_string().len();
                        return (name, json!({ "bytes": bytes }));
                    }
                    (name, walk(value, is_kept))
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
            other => other,
        }
    }
    walk(value, false)
}

fn manifest(cx: &Cx<'_>, bundle: &mut Bundle, run: Option<&str>, no_text: bool) {
    let names: Vec<String> = bundle.files.iter().map(|(name, _)| name.clone()).collect();
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"), "at": time::iso((cx.now)()), "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH, "run": run, "text": !no_text, "files": names, "without": bundle.without,
    });
    bundle.add_json("manifest.json", &value);
}

/// Packs the files for the owner's eyes only; returns the size.
fn write(cx: &Cx<'_>, path: &Path, files: &[(String, String)]) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    let mut archive = tar::Builder::new(packed);
    let at = u64::try_from(cx.now_ms() / 1000).unwrap_or(0);
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(at);
        archive.append_data(&mut header, format!("openclaw-support/{name}"), text.as_bytes()).map_err(failed)?;
    }
    let mut file = archive.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(failed)?;
    file.flush().and_then(|()| file.sync_all()).map_err(failed)?;
    file.metadata().map(|metadata| metadata.len()).map_err(failed)
}

fn report(cx: &Cx<'_>, path: &Path, bundle: &Bundle, bytes: u64) -> Report {
    let shown = path.display().to_string();
    let names: Vec<&str> = bundle.files.iter().map(|(name, _)| name.as_str()).collect();
    let size = number::bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
    let values = [("path", &*shown), ("count", &names.len().to_string()), ("bytes", &size)];
    let mut report = Report::of(json!({ "path": shown, "bytes": bytes, "files": names, "without": bundle.without }))
        .line(Line::marked(Tone::Done, "ok", cx.say(&copy::BUNDLE_WRITTEN, &values)));
    for what in &bundle.without {
        report.warnings.push(cx.say(&copy::BUNDLE_WITHOUT, &[("what", what)]));
    }
    report.next(format!("tar -tzf {shown}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::without_text;

    #[test]
    fn without_text_only_names_and_sizes_stay() {
        let event = json!({ "seq": 3, "event": "model_done", "data": { "text": "words", "calls": [
            { "callId": "c1", "name": "read", "args": { "secret plan": "x" }, "title": "read it" }] } });
        let wanted = json!({ "seq": 3, "event": "model_done", "data": { "text": { "chars": 5 }, "calls": [
            { "callId": "c1", "name": "read", "args": { "bytes": 19 }, "title": { "chars": 7 } }] } });
        assert_eq!(without_text(event), wanted);
    }
}
