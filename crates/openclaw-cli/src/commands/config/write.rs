//! One change of one setting, through the gateway or straight to the file.

use openclaw_client::Client;
use openclaw_config::load::Loader;
use openclaw_config::path::Segment;
use openclaw_config::reload::Class;
use openclaw_config::write::Error;
use openclaw_config::{Change, KeyPath, Options, Written};
use serde_json::{Map, Value, json};

use super::{failure_of, parse, unknown};
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::{Failure, Place};
use crate::out::{Line, Report, Tone};
use crate::{link, peek, text};

/// Sets a setting, or removes it.
pub(crate) async fn write(cx: &Cx<'_>, path: &str, value: Option<Value>) -> Result<Report, Failure> {
    let path = known(cx, path, value.is_some())?;
    // The check here names file, line and the value that stays; the gateway's own
    // check comes on top, since another version may know other settings.
    rehearse(cx, &path, value.as_ref()).await?;
    // A merge patch cannot name an element and cannot say whether a list loses entries;
    // both are edited in the file, which a running gateway watches.
    let is_patchable = path.segments().iter().all(|segment| matches!(segment, Segment::Key(_)))
        && !value.as_ref().is_some_and(holds_list);
    if is_patchable {
        match link::find(cx, &link::options(cx)).await? {
            Ok(client) => return through_gateway(cx, &client, &path, value).await,
            Err(down) if down.is_named() => return Err(down.failure),
            Err(_nothing_runs) => {}
        }
    }
    write_file(cx, &path, value).await
}

/// As [`write`], never through a gateway: for when none of this installation runs.
/// One that listens on its port then belongs to somebody else.
pub(crate) async fn write_own(cx: &Cx<'_>, path: &str, value: Option<Value>) -> Result<Report, Failure> {
    let path = known(cx, path, value.is_some())?;
    write_file(cx, &path, value).await
}

/// Reads a path and refuses one that is no setting.
fn known(cx: &Cx<'_>, path: &str, is_set: bool) -> Result<KeyPath, Failure> {
    let path = parse(path)?;
    if openclaw_config::explain(&path, None).is_none() {
        return Err(unknown(cx, &path, if is_set { "explain" } else { "unset" }));
    }
    Ok(path)
}

async fn write_file(cx: &Cx<'_>, path: &KeyPath, value: Option<Value>) -> Result<Report, Failure> {
    let written = to_file(cx, path, value.as_ref(), false).await?;
    let needs_restart = written.plan.class == Class::Restart;
    let changed: Vec<String> = written.changed.iter().map(ToString::to_string).collect();
    let data = json!({
        "path": path.to_string(), "changed": changed, "file": written.file, "requiresRestart": needs_restart,
    });
    let report = told(cx, path, value.is_some(), changed.is_empty(), data);
    Ok(Report { revision: Some(written.loaded.hash.into()), ..report })
}

/// Checks the change against this installation's file without writing.
async fn rehearse(cx: &Cx<'_>, path: &KeyPath, value: Option<&Value>) -> Result<(), Failure> {
    to_file(cx, path, value, true).await.map(drop)
}

async fn to_file(cx: &Cx<'_>, path: &KeyPath, value: Option<&Value>, is_dry_run: bool) -> Result<Written, Failure> {
    let change = match value {
        Some(value) => Change::Set(vec![(path.clone(), value.clone())]),
        None => Change::Unset(path.clone()),
    };
    let loader = Loader::new(cx.env.clone(), cx.home.clone());
    let options = Options { is_dry_run, ..Options::default() };
    // The lock of another writer may keep us waiting.
    let joined = tokio::task::spawn_blocking(move || openclaw_config::write(&loader, &change, &options)).await;
    match joined {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(error)) => Err(refused(cx, path, error)),
        Err(error) => {
            Err(Failure::new(Exit::Failed, "CONFIG_WRITE", format!("cannot write the configuration: {error}"))
                .next("openclaw doctor"))
        }
    }
}

fn refused(cx: &Cx<'_>, path: &KeyPath, error: Error) -> Failure {
    let loaded = cx.config();
    let shown = path.to_string();
    let now = loaded.get(&shown).map(|value| openclaw_config::explain::shown(path, value).to_string());
    let line = match loaded.origin(&shown) {
        Some(openclaw_config::Origin::File { line, .. }) => Some(*line),
        Some(_) | None => None,
    };
    let place = Place {
        file: Some(cx.shown(&loaded.path)),
        line,
        column: None,
        path: line.is_none().then(|| shown.clone()),
        now,
        is_unchanged: true,
    };
    match error {
        Error::Unknown { .. } => unknown(cx, path, "explain"),
        Error::Invalid(issues) => {
            let failure = match issues.iter().find(|issue| issue.is_error()).or(issues.first()) {
                Some(issue) => failure_of(cx, loaded, issue),
                None => Failure::new(Exit::Usage, "CONFIG_INVALID", "the configuration would be invalid"),
            };
            let mut failure = failure.at(place).with_details(json!({ "issues": issues }));
            failure.next = vec![format!("openclaw config explain {shown}")];
            failure
        }
        Error::Stale | Error::Busy | Error::Unexpected { .. } => {
            Failure::new(Exit::Conflict, "CONFIG_STALE", format!("cannot {error}"))
                .at(place)
                .next(format!("openclaw config get {shown}"))
        }
        Error::ReadOnly => Failure::new(Exit::NotAllowed, "CONFIG_READONLY", format!("cannot {error}"))
            .at(place)
            .next(format!("openclaw config explain {shown}")),
        Error::Unreadable(issue) => failure_of(cx, loaded, &issue).next("openclaw config validate"),
        Error::Guarded(_) | Error::Included { .. } | Error::Edit(_) | Error::Patch(_) | Error::Disk(_) => {
            Failure::new(Exit::Failed, "CONFIG_WRITE", format!("cannot {error}")).at(place).next("openclaw doctor")
        }
    }
}

async fn through_gateway(
    cx: &Cx<'_>,
    client: &Client,
    path: &KeyPath,
    value: Option<Value>,
) -> Result<Report, Failure> {
    let is_set = value.is_some();
    let before = client.call("config.get", json!({})).await?;
    let patch = nest(path, value.unwrap_or(Value::Null));
    let mut params = json!({"raw": patch.to_string(), "note": format!("openclaw config set {path}")});
    if let Some(hash) = before["hash"].as_str() {
        params["baseHash"] = hash.into();
    }
    let answer = client.call("config.patch", params).await;
    client.close().await;
    let answer = answer.map_err(|error| invalid(path, error.into()))?;
    let changed = peek::list(&answer, "/changedPaths").to_vec();
    let needs_restart = peek::is(&answer, "/sentinel/payload/stats/requiresRestart");
    let is_same = answer.get("changedPaths").is_some() && changed.is_empty();
    let data = json!({
        "path": path.to_string(), "changed": changed, "file": answer["path"], "requiresRestart": needs_restart,
    });
    let report = told(cx, path, is_set, is_same, data);
    Ok(Report { revision: answer["hash"].as_str().map(Value::from), ..report })
}

/// Names the setting when the gateway found the change invalid.
fn invalid(path: &KeyPath, mut failure: Failure) -> Failure {
    if failure.place.is_none() {
        failure = failure.at(Place { path: Some(path.to_string()), is_unchanged: true, ..Place::default() });
    }
    if failure.exit == Exit::Usage {
        failure.next = vec![format!("openclaw config explain {path}")];
    }
    failure
}

fn told(cx: &Cx<'_>, path: &KeyPath, is_set: bool, is_same: bool, data: Value) -> Report {
    let shown = path.to_string();
    let copy = match (is_same, is_set) {
        (true, _) => &text::CONFIG_SAME,
        (false, true) => &text::CONFIG_SET,
        (false, false) => &text::CONFIG_REMOVED,
    };
    let needs_restart = data["requiresRestart"] == true && !is_same;
    let mut report = Report::of(data).line(Line::marked(Tone::Done, "ok", cx.say(copy, &[("path", &shown)])));
    if needs_restart {
        report.warnings.push(cx.say(&text::CONFIG_RESTART, &[]));
        report.next.push("openclaw gateway restart".to_owned());
    }
    report
}

fn holds_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(map) => map.values().any(holds_list),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns the object that holds only this value, at its path.
fn nest(path: &KeyPath, value: Value) -> Value {
    path.segments().iter().rev().fold(value, |inner, segment| {
        let mut map = Map::new();
        match segment {
            Segment::Key(key) => map.insert(key.clone(), inner),
            // Lists are edited in the file; see `is_patchable`.
            Segment::Index(index) => map.insert(index.to_string(), inner),
        };
        Value::Object(map)
    })
}
