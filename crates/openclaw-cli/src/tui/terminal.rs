//! The terminal's modes: raw, bracketed paste, key reports. They are undone when
//! the value is dropped, also when the program fails.

use std::io::{self, Write as _};

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::{execute, terminal};

/// A terminal in raw mode.
pub(crate) struct Raw;

impl Raw {
    /// Takes the terminal over.
    pub(crate) fn begin() -> io::Result<Raw> {
        terminal::enable_raw_mode()?;
        let raw = Raw;
        // Terminals that know no key reports ignore the request.
        let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
        execute!(io::stdout(), EnableBracketedPaste, PushKeyboardEnhancementFlags(flags))?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let mut out = io::stdout();
        // Nothing can be done about a terminal that is gone.
        let _gone = execute!(out, PopKeyboardEnhancementFlags, DisableBracketedPaste);
        let _gone = write!(out, "\x1b[0m\x1b[?25h");
        let _gone = out.flush();
        let _gone = terminal::disable_raw_mode();
    }
}

/// Returns columns and rows; a terminal that does not know its size counts as an ordinary one.
pub(crate) fn size() -> (usize, usize) {
    let (columns, rows) = terminal::size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24));
    (usize::from(columns.max(2)), usize::from(rows.max(2)))
}
