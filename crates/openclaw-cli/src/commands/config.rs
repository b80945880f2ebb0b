//! `config`: read, explain and change settings. A change goes through the gateway
//! when one runs, so that it is taken over at once, else straight to the file;
//! either way it is checked as a whole before it reaches the disk.

mod write;

use clap::{Args, Subcommand};
use openclaw_config::{Issue, KeyPath, Loaded, Origin, keys};
use serde_json::{Map, Value, json};

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::{Failure, Place};
use crate::out::{Column, Line, Report, Table, Tone};
use crate::text;

pub(crate) use write::{write, write_own};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show a setting, or all
    Get {
        /// Dotted path, for example gateway.port
        #[arg(value_name = "SETTING")]
        path: Option<String>,
    },
    /// Change a setting
    Set {
        /// Dotted path, for example gateway.port
        #[arg(value_name = "SETTING")]
        path: String,
        /// JSON, or text; `-` reads it from standard input
        #[arg(allow_hyphen_values = true)]
        value: Option<String>,
    },
    /// Remove a setting, so that its default applies
    Unset {
        /// Dotted path, for example gateway.port
        #[arg(value_name = "SETTING")]
        path: String,
    },
    /// Check the file
    Validate,
    /// Print the JSON schema
    Schema,
    /// Tell what a setting means, what may stand there, and where its value comes from
    Explain {
        /// Dotted path, for example gateway.port
        #[arg(value_name = "SETTING")]
        path: String,
    },
    /// Print the path of the file
    #[command(visible_alias = "path")]
    File,
    /// Show what differs from the defaults
    Diff,
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    match arguments.verb {
        Verb::Get { path } => get(cx, path.as_deref()),
        Verb::Set { path, value } => set(cx, &path, value).await,
        Verb::Unset { path } => write(cx, &path, None).await,
        Verb::Validate => validate(cx),
        Verb::Schema => schema(),
        Verb::Explain { path } => explain(cx, &path),
        Verb::File => {
            let loaded = cx.config();
            let data = json!({"path": loaded.path, "exists": loaded.exists});
            Ok(Report::of(data).raw(format!("{}\n", loaded.path.display())))
        }
        Verb::Diff => diff(cx),
    }
}

/// Reads a path as written, or says what is wrong with it.
fn parse(path: &str) -> Result<KeyPath, Failure> {
    KeyPath::parse(path)
        .map_err(|error| Failure::usage(format!("cannot {error}")).next("openclaw config explain gateway.port"))
}

/// Says that there is no such setting, and which one may have been meant.
fn unknown(cx: &Cx<'_>, path: &KeyPath, command: &str) -> Failure {
    let shown = path.to_string();
    let mut message = cx.say(&text::CONFIG_NO_SETTING, &[("path", &shown)]);
    let nearest = keys::nearest(path);
    if let Some(nearest) = &nearest {
        message.push_str(&cx.say(&text::CLOSEST, &[("name", nearest)]));
    }
    let next = match nearest {
        Some(nearest) => format!("openclaw config {command} {nearest}"),
        None => "openclaw config schema".to_owned(),
    };
    Failure::new(Exit::Usage, "CONFIG_UNKNOWN", message).at(Place { path: Some(shown), ..Place::default() }).next(next)
}

fn get(cx: &Cx<'_>, path: Option<&str>) -> Result<Report, Failure> {
    let loaded = cx.config();
    let Some(path) = path else {
        let shown = openclaw_config::redact::value(&loaded.value);
        return Ok(warned(loaded, Report::of(shown.clone()).raw(pretty(&shown))));
    };
    let path = parse(path)?;
    let value = loaded.get(&path.to_string()).map(|value| openclaw_config::explain::shown(&path, value));
    match value {
        Some(value) => {
            let drawn = value.as_str().map_or_else(|| pretty(&value), |text| format!("{text}\n"));
            Ok(Report::of(value).raw(drawn))
        }
        None if openclaw_config::explain(&path, None).is_none() => Err(unknown(cx, &path, "get")),
        None => {
            let shown = path.to_string();
            let place = Place { file: Some(cx.shown(&loaded.path)), path: Some(shown.clone()), ..Place::default() };
            let message = cx.say(&text::CONFIG_NOT_SET, &[("path", &shown)]);
            Err(Failure::new(Exit::NotFound, "CONFIG_NOT_SET", message)
                .at(place)
                .next(format!("openclaw config explain {shown}")))
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Adds what is wrong with the file to a report that shows it.
fn warned(loaded: &Loaded, mut report: Report) -> Report {
    report.warnings.extend(loaded.issues.iter().filter(|issue| issue.is_error()).map(ToString::to_string));
    report
}

async fn set(cx: &Cx<'_>, path: &str, value: Option<String>) -> Result<Report, Failure> {
    let path = parse(path)?;
    let is_secret = openclaw_config::redact::is_secret_path(&path);
    let text = match value {
        Some(text) if text == "-" => read_input(cx).await?,
        Some(text) if is_secret && !is_reference(&text) => {
            let shown = path.to_string();
            let message = cx.say(&text::CONFIG_SECRET_ARGUMENT, &[("path", &shown)]);
            return Err(
                Failure::new(Exit::Usage, "SECRET_ARGUMENT", message).next(format!("openclaw config set {shown} -"))
            );
        }
        Some(text) => text,
        None if is_secret && cx.can_ask() => cx.ask_hidden(&format!("{path}: "), "-").await?,
        None => {
            let message = cx.say(&text::CONFIG_VALUE_NEEDED, &[]);
            return Err(
                Failure::new(Exit::Usage, "VALUE_NEEDED", message).next(format!("openclaw config explain {path}"))
            );
        }
    };
    let value = read_value(&path, text);
    write(cx, &path.to_string(), Some(value)).await
}

async fn read_input(cx: &Cx<'_>) -> Result<String, Failure> {
    let text = cx.io.read_all().await;
    text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
        .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")).next("openclaw config --help"))
}

/// Tells whether a text names where a secret is, instead of being it.
fn is_reference(text: &str) -> bool {
    let is_variable = text.starts_with("${") && text.ends_with('}');
    let is_object = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
    is_variable || is_object
}

/// Reads a value: JSON where the setting takes JSON, else the text itself.
fn read_value(path: &KeyPath, text: String) -> Value {
    let takes_text = keys::find(path).is_some_and(|key| {
        matches!(key.kind, keys::Kind::Text | keys::Kind::Path | keys::Kind::OneOf(_) | keys::Kind::Secret)
    });
    match serde_json::from_str::<Value>(&text) {
        Ok(value) if !takes_text || value.is_string() || value.is_object() => value,
        Ok(_) | Err(_) => Value::String(text),
    }
}

fn validate(cx: &Cx<'_>) -> Result<Report, Failure> {
    let loaded = cx.config();
    let errors: Vec<&Issue> = loaded.issues.iter().filter(|issue| issue.is_error()).collect();
    if let Some(first) = errors.first() {
        let details = json!({"issues": loaded.issues, "path": loaded.path});
        let count = errors.len().to_string();
        let mut failure = failure_of(cx, loaded, first).with_details(details);
        failure.exit = Exit::Problems;
        if errors.len() > 1 {
            failure.message = format!("{} ({})", failure.message, cx.say(&text::CONFIG_INVALID, &[("count", &count)]));
        }
        return Err(failure);
    }
    let (count, warnings) = (loaded.origins.len().to_string(), loaded.issues.len().to_string());
    let line = if loaded.exists {
        cx.say(&text::CONFIG_VALID, &[("count", &count), ("warnings", &warnings)])
    } else {
        cx.say(&text::CONFIG_ABSENT, &[])
    };
    let data = json!({"valid": true, "path": loaded.path, "exists": loaded.exists, "issues": loaded.issues});
    let mut report = Report::of(data).line(Line::marked(Tone::Done, "ok", line));
    report.warnings = loaded.issues.iter().map(ToString::to_string).collect();
    Ok(report)
}

/// Words a finding by the error pattern.
fn failure_of(cx: &Cx<'_>, loaded: &Loaded, issue: &Issue) -> Failure {
    let place = Place {
        file: Some(cx.shown(issue.file.as_deref().unwrap_or(&loaded.path))),
        line: issue.line,
        column: issue.column,
        path: (!issue.path.is_empty()).then(|| issue.path.clone()),
        ..Place::default()
    };
    let mut message = issue.message.clone();
    if let Some(expected) = issue.expected.as_ref().filter(|expected| !message.contains(expected.as_str())) {
        message.push_str(&format!("; expected {expected}"));
    }
    let next = match issue.path.as_str() {
        "" => "openclaw config file".to_owned(),
        path => format!("openclaw config explain {path}"),
    };
    Failure::new(Exit::Usage, "CONFIG_INVALID", message).at(place).next(next)
}

fn schema() -> Result<Report, Failure> {
    let schema = openclaw_config::schema();
    Ok(Report::of(schema.clone()).raw(pretty(&schema)))
}

fn explain(cx: &Cx<'_>, path: &str) -> Result<Report, Failure> {
    let loaded = cx.config();
    let path = parse(path)?;
    let Some(known) = openclaw_config::explain(&path, Some(loaded)) else {
        return Err(unknown(cx, &path, "explain"));
    };
    let row = |label: &str, value: &str| Line::new().tone(Tone::Dim, format!("  {label:<10}")).text(value);
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
    let value = if known.is_secret && known.value.is_some() { cx.say(&text::HIDDEN, &[]) } else { shown(&known.value) };
    let from = tilde(cx, known.origin.as_deref().unwrap_or("-"));
    let data = json!({
        "path": known.path, "pattern": known.pattern, "doc": known.doc, "expected": known.expected,
        "default": known.default, "value": known.value, "origin": known.origin, "ring": known.ring,
        "isSecret": known.is_secret, "takesEffect": known.takes_effect, "below": known.below,
    });
    let mut report = Report::of(data)
        .line(Line::new().tone(Tone::Strong, &known.path).text(format!("  {}", known.doc)))
        .line(row("expected", &known.expected))
        .line(row("value", &value))
        .line(row("default", &shown(&known.default)))
        .line(row("from", &from))
        .line(row("effect", known.takes_effect));
    if !known.below.is_empty() {
        report = report.line(row("below", &known.below.join(" ")));
    }
    if known.ring > 1 {
        report.warnings.push(format!("{} is understood and kept, but does nothing in this version", known.path));
    }
    Ok(report)
}

/// Shortens the home directory in a text that names a place in it.
fn tilde(cx: &Cx<'_>, text: &str) -> String {
    text.replace(&format!("{}/", cx.home.home.display()), "~/")
}

fn diff(cx: &Cx<'_>) -> Result<Report, Failure> {
    let loaded = cx.config();
    let mut table = Table::new(vec![
        Column::id("setting"),
        Column::text("value", 3),
        Column::text("default", 2),
        Column::text("from", 1),
    ]);
    let mut rows = Map::new();
    // A list is one row; its elements have no defaults of their own.
    let set = loaded.origins.iter().filter(|(path, origin)| !matches!(origin, Origin::Default) && !path.contains('['));
    for (text, origin) in set {
        let Ok(path) = KeyPath::parse(text) else { continue };
        let Some(value) = loaded.get(text).filter(|value| !value.is_object()) else { continue };
        let default = keys::find(&path).and_then(keys::Key::default_value);
        if default.as_ref() == Some(value) {
            continue;
        }
        let value = openclaw_config::explain::shown(&path, value);
        let from = tilde(cx, &origin.to_string());
        let default_shown = default.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        table.row([text.clone(), value.to_string(), default_shown, from.clone()]);
        rows.insert(text.clone(), json!({"value": value, "default": default, "from": from}));
    }
    let report = Report::of(json!({"path": loaded.path, "settings": rows}));
    if rows.is_empty() {
        return Ok(report.line(Line::new().tone(Tone::Dim, cx.say(&text::CONFIG_NO_DIFF, &[]))));
    }
    Ok(report.table(table))
}

#[cfg(test)]
mod tests {
    use openclaw_config::KeyPath;
    use serde_json::json;

    use super::{is_reference, read_value};

    #[test]
    fn values_are_json_unless_the_setting_is_text() {
        let read = |path: &str, text: &str| read_value(&KeyPath::parse(path).unwrap(), text.to_owned());
        assert_eq!(read("gateway.port", "18790"), json!(18790));
        assert_eq!(read("gateway.bind", "lan"), json!("lan"));
        assert_eq!(read("agents.defaults.workspace", "123"), json!("123"));
        assert_eq!(read("gateway.port", "many"), json!("many"));
    }

    #[test]
    fn references_are_told_from_secrets() {
        assert!(is_reference("${TOKEN}"));
        assert!(is_reference(r#"{"source": "env", "provider": "default", "id": "X"}"#));
        assert!(!is_reference("hunter2") && !is_reference("123") && !is_reference("$TOKEN"));
    }
}
