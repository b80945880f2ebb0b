//! `bindings`, `broadcast`, `session`, `messages`, `commands` and `tts`.

use super::Kind::{
    Any, Bool, Duration, Either, False, Int, Items, List, Number, Object, OneOf, Open, Path, Secret, Text,
};
use super::{Section, key};

const TEXTS: super::Kind = List(&Text);
/// Ids in allow lists are written as text or as numbers.
const IDS: super::Kind = List(&Either(&[Text, Number(f64::MIN, f64::MAX)]));
const COUNT: super::Kind = Int(1, i64::MAX);
const MILLIS: super::Kind = Int(0, i64::MAX);
const DM_SCOPE: super::Kind = OneOf(&["main", "per-peer", "per-channel-peer", "per-account-channel-peer"]);
const QUEUE: super::Kind = OneOf(&["steer", "followup", "collect", "interrupt"]);
const REPLIES: super::Kind = Either(&[OneOf(&["automatic", "message_tool"]), Bool]);
const SWITCH: super::Kind = Either(&[Bool, OneOf(&["auto"])]);
const SPAN_OR_OFF: super::Kind = Either(&[Duration, False]);

pub(super) const ROUTING: Section = Section {
    prefixes: &[""],
    rows: &[
        key("bindings", Items, "", 1, "which agent answers where; the first match wins"),
        key("bindings[]", Object, "", 1, "one route").whole(),
        key("bindings[].type", OneOf(&["route", "acp"]), "", 3, "kind of route"),
        key("bindings[].agentId", Text, "", 1, "agent that answers"),
        key("bindings[].comment", Text, "", 1, "note for the reader"),
        key("bindings[].match", Object, "", 1, "where; all given fields must match"),
        key("bindings[].match.channel", Text, "", 1, "channel"),
        key("bindings[].match.accountId", Text, "", 1, "account; unset is the default one, * is any"),
        key("bindings[].match.peer.kind", OneOf(&["direct", "group", "channel"]), "", 1, "kind of conversation"),
        key("bindings[].match.peer.id", Text, "", 1, "conversation"),
        key("bindings[].match.guildId", Text, "", 1, "server"),
        key("bindings[].match.teamId", Text, "", 1, "team"),
        key("bindings[].match.roles", TEXTS, "", 1, "roles of the sender"),
        key("bindings[].session.dmScope", DM_SCOPE, "", 2, "how direct messages share sessions"),
        key("bindings[].session.groupScope", OneOf(&["per-group", "main"]), "", 2, "how rooms share sessions"),
        key("bindings[].acp", Open, "", 3, "external harness conversation"),
        key("broadcast.strategy", OneOf(&["parallel", "sequential"]), "", 3, "how several agents answer one room"),
        key("broadcast.*", Either(&[TEXTS, Open]), "", 3, "agents of one room").whole(),
    ],
};

pub(super) const SESSION: Section = Section {
    prefixes: &["session"],
    rows: &[
        key("", Object, "", 1, "how messages are grouped into sessions"),
        key("scope", OneOf(&["per-sender", "global"]), "\"per-sender\"", 2, "one session per sender or one for all"),
        key("dmScope", DM_SCOPE, "\"main\"", 1, "how direct messages share sessions")
            .closed("\"per-account-channel-peer\""),
        key("groupScope", OneOf(&["per-group", "main"]), "\"per-group\"", 2, "how rooms share sessions")
            .closed("\"per-group\""),
        key("identityLinks.*", TEXTS, "", 1, "one person's ids, as channel:id"),
        key("resetTriggers", TEXTS, "[\"/new\",\"/reset\"]", 1, "messages that reset a session"),
        key("store", Path, "", 1, "older session file; selects a database"),
        key("mainKey", Text, "", 2, "ignored; the suffix is always main"),
        key("notifyOnCreate", Bool, "true", 3, "tell the owner about new sessions"),
        key("sharing", Open, "", 3, "who else sees sessions"),
        key("maintenance.mode", OneOf(&["enforce", "warn"]), "\"enforce\"", 2, "clean up or only say so")
            .closed("\"warn\""),
        key("maintenance.pruneAfter", Duration, "\"30d\"", 2, "age at which a session is removed").closed("\"3650d\""),
        key(
            "maintenance.archiveDashboardAfter",
            SPAN_OR_OFF,
            "\"7d\"",
            2,
            "age at which a dashboard session is archived",
        ),
        key("maintenance.maxEntries", COUNT, "5000", 2, "most sessions kept"),
        key(
            "maintenance.maxDiskBytes",
            Either(&[Text, Number(0.0, f64::MAX), False]),
            "\"10gb\"",
            2,
            "most disk space used",
        ),
        key(
            "maintenance.highWaterBytes",
            Either(&[Text, Number(0.0, f64::MAX)]),
            "",
            2,
            "what is left after cleaning up; unset is 80 % of maxDiskBytes",
        ),
        key("maintenance.preserveRecent", SPAN_OR_OFF, "", 3, "sessions never removed"),
        key("maintenance.resetArchiveRetention", SPAN_OR_OFF, "", 3, "how long reset transcripts stay"),
        key("maintenance.coldStorage", Open, "", 3, "compress old transcripts"),
        key("sendPolicy", Object, "", 2, "outbound messages").closed("{\"default\":\"deny\"}").whole(),
        key("sendPolicy.default", OneOf(&["allow", "deny"]), "\"allow\"", 2, "what happens when no rule matches")
            .closed("\"deny\""),
        key("sendPolicy.rules", List(&Open), "", 2, "rules; the first deny wins"),
        key("threadBindings.enabled", Bool, "true", 2, "bind work to threads"),
        key("threadBindings.idleHours", Number(0.0, f64::MAX), "24", 2, "hours until an idle binding ends"),
        key("threadBindings.maxAgeHours", Number(0.0, f64::MAX), "0", 2, "hours until any binding ends; 0 is never"),
        key("threadBindings.spawnSessions", Bool, "true", 2, "open a session for a thread"),
        key("threadBindings.defaultSpawnContext", OneOf(&["isolated", "fork"]), "\"fork\"", 2, "what it starts from"),
    ],
};

pub(super) const RESET: Section = Section {
    prefixes: &[
        "session.reset",
        "session.resetByType.direct",
        "session.resetByType.group",
        "session.resetByType.thread",
        "session.resetByChannel.*",
    ],
    rows: &[
        key("mode", OneOf(&["none", "daily", "idle"]), "", 1, "when a session starts over by itself; unset is none"),
        key("atHour", Int(0, 23), "", 1, "hour of a daily reset; unset is 4"),
        key("idleMinutes", COUNT, "", 1, "silence before an idle reset"),
    ],
};

pub(super) const MESSAGES: Section = Section {
    prefixes: &[""],
    rows: &[
        key("messages", Object, "", 1, "how messages are handled"),
        key("messages.queue.mode", QUEUE, "\"steer\"", 1, "what a message does while a run is active"),
        key("messages.queue.cap", COUNT, "20", 1, "messages that may wait"),
        key(
            "messages.queue.drop",
            OneOf(&["old", "new", "summarize"]),
            "\"summarize\"",
            1,
            "what happens to those beyond",
        ),
        key("messages.queue.byChannel.*", QUEUE, "", 1, "the same for one channel"),
        key("messages.queue.debounceMsByChannel.*", MILLIS, "", 1, "pause before a burst is handled"),
        key("messages.inbound.debounceMs", MILLIS, "0", 2, "pause before a burst of messages is handled"),
        key("messages.inbound.byChannel.*", MILLIS, "", 2, "the same for one channel"),
        key("messages.groupChat.mentionPatterns", TEXTS, "", 1, "patterns that address the agent"),
        key("messages.groupChat.historyLimit", MILLIS, "50", 1, "messages of a group the agent sees"),
        key(
            "messages.groupChat.unmentionedInbound",
            OneOf(&["user_request", "room_event"]),
            "\"user_request\"",
            1,
            "what an unaddressed message is",
        ),
        key("messages.groupChat.visibleReplies", REPLIES, "\"automatic\"", 1, "which replies a group sees"),
        key("messages.visibleReplies", REPLIES, "\"automatic\"", 2, "which replies are sent"),
        key("messages.responsePrefix", Text, "", 2, "text before every reply, or auto"),
        key("messages.ackReaction", Text, "", 2, "reaction to a received message"),
        key(
            "messages.ackReactionScope",
            OneOf(&["group-mentions", "group-all", "direct", "all", "off", "none"]),
            "\"group-mentions\"",
            2,
            "where it is given",
        ),
        key("messages.statusReactions.enabled", Bool, "", 3, "show progress as reactions"),
        key(
            "messages.responseUsage",
            Either(&[OneOf(&["on", "off", "tokens", "full"]), Open]),
            "",
            3,
            "usage below a reply",
        ),
        key("messages.usageTemplate", Either(&[Text, Open]), "", 3, "its wording"),
        key("commands", Object, "", 1, "slash commands"),
        key("commands.native", SWITCH, "\"auto\"", 1, "register commands with the channel"),
        key("commands.nativeSkills", SWITCH, "\"auto\"", 1, "register skills with the channel"),
        key("commands.restart", Bool, "true", 1, "allow /restart").closed("false"),
        key("commands.text", Bool, "true", 1, "read commands in text"),
        key("commands.bash", Bool, "false", 1, "allow /bash").closed("false"),
        key("commands.bashForegroundMs", Int(0, 30_000), "", 2, "how long /bash waits"),
        key("commands.config", Bool, "false", 1, "allow /config").closed("false"),
        key("commands.mcp", Bool, "false", 1, "allow /mcp").closed("false"),
        key("commands.plugins", Bool, "false", 1, "allow /plugins").closed("false"),
        key("commands.debug", Bool, "false", 1, "allow /debug").closed("false"),
        key("commands.ownerAllowFrom", IDS, "", 1, "owners, as channel:id").closed("[]"),
        key("commands.allowFrom.*", IDS, "", 2, "who may give commands in one channel").closed("[]"),
    ],
};

pub(super) const TTS: Section = Section {
    prefixes: &["tts", "agents.entries.*.tts"],
    rows: &[
        key("", Object, "", 2, "speech"),
        key("auto", OneOf(&["off", "always", "inbound", "tagged"]), "\"off\"", 2, "when a reply is spoken"),
        key("enabled", Bool, "", 2, "older switch"),
        key("mode", OneOf(&["final", "all"]), "\"final\"", 2, "which parts are spoken"),
        key("provider", Text, "", 2, "voice provider"),
        key("persona", Text, "", 2, "chosen persona"),
        key("personas.*", Open, "", 2, "one persona"),
        key("personas.*.providers.*", Open, "", 2, "a provider of this persona"),
        key("personas.*.providers.*.apiKey", Secret, "", 2, "its key"),
        key("providers.*", Open, "", 2, "one voice provider"),
        key("providers.*.apiKey", Secret, "", 2, "its key"),
        key("maxTextLength", COUNT, "4096", 2, "longest text spoken"),
        key("timeoutMs", Int(1000, 120_000), "30000", 2, "ceiling of one call"),
        key("summaryModel", Text, "", 2, "model that shortens longer text"),
        key("modelOverrides", Any, "", 3, "what a reply may change about its voice"),
    ],
};
