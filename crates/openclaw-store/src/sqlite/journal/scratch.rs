//! Files of instances, content addressed: the same content is stored once,
//! whoever kept it and however often. Old ones go when there are too many.

use bytes::Bytes;
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::ports::JournalError as Error;
use openclaw_domain::scratch::{Captured, KeptFile, KeptScratch, LeftOut};
use rusqlite::{Connection, OptionalExtension, params};

use super::run;
use crate::sqlite::body::{self, Shas};
use crate::sqlite::error::{WorkError, damaged};

/// How much is kept of all runs together. The newest of a run that has not
/// ended stays in any case: it is what the run goes on with.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Shelf {
    /// Positions of one run.
    pub(in crate::sqlite) own_max: u32,
    /// Positions of all runs.
    pub(in crate::sqlite) all_max: u32,
    /// Bytes at all positions, counted as if nothing were shared.
    pub(in crate::sqlite) bytes_max: u64,
}

/// What a home is given.
pub(in crate::sqlite) const SHELF: Shelf = Shelf { own_max: 32, all_max: 1000, bytes_max: 512 << 20 };

/// Keeps files at a position, and drops what is too old.
pub(in crate::sqlite) fn keep(
    db: &Connection,
    session: &SessionKey,
    id: &RunId,
    epoch: Epoch,
    kept: &KeptScratch,
    shelf: Shelf,
) -> Result<(), WorkError<Error>> {
    let row = run::require(db, session, id)?;
    row.check_open(id)?;
    if row.epoch != epoch || kept.seq > row.seq {
        return Err(WorkError::Refused(Error::Fenced(id.clone())));
    }
    let same = db
        .prepare_cached("select id from scratch where run = ?1 and seq = ?2")?
        .query_row(params![row.id, kept.seq.0], |row| row.get(0));
    let mut unused = Shas::default();
    if let Some(same) = same.optional()? {
        take_out(db, same, &mut unused)?;
    }
    let captured = &kept.captured;
    db.prepare_cached("insert into scratch(run, seq, at, bytes, left_out, is_moving) values (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            row.id,
            kept.seq.0,
            kept.at.0,
            captured.bytes(),
            body::inline("what was left out", &captured.left_out)?,
            captured.is_moving
        ])?;
    let scratch = db.last_insert_rowid();
    let mut blob = db.prepare_cached("insert into blob(sha, bytes) values (?1, ?2) on conflict do nothing")?;
    let mut line =
        db.prepare_cached("insert into scratch_file(scratch, path, is_executable, body) values (?1, ?2, ?3, ?4)")?;
    for file in &captured.files {
        blob.execute(params![&file.sha()[..], &file.body()[..]])?;
        line.execute(params![scratch, file.path(), file.is_executable(), &file.sha()[..]])?;
    }
    for old in too_old(db, shelf)? {
        take_out(db, old, &mut unused)?;
    }
    Ok(unused.collect(db)?)
}

/// Lists what has no place on the shelf, oldest first.
fn too_old(db: &Connection, shelf: Shelf) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached(
        "select id from (
           select k.id, r.ended_at,
                  row_number() over (partition by k.run order by k.id desc) own,
                  row_number() over (order by k.id desc) place,
                  sum(k.bytes) over (order by k.id desc) total
           from scratch k join run r on r.id = k.run)
         where (own > ?1 or place > ?2 or total > ?3) and not (own = 1 and ended_at is null)
         order by id",
    )?
    .query_map(params![shelf.own_max, shelf.all_max, shelf.bytes_max], |row| row.get(0))?
    .collect()
}

fn take_out(db: &Connection, scratch: i64, unused: &mut Shas) -> rusqlite::Result<()> {
    unused.add(db, "select body from scratch_file where scratch = ?1", scratch)?;
    db.prepare_cached("delete from scratch_file where scratch = ?1")?.execute([scratch])?;
    db.prepare_cached("delete from scratch where id = ?1")?.execute([scratch])?;
    Ok(())
}

/// Returns the newest files at a position or before it. Files that are not what
/// was written are none: half of a folder would pass for the whole.
pub(super) fn newest(
    db: &Connection,
    session: &SessionKey,
    id: &RunId,
    through: Seq,
) -> rusqlite::Result<Option<KeptScratch>> {
    let found = db
        .prepare_cached(
            "select k.id, k.seq, k.at, k.left_out, k.is_moving
             from session s join run r on r.session = s.id join scratch k on k.run = r.id
             where s.skey = ?1 and s.removed_at is null and r.idem = ?2 and k.seq <= ?3 order by k.seq desc limit 1",
        )?
        .query_row(params![session.as_str(), id.as_str(), through.0], |row| {
            let left_out: LeftOut =
                serde_json::from_str(row.get_ref(3)?.as_str()?).map_err(|error| damaged(3, error))?;
            let captured = Captured { files: Vec::new(), left_out, is_moving: row.get(4)? };
            let kept = KeptScratch { seq: Seq(row.get(1)?), at: Timestamp(row.get(2)?), captured };
            Ok((row.get::<_, i64>(0)?, kept))
        })
        .optional()?;
    let Some((scratch, mut kept)) = found else { return Ok(None) };
    match files(db, scratch)? {
        Some(files) => kept.captured.files = files,
        None => {
            tracing::error!(run = %id, seq = kept.seq.0, "kept files are damaged and are not used");
            return Ok(None);
        }
    }
    Ok(Some(kept))
}

fn files(db: &Connection, scratch: i64) -> rusqlite::Result<Option<Vec<KeptFile>>> {
    let mut statement = db.prepare_cached(
        "select f.path, f.is_executable, f.body, b.bytes from scratch_file f left join blob b on b.sha = f.body
         where f.scratch = ?1 order by f.path",
    )?;
    let mut rows = statement.query([scratch])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(bytes) = row.get_ref(3)?.as_blob_or_null()? else { return Ok(None) };
        let file = KeptFile::new(row.get_ref(0)?.as_str()?, row.get(1)?, Bytes::copy_from_slice(bytes));
        match file {
            Ok(file) if file.sha()[..] == *row.get_ref(2)?.as_blob()? => files.push(file),
            Ok(_) | Err(_) => return Ok(None),
        }
    }
    Ok(Some(files))
}

#[cfg(test)]
mod tests;
