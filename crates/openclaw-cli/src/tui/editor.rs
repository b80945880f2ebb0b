//! The line being typed: text, cursor, readline motions, history. Knows nothing
//! of keys or the screen; the cursor stands between grapheme clusters.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

use super::width;

/// Longest message typed or pasted.
pub(crate) const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Messages remembered.
pub(crate) const HISTORY_MAX: usize = 500;

/// The line being typed.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// Byte offset, always at a cluster boundary.
    cursor: usize,
    killed: String,
    history: Vec<String>,
    /// Which remembered message is shown, and what was typed before.
    recalled: Option<(usize, String)>,
}

/// Where the text stands on the screen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rows: Vec<String>,
    pub(crate) cursor_row: usize,
    pub(crate) cursor_column: usize,
}

impl Editor {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn history(&self) -> &[String] {
        &self.history
    }

    /// Replaces the text; the cursor goes to the end.
    pub(crate) fn set(&mut self, text: &str) {
        self.text.clear();
        self.cursor = 0;
        self.insert(text);
    }

    /// Takes the text out.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        self.recalled = None;
        std::mem::take(&mut self.text)
    }

    /// Inserts text at the cursor; carriage returns become line breaks and what
    /// would pass the limit is dropped.
    pub(crate) fn insert(&mut self, text: &str) {
        let room = text.floor_char_boundary(TEXT_BYTES_MAX.saturating_sub(self.text.len()));
        let text = text[..room].replace("\r\n", "\n").replace('\r', "\n");
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
        // A mark that joins its neighbour moves the boundary.
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        if cursor.is_boundary(&self.text, 0) != Ok(true) {
            self.cursor = self.next_boundary();
        }
    }

    fn next_boundary(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    fn previous_boundary(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    pub(crate) fn left(&mut self) {
        self.cursor = self.previous_boundary();
    }

    pub(crate) fn right(&mut self) {
        self.cursor = self.next_boundary();
    }

    fn line_begin(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }

    pub(crate) fn home(&mut self) {
        self.cursor = self.line_begin();
    }

    pub(crate) fn end(&mut self) {
        self.cursor = self.line_end();
    }

    fn word_begin(&self) -> usize {
        let head = self.text[..self.cursor].trim_end();
        head.unicode_word_indices().next_back().map_or(0, |(at, word)| {
            if at + word.len() == head.len() { at } else { head.rfind(char::is_whitespace).map_or(0, |at| at + 1) }
        })
    }

    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_begin();
    }

    pub(crate) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let word = rest.unicode_word_indices().next();
        self.cursor = word.map_or(self.text.len(), |(at, word)| self.cursor + at + word.len());
    }

    fn kill(&mut self, from: usize, to: usize) {
        self.killed = self.text[from..to].to_owned();
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    pub(crate) fn backspace(&mut self) {
        let from = self.previous_boundary();
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    pub(crate) fn delete(&mut self) {
        let to = self.next_boundary();
        self.text.replace_range(self.cursor..to, "");
    }

    pub(crate) fn kill_word(&mut self) {
        self.kill(self.word_begin(), self.cursor);
    }

    pub(crate) fn kill_to_begin(&mut self) {
        self.kill(self.line_begin(), self.cursor);
    }

    pub(crate) fn kill_to_end(&mut self) {
        let end = self.line_end();
        self.kill(self.cursor, if end == self.cursor { (end + 1).min(self.text.len()) } else { end });
    }

    pub(crate) fn yank(&mut self) {
        let killed = self.killed.clone();
        self.insert(&killed);
    }

    /// Remembers a message, unless it is the last one again.
    pub(crate) fn remember(&mut self, text: &str) {
        if text.trim().is_empty() || self.history.last().is_some_and(|last| last == text) {
            return;
        }
        self.history.push(text.to_owned());
        if self.history.len() > HISTORY_MAX {
            self.history.remove(0);
        }
    }

    /// Goes up a line; at the first one, to the message before. Tells whether anything moved.
    pub(crate) fn up(&mut self) -> bool {
        let begin = self.line_begin();
        if begin > 0 {
            let column = width::of(&self.text[begin..self.cursor]);
            self.cursor = begin - 1;
            self.home();
            self.go_to_column(column);
            return true;
        }
        let at = self.recalled.as_ref().map_or(self.history.len(), |(at, _)| *at);
        self.recall(at.checked_sub(1))
    }

    /// Goes down a line; at the last one, to the message after.
    pub(crate) fn down(&mut self) -> bool {
        let end = self.line_end();
        if end < self.text.len() {
            let column = width::of(&self.text[self.line_begin()..self.cursor]);
            self.cursor = end + 1;
            self.go_to_column(column);
            return true;
        }
        let Some((at, typed)) = self.recalled.clone() else { return false };
        if at + 1 < self.history.len() {
            return self.recall(Some(at + 1));
        }
        self.set(&typed);
        self.recalled = None;
        true
    }

    fn recall(&mut self, at: Option<usize>) -> bool {
        let Some((at, text)) = at.and_then(|at| Some((at, self.history.get(at)?.clone()))) else { return false };
        let typed = self.recalled.take().map_or_else(|| self.text.clone(), |(_, typed)| typed);
        self.set(&text);
        self.recalled = Some((at, typed));
        true
    }

    fn go_to_column(&mut self, column: usize) {
        let line = &self.text[self.cursor..self.line_end()];
        self.cursor += width::take(line, column).len();
    }

    /// Lays the text out and finds the cursor, `columns` wide.
    pub(crate) fn layout(&self, columns: usize) -> Layout {
        let columns = columns.max(2);
        let mut layout = Layout { rows: vec![String::new()], cursor_row: 0, cursor_column: 0 };
        let mut used = 0;
        for (at, cluster) in self.text.grapheme_indices(true) {
            let shown = if cluster == "\n" || cluster == "\r\n" { String::new() } else { shown(cluster) };
            let wide = width::of(&shown);
            if used + wide > columns {
                layout.rows.push(String::new());
                used = 0;
            }
            if at == self.cursor {
                (layout.cursor_row, layout.cursor_column) = (layout.rows.len() - 1, used);
            }
            if cluster.ends_with('\n') {
                layout.rows.push(String::new());
                used = 0;
                continue;
            }
            if let Some(row) = layout.rows.last_mut() {
                row.push_str(&shown);
            }
            used += wide;
        }
        if self.cursor == self.text.len() {
            if used >= columns {
                layout.rows.push(String::new());
                used = 0;
            }
            (layout.cursor_row, layout.cursor_column) = (layout.rows.len() - 1, used);
        }
        layout
    }
}

fn shown(cluster: &str) -> String {
    if cluster == "\t" { " ".repeat(4) } else { width::safe_line(cluster) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Editor {
        let mut editor = Editor::default();
        editor.insert(text);
        editor
    }

    #[test]
    fn the_cursor_moves_and_deletes_by_cluster() {
        let mut editor = typed("a中👩\u{200d}💻e\u{301}");
        editor.backspace();
        assert_eq!(editor.text(), "a中👩\u{200d}💻");
        editor.left();
        editor.backspace();
        assert_eq!(editor.text(), "a👩\u{200d}💻");
        editor.delete();
        assert_eq!(editor.text(), "a");
        editor.right();
        editor.insert("\u{301}b");
        assert_eq!(editor.text(), "a\u{301}b");
    }

    #[test]
    fn readline_motions_keep_their_meaning() {
        let mut editor = typed("one two three");
        editor.kill_word();
        assert_eq!(editor.text(), "one two ");
        editor.yank();
        assert_eq!(editor.text(), "one two three");
        editor.home();
        editor.word_right();
        editor.kill_to_end();
        assert_eq!(editor.text(), "one");
        editor.kill_to_begin();
        assert!(editor.is_empty());
    }

    #[test]
    fn history_is_walked_and_what_was_typed_comes_back() {
        let mut editor = typed("draft");
        editor.remember("first");
        editor.remember("second");
        editor.remember("second");
        assert!(editor.up());
        assert_eq!(editor.text(), "second");
        assert!(editor.up());
        assert!(!editor.up());
        assert_eq!(editor.text(), "first");
        assert!(editor.down() && editor.down());
        assert_eq!(editor.text(), "draft");
        assert!(!editor.down());
    }

    #[test]
    fn up_and_down_move_between_lines_first() {
        let mut editor = typed("中文x\nab");
        assert!(editor.up());
        editor.insert("|");
        assert_eq!(editor.text(), "中|文x\nab");
    }

    #[test]
    fn a_message_has_a_limit_and_is_cut_between_characters() {
        let mut editor = typed(&"中".repeat(TEXT_BYTES_MAX));
        assert!(editor.text().len() <= TEXT_BYTES_MAX && editor.text().len() > TEXT_BYTES_MAX - 3);
        editor.insert("x");
        assert!(editor.text().len() <= TEXT_BYTES_MAX);
    }

    /// Numbers that look random and are the same in every run.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        move |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        }
    }

    #[test]
    fn the_cursor_column_equals_the_reference_width_for_500_cases() {
        use unicode_width::UnicodeWidthStr as _;
        // Clusters with the columns they take; `unicode-width` must agree on the whole text.
        let clusters = [
            ("a", 1),
            ("Z", 1),
            (" ", 1),
            ("é", 1),
            ("e\u{301}", 1),
            ("o\u{302}\u{323}", 1),
            ("ﾊ", 1),
            ("中", 2),
            ("文", 2),
            ("。", 2),
            ("かゞ", 4),
            ("한", 2),
            ("Ａ", 2),
            ("👩\u{200d}💻", 2),
            ("👍🏽", 2),
            ("🇨🇳", 2),
            ("🦀", 2),
            ("❤\u{fe0f}", 2),
            ("ก\u{e47}", 1),
            ("я", 1),
            ("～", 2),
        ];
        let mut next = numbers();
        for case in 0..500 {
            let picked: Vec<(&str, usize)> = (0..next(40)).map(|_| clusters[next(clusters.len())]).collect();
            let text: String = picked.iter().map(|(text, _)| *text).collect();
            let mut editor = typed(&text);
            let wide: usize = picked.iter().map(|(_, wide)| wide).sum();
            assert_eq!(editor.layout(1000).cursor_column, wide, "{case} {text:?}");
            assert_eq!(text.width(), wide, "{case} {text:?}");
            for _ in 0..next(20) {
                editor.left();
            }
            let head = editor.text()[..editor.cursor].width();
            assert_eq!(editor.layout(1000).cursor_column, head, "{case} {text:?}");
            let columns = 2 + next(60);
            let layout = editor.layout(columns);
            assert_eq!(layout.rows.concat(), text, "{case}");
            let above: usize = layout.rows[..layout.cursor_row].iter().map(|row| row.width()).sum();
            assert_eq!(above + layout.cursor_column, head, "{case} {columns} {text:?}");
            assert!(layout.rows.iter().all(|row| row.width() <= columns) && layout.cursor_column < columns, "{case}");
        }
    }
}
