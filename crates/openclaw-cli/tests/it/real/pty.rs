//! A terminal with a program in it, and a person who reads and types.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Pty, open};

use super::PATIENCE;

/// What came from the program, and whether it has closed the terminal.
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
    pub(crate) fn start(command: Command, columns: u16, height: u16) -> Terminal {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(height, columns)).unwrap();
        // The terminal takes the place of all three streams.
        let mut wrapped = Command::new(command.get_program());
        wrapped.args(command.get_args()).env_clear();
        wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        wrapped.current_dir(command.get_current_dir().unwrap());
        let child = pty_process::blocking::Command::from(wrapped).spawn(pts).unwrap();
        let (pty, seen) = (Arc::new(pty), Shared::default());
        let (its, reading) = (Arc::clone(&seen), Arc::clone(&pty));
        // Ends when the program's end of the terminal closes.
        std::thread::spawn(move || read(&reading, &its));
        Terminal { child, pty, seen, read: 0 }
    }

    /// Types.
    pub(crate) fn send(&mut self, text: &str) {
        let mut pty = self.pty.as_ref();
        pty.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for a text after the last one that was waited for; returns what came until then.
    pub(crate) fn wait(&mut self, text: &str) -> String {
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

    /// Returns everything that came.
    pub(crate) fn all(&self) -> String {
        self.seen.0.lock().unwrap().text.clone()
    }

    /// Tells the program to end.
    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills the program with SIGKILL; returns everything that came.
    pub(crate) fn kill(mut self) -> String {
        self.signal(rustix::process::Signal::KILL);
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "{status}");
        self.all()
    }

    /// Waits for the end of the program.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
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
        arrived.notify_all();
        if count == 0 {
            return;
        }
        open = rest;
    }
}
