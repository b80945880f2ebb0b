//! The configuration `openclaw.json`: found, read, layered, checked, edited,
//! written and watched, with a source for every value.
//!
//! The only crate that reads environment variables and the only one that knows
//! where files are. It holds no section types: components read their own
//! section of [`Loaded::value`]. Reading order: [`mod@env`], [`home`], [`keys`],
//! then [`Loader`], then [`write()`] and [`watch()`].

pub mod diff;
pub mod disk;
pub mod edit;
pub mod env;
pub mod explain;
pub mod hash;
pub mod home;
pub mod include;
pub mod interpolate;
pub mod issue;
pub mod keys;
pub mod load;
pub mod path;
pub mod redact;
pub mod reload;
pub mod schema;
pub mod secret;
pub mod tree;
pub mod watch;
pub mod write;

mod check;
mod legacy;

pub use diff::diff;
pub use env::Env;
pub use explain::explain;
pub use home::Home;
pub use issue::{Issue, Severity};
pub use load::{Basis, Loaded, Loader};
pub use path::KeyPath;
pub use schema::schema;
pub use tree::Origin;
pub use watch::{Watch, watch};
pub use write::{Change, Options, Written, promote, write};
