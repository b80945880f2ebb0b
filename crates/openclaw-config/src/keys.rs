//! Every setting the product knows, in one table.
//!
//! Validation, schema, `config explain`, completion, redaction and defaults are
//! all read from [`ALL`], so a setting is added in one place. A row under
//! several prefixes (an agent's defaults and its own entry, a channel and its
//! accounts) is written once. Components read their own sections; no section
//! type lives here.

mod agents;
mod channels;
mod gateway;
mod kind;
mod models;
mod rest;
mod sessions;
mod tools;
mod tree;

pub use kind::{Kind, Mismatch};
pub(crate) use tree::{Branch, branch, pattern, tree};
pub use tree::{all, find, nearest};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Path below the section's prefix; `*` is any key, `[]` any element.
    pub path: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// Default as JSON text; empty when there is none.
    pub default: &'static str,
    /// 1: works. 2: understood and reported. 3: kept as written.
    pub ring: u8,
    /// What it does, in one line.
    pub doc: &'static str,
    /// JSON text standing in for an unusable value where the default would
    /// be more permissive than anything the author can have meant.
    pub closed: &'static str,
    /// Whether a fault anywhere below sets the whole value aside, because
    /// the rest would mean something wider without the faulty part.
    pub is_whole: bool,
}

/// Settings that occur below each of some prefixes.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Where the rows hang; the empty prefix is the root.
    pub prefixes: &'static [&'static str],
    /// The rows.
    pub rows: &'static [Key],
}

/// Every setting, in the order a reader looks for them.
pub const ALL: &[Section] = &[
    gateway::GATEWAY,
    gateway::SECRETS,
    models::MODELS,
    agents::AGENTS,
    agents::SHARED,
    agents::DEFAULTS,
    agents::ENTRIES,
    agents::HEARTBEAT,
    agents::SANDBOX,
    sessions::ROUTING,
    sessions::SESSION,
    sessions::RESET,
    sessions::MESSAGES,
    sessions::TTS,
    tools::SHARED,
    tools::TOOLS,
    tools::PROFILE,
    tools::POLICY,
    tools::APPROVALS,
    tools::SKILLS,
    channels::SHARED,
    channels::CHANNEL,
    channels::ROOM,
    channels::TELEGRAM,
    channels::DISCORD,
    channels::SLACK,
    channels::WHATSAPP,
    channels::WEBHOOK,
    rest::AUTOMATION,
    rest::MEMORY,
    rest::HOST,
    rest::KEPT,
];

/// Writes a row.
const fn key(path: &'static str, kind: Kind, default: &'static str, ring: u8, doc: &'static str) -> Key {
    Key { path, kind, default, ring, doc, closed: "", is_whole: false }
}

impl Key {
    /// Names the safe stand-in for an unusable value.
    const fn closed(mut self, closed: &'static str) -> Self {
        self.closed = closed;
        self
    }

    /// Sets the whole value aside for a fault anywhere below it.
    const fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// Returns the default, if there is one.
    #[must_use]
    pub fn default_value(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.default).ok()
    }

    /// Returns the safe stand-in, if there is one.
    #[must_use]
    pub fn closed_value(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.closed).ok()
    }

    /// Tells whether the value is a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.kind.is_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_and_stand_in_is_json_of_its_own_kind() {
        for (path, key) in all() {
            for text in [key.default, key.closed] {
                if text.is_empty() {
                    continue;
                }
                let value: serde_json::Value =
                    serde_json::from_str(text).unwrap_or_else(|error| panic!("{path}: {text}: {error}"));
                let node = crate::tree::Node::from_value(&value, &crate::tree::Origin::Default);
                assert_eq!(key.kind.check(&node), Ok(()), "{path}: {text}");
            }
        }
    }

    #[test]
    fn every_row_is_documented_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for (path, key) in all() {
            assert!(seen.insert(path.clone()), "{path} has two rows");
            assert!((1..=3).contains(&key.ring), "{path}");
            assert!(key.doc.len() >= 4 && !key.doc.ends_with('.'), "{path}: {:?}", key.doc);
        }
        assert!(seen.len() > 600, "{}", seen.len());
    }

    #[test]
    fn every_root_key_of_an_existing_home_is_known() {
        let roots = "$schema meta env wizard diagnostics logging update telemetry browser ui secrets auth accessGroups acp models nodeHost agents \
                     worktreeRoot worktreeAcceleration tools security bindings broadcast attachments messages tts commands approvals session cron \
                     transcripts hooks channels discovery talk gateway cloudWorkers desktop memory mcp skills plugins surfaces proxy";
        for root in roots.split_whitespace() {
            assert!(tree().child(root).is_some(), "{root}");
        }
    }
}
