//! Tables for terminals: lower-case header, two spaces between columns, no
//! boxes. Too wide, the least important column is cut in the middle and at last
//! left out; ids are never cut.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::colour::{Paint, Tone};
use super::visible::{Shape, visible};

/// What stands for what was cut.
const CUT: &str = "...";

/// A column narrower than this says nothing and is left out instead.
const WIDTH_MIN: usize = 8;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Lower-case title, also the name for `--columns`.
    pub(crate) title: &'static str,
    /// Whether the cells are ids, which are never cut.
    pub(crate) is_id: bool,
    /// Lower ranks are cut first.
    pub(crate) rank: u8,
    /// Whether the cells are numbers.
    pub(crate) is_right: bool,
}

impl Column {
    /// A column of ids.
    pub(crate) const fn id(title: &'static str) -> Self {
        Self { title, is_id: true, rank: u8::MAX, is_right: false }
    }

    /// A column of text; lower ranks are cut first.
    pub(crate) const fn text(title: &'static str, rank: u8) -> Self {
        Self { title, is_id: false, rank, is_right: false }
    }

    /// A column of numbers.
    pub(crate) const fn number(title: &'static str, rank: u8) -> Self {
        Self { title, is_id: false, rank, is_right: true }
    }
}

/// A table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<(Tone, String)>>,
}

/// How to draw a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style<'a> {
    pub(crate) paint: Paint,
    /// Cells on a line; `None` for as wide as it is.
    pub(crate) width: Option<usize>,
    /// Tab-separated, without a header.
    pub(crate) is_plain: bool,
    /// Titles to show, in this order; empty for all.
    pub(crate) columns: &'a [String],
}

impl Table {
    /// Makes an empty table.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty, surplus ones dropped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        let mut row: Vec<(Tone, String)> = cells
            .into_iter()
            .map(|cell| {
                let Cell { tone, text } = cell.into();
                (tone, visible(&text, Shape::Cell))
            })
            .collect();
        row.resize(self.columns.len(), (Tone::Plain, String::new()));
        self.rows.push(row);
    }

    /// Returns the titles.
    pub(crate) fn titles(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.columns.iter().map(|column| column.title)
    }

    /// Draws the table, each line ended.
    pub(crate) fn draw(&self, style: Style<'_>) -> String {
        let chosen = self.chosen(style.columns);
        if style.is_plain {
            return self.rows.iter().map(|row| plain(&chosen, row)).collect();
        }
        let widths = self.widths(&chosen, style.width);
        let mut drawn = String::new();
        let header = chosen.iter().map(|&at| (Tone::Dim, self.columns[at].title.to_owned())).collect::<Vec<_>>();
        self.draw_row(&mut drawn, style.paint, &chosen, &widths, &header);
        for row in &self.rows {
            let cells = chosen.iter().map(|&at| row[at].clone()).collect::<Vec<_>>();
            self.draw_row(&mut drawn, style.paint, &chosen, &widths, &cells);
        }
        drawn
    }

    fn chosen(&self, names: &[String]) -> Vec<usize> {
        if names.is_empty() {
            return (0..self.columns.len()).collect();
        }
        names.iter().filter_map(|name| self.columns.iter().position(|column| column.title == name)).collect()
    }

    /// Decides each column's width; zero leaves it out.
    fn widths(&self, chosen: &[usize], limit: Option<usize>) -> Vec<usize> {
        let natural = |&at: &usize| {
            let cells = self.rows.iter().map(|row| row[at].1.width());
            cells.chain([self.columns[at].title.width()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = chosen.iter().map(natural).collect();
        let Some(limit) = limit else { return widths };
        let mut order: Vec<usize> = (0..chosen.len()).filter(|&at| !self.columns[chosen[at]].is_id).collect();
        order.sort_by_key(|&at| self.columns[chosen[at]].rank);
        for &at in &order {
            let surplus = total(&widths).saturating_sub(limit);
            let give = widths[at].saturating_sub(WIDTH_MIN).min(surplus);
            widths[at] -= give;
        }
        for &at in &order {
            if total(&widths) <= limit {
                break;
            }
            widths[at] = 0;
        }
        widths
    }

    fn draw_row(&self, drawn: &mut String, paint: Paint, chosen: &[usize], widths: &[usize], cells: &[(Tone, String)]) {
        let mut line = String::new();
        let mut gap = 0;
        for ((at, width), (tone, text)) in chosen.iter().zip(widths).zip(cells) {
            if *width == 0 {
                continue;
            }
            let shown = cut_middle(text, *width);
            let pad = width.saturating_sub(shown.width());
            let (before, after) = if self.columns[*at].is_right { (pad, 0) } else { (0, pad) };
            if !shown.is_empty() {
                line.push_str(&" ".repeat(gap + before));
                line.push_str(&paint.paint(*tone, &shown));
                gap = after + 2;
            } else {
                gap += width + 2;
            }
        }
        drawn.push_str(line.trim_end());
        drawn.push('\n');
    }
}

fn total(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|width| **width > 0);
    shown.clone().sum::<usize>() + 2 * shown.count().saturating_sub(1)
}

fn plain(chosen: &[usize], row: &[(Tone, String)]) -> String {
    let cells: Vec<&str> = chosen.iter().map(|&at| row[at].1.as_str()).collect();
    format!("{}\n", cells.join("\t"))
}

/// Cuts text in the middle so that it takes at most `width` cells.
pub(crate) fn cut_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if width <= CUT.len() {
        return CUT[..width].to_owned();
    }
    let room = width - CUT.len();
    // The end often tells more (a file name), so it gets the larger half.
    let head = take(text.graphemes(true), room / 2);
    let tail = take(text.graphemes(true).rev(), room - head.width());
    let tail: String = tail.graphemes(true).rev().collect();
    format!("{head}{CUT}{tail}")
}

fn take<'a>(graphemes: impl Iterator<Item = &'a str>, width: usize) -> String {
    let mut taken = String::new();
    let mut used = 0;
    for grapheme in graphemes {
        used += grapheme.width();
        if used > width {
            break;
        }
        taken.push_str(grapheme);
    }
    taken
}

/// A cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    tone: Tone,
    text: String,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { tone: Tone::Plain, text }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<(Tone, String)> for Cell {
    fn from((tone, text): (Tone, String)) -> Self {
        Self { tone, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: Paint = Paint { is_on: false };

    fn sample() -> Table {
        let mut table = Table::new(vec![Column::id("id"), Column::text("path", 1), Column::number("size", 2)]);
        table.row(["a_3f81c2", "notes/archive/2026/november/plan.md", "12"]);
        table.row(["a_90be11", "x", "3,400"]);
        table
    }

    fn drawn(width: Option<usize>) -> String {
        sample().draw(Style { paint: OFF, width, is_plain: false, columns: &[] })
    }

    #[test]
    fn a_fitting_table_is_not_cut() {
        assert_eq!(
            drawn(Some(80)),
            "id        path                                  size\n\
             a_3f81c2  notes/archive/2026/november/plan.md     12\n\
             a_90be11  x                                    3,400\n"
        );
    }

    #[test]
    fn the_least_important_column_is_cut_in_the_middle() {
        assert_eq!(
            drawn(Some(36)),
            "id        path                  size\n\
             a_3f81c2  notes/ar.../plan.md     12\n\
             a_90be11  x                    3,400\n"
        );
    }

    #[test]
    fn ids_stay_whole_at_any_width() {
        for width in 1..60 {
            let text = drawn(Some(width));
            assert!(text.contains("a_3f81c2") && text.contains("a_90be11"), "{width}");
            assert!(text.lines().all(|line| line.width() <= width.max(8)), "{width}: {text}");
        }
    }

    #[test]
    fn plain_output_is_tab_separated_and_has_no_header() {
        let style =
            Style { paint: OFF, width: Some(10), is_plain: true, columns: &["size".to_owned(), "id".to_owned()] };
        assert_eq!(sample().draw(style), "12\ta_3f81c2\n3,400\ta_90be11\n");
    }

    #[test]
    fn cutting_counts_cells_not_characters() {
        assert_eq!(cut_middle("一二三四五六", 9), "一...五六".to_owned());
        assert!(cut_middle("一二三四五六", 8).width() <= 8);
        assert_eq!(cut_middle("abcdef", 2), "..");
        assert_eq!(cut_middle("abc", 3), "abc");
    }

    #[test]
    fn line_breaks_in_cells_do_not_break_rows() {
        let mut table = Table::new(vec![Column::text("a", 1)]);
        table.row(["x\ny\x1b[0m"]);
        let text = table.draw(Style { paint: OFF, width: None, is_plain: false, columns: &[] });
        assert_eq!(text, "a\nx y\\u{1b}[0m\n");
    }
}
