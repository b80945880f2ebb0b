//! Lists the sessions this conversation may see.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Tool, ToolCx};
use openclaw_domain::session::{Session, SessionQuery};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::reach::Reach;
use crate::registry::Entry;
use crate::{args, text, time};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:sessions",
    summary: "Lists conversations",
    build: |section| Some(Arc::new(SessionsList { spec: spec(), reach: Reach::read(section) })),
};

const NAME: &str = "sessions_list";

/// Sessions shown unless asked otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 200;

/// Most sessions looked at for one page; those not visible do not count.
const LOOKED_AT_MAX: usize = 5_000;

struct SessionsList {
    spec: ToolSpec,
    reach: Reach,
}

#[derive(Deserialize)]
struct Args {
    search: Option<String>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

#[async_trait]
impl Tool for SessionsList {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, &[], permit.call())?;
        let limit = args.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
        let query =
            SessionQuery { agent: None, search: args.search, archived: args.archived, offset: 0, limit: LOOKED_AT_MAX };
        let page = cx.sessions.list(&query).await.map_err(|error| Error::EndRun(error.to_string()))?;
        let visible: Vec<_> = page.sessions.iter().filter(|it| self.reach.sees(&cx.session, &it.key)).collect();
        let rows: Vec<_> = visible.iter().skip(args.offset).take(limit).map(|it| row(it, cx)).collect();
        let mut shown = String::new();
        let taken = text::fill(&mut shown, rows.iter().map(String::as_str), text::BYTES_MAX);
        if rows.is_empty() {
            shown = "[no sessions match]".to_owned();
        }
        let next = args.offset + taken;
        if taken > 0 && next < visible.len() {
            let left = text::count(visible.len() - next, "more session");
            shown.push_str(&format!("[{left}, use offset {next}]"));
        }
        // Labels are other people's words.
        Ok(ToolOutput::text(shown, Origin::Tool { tool: NAME.into() })
            .with_details(json!({ "sessions": taken, "total": visible.len() })))
    }
}

fn row(session: &Session, cx: &ToolCx) -> String {
    let label = session.label.as_deref().map_or(String::new(), |label| format!("  {label:?}"));
    let here = if session.key == cx.session { "  (this one)" } else { "" };
    let entries = text::count_of(usize::try_from(session.entries).unwrap_or(usize::MAX), "entry", "entries");
    format!("{}{label}  {}  {entries}  {}{here}", session.key, session.state, time::minute(session.updated_at))
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Lists conversations that this one may see: key, label, state, size, last change.".into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "search": { "type": "string", "description": "Only whose key or label holds this text." },
                "archived": { "type": "boolean", "description": "Archived ones instead of live ones." },
                "offset": { "type": "integer", "minimum": 0, "description": "How many to skip." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most sessions, at most 200." },
            },
            "required": [],
        }),
        effect: Effect::Pure,
        capability: Capability::Runtime,
    }
}
