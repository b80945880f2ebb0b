//! Lists what is in a folder.
//!
//! Folders end with a slash, files show their size. Hidden and ignored files are
//! left out unless asked for. Lists at most 1,000 entries and says so.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{FileKind, Found, Tool, ToolCx, Walk};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::read::{PATH_ALIASES, failed};
use crate::registry::Entry;
use crate::{args, text};

/// The row of `ALL`.
pub const ENTRY: Entry =
    Entry { id: NAME, group: "group:fs", summary: "Lists a folder", build: |_| Some(Arc::new(List { spec: spec() })) };

const NAME: &str = "list";

/// Most entries listed.
const ENTRIES_MAX: usize = 1000;

struct List {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    path: Option<String>,
    depth: Option<usize>,
    glob: Option<String>,
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
}

#[async_trait]
impl Tool for List {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, PATH_ALIASES, permit.call())?;
        let path = args.path.as_deref().filter(|path| !path.trim().is_empty()).unwrap_or(".");
        let limit = args.limit.unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
        let metadata = cx.files.stat(path).await.map_err(|error| failed(&error))?;
        if metadata.kind != FileKind::Folder {
            let found = Found { path: path.to_owned(), metadata };
            return Ok(ToolOutput::text(row(&found), Origin::File));
        }
        // One more than shown tells whether there is more. A glob looks at every
        // level unless a depth is given.
        let depth_max = args.depth.unwrap_or(if args.glob.is_some() { 0 } else { 1 });
        let walk = Walk {
            depth_max,
            globs: args.glob.iter().cloned().collect(),
            respect_ignore: !args.all,
            entries_max: limit + 1,
        };
        let found = cx.files.walk(path, &walk).await.map_err(|error| failed(&error))?;
        Ok(listing(path, &found, limit))
    }
}

fn listing(path: &str, found: &[Found], limit: usize) -> ToolOutput {
    let rows: Vec<_> = found.iter().take(limit).map(row).collect();
    let mut shown = String::new();
    let taken = text::fill(&mut shown, rows.iter().map(String::as_str), text::BYTES_MAX);
    if found.is_empty() {
        shown = format!("[nothing in {path}; all: true also shows hidden and ignored files]");
    }
    let is_truncated = taken < found.len();
    if is_truncated {
        shown.push_str("[there is more; list a subfolder, or use glob]");
    }
    // Names of files are somebody's text too.
    ToolOutput::text(shown, Origin::File)
        .with_details(json!({ "path": path, "entries": taken, "truncated": is_truncated }))
}

fn row(found: &Found) -> String {
    let path = found.path.escape_debug();
    let path = if found.path.chars().any(char::is_control) { path.to_string() } else { found.path.clone() };
    match found.metadata.kind {
        FileKind::Folder => format!("{path}/"),
        FileKind::File => {
            let bytes = usize::try_from(found.metadata.bytes).unwrap_or(usize::MAX);
            format!("{path}  {}", text::count(bytes, "byte"))
        }
        FileKind::Link => format!("{path}  link"),
        FileKind::Other => format!("{path}  special"),
    }
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Lists a folder of the workspace: folders end with /, files show their size.".into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "The folder. Default: the workspace." },
                "depth": { "type": "integer", "minimum": 0,
                    "description": "Levels below the folder, default 1; 0 means all." },
                "glob": { "type": "string", "description": "Only paths that match, for example **/*.rs." },
                "all": { "type": "boolean", "description": "Show hidden and ignored files too." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most entries, at most 1000." },
            },
            "required": [],
        }),
        effect: Effect::Pure,
        capability: Capability::FsRead,
    }
}
