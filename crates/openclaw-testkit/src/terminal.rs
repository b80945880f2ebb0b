//! A terminal with a program in it, and a person who reads and types.
//!
//! A thread of its own reads, so that the moment something appeared is exact.

#![expect(clippy::unwrap_used, reason = "whoever types at a terminal that does not work stops there")]

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Pty, open};

/// Longest wait for a text.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came from the program, and whether it has closed the terminal.
#[derive(Default)]
struct Seen {
    text: String,
    is_closed: bool,
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

/// A terminal; the program in it is killed when this is dropped.
///
/// Every method panics, with what had come until then, when the program or the
/// terminal does not do what was waited for.
pub struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    seen: Shared,
    /// How much of the text was waited for.
    read: usize,
}

impl Terminal {
    /// Starts a command at a terminal of a width and a height in characters.
    ///
    /// The terminal takes the place of all three streams. Of the environment
    /// the command has only what was set for it.
    ///
    /// # Panics
    ///
    /// When the command has no working directory of its own or does not start.
    #[must_use]
    pub fn start(command: &Command, columns: u16, height: u16) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(height, columns)).unwrap();
        let mut wrapped = Command::new(command.get_program());
        wrapped.args(command.get_args()).env_clear();
        wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        wrapped.current_dir(command.get_current_dir().unwrap());
        let child = pty_process::blocking::Command::from(wrapped).spawn(pts).unwrap();
        let (pty, seen) = (Arc::new(pty), Shared::default());
        let (its, reading) = (Arc::clone(&seen), Arc::clone(&pty));
        // Ends when the program's end of the terminal closes.
        std::thread::spawn(move || read(&reading, &its));
        Self { child, pty, seen, read: 0 }
    }

    /// Returns the id of the program's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types.
    ///
    /// # Panics
    ///
    /// When the terminal is closed.
    pub fn send(&self, text: &str) {
        self.pty.as_ref().write_all(text.as_bytes()).unwrap();
    }

    /// Waits for a text after the last one that was waited for; returns what came until then.
    ///
    /// # Panics
    ///
    /// When it does not come within a minute, or the program ends first.
    pub fn wait(&mut self, text: &str) -> String {
        let (mutex, arrived) = &*self.seen;
        let began = Instant::now();
        let mut seen = mutex.lock().unwrap();
        loop {
            if let Some(at) = seen.text[self.read..].find(text) {
                let from = self.read;
                self.read += at + text.len();
                return seen.text[from..self.read].to_owned();
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            if seen.is_closed || left == Duration::ZERO {
                let rest = seen.text[self.read..].to_owned();
                drop(seen);
                panic!("waited for {text:?}; there was {rest:?}");
            }
            seen = arrived.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Passes over what has come so far; tells whether a text is in it.
    ///
    /// # Panics
    ///
    /// When what came is not UTF-8.
    pub fn skip(&mut self, text: &str) -> bool {
        let seen = self.seen.0.lock().unwrap();
        let is_there = seen.text[self.read..].contains(text);
        self.read = seen.text.len();
        is_there
    }

    /// Returns everything that came.
    ///
    /// # Panics
    ///
    /// When what came is not UTF-8.
    #[must_use]
    pub fn all(&self) -> String {
        self.seen.0.lock().unwrap().text.clone()
    }

    /// Tells the program to end.
    ///
    /// # Panics
    ///
    /// When it is gone already.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills the program with SIGKILL; returns everything that came.
    ///
    /// # Panics
    ///
    /// When it had ended by itself.
    pub fn kill(mut self) -> String {
        self.signal(rustix::process::Signal::KILL);
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "{status}");
        self.all()
    }

    /// Waits for the end of the program; returns how it ended and everything that came.
    ///
    /// # Panics
    ///
    /// When it does not end within a minute.
    pub fn end(mut self) -> (ExitStatus, String) {
        let (mutex, arrived) = &*self.seen;
        let seen = mutex.lock().unwrap();
        let (seen, waited) = arrived.wait_timeout_while(seen, PATIENCE, |seen| !seen.is_closed).unwrap();
        assert!(!waited.timed_out(), "waited for the end; there was {:?}", &seen.text[self.read..]);
        let text = seen.text.clone();
        drop(seen);
        (self.child.wait().unwrap(), text)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Already gone is fine.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn read(pty: &Pty, seen: &Shared) {
    let (mutex, arrived) = &**seen;
    let (mut pty, mut open, mut bytes) = (pty, Vec::new(), [0; 16 * 1024]);
    loop {
        let count = pty.read(&mut bytes).unwrap_or(0);
        open.extend_from_slice(&bytes[..count]);
        // A character may be cut in two by the read.
        let whole = std::str::from_utf8(&open).map_or_else(|error| error.valid_up_to(), str::len);
        let rest = open.split_off(whole);
        let mut seen = mutex.lock().unwrap();
        seen.text.push_str(std::str::from_utf8(&open).unwrap());
        seen.is_closed = count == 0;
        drop(seen);
        arrived.notify_all();
        if count == 0 {
            return;
        }
        open = rest;
    }
}
