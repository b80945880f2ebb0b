//! The task that stays with a program from its start to its end.
//!
//! It reads the output, waits for the end, for the time limit and for the wish to
//! end it, and clears away what the script started. The program is reaped last:
//! until then its id cannot be given to another, so signals cannot go astray.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ports::Exit;
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::entry::Entry;
use crate::os::family::{Family, Urge};
use crate::os::spawn::Started;

/// How long a program may take to end when asked to.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// How long what a script started may go on after it, to finish writing.
const LEFTOVER_GRACE: Duration = Duration::from_millis(250);

/// How long the last output may take to arrive once nothing runs any more.
const DRAIN_GRACE: Duration = Duration::from_millis(250);

/// How often it is looked whether what was asked to end has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// Bytes read from the output at once.
const READ_BYTES: usize = 64 * 1024;

/// A program and what its supervisor needs.
pub(super) struct Running {
    entry: Arc<Entry>,
    started: Started,
    output: Output,
    timeout: Duration,
}

/// Why the waiting was over.
enum Cause {
    Exited,
    Asked,
    TimedOut,
}

impl Running {
    /// Prepares to watch a program.
    pub(super) fn new(entry: Arc<Entry>, started: Started, output: AsyncFd<OwnedFd>, timeout: Duration) -> Self {
        let output = Output::new(output, Arc::clone(&entry));
        Self { entry, started, output, timeout }
    }

    /// Stays with the program to its end.
    pub(super) async fn supervise(mut self) {
        let cause = self.wait().await;
        match cause {
            Cause::Exited => self.clear_leftovers_or_die().await,
            Cause::Asked | Cause::TimedOut => self.end_all().await,
        }
        self.drain().await;
        let exit = match (cause, self.started.reap()) {
            (Cause::TimedOut, _) => Exit::TimedOut,
            (Cause::Exited | Cause::Asked, Ok(Some(status))) => exit_of(status),
            (Cause::Exited | Cause::Asked, missing) => {
                tracing::warn!(?missing, id = self.entry.id, "how a program ended could not be read");
                Exit::Signal(rustix::process::Signal::KILL.as_raw())
            }
        };
        self.entry.note_exit(exit);
        self.entry.disconnect().await;
    }

    async fn wait(&mut self) -> Cause {
        let (entry, timeout) = (Arc::clone(&self.entry), self.timeout);
        let exited = self.started.exited();
        let over = async {
            tokio::select! {
                biased;
                () = exited => Cause::Exited,
                () = entry.asked_to_end() => Cause::Asked,
                () = entry.clock.sleep(timeout) => Cause::TimedOut,
            }
        };
        self.output.during(over).await
    }

    async fn clear_leftovers_or_die(&mut self) {
        let entry = Arc::clone(&self.entry);
        let is_impatient = tokio::select! {
            biased;
            () = entry.told_to_die() => true,
            () = self.clear_leftovers() => false,
        };
        if is_impatient {
            self.urge(Urge::Now).await;
        }
    }

    /// Ends what a finished script left running, and says so in the output.
    async fn clear_leftovers(&mut self) {
        if self.is_gone_within(LEFTOVER_GRACE).await {
            return;
        }
        let left = self.count().await;
        if left == 0 {
            return;
        }
        self.end_all().await;
        let (count, it) =
            if left == 1 { ("1 process".to_owned(), "it") } else { (format!("{left} processes"), "them") };
        let note = format!(
            "\n[the script left {count} running, which ended with it; run {it} in the background to keep {it}]\n"
        );
        self.entry.push(note.as_bytes());
    }

    /// Asks first, unless somebody wants it gone at once or loses patience.
    async fn end_all(&mut self) {
        let entry = Arc::clone(&self.entry);
        let is_gone = tokio::select! {
            biased;
            () = entry.told_to_die() => false,
            is_gone = self.ask_all_to_end() => is_gone,
        };
        if !is_gone {
            self.urge(Urge::Now).await;
        }
    }

    async fn ask_all_to_end(&mut self) -> bool {
        self.urge(Urge::Please).await;
        self.is_gone_within(TERM_GRACE).await
    }

    /// Waits for the program and all it started to be gone.
    async fn is_gone_within(&mut self, limit: Duration) -> bool {
        let looks = limit.as_millis() / LOOK_INTERVAL.as_millis();
        for _ in 0..looks {
            if self.count().await == 0 {
                return true;
            }
            let entry = Arc::clone(&self.entry);
            self.output.during(entry.clock.sleep(LOOK_INTERVAL)).await;
        }
        false
    }

    async fn count(&mut self) -> usize {
        self.ask(|family| family.count()).await.unwrap_or(0)
    }

    async fn urge(&mut self, urge: Urge) {
        // Only fails when the runtime stops; then dropping `started` ends the program.
        let _ = self.ask(move |family| family.signal(urge)).await;
    }

    async fn ask<T: Send + 'static>(&mut self, work: impl FnOnce(&Family) -> T + Send + 'static) -> Option<T> {
        let family = self.started.family();
        let asked = tokio::task::spawn_blocking(move || work(&family));
        self.output.during(asked).await.ok()
    }

    /// Reads what was written before the end.
    async fn drain(&mut self) {
        let entry = Arc::clone(&self.entry);
        tokio::select! {
            biased;
            () = self.output.read_to_end() => {}
            () = entry.clock.sleep(DRAIN_GRACE) => {}
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}

/// The reading end of a program's output.
struct Output {
    source: AsyncFd<OwnedFd>,
    entry: Arc<Entry>,
    is_open: bool,
    buffer: Box<[u8]>,
}

impl Output {
    fn new(source: AsyncFd<OwnedFd>, entry: Arc<Entry>) -> Self {
        Self { source, entry, is_open: true, buffer: vec![0; READ_BYTES].into_boxed_slice() }
    }

    /// Reads output until `work` is done.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.read(), if self.is_open => {}
            }
        }
    }

    async fn read_to_end(&mut self) {
        while self.is_open {
            self.read().await;
        }
    }

    /// Reads once. May be dropped: nothing is lost, a read happens without waiting.
    async fn read(&mut self) {
        let Ok(mut ready) = self.source.readable().await else {
            self.is_open = false;
            return;
        };
        let buffer = &mut self.buffer;
        let read = ready.try_io(|source| Ok(rustix::io::read(source.get_ref(), &mut buffer[..])?));
        match read {
            Ok(Ok(0)) => self.is_open = false,
            Ok(Ok(bytes)) => self.entry.push(&self.buffer[..bytes]),
            Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
            // A terminal whose other end is closed says EIO.
            Ok(Err(_)) => self.is_open = false,
            Err(_not_ready) => {}
        }
    }
}
