//! The three frames (`protocol.md` §1.1).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ErrorBody;
use crate::shape::{ANY, Field, NAME, Shape, one_of, optional, required, text};

/// One frame, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame {
    /// A call.
    Req(Request),
    /// An answer; one call can get two with the same id.
    Res(Response),
    /// Something happened.
    Event(Event),
}

static REQUEST_FIELDS: &[Field] = &[
    required("type", one_of(&["req"])),
    required("id", NAME),
    required("method", NAME),
    optional("params", ANY),
    optional("traceparent", text(1, 128)),
    optional("expectedProfileId", text(1, 128)),
];

/// Shape of a call, for naming what is wrong with one.
pub static REQUEST: Shape = Shape::closed(REQUEST_FIELDS);

/// A call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Chosen by the caller; comes back in the answer.
    pub id: String,
    /// The method.
    pub method: String,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// W3C trace context, at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The profile the caller believes it speaks to, at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_profile_id: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The call's id.
    pub id: String,
    /// Whether it worked.
    pub ok: bool,
    /// The result, when it worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The error, when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

impl Response {
    /// Makes a result.
    pub fn ok(id: impl Into<String>, payload: Value) -> Self {
        Self { id: id.into(), ok: true, payload: Some(payload), error: None }
    }

    /// Makes a failure.
    pub fn error(id: impl Into<String>, error: ErrorBody) -> Self {
        Self { id: id.into(), ok: false, payload: None, error: Some(error) }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Its name.
    pub event: String,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Number on this connection, from 1; absent on directed events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Versions of shared state, with presence and health events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_version: Option<StateVersion>,
    /// The profile the event is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_profile_id: Option<String>,
}

/// Versions of shared state; each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVersion {
    /// Of the presence list.
    pub presence: u64,
    /// Of the health report.
    pub health: u64,
}
