//! Signs of life on stderr while something takes long: nothing for 300 ms, then
//! one line with the verb and the time; after 10 s also what is waited for.
//! Away from a terminal, one line per 10 s.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::time::span;
use crate::cx::Cx;

const QUIET: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(10);

/// Runs a future and shows that it is still at work. `verb` says what is done,
/// `awaited` what it waits for.
pub(crate) async fn during<T>(cx: &Cx<'_>, verb: &str, awaited: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    if cx.flags.quiet || cx.flags.is_machine() {
        return work.await;
    }
    let began = Instant::now();
    let is_terminal = cx.terminal().err;
    let (first, step) = if is_terminal { (QUIET, QUIET) } else { (LONG, LONG) };
    let mut ticks = tokio::time::interval_at(began + first, step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drawn = 0;
    loop {
        tokio::select! {
            result = &mut work => {
                erase(cx, drawn);
                return result;
            }
            _ = ticks.tick() => {
                let elapsed = began.elapsed();
                let line = line(verb, awaited, elapsed);
                if is_terminal {
                    let pad = " ".repeat(usize::saturating_sub(drawn, line.len()));
                    cx.err(&format!("\r{line}{pad}"));
                    drawn = line.len();
                } else {
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

/// Blanks the line without an escape sequence.
fn erase(cx: &Cx<'_>, drawn: usize) {
    if drawn > 0 {
        cx.err(&format!("\r{}\r", " ".repeat(drawn)));
    }
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
