//! Reads a shell line the way a person and a rule must see it.
//!
//! [`literal`] makes every character visible before a person approves it.
//! [`words`] splits a line into words only when `sh` would do exactly the same
//! and nothing more; anything else is refused as not simple (T-22, T-23).

use std::fmt;

/// Why a line is not one simple command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSimple {
    /// Nothing is there.
    Empty,
    /// A quote is not closed.
    OpenQuote,
    /// A character that `sh` gives a meaning, or that is not plain text.
    Meaningful(char),
    /// It begins with an assignment.
    Assignment,
}

impl fmt::Display for NotSimple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotSimple::Empty => f.write_str("the command is empty"),
            NotSimple::OpenQuote => f.write_str("a quote is not closed"),
            NotSimple::Meaningful(c) => write!(f, "{c:?} has a meaning to the shell"),
            NotSimple::Assignment => f.write_str("it begins with an assignment"),
        }
    }
}

/// Splits a line into the words of one simple command.
///
/// Outside quotes only letters, digits and a few marks are accepted; inside
/// double quotes nothing that expands. What is accepted means the same to every
/// POSIX shell, so a rule may judge the words and a shell run the line.
///
/// # Errors
/// When the line is anything but one simple command without expansions.
pub fn words(line: &str) -> Result<Vec<String>, NotSimple> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut first_is_bare = true;
    let mut chars = line.trim_matches([' ', '\t', '\n']).chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' | '"' => {
                first_is_bare &= !words.is_empty();
                quoted(c, &mut chars, word.get_or_insert_default())?;
            }
            c if is_plain(c) => word.get_or_insert_default().push(c),
            c => return Err(NotSimple::Meaningful(c)),
        }
    }
    words.extend(word);
    let Some(first) = words.first() else { return Err(NotSimple::Empty) };
    if first_is_bare && first.contains('=') {
        return Err(NotSimple::Assignment);
    }
    Ok(words)
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NotSimple> {
    for c in chars {
        let expands = quote == '"' && matches!(c, '$' | '`' | '\\' | '!');
        if c == quote {
            return Ok(());
        }
        if expands || c.is_control() {
            return Err(NotSimple::Meaningful(c));
        }
        word.push(c);
    }
    Err(NotSimple::OpenQuote)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '=' | '@' | '%' | '+' | ',')
}

/// Returns text with every hidden or reordering character spelled out (T-26).
///
/// Line breaks and tabs stay. Nothing is shortened: what is approved is what is
/// shown.
pub fn literal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_hidden(c: char) -> bool {
    if c == '\n' || c == '\t' {
        return false;
    }
    c.is_control()
        || matches!(c,
            // Spaces that look like a space and are none to a shell.
            '\u{00A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}'
            // Format characters: joiners, direction marks, separators, fillers.
            | '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn simple_commands_are_split_as_a_shell_splits_them() {
        let check = |line: &str, expected: &[&str]| assert_eq!(words(line).unwrap(), expected, "{line}");
        check("ls", &["ls"]);
        check("  git  log --oneline -n 5\n", &["git", "log", "--oneline", "-n", "5"]);
        check("grep 'a b|c' \"x y\" f.txt", &["grep", "a b|c", "x y", "f.txt"]);
        check("a''b \"\"", &["ab", ""]);
        check("'FOO=1'", &["FOO=1"]);
        check("env A=1", &["env", "A=1"]);
    }

    #[test]
    fn everything_a_shell_would_act_on_is_not_simple() {
        for line in [
            "a;b",
            "a&&b",
            "a|b",
            "a&",
            "a>f",
            "a<f",
            "$(a)",
            "`a`",
            "a $B",
            "a \"$B\"",
            "a \"`b`\"",
            "a *",
            "a ?",
            "a [b]",
            "a ~",
            "a #c",
            "{a,b}",
            "!a",
            "a\\ b",
            "a\nb",
            "a\rb",
            "(a)",
            "a \u{a0}b",
            "a \u{202e}b",
            "a 'b\u{0}'",
            "a \"\\n\"",
            "a \"!x\"",
            "é",
            "a ^b",
        ] {
            assert!(matches!(words(line), Err(NotSimple::Meaningful(_))), "{line:?}");
        }
        assert_eq!(words("A=1 b"), Err(NotSimple::Assignment));
        assert_eq!(words("a 'b"), Err(NotSimple::OpenQuote));
        assert_eq!(words(" \n"), Err(NotSimple::Empty));
    }

    #[test]
    fn hidden_characters_are_spelled_out_and_text_stays() {
        assert_eq!(literal("ls \u{202e}gpj.exe"), "ls <U+202E>gpj.exe");
        assert_eq!(literal("a\u{200b}b\rc\u{1b}[2K"), "a<U+200B>b<U+000D>c<U+001B>[2K");
        assert_eq!(literal("rm\u{a0}-rf"), "rm<U+00A0>-rf");
        assert_eq!(literal("printf '你好'\n\tdone"), "printf '你好'\n\tdone");
    }

    proptest! {
        #[test]
        fn no_line_panics_and_accepted_words_hold_no_control(line in "\\PC{0,60}") {
            if let Ok(words) = words(&line) {
                prop_assert!(words.iter().all(|word| !word.chars().any(char::is_control)));
            }
        }

        #[test]
        fn quoting_a_word_gives_that_word_back(word in "[ -&(-~]{0,20}") {
            let line = format!("echo '{word}'");
            prop_assert_eq!(words(&line).unwrap(), vec!["echo".to_owned(), word]);
        }

        #[test]
        fn literal_text_has_nothing_hidden(text in any::<String>()) {
            prop_assert!(!literal(&text).chars().any(is_hidden));
        }
    }
}
