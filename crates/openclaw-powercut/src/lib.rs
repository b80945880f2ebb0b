//! A disk for SQLite that loses power at a chosen moment.
//!
//! A process that is killed loses nothing that it handed to the operating
//! system, so `kill -9` cannot see a missing sync. This disk can: it remembers
//! what was written since each file was synced last, and when the power goes it
//! keeps everything before and only a seeded part of what came after, torn at
//! sectors and in any order. Used by tests only; nothing here ships in the binary.

mod disk;
mod names;
mod survival;
mod vfs;

pub use disk::{Disk, Flaw, Options};
