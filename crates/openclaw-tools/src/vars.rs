//! Keeps small values between turns, sessions and agents.
//!
//! A value belongs to this session, to this agent, or to everybody. Text that
//! looks like a JSON object or array is kept as one. Sizes are bounded by the
//! store; nothing secret belongs here.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{RecordError, Tool, ToolCx};
use openclaw_domain::session::Scope;
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::registry::Entry;
use crate::{args, text};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:sessions",
    summary: "Keeps named values",
    build: |_| Some(Arc::new(Vars { spec: spec() })),
};

const NAME: &str = "vars";

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;

struct Vars {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    action: Action,
    name: Option<String>,
    value: Option<String>,
    scope: Option<Where>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Action {
    Get,
    Set,
    Unset,
    List,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Where {
    Session,
    Agent,
    Global,
}

#[async_trait]
impl Tool for Vars {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, &[("key", "name")], permit.call())?;
        let (scope, place) = match args.scope.unwrap_or(Where::Session) {
            Where::Session => (Scope::Session(cx.session.clone()), "session"),
            Where::Agent => (Scope::Agent(cx.agent.clone()), "agent"),
            Where::Global => (Scope::Global, "global"),
        };
        match args.action {
            Action::List => list(&scope, place, cx).await,
            Action::Get => get(&scope, place, name(&args)?, cx).await,
            Action::Set => {
                let Some(value) = args.value.clone() else {
                    return Err(Error::tell("vars: argument `value` is missing; unset removes a variable"));
                };
                set(&scope, place, name(&args)?, Some(parsed(value)), cx).await
            }
            Action::Unset => set(&scope, place, name(&args)?, None, cx).await,
        }
    }
}

fn name(args: &Args) -> Result<&str, Error> {
    let name = args.name.as_deref().unwrap_or_default().trim();
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if !fits {
        return Err(Error::tell(format!(
            "vars: argument `name` must be 1 to {NAME_BYTES_MAX} bytes of printable text"
        )));
    }
    Ok(name)
}

fn parsed(value: String) -> Value {
    let looks_structured = value.trim_start().starts_with(['{', '[']);
    match serde_json::from_str(&value) {
        Ok(json) if looks_structured => json,
        Ok(_) | Err(_) => Value::String(value),
    }
}

async fn get(scope: &Scope, place: &str, name: &str, cx: &ToolCx) -> Result<ToolOutput, Error> {
    let value = cx.variables.get(scope, name).await.map_err(failed)?;
    let Some(value) = value else {
        return Err(Error::tell(format!("there is no {place} variable {name}; action list shows them")));
    };
    Ok(ToolOutput::text(shown(&value, text::BYTES_MAX), Origin::Memory)
        .with_details(json!({ "name": name, "value": value })))
}

async fn set(scope: &Scope, place: &str, name: &str, value: Option<Value>, cx: &ToolCx) -> Result<ToolOutput, Error> {
    let verb = if value.is_some() { "set" } else { "removed" };
    cx.variables.set(scope, name, value, cx.clock.now()).await.map_err(failed)?;
    Ok(ToolOutput::text(format!("{verb} {place} variable {name}"), Origin::System)
        .with_details(json!({ "name": name })))
}

async fn list(scope: &Scope, place: &str, cx: &ToolCx) -> Result<ToolOutput, Error> {
    let all = cx.variables.list(scope).await.map_err(failed)?;
    let rows: Vec<_> =
        all.iter().map(|(name, value)| format!("{name} = {}", shown(value, 200).replace('\n', "\\n"))).collect();
    let mut said = String::new();
    let taken = text::fill(&mut said, rows.iter().map(String::as_str), text::BYTES_MAX);
    if rows.is_empty() {
        said = format!("[no {place} variables]");
    } else if taken < rows.len() {
        said.push_str(&format!("[{}, get them by name]", text::count(rows.len() - taken, "more variable")));
    }
    Ok(ToolOutput::text(said, Origin::Memory).with_details(json!({ "variables": all.len() })))
}

fn shown(value: &Value, bytes_max: usize) -> String {
    let whole = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let head = text::head(&whole, bytes_max);
    if head.len() == whole.len() { whole } else { format!("{head} [cut]") }
}

fn failed(error: RecordError) -> Error {
    match error {
        RecordError::Store(_) => Error::EndRun(error.to_string()),
        RecordError::TooLarge { .. }
        | RecordError::NotFound { .. }
        | RecordError::Illegal(_)
        | RecordError::Stale(_) => Error::tell(error.to_string()),
    }
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Keeps named values: get, set, unset or list them. Scope session lasts with this conversation, \
                      agent is shared by this agent's conversations, global by all agents. Not for secrets."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "action": { "type": "string", "enum": ["get", "set", "unset", "list"], "description": "What to do." },
                "name": { "type": "string", "description": "The variable's name." },
                "value": { "type": "string", "description": "The value: text, or a JSON object or array as text." },
                "scope": { "type": "string", "enum": ["session", "agent", "global"],
                    "description": "Whose variable, default session." },
            },
            "required": ["action"],
        }),
        effect: Effect::Idempotent,
        capability: Capability::Runtime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_and_arrays_are_read_as_json() {
        for (text, expected) in [
            ("{\"a\":1}", json!({ "a": 1 })),
            (" [1,2]", json!([1, 2])),
            ("007", json!("007")),
            ("true", json!("true")),
            ("{not json", json!("{not json")),
        ] {
            assert_eq!(parsed(text.into()), expected, "{text}");
        }
    }
}
