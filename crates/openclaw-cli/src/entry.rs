//! From the process's arguments to its exit code. Builds a runtime only for
//! commands that need one, so that `--version`, help and errors answer at once.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches as _;
use jiff::Timestamp;
use openclaw_config::{Env, Home};

use crate::backend::Backend;
use crate::cli::{Cli, tree, usage};
use crate::commands::{Command, Needs};
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::io::Io;
use crate::out::colour::Wish;
use crate::out::table::Style;
use crate::out::{Block, Line, Paint, Report, Tone, json, time};
use crate::text::{self, Lang};

/// How long a leftover read of the terminal may keep the process.
const LEFTOVER: Duration = Duration::from_millis(50);

/// What a process is started with.
pub struct Invocation {
    /// The arguments, the program's name first.
    pub arguments: Vec<OsString>,
    /// The environment.
    pub env: Env,
    /// The streams.
    pub io: Io,
    /// The wall clock.
    pub now: fn() -> Timestamp,
}

impl Invocation {
    /// Takes everything from this process.
    #[must_use]
    pub fn process() -> Self {
        Self { arguments: std::env::args_os().collect(), env: Env::process(), io: Io::process(), now: Timestamp::now }
    }
}

/// Runs the program: parses, dispatches, prints, and returns the exit code.
pub fn main(backend: impl Backend) -> ExitCode {
    ExitCode::from(run(&Invocation::process(), &backend).code())
}

/// Runs one invocation.
pub fn run(invocation: &Invocation, backend: &dyn Backend) -> Exit {
    let Invocation { arguments, env, io, now } = invocation;
    if let Some(shell) = env.get(crate::complete::VARIABLE) {
        crate::complete::answer(shell, arguments, env, io);
        return Exit::Done;
    }
    let lang = Lang::choose(usage::guess_flags(arguments).lang.as_deref(), env);
    let cli = match parse(arguments, lang) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, arguments, env, io, *now),
    };
    let home = match Home::locate(env, cli.flags.profile_name().as_deref()) {
        Ok(home) => home,
        Err(error) => {
            let failure = Failure::usage(format!("cannot {error}")).next("openclaw --help");
            return tell_failure(&failure, &cli.flags, env, io, *now);
        }
    };
    let cx = Cx::new(backend, io, cli.flags, env.clone(), home, *now);
    let command = cli.command.unwrap_or_else(|| Command::bare(&cx));
    let result = perform(&cx, command);
    deliver(&cx, result)
}

fn parse(arguments: &[OsString], lang: Lang) -> Result<Cli, clap::Error> {
    let matches = tree(lang).try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

fn perform(cx: &Cx<'_>, command: Command) -> Result<Report, Failure> {
    let mut builder = match command.needs() {
        Needs::Nothing | Needs::Connection => tokio::runtime::Builder::new_current_thread(),
        Needs::Engine => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|error| {
        Failure::new(Exit::Failed, "RUNTIME", format!("cannot start: {error}")).next("openclaw doctor")
    })?;
    // Boxed: the state of the largest command would otherwise sit on the stack.
    let result = runtime.block_on(Box::pin(command.run(cx)));
    runtime.shutdown_timeout(LEFTOVER);
    result
}

/// Words what the argument parser refused, or prints the help it was asked for.
fn refuse(error: &clap::Error, arguments: &[OsString], env: &Env, io: &Io, now: fn() -> Timestamp) -> Exit {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let paint = wish(&Flags { color: "auto".to_owned(), ..Flags::default() }, env, io.terminal().out);
        let rendered = error.render();
        io.out(&if paint.is_on { rendered.ansi().to_string() } else { rendered.to_string() });
        return Exit::Done;
    }
    let flags = usage::guess_flags(arguments);
    let lang = Lang::choose(flags.lang.as_deref(), env);
    let failure = usage::failure(error, arguments, lang);
    tell_failure(&failure, &flags, env, io, now)
}

fn deliver(cx: &Cx<'_>, result: Result<Report, Failure>) -> Exit {
    let result = result.and_then(|report| check_columns(cx, report));
    match result {
        Ok(report) => {
            if !report.is_told {
                tell(cx, &report);
            }
            report.exit.unwrap_or(Exit::Done)
        }
        Err(failure) => tell_failure(&failure, &cx.flags, &cx.env, cx.io, cx.now),
    }
}

/// A mistyped `--columns` is an error, not an empty table.
fn check_columns(cx: &Cx<'_>, report: Report) -> Result<Report, Failure> {
    for block in &report.blocks {
        let Block::Table(table) = block else { continue };
        let unknown = cx.flags.columns.iter().find(|name| !table.titles().any(|title| title == name.as_str()));
        if let Some(name) = unknown {
            let all = table.titles().collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(cx.say(&text::UNKNOWN_COLUMN, &[("name", name), ("all", &all)]))
                .next(format!("openclaw --help --columns {}", table.titles().next().unwrap_or_default())));
        }
    }
    Ok(report)
}

fn tell(cx: &Cx<'_>, report: &Report) {
    if cx.flags.json {
        let document = json::success(report, &time::iso((cx.now)()));
        cx.out(&(pretty(&document) + "\n"));
        return;
    }
    if cx.flags.jsonl {
        for item in json::lines(report) {
            cx.out(&format!("{item}\n"));
        }
        return;
    }
    let (paint, width) = (cx.paint(), cx.terminal().out_width());
    let fitted = (!cx.flags.wide && cx.terminal().out).then_some(width);
    for block in &report.blocks {
        match block {
            Block::Line(line) => cx.out(&(line.draw(paint, width) + "\n")),
            Block::Table(table) => cx.out(&table.draw(Style {
                paint,
                width: fitted,
                is_plain: cx.flags.plain,
                columns: &cx.flags.columns,
            })),
            Block::Raw(text) => cx.out(text),
        }
    }
    for warning in &report.warnings {
        cx.note(&Line::marked(Tone::Waits, "!", warning));
    }
    for next in &report.next {
        let label = format!("{}  ", cx.say(&text::NEXT, &[]));
        cx.note(&Line::new().tone(Tone::Dim, label).tone(Tone::Strong, next));
    }
}

fn tell_failure(failure: &Failure, flags: &Flags, env: &Env, io: &Io, now: fn() -> Timestamp) -> Exit {
    if flags.is_machine() {
        let document = json::failure(failure, &time::iso(now()));
        let text = if flags.json { pretty(&document) } else { document.to_string() };
        io.out(&(text + "\n"));
    } else {
        let terminal = io.terminal();
        io.err(&crate::out::failure::draw(failure, wish(flags, env, terminal.err), terminal.err_width()));
    }
    failure.exit
}

fn wish(flags: &Flags, env: &Env, is_terminal: bool) -> Paint {
    let flag = if flags.color.is_empty() { "auto" } else { flags.color.as_str() };
    let (no_color, term) = (env.raw("NO_COLOR"), env.get("TERM"));
    Wish { flag, is_refused: flags.no_color, no_color, term, is_terminal }.decide()
}

fn pretty(document: &serde_json::Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|_| document.to_string())
}
