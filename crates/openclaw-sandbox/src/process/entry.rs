//! What is known of one program while it is listed.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_domain::ids::SessionKey;
use openclaw_domain::ports::{Clock, Command, Exit, ProcessError, ProcessInfo, Snapshot};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::ring::Ring;

/// How long a program may leave its input unread before typing into it fails.
const INPUT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a terminal takes for the end of input.
const END_OF_INPUT: &[u8] = b"\x04";

/// One program.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) owner: SessionKey,
    script: String,
    started_at: Duration,
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Async, because a write waits for the program to read; one writer at a time.
    terminal: tokio::sync::Mutex<Option<AsyncFd<OwnedFd>>>,
    /// Marks that `state` changed. A watch channel, so no waiter misses it.
    changed: watch::Sender<()>,
    /// Tells the supervisor to end the program.
    end: watch::Sender<Wish>,
}

/// What others want of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    GoOn,
    End,
    EndNow,
}

struct State {
    output: Ring,
    exit: Option<Exit>,
    ended_at: Option<Duration>,
}

impl Entry {
    /// Makes the entry of a program that has just started.
    pub(super) fn new(
        id: String,
        command: &Command,
        output_bytes_max: usize,
        terminal: Option<AsyncFd<OwnedFd>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            id,
            owner: command.owner.clone(),
            script: command.script.clone(),
            started_at: clock.monotonic(),
            clock,
            state: Mutex::new(State { output: Ring::new(output_bytes_max), exit: None, ended_at: None }),
            terminal: tokio::sync::Mutex::new(terminal),
            changed: watch::channel(()).0,
            end: watch::channel(Wish::GoOn).0,
        }
    }

    /// Asks the supervisor to end the program; harmless when it has ended.
    pub(super) fn end(&self) {
        self.end.send_if_modified(|wish| {
            let is_new = *wish == Wish::GoOn;
            if is_new {
                *wish = Wish::End;
            }
            is_new
        });
    }

    /// Asks the supervisor to kill the program without asking it first.
    pub(super) fn end_now(&self) {
        self.end.send_replace(Wish::EndNow);
    }

    /// Waits until somebody wants the program killed at once.
    pub(super) async fn told_to_die(&self) {
        // The sender lives as long as this entry.
        drop(self.end.subscribe().wait_for(|wish| *wish == Wish::EndNow).await);
    }

    /// Waits until somebody asked to end the program.
    pub(super) async fn asked_to_end(&self) {
        // The sender lives as long as this entry.
        drop(self.end.subscribe().wait_for(|wish| *wish != Wish::GoOn).await);
    }

    /// Closes the terminal of a program that has ended.
    pub(super) async fn disconnect(&self) {
        *self.terminal.lock().await = None;
    }

    /// Adds output.
    pub(super) fn push(&self, bytes: &[u8]) {
        self.state().output.push(bytes);
        self.changed.send_replace(());
    }

    /// Notes how the program ended. The first note stands.
    pub(super) fn note_exit(&self, exit: Exit) {
        let mut state = self.state();
        if state.exit.is_none() {
            state.exit = Some(exit);
            state.ended_at = Some(self.clock.monotonic());
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Returns when the program ended.
    pub(super) fn ended_at(&self) -> Option<Duration> {
        self.state().ended_at
    }

    /// Waits for the program's end.
    pub(super) async fn ended(&self) {
        let mut changed = self.changed.subscribe();
        while self.ended_at().is_none() {
            // The sender lives as long as this entry.
            let _ = changed.changed().await;
        }
    }

    /// Waits for output past `offset`, the end, or the time to pass.
    pub(super) async fn watch(&self, offset: u64, wait: Duration) -> Snapshot {
        let mut changed = self.changed.subscribe();
        let news = async {
            loop {
                let snapshot = self.snapshot(offset);
                if snapshot.exit.is_some() || snapshot.offset > offset {
                    return snapshot;
                }
                let _ = changed.changed().await;
            }
        };
        tokio::select! {
            biased;
            snapshot = news => snapshot,
            () = self.clock.sleep(wait) => self.snapshot(offset),
        }
    }

    /// Returns the program's state and its output since `offset`.
    pub(super) fn snapshot(&self, offset: u64) -> Snapshot {
        let state = self.state();
        let stretch = state.output.since(offset, state.exit.is_some());
        Snapshot {
            output: stretch.text,
            offset: stretch.offset,
            is_truncated: stretch.is_truncated,
            exit: state.exit,
            took: self.took(&state),
        }
    }

    /// Returns the row for a list.
    pub(super) fn info(&self) -> ProcessInfo {
        let state = self.state();
        ProcessInfo { id: self.id.clone(), script: self.script.clone(), exit: state.exit, took: self.took(&state) }
    }

    /// Types into the program's terminal.
    pub(super) async fn input(&self, bytes: &[u8], eof: bool) -> Result<(), ProcessError> {
        if self.ended_at().is_some() {
            return Err(ProcessError::Ended(self.id.clone()));
        }
        let terminal = self.terminal.lock().await;
        let Some(terminal) = terminal.as_ref() else {
            if self.ended_at().is_some() {
                return Err(ProcessError::Ended(self.id.clone()));
            }
            let message = format!("the input of {} is closed; start it with a terminal (pty) to type into it", self.id);
            return Err(ProcessError::Io(message));
        };
        let mut typed = bytes.to_vec();
        if eof {
            typed.extend(END_OF_INPUT);
            // Within a line the first one only sends the line.
            if bytes.last().is_some_and(|last| *last != b'\n') {
                typed.extend(END_OF_INPUT);
            }
        }
        let written = tokio::time::timeout(INPUT_TIMEOUT, write_all(terminal, &typed)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) if self.ended_at().is_some() => Err(ProcessError::Ended(self.id.clone())),
            Ok(Err(error)) => Err(ProcessError::Io(error.to_string())),
            Err(_) => Err(ProcessError::Io(format!("{} does not read its input", self.id))),
        }
    }

    fn took(&self, state: &State) -> Duration {
        state.ended_at.unwrap_or_else(|| self.clock.monotonic()).saturating_sub(self.started_at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_all(terminal: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = terminal.writable().await?;
        let written = ready.try_io(|terminal| Ok(rustix::io::write(terminal.get_ref(), bytes)?));
        // Not ready after all: wait again.
        if let Ok(written) = written {
            bytes = &bytes[written?..];
        }
    }
    Ok(())
}
