//! What happens while the gateway is down: time passes, or what is kept beside
//! the journal is damaged.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use crate::home::SCRATCH;
use crate::snapshot::DATABASE;

/// What happens after each kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// The gateway is started again at once.
    Nothing,
    /// So many milliseconds pass.
    Passes(u64),
    /// Half of each kept state is gone.
    Torn,
    /// Kept states are gone.
    Lost,
    /// Kept states are whole and say something else.
    Forged,
    /// The folders of instances are gone.
    NoFolders,
}

impl Between {
    /// Lets it happen to a state directory that nobody uses.
    ///
    /// # Errors
    /// When the database cannot be changed.
    pub async fn happen(self, state_dir: &Path) -> anyhow::Result<()> {
        let sql = match self {
            Between::Nothing => return Ok(()),
            Between::Passes(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                return Ok(());
            }
            Between::Torn => "update ckpt set body = substr(body, 1, length(body) / 2)",
            Between::Lost => "delete from ckpt",
            Between::Forged => return forge(state_dir),
            Between::NoFolders => return take_folders(state_dir),
        };
        let Some(db) = open(state_dir)? else { return Ok(()) };
        db.execute(sql, ()).map(drop).context("kept states")
    }
}

fn take_folders(state_dir: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(state_dir.join(SCRATCH)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        taken => taken.context("folders of instances"),
    }
}

fn forge(state_dir: &Path) -> anyhow::Result<()> {
    let Some(db) = open(state_dir)? else { return Ok(()) };
    let body = br#"{"format":2,"build":"another one"}"#;
    db.execute("update ckpt set body = ?1, sha = ?2", params![&body[..], &Sha256::digest(body)[..]])?;
    Ok(())
}

fn open(state_dir: &Path) -> anyhow::Result<Option<Connection>> {
    let path = state_dir.join(DATABASE);
    if !path.exists() {
        return Ok(None);
    }
    let db = Connection::open(&path).with_context(|| path.display().to_string())?;
    // Killed before its schema was there.
    let is_made: bool =
        db.query_row("select exists(select 1 from sqlite_schema where name = 'ckpt')", (), |row| row.get(0))?;
    Ok(is_made.then_some(db))
}
