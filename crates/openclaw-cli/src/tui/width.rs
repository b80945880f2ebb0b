//! The one place that knows how wide text is in a terminal: grapheme clusters,
//! East Asian wide characters, emoji sequences, combining marks. Everything that
//! wraps, cuts or places the cursor comes here. Draws nothing.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::row::{Look, Row, Span};
use crate::out::visible::{Shape, visible};

/// Narrowest width laid out for: one wide character.
const WIDTH_MIN: usize = 2;

/// Columns of a tab in text.
const TAB: &str = "    ";

/// Returns the columns a text takes.
pub(crate) fn of(text: &str) -> usize {
    text.graphemes(true).map(of_cluster).sum()
}

/// Returns the columns one grapheme cluster takes.
pub(crate) fn of_cluster(cluster: &str) -> usize {
    cluster.width()
}

/// Returns text from elsewhere as one line or several, nothing in it obeyed by a terminal.
pub(crate) fn safe(text: &str) -> String {
    let shown = visible(text, Shape::Text);
    if shown.contains('\t') { shown.replace('\t', TAB) } else { shown }
}

/// As [`safe`], for one line.
pub(crate) fn safe_line(text: &str) -> String {
    visible(text, Shape::Cell)
}

/// Returns text a person is asked to judge: as [`safe`], and everything that takes
/// no room or looks like a space is drawn as an escape too.
pub(crate) fn literal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push(c),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            ' '..='~' => shown.push(c),
            c if is_deceptive(c) => shown.push_str(&c.escape_unicode().to_string()),
            c => shown.push_str(&visible(c.encode_utf8(&mut [0; 4]), Shape::Text)),
        }
    }
    shown
}

/// Fillers, joiners, selectors, and spaces of other widths than the ordinary ones.
fn is_deceptive(c: char) -> bool {
    c.width().is_none()
        || matches!(c,
            '\u{a0}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2000}'..='\u{200f}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
}

/// Splits one line at a width, cluster by cluster; nothing is dropped.
pub(crate) fn chop(line: &str, width: usize) -> Vec<&str> {
    let width = width.max(WIDTH_MIN);
    let (mut rows, mut begin, mut used) = (Vec::new(), 0, 0);
    for (at, cluster) in line.grapheme_indices(true) {
        let wide = of_cluster(cluster);
        if used + wide > width && at > begin {
            rows.push(&line[begin..at]);
            (begin, used) = (at, 0);
        }
        used += wide;
    }
    rows.push(&line[begin..]);
    rows
}

/// Cuts a text in the middle so that it takes at most `width` columns.
pub(crate) fn cut_middle(text: &str, width: usize) -> String {
    if of(text) <= width {
        return text.to_owned();
    }
    if width < 5 {
        return take(text, width);
    }
    let head = take(text, (width - 3) / 2);
    let left = width - 3 - of(&head);
    let mut tail: Vec<&str> = Vec::new();
    let mut used = 0;
    for cluster in text.graphemes(true).rev() {
        used += of_cluster(cluster);
        if used > left {
            break;
        }
        tail.push(cluster);
    }
    tail.reverse();
    format!("{head}...{}", tail.concat())
}

/// Returns the longest beginning that takes at most `width` columns.
pub(crate) fn take(text: &str, width: usize) -> String {
    let mut used = 0;
    let fits = |cluster: &&str| {
        used += of_cluster(cluster);
        used <= width
    };
    text.graphemes(true).take_while(fits).collect()
}

struct Cluster<'a> {
    look: Look,
    text: &'a str,
    wide: usize,
}

impl Cluster<'_> {
    fn is_space(&self) -> bool {
        self.text == " "
    }
}

/// Wraps toned text: at spaces, on either side of a wide character, and inside a
/// word only when it is longer than the line. No cluster is split or lost, except
/// the spaces at which a line is broken.
pub(crate) fn wrap(spans: &[Span], width: usize) -> Vec<Row> {
    let width = width.max(WIDTH_MIN);
    let clusters: Vec<Cluster<'_>> = spans
        .iter()
        .flat_map(|span| {
            let look = span.look;
            span.text.graphemes(true).map(move |text| Cluster { look, text, wide: of_cluster(text) })
        })
        .collect();
    let mut rows = Vec::new();
    let (mut begin, mut at, mut used) = (0, 0, 0);
    // Where the line may be broken: the index the next line would begin at.
    let mut opening = None;
    while at < clusters.len() {
        let cluster = &clusters[at];
        let is_over = used + cluster.wide > width;
        if is_over && !cluster.is_space() && at > begin {
            let next = opening.filter(|opening| *opening > begin).unwrap_or(at);
            rows.push(row(&clusters[begin..next], true));
            (begin, used, opening) = (next, clusters[next..at].iter().map(|it| it.wide).sum(), None);
            continue;
        }
        used += cluster.wide;
        let is_next_wide = clusters.get(at + 1).is_some_and(|next| next.wide > 1);
        if (cluster.is_space() && clusters[begin..at].iter().any(|it| !it.is_space()))
            || cluster.wide > 1
            || is_next_wide
        {
            opening = Some(at + 1);
        }
        at += 1;
    }
    rows.push(row(&clusters[begin..], false));
    rows
}

fn row(clusters: &[Cluster<'_>], is_broken: bool) -> Row {
    let mut end = clusters.len();
    while is_broken && end > 0 && clusters[end - 1].is_space() {
        end -= 1;
    }
    let mut row = Row::default();
    for cluster in &clusters[..end] {
        row.push(cluster.look, cluster.text);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, width: usize) -> Vec<String> {
        wrap(&[Span::new(Look::Plain, text)], width).iter().map(Row::text).collect()
    }

    #[test]
    fn widths_follow_clusters_not_characters() {
        for (text, width) in
            [("abc", 3), ("中文", 4), ("e\u{301}", 1), ("👩\u{200d}💻", 2), ("🇨🇳", 2), ("👍🏽", 2), ("ﾊﾝ", 2), ("", 0)]
        {
            assert_eq!(of(text), width, "{text:?}");
        }
    }

    #[test]
    fn lines_break_at_spaces_and_around_wide_characters() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("中文字符", 5), ["中文", "字符"]);
        assert_eq!(wrapped("ab中文", 5), ["ab中", "文"]);
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("a bcdefgh", 4), ["a", "bcde", "fgh"]);
        assert_eq!(wrapped("  indented", 20), ["  indented"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn a_wide_character_is_never_split_at_the_edge() {
        for width in 2..12 {
            for row in wrapped("中a文bb字ccc符👩\u{200d}💻e\u{301}", width) {
                assert!(of(&row) <= width, "{width} {row:?}");
                assert!(!row.starts_with('\u{301}') && !row.starts_with('\u{200d}'));
            }
        }
    }

    #[test]
    fn chopping_loses_nothing() {
        let line = "  a  中文  b  ";
        assert_eq!(chop(line, 3).concat(), line);
        assert!(chop(line, 3).iter().all(|row| of(row) <= 3));
        assert_eq!(chop("", 3), [""]);
    }

    #[test]
    fn the_middle_is_cut_and_both_ends_stay() {
        assert_eq!(cut_middle("cargo test -p gateway", 12), "carg...teway");
        assert_eq!(cut_middle("short", 5), "short");
        assert_eq!(of(&cut_middle("中文中文中文中文", 9)), 9);
    }

    #[test]
    fn what_a_person_judges_hides_nothing() {
        assert_eq!(literal("rm\u{202e}x\r\n\ta\u{200b}b\u{1b}[2J"), "rm\\u{202e}x\\r\n\\ta\\u{200b}b\\u{1b}[2J");
        assert_eq!(literal("a\u{a0}b\u{3164}c\u{fe0f}\u{200d}"), "a\\u{a0}b\\u{3164}c\\u{fe0f}\\u{200d}");
        assert_eq!(literal("中文 ok"), "中文 ok");
    }
}
