//! Events on their way into the journal.

use openclaw_domain::event::{RunEvent, VERSION};
use openclaw_domain::ids::{Epoch, Seq, Timestamp};
use openclaw_domain::ports::JournalError as Error;
use rusqlite::{Connection, params};

use super::step::ToolFact;
use crate::sqlite::body::Body;
use crate::sqlite::error::{Failure, WorkError};

/// An event made ready to be written, on the caller's thread.
#[derive(Debug)]
pub(in crate::sqlite) struct Line {
    kind: &'static str,
    body: Body,
    tool: Option<ToolFact>,
}

impl Line {
    /// Encodes an event.
    pub(super) fn of(event: &RunEvent) -> Result<Self, Failure> {
        let kind = event.name();
        Ok(Self { kind, body: Body::of(kind, event)?, tool: ToolFact::of(event)? })
    }

    /// Returns the event's name.
    pub(in crate::sqlite) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Refuses a call that would repeat what may have happened.
    pub(super) fn refuse_repeat(&self, db: &Connection, run: i64) -> Result<(), WorkError<Error>> {
        self.tool.as_ref().map_or(Ok(()), |fact| fact.refuse_repeat(db, run))
    }

    /// Writes the event at its position. A taken position is a constraint failure.
    pub(super) fn write(
        &self,
        db: &Connection,
        run: i64,
        seq: Seq,
        epoch: Epoch,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let step = match &self.tool {
            Some(fact) => fact.write(db, run, seq, epoch)?,
            None => None,
        };
        self.body.place(db)?;
        db.prepare_cached(
            "insert into ev(run, seq, epoch, kind, step, at, v, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![run, seq.0, epoch.0, self.kind, step, at.0, VERSION, self.body])?;
        Ok(())
    }
}
