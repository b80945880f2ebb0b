//! What kind of conversation a session key names.
//!
//! Decides which workspace files a conversation may see: what the owner told the
//! agent in private is not shown to a group.

use openclaw_domain::SessionKey;

/// The kinds that differ in what they may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The owner alone: main, direct, explicit and anything unnamed.
    Private,
    /// Several people.
    Shared,
    /// Nobody is there: cron, hooks, boot.
    Unattended,
    /// Started by another session.
    Child,
}

impl Kind {
    pub(crate) fn of(key: &SessionKey) -> Kind {
        let rest = key.rest();
        let has = |word: &str| rest.split(':').any(|segment| segment == word);
        // The narrowest kind wins: a child of a group sees what a child sees.
        if has("subagent") {
            Kind::Child
        } else if ["cron", "hook", "hooks", "boot"].iter().any(|word| rest.split(':').next() == Some(*word)) {
            Kind::Unattended
        } else if has("group") || has("channel") {
            Kind::Shared
        } else {
            Kind::Private
        }
    }

    /// Tells whether a workspace file is shown.
    pub(crate) fn sees(self, file: &str) -> bool {
        match self {
            Kind::Private => true,
            Kind::Shared => file != "MEMORY.md",
            Kind::Unattended => matches!(file, "AGENTS.md" | "SOUL.md" | "IDENTITY.md" | "USER.md"),
            Kind::Child => file == "AGENTS.md",
        }
    }

    /// Tells whether remembered notes are shown.
    pub(crate) fn sees_memories(self) -> bool {
        match self {
            Kind::Private => true,
            Kind::Shared | Kind::Unattended | Kind::Child => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_the_kind() {
        for (rest, kind) in [
            ("main", Kind::Private),
            ("explicit:notes", Kind::Private),
            ("telegram:direct:42", Kind::Private),
            ("telegram:group:-100", Kind::Shared),
            ("discord:channel:7:thread:8", Kind::Shared),
            ("cron:daily:run:1", Kind::Unattended),
            ("subagent:1f", Kind::Child),
            ("telegram:group:1:subagent:2", Kind::Child),
            ("groupies", Kind::Private),
        ] {
            let key: SessionKey = format!("agent:main:{rest}").parse().unwrap();
            assert_eq!(Kind::of(&key), kind, "{rest}");
        }
    }

    #[test]
    fn private_memory_is_never_shown_to_a_group() {
        assert!(Kind::Private.sees("MEMORY.md") && Kind::Private.sees_memories());
        for kind in [Kind::Shared, Kind::Unattended, Kind::Child] {
            assert!(!kind.sees("MEMORY.md") && !kind.sees_memories(), "{kind:?}");
        }
    }
}
