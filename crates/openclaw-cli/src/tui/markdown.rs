//! Lays out Markdown while it streams. A source line becomes rows once it is
//! complete and never changes after; only the last, open line is laid out again.
//! So the cost of a delta does not grow with the text. Understands headings,
//! lists, quotes, fences, tables, emphasis, code and links; anything else is text.

use super::row::{Look, Row, Span, hang};
use super::width;

/// Longest open line kept whole; longer ones are cut at a space. The cut depends
/// on the text alone, so a resumed conversation looks like the live one.
const LINE_BYTES_MAX: usize = 2048;

/// Longest table laid out in columns.
const TABLE_ROWS_MAX: usize = 100;

/// The state of a text that is being laid out.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// The open line.
    line: String,
    /// The fence that closes the code, while inside code.
    fence: Option<String>,
    table: Vec<String>,
    was_blank: bool,
    /// Bytes laid out so far; tests bound it.
    pub(crate) work: usize,
}

impl Flow {
    /// Makes a layout.
    pub(crate) fn new() -> Self {
        Self { was_blank: true, ..Self::default() }
    }

    /// Takes more text and returns the rows that are final now.
    pub(crate) fn push(&mut self, text: &str, columns: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut rest = text;
        while let Some((head, tail)) = rest.split_once('\n') {
            self.extend(head, columns, &mut rows);
            let line = std::mem::take(&mut self.line);
            self.complete(line.trim_end_matches('\r'), columns, &mut rows);
            rest = tail;
        }
        self.extend(rest, columns, &mut rows);
        rows
    }

    /// Ends the text and returns the last rows.
    pub(crate) fn finish(&mut self, columns: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let line = std::mem::take(&mut self.line);
        if !line.trim().is_empty() {
            self.complete(line.trim_end(), columns, &mut rows);
        }
        self.end_table(columns, &mut rows);
        rows
    }

    /// Returns the rows of what is still open.
    pub(crate) fn open(&mut self, columns: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let shown = self.table.len().saturating_sub(5);
        for line in &self.table[shown..] {
            rows.extend(width::wrap(&[Span::new(Look::Plain, line.as_str())], columns));
        }
        if !self.line.trim().is_empty() {
            self.work += self.line.len();
            let line = width::safe(&self.line);
            match &self.fence {
                Some(_) => rows.extend(code(&line, columns)),
                None => rows.extend(laid(&line, columns)),
            }
        }
        rows
    }

    fn extend(&mut self, text: &str, columns: usize, rows: &mut Vec<Row>) {
        self.line.push_str(text);
        while self.line.len() > LINE_BYTES_MAX {
            let end = self.line.floor_char_boundary(LINE_BYTES_MAX);
            let cut = self.line[..end].rfind(' ').map_or(end, |space| space + 1);
            let rest = self.line.split_off(cut);
            let head = std::mem::replace(&mut self.line, rest);
            self.complete(head.trim_end(), columns, rows);
        }
    }

    fn complete(&mut self, line: &str, columns: usize, rows: &mut Vec<Row>) {
        self.work += line.len();
        let line = width::safe(line);
        let trimmed = line.trim_start();
        if let Some(fence) = &self.fence {
            if trimmed.starts_with(fence.as_str()) && trimmed.trim_end().trim_start_matches(['`', '~']).is_empty() {
                self.fence = None;
            } else {
                rows.extend(code(&line, columns));
            }
            return;
        }
        if trimmed.starts_with('|') && self.table.len() < TABLE_ROWS_MAX {
            self.table.push(line);
            return;
        }
        self.end_table(columns, rows);
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            self.fence = Some(trimmed[..3].to_owned());
            let name = trimmed.trim_start_matches(['`', '~']).trim();
            if !name.is_empty() {
                rows.push(Row::of(Look::Dim, format!("  {}", width::take(name, columns.saturating_sub(2)))));
            }
        } else if trimmed.is_empty() {
            if !self.was_blank {
                rows.push(Row::default());
            }
            self.was_blank = true;
            return;
        } else {
            rows.extend(laid(&line, columns));
        }
        self.was_blank = false;
    }

    fn end_table(&mut self, columns: usize, rows: &mut Vec<Row>) {
        if !self.table.is_empty() {
            rows.extend(table(&std::mem::take(&mut self.table), columns));
            self.was_blank = false;
        }
    }
}

fn code(line: &str, columns: usize) -> Vec<Row> {
    let chopped = width::chop(line, columns.saturating_sub(2));
    chopped.into_iter().map(|piece| Row::of(Look::Plain, "  ").with(Look::Code, piece)).collect()
}

/// Lays out one line outside of code and tables.
fn laid(line: &str, columns: usize) -> Vec<Row> {
    let body = line.trim_start();
    let indent = width::of(line) - width::of(body);
    let pad = " ".repeat(indent.min(columns / 3));
    let hashes = body.len() - body.trim_start_matches('#').len();
    if (1..=6).contains(&hashes) && body[hashes..].starts_with(' ') {
        return width::wrap(&[Span::new(Look::Strong, body[hashes..].trim())], columns);
    }
    if body.len() >= 3 && body.trim_end().chars().all(|c| c == '-') {
        return vec![Row::of(Look::Dim, "---")];
    }
    if let Some(quoted) = body.strip_prefix('>') {
        let lead = Row::of(Look::Dim, format!("{pad}| "));
        let rows = width::wrap(&inline(quoted.trim_start()), columns.saturating_sub(lead.width()));
        return rows.into_iter().map(|row| row.after(Look::Dim, &lead.text())).collect();
    }
    let (mark, text) = split_item(body);
    let lead = Row::of(Look::Plain, format!("{pad}{mark}"));
    hang(&lead, &inline(text), columns)
}

/// Splits a list item into its mark and its text.
fn split_item(body: &str) -> (String, &str) {
    for bullet in ["- ", "* ", "+ "] {
        if let Some(text) = body.strip_prefix(bullet) {
            return ("- ".to_owned(), text);
        }
    }
    let digits = body.len() - body.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if (1..=4).contains(&digits) && (body[digits..].starts_with(". ") || body[digits..].starts_with(") ")) {
        return (body[..digits + 2].to_owned(), &body[digits + 2..]);
    }
    (String::new(), body)
}

/// Splits a line into stretches by its emphasis, code and links.
pub(crate) fn inline(text: &str) -> Vec<Span> {
    let mut row = Row::default();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let taken = mark(rest, before, &mut row);
        let taken = if taken > 0 {
            taken
        } else {
            row.push(Look::Plain, &rest[..c.len_utf8()]);
            c.len_utf8()
        };
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    row.spans
}

/// Reads a marked stretch at the beginning; returns how many bytes it took, 0 for none.
fn mark(rest: &str, before: char, row: &mut Row) -> usize {
    if rest.starts_with('\\') && rest[1..].starts_with(|c: char| c.is_ascii_punctuation()) {
        row.push(Look::Plain, &rest[1..2]);
        return 2;
    }
    if let Some(inner) = rest.strip_prefix('`') {
        let end = inner.find('`').filter(|end| *end > 0);
        return end.map_or(0, |end| {
            row.push(Look::Code, &rest[..end + 2]);
            end + 2
        });
    }
    for (sign, look) in [("**", Look::Strong), ("__", Look::Strong), ("*", Look::Italic), ("_", Look::Italic)] {
        let Some(inner) = rest.strip_prefix(sign) else { continue };
        let is_word = sign.starts_with('_') && before.is_alphanumeric();
        let end = inner.find(sign).filter(|end| *end > 0 && !is_word && !inner.starts_with(' '));
        return end.filter(|end| !inner[..*end].ends_with(' ')).map_or(0, |end| {
            row.push(look, &inner[..end]);
            end + 2 * sign.len()
        });
    }
    link(rest, row).unwrap_or(0)
}

/// A link shows its text and the real address: text that names another host deceives nobody.
fn link(rest: &str, row: &mut Row) -> Option<usize> {
    let inner = rest.strip_prefix('[')?;
    let (text, tail) = inner.split_once("](")?;
    let (address, _) = tail.split_once(')')?;
    if text.is_empty() || text.contains('[') || address.contains(' ') {
        return None;
    }
    row.push(Look::Plain, text);
    if text != address {
        row.push(Look::Dim, &format!(" ({address})"));
    }
    Some(1 + text.len() + 2 + address.len() + 1)
}

fn table(lines: &[String], columns: usize) -> Vec<Row> {
    let cells = |line: &String| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let is_rule =
        |cells: &Vec<String>| cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':')));
    let grid: Vec<Vec<String>> = lines.iter().map(cells).filter(|cells| !is_rule(cells)).collect();
    let has_head = lines.get(1).is_some_and(|line| is_rule(&cells(line)));
    let count = grid.iter().map(Vec::len).max().unwrap_or(0);
    let plain = |cell: &str| -> usize { Row { spans: inline(cell) }.width() };
    let widths: Vec<usize> = (0..count)
        .map(|at| grid.iter().filter_map(|row| row.get(at)).map(|cell| plain(cell)).max().unwrap_or(0))
        .collect();
    let fits = widths.iter().sum::<usize>() + 2 * count.saturating_sub(1) <= columns;
    let mut rows = Vec::new();
    for (number, cells) in grid.iter().enumerate() {
        let mut row = Row::default();
        for (at, cell) in cells.iter().enumerate() {
            let spans = inline(cell);
            let pad = if fits { widths[at].saturating_sub(plain(cell)) } else { 0 };
            for span in spans {
                row.push(if has_head && number == 0 { Look::Strong } else { span.look }, &span.text);
            }
            if at + 1 < cells.len() {
                row.push(Look::Plain, &" ".repeat(pad + 2));
            }
        }
        rows.extend(width::wrap(&row.spans, columns));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, columns: usize) -> Vec<String> {
        let mut flow = Flow::new();
        let mut rows = flow.push(text, columns);
        rows.extend(flow.finish(columns));
        rows.iter().map(Row::text).collect()
    }

    #[test]
    fn blocks_are_laid_out() {
        let text = "# Title\n\ntext *soft* **hard** `code`\n- item one is long\n  - inner\n1. first\n> said\n---\n```sh\nls  -la\n```\nend";
        assert_eq!(
            rows(text, 14),
            [
                "Title",
                "",
                "text soft hard",
                "`code`",
                "- item one is",
                "  long",
                "  - inner",
                "1. first",
                "| said",
                "---",
                "  sh",
                "  ls  -la",
                "end"
            ]
        );
    }

    #[test]
    fn a_link_shows_its_real_address() {
        assert_eq!(rows("see [bank.com](https://evil.example/x).", 80), ["see bank.com (https://evil.example/x)."]);
        assert_eq!(rows("[https://a.b](https://a.b)", 80), ["https://a.b"]);
        assert_eq!(rows("a[0](not a link", 80), ["a[0](not a link"]);
    }

    #[test]
    fn tables_stand_in_columns_or_flow() {
        let table = "| name | size |\n|---|---:|\n| a | 10 |\n| 中文 | 2 |\n\nend";
        assert_eq!(rows(table, 40), ["name  size", "a     10", "中文  2", "", "end"]);
        assert_eq!(rows(table, 8), ["name", "size", "a  10", "中文  2", "", "end"]);
    }

    #[test]
    fn odd_marks_stay_as_they_are() {
        for text in ["2 * 3 * 4", "snake_case_name", "a ** b", "`open", "**open", "\u{4e2d}*x"] {
            assert_eq!(rows(text, 80), [text]);
        }
        assert_eq!(rows(r"\*not\*", 80), ["*not*"]);
    }

    #[test]
    fn rows_do_not_depend_on_how_the_text_arrived() {
        let text = format!("# H\n\n{}\n| a | b |\n|--|--|\n| 1 | 2 |\n\n```\ncode\n```\n- x\n", "word ".repeat(1500));
        let whole = rows(&text, 40);
        for step in [1, 7, 100, 2048, 2049] {
            let mut flow = Flow::new();
            let mut parts = Vec::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(step) {
                parts.extend(flow.push(&piece.iter().collect::<String>(), 40));
            }
            parts.extend(flow.finish(40));
            assert_eq!(parts.iter().map(Row::text).collect::<Vec<_>>(), whole, "step {step}");
        }
    }

    #[test]
    fn escape_sequences_in_text_and_code_are_drawn() {
        let rows = rows("a\x1b]0;t\x07b\n```\n\x1b[2J\n```\n", 80);
        assert!(rows.iter().all(|row| !row.chars().any(char::is_control)), "{rows:?}");
    }

    #[test]
    fn a_delta_costs_no_more_late_in_a_text_than_early() {
        let mut flow = Flow::new();
        for _ in 0..100_000 {
            drop(flow.push("token ", 80));
        }
        assert!(flow.work <= 600_000, "{}", flow.work);
        let before = flow.work;
        drop(flow.open(80));
        assert!(flow.work - before <= LINE_BYTES_MAX);
    }
}
