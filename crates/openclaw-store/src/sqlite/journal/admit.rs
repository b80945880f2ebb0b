//! Accepts an input: once per (session, run id), before anything is done with it.

use openclaw_domain::conversation::Turn;
use openclaw_domain::delivery::Inbound;
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::lease::TTL;
use openclaw_domain::ports::{Admission, JournalError as Error, RunRecord};
use openclaw_domain::run::{Parent, RunRequest};
use openclaw_domain::runtime::Runtime;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::lease::{self, NOW};
use super::line::Lines;
use super::{broken_rule, inbox, mail, run};
use crate::sqlite::body::Body;
use crate::sqlite::error::{Failure, WorkError};
use crate::sqlite::sessions::lane::{self, Lane};

/// An admission made ready on the caller's thread.
#[derive(Debug)]
pub(super) struct NewRun {
    session: SessionKey,
    id: RunId,
    hash: [u8; 32],
    /// What comes before `claimed`.
    accepted: Lines,
    /// `claimed` and what comes after it.
    claimed: Lines,
    owner: Option<String>,
    /// `thread` for a run that has an instance of its own: it is no turn of the session.
    isolation: &'static str,
    input: Option<Body>,
    parent: Option<Parent>,
    inbound: Option<Inbound>,
    pub(super) at: Timestamp,
}

/// What became of it. The entry is its number.
#[derive(Debug)]
pub(super) enum Written {
    New { epoch: Epoch, seq: Seq, entry: Option<u64> },
    Known(Box<RunRecord>),
}

/// Checks and encodes an admission; hands back the turn that joins the transcript.
pub(super) fn prepare(admission: Admission) -> Result<(NewRun, Option<Turn>), WorkError<Error>> {
    let Admission { request, events, transcript, owner, at } = admission;
    let id = &request.id;
    if events.is_empty() {
        return Err(broken_rule(format!("run {id} cannot be admitted without an event")));
    }
    let mut claims = events.iter().enumerate().filter(|(_, event)| matches!(event, RunEvent::Claimed { .. }));
    let claimed = claims.next().map(|(position, _)| position);
    if claims.next().is_some() || claimed.is_some() != owner.is_some() {
        return Err(broken_rule(format!("run {id} needs one claimed event if it has an owner, and none otherwise")));
    }
    let is_own = |event: &RunEvent| matches!(event, RunEvent::Accepted { runtime: Runtime::ThreadBound(_), .. });
    let isolation = if events.iter().any(is_own) { "thread" } else { "session" };
    let (accepted, claimed) = events.split_at(claimed.unwrap_or(events.len()));
    let (accepted, claimed) = (Lines::of(accepted)?, Lines::of(claimed)?);
    let hash = request_hash(&request)?;
    let RunRequest { id, session, input, parent, inbound, .. } = request;
    let turn = transcript.then_some(Turn::User(input));
    let input = turn.as_ref().map(|turn| Body::of("the input", turn)).transpose()?;
    Ok((NewRun { session, id, hash, accepted, claimed, owner, isolation, input, parent, inbound, at }, turn))
}

/// Hashes what makes two requests the same: all but when it was said and the trace.
fn request_hash(request: &RunRequest) -> Result<[u8; 32], Failure> {
    let mut same = RunRequest { trace: None, ..request.clone() };
    same.input.at = Timestamp(0);
    let json = serde_json::to_vec(&same)
        .map_err(|error| Failure::Damaged(format!("the request cannot be written as JSON: {error}")))?;
    Ok(Sha256::digest(json).into())
}

impl NewRun {
    /// Returns the events it carries.
    pub(super) fn lines(&self) -> [&Lines; 2] {
        [&self.accepted, &self.claimed]
    }

    /// Writes run, events and entry, or finds that the run is known.
    pub(super) fn write(&self, db: &Connection) -> Result<Written, WorkError<Error>> {
        if let Some(inbound) = &self.inbound
            && let Some(record) = inbox::first(db, inbound)?
            && (record.id != self.id || record.session != self.session)
        {
            return Ok(Written::Known(Box::new(record)));
        }
        let mut lane = lane::open(db, &self.session, self.at)?;
        let Some(run) = self.insert(db, &lane)? else { return self.known(db, &lane) };
        if let Some(inbound) = &self.inbound {
            inbox::keep(db, inbound, run, self.at)?;
        }
        let epoch = Epoch(u64::from(self.owner.is_some()));
        let seq = self.write_lines(db, run)?;
        let mut entry = None;
        if let Some(input) = &self.input {
            entry = Some(lane.push(db, Some(self.id.as_str()), input, self.at)?);
            lane.save(db, self.at)?;
        }
        Ok(Written::New { epoch, seq, entry })
    }

    /// Writes the events; returns the position of the last one. Epoch 0 is nobody's, 1 the first owner's.
    fn write_lines(&self, db: &Connection, run: i64) -> Result<Seq, WorkError<Error>> {
        let mut seq = Seq(0);
        for (epoch, lines) in [(Epoch(0), &self.accepted), (Epoch(1), &self.claimed)] {
            lines.note(db, run, seq, epoch)?;
            seq = lines.write(db, run, seq, epoch, self.at)?.last;
        }
        Ok(seq)
    }

    /// Inserts the run's row; `None` when there is one already.
    fn insert(&self, db: &Connection, lane: &Lane) -> Result<Option<i64>, WorkError<Error>> {
        let owned = u32::from(self.owner.is_some());
        let status = if self.owner.is_some() { "running" } else { "queued" };
        let parent = self.parent.as_ref().map(|parent| mail::parent(db, parent)).transpose()?.flatten();
        let inserted = db
            .prepare_cached(&format!(
                "insert into run(session, idem, request_hash, status, epoch, seq, owner, attempts, accepted_at,
                                 lease_until, parent, parent_call, isolation)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?5, ?8, iif(?7 is null, null, {NOW} + ?9), ?10, ?11, ?12)
                 on conflict(session, idem) do nothing"
            ))?
            .execute(params![
                lane.id,
                self.id.as_str(),
                &self.hash[..],
                status,
                owned,
                self.accepted.len() + self.claimed.len(),
                self.owner,
                self.at.0,
                lease::millis(TTL),
                parent,
                self.parent.as_ref().map(|parent| parent.call.as_str()),
                self.isolation,
            ]);
        match inserted {
            Err(error) if is_constraint(&error) => Err(busy(db, lane, &self.session, &self.id)?),
            // Asking for the id with `returning` would open a table for one row.
            inserted => Ok((inserted? > 0).then(|| db.last_insert_rowid())),
        }
    }

    fn known(&self, db: &Connection, lane: &Lane) -> Result<Written, WorkError<Error>> {
        let (columns, joined) = (run::COLUMNS, run::JOINED);
        let sql = format!(
            "select {columns}, r.request_hash from run r {joined}
             where r.session = ?1 and r.idem = ?2"
        );
        let (record, hash) = db
            .prepare_cached(&sql)?
            .query_row(params![lane.id, self.id.as_str()], |row| Ok((run::record(row)?, row.get::<_, Vec<u8>>(11)?)))?;
        if hash != self.hash {
            return Err(WorkError::Refused(Error::Mismatch(self.id.clone())));
        }
        Ok(Written::Known(Box::new(record)))
    }
}

/// Tells whether a rule of the schema was broken.
pub(super) fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

/// Makes the error of a second turn in a session that has one running.
pub(super) fn busy(
    db: &Connection,
    lane: &Lane,
    session: &SessionKey,
    run: &RunId,
) -> rusqlite::Result<WorkError<Error>> {
    let other: Option<String> = db
        .prepare_cached("select idem from run where session = ?1 and status = 'running' and isolation = 'session'")?
        .query_row([lane.id], |row| row.get(0))
        .optional()?;
    Ok(match other {
        Some(other) => broken_rule(format!("run {run} cannot start: run {other} of session {session} is running")),
        None => broken_rule(format!("run {run} breaks a rule of the journal")),
    })
}
