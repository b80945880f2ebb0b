//! Removes a note.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::args;
use crate::registry::Entry;

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:memory",
    summary: "Removes a note",
    build: |_| Some(Arc::new(Forget { spec: spec() })),
};

const NAME: &str = "forget";

struct Forget {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    id: String,
}

#[async_trait]
impl Tool for Forget {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let Args { id } = args::parse(&self.spec, &[], permit.call())?;
        let id = id.trim();
        let was_there = cx.memories.forget(&cx.agent, id).await;
        if !was_there.map_err(|error| Error::tell(format!("forget: {error}")))? {
            return Err(Error::tell(format!("there is no note {id}; recall shows notes with their ids")));
        }
        Ok(ToolOutput::text(format!("forgot {id}"), Origin::System).with_details(json!({ "id": id })))
    }
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Removes a note kept with remember.".into(),
        parameters: json!({
            "type": "object",
            "properties": { "id": { "type": "string", "description": "The note's id, as recall shows it." } },
            "required": ["id"],
        }),
        effect: Effect::Idempotent,
        capability: Capability::Runtime,
    }
}
