//! Signs of life on stderr while something takes long: nothing for 300 ms, then
//! one line with the verb and the time; after 10 s also what is waited for.
//! Away from a terminal, one line per 10 s.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::time::span;
use crate::cx::Cx;

const QUIET: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(10);

/// The line that shows work goes on. Whoever writes to the terminal meanwhile
/// clears it first, so that the two never share a line.
#[derive(Debug)]
pub(crate) struct Sign {
    /// Cells drawn, to be blanked.
    drawn: Cell<usize>,
    /// Whether the terminal's line belongs to somebody else.
    is_held: Cell<bool>,
    /// When something was last shown; a sign comes only after some quiet.
    shown_at: Cell<Instant>,
}

impl Sign {
    pub(crate) fn new() -> Self {
        Self { drawn: Cell::new(0), is_held: Cell::new(false), shown_at: Cell::new(Instant::now()) }
    }

    /// Blanks the sign, without an escape sequence.
    pub(crate) fn clear(&self, cx: &Cx<'_>) {
        let drawn = self.drawn.take();
        if drawn > 0 {
            cx.err(&format!("\r{}\r", " ".repeat(drawn)));
        }
        self.shown_at.set(Instant::now());
    }

    /// Says whether the terminal's line belongs to somebody else from now on.
    pub(crate) fn hold(&self, is_held: bool) {
        self.is_held.set(is_held);
    }

    fn draw(&self, cx: &Cx<'_>, line: &str) {
        if self.is_held.get() || self.shown_at.get().elapsed() < QUIET {
            return;
        }
        let pad = " ".repeat(self.drawn.get().saturating_sub(line.len()));
        cx.err(&format!("\r{line}{pad}"));
        self.drawn.set(line.len());
    }
}

/// Runs a future and shows that it is still at work. `verb` says what is done,
/// `awaited` what it waits for.
pub(crate) async fn during<T>(cx: &Cx<'_>, verb: &str, awaited: &str, work: impl Future<Output = T>) -> T {
    beside(cx, &Sign::new(), verb, awaited, work).await
}

/// As [`during`], beside work that itself writes to the terminal.
pub(crate) async fn beside<T>(cx: &Cx<'_>, sign: &Sign, verb: &str, awaited: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    if cx.flags.quiet || cx.flags.is_machine() {
        return work.await;
    }
    let began = Instant::now();
    let is_terminal = cx.terminal().err;
    let step = if is_terminal { QUIET } else { LONG };
    let mut ticks = tokio::time::interval_at(began + step, step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            result = &mut work => {
                sign.clear(cx);
                return result;
            }
            _ = ticks.tick() => {
                let line = line(verb, awaited, began.elapsed());
                if is_terminal {
                    sign.draw(cx, &line);
                } else if !sign.is_held.get() {
                    cx.err(&format!("{line}\n"));
                }
            }
        }
    }
}

fn line(verb: &str, awaited: &str, elapsed: Duration) -> String {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let shown = span(elapsed_ms);
    if elapsed > LONG { format!("~  {verb} {shown}, waiting for {awaited}") } else { format!("~  {verb} {shown}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::line;

    #[test]
    fn what_is_waited_for_is_named_after_ten_seconds() {
        assert_eq!(line("asking", "the model", Duration::from_millis(900)), "~  asking 900 ms");
        assert_eq!(line("asking", "the model", Duration::from_secs(10)), "~  asking 10 s");
        assert_eq!(line("asking", "the model", Duration::from_secs(12)), "~  asking 12 s, waiting for the model");
    }
}
