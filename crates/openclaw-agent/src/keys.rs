//! Keys derived from ids: the same step or call has the same key at every attempt.

use openclaw_domain::{CallId, RunId, SessionId};
use sha2::{Digest, Sha256};

/// Key of a model step, stable over retries and owners.
pub(crate) fn step_key(session: &SessionId, run: &RunId, step: u32) -> String {
    key(&[session.as_str(), run.as_str(), &step.to_string()])
}

/// Key of a tool call, stable over attempts and owners.
pub(crate) fn call_key(session: &SessionId, run: &RunId, call: &CallId) -> String {
    key(&[session.as_str(), run.as_str(), call.as_str()])
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
    fn keys_do_not_run_into_each_other() {
        let (s1, s2): (SessionId, SessionId) = ("ab".parse().unwrap(), "a".parse().unwrap());
        assert_ne!(step_key(&s1, &"c".parse().unwrap(), 1), step_key(&s2, &"bc".parse().unwrap(), 1));
    }
}
