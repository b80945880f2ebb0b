//! The events this gateway sends; `hello-ok` lists exactly these.

/// All event names, in the order of the contract.
pub(crate) const ALL: [&str; 17] = [
    CHALLENGE,
    AGENT,
    CHAT,
    SESSION_MESSAGE,
    SESSIONS_CHANGED,
    PRESENCE,
    TICK,
    SHUTDOWN,
    HEALTH,
    DEVICE_PAIR_CHANGED,
    DEVICE_PAIR_REQUESTED,
    DEVICE_PAIR_RESOLVED,
    APPROVAL_REQUESTED,
    APPROVAL_RESOLVED,
    QUESTION_REQUESTED,
    QUESTION_RESOLVED,
    CONFIG_CHANGED,
];

pub(crate) const CHALLENGE: &str = "connect.challenge";
pub(crate) const AGENT: &str = "agent";
pub(crate) const CHAT: &str = "chat";
pub(crate) const SESSION_MESSAGE: &str = "session.message";
pub(crate) const SESSIONS_CHANGED: &str = "sessions.changed";
pub(crate) const PRESENCE: &str = "presence";
pub(crate) const TICK: &str = "tick";
pub(crate) const SHUTDOWN: &str = "shutdown";
pub(crate) const HEALTH: &str = "health";
pub(crate) const DEVICE_PAIR_CHANGED: &str = "device.pair.changed";
pub(crate) const DEVICE_PAIR_REQUESTED: &str = "device.pair.requested";
pub(crate) const DEVICE_PAIR_RESOLVED: &str = "device.pair.resolved";
pub(crate) const APPROVAL_REQUESTED: &str = "exec.approval.requested";
pub(crate) const APPROVAL_RESOLVED: &str = "exec.approval.resolved";
pub(crate) const QUESTION_REQUESTED: &str = "question.requested";
pub(crate) const QUESTION_RESOLVED: &str = "question.resolved";
pub(crate) const CONFIG_CHANGED: &str = "config.changed";
