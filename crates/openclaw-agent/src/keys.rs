//! Keys derived from ids: the same step or call has the same key at every attempt.

use openclaw_domain::delivery::Destination;
use openclaw_domain::{CallId, RunId, SessionId, SessionKey, ToolCall};
use sha2::{Digest, Sha256};

/// Key of a model step, stable over retries and owners.
pub(crate) fn step_key(session: &SessionId, run: &RunId, step: u32) -> String {
    key(&[session.as_str(), run.as_str(), &step.to_string()])
}

/// Key of a tool call, stable over attempts and owners.
pub(crate) fn call_key(session: &SessionId, run: &RunId, call: &CallId) -> String {
    key(&[session.as_str(), run.as_str(), call.as_str()])
}

/// Key of what a run sends to a destination, stable over attempts and owners.
pub(crate) fn delivery_key(session: &SessionId, run: &RunId, to: &Destination) -> String {
    let (account, thread) = (to.account.as_deref().unwrap_or_default(), to.thread.as_deref().unwrap_or_default());
    key(&[session.as_str(), run.as_str(), "delivery", &to.channel, account, &to.to, thread])
}

/// Key of what a call would do to the world: the same for a call that was
/// planned anew, by this run or by another of the lineage that `root` names.
/// Arguments that differ only in the order of keys or in spaces are the same.
pub(crate) fn action_key(root: &SessionKey, call: &ToolCall) -> String {
    // Arguments that are no JSON are refused before this.
    let canonical = serde_json::from_str::<serde_json::Value>(&call.arguments).map_or_else(
        |_| call.arguments.clone(),
        |mut value| {
            value.sort_all_objects();
            value.to_string()
        },
    );
    key(&[root.as_str(), &call.name, &canonical])
}

fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize()[..16])
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_action_has_the_same_key_however_it_is_written() {
        let root: SessionKey = "agent:main:main".parse().unwrap();
        let call = |id: &str, arguments: &str| ToolCall {
            id: id.parse().unwrap(),
            provider_id: String::new(),
            name: "pay".into(),
            arguments: arguments.into(),
        };
        let first = action_key(&root, &call("c1", r#"{"to":"x","sum":1}"#));
        assert_eq!(first, action_key(&root, &call("c2", r#"{ "sum": 1, "to": "x" }"#)));
        assert_ne!(first, action_key(&root, &call("c1", r#"{"to":"x","sum":2}"#)));
        assert_ne!(first, action_key(&"agent:main:other".parse().unwrap(), &call("c1", r#"{"to":"x","sum":1}"#)));
    }

    #[test]
    fn keys_do_not_run_into_each_other() {
        let (s1, s2): (SessionId, SessionId) = ("ab".parse().unwrap(), "a".parse().unwrap());
        assert_ne!(step_key(&s1, &"c".parse().unwrap(), 1), step_key(&s2, &"bc".parse().unwrap(), 1));
    }
}
