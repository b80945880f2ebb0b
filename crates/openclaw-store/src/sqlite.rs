//! SQLite behind the storage ports. Read the modules in this order.

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

mod devices;
mod grants;
mod memories;
mod variables;

mod words;

#[cfg(test)]
mod tests;

pub use open::{DATABASE_FILE, OpenError, Options, Store};
