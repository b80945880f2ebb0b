//! Rules about the files of instances.

use std::collections::BTreeMap;

use openclaw_domain::message::ToolStatus;
use openclaw_domain::{CallId, RunEvent, ToolCall, ToolResult};

use super::effects::calls;
use super::kept::instance_of;
use crate::evidence::Evidence;
use crate::snapshot::{Run, Snapshot};

/// What a call of a run gave, and at which position.
fn ended<'a>(run: &'a Run, id: &CallId) -> Option<(u64, &'a ToolResult)> {
    run.events.iter().find_map(|recorded| match &recorded.event {
        RunEvent::ToolEnded { call, result } if call == id => Some((recorded.seq.0, &**result)),
        _ => None,
    })
}

fn argument(call: &ToolCall, name: &str) -> String {
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    arguments[name].as_str().unwrap_or_default().to_owned()
}

/// What a run wrote, by path: the content, and the position of the result.
fn written(run: &Run) -> BTreeMap<String, (String, u64)> {
    let writes = calls(run).into_iter().filter(|call| call.name == "write").filter_map(|call| {
        let (seq, result) = ended(run, &call.id)?;
        let is_done = result.status == ToolStatus::Ok;
        is_done.then(|| (argument(call, "path"), (argument(call, "content"), seq)))
    });
    writes.collect()
}

/// An instance finds what it wrote, however often it was killed in between. Where
/// its folder was taken from it, it finds what had been kept.
pub(super) fn files_are_there(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for run in evidence.end.runs.iter().filter(|run| instance_of(run).is_some()) {
        let written = written(run);
        for call in calls(run).into_iter().filter(|call| call.name == "read") {
            let path = argument(call, "path");
            let (Some((content, at)), Some((read_at, result))) = (written.get(&path), ended(run, &call.id)) else {
                continue;
            };
            let is_there = result.status == ToolStatus::Ok && result.text().contains(content.trim());
            if !is_there && *at < read_at && !may_be_lost(evidence, run, &path, *at, read_at) {
                found.push(format!("run {}: {path} was written and {:?} was read", run.id, result.text()));
            }
        }
        for snapshot in evidence.crashes.iter().chain([&evidence.end]) {
            found.extend(not_as_written(snapshot, run, &written));
        }
    }
    found
}

/// Tells whether the folder was taken while the file was in it and nowhere else.
fn may_be_lost(evidence: &Evidence, run: &Run, path: &str, written_at: u64, read_at: u64) -> bool {
    evidence.is_without_folders
        && evidence.crashes.iter().any(|snapshot| {
            let then = snapshot.runs.iter().find(|then| then.id == run.id).map_or(0, |then| then.seq);
            let newest = snapshot.scratches.iter().rev().find(|kept| kept.run == run.id);
            let is_kept = newest.is_some_and(|kept| kept.files.contains_key(path));
            (written_at..read_at).contains(&then) && !is_kept
        })
}

/// What is kept at a position has every file written until then, unless it was lost before.
fn not_as_written(snapshot: &Snapshot, run: &Run, written: &BTreeMap<String, (String, u64)>) -> Vec<String> {
    let kept = snapshot.scratches.iter().filter(|kept| kept.run == run.id);
    let wrong = kept.flat_map(|kept| {
        kept.files.iter().filter_map(|(path, held)| {
            let (content, _) = written.get(path)?;
            (held != content).then(|| format!("run {}: {path} is kept at {} as {held:?}", run.id, kept.seq))
        })
    });
    wrong.collect()
}
