//! Reads the text that the tools `list`, `read` and `search` return.

use openclaw_domain::message::ToolResult;

use crate::offline::target::Order;

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::offline) struct Entry {
    pub(in crate::offline) path: String,
    pub(in crate::offline) bytes: Option<u64>,
    pub(in crate::offline) is_folder: bool,
}

/// Reads the rows `path  123 bytes`, `folder/` and `path  link`; skips notices.
pub(in crate::offline) fn entries(text: &str) -> Vec<Entry> {
    let rows = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !is_notice(line));
    let entry = rows.map(|row| {
        let (path, rest) = row.rsplit_once("  ").unwrap_or((row, ""));
        let bytes = rest.trim().strip_suffix(" bytes").or_else(|| rest.trim().strip_suffix(" byte"));
        let is_folder = rest.is_empty() && path.ends_with('/');
        Entry { path: path.trim().to_owned(), bytes: bytes.and_then(|it| it.replace(',', "").parse().ok()), is_folder }
    });
    entry.collect()
}

/// Puts entries in order; for an order by size, files only.
pub(in crate::offline) fn sorted(mut entries: Vec<Entry>, order: Order) -> Vec<Entry> {
    match order {
        Order::Listed => {}
        Order::Largest => {
            entries.retain(|entry| entry.bytes.is_some());
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
        }
        Order::Smallest => {
            entries.retain(|entry| entry.bytes.is_some());
            entries.sort_by_key(|entry| entry.bytes);
        }
    }
    entries
}

/// Picks the first file of an order.
pub(in crate::offline) fn pick(text: &str, order: Order) -> Option<String> {
    sorted(entries(text), order).into_iter().find(|entry| !entry.is_folder).map(|entry| entry.path)
}

/// Returns the file of the first hit of a search: `path:12: text`, or a bare `path`.
pub(in crate::offline) fn first_hit(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !is_notice(line))?;
    let path = line.split(':').next()?.trim();
    (!path.is_empty() && !path.contains("  ")).then(|| path.to_owned())
}

/// Counts the hits of a search.
pub(in crate::offline) fn hits(text: &str) -> usize {
    let is_hit = |line: &&str| {
        let mut parts = line.splitn(3, ':');
        parts.next().is_some() && parts.next().is_some_and(|number| number.trim().parse::<u32>().is_ok())
    };
    text.lines().filter(is_hit).count()
}

/// A line in square brackets is the tool speaking, not the file.
fn is_notice(line: &str) -> bool {
    line.starts_with('[') && line.ends_with(']')
}

/// Splits off the notice that `read` puts on the last line.
pub(in crate::offline) fn without_notice(text: &str) -> (&str, Option<&str>) {
    let trimmed = text.trim_end_matches('\n');
    let (body, last) = trimmed.rsplit_once('\n').map_or(("", trimmed), |(body, last)| (body, last));
    if is_notice(last) { (body, Some(&last[1..last.len() - 1])) } else { (text, None) }
}

/// Returns a file's whole content out of a `read` result, when it is certain that it is whole.
///
/// A missing file is an empty one. Certain means that the byte count the tool
/// reports is the length of what it showed, up to the newline at the end that
/// showing by lines adds.
pub(in crate::offline) fn whole_file(read: &ToolResult) -> Option<String> {
    if read.is_error() {
        return Some(String::new());
    }
    let bytes = read.details.get("bytes")?.as_u64()?;
    let text = read.text();
    if bytes == 0 {
        return Some(String::new());
    }
    let added = text.strip_suffix('\n').filter(|shown| shown.len() as u64 == bytes);
    if text.len() as u64 == bytes { Some(text) } else { added.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::message::ToolStatus;
    use serde_json::json;

    use super::*;

    const LIST: &str =
        "a.txt  12 bytes\nbig file.bin  4096 bytes\nsrc/\nlink  link\n[there is more; list a subfolder]\n";

    #[test]
    fn rows_are_read_and_notices_are_not_files() {
        let paths: Vec<_> = entries(LIST).into_iter().map(|entry| (entry.path, entry.bytes, entry.is_folder)).collect();
        let expected = [
            ("a.txt", Some(12), false),
            ("big file.bin", Some(4096), false),
            ("src/", None, true),
            ("link", None, false),
        ];
        assert_eq!(paths, expected.map(|(path, bytes, folder)| (path.to_owned(), bytes, folder)));
        assert_eq!(pick(LIST, Order::Largest).as_deref(), Some("big file.bin"));
        assert_eq!(pick(LIST, Order::Smallest).as_deref(), Some("a.txt"));
        assert_eq!(pick("src/\n", Order::Listed), None);
    }

    #[test]
    fn hits_are_counted_and_the_first_one_names_its_file() {
        let text = "src/a.rs:3: // TODO\nsrc/b.rs:4: TODO: x\n[2 hits]";
        assert_eq!((hits(text), first_hit(text).as_deref()), (2, Some("src/a.rs")));
        assert_eq!(first_hit("[no hits]"), None);
    }

    fn read(text: &str, bytes: usize) -> ToolResult {
        ToolResult { details: json!({ "bytes": bytes }), ..ToolResult::notice(ToolStatus::Ok, text) }
    }

    #[test]
    fn a_file_counts_as_whole_only_when_its_length_proves_it() {
        assert_eq!(whole_file(&read("a\nb\n", 4)).as_deref(), Some("a\nb\n"));
        assert_eq!(whole_file(&read("a\nb\n", 3)).as_deref(), Some("a\nb"));
        assert_eq!(whole_file(&read("[the file is empty]", 0)).as_deref(), Some(""));
        assert_eq!(whole_file(&read("a\n[2 more lines, use offset 2]", 6)), None);
        assert_eq!(whole_file(&ToolResult::notice(ToolStatus::Ok, "a")), None);
        assert_eq!(whole_file(&ToolResult::notice(ToolStatus::Failed, "gone")).as_deref(), Some(""));
    }

    #[test]
    fn the_notice_of_read_is_told_from_the_file() {
        assert_eq!(without_notice("a\nb\n[1 more line]"), ("a\nb", Some("1 more line")));
        assert_eq!(without_notice("a\n"), ("a\n", None));
        assert_eq!(without_notice(""), ("", None));
    }
}
