//! The conversation in a terminal. A pure state takes keys, events and time; a
//! pure view draws it; a thin screen writes what changed. Called by `chat` with a
//! connection. Terminals that cannot move the cursor, and screen readers, get the
//! same conversation line by line.

mod approval;
mod card;
mod command;
mod drafts;
mod editor;
mod lines;
mod markdown;
mod outside;
mod pick;
mod row;
mod run;
mod screen;
mod state;
mod terminal;
mod transcript;
mod view;
mod width;

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use openclaw_client::Client;
use openclaw_config::Env;

use crate::failure::Failure;
use crate::text::{Lang, tui as text};

pub(crate) use approval::ARMS_AFTER;
pub(crate) use outside::Outside;
pub(crate) use run::{Dial, Dialling};
pub(crate) use state::CURSORS;
pub use state::Motion;

/// What the conversation needs besides a connection.
#[derive(Debug, Clone)]
pub struct TuiOptions {
    /// Key of the conversation.
    pub session_key: String,
    /// Agent it belongs to.
    pub agent: String,
    /// Language of the copy.
    pub lang: Lang,
    /// Whether colour may be written.
    pub is_coloured: bool,
    /// How it moves, or that it does not.
    pub manner: Manner,
    /// Whether everything runs inside this process and ends with it.
    pub is_embedded: bool,
    /// The installation's folder, for drafts and history.
    pub state_dir: PathBuf,
    /// A message to send at once.
    pub first_message: Option<String>,
    /// The wall clock.
    pub now: fn() -> Timestamp,
}

/// How the conversation is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// How much may move by itself.
    pub motion: Motion,
    /// Line by line: nothing that was printed is touched again.
    pub is_append_only: bool,
}

impl Manner {
    /// Chooses by `OPENCLAW_TUI_MOTION` (`off`, `slow`, `on`), `OPENCLAW_TUI_SCREENREADER` and `TERM`.
    pub fn choose(env: &Env) -> Manner {
        let motion = match env.get("OPENCLAW_TUI_MOTION") {
            Some("off") => Motion::Off,
            Some("slow") => Motion::Slow,
            Some(_) | None => Motion::On,
        };
        let is_screen_reader = env.flag("OPENCLAW_TUI_SCREENREADER") == Some(true);
        Manner { motion, is_append_only: is_screen_reader || env.get("TERM").is_none_or(|term| term == "dumb") }
    }
}

/// Talks until the person leaves; `dial` connects again after the connection was lost,
/// `outside` opens the person's editor.
///
/// # Errors
/// When the terminal cannot be used; line by line also when the connection is lost.
pub(crate) async fn run<'a>(
    client: Client,
    options: TuiOptions,
    dial: &'a Dial<'a>,
    outside: Outside<'_>,
) -> Result<(), Failure> {
    if options.manner.is_append_only {
        return lines::run(client, options).await;
    }
    run::run(client, options, dial, outside).await
}

/// Words a time of day in the zone of this machine.
fn time_of_day(at: i64) -> String {
    let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::system());
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// Words a short span in whole seconds, so that it changes once a second.
fn seconds(ms: i64) -> String {
    match ms / 1000 {
        seconds @ ..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// Words a span as a clock: `9:38`.
fn clock(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests;
