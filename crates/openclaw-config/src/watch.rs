//! Tells when a file of the configuration changed.
//!
//! Folders are watched, not files: editors replace a file by renaming another
//! over it, which a watch on the file would lose. Bursts become one notice. It
//! reads nothing; whoever gets the notice loads, and keeps what it has if
//! [`crate::Loaded::is_sound`] says no.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use notify::{Event, EventKind, RecursiveMode, Watcher};

/// Silence after the last event before a notice is given.
pub const SETTLE: Duration = Duration::from_millis(250);
/// Most events gathered into one notice, so that endless writing still gives one.
const EVENTS_MAX: usize = 10_000;

/// A running watch; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    /// One notice per settled burst. Holds one: notices say "look again", so
    /// a second waiting one adds nothing.
    pub changes: Receiver<Changed>,
    // Owns the sender of raw events: its end is what stops the thread.
    watcher: Option<notify::RecommendedWatcher>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Some watched file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed;

/// Why a watch cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("watch the configuration: {0}")]
    System(#[from] notify::Error),
    /// No thread could be started.
    #[error("watch the configuration: {0}")]
    Thread(#[from] std::io::Error),
    /// No folder of the files exists.
    #[error("watch the configuration: the folder of {} does not exist", .0.display())]
    NoFolder(PathBuf),
}

/// Watches the given files, which need not exist yet. Their folders must.
///
/// # Errors
/// See [`Error`].
pub fn watch(files: &[PathBuf], settle: Duration) -> Result<Watch, Error> {
    let mut names: BTreeSet<PathBuf> = BTreeSet::new();
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for file in files {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        // Events name real paths, and so must what they are compared with.
        if let (Ok(real), Some(name)) = (folder.canonicalize(), file.file_name()) {
            names.insert(real.join(name));
            folders.insert(real);
        }
    }
    if folders.is_empty() {
        return Err(Error::NoFolder(files.first().cloned().unwrap_or_default()));
    }
    let (raw, events) = channel::<()>();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if concerns(&names, &event) {
            // The other end is gone only while the watch is being dropped.
            raw.send(()).ok();
        }
    })?;
    for folder in &folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    let (notices, changes) = sync_channel(1);
    // Ends when the watcher, and with it the sender of events, is dropped.
    let thread = std::thread::Builder::new()
        .name("config-watch".to_owned())
        .spawn(move || settle_bursts(&events, &notices, settle))?;
    Ok(Watch { changes, watcher: Some(watcher), thread: Some(thread) })
}

fn concerns(names: &BTreeSet<PathBuf>, event: &notify::Result<Event>) -> bool {
    match event {
        // Reading the file is an event too, and would answer itself forever.
        Ok(event) => !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| names.contains(path)),
        // Events were lost: look again.
        Err(_) => true,
    }
}

fn settle_bursts(events: &Receiver<()>, notices: &SyncSender<Changed>, settle: Duration) {
    while events.recv().is_ok() {
        for _ in 0..EVENTS_MAX {
            match events.recv_timeout(settle) {
                Ok(()) => {}
                // When the watch ends, the last burst is still told; the next receive stops.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        match notices.try_send(Changed) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.watcher.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own thread already.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_burst_gives_one_notice() {
        let (raw, events) = channel();
        let (notices, changes) = sync_channel(1);
        for _ in 0..3 {
            raw.send(()).unwrap();
        }
        drop(raw);
        settle_bursts(&events, &notices, PATIENCE);
        drop(notices);
        assert_eq!(changes.iter().collect::<Vec<_>>(), [Changed]);
    }

    #[test]
    fn endless_events_still_give_a_notice() {
        let (raw, events) = channel();
        let (notices, changes) = sync_channel(1);
        for _ in 0..=EVENTS_MAX + 1 {
            raw.send(()).unwrap();
        }
        let worker = std::thread::spawn(move || settle_bursts(&events, &notices, PATIENCE));
        assert_eq!(changes.recv_timeout(PATIENCE), Ok(Changed));
        drop(raw);
        worker.join().unwrap();
    }

    #[test]
    fn only_changes_of_the_watched_files_count() {
        let names = BTreeSet::from([PathBuf::from("/a/openclaw.json")]);
        let of = |kind: EventKind, path: &str| concerns(&names, &Ok(Event::new(kind).add_path(PathBuf::from(path))));
        let change = EventKind::Modify(notify::event::ModifyKind::Any);
        assert!(of(change, "/a/openclaw.json"));
        assert!(!of(change, "/a/other.json"));
        assert!(!of(EventKind::Access(notify::event::AccessKind::Any), "/a/openclaw.json"));
        assert!(concerns(&names, &Err(notify::Error::generic("lost"))));
    }

    #[test]
    fn a_rewritten_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("openclaw.json");
        std::fs::write(&file, "{}").unwrap();
        let watch = watch(std::slice::from_ref(&file), Duration::from_millis(20)).unwrap();
        std::fs::write(&file, "{a:1}").unwrap();
        assert_eq!(watch.changes.recv_timeout(PATIENCE), Ok(Changed));
    }

    #[test]
    fn a_file_renamed_into_place_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("openclaw.json");
        let watch = watch(std::slice::from_ref(&file), Duration::from_millis(20)).unwrap();
        std::fs::write(dir.path().join("new"), "{}").unwrap();
        std::fs::rename(dir.path().join("new"), &file).unwrap();
        assert_eq!(watch.changes.recv_timeout(PATIENCE), Ok(Changed));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = watch(&[PathBuf::from("/no/such/folder/openclaw.json")], SETTLE).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }
}
