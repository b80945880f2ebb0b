//! Why a command failed: what happened, where, and the next command. Every
//! error of this program reaches the person through this one type.

use std::borrow::Cow;

use openclaw_client::Error;
use serde_json::Value;

use crate::exit::Exit;

/// Why a command failed. Travels through every function, so the rarely present
/// parts are boxed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// Stable name for programs, for example `CONFIG_INVALID`.
    pub code: Cow<'static, str>,
    /// What happened, one sentence without a full stop.
    pub message: String,
    /// Where it happened.
    pub place: Option<Box<Place>>,
    /// The next commands to run, best first.
    pub next: Vec<String>,
    /// Particulars for programs.
    pub details: Option<Box<Value>>,
}

/// Where something went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// A file, or an address.
    pub file: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// Column in the line, from 1.
    pub column: Option<usize>,
    /// Dotted path of a setting.
    pub path: Option<String>,
    /// What stands there now.
    pub now: Option<String>,
    /// Whether the file was left as it was.
    pub is_unchanged: bool,
}

impl Failure {
    /// Makes a failure.
    pub fn new(exit: Exit, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { exit, code: code.into(), message: message.into(), place: None, next: Vec::new(), details: None }
    }

    /// Makes a failure of usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "USAGE", message)
    }

    /// Adds the next command.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Adds the file or address it happened at.
    #[must_use]
    pub fn at_file(self, file: impl Into<String>) -> Self {
        self.at(Place { file: Some(file.into()), ..Place::default() })
    }

    /// Adds particulars for programs.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// Reports that a file could not be read or written.
    pub fn file(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(Exit::Failed, "FILE", format!("cannot {action} {}: {error}", path.display()))
            .at_file(path.display().to_string())
            .next("openclaw doctor")
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Unreachable { endpoint, .. } => Failure::new(Exit::Unreachable, "GATEWAY_UNREACHABLE", message)
                .at_file(endpoint)
                .next("openclaw gateway run"),
            Error::Refused(refusal) => refused(&refusal),
            Error::Closed { .. } => Failure::new(Exit::Unreachable, "GATEWAY_CLOSED", message)
                .next("openclaw gateway status")
                .next("openclaw logs"),
            Error::Timeout { .. } => {
                Failure::new(Exit::Timeout, "TIMEOUT", message).next("openclaw status").next("openclaw logs")
            }
            Error::Protocol(_) => Failure::new(Exit::Failed, "PROTOCOL", message).next("openclaw gateway probe"),
            Error::Call { .. } => Failure::usage(message).next("openclaw --help"),
        }
    }
}

/// Words an error answer of the gateway; the exact case decides the exit code.
fn refused(refusal: &openclaw_client::Refusal) -> Failure {
    use openclaw_protocol::ErrorCode as Code;
    let exact = refusal.exact_code().unwrap_or_default();
    let detail = |name: &str| refusal.details.as_ref().and_then(|details| details[name].as_str()).unwrap_or_default();
    let (kind, reason) = (detail("kind"), detail("reason"));
    let lower = refusal.message.to_ascii_lowercase();
    let (exit, next): (Exit, &[&str]) = match refusal.code {
        // Our own gateway says what kind of fault it was.
        _ if kind == "denied" => (Exit::Denied, &["openclaw approvals list"]),
        _ if kind == "not_found" => (Exit::NotFound, &["openclaw status"]),
        _ if matches!(reason, "APPROVAL_NOT_FOUND" | "QUESTION_NOT_FOUND") => {
            (Exit::NotFound, &["openclaw approvals list"])
        }
        _ if kind == "conflict" => (Exit::Conflict, &["openclaw status"]),
        Code::NotPaired => (Exit::NotAllowed, &["openclaw devices list"]),
        Code::Forbidden => (Exit::NotAllowed, &["openclaw devices list"]),
        Code::ApprovalNotFound => (Exit::NotFound, &["openclaw approvals list"]),
        Code::AgentTimeout => (Exit::Timeout, &["openclaw logs"]),
        Code::NotLinked => (Exit::Failed, &["openclaw channels list"]),
        Code::InvalidRequest if exact.starts_with("AUTH_") || exact.starts_with("DEVICE_AUTH_") => {
            (Exit::NotAllowed, &["openclaw config explain gateway.auth.token", "openclaw doctor"])
        }
        Code::InvalidRequest if lower.contains("changed since") => (Exit::Conflict, &["openclaw config diff"]),
        Code::InvalidRequest if lower.starts_with("unknown method") => (Exit::Failed, &["openclaw gateway status"]),
        Code::InvalidRequest if lower.contains("not found") || lower.contains("there is no") => {
            (Exit::NotFound, &["openclaw status"])
        }
        Code::InvalidRequest => (Exit::Usage, &["openclaw --help"]),
        Code::Unavailable => (Exit::Failed, &["openclaw status", "openclaw logs"]),
    };
    let name = match serde_json::to_value(refusal.code) {
        Ok(Value::String(name)) if exact.is_empty() => name,
        Ok(_) | Err(_) => exact.to_owned(),
    };
    let mut failure = Failure::new(exit, name, refusal.message.clone()).with_details(serde_json::json!({
        "method": refusal.method, "details": refusal.details, "retryable": refusal.retryable,
    }));
    failure.next = next.iter().map(|&next| next.to_owned()).collect();
    failure
}

#[cfg(test)]
mod tests {
    use openclaw_client::{Error, Refusal};
    use openclaw_protocol::ErrorCode;
    use serde_json::json;

    use super::Failure;
    use crate::exit::Exit;

    fn refused(code: ErrorCode, message: &str, details: Option<serde_json::Value>) -> Failure {
        Error::Refused(Box::new(Refusal {
            method: "m".to_owned(),
            code,
            message: message.to_owned(),
            details,
            retryable: false,
            retry_after: None,
        }))
        .into()
    }

    #[test]
    fn gateway_errors_become_the_exit_code_of_their_case() {
        let token = refused(ErrorCode::InvalidRequest, "unauthorized", Some(json!({"code": "AUTH_TOKEN_MISMATCH"})));
        assert_eq!((token.exit, token.code.as_ref()), (Exit::NotAllowed, "AUTH_TOKEN_MISMATCH"));
        let stale = refused(ErrorCode::InvalidRequest, "config changed since last load; re-run config.get", None);
        assert_eq!((stale.exit, stale.code.as_ref()), (Exit::Conflict, "INVALID_REQUEST"));
        assert_eq!(refused(ErrorCode::Forbidden, "missing scope: x", None).exit, Exit::NotAllowed);
        assert_eq!(refused(ErrorCode::Forbidden, "no", Some(json!({"kind": "denied"}))).exit, Exit::Denied);
        assert_eq!(refused(ErrorCode::InvalidRequest, "no", Some(json!({"kind": "conflict"}))).exit, Exit::Conflict);
        assert_eq!(refused(ErrorCode::ApprovalNotFound, "gone", None).exit, Exit::NotFound);
        assert_eq!(refused(ErrorCode::InvalidRequest, "session not found: x", None).exit, Exit::NotFound);
        assert_eq!(refused(ErrorCode::InvalidRequest, "invalid agent params", None).exit, Exit::Usage);
    }

    #[test]
    fn every_client_error_has_a_next_command() {
        let errors = [
            Error::Unreachable { endpoint: "ws://x".to_owned(), cause: "refused".to_owned() },
            Error::Closed { code: 1012, reason: String::new() },
            Error::Timeout { what: "health".to_owned(), after: std::time::Duration::from_secs(1) },
            Error::Protocol("x".to_owned()),
        ];
        for error in errors {
            assert!(!Failure::from(error.clone()).next.is_empty(), "{error}");
        }
    }

    #[test]
    fn every_refusal_of_a_gateway_has_a_next_command() {
        let codes = [
            ErrorCode::NotLinked,
            ErrorCode::NotPaired,
            ErrorCode::AgentTimeout,
            ErrorCode::InvalidRequest,
            ErrorCode::ApprovalNotFound,
            ErrorCode::Unavailable,
            ErrorCode::Forbidden,
        ];
        for code in codes {
            for kind in ["", "denied", "not_found", "conflict"] {
                let failure = refused(code, "no", Some(json!({"kind": kind})));
                assert!(!failure.next.is_empty() && failure.message == "no", "{code:?} {kind}");
            }
        }
    }
}
