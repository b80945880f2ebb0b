//! Every failure this crate can word has a code that is published, and a next
//! command that parses: read from the sources, so that rare ones count too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::manners::assert_parses;

/// Returns the sources that are not tests, without their test modules.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((path, text.split("#[cfg(test)]").next().unwrap().to_owned()));
            }
        }
    }
    sources
}

/// Returns what stands between quotes on one line.
fn literals(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

#[test]
fn every_command_that_is_suggested_parses() {
    let mut commands = BTreeSet::new();
    for (_path, text) in sources() {
        for literal in literals(&text) {
            // Where a profile may stand before the verb.
            let command = literal.replacen("{} ", "openclaw ", usize::from(literal.starts_with("{} ")));
            let is_verb = |word: &str| word.starts_with("--") || crate::manners::is_command(word);
            if command.strip_prefix("openclaw ").and_then(|rest| rest.split(' ').next()).is_some_and(is_verb) {
                commands.insert(filled(&command));
            }
        }
    }
    assert!(commands.len() > 50, "{commands:#?}");
    for command in &commands {
        assert_parses(command);
    }
}

/// Puts a word that fits where a value is filled in.
fn filled(command: &str) -> String {
    let mut filled = command
        .replace("{command}", "explain")
        .replace("{number}", "1")
        .replace("'${{NAME}}'", "X")
        .replace("'{}'", "X");
    while let (Some(begin), Some(end)) = (filled.find('{'), filled.find('}')) {
        filled.replace_range(begin..=end, "x");
    }
    filled
}

#[test]
fn every_failure_is_given_a_next_command_where_it_is_worded() {
    let mut seen = 0;
    for (path, text) in sources() {
        for function in text.split("\n}\n") {
            let made: Vec<&str> = function.split_inclusive("Failure::").skip(1).collect();
            for rest in made.iter().filter(|rest| rest.starts_with("new(") || rest.starts_with("usage(")) {
                seen += 1;
                assert!(rest.contains("next"), "{}: Failure::{rest}", path.display());
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn every_code_is_published() {
    let mut codes = BTreeSet::from(["KEY_REJECTED".to_owned()]);
    for (_path, text) in sources() {
        for rest in text.split("Exit::").skip(1) {
            let Some((_name, rest)) = rest.split_once(',') else { continue };
            let code = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            let is_code = |code: &&str| !code.is_empty() && code.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            codes.extend(code.filter(is_code).map(str::to_owned));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli-json.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let published = schema["$defs"]["ownCode"]["enum"].as_array().unwrap();
    let published: BTreeSet<String> = published.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes, published);
}

#[test]
fn every_test_the_acceptance_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("../../docs/reference/acceptance.md")).unwrap();
    let named = table.split("`openclaw-cli::").skip(1).filter_map(|rest| rest.split('`').next());
    let mut count = 0;
    for (modules, test) in named.filter_map(|name| name.rsplit_once("::")) {
        let path = modules.replace("::", "/");
        let files = match path.strip_suffix("/tests") {
            Some(own) => vec![format!("src/{own}.rs"), format!("src/{path}.rs")],
            None if path.contains("/tests/") => vec![format!("src/{path}.rs")],
            None => vec![format!("tests/it/{path}.rs")],
        };
        let texts: Vec<String> = files.iter().flat_map(|file| std::fs::read_to_string(root.join(file))).collect();
        assert!(texts.iter().any(|text| text.contains(&format!("fn {test}()"))), "{modules}::{test} in {files:?}");
        count += 1;
    }
    assert!(count > 60, "{count}");
}
