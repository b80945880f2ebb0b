//! Keeps a note for later conversations.
//!
//! The note's id comes from its text, so that the same note is kept once.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::gate::digest;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Memory, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::args;
use crate::registry::Entry;

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:memory",
    summary: "Keeps a note",
    build: |_| Some(Arc::new(Remember { spec: spec() })),
};

const NAME: &str = "remember";

/// Longest note, in bytes: longer things belong into files.
const NOTE_BYTES_MAX: usize = 4 * 1024;

struct Remember {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    text: String,
}

#[async_trait]
impl Tool for Remember {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let Args { text } = args::parse(&self.spec, &[("note", "text"), ("content", "text")], permit.call())?;
        let text = text.trim();
        if text.is_empty() || text.len() > NOTE_BYTES_MAX {
            return Err(Error::tell(format!(
                "remember: argument `text` must hold 1 to {NOTE_BYTES_MAX} bytes; write longer things to a file"
            )));
        }
        let id = id(cx.agent.as_str(), text);
        let memory = Memory {
            id: id.clone(),
            agent: cx.agent.clone(),
            text: text.to_owned(),
            session: Some(cx.session.clone()),
            at: cx.clock.now(),
        };
        cx.memories.remember(memory).await.map_err(|error| Error::tell(format!("remember: {error}")))?;
        Ok(ToolOutput::text(format!("remembered as {id}"), Origin::System).with_details(json!({ "id": id })))
    }
}

fn id(agent: &str, text: &str) -> String {
    let mut id = "m".to_owned();
    for byte in &digest(agent, text)[..6] {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Keeps a short note for later conversations: a fact, a preference, a decision. Not for secrets."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "text": { "type": "string", "description": "The note, one self-contained sentence or two." },
            },
            "required": ["text"],
        }),
        effect: Effect::Idempotent,
        capability: Capability::Runtime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_note_of_the_same_agent_has_the_same_id() {
        assert_eq!(id("main", "likes tea"), id("main", "likes tea"));
        assert_ne!(id("main", "likes tea"), id("work", "likes tea"));
        assert_eq!(id("main", "x").len(), 13);
    }
}
