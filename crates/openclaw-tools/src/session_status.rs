//! Says what a session is and what runs in it.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Tool, ToolCx};
use openclaw_domain::run::ActiveRun;
use openclaw_domain::session::Session;
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::reach::Reach;
use crate::registry::Entry;
use crate::{args, time};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:sessions",
    summary: "Shows the state of a conversation",
    build: |section| Some(Arc::new(SessionStatus { spec: spec(), reach: Reach::read(section) })),
};

const NAME: &str = "session_status";

struct SessionStatus {
    spec: ToolSpec,
    reach: Reach,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    session_key: Option<String>,
}

#[async_trait]
impl Tool for SessionStatus {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, &[("session", "sessionKey"), ("key", "sessionKey")], permit.call())?;
        let name = args.session_key.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(cx.session.as_str());
        let session = self.reach.find(name, cx).await?;
        let runs = cx.runs.active(Some(&session.key));
        let said = card(&session, &runs, cx);
        Ok(ToolOutput::text(said, Origin::Tool { tool: NAME.into() })
            .with_details(json!({ "sessionKey": session.key, "state": session.state, "runs": runs.len() })))
    }
}

fn card(session: &Session, runs: &[ActiveRun], cx: &ToolCx) -> String {
    let usage = &session.usage;
    let cost = usage.cost_usd.map_or("no price known".to_owned(), |cost| format!("{cost:.4} USD"));
    let model = session.model.as_ref().map_or("the agent's default".to_owned(), ToString::to_string);
    let mut lines = vec![
        format!("session: {}", session.key),
        format!("state: {}", session.state),
        format!("model: {model}"),
        format!("entries: {}", session.entries),
        format!("tokens: {} in, {} out, {cost}", usage.input + usage.cache_read + usage.cache_write, usage.output),
        format!("last change: {}", time::minute(session.updated_at)),
        format!("now: {}", time::minute(cx.clock.now())),
    ];
    if let Some(label) = &session.label {
        lines.insert(1, format!("label: {label:?}"));
    }
    lines.extend(runs.iter().map(|run| {
        let this = if run.id == cx.run { " (this one)" } else { "" };
        format!("run: {} {}{this}", run.id, run.status.as_str())
    }));
    lines.join("\n")
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Shows a conversation's state, model, tokens and running work, and the time.".into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "sessionKey": { "type": "string", "description": "The session's key. Default: this conversation." },
            },
            "required": [],
        }),
        effect: Effect::Pure,
        capability: Capability::Runtime,
    }
}
