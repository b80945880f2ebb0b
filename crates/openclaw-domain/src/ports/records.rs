//! Ports: what is kept besides the journal, one trait per aggregate.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Grant;
use crate::device::{Device, PairingRequest};
use crate::ids::{AgentId, SessionKey, Timestamp};
use crate::session::{
    EntryPage, EntryQuery, IllegalTransition, Scope, Session, SessionChange, SessionPage, SessionQuery,
};

/// Keeps sessions and their transcripts. Production: `store::sqlite`.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Returns the session, made if it is not there.
    ///
    /// # Errors
    /// When the store fails.
    async fn open(&self, key: &SessionKey, at: Timestamp) -> Result<Session, Error>;

    /// Returns the session.
    ///
    /// # Errors
    /// When the store fails; a missing session is `None`.
    async fn get(&self, key: &SessionKey) -> Result<Option<Session>, Error>;

    /// Lists sessions.
    ///
    /// # Errors
    /// When the store fails.
    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, Error>;

    /// Changes a session; returns it as it is afterwards (as it was, for a removal).
    /// `expected_revision` makes the change conditional.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Illegal`], [`Error::Stale`].
    async fn change(
        &self,
        key: &SessionKey,
        change: SessionChange,
        expected_revision: Option<u64>,
        at: Timestamp,
    ) -> Result<Session, Error>;

    /// Reads the current conversation.
    ///
    /// # Errors
    /// When the store fails; an unknown session has no entries.
    async fn entries(&self, key: &SessionKey, query: EntryQuery) -> Result<EntryPage, Error>;
}

/// Keeps variables (E4). Production: `store::sqlite`.
#[async_trait]
pub trait Variables: Send + Sync {
    /// Returns a variable.
    ///
    /// # Errors
    /// When the store fails.
    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Value>, Error>;

    /// Sets a variable; `None` removes it.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or when the store fails.
    async fn set(&self, scope: &Scope, name: &str, value: Option<Value>, at: Timestamp) -> Result<(), Error>;

    /// Lists the variables of a scope by name.
    ///
    /// # Errors
    /// When the store fails.
    async fn list(&self, scope: &Scope) -> Result<Vec<(String, Value)>, Error>;
}

/// Something remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub agent: AgentId,
    /// The text.
    pub text: String,
    /// The session it was said in.
    pub session: Option<SessionKey>,
    /// When.
    pub at: Timestamp,
}

/// Keeps what agents were told to remember. Production: `store::sqlite`.
#[async_trait]
pub trait Memories: Send + Sync {
    /// Keeps a text; the same text again only renews its time.
    ///
    /// # Errors
    /// When the store fails.
    async fn remember(&self, memory: Memory) -> Result<(), Error>;

    /// Finds memories by words, best first; an empty query lists the newest.
    ///
    /// # Errors
    /// When the store fails.
    async fn recall(&self, agent: &AgentId, words: &str, limit: usize) -> Result<Vec<Memory>, Error>;

    /// Removes one; false when it was not there.
    ///
    /// # Errors
    /// When the store fails.
    async fn forget(&self, agent: &AgentId, id: &str) -> Result<bool, Error>;
}

/// Keeps paired devices. Production: `store::sqlite`.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Lists paired devices and those that wait.
    ///
    /// # Errors
    /// When the store fails.
    async fn list(&self) -> Result<(Vec<Device>, Vec<PairingRequest>), Error>;

    /// Returns one device.
    ///
    /// # Errors
    /// When the store fails.
    async fn get(&self, id: &str) -> Result<Option<Device>, Error>;

    /// Stores a device, new or changed, and removes its waiting request.
    ///
    /// # Errors
    /// When the store fails.
    async fn put(&self, device: Device) -> Result<(), Error>;

    /// Notes that a device waits for the owner; one request per device.
    ///
    /// # Errors
    /// When the store fails.
    async fn request(&self, request: PairingRequest) -> Result<(), Error>;

    /// Removes a device or its request; false when neither was there.
    ///
    /// # Errors
    /// When the store fails.
    async fn remove(&self, id: &str) -> Result<bool, Error>;
}

/// Keeps standing permissions. Production: `store::sqlite`.
#[async_trait]
pub trait Grants: Send + Sync {
    /// Lists all.
    ///
    /// # Errors
    /// When the store fails.
    async fn list(&self) -> Result<Vec<Grant>, Error>;

    /// Adds one.
    ///
    /// # Errors
    /// When the store fails.
    async fn add(&self, grant: Grant) -> Result<(), Error>;

    /// Removes one; false when it was not there.
    ///
    /// # Errors
    /// When the store fails.
    async fn revoke(&self, id: &str) -> Result<bool, Error>;
}

/// Why a record could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing by this name.
    #[error("there is no {what} {name}")]
    NotFound {
        /// For example `session`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The session's state does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// It changed meanwhile.
    #[error("{0} changed meanwhile; read it again and retry")]
    Stale(String),
    /// A size limit was passed.
    #[error("{what} is larger than {max}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, with its unit.
        max: String,
    },
    /// The store failed.
    #[error("store: {0}")]
    Store(String),
}
