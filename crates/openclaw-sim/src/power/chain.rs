//! Generations of one database, each ended by a power cut.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use openclaw_powercut as powercut;
use openclaw_store::sqlite::{DATABASE_FILE, Disk, FileChange};
use openclaw_store::{Options, Store};

use super::check::{self, Findings};
use super::history::History;
use super::work::{Site, Stop};

/// Longest a generation may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Decides everything but how concurrent writers share transactions.
    pub seed: u64,
    /// Power cuts in a row on one database.
    pub cuts: usize,
    /// Sessions that write at the same time; with one, a seed repeats exactly.
    pub lanes: usize,
    /// A defect to plant, so that a test proves it would notice.
    pub planted: Option<Planted>,
}

/// A defect that loses what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Syncs do nothing, or those of the log.
    Disk(powercut::Flaw),
    /// Batches that must survive a power cut are written like any other.
    ForgottenBarrier,
}

/// What a chain did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Power cuts, those during recovery included.
    pub cuts: usize,
    /// Inputs that were accepted.
    pub inputs: usize,
    /// Tool calls whose start was acknowledged.
    pub tools: usize,
    /// Writes that were acknowledged without a barrier and are gone, as allowed.
    pub forgotten: usize,
    /// Promises that were broken; a chain stops at the first generation that has any.
    pub broken: Vec<String>,
}

/// Runs a chain.
///
/// # Errors
/// When the machine fails: no room for files, or a generation that hangs. Broken
/// promises are in the report.
pub fn run(plan: Plan) -> Result<Report> {
    let mut chain = Chain {
        plan,
        rng: Rng::with_seed(plan.seed),
        folder: tempfile::tempdir()?,
        history: Mutex::default(),
        report: Report::default(),
        generation: 0,
    };
    while chain.report.cuts < plan.cuts && chain.report.broken.is_empty() {
        chain.generation += 1;
        chain.live().with_context(|| format!("seed {}, generation {}", plan.seed, chain.generation))?;
    }
    for broken in &mut chain.report.broken {
        broken.insert_str(0, &format!("seed {}, generation {}: ", plan.seed, chain.generation));
    }
    Ok(chain.report)
}

struct Chain {
    plan: Plan,
    rng: Rng,
    folder: tempfile::TempDir,
    history: Mutex<History>,
    report: Report,
    generation: usize,
}

impl Chain {
    /// One generation: find, check, take over, work, lose power.
    fn live(&mut self) -> Result<()> {
        if self.rng.u8(0..3) == 0 {
            self.interrupt_recovery()?;
        }
        let disk = self.disk(None)?;
        let store = match self.open(&disk) {
            Ok(store) => store,
            Err(error) => {
                self.report.broken.push(format!("the store does not open: {error:#}"));
                return Ok(());
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let alive = async { tokio::time::timeout(PATIENCE, self.generation(&disk, store)).await };
        runtime.block_on(alive).context("it hangs")??;
        self.lose_power(&disk)
    }

    /// Opens the store and loses power again before it is open, or just after.
    fn interrupt_recovery(&mut self) -> Result<()> {
        let operations = self.rng.u64(0..60);
        let disk = self.disk(Some(operations))?;
        drop(self.open(&disk));
        self.lose_power(&disk)
    }

    async fn generation(&mut self, disk: &powercut::Disk, mut store: Store) -> Result<()> {
        // No lane works between generations, so nobody misses it.
        let mut history = std::mem::take(self.history.get_mut().unwrap_or_else(PoisonError::into_inner));
        let Findings { broken, forgotten } = check::check(&store, &mut history).await;
        *self.history.get_mut().unwrap_or_else(PoisonError::into_inner) = history;
        self.report.forgotten += forgotten;
        self.report.broken.extend(broken);
        self.report.broken.extend(integrity(disk, store.path()).err().map(|error| format!("{error:#}")));
        if !self.report.broken.is_empty() {
            return Ok(());
        }
        disk.cut_after(self.rng.u64(0..600));
        let mut part = 0;
        while !disk.is_off() {
            ensure!(part < 1000, "the power does not go");
            let refusals = self.work(disk, &store, part).await;
            self.report.broken.extend(refusals);
            if !self.report.broken.is_empty() {
                break;
            }
            part += 1;
            // An orderly restart folds the log into the database.
            store.close().await;
            drop(store);
            store = match self.open(disk) {
                Ok(store) => store,
                Err(error) => {
                    ensure!(disk.is_off(), "the store does not open again: {error:#}");
                    break;
                }
            };
        }
        Ok(())
    }

    /// All lanes work until they are done or the power goes; returns refusals.
    async fn work(&mut self, disk: &powercut::Disk, store: &Store, part: usize) -> Vec<String> {
        let before = self.count();
        let site = Site {
            store,
            disk,
            history: &self.history,
            forgets_barriers: self.plan.planted == Some(Planted::ForgottenBarrier),
            generation: self.generation * 1000 + part,
        };
        let inputs = self.rng.usize(1..12);
        let lanes = (0..self.plan.lanes).map(|lane| {
            let mut rng = self.rng.fork();
            let site = &site;
            async move {
                let session = openclaw_testkit::contract::journal::key(&format!("lane-{lane}"));
                site.work(&session, &mut rng, inputs).await
            }
        });
        let ends = futures_util::future::join_all(lanes.collect::<Vec<_>>()).await;
        let after = self.count();
        self.report.inputs += after.0 - before.0;
        self.report.tools += after.1 - before.1;
        let refusal = |end| match end {
            Ok(()) | Err(Stop::PowerCut) => None,
            Err(Stop::Refused(message)) => Some(message),
        };
        ends.into_iter().filter_map(refusal).collect()
    }

    fn count(&self) -> (usize, usize) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        (history.count("input"), history.count("tool"))
    }

    /// Replaces the folder by what survives.
    fn lose_power(&mut self, disk: &powercut::Disk) -> Result<()> {
        disk.cut();
        self.report.cuts += 1;
        let next = tempfile::tempdir()?;
        disk.survivors(&database(&self.folder)?, &database(&next)?)?;
        self.folder = next;
        Ok(())
    }

    fn disk(&mut self, operations: Option<u64>) -> Result<powercut::Disk> {
        let flaw = match self.plan.planted {
            Some(Planted::Disk(flaw)) => Some(flaw),
            Some(Planted::ForgottenBarrier) | None => None,
        };
        let options = powercut::Options { seed: self.rng.u64(..), operations, flaw };
        Ok(powercut::Disk::new(&database(&self.folder)?, options)?)
    }

    fn open(&self, disk: &powercut::Disk) -> Result<Store> {
        let state_dir = self.folder.path().canonicalize()?;
        Ok(Store::open(Options { readers: 1, disk: seen_by_store(disk), ..Options::new(state_dir) })?)
    }
}

/// The folder of the database below a state directory.
fn database(state_dir: &tempfile::TempDir) -> Result<PathBuf> {
    let file = state_dir.path().canonicalize()?.join(DATABASE_FILE);
    let folder = file.parent().context("the database has a folder")?;
    std::fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// The store's view of a disk that loses power.
fn seen_by_store(disk: &powercut::Disk) -> Disk {
    let (vfs, disk) = (disk.vfs().to_owned(), disk.clone());
    let watcher = move |change: &FileChange| match change {
        FileChange::Sync(path) => disk.synced(path),
        FileChange::SyncFolder(_) => disk.folder_synced(),
        FileChange::Rename(from, to) => disk.renamed(from, to),
        FileChange::Link(from, to) => disk.linked(from, to),
        FileChange::Remove(path) => disk.removed(path),
    };
    Disk::of(vfs, Arc::new(watcher))
}

fn integrity(disk: &powercut::Disk, path: &Path) -> Result<()> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let db = rusqlite::Connection::open_with_flags_and_vfs(path, flags, disk.vfs())?;
    let report: String = db.query_row("pragma integrity_check", (), |row| row.get(0))?;
    ensure!(report == "ok", "the database is damaged: {report}");
    Ok(())
}
