//! Takes a run over: a new epoch, so that the old owner's writes are refused.

use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::lease::TTL;
use openclaw_domain::ports::JournalError as Error;
use rusqlite::{Connection, params};

use super::lease::{self, NOW};
use super::line::Lines;
use super::{admit, run};
use crate::sqlite::error::WorkError;

/// When a claim may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terms {
    /// At once: the caller knows that nobody else works on the run.
    AtOnce,
    /// Once the owner's lease has expired.
    IfExpired,
}

/// A claim made ready on the caller's thread.
#[derive(Debug)]
pub(super) struct Claim {
    session: SessionKey,
    run: RunId,
    owner: String,
    terms: Terms,
    lines: Lines,
}

/// Encodes a claim.
pub(super) fn prepare(session: &SessionKey, run: &RunId, owner: &str, terms: Terms) -> Result<Claim, WorkError<Error>> {
    let lines = Lines::of(&[RunEvent::Claimed { owner: owner.to_owned() }])?;
    Ok(Claim { session: session.clone(), run: run.clone(), owner: owner.to_owned(), terms, lines })
}

impl Claim {
    /// Returns the event it carries.
    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Writes the claim; returns the new epoch and the position of `claimed`.
    pub(super) fn write(&self, db: &Connection) -> Result<(Epoch, Seq), WorkError<Error>> {
        let row = run::require(db, &self.session, &self.run)?;
        row.check_open(&self.run)?;
        if self.terms == Terms::IfExpired && !lease::is_expired(db, row.id)? {
            return Err(WorkError::Refused(Error::Fenced(self.run.clone())));
        }
        let epoch = Epoch(row.epoch.0 + 1);
        let seq = self.lines.write(db, row.id, row.seq, epoch, last_write(db, row.id)?)?.last;
        let updated = db
            .prepare_cached(&format!(
                // Whoever waits for a person waits on: a new owner answers nothing.
                "update run set epoch = ?2, seq = ?3, owner = ?4, attempts = attempts + 1,
                        status = iif(status in ('waiting','attention'), status, 'running'),
                        lease_until = {NOW} + ?5
                 where id = ?1"
            ))?
            .execute(params![row.id, epoch.0, seq.0, self.owner, lease::millis(TTL)]);
        match updated {
            Err(error) if admit::is_constraint(&error) => Err(admit::busy(db, &row.lane, &self.session, &self.run)?),
            updated => {
                updated?;
                Ok((epoch, seq))
            }
        }
    }
}

/// Returns the time of a run's last event. A claim carries no time of its own,
/// and this crate has no clock; what follows the claim is stamped by its owner.
pub(super) fn last_write(db: &Connection, run: i64) -> rusqlite::Result<Timestamp> {
    db.prepare_cached("select at from ev where run = ?1 order by seq desc limit 1")?
        .query_row([run], |row| row.get(0).map(Timestamp))
}
