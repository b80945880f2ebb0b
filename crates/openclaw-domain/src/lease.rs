//! How long a claim of a run holds without being renewed (`durability.md` §5.3).
//!
//! Whether a lease has expired is decided by the store's clock alone, which all
//! owners share. An owner measures only how much of its own lease is left, by
//! its monotonic clock, and gives up earlier than anybody can take over.

use std::time::Duration;

/// How long a claim or a renewal holds.
pub const TTL: Duration = Duration::from_secs(10);

/// How often an owner renews: two renewals may fail before the lease expires.
pub const RENEW_EVERY: Duration = Duration::from_secs(3);

/// How much earlier than its expiry an owner takes its lease for expired: a call
/// that was dispatched must reach the world before somebody else may act.
pub const MARGIN: Duration = Duration::from_secs(2);
