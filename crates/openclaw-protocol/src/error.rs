//! Errors on the wire (`protocol.md` §1.5).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The top-level codes. There is no `UNAUTHORIZED`: authentication failures are
/// `INVALID_REQUEST` or `NOT_PAIRED` with a `details.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The request is malformed, unknown or contradicts the state.
    InvalidRequest,
    /// A scope or a role is missing.
    Forbidden,
    /// Busy, starting or stopping; `retryable` says whether to try again.
    Unavailable,
    /// The device is not paired.
    NotPaired,
    /// No such pending approval.
    ApprovalNotFound,
    /// Deprecated; still sent by old gateways.
    NotLinked,
    /// Deprecated; still sent by old gateways.
    AgentTimeout,
}

/// An error as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorBody {
    /// The code.
    pub code: ErrorCode,
    /// A sentence.
    pub message: String,
    /// Machine-readable particulars; `details.code` names the exact case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Whether the same request may work later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorBody {
    /// Makes an error without particulars.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retryable: None, retry_after_ms: None }
    }

    /// Adds particulars.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

/// Close codes of the gateway (`protocol.md` §1.3, §1.5).
pub mod close {
    /// Normal; also no `connect` in time, and a malformed first frame.
    pub const NORMAL: u16 = 1000;
    /// Protocol version mismatch.
    pub const PROTOCOL: u16 = 1002;
    /// Refused: bad handshake, bad credential, slow consumer.
    pub const POLICY: u16 = 1008;
    /// Frame too large.
    pub const TOO_LARGE: u16 = 1009;
    /// A defect of the gateway.
    pub const INTERNAL: u16 = 1011;
    /// The gateway restarts.
    pub const RESTART: u16 = 1012;
    /// The gateway is not ready yet.
    pub const TRY_LATER: u16 = 1013;
    /// Sent by clients: no frame for two tick intervals.
    pub const TICK_TIMEOUT: u16 = 4000;
    /// The client's credential was revoked.
    pub const REVOKED: u16 = 4001;
    /// Longest close reason, in bytes (RFC 6455 §5.5).
    pub const REASON_BYTES_MAX: usize = 123;
}
