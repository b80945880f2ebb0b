//! Who may come in: the shared credential, device keys, the limiter, origins.

pub(crate) mod credential;
pub(crate) mod limiter;
pub(crate) mod origin;
pub(crate) mod pairing;
pub(crate) mod proof;
