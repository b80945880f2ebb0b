//! What the built program prints for programs has the published forms, with a real gateway.

use openclaw_testkit::server::{Reply, Script};
use serde_json::{Value, json};

use super::{Home, Model};
use crate::manners::LINES;
use crate::schema::Published;

#[test]
fn what_a_real_gateway_answers_has_the_published_forms() {
    let model = Model::start(Script::answering(|heard| match heard.results.is_empty() {
        true => Reply::new().call("list", &json!({"path": "."})),
        false => Reply::say("Nothing is here."),
    }));
    let home = Home::with_model(&model.url(), json!({}));
    home.write(
        ".openclaw/workspace/skills/pdf/SKILL.md",
        "---\nname: pdf\ndescription: Reads PDF files\n---\nRead it.\n",
    );
    let _gateway = home.gateway();
    assert!(home.run(&["agent", "what is here?"]).status.success());
    let published = Published::read();
    let (mut forms, mut lines_seen) = (Vec::new(), Vec::new());
    // The conversation must still be there for the lists.
    let is_kept =
        |line: &&&str| !["sessions archive", "sessions reset", "sessions rm"].iter().any(|verb| line.starts_with(verb));
    for line in LINES.iter().filter(is_kept) {
        let words = |flag| line.split(' ').chain([flag]).collect::<Vec<_>>();
        let output = home.run(&words("--json"));
        let text = String::from_utf8(output.stdout).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"));
        let command = published.command(line);
        assert_eq!(published.check(command.as_deref(), &document), Ok(()), "{line}: {document:#}");
        if document["ok"] == true {
            forms.extend(command);
        }
        let output = home.run(&words("--jsonl"));
        for text in String::from_utf8(output.stdout).unwrap().lines() {
            let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"));
            match published.check_line(line, &value) {
                Ok(form) => lines_seen.extend(form),
                Err(wrong) => panic!("{line}: {wrong}: {value:#}"),
            }
        }
    }
    for name in ["agents-list", "message-list", "cron-list", "skills-list", "channels-list", "nodes-list", "logs"] {
        assert!(forms.iter().any(|form| form == name), "{name}: {forms:?}");
    }
    for name in ["agents-list-line", "message-list-line", "sessions-list-line", "models-list-line", "logs-line"] {
        assert!(lines_seen.iter().any(|form| form == name), "{name}: {lines_seen:?}");
    }
}
