//! Ports: what is sent to people, once.

use std::time::Duration;

use async_trait::async_trait;

use super::JournalError as Error;
use crate::delivery::{Delivery, DeliveryRecord, DeliveryState, Retention};
use crate::ids::{RunId, SessionKey, Timestamp};

/// Keeps what is to be sent. Production: `store::sqlite`. Rows are added by
/// [`super::Journal::append`], in the commit that decided them.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Marks deliveries as being sent by `owner` and returns them, oldest first.
    /// One whose time has passed is failed instead and is not returned.
    ///
    /// # Errors
    /// When the store fails.
    async fn take(&self, owner: &str, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error>;

    /// Records what became of a delivery that was taken.
    ///
    /// # Errors
    /// When the store fails, or somebody else has taken it since.
    async fn settle(&self, due: &Due, settled: Settled, now: Timestamp) -> Result<(), Error>;

    /// Marks what other owners left in the middle as `unknown`; returns it.
    ///
    /// # Errors
    /// When the store fails.
    async fn orphaned(&self, owner: &str, now: Timestamp) -> Result<Vec<DeliveryRecord>, Error>;

    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// When the store fails.
    async fn deliveries(&self, state: Option<DeliveryState>, limit: usize) -> Result<Vec<DeliveryRecord>, Error>;

    /// Sends an `unknown` or `failed` delivery again because a person said so, or
    /// because its channel drops repetitions. One whose time has passed may then
    /// be sent late. False when there is no such delivery in such a state.
    ///
    /// # Errors
    /// When the store fails.
    async fn retry(&self, id: u64, now: Timestamp) -> Result<bool, Error>;

    /// Returns one delivery.
    ///
    /// # Errors
    /// When the store fails.
    async fn delivery(&self, id: u64) -> Result<Option<DeliveryRecord>, Error>;

    /// Settles an `unknown` or `failed` delivery without sending it: a person
    /// said so. It is kept with their name. False when there is no such delivery
    /// in such a state.
    ///
    /// # Errors
    /// When the store fails.
    async fn discard(&self, id: u64, by: &str, now: Timestamp) -> Result<bool, Error>;

    /// Forgets closed deliveries beyond `retention`, the oldest first and a
    /// bounded number at a time; returns how many. Those that are open stay.
    /// Writes nothing when there is nothing to forget.
    ///
    /// # Errors
    /// When the store fails.
    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<usize, Error>;
}

/// A delivery that somebody is sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its number.
    pub id: u64,
    /// The session it belongs to.
    pub session: SessionKey,
    /// The run that decided it.
    pub run: RunId,
    /// Which attempt this is, from 1; an older one can settle nothing.
    pub attempt: u32,
    /// What and where to.
    pub delivery: Delivery,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The channel took it under this id.
    Sent(String),
    /// It certainly was not taken; it is tried again at this time.
    Again {
        /// What the channel said.
        message: String,
        /// Not before.
        at: Timestamp,
    },
    /// It certainly was not taken and never will be.
    Failed(String),
    /// It may have been taken.
    Unknown(String),
}

/// Hands messages to one channel. Production: crate `app`, `webhook`.
#[async_trait]
pub trait Courier: Send + Sync {
    /// The channel it serves.
    fn channel(&self) -> &str;

    /// Whether the channel itself drops a message whose key it has seen. Only
    /// then is an attempt of unknown outcome repeated.
    fn deduplicates(&self) -> bool;

    /// Tries to send, once.
    async fn send(&self, due: &Due) -> Sent;
}

/// What a channel said to one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Taken, under this id.
    Taken(String),
    /// Certainly not taken; worth another try, after this long at least.
    Later(String, Duration),
    /// Refused for good.
    Refused(String),
    /// The connection broke after the message was written: nobody knows.
    Unknown(String),
}
