//! Faults and record errors as wire errors.

use openclaw_domain::ports::RecordError;
use openclaw_domain::{Fault, Kind, settings};
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::json;

/// Returns the wire form of a fault: what happened, then the next step.
pub(crate) fn error(fault: &Fault) -> ErrorBody {
    let code = match fault.kind {
        Kind::User | Kind::NotFound | Kind::Conflict => ErrorCode::InvalidRequest,
        Kind::Denied => ErrorCode::Forbidden,
        Kind::Config | Kind::Remote | Kind::Unavailable | Kind::Bug => ErrorCode::Unavailable,
    };
    let message = match &fault.hint {
        Some(hint) => format!("{}; {hint}", fault.message),
        None => fault.message.clone(),
    };
    let mut body = ErrorBody::new(code, message).with_details(json!({ "kind": fault.kind }));
    if code == ErrorCode::Unavailable {
        body.retryable = Some(matches!(fault.kind, Kind::Remote | Kind::Unavailable));
    }
    body
}

/// Returns the wire form of a record error.
pub(crate) fn record(error: &RecordError) -> ErrorBody {
    match error {
        RecordError::Store(_) => {
            let mut body = ErrorBody::new(ErrorCode::Unavailable, error.to_string());
            body.retryable = Some(true);
            body
        }
        RecordError::NotFound { .. }
        | RecordError::Illegal(_)
        | RecordError::Stale(_)
        | RecordError::TooLarge { .. } => ErrorBody::new(ErrorCode::InvalidRequest, error.to_string()),
    }
}

/// Returns the wire form of a refused configuration write.
pub(crate) fn settings(error: &settings::Error) -> ErrorBody {
    match error {
        settings::Error::Stale => ErrorBody::new(ErrorCode::InvalidRequest, error.to_string()),
        settings::Error::Invalid(issues) => {
            let issues: Vec<_> =
                issues.iter().map(|issue| json!({ "path": issue.path, "message": issue.message })).collect();
            ErrorBody::new(ErrorCode::InvalidRequest, format!("invalid config: {error}"))
                .with_details(json!({ "issues": issues }))
        }
        settings::Error::ReadOnly => ErrorBody::new(ErrorCode::Forbidden, error.to_string()),
        settings::Error::Io(_) => ErrorBody::new(ErrorCode::Unavailable, error.to_string()),
    }
}

/// Makes the error of a request that makes no sense.
pub(crate) fn invalid(message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, message)
}
