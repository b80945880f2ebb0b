//! The database as it lies on the disk, read without the store.
//!
//! The files are copied first, so that looking changes nothing: opening a
//! database with a write-ahead log may fold the log in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use openclaw_domain::compaction::Compaction;
use openclaw_domain::ids::{Epoch, Seq, Timestamp};
use openclaw_domain::{Recorded, RunEvent, Turn};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Where the database stands below the state directory.
pub const DATABASE: &str = "db/openclaw.db";

/// Everything the checker looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// All runs, oldest first.
    pub runs: Vec<Run>,
    /// All transcript entries, in order.
    pub entries: Vec<Entry>,
    /// Key and last entry number of each session.
    pub sessions: Vec<(String, u64)>,
    /// What was to be delivered.
    pub deliveries: Vec<Delivery>,
    /// State of each tool call that was planned: run, call, effect, state.
    pub steps: Vec<Step>,
    /// Kept states of runs.
    pub checkpoints: Vec<Kept>,
    /// Kept files of runs.
    pub scratches: Vec<Scratch>,
    /// Summaries, those that were taken back as well.
    pub summaries: Vec<Summary>,
    /// All events of all runs in the order in which they were written: run and position.
    pub order: Vec<(String, u64)>,
}

/// A run's row with its events.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its idempotency key.
    pub id: String,
    /// Its session.
    pub session: String,
    /// Its status by name.
    pub status: String,
    /// Its owner's epoch.
    pub epoch: u64,
    /// Position of its last event.
    pub seq: u64,
    /// Its events, in order.
    pub events: Vec<Recorded>,
}

impl Run {
    /// Tells whether nothing more will happen.
    pub fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "done" | "failed" | "cancelled")
    }

    /// Returns the events themselves.
    pub fn facts(&self) -> impl Iterator<Item = &RunEvent> {
        self.events.iter().map(|recorded| &recorded.event)
    }
}

/// A transcript entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its session.
    pub session: String,
    /// Its number.
    pub n: u64,
    /// The run that wrote it.
    pub run: Option<String>,
    /// What was said.
    pub turn: Turn,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The run whose answer it is.
    pub run: String,
    /// Its key.
    pub key: String,
    /// Its state by name.
    pub state: String,
}

/// A tool call as the step table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The run.
    pub run: String,
    /// The call.
    pub call: String,
    /// Its effect class by name.
    pub effect: String,
    /// Its state by name.
    pub state: String,
}

/// A kept state.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The run.
    pub run: String,
    /// The position it claims.
    pub seq: u64,
    /// Its body, where that is what was written.
    pub body: Option<Value>,
}

/// Files of a run's instance as they were at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// The run.
    pub run: String,
    /// The position it claims.
    pub seq: u64,
    /// The files: path and content.
    pub files: BTreeMap<String, String>,
}

/// A summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Its number.
    pub id: u64,
    /// Its session.
    pub session: String,
    /// The run that made it, if one did.
    pub run: Option<String>,
    /// Number of the last entry it stands for.
    pub through: u64,
    /// Whether all turns are shown again.
    pub is_undone: bool,
}

impl Snapshot {
    /// Reads a copy of the database below a state directory.
    ///
    /// # Errors
    /// When it cannot be copied or is damaged.
    pub fn take(state_dir: &Path) -> anyhow::Result<Self> {
        let database = state_dir.join(DATABASE);
        if !database.exists() {
            return Ok(Self::default());
        }
        let folder = tempfile::tempdir_in(state_dir)?;
        let copy = folder.path().join("copy.db");
        for suffix in ["", "-wal"] {
            let from = database.with_file_name(format!("openclaw.db{suffix}"));
            let to = copy.with_file_name(format!("copy.db{suffix}"));
            match std::fs::copy(&from, &to) {
                Ok(_) => {}
                Err(error) if suffix == "-wal" && error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot copy {}", from.display())),
            }
        }
        let db = Connection::open(&copy)?;
        let report: String = db.query_row("pragma integrity_check", (), |row| row.get(0))?;
        anyhow::ensure!(report == "ok", "the database is damaged: {report}");
        read(&db)
    }
}

fn read(db: &Connection) -> anyhow::Result<Snapshot> {
    let mut rows = db.prepare(
        "select r.id, r.idem, s.skey, r.status, r.epoch, r.seq from run r join session s on s.id = r.session order by r.id",
    )?;
    let rows: Vec<(i64, Run)> = rows
        .query_map((), |row| {
            let run = Run {
                id: row.get(1)?,
                session: row.get(2)?,
                status: row.get(3)?,
                epoch: row.get(4)?,
                seq: row.get(5)?,
                events: Vec::new(),
            };
            Ok((row.get(0)?, run))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut events = db.prepare(
        "select e.seq, e.epoch, e.at, e.body, b.bytes from event e
         left join blob b on typeof(e.body) = 'blob' and b.sha = e.body where e.run = ?1 order by e.gsn, e.seq",
    )?;
    let mut runs = Vec::with_capacity(rows.len());
    for (id, mut run) in rows {
        run.events = events
            .query_map([id], |row| {
                let (seq, epoch, at) = (Seq(row.get(0)?), Epoch(row.get(1)?), Timestamp(row.get(2)?));
                Ok(Recorded { seq, epoch, at, event: body(row, 3)? })
            })?
            .collect::<rusqlite::Result<_>>()
            .with_context(|| format!("events of run {}", run.id))?;
        runs.push(run);
    }
    let entries = db
        .prepare(
            "select s.skey, e.n, e.run, e.body, b.bytes from entry e join session s on s.id = e.session
             left join blob b on typeof(e.body) = 'blob' and b.sha = e.body order by e.session, e.id",
        )?
        .query_map((), |row| Ok(Entry { session: row.get(0)?, n: row.get(1)?, run: row.get(2)?, turn: body(row, 3)? }))?
        .collect::<rusqlite::Result<_>>()
        .context("transcripts")?;
    let sessions = db
        .prepare("select skey, head from session order by id")?
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let steps = db
        .prepare(
            "select r.idem, t.call, t.effect, t.state from step t join run r on r.id = t.run where t.kind = 'tool'",
        )?
        .query_map((), |row| Ok(Step { run: row.get(0)?, call: row.get(1)?, effect: row.get(2)?, state: row.get(3)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let deliveries = db
        .prepare("select r.idem, o.ikey, o.state from outbox o join run r on r.id = o.run order by o.id")?
        .query_map((), |row| Ok(Delivery { run: row.get(0)?, key: row.get(1)?, state: row.get(2)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let order = db
        .prepare("select r.idem, e.seq from event e join run r on r.id = e.run order by e.gsn, e.seq")?
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let (checkpoints, scratches, summaries) = (checkpoints(db)?, scratches(db)?, summaries(db)?);
    Ok(Snapshot { runs, entries, sessions, deliveries, steps, checkpoints, scratches, summaries, order })
}

fn scratches(db: &Connection) -> rusqlite::Result<Vec<Scratch>> {
    let mut statement = db.prepare(
        "select r.idem, k.seq, f.path, b.bytes from scratch k join run r on r.id = k.run
         left join scratch_file f on f.scratch = k.id left join blob b on b.sha = f.body order by k.run, k.seq, f.path",
    )?;
    let mut found: Vec<Scratch> = Vec::new();
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let (run, seq): (String, u64) = (row.get(0)?, row.get(1)?);
        if found.last().is_none_or(|last| last.run != run || last.seq != seq) {
            found.push(Scratch { run, seq, files: BTreeMap::new() });
        }
        let (path, body): (Option<String>, Option<Vec<u8>>) = (row.get(2)?, row.get(3)?);
        if let Some((path, last)) = path.zip(found.last_mut()) {
            last.files.insert(path, String::from_utf8_lossy(&body.unwrap_or_default()).into_owned());
        }
    }
    Ok(found)
}

fn checkpoints(db: &Connection) -> rusqlite::Result<Vec<Kept>> {
    db.prepare("select r.idem, c.seq, c.sha, c.body from ckpt c join run r on r.id = c.run order by c.run, c.seq")?
        .query_map((), |row| {
            let (sha, body): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
            let is_whole = Sha256::digest(&body)[..] == sha[..];
            let body = is_whole.then(|| serde_json::from_slice(&body).unwrap_or_default());
            Ok(Kept { run: row.get(0)?, seq: row.get(1)?, body })
        })?
        .collect()
}

fn summaries(db: &Connection) -> rusqlite::Result<Vec<Summary>> {
    db.prepare(
        "select c.id, s.skey, c.run, c.body, b.bytes, c.undone_at is not null from compaction c
         join session s on s.id = c.session left join blob b on typeof(c.body) = 'blob' and b.sha = c.body order by c.id",
    )?
    .query_map((), |row| {
        let compaction: Compaction = body(row, 3)?;
        let through = compaction.through;
        Ok(Summary { id: row.get(0)?, session: row.get(1)?, run: row.get(2)?, through, is_undone: row.get(5)? })
    })?
    .collect()
}

fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let broken = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    };
    let bytes = match row.get_ref(column)? {
        ValueRef::Text(bytes) => bytes,
        _ => row.get_ref(column + 1)?.as_blob().unwrap_or_default(),
    };
    serde_json::from_slice(bytes).map_err(broken)
}

/// A look at the live database, to see when nothing is left to do.
#[derive(Debug)]
pub struct Watch {
    /// Locked, because a connection keeps statements that only one thread may use.
    db: Mutex<Connection>,
}

impl Watch {
    /// Opens the database for reading.
    ///
    /// # Errors
    /// When it is not there yet.
    pub fn open(state_dir: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open_with_flags(state_dir.join(DATABASE), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Self { db: Mutex::new(db) })
    }

    /// Returns how many runs have an event of this name in this epoch or a later one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self, event: &str, epoch: u64) -> rusqlite::Result<u64> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = db.prepare_cached("select count(distinct run) from event where kind = ?1 and epoch >= ?2")?;
        rows.query_row((event, epoch), |row| row.get(0))
    }

    /// Returns how many deliveries are still to be made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn undelivered(&self) -> rusqlite::Result<u64> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = "select count(*) from outbox where state in ('pending','sending')";
        db.prepare_cached(sql)?.query_row((), |row| row.get(0))
    }

    /// Returns how many runs have not ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_runs(&self) -> rusqlite::Result<u64> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        db.query_row("select count(*) from run where ended_at is null", (), |row| row.get(0))
    }

    /// Returns the arguments of a call, as the model gave them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn command_of(&self, run: &str, call: &str) -> rusqlite::Result<Option<String>> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = "select e.body, b.bytes from event e join run r on r.id = e.run
                   left join blob b on typeof(e.body) = 'blob' and b.sha = e.body
                   where r.idem = ?1 and e.kind = 'model_done'";
        let mut rows = db.prepare_cached(sql)?;
        let events: Vec<RunEvent> = rows.query_map([run], |row| body(row, 0))?.collect::<rusqlite::Result<_>>()?;
        let turns = events.iter().filter_map(|event| match event {
            RunEvent::ModelDone { turn, .. } => Some(turn),
            _ => None,
        });
        let mut calls = turns.flat_map(|turn| turn.calls()).map(|(call, _)| call);
        Ok(calls.find(|it| it.id.as_str() == call).map(|call| call.arguments.clone()))
    }

    /// Returns key and status of every run.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn statuses(&self) -> rusqlite::Result<Vec<(String, String)>> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = db.prepare_cached("select idem, status from run order by id")?;
        rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}
