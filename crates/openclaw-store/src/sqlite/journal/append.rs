//! Adds to a run: events, transcript, status and outcome in one transaction.

use openclaw_domain::conversation::Turn;
use openclaw_domain::event::{RunEvent, VERSION};
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::ports::{Batch, JournalError as Error};
use openclaw_domain::run::{Outcome, Status};
use rusqlite::{Connection, params};

use super::line::{Lines, Place};
use super::run::{self, KeptOutcome, RunRow};
use super::{admit, broken_rule, mail};
use crate::sqlite::body::Body;
use crate::sqlite::compactions;
use crate::sqlite::error::WorkError;
use crate::sqlite::outbox;
use crate::sqlite::sessions::lane::Lane;

/// A batch made ready on the caller's thread.
#[derive(Debug)]
pub(super) struct Addition {
    session: SessionKey,
    run: RunId,
    epoch: Epoch,
    first: Seq,
    lines: Lines,
    entries: Vec<Body>,
    amended: Option<(u64, Body)>,
    status: Option<Status>,
    outcome: Option<Box<Outcome>>,
    compactions: Vec<compactions::New>,
    deliveries: Vec<outbox::Planned>,
    at: Timestamp,
}

/// Checks and encodes a batch; hands back the turns that join the transcript.
pub(super) fn prepare(batch: Batch) -> Result<(Addition, Vec<Turn>), WorkError<Error>> {
    let Batch { session, run, epoch, first, events, entries, amended, status, outcome, deliveries, at, durability: _ } =
        batch;
    if events.iter().any(|event| matches!(event, RunEvent::Claimed { .. })) {
        return Err(broken_rule(format!("run {run}: only a claim appends the event claimed")));
    }
    if status.is_some_and(Status::is_final) != outcome.is_some() {
        return Err(broken_rule(format!("run {run}: a final status and an outcome come together")));
    }
    let compacted = events.iter().filter_map(|event| match event {
        RunEvent::Compacted { compaction, .. } => Some(compactions::New::of(compaction)),
        _ => None,
    });
    let compactions = compacted.collect::<Result<_, _>>()?;
    let lines = Lines::of(&events)?;
    let bodies = entries.iter().map(|turn| Body::of("a turn", turn)).collect::<Result<_, _>>()?;
    let amended = match amended {
        Some((n, turn)) => Some((n, Body::of("a turn", &turn)?)),
        None => None,
    };
    if let (Some(RunEvent::Ended { outcome: told }), Some(outcome)) = (events.last(), &outcome)
        && told != outcome
    {
        return Err(broken_rule(format!("run {run}: its end and its outcome say different things")));
    }
    let deliveries = deliveries.iter().map(outbox::Planned::of).collect::<Result<_, _>>()?;
    let addition = Addition {
        session,
        run,
        epoch,
        first,
        lines,
        entries: bodies,
        amended,
        status,
        outcome,
        deliveries,
        compactions,
        at,
    };
    Ok((addition, entries))
}

impl Addition {
    /// Returns the events it carries.
    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Writes the batch; returns the numbers of its entries.
    pub(super) fn write(&self, db: &Connection) -> Result<Vec<u64>, WorkError<Error>> {
        let row = run::require(db, &self.session, &self.run)?;
        self.check(&row)?;
        self.lines.note(db, row.id, row.seq, self.epoch)?;
        let place = self.lines.write(db, row.id, row.seq, self.epoch, self.at)?;
        self.update_run(db, &row, place)?;
        // The summary of an instance is about its own conversation, which is no part of the session's.
        for compaction in self.compactions.iter().filter(|_| !row.is_instance) {
            compaction.write(db, row.lane.id, row.lane.conversation, Some(self.run.as_str()), self.at)?;
        }
        for planned in &self.deliveries {
            planned.write(db, row.id, self.at)?;
        }
        self.write_transcript(db, row.lane)
    }

    /// Both fences, that the epoch is the run's and that the position is free,
    /// and the rule that only an owned run runs.
    fn check(&self, row: &RunRow) -> Result<(), WorkError<Error>> {
        let run = &self.run;
        if row.epoch != self.epoch {
            return Err(WorkError::Refused(Error::Fenced(run.clone())));
        }
        row.check_open(run)?;
        let next = row.seq.next();
        if self.lines.len() > 0 && self.first < next {
            return Err(WorkError::Refused(Error::Fenced(run.clone())));
        }
        if self.lines.len() > 0 && self.first > next {
            let (first, next) = (self.first.0, next.0);
            return Err(broken_rule(format!("run {run}: a batch at position {first} would leave a gap at {next}")));
        }
        if self.status == Some(Status::Running) && !row.is_owned {
            return Err(broken_rule(format!("run {run} has no owner; claim it before it runs")));
        }
        Ok(())
    }

    fn update_run(&self, db: &Connection, row: &RunRow, place: Place) -> Result<(), WorkError<Error>> {
        let seq = place.last;
        let Some(status) = self.status else {
            db.prepare_cached("update run set seq = ?2 where id = ?1")?.execute(params![row.id, seq.0])?;
            return Ok(());
        };
        let kept = self.outcome.as_ref().map(|outcome| KeptOutcome::of(db, place.end, outcome)).transpose()?;
        if let (Some(outcome), true) = (&self.outcome, row.has_parent) {
            mail::post(db, row.id, outcome, self.at)?;
        }
        // Who owned a run that ended, or that went back to the queue, no longer matters.
        let gives_up = status.is_final() || status == Status::Queued;
        let ended_at = status.is_final().then_some(self.at.0);
        let updated = db
            .prepare_cached(
                "update run set seq = ?2, status = ?3, outcome = ?4, ended_at = ?5,
                        owner = iif(?6, null, owner), lease_until = iif(?6, null, lease_until)
                 where id = ?1",
            )?
            .execute(params![row.id, seq.0, status.as_str(), kept, ended_at, gives_up]);
        match updated {
            Err(error) if admit::is_constraint(&error) => Err(admit::busy(db, &row.lane, &self.session, &self.run)?),
            updated => updated.map(drop).map_err(WorkError::from),
        }
    }

    fn write_transcript(&self, db: &Connection, mut lane: Lane) -> Result<Vec<u64>, WorkError<Error>> {
        if self.entries.is_empty() && self.amended.is_none() && self.outcome.is_none() {
            return Ok(Vec::new());
        }
        if let Some((n, turn)) = &self.amended {
            turn.place(db)?;
            let amended = db
                .prepare_cached("update entry set body = ?3, v = ?4 where session = ?1 and n = ?2")?
                .execute(params![lane.id, n, turn, VERSION])?;
            if amended == 0 {
                let session = &self.session;
                return Err(broken_rule(format!("session {session} has no entry {n} to amend")));
            }
        }
        let push = |turn| lane.push(db, Some(self.run.as_str()), turn, self.at);
        let numbers = self.entries.iter().map(push).collect::<rusqlite::Result<_>>()?;
        if let Some(outcome) = &self.outcome {
            lane.spend(&outcome.usage);
        }
        lane.save(db, self.at)?;
        Ok(numbers)
    }
}
