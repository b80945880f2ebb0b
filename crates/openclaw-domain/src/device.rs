//! A paired client and what it may do.

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;

/// A device that proved it holds an Ed25519 key (`protocol.md` §1.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Hex sha256 of the raw public key.
    pub id: String,
    /// Base64url of the 32 raw bytes.
    pub public_key: String,
    /// The client id it introduced itself with.
    pub client_id: String,
    /// The client mode it introduced itself with.
    pub client_mode: String,
    /// The platform it named.
    pub platform: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// Roles it may take: `operator`, `node`.
    pub roles: Vec<String>,
    /// Operator scopes it may ask for.
    pub scopes: Vec<String>,
    /// Hex sha256 of its token; the token itself is never stored.
    pub token_hash: Option<String>,
    /// How it was paired: `silent-loopback`, `owner`.
    pub approved_via: String,
    /// When it was paired.
    pub paired_at: Timestamp,
    /// When it last connected.
    pub seen_at: Timestamp,
}

/// A device that waits for the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingRequest {
    /// Id of the request.
    pub id: String,
    /// The device as it would be paired.
    pub device: Device,
    /// When it asked.
    pub asked_at: Timestamp,
}
