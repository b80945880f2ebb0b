//! The terminal as the commands see it: three streams, and which of them a
//! person sits behind. Tests give buffers instead.

use std::io::{IsTerminal as _, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

/// Most bytes read from a pipe: a message, not a file transfer.
pub(crate) const INPUT_BYTES_MAX: u64 = 1024 * 1024;

/// Width of a stream that is not a terminal.
const WIDTH_DEFAULT: usize = 100;

/// Narrowest terminal drawn for.
pub(crate) const WIDTH_MIN: usize = 40;

/// The three streams.
pub struct Io {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    input: Arc<Mutex<Box<dyn Read + Send>>>,
    terminal: Terminal,
    /// Whether the input is the one of this process.
    is_process: bool,
    /// Whether nobody reads standard output any more.
    has_left: AtomicBool,
}

/// Which streams are terminals, and how wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Standard input is one.
    pub input: bool,
    /// Standard output is one.
    pub out: bool,
    /// Standard error is one.
    pub err: bool,
    /// Cells on a line.
    pub width: usize,
}

impl Terminal {
    /// Returns how wide lines on standard output may be: what a program reads is
    /// not broken.
    pub(crate) fn out_width(self) -> usize {
        if self.out { self.width.max(WIDTH_MIN) } else { usize::MAX }
    }

    /// Returns how wide lines on standard error may be.
    pub(crate) fn err_width(self) -> usize {
        if self.err { self.width.max(WIDTH_MIN) } else { usize::MAX }
    }

    /// No stream is a terminal.
    pub const NONE: Terminal = Terminal { input: false, out: false, err: false, width: WIDTH_DEFAULT };

    fn process() -> Self {
        let (input, out, err) =
            (std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let size = rustix::termios::tcgetwinsize(std::io::stdout())
            .or_else(|_| rustix::termios::tcgetwinsize(std::io::stderr()));
        let width = size.map_or(WIDTH_DEFAULT, |size| usize::from(size.ws_col));
        Self { input, out, err, width: if width == 0 { WIDTH_DEFAULT } else { width } }
    }
}

impl Io {
    /// The streams of this process.
    #[must_use]
    pub fn process() -> Self {
        Self {
            out: Mutex::new(Box::new(std::io::stdout())),
            err: Mutex::new(Box::new(std::io::stderr())),
            input: Arc::new(Mutex::new(Box::new(Unbuffered))),
            terminal: Terminal::process(),
            is_process: true,
            has_left: AtomicBool::new(false),
        }
    }

    /// Streams of a test or of a program that embeds the commands.
    pub fn given(
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
        input: impl Read + Send + 'static,
        terminal: Terminal,
    ) -> Self {
        Self {
            out: Mutex::new(Box::new(out)),
            err: Mutex::new(Box::new(err)),
            input: Arc::new(Mutex::new(Box::new(input))),
            terminal,
            is_process: false,
            has_left: AtomicBool::new(false),
        }
    }

    pub(crate) fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// Writes to standard output. A reader that left (a closed pipe) is not an
    /// error: the rest is simply not wanted.
    pub(crate) fn out(&self, text: &str) {
        if put(&self.out, text).is_err() {
            self.has_left.store(true, Ordering::Relaxed);
        }
    }

    /// Tells whether the reader of standard output has left; what goes on for
    /// ever ends then.
    pub(crate) fn has_reader_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Writes to standard error.
    pub(crate) fn err(&self, text: &str) {
        let _nobody_reads = put(&self.err, text);
    }

    /// Reads everything from standard input, up to [`INPUT_BYTES_MAX`].
    pub(crate) async fn read_all(&self) -> std::io::Result<String> {
        self.read(|input| {
            let mut bytes = Vec::new();
            input.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > INPUT_BYTES_MAX {
                let limit = format!("the input is larger than {INPUT_BYTES_MAX} bytes");
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, limit));
            }
            text(bytes)
        })
        .await
    }

    /// Reads one line, without its end; `None` at the end of input. May be dropped while
    /// nothing was typed at a terminal: no thread then waits for a line nobody wants.
    pub(crate) async fn read_line(&self) -> std::io::Result<Option<String>> {
        self.readable().await?;
        self.read(|input| {
            let mut bytes = Vec::new();
            let mut byte = [0];
            // One byte at a time: what follows belongs to the next question.
            while bytes.len() as u64 <= INPUT_BYTES_MAX {
                match input.read(&mut byte)? {
                    0 if bytes.is_empty() => return Ok(None),
                    0 => break,
                    _ if byte[0] == b'\n' => break,
                    _ => bytes.push(byte[0]),
                }
            }
            text(bytes).map(|line| Some(line.trim_end_matches('\r').to_owned()))
        })
        .await
    }

    /// Waits until there is a whole line at the terminal.
    async fn readable(&self) -> std::io::Result<()> {
        if !self.is_process || !self.terminal.input {
            return Ok(());
        }
        // Dropped with this future, which ends the thread.
        let (_here, gone) = UnixStream::pair()?;
        let waited = tokio::task::spawn_blocking(move || {
            let input = std::io::stdin();
            let mut either = [PollFd::new(&input, PollFlags::IN), PollFd::new(&gone, PollFlags::IN)];
            loop {
                match rustix::event::poll(&mut either, None) {
                    Err(rustix::io::Errno::INTR) => {}
                    result => return result.map(drop),
                }
            }
        });
        Ok(waited.await.map_err(std::io::Error::other)??)
    }

    /// Forgets what was typed before a question was there to be read.
    pub(crate) async fn forget_typed(&self, after: Duration) {
        if self.is_process && self.terminal.input {
            tokio::time::sleep(after).await;
            // A terminal that is gone has nothing to forget.
            let _gone = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
        }
    }

    /// Reads on a thread of its own: a terminal may keep us waiting for ever.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Read) -> std::io::Result<T> + Send + 'static,
    ) -> std::io::Result<T> {
        let input = Arc::clone(&self.input);
        let joined = tokio::task::spawn_blocking(move || {
            let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
            work(input.as_mut())
        });
        joined.await.map_err(std::io::Error::other)?
    }
}

impl Default for Io {
    fn default() -> Self {
        Self::process()
    }
}

/// Standard input without a buffer, so that what is not read yet can be waited for.
struct Unbuffered;

impl Read for Unbuffered {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match rustix::io::read(std::io::stdin(), &mut *bytes) {
                Err(rustix::io::Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

fn put(stream: &Mutex<Box<dyn Write + Send>>, text: &str) -> std::io::Result<()> {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

fn text(bytes: Vec<u8>) -> std::io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        std::io::Error::new(std::io::ErrorKind::InvalidData, format!("the input is not UTF-8 at byte {at}"))
    })
}

/// Turns off echo on the terminal until dropped, for keys and passwords.
pub(crate) struct Hidden {
    before: rustix::termios::Termios,
}

impl Hidden {
    /// `None` when standard input is not a terminal.
    pub(crate) fn begin() -> Option<Hidden> {
        let before = rustix::termios::tcgetattr(std::io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
        silent.local_modes.insert(rustix::termios::LocalModes::ECHONL);
        rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Flush, &silent).ok()?;
        Some(Hidden { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _terminal_gone =
            rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.before);
    }
}
