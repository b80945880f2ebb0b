//! Why a connection or a call failed, by what the caller can do about it.

use std::time::Duration;

use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::Value;

/// Why a connection or a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing answers there.
    #[error("cannot reach {endpoint}: {cause}")]
    Unreachable {
        /// The address, as shown to people.
        endpoint: String,
        /// What the operating system or the TLS layer said.
        cause: String,
    },
    /// The gateway answered with an error.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The connection ended.
    #[error("the gateway closed the connection (code {code}{})", with_reason(.reason))]
    Closed {
        /// WebSocket close code; 1006 when the peer vanished without one.
        code: u16,
        /// The peer's reason, possibly empty.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer to {what} within {} s", .after.as_secs_f32())]
    Timeout {
        /// The method, or `connect`.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// The peer does not speak the protocol.
    #[error("the peer does not speak the gateway protocol: {0}")]
    Protocol(String),
    /// The call cannot be sent as it is.
    #[error("cannot call {method}: {cause}")]
    Call {
        /// The method.
        method: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// An error answer of the gateway.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What was called; `connect` for the handshake.
    pub method: String,
    /// The top-level code.
    pub code: ErrorCode,
    /// The gateway's sentence.
    pub message: String,
    /// Machine-readable particulars.
    pub details: Option<Value>,
    /// Whether the same call may work later.
    pub retryable: bool,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(method: &str, body: ErrorBody) -> Self {
        Self {
            method: method.to_owned(),
            code: body.code,
            message: body.message,
            details: body.details,
            retryable: body.retryable.unwrap_or(false),
            retry_after: body.retry_after_ms.map(Duration::from_millis),
        }
    }

    /// Returns `details.code`, the name of the exact case.
    pub fn exact_code(&self) -> Option<&str> {
        self.details.as_ref()?.get("code")?.as_str()
    }
}

impl Error {
    /// Returns the gateway's error answer, if this is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            Error::Unreachable { .. }
            | Error::Closed { .. }
            | Error::Timeout { .. }
            | Error::Protocol(_)
            | Error::Call { .. } => None,
        }
    }

    /// Tells whether connecting again unchanged can never help: the credential,
    /// the pairing or the version must change first (`protocol.md` §1.4).
    pub fn is_terminal(&self) -> bool {
        match self {
            Error::Refused(refusal) => {
                let waits = refusal
                    .details
                    .as_ref()
                    .and_then(|details| details.get("recommendedNextStep"))
                    .is_some_and(|step| step == "wait_then_retry");
                !refusal.retryable && !waits && refusal.exact_code().is_some_and(is_terminal_code)
            }
            Error::Protocol(_) | Error::Call { .. } => true,
            Error::Unreachable { .. } | Error::Closed { .. } | Error::Timeout { .. } => false,
        }
    }
}

fn is_terminal_code(code: &str) -> bool {
    code.starts_with("CONTROL_UI_")
        || code.starts_with("AUTH_PASSWORD_")
        || code.starts_with("DEVICE_AUTH_")
        || matches!(
            code,
            "AUTH_TOKEN_MISSING"
                | "AUTH_TOKEN_MISMATCH"
                | "AUTH_TOKEN_NOT_CONFIGURED"
                | "AUTH_RATE_LIMITED"
                | "AUTH_SCOPE_MISMATCH"
                | "AUTH_UNAUTHORIZED"
                | "PAIRING_REQUIRED"
                | "DEVICE_IDENTITY_REQUIRED"
                | "PROTOCOL_MISMATCH"
        )
}

fn with_reason(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(", {reason}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Error, Refusal};
    use openclaw_protocol::{ErrorBody, ErrorCode};

    fn refused(details: serde_json::Value) -> Error {
        let body = ErrorBody::new(ErrorCode::InvalidRequest, "no").with_details(details);
        Error::Refused(Box::new(Refusal::new("connect", body)))
    }

    #[test]
    fn a_wrong_token_is_terminal_and_a_starting_gateway_is_not() {
        assert!(refused(json!({"code": "AUTH_TOKEN_MISMATCH"})).is_terminal());
        assert!(!refused(json!({"reason": "startup-sidecars"})).is_terminal());
        assert!(!Error::Closed { code: 1012, reason: String::new() }.is_terminal());
    }

    #[test]
    fn pairing_is_terminal_unless_the_gateway_says_to_wait() {
        assert!(refused(json!({"code": "PAIRING_REQUIRED"})).is_terminal());
        assert!(!refused(json!({"code": "PAIRING_REQUIRED", "recommendedNextStep": "wait_then_retry"})).is_terminal());
    }
}
