//! Checkpoints: a run's state at one position. An optimisation only; a row that
//! is missing or damaged costs recovery a longer fold and nothing else.

use bytes::Bytes;
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::ports::{Checkpoint, JournalError as Error};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::run;
use crate::sqlite::error::WorkError;

/// Keeps a checkpoint in place of the run's earlier ones.
pub(super) fn keep(
    db: &Connection,
    session: &SessionKey,
    id: &RunId,
    epoch: Epoch,
    checkpoint: &Checkpoint,
) -> Result<(), WorkError<Error>> {
    let row = run::require(db, session, id)?;
    if row.epoch != epoch || checkpoint.seq > row.seq {
        return Err(WorkError::Refused(Error::Fenced(id.clone())));
    }
    row.check_open(id)?;
    db.prepare_cached("delete from ckpt where run = ?1")?.execute([row.id])?;
    db.prepare_cached("insert into ckpt(run, seq, sha, body, at) values (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        row.id,
        checkpoint.seq.0,
        &Sha256::digest(&checkpoint.body)[..],
        &checkpoint.body[..],
        checkpoint.at.0
    ])?;
    Ok(())
}

/// Returns the newest checkpoint whose bytes are those that were written.
pub(super) fn newest(db: &Connection, session: &SessionKey, id: &RunId) -> rusqlite::Result<Option<Checkpoint>> {
    let found = db
        .prepare_cached(
            "select c.seq, c.sha, c.body, c.at from session s join run r on r.session = s.id join ckpt c on c.run = r.id
             where s.skey = ?1 and s.removed_at is null and r.idem = ?2 order by c.seq desc limit 1",
        )?
        .query_row([session.as_str(), id.as_str()], |row| {
            let (seq, sha, body, at): (u64, Vec<u8>, Vec<u8>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let is_whole = Sha256::digest(&body)[..] == sha[..];
            Ok(is_whole.then(|| Checkpoint { seq: Seq(seq), body: Bytes::from(body), at: Timestamp(at) }))
        })
        .optional()?;
    Ok(found.flatten())
}
