//! By-hand conversion between domain nouns and wire shapes.
//!
//! The wire is somebody else's and changes without us; the engine does not
//! change with it. All of that is kept apart in these files.

pub(crate) mod approval;
pub(crate) mod catalog;
pub(crate) mod device;
pub(crate) mod fault;
pub(crate) mod message;
pub(crate) mod outcome;
pub(crate) mod question;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod tool;
