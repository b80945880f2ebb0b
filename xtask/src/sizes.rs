//! Budgets: lines per file and per crate, tests not counted.

use std::path::Path;

use crate::sources;

/// Longest production file.
const FILE_LINES_MAX: usize = 800;

/// Files that are one long table, each row of one shape; they count against no budget.
const TABLES: &[&str] = &["openclaw-llm/src/providers.rs", "openclaw-config/src/keys/", "openclaw-cli/src/text/"];

/// Most production lines per crate, in lines; other crates have no budget of their own.
const CRATES: &[(&str, usize)] = &[
    ("domain", 5_900),
    ("protocol", 8_000),
    ("config", 6_500),
    ("security", 7_000),
    ("sandbox", 7_000),
    ("store", 8_000),
    ("llm", 12_000),
    ("tools", 10_000),
    ("context", 8_000),
    ("agent", 10_500),
    ("gateway", 14_000),
    ("client", 3_000),
    ("cli", 16_000),
    ("app", 5_000),
];

/// Checks the budgets.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, folder) in sources::crates(root) {
        let mut total = 0;
        for source in sources::production(root, &folder) {
            let lines = source.text.lines().count();
            let is_table = TABLES.iter().any(|table| source.shown.contains(table));
            total += if is_table { 0 } else { lines };
            if lines > FILE_LINES_MAX && !is_table {
                findings
                    .push(format!("{}: {lines} lines, more than {FILE_LINES_MAX}: look for the seam", source.shown));
            }
        }
        let budget = CRATES.iter().find(|(own, _)| *own == name).map(|(_, budget)| *budget);
        if let Some(budget) = budget.filter(|budget| total > *budget) {
            findings.push(format!("openclaw-{name}: {total} lines, more than its budget of {budget}"));
        }
    }
    findings
}

/// Returns production lines per crate.
pub(crate) fn crates(root: &Path) -> Vec<(String, usize)> {
    let lines =
        |folder: &Path| sources::production(root, folder).iter().map(|source| source.text.lines().count()).sum();
    sources::crates(root).into_iter().map(|(name, folder)| (name, lines(&folder))).collect()
}
