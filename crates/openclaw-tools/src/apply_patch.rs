//! Applies a patch to several files, all or nothing.
//!
//! The patch is parsed, every file it names is read, and every result is
//! computed before the first change is made. When the system refuses a change
//! half-way, the changes before it are taken back.

mod parse;
mod plan;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{FileChange, FileError, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::args;
use crate::read::failed;
use crate::registry::Entry;
use plan::{Outcome, Tree};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:fs",
    summary: "Applies a patch to several files",
    build: |section| {
        section.flag("exec.applyPatch.enabled", true).then(|| Arc::new(ApplyPatch { spec: spec() }) as Arc<dyn Tool>)
    },
};

const NAME: &str = "apply_patch";

/// Largest file patched, in bytes.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

struct ApplyPatch {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    input: String,
}

#[async_trait]
impl Tool for ApplyPatch {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let Args { input } = args::parse(&self.spec, &[("patch", "input")], permit.call())?;
        let refuse = |why: String| Error::tell(format!("apply_patch: {why}; nothing was changed"));
        let operations = parse::parse(&input).map_err(|why| refuse(why.to_string()))?;
        let mut tree = Tree::default();
        for path in operations.iter().flat_map(parse::Operation::paths) {
            let path = plan::relative(cx.files.root(), path);
            if !tree.holds(&path) {
                let before = before(cx, &path).await?;
                tree.load(path, before);
            }
        }
        for operation in &operations {
            tree.apply(cx.files.root(), operation).map_err(|why| refuse(why.to_string()))?;
        }
        let outcomes = tree.outcomes();
        make(cx, &outcomes).await?;
        Ok(report(&outcomes))
    }
}

/// Reads a file as it is before the patch; `None` when there is none.
async fn before(cx: &ToolCx, path: &str) -> Result<Option<Bytes>, Error> {
    match cx.files.read(path, FILE_BYTES_MAX).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FileError::NotFound(_)) => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

/// Makes the changes; on a failure takes back those already made.
async fn make(cx: &ToolCx, outcomes: &[Outcome]) -> Result<(), Error> {
    for (index, outcome) in outcomes.iter().enumerate() {
        let Err(error) = set(cx, &outcome.path, outcome.after.as_ref()).await else { continue };
        let mut stuck = Vec::new();
        for done in outcomes[..index].iter().rev() {
            if set(cx, &done.path, done.before.as_ref()).await.is_err() {
                stuck.push(done.path.as_str());
            }
        }
        let state = if stuck.is_empty() {
            "the changes before it were taken back".to_owned()
        } else {
            format!("these stay changed: {}", stuck.join(", "))
        };
        return Err(Error::tell(format!("apply_patch: {error}; {state}")));
    }
    Ok(())
}

async fn set(cx: &ToolCx, path: &str, content: Option<&Bytes>) -> Result<(), FileError> {
    let path = path.to_owned();
    let change = match content {
        Some(content) => FileChange::Write { path, content: content.clone() },
        None => FileChange::Remove { path },
    };
    cx.files.change(change).await
}

fn report(outcomes: &[Outcome]) -> ToolOutput {
    let rows: Vec<_> = outcomes.iter().map(|outcome| format!("{} {}", outcome.letter(), outcome.path)).collect();
    let said =
        if rows.is_empty() { "the patch changes nothing".to_owned() } else { format!("done:\n{}", rows.join("\n")) };
    ToolOutput::text(said, Origin::System).with_details(json!({ "files": rows }))
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Applies a patch to files of the workspace, all or nothing. Form:\n\
                      *** Begin Patch\n*** Add File: new.txt\n+line\n*** Update File: old.txt\n*** Move to: moved.txt\n\
                      @@ a line before the change\n context\n-old\n+new\n*** Delete File: gone.txt\n*** End Patch"
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "input": { "type": "string", "description": "The whole patch, from *** Begin Patch to *** End Patch." },
            },
            "required": ["input"],
        }),
        effect: Effect::Once,
        capability: Capability::FsWrite,
    }
}
