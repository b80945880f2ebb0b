//! Settings that only changed their place or name, as rows.

use super::{Cx, each, shift};
use crate::tree::{Node, Shape};

/// Old place, new place.
const ROOT: &[(&str, &str)] = &[
    ("defaultModel", "agents.defaults.model"),
    ("memorySearch", "memory.search"),
    ("agents.defaults.memorySearch", "memory.search"),
    ("audit", "logging.audit"),
    ("media", "attachments"),
    ("messages.tts", "tts"),
    ("session.idleMinutes", "session.reset.idleMinutes"),
    ("session.resetByType.dm", "session.resetByType.direct"),
    ("session.maintenance.pruneDays", "session.maintenance.pruneAfter"),
    ("session.threadBindings.ttlHours", "session.threadBindings.idleHours"),
    ("gateway.nodes.allowCommands", "gateway.nodes.commands.allow"),
    ("gateway.nodes.denyCommands", "gateway.nodes.commands.deny"),
    ("gateway.nodes.skills.enabled", "gateway.nodes.allowSkills"),
    ("browser.ssrfPolicy.allowPrivateNetwork", "browser.ssrfPolicy.dangerouslyAllowPrivateNetwork"),
    ("browser.ssrfPolicy.hostnameAllowlist", "browser.ssrfPolicy.allowedHostnames"),
    ("routing.allowFrom", "channels.whatsapp.allowFrom"),
    ("routing.groupChat.mentionPatterns", "messages.groupChat.mentionPatterns"),
    ("routing.groupChat.historyLimit", "messages.groupChat.historyLimit"),
    ("routing.groupChat.requireMention", "channels.whatsapp.groups.*.requireMention"),
    ("channels.telegram.requireMention", "channels.telegram.groups.*.requireMention"),
    ("web.enabled", "channels.whatsapp.enabled"),
    ("messages.messagePrefix", "channels.whatsapp.responsePrefix"),
    ("channels.slack.identity", "channels.slack.postAs"),
    ("agents.defaults.imageGenerationModel", "agents.defaults.mediaModels.image"),
    ("agents.defaults.musicGenerationModel", "agents.defaults.mediaModels.music"),
    ("agents.defaults.videoGenerationModel", "agents.defaults.mediaModels.video"),
    ("agents.defaults.pdfMaxBytesMb", "agents.defaults.pdfMaxMb"),
    ("plugins.entries.openai-codex", "plugins.entries.openai"),
];

/// The same for the defaults and for every agent.
const AGENT: &[(&str, &str)] = &[
    ("embeddedPi", "embeddedAgent"),
    ("sandbox.browser.enableNoVnc", "sandbox.browser.noVncEnabled"),
    ("tools.exec.timeoutSec", "tools.exec.timeoutSeconds"),
];

/// Places whose values mean nothing today, and why.
const DROPPED: &[(&str, &str)] = &[
    ("session.rotateBytes", "sessions live in a database"),
    ("session.maintenance.rotateBytes", "sessions live in a database"),
    ("session.parentForkMaxTokens", "forks are bounded by the context window"),
    ("agents.defaults.llm", "limits are set per provider"),
    ("agents.defaults.systemPromptOverride", "the prompt is built from the workspace"),
    ("agents.defaults.silentReplyRewrite", "silent replies are never rewritten"),
    ("channels.webchat", "web chat is part of the gateway"),
    ("meta.lastTouchedAt", "it is kept in the state database"),
];

pub(super) fn apply(root: &mut Node, cx: &mut Cx) {
    let had_idle_minutes = root.at("session.idleMinutes").is_some();
    heartbeat_visibility(root, cx);
    for (old, new) in ROOT {
        shift(root, "", old, new, cx);
    }
    if had_idle_minutes && root.at("session.reset.mode").is_none() {
        let origin = root.at("session.reset.idleMinutes").map(|node| node.origin.clone());
        if let Some(origin) = origin {
            root.put("session.reset.mode", Node { origin, shape: Shape::Text("idle".to_owned()) });
        }
    }
    shift(root, "", "heartbeat", "agents.defaults.heartbeat", cx);
    shift(root, "", "tools.exec.timeoutSec", "tools.exec.timeoutSeconds", cx);
    if let Some(defaults) = root.at_mut("agents.defaults") {
        agent(defaults, "agents.defaults", cx);
    }
    each(root, "agents.entries", &mut |path, entry| {
        shift(entry, path, "memorySearch", "memory.search", cx);
        agent(entry, path, cx);
    });
    each(root, "channels", &mut |path, channel| {
        if !matches!(path, "channels.defaults" | "channels.modelByChannel") {
            shift(channel, path, "heartbeat", "heartbeatVisibility", cx);
        }
    });
    cross_context(root, cx);
    for (old, why) in DROPPED {
        if let Some(node) = root.take(old) {
            cx.dropped(old, why, &node);
        }
    }
    for emptied in ["routing.groupChat", "routing", "web"] {
        if root.at(emptied).and_then(Node::map).is_some_and(indexmap::IndexMap::is_empty) {
            root.take(emptied);
        }
    }
}

fn agent(node: &mut Node, path: &str, cx: &mut Cx) {
    for (old, new) in AGENT {
        shift(node, path, old, new, cx);
    }
    if let Some(Shape::Bool(per_session)) = node.at("sandbox.perSession").map(|node| node.shape.clone())
        && let Some(old) = node.take("sandbox.perSession")
    {
        cx.renamed(&format!("{path}.sandbox.perSession"), &format!("{path}.sandbox.scope"), &old);
        if node.at("sandbox.scope").is_none() {
            let scope = if per_session { "session" } else { "shared" };
            node.put("sandbox.scope", Node { origin: old.origin, shape: Shape::Text(scope.to_owned()) });
        }
    }
}

/// What a heartbeat shows was once said beside when it runs.
fn heartbeat_visibility(root: &mut Node, cx: &mut Cx) {
    for key in ["showOk", "showAlerts", "useIndicator"] {
        shift(root, "", &format!("heartbeat.{key}"), &format!("channels.defaults.heartbeatVisibility.{key}"), cx);
    }
    if root.at("heartbeat").and_then(Node::map).is_some_and(indexmap::IndexMap::is_empty) {
        root.take("heartbeat");
    }
}

/// One switch became two.
fn cross_context(root: &mut Node, cx: &mut Cx) {
    const OLD: &str = "tools.message.allowCrossContextSend";
    if !matches!(root.at(OLD).map(|node| &node.shape), Some(Shape::Bool(_))) {
        return;
    }
    let Some(old) = root.take(OLD) else { return };
    cx.renamed(OLD, "tools.message.crossContext", &old);
    for key in ["allowWithinProvider", "allowAcrossProviders"] {
        let new = format!("tools.message.crossContext.{key}");
        if root.at(&new).is_none() {
            root.put(&new, old.clone());
        }
    }
}
