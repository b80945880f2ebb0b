//! What agents were told to remember, found again by words.

use async_trait::async_trait;
use openclaw_domain::ids::{AgentId, Timestamp};
use openclaw_domain::ports::{Durability, Memories, Memory, RecordError as Error};
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::Store;
use super::error::WorkError;
use super::sessions::{optional, parsed};
use super::words;

/// Longest text that is remembered.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Most texts of one agent.
const MEMORIES_MAX: usize = 10_000;

/// Most texts of one answer.
const RECALL_MAX: usize = 1000;

const COLUMNS: &str = "m.mid, m.agent, m.text, m.session, m.at";

#[async_trait]
impl Memories for Store {
    async fn remember(&self, memory: Memory) -> Result<(), Error> {
        if memory.text.len() > TEXT_BYTES_MAX {
            let max = format!("{TEXT_BYTES_MAX} bytes");
            return Err(Error::TooLarge { what: "the text to remember".to_owned(), max });
        }
        let sha: [u8; 32] = Sha256::digest(memory.text.as_bytes()).into();
        let words = words::indexed(&memory.text);
        let work = move |db: &Connection| insert(db, &memory, &sha, &words);
        self.write("memories.remember", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn recall(&self, agent: &AgentId, words: &str, limit: usize) -> Result<Vec<Memory>, Error> {
        let (agent, limit) = (agent.clone(), limit.min(RECALL_MAX));
        let everything = words.trim().is_empty();
        let query = words::query(words);
        let work = move |db: &Connection| {
            Ok(match query {
                None if everything => newest(db, &agent, limit)?,
                None => Vec::new(),
                Some(query) => matching(db, &agent, &query, limit)?,
            })
        };
        self.read("memories.recall", work).await.map_err(|error| error.in_records(self.path()))
    }

    async fn forget(&self, agent: &AgentId, id: &str) -> Result<bool, Error> {
        let (agent, id) = (agent.clone(), id.to_owned());
        let work = move |db: &Connection| Ok(remove(db, &agent, &id)?);
        self.write("memories.forget", Durability::Barrier, work).await.map_err(|error| error.in_records(self.path()))
    }
}

fn insert(db: &Connection, memory: &Memory, sha: &[u8; 32], words: &str) -> Result<(), WorkError<Error>> {
    let agent = memory.agent.as_str();
    let renewed = db
        .prepare_cached("update memory set at = max(at, ?3) where agent = ?1 and sha = ?2")?
        .execute(params![agent, &sha[..], memory.at.0])?;
    if renewed > 0 {
        return Ok(());
    }
    // The same id with another text: the old text is forgotten.
    remove(db, &memory.agent, &memory.id)?;
    let count: usize =
        db.prepare_cached("select count(*) from memory where agent = ?1")?.query_row([agent], |row| row.get(0))?;
    if count >= MEMORIES_MAX {
        let what = format!("the memory of agent {agent}");
        return Err(WorkError::Refused(Error::TooLarge { what, max: format!("{MEMORIES_MAX} texts") }));
    }
    let session = memory.session.as_ref().map(|key| key.as_str());
    db.prepare_cached("insert into memory(mid, agent, sha, text, session, at) values (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![memory.id, agent, &sha[..], memory.text, session, memory.at.0])?;
    db.prepare_cached("insert into memory_words(rowid, words) values (?1, ?2)")?
        .execute(params![db.last_insert_rowid(), words])?;
    Ok(())
}

fn remove(db: &Connection, agent: &AgentId, id: &str) -> rusqlite::Result<bool> {
    let row: Option<i64> = db
        .prepare_cached("delete from memory where agent = ?1 and mid = ?2 returning id")?
        .query_row([agent.as_str(), id], |row| row.get(0))
        .optional()?;
    if let Some(row) = row {
        db.prepare_cached("delete from memory_words where rowid = ?1")?.execute([row])?;
    }
    Ok(row.is_some())
}

fn newest(db: &Connection, agent: &AgentId, limit: usize) -> rusqlite::Result<Vec<Memory>> {
    let sql = format!("select {COLUMNS} from memory m where m.agent = ?1 order by m.at desc, m.id desc limit ?2");
    db.prepare_cached(&sql)?.query_map(params![agent.as_str(), limit], read)?.collect()
}

fn matching(db: &Connection, agent: &AgentId, query: &str, limit: usize) -> rusqlite::Result<Vec<Memory>> {
    let sql = format!(
        "select {COLUMNS} from memory_words w join memory m on m.id = w.rowid
         where memory_words match ?1 and m.agent = ?2 order by bm25(memory_words), m.at desc, m.id desc limit ?3"
    );
    db.prepare_cached(&sql)?.query_map(params![query, agent.as_str(), limit], read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Memory> {
    Ok(Memory {
        id: row.get(0)?,
        agent: parsed(row, 1)?,
        text: row.get(2)?,
        session: optional(row, 3)?,
        at: Timestamp(row.get(4)?),
    })
}
