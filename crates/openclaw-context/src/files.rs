//! Reads the workspace files of a prompt, each only when it changed.
//!
//! A turn costs one `stat` per file; the text is kept until size or time of
//! change differ (pain 17). A file that is missing is fine; one that cannot be
//! read is named in the prompt, so that the model does not work from a gap it
//! does not know of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_domain::ports::{FileError, FileKind, Files, Metadata};
use openclaw_domain::{AgentId, Timestamp};

use crate::cut::cut;
use crate::frame;
use crate::kind::Kind;
use crate::options::Prompting;

/// The files, in the order they are shown.
const FILES: [&str; 6] = ["AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md", "BOOTSTRAP.md", "MEMORY.md"];

/// Largest file read, in bytes.
const READ_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Most characters of `USER.md`.
const USER_CHARS_MAX: usize = 4_000;

/// A file is not begun with less room than this.
const ROOM_CHARS_MIN: usize = 64;

/// Most texts kept; past it the store is emptied.
const KEPT_MAX: usize = 512;

/// Texts by agent and name.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    // Held for a lookup or an insertion only, never across an await.
    kept: Mutex<HashMap<(AgentId, &'static str), Kept>>,
    /// Whole sections, with the time their files were last looked at.
    sections: Mutex<HashMap<(AgentId, Kind), Section>>,
}

/// A section as shown, and when its files were last looked at.
type Section = (Timestamp, Arc<str>);

/// Files are looked at again after this long: looking costs a thread hop per
/// file, which at a busy gateway is more than the rest of building a prompt.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Kept {
    metadata: Metadata,
    text: Arc<str>,
}

impl Texts {
    /// Returns the section of workspace files; empty when there is nothing to
    /// show. A changed file shows at most a second later.
    pub(crate) async fn section(
        &self,
        agent: &AgentId,
        files: &dyn Files,
        kind: Kind,
        prompting: &Prompting,
        now: Timestamp,
    ) -> String {
        let key = (agent.clone(), kind);
        if let Some((seen, section)) = lock(&self.sections).get(&key)
            && is_fresh(*seen, now)
        {
            return section.to_string();
        }
        let section = self.read(agent, files, kind, prompting).await;
        lock(&self.sections).insert(key, (now, section.as_str().into()));
        section
    }

    async fn read(&self, agent: &AgentId, files: &dyn Files, kind: Kind, prompting: &Prompting) -> String {
        let mut blocks = Vec::new();
        let mut room = prompting.total_chars_max;
        let mut was_cut = false;
        for name in FILES.into_iter().filter(|name| kind.sees(name)) {
            let text = match self.text(agent, files, name).await {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(error) => {
                    blocks.push(format!("## {name}\n[could not be read: {error}]"));
                    continue;
                }
            };
            if room < ROOM_CHARS_MIN {
                blocks
                    .push(format!("## {name}\n[left out: the files before it used up the room; read it when needed]"));
                continue;
            }
            let limit = if name == "USER.md" { USER_CHARS_MAX } else { usize::MAX };
            let limit = limit.min(prompting.file_chars_max).min(room);
            let (shown, cut) = cut(name, text.trim(), limit);
            room -= shown.chars().count().min(room);
            was_cut |= cut;
            let path = format!("{}/{name}", files.root().trim_end_matches('/'));
            blocks.push(frame::file(&path, &shown));
        }
        if blocks.is_empty() {
            return String::new();
        }
        let intro = include_str!("../prompts/files.md").trim_end();
        let notice = if was_cut { "\nSome files are cut; the marker in each says how much is missing." } else { "" };
        format!("{intro}{notice}\n\n{}", blocks.join("\n\n"))
    }

    async fn text(
        &self,
        agent: &AgentId,
        files: &dyn Files,
        name: &'static str,
    ) -> Result<Option<Arc<str>>, FileError> {
        let metadata = match files.stat(name).await {
            Ok(metadata) if metadata.kind == FileKind::File || metadata.kind == FileKind::Link => metadata,
            Ok(_) | Err(FileError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(kept) = self.kept(agent, name)
            && kept.metadata == metadata
            // A link's own time says nothing of the file it leads to.
            && metadata.kind == FileKind::File
        {
            return Ok(Some(kept.text));
        }
        let bytes = files.read(name, READ_BYTES_MAX).await?;
        let text: Arc<str> = String::from_utf8_lossy(&bytes).trim_start_matches('\u{FEFF}').into();
        if text.trim().is_empty() {
            return Ok(None);
        }
        self.keep(agent, name, Kept { metadata, text: Arc::clone(&text) });
        Ok(Some(text))
    }

    fn kept(&self, agent: &AgentId, name: &'static str) -> Option<Kept> {
        let kept = lock(&self.kept);
        kept.get(&(agent.clone(), name)).cloned()
    }

    fn keep(&self, agent: &AgentId, name: &'static str, text: Kept) {
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert((agent.clone(), name), text);
    }
}

/// Tells whether what was seen then needs no second look now.
pub(crate) fn is_fresh(seen: Timestamp, now: Timestamp) -> bool {
    seen <= now && now.since(seen) < LOOK_AGAIN
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
