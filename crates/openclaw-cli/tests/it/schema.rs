//! What `--json` prints is of the published form, for every command line.

use std::collections::BTreeSet;
use std::path::Path;

use openclaw_cli::Exit;
use serde_json::{Value, json};

use crate::gateway::healthy;
use crate::manners::{FAILING, LINES};
use crate::world::World;

/// Lines of commands with a published form that the common matrix leaves out.
const MORE: &[&str] = &[
    "config get gateway",
    "approvals show q_7Kd",
    "gateway probe",
    "models probe",
    "sessions show main -n 1",
    "support bundle --out b.tar.gz",
];

/// The published schema.
pub(crate) struct Published(Value);

impl Published {
    pub(crate) fn read() -> Published {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli-json.schema.json");
        Published(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// Names the definition of a command's data, if it has one.
    pub(crate) fn command(&self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').take(2).collect();
        [words.join("-"), words[0].to_owned()].into_iter().find(|name| self.0["$defs"][name].is_object())
    }

    /// Says what is wrong with a document; with a command, with its data too.
    pub(crate) fn check(&self, command: Option<&str>, document: &Value) -> Result<(), String> {
        let mut schema = self.0.clone();
        if let (Some(name), true) = (command, document["ok"] == true) {
            schema["properties"]["data"] = json!({"$ref": format!("#/$defs/{name}")});
        }
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        validator.validate(document).map_err(|error| format!("{}: {error}", error.instance_path()))
    }
}

impl Published {
    /// Says what is wrong with one line of `--jsonl`; names the form when it is a line of a list.
    pub(crate) fn check_line(&self, line: &str, value: &Value) -> Result<Option<String>, String> {
        if value["ok"] == false && value["error"].is_object() {
            return self.check(None, value).map(|()| None);
        }
        let words: Vec<&str> = line.split(' ').take(2).collect();
        let lines = [format!("{}-line", words.join("-")), format!("{}-line", words[0])];
        let name = lines.into_iter().find(|name| self.0["$defs"][name].is_object());
        let Some(form) = name.clone().or_else(|| self.command(line)) else { return Ok(None) };
        let schema = json!({"$ref": format!("#/$defs/{form}"), "$defs": self.0["$defs"]});
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        validator.validate(value).map_err(|error| format!("{form} {}: {error}", error.instance_path()))?;
        Ok(name)
    }

    /// Names the forms of lines.
    fn lines(&self) -> BTreeSet<String> {
        let all = self.0["$defs"].as_object().unwrap().keys();
        all.filter(|name| name.ends_with("-line")).cloned().collect()
    }
}

#[test]
fn every_line_of_a_stream_has_the_published_form() {
    let published = Published::read();
    let mut seen = BTreeSet::new();
    for line in LINES.iter().chain(FAILING).chain(MORE) {
        for world in [World::healthy, World::new] {
            let outcome = world().embedding(healthy).run(&format!("{line} --jsonl"));
            for text in outcome.out.lines() {
                let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"));
                match published.check_line(line, &value) {
                    Ok(form) => seen.extend(form),
                    Err(wrong) => panic!("{line}: {wrong}: {value:#}"),
                }
            }
        }
    }
    assert_eq!(seen, published.lines());
}

/// Takes two lines of a log that is followed, and leaves.
fn followed(world: &World, flag: &str) -> Vec<String> {
    #[derive(Clone, Default)]
    struct TwoLines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for TwoLines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut taken = self.0.lock().unwrap();
            if taken.iter().filter(|byte| **byte == b'\n').count() == 2 {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let taken = TwoLines::default();
    let io = openclaw_cli::Io::given(taken.clone(), std::io::sink(), std::io::empty(), openclaw_cli::Terminal::NONE);
    let env = openclaw_config::Env::from_pairs([("HOME", world.path("").display().to_string())]);
    let arguments = ["openclaw", "logs", "--follow", flag].map(Into::into).into();
    let invocation = openclaw_cli::Invocation { arguments, env, io, now: jiff::Timestamp::now };
    assert_eq!(openclaw_cli::run(&invocation, &world.backend), Exit::Done);
    let text = String::from_utf8(taken.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_followed_log_prints_the_published_lines() {
    let published = Published::read();
    // A reader that leaves ends it; what was written until then is looked at.
    for flag in ["--jsonl", "--json"] {
        let lines = followed(&World::healthy(), flag);
        assert_eq!(lines.len(), 2, "{lines:?}");
        for line in lines {
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(published.check_line("logs", &value), Ok(Some("logs-line".to_owned())), "{line}");
        }
    }
    for wrong in [json!({"level": "INFO"}), json!({"timestamp": "t", "level": "loud"}), json!(7), json!(null)] {
        assert!(published.check_line("logs", &wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_command_line_prints_the_published_form() {
    let published = Published::read();
    let (mut seen, mut failed) = (BTreeSet::new(), 0);
    for line in LINES.iter().chain(FAILING).chain(MORE) {
        for world in [World::healthy, World::new] {
            let outcome = world().embedding(healthy).run(&format!("{line} --json"));
            let document = outcome.json();
            let command = published.command(line);
            let checked = published.check(command.as_deref(), &document);
            assert_eq!(checked, Ok(()), "{line}: {document:#}");
            if document["ok"] == true {
                seen.extend(command);
            } else {
                failed += 1;
                assert_eq!(document["error"]["exit"], outcome.exit.code(), "{line}");
            }
        }
    }
    assert!(failed > 40, "{failed}");
    // Onboarding asks; its own test is below. The others are parts of forms.
    let parts = [
        "next",
        "at",
        "success",
        "failure",
        "where",
        "ownCode",
        "error",
        "session",
        "entry",
        "issue",
        "approval",
        "question",
        "agentEntry",
        "variable",
        "job",
        "skill",
        "channel",
        "node",
        "run",
        "delivery",
        "replayed",
    ];
    let is_part = |name: &str| parts.contains(&name) || name.ends_with("-line");
    let all = published.0["$defs"].as_object().unwrap().keys();
    let missing: Vec<&String> =
        all.filter(|name| !is_part(name) && *name != "onboard" && !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "no line of the matrix has such data: {missing:?}");
}

#[test]
fn onboarding_prints_the_published_form() {
    let published = Published::read();
    let world = World::new().embedding(healthy).env("ANTHROPIC_API_KEY", "sk-test-1");
    let folder = world.path("work").display().to_string();
    let line = format!("onboard --no-input --model anthropic/claude-sonnet-4-5 --workspace {folder} --json");
    let outcome = world.run(&line);
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert_eq!(published.check(Some("onboard"), &outcome.json()), Ok(()));
}

#[test]
fn a_changed_form_is_refused() {
    let published = Published::read();
    let documents = |line: &str| World::healthy().embedding(healthy).run(&format!("{line} --json")).json();
    for line in [
        "status",
        "sessions list",
        "models list",
        "approvals list",
        "doctor",
        "gateway status",
        "logs",
        "agents list",
        "message list",
        "cron list",
        "skills list",
        "channels list",
        "nodes list",
    ] {
        let (document, command) = (documents(line), published.command(line).unwrap());
        assert_eq!(published.check(Some(&command), &document), Ok(()), "{line}");
        for field in ["ok", "data", "warnings", "next", "at"] {
            let mut without = document.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(published.check(Some(&command), &without).is_err(), "{line} without {field}");
        }
        let required = published.0["$defs"][&command]["required"].as_array().unwrap();
        assert!(!required.is_empty(), "{line}");
        for field in required.iter().map(|field| field.as_str().unwrap()) {
            let mut renamed = document.clone();
            let data = renamed["data"].as_object_mut().unwrap();
            let value = data.remove(field).unwrap();
            data.insert(format!("{field}2"), value);
            assert!(published.check(Some(&command), &renamed).is_err(), "{line} with {field} renamed");
        }
    }
    let failure = documents("sessions show nowhere");
    assert_eq!(published.check(None, &failure), Ok(()));
    for (pointer, wrong) in [
        ("/ok", json!(true)),
        ("/error/code", json!("not found")),
        ("/error/message", json!("")),
        ("/error/next", json!([])),
        ("/error/next", json!("openclaw sessions list")),
        ("/error/exit", json!(0)),
        ("/at", json!("yesterday")),
    ] {
        let mut changed = failure.clone();
        *changed.pointer_mut(pointer).unwrap() = wrong.clone();
        assert!(published.check(None, &changed).is_err(), "{pointer} = {wrong}");
    }
}
