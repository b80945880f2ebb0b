//! The words a configuration uses for tools: names, groups, profiles, patterns.
//!
//! These tables are vocabulary, not code: they hold names of tools that this
//! program may not have, because a configuration may speak of them. A name that
//! is in no table is foreign, and foreign tools need an explicit allowance.

/// Groups and their members.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("group:fs", &["read", "write", "edit", "apply_patch", "list", "search"]),
    ("group:runtime", &["exec", "process", "code_execution"]),
    ("group:web", &["web_search", "web_fetch", "x_search"]),
    (
        "group:sessions",
        &[
            "sessions",
            "sessions_list",
            "sessions_history",
            "sessions_search",
            "conversations_list",
            "conversations_send",
            "conversations_turn",
            "sessions_send",
            "sessions_spawn",
            "sessions_yield",
            "subagents",
            "session_status",
            "suggest_task",
            "dismiss_task",
            "vars",
        ],
    ),
    ("group:memory", &["remember", "recall", "forget"]),
    ("group:ui", &["browser", "screen", "theme", "dashboard", "terminal", "portal", "canvas", "show_widget"]),
    ("group:automation", &["heartbeat_respond", "automations", "gateway", "plugins", "openclaw"]),
    ("group:messaging", &["message"]),
    ("group:nodes", &["nodes", "computer"]),
    (
        "group:agents",
        &["agents_list", "get_goal", "create_goal", "update_goal", "progress_card", "ask_user", "skill_workshop"],
    ),
    ("group:media", &["view_image", "image_generate", "music_generate", "video_generate", "tts", "pdf"]),
];

/// Members of groups that `group:openclaw` leaves out: they touch the machine.
const NOT_OPENCLAW: &[&str] = &["read", "write", "edit", "apply_patch", "list", "search", "exec", "process", "canvas"];

/// Other names of the same tool.
const ALIASES: &[(&str, &str)] = &[
    ("bash", "exec"),
    ("apply-patch", "apply_patch"),
    ("cron", "automations"),
    ("memory_search", "recall"),
    ("memory_get", "recall"),
    ("image", "view_image"),
];

/// A base set of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Status only.
    Minimal,
    /// Files, programs, web, sessions, memory.
    Coding,
    /// Messages and sessions.
    Messaging,
    /// Everything, foreign tools too.
    Full,
}

impl Profile {
    /// All profiles by name.
    pub const ALL: [(&str, Profile); 4] = [
        ("minimal", Profile::Minimal),
        ("coding", Profile::Coding),
        ("messaging", Profile::Messaging),
        ("full", Profile::Full),
    ];

    /// Returns the profile of this name.
    pub fn named(name: &str) -> Option<Profile> {
        Self::ALL.into_iter().find(|(it, _)| *it == name).map(|(_, profile)| profile)
    }

    /// Returns the profile's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Minimal => "minimal",
            Profile::Coding => "coding",
            Profile::Messaging => "messaging",
            Profile::Full => "full",
        }
    }

    /// Returns what it allows, in the words of a configuration.
    pub fn entries(self) -> &'static [&'static str] {
        match self {
            Profile::Minimal => &["session_status", "gateway"],
            Profile::Coding => &[
                "group:fs",
                "group:runtime",
                "group:web",
                "group:sessions",
                "group:memory",
                "automations",
                "gateway",
                "get_goal",
                "create_goal",
                "update_goal",
                "progress_card",
                "ask_user",
                "skill_workshop",
                "view_image",
                "image_generate",
                "music_generate",
                "video_generate",
                "theme",
                "bundle-mcp",
            ],
            Profile::Messaging => &[
                "group:messaging",
                "sessions",
                "sessions_list",
                "sessions_history",
                "sessions_search",
                "conversations_list",
                "conversations_send",
                "conversations_turn",
                "sessions_send",
                "sessions_spawn",
                "sessions_yield",
                "subagents",
                "session_status",
                "gateway",
                "ask_user",
                "theme",
                "bundle-mcp",
            ],
            Profile::Full => &["*"],
        }
    }
}

/// One entry of an allow or deny list, ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This name, or a name with `*` in it.
    Name(String),
    /// These names.
    Names(&'static [&'static str]),
    /// Every built-in tool but those that touch the machine.
    OpenClaw,
    /// Every foreign tool.
    Foreign,
}

impl Pattern {
    /// Reads an entry; `None` when it names a group that does not exist, or nothing.
    pub fn parse(entry: &str) -> Option<Pattern> {
        let entry = entry.trim().to_lowercase();
        match entry.as_str() {
            "" => None,
            "group:openclaw" => Some(Pattern::OpenClaw),
            "group:plugins" | "bundle-mcp" => Some(Pattern::Foreign),
            group if group.starts_with("group:") => {
                GROUPS.iter().find(|(name, _)| *name == group).map(|(_, members)| Pattern::Names(members))
            }
            name => Some(Pattern::Name(canonical(name).to_owned())),
        }
    }

    /// Tells whether a canonical name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Name(pattern) => wildcard(pattern.as_bytes(), name.as_bytes()),
            Pattern::Names(names) => names.contains(&name),
            Pattern::OpenClaw => is_known(name) && !NOT_OPENCLAW.contains(&name),
            Pattern::Foreign => !is_known(name),
        }
    }
}

/// Tells whether some table holds the name.
pub fn is_known(name: &str) -> bool {
    GROUPS.iter().any(|(_, members)| members.contains(&name))
}

/// Returns the one name of a tool.
pub fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, own)| own)
}

/// Matches `*` as any run of bytes. Linear in space, quadratic at worst in time.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            star = Some((star_p, star_t + 1));
            p = star_p + 1;
            t = star_t + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(entry: &str, name: &str, expected: bool) {
        assert_eq!(Pattern::parse(entry).unwrap().matches(name), expected, "{entry} ~ {name}");
    }

    #[test]
    fn entries_match_names_groups_and_globs() {
        check("read", "read", true);
        check(" Read ", "read", true);
        check("bash", "exec", true);
        check("web_*", "web_fetch", true);
        check("web_*", "webfetch", false);
        check("*", "anything", true);
        check("group:fs", "edit", true);
        check("group:fs", "exec", false);
        check("group:openclaw", "web_fetch", true);
        check("group:openclaw", "exec", false);
        check("group:plugins", "outlook__send", true);
        check("group:plugins", "read", false);
        assert_eq!(Pattern::parse("group:nothing"), None);
        assert_eq!(Pattern::parse("  "), None);
    }

    #[test]
    fn every_entry_of_every_profile_is_understood() {
        for (name, profile) in Profile::ALL {
            assert_eq!(profile.as_str(), name);
            for entry in profile.entries() {
                let pattern = Pattern::parse(entry).unwrap();
                if let Pattern::Name(name) = &pattern {
                    assert!(name == "*" || is_known(name), "{name}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_pattern_without_stars_matches_itself_only(a in "[a-z_]{1,12}", b in "[a-z_]{1,12}") {
            prop_assert_eq!(wildcard(a.as_bytes(), b.as_bytes()), a == b);
        }

        #[test]
        fn a_star_between_two_ends_matches_anything_between(a in "[a-z]{0,5}", mid in "[a-z]{0,9}", b in "[a-z]{0,5}") {
            let (pattern, text) = (format!("{a}*{b}"), format!("{a}{mid}{b}"));
            prop_assert!(wildcard(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
