//! SQLite behind the storage ports. Read the modules in this order.

mod disk;
mod error;
mod migrate;
mod open;
mod schema;

mod body;
mod readers;
mod writer;

mod journal;
mod outbox;
mod sessions;

mod compactions;
mod devices;
mod grants;
mod memories;
mod variables;

mod words;

#[cfg(test)]
mod tests;

pub use disk::{Disk, FileChange, Watcher};
pub use open::{DATABASE_FILE, OpenError, Options, Store};
