//! Proves durability from outside: kills the gateway at every write and checks
//! what is left (`durability.md` §3.5, §3.7).
//!
//! The program under test is the real binary, built with the feature
//! `crash-points`. A scripted model server meters model calls, an effect server
//! logs every dispatch, a client keeps what it was promised, and the checker
//! reads the database with nothing but the form of domain events. Nothing of
//! the engine is used here. Read the modules in this order.

pub mod plan;

pub mod effect;
pub mod follow;
pub mod home;
pub mod theft;
pub mod world;

pub mod scenario;

pub mod snapshot;

pub mod check;
pub mod evidence;

pub mod case;
pub mod double;
pub(crate) mod tell;
pub mod trace;

pub mod matrix;
pub mod planted;

pub mod boot;
pub mod soak;
