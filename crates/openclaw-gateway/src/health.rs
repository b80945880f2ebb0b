//! The health report: measured at most once a second, served as ready text.
//!
//! `health` is the most frequent call there is (probes, dashboards, tests), and
//! a report that is a second old is as true as a fresh one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openclaw_domain::session::SessionQuery;
use serde_json::{Value, json};

use crate::gateway::Gateway;

/// Age at which a report is measured again.
const FRESH: Duration = Duration::from_secs(1);
/// Sessions named in the report.
const RECENT_MAX: usize = 5;

/// The last report.
#[derive(Default)]
pub(crate) struct Health {
    last: Mutex<Option<(Duration, Arc<str>)>>,
}

impl Health {
    /// Returns the last report while it is fresh.
    pub(crate) fn fresh(&self, now: Duration) -> Option<Arc<str>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, text) = last.as_ref()?;
        (now.saturating_sub(*at) < FRESH).then(|| Arc::clone(text))
    }

    /// Returns the last report, however old.
    pub(crate) fn last(&self) -> Option<Arc<str>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(_, text)| Arc::clone(text))
    }

    fn keep(&self, now: Duration, text: Arc<str>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, text));
    }
}

/// Measures now.
pub(crate) async fn measure(gateway: &Gateway) -> Arc<str> {
    let begun = gateway.ports.clock.monotonic();
    let value = value(gateway, begun).await;
    let text: Arc<str> = value.to_string().into();
    gateway.health.keep(begun, Arc::clone(&text));
    text
}

async fn value(gateway: &Gateway, begun: Duration) -> Value {
    let ports = &gateway.ports;
    let now = ports.clock.now();
    let default_agent = gateway.default_agent();
    let mut agents = Vec::new();
    for agent in ports.catalog.agents() {
        let query = SessionQuery { agent: Some(agent.id.clone()), limit: RECENT_MAX, ..SessionQuery::default() };
        let sessions = sessions(gateway, &query).await;
        agents.push(json!({ "agentId": agent.id, "isDefault": agent.is_default,
            "heartbeat": { "enabled": false, "every": "disabled", "everyMs": null, "prompt": "", "target": "none", "ackMaxChars": 300 },
            "sessions": sessions }));
    }
    let all = sessions(gateway, &SessionQuery { limit: RECENT_MAX, ..SessionQuery::default() }).await;
    let took = ports.clock.monotonic().saturating_sub(begun);
    json!({ "ok": true, "ts": now, "durationMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "plugins": { "loaded": [], "errors": [], "unavailable": [] },
        "configReload": { "hotReloadStatus": "active" }, "channels": {}, "channelOrder": [], "channelLabels": {},
        "heartbeatSeconds": 0, "defaultAgentId": default_agent, "agents": agents, "sessions": all })
}

/// A store that fails shows as an empty list here; the calls that need it say why.
async fn sessions(gateway: &Gateway, query: &SessionQuery) -> Value {
    let now = gateway.now();
    let page = gateway.ports.sessions.list(query).await.unwrap_or_default();
    let recent: Vec<Value> = page
        .sessions
        .iter()
        .map(|session| {
            let age = u64::try_from(now.since(session.updated_at).as_millis()).unwrap_or(u64::MAX);
            json!({ "key": session.key, "updatedAt": session.updated_at, "age": age })
        })
        .collect();
    json!({ "path": gateway.options.state_dir_label, "count": page.total, "recent": recent })
}
