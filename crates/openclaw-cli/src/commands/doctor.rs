//! `doctor`: looks for what is wrong, worst first, one line each, and mends what
//! can be mended safely. Exit 8 when something is broken.

mod checks;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, time};
use crate::text;

pub(crate) use checks::check;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Mend what can be mended without losing anything
    #[arg(long)]
    fix: bool,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Something does not work, or is dangerous.
    Broken,
    /// Something wants a look.
    Warning,
}

/// A safe repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fix {
    /// Take permissions from others.
    Mode(PathBuf, u32),
    /// Make a folder.
    MakeFolder(PathBuf),
    /// Remove a socket nobody listens on.
    RemoveSocket(PathBuf),
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Stable name, `D014`.
    pub(crate) id: &'static str,
    pub(crate) severity: Severity,
    pub(crate) what: String,
    /// File with line, address, or what else says where.
    pub(crate) place: String,
    pub(crate) fix: Option<Fix>,
    /// The command that helps, when we cannot mend it.
    pub(crate) next: String,
}

/// What a check found, and how much it looked at.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    /// Groups without a problem, as "config 118 settings".
    pub(crate) healthy: Vec<String>,
    pub(crate) checks: usize,
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let began = Instant::now();
    let mut findings = check(cx, false).await;
    let mut fixed = Vec::new();
    if arguments.fix {
        for problem in &findings.problems {
            if let Some(fix) = &problem.fix {
                mend(fix)?;
                fixed.push(format!("{} {}", problem.id, problem.what));
            }
        }
        findings = check(cx, false).await;
    }
    let took = time::span(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    Ok(report(cx, &findings, &fixed, &took))
}

fn report(cx: &Cx<'_>, findings: &Findings, fixed: &[String], took: &str) -> Report {
    let mut report = Report::of(data(findings, fixed));
    for what in fixed {
        report = report.line(Line::marked(Tone::Done, "ok", cx.say(&text::DOCTOR_FIXED, &[("what", what)])));
    }
    let columns = vec![
        Column::id(""),
        Column::id("id"),
        Column::text("what", 3),
        Column::text("where", 2),
        Column::text("fix", 4),
    ];
    let mut table = Table::new(columns);
    for problem in &findings.problems {
        let (tone, mark) = mark(problem.severity);
        let fix = if problem.fix.is_some() { "--fix".to_owned() } else { problem.next.clone() };
        table.row([
            (tone, mark.to_owned()),
            (Tone::Plain, problem.id.to_owned()),
            (Tone::Plain, problem.what.clone()),
            (Tone::Dim, problem.place.clone()),
            (Tone::Plain, fix),
        ]);
    }
    if !findings.problems.is_empty() {
        report = report.table(table);
    }
    let counts = cx.say(&text::DOCTOR_CHECKS, &[("count", &findings.checks.to_string()), ("span", took)]);
    let healthy = findings.healthy.join(" - ");
    report = report.line(Line::marked(Tone::Done, "ok", format!("{healthy}    ({counts})")));
    let fixable = findings.problems.iter().filter(|problem| problem.fix.is_some()).count();
    if fixable > 0 {
        report.next.push("openclaw doctor --fix".to_owned());
    } else if let Some(worst) = findings.problems.first() {
        report.next.push(worst.next.clone());
    }
    if findings.problems.iter().any(|problem| problem.severity == Severity::Broken) {
        report.exit = Some(Exit::Problems);
    }
    report
}

/// Looks, mends nothing, and returns what `--json` prints.
pub(crate) async fn findings(cx: &Cx<'_>) -> Value {
    data(&check(cx, false).await, &[])
}

fn data(findings: &Findings, fixed: &[String]) -> Value {
    json!({
        "problems": findings.problems.iter().map(value).collect::<Vec<_>>(),
        "healthy": findings.healthy, "checks": findings.checks, "fixed": fixed,
    })
}

fn mark(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::Broken => (Tone::Failed, "x"),
        Severity::Warning => (Tone::Waits, "!"),
    }
}

fn value(problem: &Problem) -> Value {
    json!({
        "id": problem.id, "what": problem.what, "where": problem.place, "next": problem.next,
        "severity": match problem.severity { Severity::Broken => "error", Severity::Warning => "warning" },
        "fixable": problem.fix.is_some(),
    })
}

fn mend(fix: &Fix) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    match fix {
        Fix::Mode(path, mode) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode))
            .map_err(|error| Failure::file("change the mode of", path, &error)),
        Fix::MakeFolder(path) => std::fs::create_dir_all(path).map_err(|error| Failure::file("make", path, &error)),
        Fix::RemoveSocket(path) => std::fs::remove_file(path).map_err(|error| Failure::file("remove", path, &error)),
    }
}
