//! Scratch directories: the production [`Scratches`].
//!
//! Each instance has one folder below the root, which is where its file tools
//! and programs begin and end. Closing a scratch kills the programs that were
//! started in it without asking them first, then removes the folder. A mark
//! beside a folder says that it stays; it is made before the folder is used, so
//! that a crash cannot turn kept files into waste.

mod keep;
mod programs;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ids::{AgentId, InstanceId};
use openclaw_domain::ports::{Keeping, Restored, Scratch, ScratchFolder, Scratches as Port};
use openclaw_domain::scratch::{Bounds, Captured};

use self::programs::Programs;
use crate::files::Workspace;
use crate::process::Native;

/// Longest name of a folder.
const NAME_BYTES_MAX: usize = 64;

/// Most kept folders; a further instance that keeps its files is refused.
const KEPT_MAX: usize = 1000;

/// Ends the name of the mark beside a folder that stays.
const KEEP: &str = ".keep";

/// Scratch directories below one folder.
pub struct Scratches {
    root: PathBuf,
    native: Arc<Native>,
    open: Mutex<HashMap<InstanceId, Arc<Programs>>>,
}

impl Scratches {
    /// Makes it over a folder, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>, native: Arc<Native>) -> Self {
        Self { root: root.into(), native, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Programs>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let root = self.root.clone();
        let task = tokio::task::spawn_blocking(move || work(&root));
        task.await.unwrap_or_else(|error| Err(Fault::new(Kind::Bug, format!("scratch: {error}"))))
    }
}

#[async_trait]
impl Port for Scratches {
    async fn open(&self, instance: &InstanceId, agent: &AgentId, keeping: Keeping) -> Result<Scratch, Fault> {
        let name = checked(instance)?;
        let made = self.blocking(move |root| Ok((make(root, &name, keeping)?, keep::remark(root, &name)?))).await?;
        let (workspace, remark) = (Arc::new(made.0), made.1);
        let programs = Programs::new(Arc::clone(&self.native), Arc::clone(&workspace), agent.clone());
        let programs = Arc::clone(self.open().entry(instance.clone()).or_insert_with(|| Arc::new(programs)));
        let path = self.root.join(instance.as_str()).display().to_string();
        Ok(Scratch { path, files: workspace, processes: programs, remark })
    }

    async fn holds(&self, instance: &InstanceId) -> Result<bool, Fault> {
        let name = checked(instance)?;
        self.blocking(move |root| keep::holds(root, &name)).await
    }

    async fn capture(&self, instance: &InstanceId, bounds: &Bounds) -> Result<Captured, Fault> {
        let (name, bounds) = (checked(instance)?, *bounds);
        let is_moving = || self.open().get(instance).is_some_and(|programs| programs.run());
        // One that ends while its files are read may have changed them until then.
        let was_moving = is_moving();
        let captured = self.blocking(move |root| keep::capture(root, &name, &bounds)).await?;
        Ok(Captured { is_moving: was_moving || is_moving(), ..captured })
    }

    async fn restore(&self, instance: &InstanceId, keeping: Keeping, restored: Restored) -> Result<bool, Fault> {
        let name = checked(instance)?;
        self.blocking(move |root| keep::restore(root, &name, keeping, &restored)).await
    }

    async fn close(&self, instance: &InstanceId, keeping: Keeping) -> Result<(), Fault> {
        let name = checked(instance)?;
        let programs = self.open().remove(instance);
        if let Some(programs) = programs {
            programs.end().await;
        }
        match keeping {
            Keeping::Keep => Ok(()),
            Keeping::Destroy => self.blocking(move |root| destroy(root, &name)).await,
        }
    }

    async fn list(&self) -> Result<Vec<ScratchFolder>, Fault> {
        self.blocking(folders).await
    }
}

/// An instance id becomes the name of a folder that is removed with all it
/// holds, so nothing but a plain name passes.
fn checked(instance: &InstanceId) -> Result<String, Fault> {
    let name = instance.as_str();
    let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_plain || name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Fault::new(Kind::Bug, format!("instance id {name:?} does not fit to name a folder")));
    }
    Ok(name.to_owned())
}

fn make(root: &Path, name: &str, keeping: Keeping) -> Result<Workspace, Fault> {
    let path = root.join(name);
    std::fs::create_dir_all(root).map_err(|error| failed("make", root, &error))?;
    if keeping == Keeping::Keep && !path.exists() {
        mark_kept(root, name)?;
    }
    Workspace::open(&path).map_err(|error| Fault::new(Kind::Unavailable, format!("cannot use a scratch: {error}")))
}

/// Says of a folder that is about to be made that it stays.
fn mark_kept(root: &Path, name: &str) -> Result<(), Fault> {
    let kept = folders(root)?.into_iter().filter(|folder| folder.keeping == Keeping::Keep).count();
    if kept >= KEPT_MAX {
        let text = format!("{kept} scratch directories are kept in {}, the limit", root.display());
        return Err(Fault::new(Kind::Unavailable, text).hint("remove those that are not needed any more"));
    }
    let mark = root.join(format!("{name}{KEEP}"));
    std::fs::write(&mark, b"").map_err(|error| failed("mark", &mark, &error))
}

fn destroy(root: &Path, name: &str) -> Result<(), Fault> {
    let path = root.join(name);
    // `remove_dir_all` does not follow links, so a link to another place is
    // removed and the place is not.
    gone(&path, std::fs::remove_dir_all(&path).or_else(|_| opened_up(&path)))?;
    keep::remove_part(root, name)?;
    keep::remove_remark(root, name)?;
    let mark = root.join(format!("{name}{KEEP}"));
    gone(&mark, std::fs::remove_file(&mark))
}

/// Removes a tree whose folders were made read-only by what ran in it.
fn opened_up(path: &Path) -> std::io::Result<()> {
    open_up(path)?;
    std::fs::remove_dir_all(path)
}

fn open_up(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !std::fs::symlink_metadata(&folder)?.is_dir() {
            continue;
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

fn gone(path: &Path, removed: std::io::Result<()>) -> Result<(), Fault> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn folders(root: &Path) -> Result<Vec<ScratchFolder>, Fault> {
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| failed("read", root, &error))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("read", root, &error))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().to_string_lossy().into_owned();
        // One that was being made when the program ended is waste like any other.
        let name = name.strip_suffix(keep::PART).unwrap_or(&name).to_owned();
        let path = root.join(&name);
        let Some(instance) = name.parse::<InstanceId>().ok().filter(|id| is_folder && checked(id).is_ok()) else {
            continue;
        };
        let is_kept = root.join(format!("{name}{KEEP}")).exists();
        let keeping = if is_kept { Keeping::Keep } else { Keeping::Destroy };
        found.push(ScratchFolder { instance, path: path.display().to_string(), keeping });
    }
    found.sort_by(|a, b| a.instance.cmp(&b.instance));
    found.dedup();
    Ok(found)
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(Kind::Unavailable, format!("cannot {what} {}: {error}", path.display()))
}
