//! A run's state in a form that is kept, so that recovery folds only the tail.
//!
//! An optimisation: a checkpoint that is missing, damaged, of another build or
//! not at the position it claims is not used, and the journal is folded from
//! its beginning. It holds the run's own turns only; older ones stand in the
//! transcript. The driver keeps checkpoints, `recover` reads them.

use bytes::Bytes;
use openclaw_domain::ports::Checkpoint;
use openclaw_domain::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

use crate::step::RunState;

/// Version of the form below. Any change of [`RunState`] is a new version: the
/// build's name alone does not tell two development builds apart.
const FORMAT: u16 = 1;

/// Larger states are not kept: writing them would cost more than folding.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The kept form, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    format: u16,
    build: &'a str,
    state: &'a RunState,
}

/// What is read before the state: enough to know whether the state can be read.
#[derive(Deserialize)]
struct Head {
    format: u16,
    build: String,
}

#[derive(Deserialize)]
struct Body {
    state: RunState,
}

/// Why a checkpoint is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it is {0} bytes, more than the limit of {BYTES_MAX}")]
    TooLarge(usize),
    #[error("it cannot be read: {0}")]
    Damaged(String),
    #[error("it was made by build {build} in form {format}")]
    OtherBuild { build: String, format: u16 },
    #[error("it claims position {claimed} and holds position {held}; the journal ends at {last}")]
    Misplaced { claimed: u64, held: u64, last: u64 },
    #[error("it holds a run that had not begun")]
    NotBegun,
}

/// Writes a state. Its conversation is taken apart meanwhile and whole again afterwards.
///
/// # Errors
/// [`Unusable::TooLarge`].
pub(crate) fn encode(state: &mut RunState, build: &str, at: Timestamp) -> Result<Checkpoint, Unusable> {
    let own = state.conversation.since(state.earlier);
    let whole = std::mem::replace(&mut state.conversation, own);
    let written = serde_json::to_vec(&Written { format: FORMAT, build, state });
    state.conversation = whole;
    let body = written.map_err(|error| Unusable::Damaged(error.to_string()))?;
    if body.len() > BYTES_MAX {
        return Err(Unusable::TooLarge(body.len()));
    }
    Ok(Checkpoint { seq: state.seq, body: Bytes::from(body), at })
}

/// Reads a state; its conversation holds the run's own turns only.
///
/// # Errors
/// When it was made by another build, is damaged, or is not at its position:
/// `last` is where the journal ends, and a state may not be ahead of it.
pub(crate) fn decode(kept: &Checkpoint, last: Seq, build: &str) -> Result<RunState, Unusable> {
    let damaged = |error: serde_json::Error| Unusable::Damaged(error.to_string());
    let head: Head = serde_json::from_slice(&kept.body).map_err(damaged)?;
    if head.build != build || head.format != FORMAT {
        return Err(Unusable::OtherBuild { build: head.build, format: head.format });
    }
    let Body { state } = serde_json::from_slice(&kept.body).map_err(damaged)?;
    if state.seq != kept.seq || state.seq > last {
        return Err(Unusable::Misplaced { claimed: kept.seq.0, held: state.seq.0, last: last.0 });
    }
    if state.request.is_none() || state.began_after.is_none() || state.is_ended {
        return Err(Unusable::NotBegun);
    }
    Ok(state)
}

#[cfg(test)]
mod tests;
