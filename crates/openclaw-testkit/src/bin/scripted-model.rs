//! The scripted model server as a program, for benches and for trying things out.
//!
//! `scripted-model --port N [--deltas 20] [--pause-ms 0] [--lenient]`: answers on
//! 127.0.0.1:N in five wire formats. It refuses what the real services refuse;
//! `--lenient` makes it accept anything it can read.

use std::process::ExitCode;
use std::time::Duration;

use openclaw_testkit::server::{Lint, Script, Server};

const USAGE: &str = "usage: scripted-model --port N [--deltas 20] [--pause-ms 0] [--lenient]";

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Options {
    port: u16,
    deltas: usize,
    pause_ms: u64,
    is_strict: bool,
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}; {USAGE}")]
    Usage(String),
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen { port: u16, source: std::io::Error },
}

#[expect(clippy::print_stderr, reason = "a program without a log")]
fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scripted-model: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: impl Iterator<Item = String>) -> Result<(), Error> {
    let options = parse(args)?;
    let listen = |source| Error::Listen { port: options.port, source };
    // One thread: on a small machine a bench wants the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(listen)?;
    runtime.block_on(serve(options)).map_err(listen)
}

#[expect(clippy::print_stdout, reason = "whoever started it waits for this line")]
async fn serve(options: Options) -> std::io::Result<()> {
    let lint = if options.is_strict { Lint::strict() } else { Lint::off() };
    let script = Script::words(options.deltas, Duration::from_millis(options.pause_ms)).lint(lint);
    let server = Server::start_bare(options.port, script).await?;
    println!("{}", server.url());
    server.forever().await;
    Ok(())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, Error> {
    let mut options = Options { port: 0, deltas: 20, pause_ms: 0, is_strict: true };
    while let Some(flag) = args.next() {
        let mut value = || {
            let text = args.next().ok_or_else(|| Error::Usage(format!("{flag} needs a number")))?;
            text.parse::<u64>().map_err(|_| Error::Usage(format!("{flag} needs a number, not {text:?}")))
        };
        let too_large = |_| Error::Usage(format!("the number of {flag} is too large"));
        match flag.as_str() {
            "--port" => options.port = value()?.try_into().map_err(too_large)?,
            "--deltas" => options.deltas = value()?.try_into().map_err(too_large)?,
            "--pause-ms" => options.pause_ms = value()?,
            "--lenient" => options.is_strict = false,
            _ => return Err(Error::Usage(format!("unknown argument {flag:?}"))),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(args: &[&str]) -> Result<Options, Error> {
        parse(args.iter().map(|it| (*it).to_owned()))
    }

    #[test]
    fn arguments_are_read_and_bad_ones_are_named() {
        let options = parse_all(&["--port", "9", "--deltas", "3", "--pause-ms", "4", "--lenient"]).unwrap();
        assert_eq!(options, Options { port: 9, deltas: 3, pause_ms: 4, is_strict: false });
        for (args, named) in [(&["--port"][..], "--port"), (&["--port", "70000"], "--port"), (&["--nope"], "--nope")] {
            assert!(parse_all(args).unwrap_err().to_string().contains(named));
        }
    }
}
