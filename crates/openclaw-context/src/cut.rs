//! Shortens a file that is too long for the prompt.
//!
//! Three quarters of the room go to the start, one quarter to the end, and a
//! marker says what is missing. Cuts fall on headings where one is near, else on
//! line ends, so that no half sentence reads like a whole one.

/// Returns at most `chars_max` characters of the text plus a marker; the text itself when it fits.
pub(crate) fn cut(name: &str, text: &str, chars_max: usize) -> (String, bool) {
    let total = text.chars().count();
    if total <= chars_max {
        return (text.to_owned(), false);
    }
    let head_chars = chars_max / 4 * 3;
    let tail_chars = chars_max - head_chars;
    let head = head(&text[..at(text, head_chars)]);
    let tail = tail(&text[at(text, total - tail_chars)..]);
    let left_out = total - head.chars().count() - tail.chars().count();
    let marker = format!("[... {left_out} characters of {name} left out here; read the file to see them ...]");
    (format!("{}\n\n{marker}\n\n{}", head.trim_end(), tail.trim_start()), true)
}

/// Returns the byte position of a character.
fn at(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(index, _)| index)
}

/// Ends before the last heading, if that keeps two thirds; else after the last line.
fn head(text: &str) -> &str {
    let near = |position: Option<usize>| position.filter(|&it| it >= text.len() / 3 * 2);
    let end = near(text.rfind("\n#")).or_else(|| near(text.rfind('\n')));
    &text[..end.unwrap_or(text.len())]
}

/// Begins at the first heading, if that keeps two thirds; else after the first line end.
fn tail(text: &str) -> &str {
    let near = |position: Option<usize>| position.filter(|&it| it <= text.len() / 3);
    let start = near(text.find("\n#")).or_else(|| near(text.find('\n'))).map(|it| it + 1);
    &text[start.unwrap_or(0)..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_at_the_limit_stays_whole() {
        assert_eq!(cut("A.md", "abcdé", 5), ("abcdé".to_owned(), false));
        assert!(cut("A.md", "abcdéf", 5).1);
    }

    #[test]
    fn cuts_fall_on_headings() {
        let text = format!("# One\n{}\n# Two\n{}\n# Three\nthe end of it\n", "a".repeat(60), "b".repeat(400));
        let (short, _) = cut("A.md", &text, 100);
        assert_eq!(
            short,
            format!(
                "# One\n{}\n\n[... 408 characters of A.md left out here; read the file to see them ...]\n\n# Three\nthe end of it\n",
                "a".repeat(60)
            )
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_limit_holds(text in "(\\PC|\n|# ){0,200}", max in 0usize..100) {
            let (short, was_cut) = cut("A.md", &text, max);
            if was_cut {
                // The marker and the blank lines around it come on top.
                prop_assert!(short.chars().count() <= max + 90);
            } else {
                prop_assert_eq!(short, text);
            }
        }
    }
}
