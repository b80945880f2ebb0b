//! What a change of the configuration needs: nothing, a hot swap or a restart.
//!
//! The longest matching prefix decides; a path nobody listed needs a restart,
//! because running half-changed is worse. Called by the program when a watched
//! file changed or a client wrote.

use crate::path::{KeyPath, Segment};

/// What a change needs. Ordered: the greatest of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Read at the next use.
    None,
    /// Taken over while running.
    Hot,
    /// Only after a restart.
    Restart,
}

/// What several changes need together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The greatest class among them.
    pub class: Class,
    /// Components to rebuild, without repetition.
    pub owners: Vec<&'static str>,
    /// The paths that need a restart.
    pub restart: Vec<String>,
}

/// A prefix, its class and the component that is rebuilt.
type Row = (&'static str, Class, &'static str);

const fn none(prefix: &'static str) -> Row {
    (prefix, Class::None, "")
}

const fn hot(prefix: &'static str) -> Row {
    (prefix, Class::Hot, "")
}

const fn owner(prefix: &'static str, owner: &'static str) -> Row {
    (prefix, Class::Hot, owner)
}

const fn restart(prefix: &'static str) -> Row {
    (prefix, Class::Restart, "")
}

/// Every prefix, in the order of the reference.
pub const ALL: &[Row] = &[
    none("$schema"),
    none("meta"),
    none("identity"),
    none("wizard"),
    none("logging"),
    none("agents"),
    none("bindings"),
    none("audio"),
    none("messages"),
    none("session"),
    none("talk"),
    none("skills"),
    none("secrets"),
    none("ui"),
    none("gateway.remote"),
    none("gateway.reload"),
    hot("tools"),
    hot("approvals.exec"),
    hot("approvals.plugin"),
    hot("auth.order"),
    hot("auth.profiles"),
    hot("broadcast"),
    hot("acp"),
    hot("attachments.ttlHours"),
    hot("update"),
    hot("telemetry"),
    hot("security"),
    hot("memory"),
    hot("agents.defaults"),
    hot("gateway.http.endpoints"),
    hot("gateway.tools"),
    hot("gateway.cliAgents"),
    hot("gateway.terminal"),
    hot("gateway.roles"),
    hot("gateway.trustedProxies"),
    hot("gateway.allowRealIpFallback"),
    hot("gateway.auth.token"),
    hot("gateway.auth.password"),
    hot("gateway.auth.rateLimit"),
    hot("gateway.auth.allowTailscale"),
    hot("gateway.auth.identityScopes"),
    hot("gateway.auth.trustedProxy"),
    hot("gateway.nodes"),
    hot("gateway.push.apns.relay"),
    hot("gateway.controlUi"),
    restart("gateway.controlUi.enabled"),
    restart("gateway.controlUi.basePath"),
    restart("gateway.controlUi.root"),
    owner("hooks", "hooks"),
    owner("hooks.gmail", "gmail"),
    owner("hooks.internal", "internal-hooks"),
    restart("agents.defaults.maxConcurrent"),
    restart("agents.defaults.pool"),
    owner("agents.defaults.workspace", "internal-hooks"),
    owner("agents.entries", "heartbeat"),
    owner("agents.defaults.heartbeat", "heartbeat"),
    owner("agents.defaults.model", "heartbeat"),
    owner("agents.defaults.models", "heartbeat"),
    owner("agents.defaults.modelPolicy", "heartbeat"),
    owner("models", "models"),
    owner("cron", "cron"),
    owner("mcp", "mcp"),
    owner("gateway.publicOrigin", "mcp"),
    owner("plugins", "plugins"),
    owner("channels", "channels"),
    owner("messages.inbound", "channels"),
    owner("messages.ackReactionScope", "channels"),
    owner("commands", "channels"),
    owner("accessGroups", "channels"),
    owner("tts", "channels"),
    owner("surfaces", "channels"),
    owner("acp.stream", "channels"),
    owner("diagnostics.flags", "channels"),
    owner("agents.defaults.mediaMaxMb", "channels"),
    owner("discovery.mdns.mode", "discovery"),
    restart("discovery"),
    restart("gateway"),
    restart("gateway.portals"),
    restart("mcp.apps"),
    restart("secrets.egressProxy"),
];

/// Returns what a change of one path needs.
#[must_use]
pub fn class(path: &KeyPath) -> Class {
    row(path).map_or(Class::Restart, |(_, class, _)| *class)
}

/// Returns what a change of several paths needs.
#[must_use]
pub fn plan(changed: &[KeyPath]) -> Plan {
    let mut plan = Plan { class: Class::None, owners: Vec::new(), restart: Vec::new() };
    for path in changed {
        let (class, owner) = row(path).map_or((Class::Restart, ""), |(_, class, owner)| (*class, *owner));
        plan.class = plan.class.max(class);
        if !owner.is_empty() && !plan.owners.contains(&owner) {
            plan.owners.push(owner);
        }
        if class == Class::Restart {
            plan.restart.push(path.to_string());
        }
    }
    plan
}

fn row(path: &KeyPath) -> Option<&'static Row> {
    ALL.iter().filter(|(prefix, ..)| covers(prefix, path)).max_by_key(|(prefix, ..)| prefix.len())
}

/// Tells whether the path lies at or below the prefix, key by key.
fn covers(prefix: &str, path: &KeyPath) -> bool {
    let mut segments = path.segments().iter();
    prefix.split('.').all(|key| matches!(segments.next(), Some(Segment::Key(found)) if found == key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Class {
        class(&KeyPath::parse(path).unwrap())
    }

    #[test]
    fn the_longest_prefix_decides() {
        let cases = [
            ("logging.level", Class::None),
            ("agents.defaults.timeoutSeconds", Class::Hot),
            ("agents.ownership", Class::None),
            ("gateway.port", Class::Restart),
            ("gateway.bind", Class::Restart),
            ("gateway.auth.mode", Class::Restart),
            ("gateway.auth.token", Class::Hot),
            ("gateway.auth.rateLimit.maxAttempts", Class::Hot),
            ("gateway.reload.mode", Class::None),
            ("gateway.controlUi.allowedOrigins", Class::Hot),
            ("gateway.controlUi.basePath", Class::Restart),
            ("mcp.servers.x.url", Class::Hot),
            ("mcp.apps.enabled", Class::Restart),
            ("discovery.mdns.mode", Class::Hot),
            ("discovery.wideArea.domain", Class::Restart),
            ("secrets.providers.x", Class::None),
            ("secrets.egressProxy.enabled", Class::Restart),
            ("nobody.listed.this", Class::Restart),
            ("gatewayish", Class::Restart),
        ];
        for (path, expected) in cases {
            assert_eq!(of(path), expected, "{path}");
        }
    }

    #[test]
    fn a_plan_names_owners_once_and_what_needs_a_restart() {
        let changed: Vec<KeyPath> = ["cron.enabled", "cron.skipMissedJobs", "gateway.port", "logging.level"]
            .iter()
            .map(|path| KeyPath::parse(path).unwrap())
            .collect();
        let expected = Plan { class: Class::Restart, owners: vec!["cron"], restart: vec!["gateway.port".into()] };
        assert_eq!(plan(&changed), expected);
        assert_eq!(plan(&[]).class, Class::None);
    }
}
