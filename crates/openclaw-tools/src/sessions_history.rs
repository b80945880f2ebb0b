//! Reads the newest part of another conversation.
//!
//! Thoughts and pictures are left out, and tool results unless asked for. Long
//! texts are cut; the oldest entries give way first.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::Permit;
use openclaw_domain::conversation::Turn;
use openclaw_domain::message::{Block, plain_text};
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Tool, ToolCx};
use openclaw_domain::session::{Entry as Line, EntryQuery};
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
    summary: "Reads another conversation",
    build: |section| Some(Arc::new(SessionsHistory { spec: spec(), reach: Reach::read(section) })),
};

const NAME: &str = "sessions_history";

/// Entries shown unless asked otherwise, and at most.
const LIMIT: usize = 20;
const LIMIT_MAX: usize = 100;

/// Most bytes of one text.
const TEXT_BYTES: usize = 4_000;

struct SessionsHistory {
    spec: ToolSpec,
    reach: Reach,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    session_key: String,
    limit: Option<usize>,
    before: Option<u64>,
    #[serde(default)]
    include_tools: bool,
}

#[async_trait]
impl Tool for SessionsHistory {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, &[("session", "sessionKey"), ("key", "sessionKey")], permit.call())?;
        let session = self.reach.find(&args.session_key, cx).await?;
        let limit = args.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
        let query = EntryQuery { after: 0, before: args.before.unwrap_or(0), limit };
        let page = cx.sessions.entries(&session.key, query).await.map_err(|error| Error::EndRun(error.to_string()))?;
        let mut blocks = Vec::new();
        let mut room = text::BYTES_MAX;
        for entry in page.entries.iter().rev() {
            let block = block(entry, args.include_tools);
            if block.len() > room {
                break;
            }
            room -= block.len();
            blocks.push((entry.n, block));
        }
        let oldest = blocks.last().map_or(0, |(n, _)| *n);
        let shown = blocks.len();
        let mut said: Vec<_> = blocks.into_iter().rev().map(|(_, block)| block).collect();
        if shown == 0 {
            said.push("[no entries]".to_owned());
        } else {
            let total = page.total;
            said.insert(
                0,
                format!("[{} of {total} entries of {}; before: {oldest} shows older ones]", shown, session.key),
            );
        }
        Ok(ToolOutput::text(said.join("\n"), Origin::Tool { tool: NAME.into() })
            .with_details(json!({ "sessionKey": session.key, "entries": shown, "total": page.total })))
    }
}

fn block(entry: &Line, include_tools: bool) -> String {
    let head = |who: &str| format!("#{} {} {who}:", entry.n, time::minute(entry.at));
    match &entry.turn {
        Turn::User(turn) => format!("{} {}", head("user"), cut(&turn.text())),
        Turn::Assistant(turn) => {
            let mut lines = vec![head("assistant")];
            for block in &turn.blocks {
                match block {
                    Block::Text { text } => lines.push(cut(text)),
                    Block::Thinking { .. } => {}
                    Block::Call { call, result } if include_tools => {
                        lines.push(format!("  {} {}", call.name, cut(&call.arguments)));
                        let answer = result.as_ref().map_or("(no result yet)".to_owned(), |it| plain_text(&it.parts));
                        lines.push(format!("  -> {}", cut(&answer)));
                    }
                    Block::Call { call, .. } => lines.push(format!("  (used {})", call.name)),
                }
            }
            lines.join("\n")
        }
    }
}

fn cut(it: &str) -> String {
    let head = text::head(it, TEXT_BYTES);
    if head.len() == it.len() { it.to_owned() } else { format!("{head} [cut]") }
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Reads the newest entries of another conversation, as data.".into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "sessionKey": { "type": "string", "description": "The session's key, as sessions_list shows it." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most entries, default 20, at most 100." },
                "before": { "type": "integer", "minimum": 1, "description": "Only entries with a smaller number." },
                "includeTools": { "type": "boolean", "description": "Show tool calls with their results." },
            },
            "required": ["sessionKey"],
        }),
        effect: Effect::Pure,
        capability: Capability::Runtime,
    }
}
