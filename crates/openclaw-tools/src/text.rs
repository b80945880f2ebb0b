//! Bounds text on its way to the model.
//!
//! Every tool's answer passes through here. What is left out is always named,
//! together with the way to get it.

/// Most text a tool gives the model, in bytes.
pub(crate) const BYTES_MAX: usize = 32 * 1024;

/// Longest line shown whole, in characters.
pub(crate) const LINE_CHARS_MAX: usize = 2000;

/// Returns the longest start of `text` of at most `bytes_max` bytes that ends between characters.
pub(crate) fn head(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Returns the longest end of `text` of at most `bytes_max` bytes that starts between characters.
pub(crate) fn tail(text: &str, bytes_max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes_max))..]
}

/// Shortens a line that is too long to show, and says by how much.
pub(crate) fn line(line: &str) -> std::borrow::Cow<'_, str> {
    // A line of few bytes has few characters; this spares counting nearly all lines.
    if line.len() <= LINE_CHARS_MAX {
        return line.into();
    }
    let Some((cut, _)) = line.char_indices().nth(LINE_CHARS_MAX) else { return line.into() };
    format!("{} [line cut: {} more characters]", &line[..cut], line[cut..].chars().count()).into()
}

/// Adds whole lines until the limit is reached; returns how many were taken.
pub(crate) fn fill<'a>(into: &mut String, lines: impl Iterator<Item = &'a str>, bytes_max: usize) -> usize {
    let mut taken = 0;
    for it in lines {
        let it = line(it);
        if into.len() + it.len() + 1 > bytes_max && taken > 0 {
            break;
        }
        into.push_str(&it);
        into.push('\n');
        taken += 1;
    }
    taken
}

/// Counts things: `1 line`, `2 lines`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    count_of(n, noun, &format!("{noun}s"))
}

/// Counts things whose plural is irregular: `1 match`, `2 matches`.
pub(crate) fn count_of(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_at_the_limit_stays_whole_and_one_past_it_is_cut() {
        let fits = "é".repeat(LINE_CHARS_MAX);
        assert_eq!(line(&fits), fits);
        let long = "é".repeat(LINE_CHARS_MAX + 1);
        assert_eq!(line(&long), format!("{fits} [line cut: 1 more characters]"));
    }

    #[test]
    fn filling_stops_before_the_limit_but_always_takes_one_line() {
        let mut text = String::new();
        assert_eq!(fill(&mut text, ["aaa", "bbb", "ccc"].into_iter(), 8), 2);
        assert_eq!(text, "aaa\nbbb\n");
        let mut text = String::new();
        assert_eq!(fill(&mut text, ["aaaaaaaaaa"].into_iter(), 4), 1);
    }

    proptest! {
        #[test]
        fn cuts_never_split_a_character(text in "\\PC{0,40}", max in 0usize..100) {
            let (start, end) = (head(&text, max), tail(&text, max));
            prop_assert!(start.len() <= max && end.len() <= max);
            prop_assert!(text.starts_with(start) && text.ends_with(end));
        }
    }
}
