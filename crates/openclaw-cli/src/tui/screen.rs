//! Writes rows to a terminal. Finished rows go to the ordinary scrollback and are
//! never touched again; the live region below them is redrawn by changed cells
//! only. Moves are relative, so it never has to ask where the cursor is. Every
//! frame is one synchronised update. Nothing that a terminal obeys can come from
//! a row: control characters are replaced here, whoever forgot to draw them.

use std::io::{self, Write};

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_segmentation::UnicodeSegmentation as _;

use super::row::{Look, Row};
use super::view::Live;
use super::width;

/// Most rows of a live region; a terminal is rarely higher.
const ROWS_MAX: usize = 500;

/// A terminal being written to.
pub(crate) struct Screen<W> {
    pub(super) out: W,
    columns: usize,
    is_coloured: bool,
    /// What is on screen of the live region.
    live: Buffer,
    /// Where the cursor is in it.
    cursor: (usize, usize),
    is_begun: bool,
    /// Bytes of the frame being made.
    frame: String,
}

impl<W: Write> Screen<W> {
    pub(crate) fn new(out: W, columns: usize, is_coloured: bool) -> Self {
        let live = Buffer::empty(Rect::ZERO);
        Self { out, columns: columns.max(2), is_coloured, live, cursor: (0, 0), is_begun: false, frame: String::new() }
    }

    /// Takes a new size. Some terminals wrap long rows anew, others cut them, and none
    /// says which: only as many rows are gone up as both kinds have left above the
    /// cursor, so that no finished row is ever erased. What a wrapping one has made of
    /// longer rows may stay behind as a copy.
    pub(crate) fn resize(&mut self, columns: usize) -> io::Result<()> {
        let columns = columns.max(2);
        if columns == self.columns {
            return Ok(());
        }
        if self.is_begun {
            self.clear();
            self.send()?;
            // Nothing of it is on screen that may be patched.
            self.is_begun = false;
        }
        self.columns = columns;
        Ok(())
    }

    /// Prints finished rows above the live region and draws the region.
    pub(crate) fn draw(&mut self, finished: &[Row], live: &Live) -> io::Result<()> {
        let next = self.buffer(&live.rows);
        let is_same_place = finished.is_empty() && self.is_begun && next.area == self.live.area;
        if is_same_place && next == self.live && live.cursor == self.cursor {
            return Ok(());
        }
        if is_same_place {
            self.patch(&next);
        } else {
            self.clear();
            for row in finished {
                self.row(row);
                self.frame.push_str("\r\n");
            }
            self.write_region(&next);
        }
        self.move_to(live.cursor);
        (self.live, self.is_begun) = (next, true);
        self.send()
    }

    /// Leaves: the live region goes, the cursor stands below what was said.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        self.clear();
        self.is_begun = false;
        self.send()
    }

    /// Rings the bell.
    pub(crate) fn bell(&mut self) -> io::Result<()> {
        self.out.write_all(b"\x07")?;
        self.out.flush()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let frame = format!("\x1b[?2026h\x1b[?25l{}\x1b[?25h\x1b[?2026l", self.frame);
        self.frame.clear();
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    fn buffer(&self, rows: &[Row]) -> Buffer {
        let height = rows.len().min(ROWS_MAX);
        let area =
            Rect::new(0, 0, u16::try_from(self.columns).unwrap_or(u16::MAX), u16::try_from(height).unwrap_or(u16::MAX));
        let mut buffer = Buffer::empty(area);
        for (y, row) in rows.iter().take(height).enumerate() {
            let mut x = 0_u16;
            for span in &row.spans {
                let left = usize::from(area.width.saturating_sub(x));
                let text = cells(&span.text);
                (x, _) = buffer.set_stringn(x, u16::try_from(y).unwrap_or(u16::MAX), text, left, self.style(span.look));
            }
        }
        buffer
    }

    /// Erases the live region; the cursor is at its beginning then.
    fn clear(&mut self) {
        if self.is_begun {
            self.go_up(self.cursor.0);
            self.frame.push_str("\r\x1b[J");
        }
        self.cursor = (0, 0);
        self.live = Buffer::empty(Rect::ZERO);
    }

    fn go_up(&mut self, rows: usize) {
        if rows > 0 {
            self.frame.push_str(&format!("\x1b[{rows}A"));
        }
    }

    fn move_to(&mut self, to: (usize, usize)) {
        if to.0 < self.cursor.0 {
            self.go_up(self.cursor.0 - to.0);
        } else if to.0 > self.cursor.0 {
            self.frame.push_str(&format!("\x1b[{}B", to.0 - self.cursor.0));
        }
        self.frame.push('\r');
        if to.1 > 0 {
            self.frame.push_str(&format!("\x1b[{}C", to.1));
        }
        self.cursor = to;
    }

    fn write_region(&mut self, next: &Buffer) {
        for y in 0..usize::from(next.area.height) {
            if y > 0 {
                self.frame.push_str("\r\n");
            }
            let wide = used(next, y);
            self.write_cells(next, y, 0, wide);
        }
        self.cursor = (usize::from(next.area.height).saturating_sub(1), 0);
        self.frame.push('\r');
    }

    fn write_cells(&mut self, from: &Buffer, y: usize, begin: usize, end: usize) {
        let mut style = blank();
        let mut x = begin;
        while x < end {
            let cell = &from[(column(x), column(y))];
            if cell.style() != style {
                style = cell.style();
                self.set(style);
            }
            self.frame.push_str(cell.symbol());
            x += width::of_cluster(cell.symbol()).max(1);
        }
        if style != blank() {
            self.frame.push_str("\x1b[0m");
        }
    }

    /// Writes the changed cells only.
    fn patch(&mut self, next: &Buffer) {
        let changed: Vec<(usize, usize)> =
            self.live.diff(next).into_iter().map(|(x, y, _)| (usize::from(x), usize::from(y))).collect();
        let mut at = 0;
        while at < changed.len() {
            let (x, y) = changed[at];
            let mut end = x + width::of_cluster(next[(column(x), column(y))].symbol()).max(1);
            at += 1;
            while let Some((following, _)) = changed.get(at).filter(|(its, row)| *row == y && *its <= end) {
                end = end.max(following + width::of_cluster(next[(column(*following), column(y))].symbol()).max(1));
                at += 1;
            }
            self.move_to((y, x));
            self.write_cells(next, y, x, end);
            // At the last column the cursor's place is uncertain: begin from the left again.
            self.frame.push('\r');
            self.cursor = (y, 0);
        }
    }

    /// Writes one finished row.
    fn row(&mut self, row: &Row) {
        let buffer = self.buffer(std::slice::from_ref(row));
        let end = used(&buffer, 0);
        self.write_cells(&buffer, 0, 0, end);
    }

    fn style(&self, look: Look) -> Style {
        let style = Style::default();
        let (modifier, colour) = match look {
            Look::Plain => (Modifier::empty(), None),
            Look::Dim => (Modifier::DIM, None),
            Look::Strong => (Modifier::BOLD, None),
            Look::Italic => (Modifier::ITALIC, None),
            Look::Code => (Modifier::empty(), Some(Color::Cyan)),
            Look::Done => (Modifier::empty(), Some(Color::Green)),
            Look::Running => (Modifier::empty(), Some(Color::Blue)),
            Look::Waits => (Modifier::BOLD, Some(Color::Yellow)),
            Look::Failed => (Modifier::BOLD, Some(Color::Red)),
            Look::Chosen => (Modifier::REVERSED, None),
        };
        let style = style.add_modifier(modifier);
        match colour.filter(|_| self.is_coloured) {
            Some(colour) => style.fg(colour),
            None => style,
        }
    }

    fn set(&mut self, style: Style) {
        self.frame.push_str("\x1b[0");
        let modifiers =
            [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2"), (Modifier::ITALIC, ";3"), (Modifier::REVERSED, ";7")];
        for (modifier, code) in modifiers {
            if style.add_modifier.contains(modifier) {
                self.frame.push_str(code);
            }
        }
        self.frame.push_str(match style.fg {
            Some(Color::Red) => ";31",
            Some(Color::Green) => ";32",
            Some(Color::Yellow) => ";33",
            Some(Color::Blue) => ";34",
            Some(Color::Cyan) => ";36",
            _ => "",
        });
        self.frame.push('m');
    }
}

fn blank() -> Style {
    Cell::EMPTY.style()
}

fn column(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

/// Returns the columns of a row up to its last cell that is not blank.
fn used(buffer: &Buffer, y: usize) -> usize {
    let wide = usize::from(buffer.area.width);
    if y >= usize::from(buffer.area.height) {
        return 0;
    }
    let last = (0..wide).rev().find(|x| {
        let cell = &buffer[(column(*x), column(y))];
        cell.symbol() != " " || cell.modifier.contains(Modifier::REVERSED)
    });
    last.map_or(0, |x| (x + width::of_cluster(buffer[(column(x), column(y))].symbol()).max(1)).min(wide))
}

/// The last line of defence: no control character reaches a cell.
fn cells(text: &str) -> String {
    let is_obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.chars().any(is_obeyed) {
        return text.to_owned();
    }
    text.graphemes(true).map(|cluster| if cluster.chars().any(is_obeyed) { "?" } else { cluster }).collect()
}

#[cfg(test)]
pub(crate) mod tests;
