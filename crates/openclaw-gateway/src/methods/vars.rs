//! Variables of sessions, agents and everybody (E4).

use openclaw_domain::session::Scope;
use openclaw_protocol::ErrorBody;
use serde_json::{Map, Value, json};

use super::target;
use crate::convert::fault::{invalid, record};
use crate::dispatch::{Answer, Cx, Params, now};

/// Reads a variable.
pub(crate) async fn get(cx: Cx, params: Params) -> Answer {
    let scope = scope(&cx, &params)?;
    let name = params.required("name");
    let value = cx.gateway.ports.variables.get(&scope, name).await.map_err(|error| record(&error))?;
    now(json!({ "name": name, "exists": value.is_some(), "value": value }))
}

/// Sets a variable; `null` removes it.
pub(crate) async fn set(cx: Cx, params: Params) -> Answer {
    let scope = scope(&cx, &params)?;
    let name = params.required("name");
    let value = params.0.get("value").cloned().filter(|value| !value.is_null());
    let variables = &cx.gateway.ports.variables;
    variables.set(&scope, name, value, cx.gateway.now()).await.map_err(|error| record(&error))?;
    now(json!({ "ok": true, "name": name }))
}

/// Lists the variables of a scope.
pub(crate) async fn list(cx: Cx, params: Params) -> Answer {
    let scope = scope(&cx, &params)?;
    let found = cx.gateway.ports.variables.list(&scope).await.map_err(|error| record(&error))?;
    let variables: Map<String, Value> = found.into_iter().collect();
    now(json!({ "variables": variables }))
}

fn scope(cx: &Cx, params: &Params) -> Result<Scope, ErrorBody> {
    match params.text("scope") {
        Some("session") => match params.text("sessionKey") {
            Some(_) => Ok(Scope::Session(target::key(cx, params, "sessionKey")?)),
            None => Err(invalid("scope session needs sessionKey")),
        },
        Some("agent") => Ok(Scope::Agent(target::agent(cx, params)?)),
        _ => Ok(Scope::Global),
    }
}
