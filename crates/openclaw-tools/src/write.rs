//! Writes a whole file.
//!
//! Makes the folders it needs and replaces what is there, in one step. Refuses
//! content past 8 MiB; larger files belong to programs.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{FileChange, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::read::{PATH_ALIASES, failed};
use crate::registry::Entry;
use crate::{args, text};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:fs",
    summary: "Writes a whole file",
    build: |_| Some(Arc::new(Write { spec: spec() })),
};

const NAME: &str = "write";

struct Write {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    path: String,
    content: String,
}

#[async_trait]
impl Tool for Write {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let Args { path, content } = args::parse(&self.spec, PATH_ALIASES, permit.call())?;
        let existed = cx.files.stat(&path).await.is_ok();
        let (bytes, lines) = (content.len(), content.lines().count());
        let change = FileChange::Write { path: path.clone(), content: content.into_bytes().into() };
        cx.files.change(change).await.map_err(|error| failed(&error))?;
        let verb = if existed { "replaced" } else { "created" };
        let said = format!("{verb} {path}: {}, {bytes} bytes", text::count(lines, "line"));
        // The answer is ours: nothing of the file is in it.
        Ok(ToolOutput::text(said, Origin::System)
            .with_details(json!({ "path": path, "bytes": bytes, "lines": lines, "created": !existed })))
    }
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Writes a whole file, making its folders and replacing what is there. To change a part of a \
                      file, use edit."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "The file, relative to the workspace." },
                "content": { "type": "string", "description": "Everything the file shall hold." },
            },
            "required": ["path", "content"],
        }),
        effect: Effect::Idempotent,
        capability: Capability::FsWrite,
    }
}
