//! Planted bugs: shows that the checker sees what it is there to see.
//!
//! Each file of `planted/` is a patch with a known defect. It is applied to a
//! copy of the tree, the gateway is built from it, and a part of the matrix must
//! break one of the rules the file names. A checker that finds nothing wrong with
//! a planted bug is itself broken.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Serialize;

use crate::matrix::{self, Options};
use crate::world::Site;

/// Cases tried per bug before it counts as not found.
const CASES_MAX: usize = 90;

/// How a patch is applied. One line of context is enough: the tree goes on
/// changing around it.
const APPLY: [&str; 4] = ["apply", "-C1", "--recount", "--whitespace=nowarn"];

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The root of the tree.
    pub tree: PathBuf,
    /// Where the copy is made; kept between runs, so that little is built again.
    pub copy: PathBuf,
    /// Where it is built. Not the tree's own target folder: cargo takes packages of two
    /// copies of a tree for the same, and would use those with a bug.
    pub target: PathBuf,
    /// Where homes are made.
    pub folder: PathBuf,
}

/// A planted bug.
#[derive(Debug, Clone, Serialize)]
pub struct Bug {
    /// Its name.
    pub name: String,
    /// What it breaks, for people.
    pub says: String,
    /// Rules of which at least one must be broken; empty when none can be.
    pub finds: Vec<String>,
    /// Scenarios in which it shows.
    pub only: Vec<String>,
    #[serde(skip)]
    patch: PathBuf,
}

/// What became of a bug.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The bug.
    pub bug: Bug,
    /// Rules that were broken, with one example.
    pub broken: Vec<String>,
    /// One thing that was found.
    pub example: Option<String>,
    /// Cases that were run until then.
    pub cases: usize,
}

impl Found {
    /// Tells whether the checker did its work.
    pub fn is_right(&self) -> bool {
        if self.bug.finds.is_empty() {
            return self.broken.is_empty();
        }
        self.broken.iter().any(|rule| self.bug.finds.contains(rule))
    }
}

/// Reads the planted bugs of a tree, by name.
///
/// # Errors
/// When a patch has no heading.
pub fn read(tree: &Path) -> anyhow::Result<Vec<Bug>> {
    let folder = tree.join("crates/openclaw-chaos/planted");
    let mut bugs = Vec::new();
    for file in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let patch = file?.path();
        if patch.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let text = std::fs::read_to_string(&patch)?;
        let heading = |name: &str| -> anyhow::Result<String> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            Ok(line.with_context(|| format!("{} has no line {name}:", patch.display()))?.to_owned())
        };
        let words = |text: String| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let mut finds = words(heading("finds")?);
        finds.retain(|rule| rule != "nothing");
        let name = patch.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        bugs.push(Bug { name, says: heading("says")?, finds, only: words(heading("only")?), patch: patch.clone() });
    }
    bugs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(bugs)
}

/// Plants a bug, builds the gateway and looks for it.
///
/// # Errors
/// When the patch does not fit the tree any more, or the gateway cannot be built.
pub async fn look_for(places: &Places, bug: &Bug, seed: u64, told: impl Fn(&str)) -> anyhow::Result<Found> {
    refresh(&places.tree, &places.copy)?;
    run(Command::new("git").args(APPLY).arg(&bug.patch).current_dir(&places.copy))
        .with_context(|| format!("{} does not fit the tree any more; make the patch anew", bug.patch.display()))?;
    let binary = build(&places.copy, &places.target)?;
    let site = Site { binary, folder: places.folder.clone() };
    let stops_at = if bug.finds.is_empty() { None } else { Some(bug.finds.clone()) };
    let options = Options { only: bug.only.clone(), sample: Some(CASES_MAX), seed, jobs: 2, stops_at };
    let report = matrix::run(&site, &options, told).await?;
    let mut broken: Vec<String> =
        report.failures.iter().flat_map(|failure| &failure.violations).map(|it| it.rule.to_owned()).collect();
    broken.sort();
    broken.dedup();
    let example = report.failures.iter().find_map(|failure| {
        let fits = |rule: &str| bug.finds.iter().any(|it| it == rule);
        let found = failure.violations.iter().find(|it| fits(it.rule)).or_else(|| failure.violations.first())?;
        Some(format!("{} killed at {}: {}: {}", failure.scenario, failure.kills.join(" then "), found.rule, found.what))
    });
    for kept in report.failures.iter().filter_map(|failure| failure.kept.as_ref()) {
        std::fs::remove_dir_all(kept).ok();
    }
    Ok(Found { bug: bug.clone(), broken, example, cases: report.cases })
}

/// Builds the gateway of a tree with the feature `crash-points`; returns a copy of it.
fn build(tree: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let arguments = ["build", "--quiet", "-p", "openclaw-app", "--features", "crash-points", "--target-dir"];
    run(Command::new("cargo").args(arguments).arg(target).env("CARGO_INCREMENTAL", "0").current_dir(tree))?;
    let binary = tree.join("openclaw-planted");
    std::fs::copy(target.join("debug/openclaw"), &binary).context("cannot copy the gateway")?;
    Ok(binary)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{:?} failed: {errors}", command.get_program());
    Ok(())
}

/// Makes the copy the same as the tree, touching only what differs.
fn refresh(tree: &Path, copy: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(tree)
        .output()
        .context("cannot run git")?;
    anyhow::ensure!(listed.status.success(), "{} is not a git tree", tree.display());
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (tree.join(name), copy.join(name));
        let Ok(wanted) = std::fs::read(&from) else {
            std::fs::remove_file(&to).ok();
            continue;
        };
        if std::fs::read(&to).is_ok_and(|held| held == wanted) {
            continue;
        }
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&to, wanted).with_context(|| to.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{check, scenario};

    #[test]
    fn every_planted_bug_can_be_planted_in_the_code_as_it_is() {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for bug in read(&tree).unwrap() {
            let check = run(Command::new("git").args(APPLY).arg("--check").arg(&bug.patch).current_dir(&tree));
            assert!(check.is_ok(), "{}: {check:?}", bug.name);
        }
    }

    #[test]
    fn every_planted_bug_names_rules_and_scenarios_that_there_are() {
        let rules: BTreeSet<&str> = check::RULES.iter().map(|rule| rule.name).chain(["liveness", "database"]).collect();
        let bugs = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        assert!(bugs.len() >= 8);
        for bug in bugs {
            assert!(bug.finds.iter().all(|rule| rules.contains(rule.as_str())), "{}", bug.name);
            assert!(bug.only.iter().all(|name| scenario::by_name(name).is_some()), "{}", bug.name);
        }
    }
}
