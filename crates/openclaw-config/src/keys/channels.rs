//! `channels`: what all chat platforms share, then the four common ones.
//!
//! The blocks are open: 27 platforms exist and an unknown one is kept as it
//! is. Known keys are checked wherever they stand, because the safety of a
//! channel hangs on them.

use super::Kind::{Bool, Either, Int, List, Number, Object, OneOf, Open, Path, Positive, Secret, Text};
use super::{Section, key};

const TEXTS: super::Kind = List(&Text);
/// Ids in allow lists are written as text or as numbers.
const IDS: super::Kind = List(&Either(&[Text, Number(f64::MIN, f64::MAX)]));
const COUNT: super::Kind = Int(1, i64::MAX);
const MILLIS: super::Kind = Int(0, i64::MAX);
const ROOM_POLICY: super::Kind = OneOf(&["open", "disabled", "allowlist"]);
const SWITCH: super::Kind = Either(&[Bool, OneOf(&["auto"])]);

pub(super) const SHARED: Section = Section {
    prefixes: &["channels"],
    rows: &[
        key("", Open, "", 1, "chat platforms"),
        key("defaults", Object, "", 1, "what every channel starts from"),
        key("defaults.groupPolicy", ROOM_POLICY, "\"allowlist\"", 1, "which rooms are answered").closed("\"disabled\""),
        key(
            "defaults.contextVisibility",
            OneOf(&["all", "allowlist", "allowlist_quote"]),
            "\"all\"",
            1,
            "whose messages the agent sees",
        )
        .closed("\"allowlist\""),
        key("defaults.implicitMentions.replyToBot", Bool, "true", 1, "a reply to the agent addresses it"),
        key("defaults.implicitMentions.quotedBot", Bool, "true", 1, "a quote of the agent addresses it"),
        key("defaults.implicitMentions.threadParticipation", Bool, "true", 1, "a thread it takes part in addresses it"),
        key(
            "defaults.deliveryMaxAgeMinutes",
            Int(1, 10_080),
            "15",
            1,
            "an answer that could not be sent for this long is not sent",
        ),
        key("defaults.deliveryHistoryDays", Int(1, 3650), "30", 1, "a delivery that is over is listed for this long"),
        key("defaults.deliveryHistoryMax", Int(1, 1_000_000), "10000", 1, "most deliveries that are over and listed"),
        key("defaults.heartbeatVisibility.showOk", Bool, "false", 1, "show heartbeats without news"),
        key("defaults.heartbeatVisibility.showAlerts", Bool, "true", 1, "show heartbeats with news"),
        key("defaults.heartbeatVisibility.useIndicator", Bool, "", 1, "show them as an indicator"),
        key("defaults.botLoopProtection", Open, "", 1, "stop two bots from talking forever"),
        key("modelByChannel.*.*", Text, "", 2, "model of one room or person"),
    ],
};

pub(super) const CHANNEL: Section = Section {
    // A named platform hides the row for any platform, so it is listed again.
    prefixes: &[
        "channels.*",
        "channels.*.accounts.*",
        "channels.telegram",
        "channels.telegram.accounts.*",
        "channels.discord",
        "channels.discord.accounts.*",
        "channels.slack",
        "channels.slack.accounts.*",
        "channels.whatsapp",
        "channels.whatsapp.accounts.*",
        "channels.webhook",
    ],
    rows: &[
        key("", Open, "", 1, "one chat platform, or one account on it"),
        key("enabled", Bool, "", 1, "connect; unset connects when the block exists").closed("false"),
        key("name", Text, "", 1, "name shown"),
        key("defaultAccount", Text, "", 1, "account used when none is named"),
        key(
            "dmPolicy",
            OneOf(&["pairing", "allowlist", "open", "disabled"]),
            "",
            1,
            "who may write directly; unset is pairing",
        )
        .closed("\"disabled\""),
        key("allowFrom", IDS, "", 1, "who may write; accessGroup:name is allowed").closed("[]"),
        key("groupAllowFrom", IDS, "", 1, "who may write in rooms").closed("[]"),
        key("groupPolicy", ROOM_POLICY, "", 1, "which rooms are answered; unset is allowlist").closed("\"disabled\""),
        key("historyLimit", MILLIS, "", 1, "messages of a room the agent sees"),
        key("dmHistoryLimit", MILLIS, "", 1, "messages of a direct conversation it sees"),
        key("dms.*.historyLimit", MILLIS, "", 1, "the same for one person"),
        key("textChunkLimit", COUNT, "", 1, "longest message sent"),
        key("mediaMaxMb", Positive, "", 1, "largest file in megabytes"),
        key("replyToMode", OneOf(&["off", "first", "all", "batched"]), "", 1, "which messages quote the question"),
        key("streaming", Open, "", 2, "drafts while the answer is written"),
        key("streaming.mode", OneOf(&["off", "partial", "block", "progress"]), "", 2, "kind of draft"),
        key("configWrites", Bool, "", 2, "let the channel change its own configuration; unset is true").closed("false"),
        key("commands.native", SWITCH, "", 2, "register commands"),
        key("commands.nativeSkills", SWITCH, "", 2, "register skills"),
        key("execApprovals", Open, "", 2, "approvals in this channel"),
        key("execApprovals.enabled", SWITCH, "", 2, "ask here").closed("false"),
        key("execApprovals.approvers", IDS, "", 2, "who may answer").closed("[]"),
        key("execApprovals.target", OneOf(&["dm", "channel", "both"]), "", 2, "where to ask"),
        key("responsePrefix", Text, "", 2, "text before every reply"),
        key("ackReaction", Text, "", 2, "reaction to a received message"),
        key("reactionLevel", OneOf(&["off", "ack", "minimal", "extensive"]), "", 2, "how often the agent reacts"),
        key(
            "contextVisibility",
            OneOf(&["all", "allowlist", "allowlist_quote"]),
            "",
            2,
            "whose messages the agent sees",
        )
        .closed("\"allowlist\""),
        key("healthMonitor.enabled", Bool, "", 2, "reconnect when nothing arrives"),
        key("markdown.tables", OneOf(&["off", "bullets", "code", "block"]), "", 2, "how tables are sent"),
        key("heartbeatVisibility", Open, "", 2, "which heartbeats show"),
    ],
};

/// Rules of one room, wherever a platform keeps its rooms.
pub(super) const ROOM: Section = Section {
    prefixes: &[
        "channels.*.groups.*",
        "channels.*.guilds.*",
        "channels.*.channels.*",
        "channels.*.accounts.*.groups.*",
        "channels.*.accounts.*.guilds.*",
        "channels.*.accounts.*.channels.*",
        "channels.telegram.groups.*",
        "channels.telegram.direct.*",
        "channels.telegram.accounts.*.groups.*",
        "channels.telegram.accounts.*.direct.*",
        "channels.discord.guilds.*",
        "channels.discord.guilds.*.channels.*",
        "channels.discord.accounts.*.guilds.*",
        "channels.discord.accounts.*.guilds.*.channels.*",
        "channels.slack.channels.*",
        "channels.slack.accounts.*.channels.*",
        "channels.whatsapp.groups.*",
        "channels.whatsapp.accounts.*.groups.*",
    ],
    rows: &[
        key("", Open, "", 1, "one room; the key * is every room"),
        key("enabled", Bool, "", 1, "answer here").closed("false"),
        key("requireMention", Bool, "", 1, "answer only when addressed").closed("true"),
        key("allowFrom", IDS, "", 1, "who may write here").closed("[]"),
        key("skills", TEXTS, "", 1, "skills used here").closed("[]"),
        key("systemPrompt", Text, "", 1, "instructions for this room"),
        key("tools", Object, "", 1, "tools used here"),
        key("tools.allow", TEXTS, "", 1, "only these tools").closed("[\"-\"]"),
        key("tools.deny", TEXTS, "", 1, "never these tools").closed("[\"*\"]"),
        key("tools.alsoAllow", TEXTS, "", 1, "these besides the profile").closed("[]"),
        key("toolsBySender.*", Open, "", 1, "tools of one sender").whole(),
    ],
};

pub(super) const TELEGRAM: Section = Section {
    prefixes: &["channels.telegram", "channels.telegram.accounts.*"],
    rows: &[
        key("botToken", Secret, "", 1, "token of the bot"),
        key("tokenFile", Path, "", 1, "file holding the token"),
        key("webhookUrl", Text, "", 1, "receive by webhook at this address"),
        key("webhookSecret", Secret, "", 1, "secret of that webhook"),
        key("webhookPath", Text, "", 1, "its path"),
        key("webhookHost", Text, "", 1, "its listen address"),
        key("webhookPort", MILLIS, "", 1, "its port"),
        key("apiRoot", Text, "", 1, "address of the bot API"),
        key("proxy", Text, "", 1, "proxy"),
        key("network", Open, "", 1, "connection options"),
        key("customCommands", List(&Open), "", 1, "further commands in the menu"),
        key("linkPreview", Bool, "", 2, "show previews of links"),
    ],
};

pub(super) const DISCORD: Section = Section {
    prefixes: &["channels.discord", "channels.discord.accounts.*"],
    rows: &[
        key("token", Secret, "", 1, "token of the bot"),
        key("applicationId", Text, "", 1, "application of the bot"),
        key("dm", Open, "", 1, "direct messages"),
        key("intents", Open, "", 1, "gateway intents"),
        key("allowBots", Either(&[Bool, OneOf(&["mentions"])]), "", 1, "answer other bots").closed("false"),
        key("voice", Open, "", 1, "voice channels"),
        key("proxy", Text, "", 1, "proxy"),
    ],
};

pub(super) const SLACK: Section = Section {
    prefixes: &["channels.slack", "channels.slack.accounts.*"],
    rows: &[
        key("botToken", Secret, "", 1, "bot token"),
        key("appToken", Secret, "", 1, "app token, for socket mode"),
        key("signingSecret", Secret, "", 1, "signing secret, for http mode"),
        key("userToken", Secret, "", 1, "user token"),
        key("userTokenReadOnly", Bool, "", 1, "use the user token for reading only; unset is true").closed("true"),
        key("mode", OneOf(&["socket", "http", "relay"]), "", 1, "how events arrive; unset is socket"),
        key("webhookPath", Text, "", 1, "path of http mode"),
        key("postAs", OneOf(&["bot", "user"]), "", 1, "who replies are from; unset is bot").closed("\"bot\""),
        key("allowBots", Either(&[Bool, OneOf(&["mentions"])]), "", 1, "answer other bots").closed("false"),
        key("requireMention", Bool, "", 1, "answer only when addressed").closed("true"),
        key("thread", Open, "", 1, "threads"),
    ],
};

pub(super) const WEBHOOK: Section = Section {
    prefixes: &["channels.webhook"],
    rows: &[
        key("url", Text, "", 1, "where answers are posted as JSON"),
        key("token", Secret, "", 1, "token sent as Authorization: Bearer"),
        key(
            "honorsIdempotencyKey",
            Bool,
            "false",
            1,
            "the receiver drops a post whose Idempotency-Key it has seen, so one that may have arrived is repeated",
        )
        .closed("false"),
    ],
};

pub(super) const WHATSAPP: Section = Section {
    prefixes: &["channels.whatsapp", "channels.whatsapp.accounts.*"],
    rows: &[
        key("selfChatMode", Bool, "", 1, "the number is the owner's own"),
        key("sendReadReceipts", Bool, "", 1, "send read receipts"),
        key("direct.*", Open, "", 1, "rules of one person"),
    ],
};
