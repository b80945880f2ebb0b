//! The screen against a small terminal that understands what it writes and
//! notes every cell that is written.

use unicode_segmentation::UnicodeSegmentation as _;

use super::*;

/// A terminal: rows of cells, the first ones scrolled away.
pub(crate) struct Terminal {
    columns: usize,
    height: usize,
    pub(crate) rows: Vec<Vec<String>>,
    /// Rows that go on the row before, since the terminal became narrower.
    joined: std::collections::BTreeSet<usize>,
    /// Whether moving past the top is a fault; after a resize it stops there.
    is_strict: bool,
    /// Row on screen at the top.
    top: usize,
    at: (usize, usize),
    /// Rows written to since the last look.
    pub(crate) touched: std::collections::BTreeSet<usize>,
}

impl Terminal {
    pub(crate) fn new(columns: usize, height: usize) -> Self {
        let (joined, touched) = Default::default();
        Self { columns, height, rows: vec![Vec::new()], joined, is_strict: true, top: 0, at: (0, 0), touched }
    }

    /// Becomes another size as most terminals do: long lines are wrapped anew.
    pub(crate) fn resize(&mut self, columns: usize, height: usize) {
        let mut lines: Vec<Vec<String>> = Vec::new();
        let mut cursor = (0, 0);
        for (at, row) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            if at == 0 || !self.joined.contains(&at) {
                lines.push(Vec::new());
            }
            let last = lines.len() - 1;
            if at == self.at.0 {
                cursor = (last, lines[last].len() + self.at.1);
            }
            lines[last].extend(row);
        }
        self.joined.clear();
        for (number, line) in lines.iter().enumerate() {
            if number == cursor.0 {
                self.at = (self.rows.len() + cursor.1 / columns, cursor.1 % columns);
            }
            for (part, cells) in line.chunks(columns).enumerate() {
                if part > 0 {
                    self.joined.insert(self.rows.len());
                }
                self.rows.push(cells.to_vec());
            }
            if line.is_empty() {
                self.rows.push(Vec::new());
            }
        }
        while self.rows.len() <= self.at.0 {
            self.rows.push(Vec::new());
        }
        (self.columns, self.height, self.is_strict) = (columns, height, false);
        self.top = self.rows.len().saturating_sub(height).min(self.at.0);
    }

    /// Becomes another size as some terminals do: what is on screen is cut, and nothing
    /// that was cut comes back. The row of the cursor stays on screen.
    pub(crate) fn resize_by_cutting(&mut self, columns: usize, height: usize) {
        for row in self.rows.iter_mut().skip(self.top) {
            row.truncate(columns);
        }
        (self.columns, self.height, self.is_strict) = (columns, height, false);
        self.at.1 = self.at.1.min(columns - 1);
        self.top = self.top.max((self.at.0 + 1).saturating_sub(height));
        // Rows that are no longer on the screen below the cursor are lost.
        self.rows.truncate(self.top + height);
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let mut rest = std::str::from_utf8(bytes).unwrap();
        while !rest.is_empty() {
            if let Some(sequence) = rest.strip_prefix("\x1b[") {
                let end = sequence.find(|c: char| ('@'..='~').contains(&c)).unwrap();
                self.obey(&sequence[..end], &sequence[end..=end]);
                rest = &sequence[end + 1..];
                continue;
            }
            let cluster = rest.graphemes(true).next().unwrap();
            match cluster {
                "\r\n" => self.line_feed(),
                "\r" => self.at.1 = 0,
                "\n" => panic!("a bare line feed"),
                "\x1b" => panic!("an escape sequence of another kind: {rest:?}"),
                _ => self.put(cluster),
            }
            rest = &rest[cluster.len()..];
        }
    }

    fn line_feed(&mut self) {
        self.at = (self.at.0 + 1, 0);
        while self.rows.len() <= self.at.0 {
            self.rows.push(Vec::new());
        }
        self.top = self.top.max((self.at.0 + 1).saturating_sub(self.height));
    }

    fn put(&mut self, cluster: &str) {
        let wide = width::of_cluster(cluster);
        assert!(self.at.1 + wide <= self.columns, "past the edge: {cluster:?}");
        let row = &mut self.rows[self.at.0];
        while row.len() < self.at.1 + wide {
            row.push(" ".to_owned());
        }
        row[self.at.1] = cluster.to_owned();
        row.iter_mut().skip(self.at.1 + 1).take(wide.saturating_sub(1)).for_each(String::clear);
        self.touched.insert(self.at.0);
        self.at.1 += wide;
    }

    fn obey(&mut self, parameters: &str, kind: &str) {
        let count = parameters.parse().unwrap_or(1);
        match kind {
            "A" => {
                assert!(!self.is_strict || self.at.0 >= self.top + count, "up past the top of the screen");
                self.at.0 = self.at.0.saturating_sub(count).max(self.top);
            }
            "B" => self.at.0 += count,
            "C" => self.at.1 += count,
            "J" => {
                self.touched.extend(self.at.0..self.rows.len());
                self.rows.truncate(self.at.0 + 1);
                self.rows[self.at.0].truncate(self.at.1);
                self.joined.retain(|row| *row <= self.at.0);
            }
            "m" | "h" | "l" => {}
            other => panic!("unknown sequence {other}"),
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.concat().trim_end().to_owned()).collect()
    }
}

fn live(rows: &[&str], cursor: (usize, usize)) -> Live {
    Live { rows: rows.iter().map(|row| Row::of(Look::Plain, *row)).collect(), cursor }
}

fn finished(rows: &[&str]) -> Vec<Row> {
    rows.iter().map(|row| Row::of(Look::Dim, *row)).collect()
}

struct Bench {
    screen: Screen<Vec<u8>>,
    terminal: Terminal,
}

impl Bench {
    fn new(columns: usize, height: usize) -> Self {
        Self { screen: Screen::new(Vec::new(), columns, true), terminal: Terminal::new(columns, height) }
    }

    fn draw(&mut self, rows: &[&str], live: &Live) -> usize {
        self.screen.draw(&finished(rows), live).unwrap();
        let bytes = std::mem::take(&mut self.screen.out);
        self.terminal.take(&bytes);
        bytes.len()
    }
}

#[test]
fn finished_rows_are_never_touched_again() {
    let mut bench = Bench::new(40, 6);
    bench.draw(&["one", "two"], &live(&["> a", "foot"], (0, 3)));
    bench.terminal.touched.clear();
    for number in 0..50 {
        let done = format!("row {number}");
        let rows: Vec<&str> = if number % 3 == 0 { vec![done.as_str()] } else { Vec::new() };
        let before = bench.terminal.rows.len() - bench.screen.live.area.height as usize;
        bench.draw(&rows, &live(&["live", &format!("> {number}"), "foot"], (1, 4)));
        let first = bench.terminal.touched.first().copied().unwrap_or(before);
        assert!(first >= before, "row {first} was touched, finished rows end at {before}");
        bench.terminal.touched.clear();
    }
    let lines = bench.terminal.lines();
    assert_eq!(lines[..4], ["one", "two", "row 0", "row 3"]);
    assert_eq!(lines[lines.len() - 3..], ["live", "> 49", "foot"]);
}

#[test]
fn only_changed_cells_are_written_and_nothing_when_nothing_changed() {
    let mut bench = Bench::new(80, 24);
    bench.draw(&[], &live(&["a long line that stays as it is", "> ab", "foot"], (1, 4)));
    assert_eq!(bench.draw(&[], &live(&["a long line that stays as it is", "> ab", "foot"], (1, 4))), 0);
    let bytes = bench.draw(&[], &live(&["a long line that stays as it is", "> abc", "foot"], (1, 5)));
    assert!(bytes < 60, "{bytes}");
    assert_eq!(bench.terminal.lines()[1], "> abc");
    assert_eq!(bench.terminal.at, (1, 5));
}

#[test]
fn wide_characters_stand_where_they_belong_after_changes() {
    let mut bench = Bench::new(20, 10);
    for text in ["中文", "中a文", "a中文", "👩\u{200d}💻x", "x👩\u{200d}💻", "e\u{301}中", ""] {
        bench.draw(&[], &live(&[text, "foot"], (0, width::of(text))));
        assert_eq!(bench.terminal.lines(), [text, "foot"], "{text}");
    }
}

#[test]
fn a_resize_there_and_back_loses_nothing_that_was_printed() {
    let mut bench = Bench::new(200, 50);
    bench.draw(&["kept"], &live(&["> x", "foot"], (0, 3)));
    for columns in [40, 200] {
        bench.screen.resize(columns).unwrap();
        bench.terminal.take(&std::mem::take(&mut bench.screen.out));
        bench.terminal.columns = columns;
        bench.draw(&[], &live(&["> x", "foot"], (0, 3)));
    }
    assert_eq!(bench.terminal.lines(), ["kept", "> x", "foot"]);
}

#[test]
fn rows_above_the_region_stay_whatever_the_terminal_makes_of_long_rows() {
    let long = "x".repeat(150);
    let region = live(&[&long, &long, "> x", "foot"], (2, 3));
    let kinds: [fn(&mut Terminal, usize, usize); 2] = [Terminal::resize, Terminal::resize_by_cutting];
    for resize in kinds {
        let mut bench = Bench::new(200, 20);
        bench.draw(&["kept 1", "kept 2", "kept 3"], &region);
        for columns in [40, 60, 30, 200] {
            resize(&mut bench.terminal, columns, 20);
            bench.screen.resize(columns).unwrap();
            bench.terminal.take(&std::mem::take(&mut bench.screen.out));
            bench.draw(&[], &live(&["> x", "foot"], (0, 3)));
            let lines = bench.terminal.lines();
            assert_eq!(lines[..3], ["kept 1", "kept 2", "kept 3"], "{columns}");
            assert_eq!(lines[lines.len() - 2..], ["> x", "foot"], "{columns}");
        }
    }
}

#[test]
fn no_row_can_speak_to_the_terminal() {
    let mut bench = Bench::new(80, 24);
    let evil = "\x1b]52;c;AAAA\x07 \x1b[2J \u{9b}31m \r\n \u{202e}x \x1bP1$r\x1b\\ \x08";
    bench.draw(&[evil], &live(&[evil], (0, 0)));
    let text = bench.terminal.lines().concat();
    assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
}

#[test]
fn without_colour_no_colour_is_written() {
    let mut screen = Screen::new(Vec::new(), 40, false);
    let rows: Vec<Row> = [Look::Done, Look::Failed, Look::Waits, Look::Running, Look::Code, Look::Strong]
        .map(|look| Row::of(look, "word"))
        .to_vec();
    screen.draw(&rows, &Live::default()).unwrap();
    let text = String::from_utf8(screen.out).unwrap();
    assert!(!text.contains(";3") && text.contains(";1m"), "{text:?}");
}
