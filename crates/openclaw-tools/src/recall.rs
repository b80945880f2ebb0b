//! Finds notes kept earlier.
//!
//! Notes come back as data of origin memory: what was once kept from a web page
//! must not return as an instruction.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Memory, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::registry::Entry;
use crate::{args, text, time};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:memory",
    summary: "Finds notes",
    build: |_| Some(Arc::new(Recall { spec: spec() })),
};

const NAME: &str = "recall";

/// Notes shown unless asked otherwise, and at most.
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 50;

/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 1024;

struct Recall {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    query: String,
    limit: Option<usize>,
}

#[async_trait]
impl Tool for Recall {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let Args { query, limit } =
            args::parse(&self.spec, &[("text", "query"), ("maxResults", "limit")], permit.call())?;
        let query = text::head(query.trim(), QUERY_BYTES_MAX);
        let limit = limit.unwrap_or(LIMIT).min(LIMIT_MAX);
        let found = cx.memories.recall(&cx.agent, query, limit).await;
        let found = found.map_err(|error| Error::tell(format!("recall: {error}")))?;
        let rows: Vec<_> = found.iter().map(row).collect();
        let mut said = String::new();
        let taken = text::fill(&mut said, rows.iter().map(String::as_str), text::BYTES_MAX);
        if taken == 0 {
            said = format!("[nothing remembered about {query:?}]");
        }
        Ok(ToolOutput::text(said, Origin::Memory).with_details(json!({ "notes": taken })))
    }
}

fn row(memory: &Memory) -> String {
    let text = memory.text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{} ({}): {text}", memory.id, time::minute(memory.at))
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Finds notes kept with remember, by words. An empty query shows the newest.".into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "Words to look for." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most notes, default 10, at most 50." },
            },
            "required": ["query"],
        }),
        effect: Effect::Pure,
        capability: Capability::Runtime,
    }
}
