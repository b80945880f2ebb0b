//! Messages on their way in and out: what makes one a duplicate, and where it goes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{RunId, SessionKey, Timestamp};

/// Names one message of a channel; the same name is accepted once (inbox).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inbound {
    /// The channel's id.
    pub channel: String,
    /// The account it arrived at.
    pub account: String,
    /// The channel's own id of the message.
    pub message: String,
}

/// Where something is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// The channel's id, for example `webhook`.
    pub channel: String,
    /// The peer as the channel names it.
    pub to: String,
    /// The account it is sent from.
    #[serde(default)]
    pub account: Option<String>,
    /// The thread within the chat.
    #[serde(default)]
    pub thread: Option<String>,
}

/// Something to send, recorded in the commit that decided it (outbox).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where to.
    pub to: Destination,
    /// The text.
    pub text: String,
    /// Key of this delivery, stable over attempts; for channels that take one.
    pub idempotency_key: String,
    /// It is not sent after this time; `None` means whenever it can be.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
}

/// Where a delivery is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Recorded, not tried or to be tried again.
    Pending,
    /// Being sent by somebody.
    Sending,
    /// The channel took it.
    Sent,
    /// The channel refused it, or its time passed; it is not tried again.
    Failed,
    /// Its sender died while sending: it may have been taken. Shown, never repeated silently.
    Unknown,
    /// It failed or may not have arrived, and a person said that it is not to be sent any more.
    Discarded,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [DeliveryState; 6] = [
        DeliveryState::Pending,
        DeliveryState::Sending,
        DeliveryState::Sent,
        DeliveryState::Failed,
        DeliveryState::Unknown,
        DeliveryState::Discarded,
    ];

    /// Returns the state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Sending => "sending",
            DeliveryState::Sent => "sent",
            DeliveryState::Failed => "failed",
            DeliveryState::Unknown => "unknown",
            DeliveryState::Discarded => "discarded",
        }
    }
}

/// A delivery as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Its number.
    pub id: u64,
    /// The session it belongs to.
    pub session: SessionKey,
    /// The run that decided it.
    pub run: RunId,
    /// What and where to.
    pub delivery: Delivery,
    /// Where it is in its life.
    pub state: DeliveryState,
    /// The channel's own id of the message, once sent.
    pub provider_id: Option<String>,
    /// Why it failed, or what is not known.
    pub message: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// Who said that it is not to be sent any more.
    pub discarded: Option<Discarded>,
}

/// Who settled a delivery that failed or may not have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// Who, for example a client.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// How much of what is over is remembered. Whatever is exceeded first is
/// forgotten, oldest first; what is open stays however old it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Longest age.
    pub age_max: Duration,
    /// Most of them.
    pub count_max: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age_max: Duration::from_secs(30 * 24 * 3600), count_max: 10_000 }
    }
}
