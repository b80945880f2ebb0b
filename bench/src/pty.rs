//! A terminal with the program in it, read by a thread of its own so that moments are exact.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use pty_process::Size;
use pty_process::blocking::{Pty, open};

/// Longest wait for a text.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Seen {
    text: String,
    is_closed: bool,
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

/// A terminal; the program in it is killed when this is dropped.
pub(crate) struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    seen: Shared,
    /// How much of the text was waited for.
    read: usize,
}

impl Terminal {
    /// Starts a command of the program in a home.
    pub(crate) fn start(program: &Path, arguments: &[&str], home: &Path) -> anyhow::Result<Terminal> {
        let (pty, pts) = open()?;
        pty.resize(Size::new(40, 100))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("NO_COLOR", "1").current_dir(home);
        let child = pty_process::blocking::Command::from(command).spawn(pts)?;
        let (pty, seen) = (Arc::new(pty), Shared::default());
        let (reading, its) = (Arc::clone(&pty), Arc::clone(&seen));
        // Ends when the program's end of the terminal closes.
        std::thread::spawn(move || read(&reading, &its));
        Ok(Terminal { child, pty, seen, read: 0 })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types.
    pub(crate) fn send(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.pty.as_ref().write_all(text.as_bytes())?)
    }

    /// Passes over what has come so far; tells whether a text is in it.
    pub(crate) fn skip(&mut self, text: &str) -> bool {
        let seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = seen.text[self.read..].contains(text);
        self.read = seen.text.len();
        is_there
    }

    /// Waits for a text after the last one that was waited for; returns what came until then.
    pub(crate) fn wait(&mut self, text: &str) -> anyhow::Result<String> {
        let (mutex, arrived) = &*self.seen;
        let began = Instant::now();
        let mut seen = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let rest = &seen.text[self.read..];
            if let Some(at) = rest.find(text) {
                let from = self.read;
                self.read += at + text.len();
                return Ok(seen.text[from..self.read].to_owned());
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            if seen.is_closed || left.is_zero() {
                bail!("waited for {text:?}; there was {rest:?}");
            }
            seen = arrived.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
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
        let mut seen = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        seen.text.push_str(&String::from_utf8_lossy(&open));
        seen.is_closed = count == 0;
        drop(seen);
        arrived.notify_all();
        if count == 0 {
            return;
        }
        open = rest;
    }
}
