//! Writes the answer from what the calls returned.
//!
//! Says what was done, shows it, and ends every failure with a next step. Text
//! that came from a tool is quoted, never acted upon.

pub(super) mod listing;
mod words;

use openclaw_domain::message::{ToolResult, ToolStatus};

use super::language::Language;
use super::plan::{Done, Report, State};
use super::request::{Request, TASKS_MAX};
use super::rules::Intent;
use super::target::Order;

/// Most lines of quoted text.
const LINES_MAX: usize = 60;
/// Most bytes of quoted text.
const BYTES_MAX: usize = 6_000;
/// Most rows of a list that is shown whole.
const ROWS_MAX: usize = 100;
/// Most bytes of a request repeated in an answer.
const ECHO_BYTES_MAX: usize = 200;

/// Says what will be done, before the first call of several.
pub(super) fn announce(request: &Request) -> String {
    let language = request.language;
    let doings: Vec<String> = request.tasks.iter().filter_map(|task| words::doing(language, &task.intent)).collect();
    if doings.len() < 2 {
        return String::new();
    }
    let rows: Vec<String> = doings.iter().enumerate().map(|(index, doing)| format!("{}. {doing}", index + 1)).collect();
    let head = language.pick("My plan:", "我的步骤：");
    format!("{head}\n{}\n", rows.join("\n"))
}

/// Tells whether a result says that the file is not there.
pub(super) fn says_missing(result: &ToolResult) -> bool {
    result.status == ToolStatus::Failed && result.text().contains("does not exist")
}

/// Writes the whole answer.
pub(super) fn compose(report: &Report<'_>) -> String {
    let language = report.language;
    let mut sections: Vec<String> = report.done.iter().map(|done| section(language, done, report)).collect();
    let left: Vec<String> = report.left.iter().filter_map(|task| words::doing(language, &task.intent)).collect();
    if !left.is_empty() {
        sections.push(words::not_begun(language, &left));
    }
    if !report.unknown.is_empty() {
        let clauses: Vec<&str> = report.unknown.iter().map(|clause| clip(clause, ECHO_BYTES_MAX)).collect();
        sections.push(words::not_understood(language, &clauses));
    }
    if report.done.len() == TASKS_MAX {
        sections.push(words::many(language, TASKS_MAX));
    }
    if sections.is_empty() {
        sections.push(words::help(language));
    }
    let has_introduced = report.done.iter().any(|done| done.results.is_empty()) || !report.unknown.is_empty();
    if report.is_first_answer && !has_introduced {
        sections.push(words::footer(language));
    }
    sections.join("\n\n")
}

fn section(language: Language, done: &Done<'_>, report: &Report<'_>) -> String {
    if let State::Cannot(why) = done.state {
        return words::cannot(language, why, done.path.as_deref());
    }
    let Some(result) = done.results.last() else { return small_talk(language, &done.task.intent) };
    if result.is_error() {
        return failure(language, done, result, report);
    }
    success(language, done, &result.text())
}

fn small_talk(language: Language, intent: &Intent) -> String {
    match intent {
        Intent::Greet => words::greeting(language),
        Intent::Introduce => words::introduction(language),
        Intent::Help | Intent::List { .. } | Intent::Read { .. } | Intent::Write { .. } | Intent::Append { .. } => {
            words::help(language)
        }
        Intent::Replace { .. } | Intent::Search { .. } | Intent::Run { .. } | Intent::Fetch { .. } => {
            words::help(language)
        }
        Intent::Remember { .. } | Intent::Recall { .. } => words::help(language),
    }
}

fn failure(language: Language, done: &Done<'_>, result: &ToolResult, report: &Report<'_>) -> String {
    let doing = words::doing(language, &done.task.intent).unwrap_or_default();
    let said = result.text();
    let neighbours = report.neighbours.filter(|_| says_missing(result));
    // What lies beside the file is a better hint than the tool's own.
    let said = if neighbours.is_some() { said.split(';').next().unwrap_or_default() } else { &said };
    let mut text = words::failed(language, &doing, result.status, clip(said.trim(), BYTES_MAX));
    if let Some(neighbours) = neighbours {
        let entries = listing::entries(&neighbours.text());
        let near = done.path.as_deref().and_then(|path| nearest(path, &entries));
        let names: Vec<&str> = entries.iter().take(20).map(|entry| entry.path.as_str()).collect();
        text.push(' ');
        text.push_str(&words::neighbours(language, near.as_deref(), &names));
    }
    text
}

/// Finds the entry whose name is most like the one that was asked for.
fn nearest(path: &str, entries: &[listing::Entry]) -> Option<String> {
    let name = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_lowercase();
    let wanted = name(path);
    let stem = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let distance = |entry: &listing::Entry| {
        let found = name(&entry.path);
        if stem(&found) == stem(&wanted) { 0 } else { edit_distance(&found, &wanted) }
    };
    let best = entries.iter().filter(|entry| !entry.is_folder).min_by_key(|entry| distance(entry))?;
    (distance(best) <= wanted.chars().count() / 3).then(|| best.path.clone())
}

/// Levenshtein distance, one row at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn success(language: Language, done: &Done<'_>, text: &str) -> String {
    match &done.task.intent {
        Intent::List { path, order, count } => listed(language, path.as_deref(), *order, *count, text),
        Intent::Read { .. } => {
            let (body, notice) = listing::without_notice(text);
            let head = words::read(language, done.path.as_deref().unwrap_or_default());
            let notice = notice.map(|notice| format!("\n({notice})")).unwrap_or_default();
            if body.trim().is_empty() {
                format!("{head}{notice}")
            } else {
                format!("{head}\n{}{notice}", quote(language, body))
            }
        }
        Intent::Write { .. } | Intent::Append { .. } | Intent::Replace { .. } => {
            words::changed(language, &done.task.intent, done.path.as_deref(), text.trim())
        }
        Intent::Search { pattern, .. } => {
            let hits = listing::hits(text);
            let head = words::searched(language, pattern, hits);
            if hits == 0 { head } else { format!("{head}\n{}", quote(language, text)) }
        }
        Intent::Run { command } => ran(language, command, text),
        Intent::Fetch { url } => format!("{}\n{}", words::fetched(language, url), quote(language, text)),
        Intent::Remember { text: fact } => words::remembered(language, fact),
        Intent::Recall { query } if listing::without_notice(text).0.trim().is_empty() => {
            words::nothing_recalled(language, query)
        }
        Intent::Recall { query } => format!("{}\n{}", words::recalled(language, query), quote(language, text)),
        Intent::Greet | Intent::Introduce | Intent::Help => words::help(language),
    }
}

fn listed(language: Language, path: Option<&str>, order: Order, count: Option<usize>, text: &str) -> String {
    let all = listing::entries(text);
    let total = all.len();
    let (folders, files) = (all.iter().filter(|entry| entry.is_folder).count(), total);
    let sorted = listing::sorted(all, order);
    let default = if order == Order::Listed { ROWS_MAX } else { 5 };
    let shown: Vec<_> = sorted.iter().take(count.unwrap_or(default)).collect();
    let rows = shown.iter().map(|entry| match entry.bytes {
        Some(bytes) => format!("- {} ({})", entry.path, size(bytes)),
        None => format!("- {}", entry.path),
    });
    let rows: Vec<String> = rows.collect();
    let head = words::listed(language, path, order, shown.len(), (files - folders, folders));
    if rows.is_empty() { head } else { format!("{head}\n{}", rows.join("\n")) }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = usize::try_from(bytes.ilog(1024)).unwrap_or(1).min(UNITS.len());
    let tenths = bytes.saturating_mul(10) >> (10 * exponent);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[exponent - 1])
}

fn ran(language: Language, command: &str, text: &str) -> String {
    let (output, end) = listing::without_notice(text);
    let head = words::ran(language, clip(command, ECHO_BYTES_MAX), end.unwrap_or_default());
    if output.trim().is_empty() { head } else { format!("{head}\n{}", quote(language, output)) }
}

/// Quotes text in a fence that the text itself cannot close.
fn quote(language: Language, text: &str) -> String {
    let text = text.trim_end();
    let clipped = clip(text, BYTES_MAX);
    let lines: Vec<&str> = clipped.lines().take(LINES_MAX).collect();
    let total = text.lines().count();
    let longest = text.split(|it| it != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let body = lines.join("\n");
    let more = total.saturating_sub(lines.len());
    let note = if more > 0 { words::more_lines(language, more) } else { String::new() };
    format!("{fence}\n{body}\n{fence}{note}")
}

fn clip(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_with_one_decimal() {
        assert_eq!((size(1023), size(1024), size(1536)), ("1023 B".into(), "1.0 KiB".into(), "1.5 KiB".into()));
        assert_eq!(size(u64::MAX).split(' ').next_back(), Some("TiB"));
    }

    #[test]
    fn a_quote_cannot_be_closed_by_what_it_quotes() {
        let quoted = quote(Language::English, "a\n````\nb");
        assert!(quoted.starts_with("`````\n") && quoted.ends_with("\n`````"));
    }

    #[test]
    fn a_long_quote_says_how_much_is_missing() {
        let exactly = "x\n".repeat(LINES_MAX);
        assert!(quote(Language::English, &exactly).ends_with("```"));
        let more = "x\n".repeat(LINES_MAX + 3);
        assert!(quote(Language::English, &more).ends_with("(3 more lines)"));
    }

    #[test]
    fn the_nearest_name_is_found_by_stem_or_by_spelling() {
        let entries = listing::entries("README.md  5 bytes\nsrc/\nCargo.toml  9 bytes\n");
        assert_eq!(nearest("readme.txt", &entries).as_deref(), Some("README.md"));
        assert_eq!(nearest("sub/Cargo.tml", &entries).as_deref(), Some("Cargo.toml"));
        assert_eq!(nearest("photo.png", &entries), None);
    }
}
