//! Names of all metrics of this crate.

/// Open WebSocket connections.
pub(crate) const CONNECTIONS: &str = "openclaw_gateway_connections";
/// Requests by method and outcome.
pub(crate) const REQUESTS: &str = "openclaw_gateway_requests_total";
/// Refused handshakes by code.
pub(crate) const HANDSHAKES_REFUSED: &str = "openclaw_gateway_handshakes_refused_total";
/// Events skipped because a client was behind.
pub(crate) const EVENTS_DROPPED: &str = "openclaw_gateway_events_dropped_total";
/// Clients closed because they were behind.
pub(crate) const SLOW_CONSUMERS: &str = "openclaw_gateway_slow_consumers_total";
