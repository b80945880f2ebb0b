//! The ports that only surfaces read: the log and the configuration.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use openclaw_domain::Fault;
use openclaw_domain::ports::{LogPage, LogQuery, Logs, Settings};
use openclaw_domain::settings::{Error, Snapshot, Write, WriteBody, Written};
use serde_json::Value;

/// A log of fixed lines; positions count lines, not bytes.
#[derive(Debug, Clone, Default)]
pub struct FixedLogs(pub Vec<String>);

#[async_trait]
impl Logs for FixedLogs {
    async fn tail(&self, query: LogQuery) -> Result<LogPage, Fault> {
        let size = self.0.len() as u64;
        let from = usize::try_from(query.cursor.unwrap_or(0).min(size)).unwrap_or(self.0.len());
        let first = from.max(self.0.len().saturating_sub(query.lines_max));
        Ok(LogPage {
            file: "/logs/test.log".to_owned(),
            cursor: size,
            size,
            lines: self.0[first..].to_vec(),
            is_truncated: first > from,
            is_reset: false,
        })
    }
}

/// A configuration in memory. A write must name the hash it saw; a replacement
/// must be JSON. Nothing needs a restart.
pub struct MemorySettings(Mutex<Arc<Snapshot>>);

impl MemorySettings {
    /// Makes a configuration that holds this value.
    pub fn new(value: Value) -> Self {
        Self(Mutex::new(Arc::new(snapshot(value))))
    }
}

fn snapshot(value: Value) -> Snapshot {
    let raw = format!("{value:#}");
    Snapshot {
        path: "/home/openclaw.json".to_owned(),
        exists: true,
        hash: format!("{:016x}", raw.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte))),
        raw,
        source: value.clone(),
        resolved: value,
        issues: Vec::new(),
    }
}

#[async_trait]
impl Settings for MemorySettings {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn schema(&self) -> Value {
        serde_json::json!({ "type": "object" })
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if write.base_hash.as_ref() != Some(&current.hash) {
            return Err(Error::Stale);
        }
        let mut value = current.source.clone();
        let mut changed = Vec::new();
        match write.body {
            WriteBody::Replace(text) => {
                value = serde_json::from_str(&text).map_err(|error| Error::Io(error.to_string()))?;
                changed.push(String::new());
            }
            WriteBody::Patch { patch, .. } => merge(&mut value, &patch, "", &mut changed),
        }
        *current = Arc::new(snapshot(value));
        Ok(Written { snapshot: current.as_ref().clone(), changed, requires_restart: false })
    }
}

/// JSON merge patch: objects deep, `null` deletes.
fn merge(target: &mut Value, patch: &Value, path: &str, changed: &mut Vec<String>) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        changed.push(path.to_owned());
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (name, value) in fields {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if value.is_null() {
            if let Some(object) = target.as_object_mut() {
                object.remove(name);
            }
            changed.push(below);
        } else {
            merge(&mut target[name.as_str()], value, &below, changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_patch_merges_deep_and_needs_the_hash_that_was_seen() {
        let settings = MemorySettings::new(json!({ "a": { "b": 1, "c": 2 } }));
        let patch = json!({ "a": { "b": 3, "c": null } });
        let write = |base_hash| {
            let body = WriteBody::Patch { patch: patch.clone(), replace_paths: Vec::new() };
            Write { body, base_hash }
        };
        assert_eq!(settings.write(write(None)).await, Err(Error::Stale));
        let written = settings.write(write(Some(settings.current().hash.clone()))).await.unwrap();
        assert_eq!(written.changed, ["a.b", "a.c"]);
        assert_eq!(settings.current().source, json!({ "a": { "b": 3 } }));
    }

    #[tokio::test]
    async fn the_tail_of_a_log_says_when_lines_were_left_out() {
        let logs = FixedLogs(["a", "b", "c"].map(str::to_owned).to_vec());
        let query = |cursor, lines_max| LogQuery { cursor, lines_max, bytes_max: 1_000 };
        let page = logs.tail(query(None, 2)).await.unwrap();
        assert_eq!((page.lines.join(""), page.is_truncated), ("bc".to_owned(), true));
        assert_eq!(logs.tail(query(Some(3), 2)).await.unwrap().lines, Vec::<String>::new());
    }
}
