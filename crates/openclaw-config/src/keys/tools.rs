//! `tools`, `approvals`, `security`, `skills`, `plugins` and `mcp`.

use super::Kind::{Any, Bool, Either, Int, List, Number, Object, OneOf, Open, Path, Positive, Secret, Text};
use super::{Section, key};

const TEXTS: super::Kind = List(&Text);
/// Ids in allow lists are written as text or as numbers.
const IDS: super::Kind = List(&Either(&[Text, Number(f64::MIN, f64::MAX)]));
const COUNT: super::Kind = Int(1, i64::MAX);
const MILLIS: super::Kind = Int(0, i64::MAX);

/// Settings for everyone that an agent may also have for itself.
pub(super) const SHARED: Section = Section {
    prefixes: &["tools", "agents.entries.*.tools"],
    rows: &[
        key("", Object, "", 1, "what agents may do"),
        key("byProvider.*", Object, "", 2, "narrower for one provider or model"),
        key("toolsBySender.*", Object, "", 2, "narrower for one sender"),
        key("sandbox.tools", Object, "", 2, "narrower in the sandbox"),
        key(
            "exec.mode",
            OneOf(&["deny", "allowlist", "ask", "auto", "full"]),
            "",
            1,
            "which commands run without asking; unset is ask",
        )
        .closed("\"deny\""),
        key("exec.security", OneOf(&["deny", "allowlist", "full"]), "", 1, "older form of mode, with ask")
            .closed("\"deny\""),
        key("exec.ask", OneOf(&["off", "on-miss", "always"]), "", 1, "older form of mode, with security")
            .closed("\"always\""),
        key("exec.host", OneOf(&["auto", "sandbox", "gateway", "node"]), "", 1, "where commands run; unset is auto")
            .closed("\"sandbox\""),
        key("exec.node", Text, "", 1, "which node they run on"),
        key("exec.backgroundMs", COUNT, "10000", 1, "when a command moves to the background"),
        key("exec.timeoutSeconds", COUNT, "1800", 1, "longest command"),
        key("exec.cleanupMs", COUNT, "1800000", 1, "how long a finished command is kept"),
        key("exec.notifyOnExit", Bool, "true", 1, "tell the agent when a background command ends"),
        key("exec.notifyOnExitEmptySuccess", Bool, "", 2, "also when it printed nothing"),
        key("exec.pathPrepend", TEXTS, "", 2, "folders put before PATH").closed("[]"),
        key("exec.safeBins", TEXTS, "", 2, "programs that only read standard input").closed("[]"),
        key("exec.safeBinTrustedDirs", TEXTS, "", 2, "folders those programs may be in").closed("[]"),
        key("exec.safeBinProfiles.*", Open, "", 2, "arguments one of them may take").whole(),
        key("exec.strictInlineEval", Bool, "", 2, "ask for inline code of interpreters").closed("true"),
        key("exec.commandHighlighting", Bool, "", 3, "colour commands in approvals"),
        key("exec.applyPatch.enabled", Bool, "true", 2, "offer the patch tool").closed("false"),
        key("exec.applyPatch.workspaceOnly", Bool, "true", 2, "keep patches inside the workspace").closed("true"),
        key("exec.applyPatch.allowModels", TEXTS, "", 2, "models it is offered to"),
        key("exec.reviewer", Open, "", 3, "model that reviews commands in auto mode"),
        key("exec.grantExpiryDays", Int(1, 3650), "", 3, "when a standing permission ends").closed("1"),
        key("exec.approvalRunningNoticeMs", MILLIS, "10000", 3, "when a waiting approval is mentioned"),
        key("elevated.enabled", Bool, "", 2, "leaving the sandbox").closed("false"),
        key("elevated.allowFrom.*", IDS, "", 2, "who may ask for it").closed("[]"),
        key("fs.workspaceOnly", Bool, "true", 1, "keep file tools inside the workspace").closed("true"),
        key("codeMode", Either(&[Bool, OneOf(&["auto"]), Open]), "", 3, "orchestrate tools in code"),
        key("swarm", Either(&[Bool, Open]), "", 3, "groups of child runs"),
        key("loopDetection.enabled", Bool, "", 3, "stop repeated calls"),
        key("message", Open, "", 3, "sending messages from a run"),
        key("github", Open, "", 3, "repository sign-in"),
    ],
};

pub(super) const TOOLS: Section = Section {
    prefixes: &["tools"],
    rows: &[
        key("subagents.tools", Object, "", 2, "narrower for child runs"),
        key("web.search", Open, "", 2, "web search"),
        key("web.search.enabled", Bool, "true", 2, "offer it").closed("false"),
        key("web.search.provider", Text, "", 2, "search service; unset picks one with a key"),
        key("web.search.maxResults", COUNT, "5", 2, "results per search"),
        key("web.search.timeoutSeconds", COUNT, "30", 2, "ceiling of one search"),
        key("web.search.cacheTtlMinutes", Number(0.0, f64::MAX), "15", 2, "how long results are reused"),
        key("web.search.apiKey", Secret, "", 2, "older place of the key"),
        key("web.fetch.enabled", Bool, "true", 2, "offer fetching pages").closed("false"),
        key("web.fetch.provider", Text, "", 2, "fetching service"),
        key("web.fetch.maxChars", COUNT, "20000", 2, "characters of a page"),
        key("web.fetch.maxCharsCap", COUNT, "20000", 2, "most a call may ask for"),
        key("web.fetch.maxResponseBytes", COUNT, "750000", 2, "bytes read of a page"),
        key("web.fetch.timeoutSeconds", COUNT, "30", 2, "ceiling of one page"),
        key("web.fetch.cacheTtlMinutes", Number(0.0, f64::MAX), "15", 2, "how long pages are reused"),
        key("web.fetch.maxRedirects", MILLIS, "3", 2, "redirects followed"),
        key("web.fetch.readability", Bool, "true", 2, "keep only the text of a page"),
        key("web.fetch.userAgent", Text, "", 3, "name sent to servers"),
        key("web.fetch.headers.*", Secret, "", 3, "headers sent to servers"),
        key("web.fetch.useTrustedEnvProxy", Bool, "", 3, "use the proxy of the environment").closed("false"),
        key("web.fetch.ssrfPolicy", Object, "{}", 2, "which addresses may be fetched").closed("{}").whole(),
        key("web.fetch.ssrfPolicy.dangerouslyAllowPrivateNetwork", Bool, "", 2, "allow private addresses")
            .closed("false"),
        key("web.fetch.ssrfPolicy.allowRfc2544BenchmarkRange", Bool, "", 3, "allow the benchmark range")
            .closed("false"),
        key("web.fetch.ssrfPolicy.allowIpv6UniqueLocalRange", Bool, "", 3, "allow unique local addresses")
            .closed("false"),
        key("web.fetch.ssrfPolicy.allowedHostnames", TEXTS, "", 2, "names allowed on private addresses").closed("[]"),
        key("web.fetch.ssrfPolicy.blockedHostnames", TEXTS, "", 2, "names never fetched").closed("[\"*\"]"),
        key("media", Open, "", 2, "understanding of inbound media"),
        key("media.concurrency", COUNT, "2", 2, "files understood at once"),
        key("agentToAgent.enabled", Bool, "true", 1, "let agents write to each other").closed("false"),
        key("agentToAgent.allow", TEXTS, "", 1, "which agents; unset allows all").closed("[]"),
        key(
            "sessions.visibility",
            OneOf(&["self", "tree", "agent", "all"]),
            "\"all\"",
            1,
            "which sessions a run may see",
        )
        .closed("\"self\""),
        key("toolSearch", Either(&[Bool, Open]), "", 2, "hide most tools behind a search; unset is on"),
        key("updatePlan", Bool, "", 3, "offer the plan tool"),
        key("sessions_spawn", Open, "", 3, "files passed to child runs"),
        key("links", Open, "", 3, "understanding of links"),
    ],
};

/// An allow and deny list, wherever one may stand.
pub(super) const POLICY: Section = Section {
    prefixes: &[
        "tools",
        "agents.entries.*.tools",
        "tools.byProvider.*",
        "agents.entries.*.tools.byProvider.*",
        "tools.toolsBySender.*",
        "agents.entries.*.tools.toolsBySender.*",
        "tools.subagents.tools",
        "tools.sandbox.tools",
        "agents.entries.*.tools.sandbox.tools",
    ],
    rows: &[
        key("allow", TEXTS, "", 1, "only these tools; names, globs or group:*").closed("[\"-\"]"),
        key("deny", TEXTS, "", 1, "never these tools; wins over allow").closed("[\"*\"]"),
        key("alsoAllow", TEXTS, "", 1, "these besides the profile").closed("[]"),
    ],
};

pub(super) const PROFILE: Section = Section {
    prefixes: &["tools", "agents.entries.*.tools", "tools.byProvider.*", "agents.entries.*.tools.byProvider.*"],
    rows: &[key(
        "profile",
        OneOf(&["minimal", "coding", "messaging", "full"]),
        "",
        1,
        "base set of tools; unset does not filter",
    )
    .closed("\"minimal\"")],
};

pub(super) const APPROVALS: Section = Section {
    prefixes: &[""],
    rows: &[
        key("approvals.exec", Open, "", 2, "where questions about commands are sent"),
        key("approvals.exec.timeoutSeconds", COUNT, "", 2, "when a question lapses; unset waits until it is answered"),
        key("approvals.exec.enabled", Bool, "", 2, "send them on"),
        key(
            "approvals.exec.mode",
            OneOf(&["session", "targets", "both"]),
            "\"session\"",
            2,
            "to the session, to targets or both",
        ),
        key("approvals.plugin", Open, "", 2, "where questions of plugins are sent"),
        key("approvals.plugin.enabled", Bool, "", 2, "send them on"),
        key(
            "approvals.plugin.mode",
            OneOf(&["session", "targets", "both"]),
            "\"session\"",
            2,
            "to the session, to targets or both",
        ),
        key("security.installPolicy", Open, "", 3, "check before installing").closed("{\"enabled\":true}").whole(),
        key("security.audit.suppressions", List(&Open), "", 3, "findings not to report"),
        key("accessGroups.*", Open, "", 3, "a named set of senders").whole(),
    ],
};

pub(super) const SKILLS: Section = Section {
    prefixes: &[""],
    rows: &[
        key("skills", Object, "", 1, "skills"),
        key("skills.entries.*", Open, "", 1, "one skill, by name"),
        key("skills.entries.*.enabled", Bool, "", 1, "offer it").closed("false"),
        key("skills.entries.*.apiKey", Secret, "", 1, "key for its main variable"),
        key("skills.entries.*.env.*", Secret, "", 1, "variables set where the environment has none"),
        key("skills.entries.*.config", Open, "", 1, "its own options"),
        key("skills.allowBundled", TEXTS, "", 2, "which bundled skills; unset allows all").closed("[]"),
        key("skills.load.extraDirs", TEXTS, "[]", 2, "further folders of skills").closed("[]"),
        key("skills.load.allowSymlinkTargets", TEXTS, "[]", 2, "folders links may lead to").closed("[]"),
        key("skills.load.watch", Bool, "true", 2, "reload skills that change"),
        key("skills.install", Open, "", 3, "how helpers are installed"),
        key("skills.install.nodeManager", OneOf(&["npm", "pnpm", "yarn", "bun"]), "", 3, "package manager"),
        key("skills.limits.maxCandidatesPerRoot", COUNT, "300", 1, "folders looked at"),
        key("skills.limits.maxSkillsLoadedPerSource", COUNT, "200", 1, "skills loaded of one folder"),
        key("skills.limits.maxSkillsInPrompt", MILLIS, "150", 1, "skills named in the prompt"),
        key("skills.limits.maxSkillsPromptChars", MILLIS, "18000", 1, "characters they take there"),
        key("skills.limits.maxSkillFileBytes", MILLIS, "256000", 1, "largest skill file"),
        key("skills.workshop", Open, "", 3, "skills the agent writes"),
        key("plugins", Object, "", 1, "plugins"),
        key("plugins.enabled", Bool, "true", 1, "load plugins").closed("false"),
        key("plugins.allow", TEXTS, "", 1, "only these; unset or empty allows all").closed("[\"-\"]"),
        key("plugins.deny", TEXTS, "[]", 1, "never these").closed("[\"*\"]"),
        key("plugins.load.paths", TEXTS, "[]", 1, "further folders of plugins").closed("[]"),
        key("plugins.slots.memory", Text, "", 1, "plugin that keeps memory"),
        key("plugins.slots.contextEngine", Text, "", 1, "plugin that builds the context"),
        key("plugins.installs", Any, "", 3, "older record of installs"),
        key("plugins.entries.*", Open, "", 1, "one plugin"),
        key("plugins.entries.*.enabled", Bool, "", 1, "load it").closed("false"),
        key("plugins.entries.*.config", Open, "", 1, "its own options"),
        key("plugins.entries.*.config.webSearch.apiKey", Secret, "", 1, "key of its search service"),
        key("plugins.entries.*.hooks", Open, "", 1, "what it may hook into"),
        key("plugins.entries.*.llm", Open, "", 1, "what it may ask of models"),
        key("plugins.entries.*.subagent", Open, "", 1, "what it may run"),
        key("mcp", Object, "", 1, "tool servers"),
        key("mcp.servers.*", Open, "", 1, "one tool server").whole(),
        key("mcp.servers.*.enabled", Bool, "", 1, "false parks it"),
        key("mcp.servers.*.command", Text, "", 1, "program of a local server"),
        key("mcp.servers.*.args", TEXTS, "", 1, "its arguments"),
        key("mcp.servers.*.env.*", Either(&[Secret, Number(f64::MIN, f64::MAX), Bool]), "", 1, "its variables"),
        key("mcp.servers.*.cwd", Path, "", 1, "its working directory"),
        key("mcp.servers.*.url", Text, "", 1, "address of a remote server"),
        key("mcp.servers.*.transport", OneOf(&["stdio", "sse", "streamable-http"]), "", 1, "wire format"),
        key(
            "mcp.servers.*.headers.*",
            Either(&[Secret, Number(f64::MIN, f64::MAX), Bool]),
            "",
            1,
            "headers sent to it",
        ),
        key("mcp.servers.*.auth", OneOf(&["oauth"]), "", 1, "sign-in"),
        key("mcp.servers.*.oauth", Open, "", 1, "options of that sign-in"),
        key("mcp.servers.*.toolFilter", Object, "", 1, "which of its tools are offered"),
        key("mcp.servers.*.toolFilter.include", TEXTS, "", 1, "only these"),
        key("mcp.servers.*.toolFilter.exclude", TEXTS, "", 1, "never these"),
        key("mcp.servers.*.requestTimeoutMs", Positive, "", 1, "ceiling of one call"),
        key("mcp.servers.*.connectionTimeoutMs", Positive, "", 1, "ceiling of connecting"),
        key("mcp.servers.*.sslVerify", Bool, "", 2, "check its certificate").closed("true"),
        key("mcp.servers.*.clientCert", Path, "", 2, "certificate shown to it"),
        key("mcp.servers.*.clientKey", Path, "", 2, "key of that certificate"),
        key("mcp.sessionIdleTtlMs", Number(0.0, f64::MAX), "0", 3, "when an idle server is stopped; 0 is never"),
        key("mcp.apps", Open, "", 3, "hosted apps"),
    ],
};
