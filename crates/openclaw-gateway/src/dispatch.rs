//! The one method table, and the way to a handler.
//!
//! Both dialects call methods here. In this order a call is refused: unknown
//! method, wrong role, missing scope, wrong parameters; only then does its
//! handler run. A new method is one handler and one row.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use openclaw_protocol::methods::Method;
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::{Map, Value, json};

use crate::client::{Client, Role};
use crate::gateway::Gateway;
use crate::jsonrpc;
use crate::methods;

/// Role refusals after which a connection is closed.
const ROLE_REFUSALS_MAX: u64 = 10;

/// Longest part of an unknown method's name that is repeated.
const NAME_CHARS_MAX: usize = 64;

/// Begins the answer to a call of a method that is not there.
pub(crate) const UNKNOWN_METHOD: &str = "unknown method: ";

/// What a handler is given besides its parameters.
#[derive(Clone)]
pub(crate) struct Cx {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) client: Arc<Client>,
    pub(crate) meta: Meta,
}

/// What travels with a request in either dialect (B7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) trace: Option<String>,
    /// How long the caller will wait; runs started by the request are stopped then.
    pub(crate) deadline: Option<Duration>,
    pub(crate) is_api: bool,
}

/// Checked parameters.
pub(crate) struct Params(pub(crate) Map<String, Value>);

impl Params {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked by the shape to be a whole number"
        )]
        value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
    }

    pub(crate) fn count(&self, name: &str) -> Option<usize> {
        self.number(name).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }
}

/// What a handler answers.
pub(crate) enum Reply {
    /// The result.
    Now(Payload),
    /// A first result, and another one later under the same id.
    Twice(Value, Wait),
    /// The result comes when something outside happens.
    Later(Wait),
    /// The result, and events of a subscription from then on.
    Stream(Value, BoxFuture<'static, ()>),
}

/// A result, as a value or as ready text.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Value(Value),
    Text(Arc<str>),
}

/// A result to come.
pub(crate) type Wait = BoxFuture<'static, Result<Value, ErrorBody>>;

/// A handler at work.
pub(crate) type Call = BoxFuture<'static, Answer>;

/// What comes out of a handler.
pub(crate) type Answer = Result<Reply, ErrorBody>;

/// A method with its handler.
pub(crate) struct Row {
    pub(crate) method: &'static Method,
    pub(crate) run: fn(Cx, Params) -> Call,
}

/// Makes the answer of a handler that has a plain result.
pub(crate) fn now(value: Value) -> Answer {
    Ok(Reply::Now(Payload::Value(value)))
}

/// Finds a method, checks that the client may call it so, and starts it.
pub(crate) fn start(cx: Cx, name: &str, params: Option<Value>) -> Result<Call, ErrorBody> {
    let (resolved, params) = jsonrpc::resolve(name, params)?;
    let Some(row) = methods::find(&resolved) else {
        metrics::counter!(crate::metrics::REQUESTS, "method" => "unknown", "outcome" => "refused").increment(1);
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        return Err(ErrorBody::new(ErrorCode::InvalidRequest, format!("{UNKNOWN_METHOD}{name}")));
    };
    match admit(&cx.client, row.method, params) {
        Ok(params) => {
            metrics::counter!(crate::metrics::REQUESTS, "method" => row.method.name, "outcome" => "started")
                .increment(1);
            Ok((row.run)(cx, params))
        }
        Err(error) => {
            metrics::counter!(crate::metrics::REQUESTS, "method" => row.method.name, "outcome" => "refused")
                .increment(1);
            Err(error)
        }
    }
}

fn admit(client: &Client, method: &Method, params: Option<Value>) -> Result<Params, ErrorBody> {
    if client.role != Role::Operator {
        if client.refused_for_role() > ROLE_REFUSALS_MAX {
            client.queue.close(openclaw_protocol::error::close::POLICY, "too many unauthorized requests");
        }
        return Err(ErrorBody::new(ErrorCode::InvalidRequest, format!("unauthorized role: {}", client.role.as_str())));
    }
    if let Some(scope) = method.scope
        && !client.may(scope)
    {
        return Err(ErrorBody::new(ErrorCode::Forbidden, format!("missing scope: {}", scope.as_str())).with_details(
            json!({ "code": "MISSING_SCOPE", "missingScope": scope.as_str(), "requiredScopes": [scope.as_str()] }),
        ));
    }
    if let Some(key) = target_of(method.name)
        && params
            .as_ref()
            .and_then(|params| params.get(key))
            .is_none_or(|value| value.as_str().is_none_or(str::is_empty))
    {
        let details = json!({ "code": "SESSION_MUTATION_TARGET_REQUIRED", "method": method.name });
        return Err(
            ErrorBody::new(ErrorCode::InvalidRequest, "session mutation target is unavailable").with_details(details)
        );
    }
    let params = method.params.check(params);
    let invalid = |why| ErrorBody::new(ErrorCode::InvalidRequest, format!("invalid {} params: {why}", method.name));
    params.map(Params).map_err(invalid)
}

/// Returns the parameter that names the session a method changes.
fn target_of(method: &str) -> Option<&'static str> {
    match method {
        "chat.send" | "chat.inject" => Some("sessionKey"),
        "sessions.send" | "sessions.patch" | "sessions.reset" | "sessions.delete" => Some("key"),
        _ => None,
    }
}
