//! The closed sets the state works with: what happens, what must be done, what is
//! waited for.

use crossterm::event::KeyEvent;
use openclaw_protocol::Event;
use serde_json::Value;

use crate::ask::Kind;

/// The capability of events that say where a run stands.
pub(crate) const CURSORS: &str = "run-cursor";

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Paste(String),
    Resize(usize, usize),
    Event(Box<Event>),
    /// Events were lost.
    Gap,
    Tick,
    /// An answer of the gateway.
    Reply(Asked, Result<Value, String>),
    /// The connection ended before the answer came.
    Lost(Asked),
    Link(Link),
}

/// Something to do outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    Call {
        asked: Asked,
        method: &'static str,
        params: Value,
    },
    Bell,
    /// Open this text in the person's editor.
    Edit(String),
    Quit,
}

/// What an answer belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    /// Nothing depends on it but its failure is told.
    Plain(&'static str),
    /// Nothing depends on it at all.
    Quiet,
    History {
        round: u32,
    },
    /// A run from the last position on.
    Follow {
        run: String,
    },
    Send {
        run: String,
        text: String,
        is_steer: bool,
    },
    Resolve {
        kind: Kind,
        id: String,
        answer: String,
    },
    /// The open questions of a kind.
    Open {
        kind: Kind,
        is_asked: bool,
    },
    Sessions,
    Models,
    /// That older messages be shown to the model as a summary.
    Compact,
    /// The summaries in force, to take the newest one back.
    Summaries,
    /// That a summary be taken back.
    Uncompact,
    Chose(&'static str, String),
    Status {
        at: i64,
    },
}

/// The connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    Live {
        address: String,
        version: String,
        offers: Offers,
    },
    /// `retry_at` in milliseconds since 1970.
    Offline {
        cause: String,
        retry_at: i64,
    },
}

/// What the gateway can do besides what every gateway can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// Questions about outcomes.
    pub(crate) questions: bool,
    /// A run may be followed from any position.
    pub(crate) cursors: bool,
}

/// How much may move by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Nothing but the clock, once a second.
    Off,
    /// One mark, every two seconds.
    Slow,
    /// One mark, four times a second.
    On,
}

/// The run that is going on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    pub(crate) run: String,
    pub(crate) began_at: i64,
    /// Whether the person asked to stop it.
    pub(crate) is_stopping: bool,
    /// Steers that were given up on; sent once it has ended.
    pub(crate) then: Vec<String>,
}

/// A message sent into the running turn, not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Steer {
    pub(crate) run: String,
    pub(crate) text: String,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) mark: &'static str,
    pub(crate) text: String,
}
