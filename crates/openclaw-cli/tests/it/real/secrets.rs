//! A canary stands for each secret of a home. After everything a person does, none of
//! them is found outside the files that are meant to hold it, in no form.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use openclaw_testkit::latch::Latch;
use openclaw_testkit::server::{Reply, Script};
use serde_json::json;

use super::{Home, Model};
use crate::manners::{FAILING, LINES};

/// The secrets: of providers in the private file of keys, in the environment and in the
/// configuration, of the gateway, of a channel, and one that comes on standard input.
const KEPT: &str = "canary-kept-7f3a9c1e5b";
const GIVEN: &str = "canary-given-20b1d46ce8";
const WRITTEN: &str = "canary-written-9e08d7a3f1";
const TOKEN: &str = "canary-token-51c7e0a94d2b8f36";
const CHANNEL: &str = "110201543:canary-channel-e3b0c44298fc1c14";
const PIPED: &str = "canary-piped-6d2f83b7a0";
const ALL: [&str; 6] = [KEPT, GIVEN, WRITTEN, TOKEN, CHANNEL, PIPED];

/// Files that are meant to hold secrets, with the copies of the configuration that are
/// kept of earlier revisions; each is its owner's alone.
const MEANT: [&str; 3] = [".openclaw/.env", ".openclaw/gateway.token", ".openclaw/openclaw.json"];
const COPIES: &str = ".openclaw/openclaw.json.";

/// All forms a secret is looked for in.
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    fn new() -> Canaries {
        let forms = |secret: &'static str| {
            let mut forms = BTreeSet::from([secret.to_owned(), hex::encode(secret), hex::encode_upper(secret)]);
            // Where it stands among other bytes, what is sure are the groups that hold nothing else.
            for skipped in 0..3 {
                let bytes = &secret.as_bytes()[(3 - skipped) % 3..];
                let whole = &bytes[..bytes.len() / 3 * 3];
                forms.extend([STANDARD_NO_PAD.encode(whole), URL_SAFE_NO_PAD.encode(whole)]);
            }
            forms.into_iter().map(move |form| (secret, form))
        };
        Canaries(ALL.into_iter().flat_map(forms).collect())
    }

    /// Returns the secrets that stand in some bytes.
    fn within(&self, bytes: &[u8]) -> BTreeSet<&'static str> {
        let is_there = |form: &str| bytes.windows(form.len()).any(|window| window == form.as_bytes());
        self.0.iter().filter(|(_, form)| is_there(form)).map(|(secret, _)| *secret).collect()
    }
}

/// Looks at the arguments of every process of this machine until it is told to stop.
struct Watch {
    is_over: Arc<AtomicBool>,
    looks: Arc<Mutex<(usize, BTreeSet<String>)>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    fn start() -> Watch {
        let (is_over, looks) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<(usize, BTreeSet<String>)>>::default());
        let (over, its) = (Arc::clone(&is_over), Arc::clone(&looks));
        let thread = std::thread::spawn(move || {
            let canaries = Canaries::new();
            while !over.load(Ordering::Relaxed) {
                let found = arguments_with(&canaries);
                let mut looks = its.lock().unwrap();
                looks.0 += 1;
                looks.1.extend(found);
            }
        });
        Watch { is_over, looks, thread: Some(thread) }
    }

    fn end(mut self) -> (usize, BTreeSet<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.looks.lock().unwrap().clone()
    }
}

/// Returns the processes whose arguments hold a secret, with which.
fn arguments_with(canaries: &Canaries) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let arguments = processes.filter_map(|path| Some((std::fs::read(path.join("cmdline")).ok()?, path)));
    let found = arguments.map(|(bytes, path)| (canaries.within(&bytes), path)).filter(|(found, _)| !found.is_empty());
    found.map(|(found, path)| format!("{}: {found:?}", path.display())).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            files(&path, into);
        } else if kind.is_file() {
            into.push(path);
        }
    }
}

fn home(model: &Model) -> Home {
    let home = Home::with_model(
        &model.url(),
        json!({
            "gateway": { "auth": { "token": TOKEN } },
            "models": { "providers": { "mock": { "apiKey": WRITTEN } } },
            "channels": { "telegram": { "enabled": false, "botToken": CHANNEL } },
            "tools": { "exec": { "mode": "full" } },
        }),
    );
    home.write(".openclaw/.env", &format!("ANTHROPIC_API_KEY='{KEPT}'\n"));
    home.write(".bash_history", "openclaw status\n");
    home.env("OPENAI_API_KEY", GIVEN)
}

#[test]
fn no_secret_is_found_in_logs_history_state_output_or_the_process_list() {
    let door = Latch::new();
    let its = door.clone();
    let model = Model::start(Script::answering(move |heard| {
        if heard.text.contains("wait") {
            return Reply::new().text("one moment ").hold(&its).text("done");
        }
        match heard.results.is_empty() {
            true => Reply::new().call("exec", &json!({"command": "echo at work"})),
            false => Reply::say("It said: at work"),
        }
    }));
    let home = home(&model);
    let canaries = Canaries::new();
    let watch = Watch::start();
    let gateway = home.gateway();
    assert!(std::fs::read(format!("/proc/{}/cmdline", gateway.pid())).is_ok());
    let mut printed = Vec::new();
    for line in LINES.iter().chain(FAILING).filter(|line| !line.starts_with("gateway strat")) {
        for form in ["", "--json", "-v -v"] {
            let words: Vec<&str> = line.split(' ').chain(form.split(' ')).filter(|word| !word.is_empty()).collect();
            let output = home.run(&words);
            let found = canaries.within(&[output.stdout.as_slice(), &output.stderr].concat());
            if !found.is_empty() {
                printed.push(format!("{line} {form}: {found:?}"));
            }
        }
    }
    // A secret comes on standard input.
    let mut child = home.command(&["config", "set", "models.providers.mock.apiKey", "-"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PIPED.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    // A conversation, and a look at the process list while the model is at work.
    let mut chat = home.terminal(&["chat"], 100, 30);
    chat.wait("connected to gateway");
    chat.send("what is at work?\r");
    chat.wait("It said: at work");
    chat.send("wait for me\r");
    model.wait("the turn", door.reached());
    assert_eq!(arguments_with(&canaries), Vec::<String>::new());
    door.open();
    chat.wait("done");
    chat.send("\u{4}");
    let (_status, shown) = chat.end();
    assert_eq!(canaries.within(shown.as_bytes()), BTreeSet::new(), "on the screen");
    drop(gateway);
    // Killed, so that what was not yet moved into the database is looked into as well.
    assert!(home.path(".openclaw/db/openclaw.db-wal").exists());
    check_files(&home, &canaries);
    // Setting up again, with a key that only this shell has.
    let (url, folder) = (format!("{}/v1", model.url()), home.path("work").display().to_string());
    let line = ["onboard", "--no-input", "--model", "custom/mock-1", "--base-url", &url, "--key-env", "OPENAI_API_KEY"];
    let output = home.run(&[&line[..], &["--workspace", &folder, "-v", "-v"]].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(canaries.within(&[output.stdout.as_slice(), &output.stderr].concat()), BTreeSet::new());
    assert!(home.read(".openclaw/.env").contains(GIVEN));
    let (looks, in_arguments) = watch.end();
    assert!(looks > 3 && in_arguments.is_empty(), "{looks}: {in_arguments:?}");
    assert!(printed.is_empty(), "{printed:#?}");
    check_files(&home, &canaries);
}

/// Looks into every file of the home.
fn check_files(home: &Home, canaries: &Canaries) {
    let mut all = Vec::new();
    files(&home.path(""), &mut all);
    let name = |path: &Path| path.strip_prefix(home.path("")).unwrap().display().to_string();
    let names: Vec<String> = all.iter().map(|path| name(path)).collect();
    // What there must be, so that the search is not one of an empty folder.
    for kind in ["logs/", "db/openclaw.db", "tui/draft.json", ".bash_history"] {
        assert!(names.iter().any(|name| name.contains(kind)), "no {kind} in {names:#?}");
    }
    let mut found = Vec::new();
    for (path, name) in all.iter().zip(&names) {
        let within = canaries.within(&std::fs::read(path).unwrap());
        if MEANT.contains(&name.as_str()) || name.starts_with(COPIES) {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        } else if !within.is_empty() {
            found.push(format!("{name}: {within:?}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_canary_is_found_in_every_form_it_may_take() {
    let canaries = Canaries::new();
    for secret in ALL {
        for before in ["", "x", "xy", "Bearer "] {
            let text = format!("{before}{secret}, and more");
            let forms = [
                text.clone(),
                STANDARD_NO_PAD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
                hex::encode(&text),
                hex::encode_upper(&text),
            ];
            for form in forms {
                assert_eq!(canaries.within(form.as_bytes()), BTreeSet::from([secret]), "{form}");
            }
        }
    }
    assert_eq!(canaries.within(b"canary, and nothing else"), BTreeSet::new());
}
