//! Makes text from elsewhere safe to show: escape sequences, other control
//! characters and invisible direction marks are drawn, not obeyed.

/// What may stay as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Line breaks and tabs stay: answers, files.
    Text,
    /// One line: table cells, names, messages.
    Cell,
}

/// Returns the text with everything invisible or obeyed by terminals drawn as
/// `\u{..}`; in a cell, line breaks and tabs become spaces.
pub(crate) fn visible(text: &str, shape: Shape) -> String {
    let is_clean = |c: char| !is_hidden(c) && !matches!(c, '\n' | '\t' | '\r');
    if text.chars().all(is_clean) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, shape) {
            ('\n' | '\t', Shape::Text) => shown.push(c),
            ('\r', _) if rest.peek() == Some(&'\n') => {}
            ('\n' | '\t', Shape::Cell) => shown.push(' '),
            (c, _) if is_hidden(c) || c == '\r' => {
                shown.push_str(&c.escape_unicode().to_string());
            }
            (c, _) => shown.push(c),
        }
    }
    shown
}

/// Control characters, bidirectional overrides, zero-width characters and tags.
/// The joiner stays: emoji need it.
fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{Shape, visible};

    #[test]
    fn escape_sequences_are_drawn() {
        assert_eq!(visible("\x1b[2Jhi", Shape::Text), "\\u{1b}[2Jhi");
        assert_eq!(visible("a\u{202e}b\u{200b}c\u{9b}31m", Shape::Cell), "a\\u{202e}b\\u{200b}c\\u{9b}31m");
        assert_eq!(visible("a\rb", Shape::Text), "a\\u{d}b");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["plain", "中文，标点", "👩\u{200d}💻", "tab\tline\nend"] {
            assert_eq!(visible(text, Shape::Text), text);
        }
        assert_eq!(visible("two\r\nlines\tx", Shape::Cell), "two lines x");
        assert_eq!(visible("two\r\nlines", Shape::Text), "two\nlines");
    }
}
