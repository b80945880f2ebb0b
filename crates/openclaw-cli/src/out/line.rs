//! A line of differently toned stretches, wrapped to the terminal by words.

use unicode_width::UnicodeWidthStr as _;

use super::colour::{Paint, Tone};
use super::visible::{Shape, visible};

/// A line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    parts: Vec<(Tone, String)>,
}

impl Line {
    /// Makes an empty line.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Makes a line of plain text.
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::new().text(text)
    }

    /// Makes a line that begins with a mark and two spaces.
    pub(crate) fn marked(tone: Tone, mark: &str, text: impl AsRef<str>) -> Self {
        let pad = " ".repeat(3usize.saturating_sub(mark.width()));
        Self::new().tone(tone, mark).text(pad).text(text)
    }

    /// Adds plain text.
    #[must_use]
    pub(crate) fn text(self, text: impl AsRef<str>) -> Self {
        self.tone(Tone::Plain, text)
    }

    /// Adds toned text. Control characters are drawn, not obeyed.
    #[must_use]
    pub(crate) fn tone(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.parts.push((tone, visible(text.as_ref(), Shape::Cell)));
        self
    }

    /// Adds plain text, filled with spaces to a width.
    #[must_use]
    pub(crate) fn column(self, text: impl AsRef<str>, width: usize) -> Self {
        let text = text.as_ref();
        let pad = " ".repeat(width.saturating_sub(text.width()));
        self.text(format!("{text}{pad}"))
    }

    /// Draws the line, broken at spaces where it would pass the width; what
    /// follows is indented. Words are never cut: they may be ids or commands.
    pub(crate) fn draw(&self, paint: Paint, width: usize) -> String {
        let indent = self.indent();
        let mut drawn = String::new();
        let mut at = 0;
        for (tone, text) in &self.parts {
            let mut stretch = String::new();
            for word in split_keeping_spaces(text) {
                let wide = word.width();
                if at + word.trim_end().width() > width && at > indent && !word.trim().is_empty() {
                    drawn.push_str(&paint.paint(*tone, stretch.trim_end()));
                    stretch.clear();
                    trim_end(&mut drawn);
                    drawn.push('\n');
                    drawn.push_str(&" ".repeat(indent));
                    at = indent;
                }
                stretch.push_str(word);
                at += wide;
            }
            drawn.push_str(&paint.paint(*tone, &stretch));
        }
        trim_end(&mut drawn);
        drawn
    }

    /// Continuation lines stand under the text after the mark or the first column.
    fn indent(&self) -> usize {
        let plain: String = self.parts.iter().map(|(_, text)| text.as_str()).collect();
        let lead = plain.len() - plain.trim_start().len();
        let body = &plain[lead..];
        let column = body.find("  ").map(|end| {
            let gap = body[end..].len() - body[end..].trim_start().len();
            body[..end].width() + gap
        });
        lead + column.filter(|column| *column <= 12).unwrap_or(2)
    }
}

fn trim_end(text: &mut String) {
    let keep = text.trim_end_matches(' ').len();
    text.truncate(keep);
}

/// Splits into words, each with the spaces after it.
fn split_keeping_spaces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut word = rest.find(' ').unwrap_or(rest.len());
        if let Some(unit) = unit_after(&rest[..word], &rest[word..]) {
            word += unit;
        }
        let spaces = rest[word..].len() - rest[word..].trim_start_matches(' ').len();
        let (head, tail) = rest.split_at(word + spaces);
        rest = tail;
        Some(head)
    })
}

/// A number stays with its unit: returns the length of the unit that follows.
fn unit_after(word: &str, rest: &str) -> Option<usize> {
    const UNITS: [&str; 9] = ["ms", "s", "min", "h", "d", "B", "KB", "MB", "GB"];
    let is_number = word.ends_with(|c: char| c.is_ascii_digit());
    let next = rest.strip_prefix(' ')?.split(' ').next()?;
    let is_unit = UNITS.contains(&next.trim_end_matches([')', ',', '.', ';', '\u{ff0c}', '\u{ff09}']));
    (is_number && is_unit).then_some(1 + next.len())
}

#[cfg(test)]
mod tests {
    use super::{Line, Tone};
    use crate::out::Paint;

    const OFF: Paint = Paint { is_on: false };

    #[test]
    fn a_long_line_is_broken_at_spaces_under_its_text() {
        let line = Line::marked(Tone::Failed, "x", "one two three four five");
        assert_eq!(line.draw(OFF, 14), "x  one two\n   three four\n   five");
    }

    #[test]
    fn a_word_longer_than_the_width_is_not_cut() {
        assert_eq!(Line::plain("agent:main:main and more").draw(OFF, 8), "agent:main:main\n  and\n  more");
    }

    #[test]
    fn a_fitting_line_stays_one_line() {
        assert_eq!(Line::plain("gateway").text("   x").draw(OFF, 11), "gateway   x");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        assert_eq!(Line::plain("checked in 14 ms, done").draw(OFF, 14), "checked in\n  14 ms, done");
        assert_eq!(Line::plain("checked all 14 settings").draw(OFF, 15), "checked all 14\n  settings");
    }

    #[test]
    fn wide_characters_count_double() {
        assert_eq!(Line::plain("网关 正在 运行").draw(OFF, 9), "网关 正在\n  运行");
    }
}
