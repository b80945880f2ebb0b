//! What a request names: files, orders, counts, quoted text.
//!
//! Refuses to read a path into free prose: "show me the way" names no file.

/// Most bytes of a path taken from a request.
const PATH_BYTES_MAX: usize = 1_024;
/// Most files read by one request.
const PATHS_MAX: usize = 8;

/// File names without a dot that people write bare.
const BARE_NAMES: [&str; 9] =
    ["readme", "license", "makefile", "dockerfile", "changelog", "contributing", "notes", "todo", "justfile"];

/// Words that point back to what was named before.
const POINTERS: [&str; 19] = [
    "it",
    "that",
    "this",
    "file",
    "that file",
    "this file",
    "the file",
    "them",
    "the result",
    "它",
    "这个",
    "那个",
    "这个文件",
    "那个文件",
    "该文件",
    "此文件",
    "其",
    "它的内容",
    "文件",
];

/// A file as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// By its path.
    Named(String),
    /// "it": the file named last.
    Earlier,
    /// "the largest one": picked from the result before.
    Pick(Order),
}

/// An order of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As listed.
    Listed,
    /// Largest first.
    Largest,
    /// Smallest first.
    Smallest,
}

impl Order {
    /// Reads an order out of words such as `largest` or `最大`.
    pub(super) fn of(words: &str) -> Self {
        let words = words.to_lowercase();
        let has = |any: &[&str]| any.iter().any(|word| words.contains(word));
        if has(&["largest", "biggest", "最大"]) {
            Order::Largest
        } else if has(&["smallest", "最小"]) {
            Order::Smallest
        } else {
            Order::Listed
        }
    }
}

/// Reads a number written in digits or in words, up to twenty.
pub(super) fn count(word: &str) -> Option<usize> {
    const ENGLISH: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    const CHINESE: [&str; 10] = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];
    let word = word.trim().to_lowercase();
    if word == "两" {
        return Some(2);
    }
    let position = |table: &[&str]| table.iter().position(|name| *name == word).map(|index| index + 1);
    let number = word.parse().ok().or_else(|| position(&ENGLISH)).or_else(|| position(&CHINESE))?;
    (1..=20).contains(&number).then_some(number)
}

/// Takes quotes, code marks and fences off a text.
pub(super) fn unquote(text: &str) -> &str {
    const PAIRS: [(&str, &str); 8] =
        [("```", "```"), ("`", "`"), ("\"", "\""), ("'", "'"), ("“", "”"), ("‘", "’"), ("「", "」"), ("《", "》")];
    let trimmed = text.trim();
    for (open, close) in PAIRS {
        let inner = trimmed.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        if let Some(inner) = inner
            && !inner.contains(close)
        {
            return if open == "```" { without_fence_language(inner) } else { inner };
        }
    }
    trimmed
}

/// Drops the language word of a fence and the newlines around its body.
fn without_fence_language(inner: &str) -> &str {
    match inner.split_once('\n') {
        Some((language, body)) if !language.trim().contains(' ') => body.strip_suffix('\n').unwrap_or(body),
        _ => inner.trim(),
    }
}

fn is_quoted(text: &str) -> bool {
    let trimmed = text.trim();
    unquote(trimmed).len() < trimmed.len()
}

/// Reads one file out of words; `None` when they name none.
///
/// `sure` tells that the verb was about files, so any single word will do.
pub(super) fn file(words: &str, sure: bool) -> Option<Target> {
    let words = words.trim().trim_end_matches(['.', ',', '?', '!', '。', '，', '？', '！']);
    let lower = words.to_lowercase();
    if POINTERS.contains(&lower.as_str()) {
        return Some(Target::Earlier);
    }
    if let Some(order) = picked(&lower) {
        return Some(Target::Pick(order));
    }
    let bare = words.strip_prefix("the ").or_else(|| words.strip_prefix("文件")).unwrap_or(words);
    let bare = bare.strip_suffix(" file").unwrap_or(bare);
    let path = unquote(bare);
    let fits = !path.is_empty() && path.len() <= PATH_BYTES_MAX && !path.chars().any(char::is_control);
    if !fits {
        return None;
    }
    let looks_like_file = path.contains(['.', '/']) || BARE_NAMES.contains(&path.to_lowercase().as_str());
    let is_one_word = !path.contains(char::is_whitespace);
    let named =
        is_quoted(bare) || (is_one_word && (looks_like_file || sure) && path.chars().any(char::is_alphanumeric));
    named.then(|| Target::Named(path.to_owned()))
}

/// Reads "the largest one", "the first file", "最大的那个文件".
fn picked(lower: &str) -> Option<Order> {
    let rest = lower.strip_prefix("the ").unwrap_or(lower);
    let rest = rest.strip_suffix(" file").or_else(|| rest.strip_suffix(" one")).unwrap_or(rest);
    let english =
        ["largest", "biggest", "smallest", "first", "first match", "first hit", "first result"].contains(&rest);
    let chinese = ["最大的", "最小的", "第一个"].iter().any(|start| {
        let rest = lower.strip_prefix(start);
        rest.is_some_and(|rest| matches!(rest, "" | "文件" | "那个" | "那个文件" | "一个" | "结果"))
    });
    (english || chinese).then(|| Order::of(lower))
}

/// Reads several files: `a.txt, b.txt and c.txt`, `a.txt 和 b.txt`.
pub(super) fn files(words: &str, sure: bool) -> Option<Vec<Target>> {
    if let Some(target) = file(words, sure) {
        return Some(vec![target]);
    }
    let joined = words.replace(" and ", ",").replace(['、', '，', '和', '与'], ",");
    let parts: Vec<&str> = joined.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if !(2..=PATHS_MAX).contains(&parts.len()) {
        return None;
    }
    parts.into_iter().map(|part| file(part, false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str) -> Target {
        Target::Named(path.to_owned())
    }

    #[test]
    fn prose_names_no_file() {
        for words in ["", "the way to go", "meaning", "a\nb.txt", "最近天气", "..."] {
            assert_eq!(file(words, false), None, "{words:?}");
        }
    }

    #[test]
    fn files_are_named_bare_quoted_or_by_pointing() {
        assert_eq!(file("README.md.", false), Some(named("README.md")));
        assert_eq!(file("`my notes.txt`", false), Some(named("my notes.txt")));
        assert_eq!(file("the license file", false), Some(named("license")));
        assert_eq!(file("meaning", true), Some(named("meaning")));
        assert_eq!(file("it", false), Some(Target::Earlier));
        assert_eq!(file("这个文件", false), Some(Target::Earlier));
        assert_eq!(file("the largest one", false), Some(Target::Pick(Order::Largest)));
        assert_eq!(file("第一个文件", false), Some(Target::Pick(Order::Listed)));
    }

    #[test]
    fn several_files_are_split_at_commas_and_conjunctions() {
        let all = Some(vec![named("a.txt"), named("b.txt"), named("c.txt")]);
        assert_eq!(files("a.txt, b.txt and c.txt", false), all);
        assert_eq!(files("a.txt、b.txt 和 c.txt", false), all);
        assert_eq!(files("a.txt and the rest", false), None);
    }

    #[test]
    fn quotes_and_fences_come_off_once() {
        assert_eq!(unquote("\"a b\""), "a b");
        assert_eq!(unquote("```py\nprint(1)\n```"), "print(1)");
        assert_eq!(unquote("\"a\" and \"b\""), "\"a\" and \"b\"");
    }

    #[test]
    fn numbers_are_read_from_one_to_twenty() {
        assert_eq!((count("five"), count("五"), count("20"), count("两")), (Some(5), Some(5), Some(20), Some(2)));
        assert_eq!((count("0"), count("21"), count("many")), (None, None, None));
    }
}
