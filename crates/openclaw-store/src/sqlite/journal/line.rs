//! Events on their way into the journal and back.
//!
//! Short events of one append share a row: a row costs two trees of pages, and
//! most runs end with a handful of events that are recorded together.

use openclaw_domain::event::{Recorded, RunEvent, VERSION};
use openclaw_domain::ids::{Epoch, Seq, Timestamp};
use openclaw_domain::ports::JournalError as Error;
use rusqlite::{Connection, Row, params};

use super::step::ToolFact;
use crate::sqlite::body::{self, Body, INLINE_BYTES_MAX};
use crate::sqlite::error::{Failure, WorkError};

/// Consecutive events of one epoch made ready to be written, on the caller's thread.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Lines {
    kinds: Vec<&'static str>,
    rows: Vec<Shared>,
    /// What events say about tool calls, with their offsets.
    facts: Vec<(u64, ToolFact)>,
    /// The last one is the run's end.
    has_end: bool,
}

/// Where events were written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The position of the last one.
    pub(super) last: Seq,
    /// The row that holds the run's end.
    pub(super) end: Option<i64>,
}

/// A row of one event, or of several short ones.
#[derive(Debug)]
struct Shared {
    /// Offset of its first event.
    offset: u64,
    kinds: String,
    body: Body,
}

impl Lines {
    /// Encodes events.
    pub(super) fn of(events: &[RunEvent]) -> Result<Self, Failure> {
        let mut lines = Lines::default();
        let mut row = Gathered::default();
        for (offset, event) in (0..).zip(events) {
            let kind = event.name();
            let json = body::bounded(kind, event)?;
            if !row.has_room(json.len()) {
                lines.rows.extend(std::mem::take(&mut row).close());
            }
            row.add(offset, kind, json);
            lines.kinds.push(kind);
            lines.facts.extend(ToolFact::of(event)?.map(|fact| (offset, fact)));
        }
        lines.rows.extend(row.close());
        lines.has_end = matches!(events.last(), Some(RunEvent::Ended { .. }));
        Ok(lines)
    }

    /// Returns the names of the events.
    pub(in crate::sqlite) fn kinds(&self) -> &[&'static str] {
        &self.kinds
    }

    /// Returns how many events there are.
    pub(super) fn len(&self) -> u64 {
        self.kinds.len() as u64
    }

    /// Refuses calls that would repeat what may have happened, and notes what is
    /// said about calls. `last` is the position before the first event.
    pub(super) fn note(&self, db: &Connection, run: i64, last: Seq, epoch: Epoch) -> Result<(), WorkError<Error>> {
        for (offset, fact) in &self.facts {
            fact.refuse_repeat(db, run)?;
            fact.write(db, run, Seq(last.0 + 1 + offset), epoch)?;
        }
        Ok(())
    }

    /// Writes the events after position `last`. A taken position is a constraint failure.
    pub(super) fn write(
        &self,
        db: &Connection,
        run: i64,
        last: Seq,
        epoch: Epoch,
        at: Timestamp,
    ) -> rusqlite::Result<Place> {
        for row in &self.rows {
            row.body.place(db)?;
            db.prepare_cached(
                "insert into ev(run, seq, epoch, kind, at, v, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                run,
                last.0 + 1 + row.offset,
                epoch.0,
                row.kinds,
                at.0,
                VERSION,
                row.body
            ])?;
        }
        let end = self.has_end.then(|| db.last_insert_rowid());
        Ok(Place { last: Seq(last.0 + self.len()), end })
    }
}

/// The events of a row that is not full yet.
#[derive(Default)]
struct Gathered {
    offset: u64,
    kinds: String,
    jsons: Vec<String>,
    bytes: usize,
}

impl Gathered {
    /// A row that is shared stands in its place; what is larger has a row of its own.
    fn has_room(&self, bytes: usize) -> bool {
        self.jsons.is_empty() || self.bytes + bytes + "[]".len() <= INLINE_BYTES_MAX
    }

    fn add(&mut self, offset: u64, kind: &str, json: String) {
        if self.jsons.is_empty() {
            self.offset = offset;
        } else {
            self.kinds.push(',');
        }
        self.kinds.push_str(kind);
        self.bytes += json.len() + ",".len();
        self.jsons.push(json);
    }

    fn close(mut self) -> Option<Shared> {
        let json = match self.jsons.len() {
            0 => return None,
            1 => self.jsons.remove(0),
            _ => format!("[{}]", self.jsons.join(",")),
        };
        Some(Shared { offset: self.offset, kinds: self.kinds, body: Body::of_json(json) })
    }
}

/// What [`read`] expects, in its order; of `ev e` with `blob b` for a large body.
pub(super) const COLUMNS: &str = "e.seq, e.epoch, e.at, e.v, e.body, b.bytes";

/// Reads the events of a row.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Vec<Recorded>> {
    body::check_version(row, 3, VERSION)?;
    let (first, epoch, at): (u64, _, _) = (row.get(0)?, Epoch(row.get(1)?), Timestamp(row.get(2)?));
    let events = body::read_some(row, 4)?;
    let recorded = |(n, event)| Recorded { seq: Seq(first + n), epoch, at, event };
    Ok((0..).zip(events).map(recorded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(bytes: usize) -> RunEvent {
        RunEvent::ModelDelta { text: "x".repeat(bytes) }
    }

    /// Tells how many events each row has, by the commas between their names.
    fn rows(events: &[RunEvent]) -> Vec<(u64, usize)> {
        let lines = Lines::of(events).unwrap();
        lines.rows.iter().map(|row| (row.offset, row.kinds.split(',').count())).collect()
    }

    #[test]
    fn short_events_share_a_row_and_a_long_one_has_its_own() {
        assert_eq!(rows(&[]), []);
        assert_eq!(rows(&[delta(1)]), [(0, 1)]);
        assert_eq!(rows(&[delta(1), delta(2), RunEvent::DeadlinePassed]), [(0, 3)]);
        assert_eq!(rows(&[delta(1), delta(9000), delta(1), delta(2)]), [(0, 1), (1, 1), (2, 2)]);
    }

    #[test]
    fn a_shared_row_stays_within_the_size_of_an_inline_body() {
        let json = serde_json::to_string(&delta(0)).unwrap().len();
        let rest = INLINE_BYTES_MAX - 2 * json - "[,]".len();
        assert_eq!(rows(&[delta(rest - 10), delta(10)]), [(0, 2)]);
        assert_eq!(rows(&[delta(rest - 10), delta(11)]), [(0, 1), (1, 1)]);
    }
}
