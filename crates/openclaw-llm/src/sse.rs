//! Server-sent events, decoded from bytes (`models.md` §0.1).
//!
//! Shared by four wire formats. Lines end with LF, CR or CRLF, which may be
//! split anywhere; UTF-8 is decoded per complete line, so any split of the bytes
//! gives the same events. Refuses an event larger than [`EVENT_BYTES_MAX`].
//! Called by `exchange`, one decoder per response.

/// Largest event, data lines together, in bytes.
pub const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most bytes kept of lines that are no field of the format.
const STRAY_BYTES_MAX: usize = 64 * 1024;

/// One event; borrowed until the next is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event:` line, empty when there was none.
    pub name: &'a str,
    /// The `data:` lines joined with LF.
    pub data: &'a str,
}

/// An event or a line beyond [`EVENT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one event is larger than {EVENT_BYTES_MAX} bytes")]
pub struct TooLarge;

/// Turns bytes into events.
#[derive(Debug)]
pub struct Decoder {
    /// Bytes not yet split into lines; those before `start` are used up.
    buffer: Vec<u8>,
    start: usize,
    /// Where the search for a line end goes on, so that long lines cost O(n).
    scanned: usize,
    /// The last line ended with CR: a following LF belongs to it.
    skip_lf: bool,
    at_start: bool,
    /// The event handed out last is cleared before the next line is read.
    handed_out: bool,
    name: String,
    data: String,
    has_data: bool,
    /// Lines without a known field, for servers that send a bare JSON error.
    stray: String,
    bytes_max: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(EVENT_BYTES_MAX)
    }
}

impl Decoder {
    fn with_limit(bytes_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            skip_lf: false,
            at_start: true,
            handed_out: false,
            name: String::new(),
            data: String::new(),
            has_data: false,
            stray: String::new(),
            bytes_max,
        }
    }

    /// Adds bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete event; `None` asks for more bytes.
    ///
    /// # Errors
    /// When an event exceeds the limit.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, TooLarge> {
        self.clear_handed_out();
        while let Some((from, to)) = self.next_line() {
            if self.take_line(from, to)? {
                self.handed_out = true;
                return Ok(Some(Event { name: &self.name, data: &self.data }));
            }
        }
        if self.buffer.len() - self.start > self.bytes_max {
            return Err(TooLarge);
        }
        Ok(None)
    }

    /// Returns the event that was pending when the bytes ended without a blank line.
    ///
    /// # Errors
    /// When an event exceeds the limit.
    pub fn last_event(&mut self) -> Result<Option<Event<'_>>, TooLarge> {
        self.clear_handed_out();
        if self.start < self.buffer.len() {
            let (from, to) = (self.start, self.buffer.len());
            self.start = to;
            self.scanned = to;
            if self.take_line(from, to)? {
                self.handed_out = true;
                return Ok(Some(Event { name: &self.name, data: &self.data }));
            }
        }
        if !self.has_data {
            return Ok(None);
        }
        self.handed_out = true;
        Ok(Some(Event { name: &self.name, data: &self.data }))
    }

    /// Returns lines that were no field of the format, joined with LF.
    pub fn stray(&self) -> &str {
        &self.stray
    }

    fn clear_handed_out(&mut self) {
        if self.handed_out {
            self.handed_out = false;
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.name.clear();
        self.data.clear();
        self.has_data = false;
    }

    /// Finds the next complete line and steps over its end.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.skip_lf && self.start < self.buffer.len() {
            self.skip_lf = false;
            if self.buffer[self.start] == b'\n' {
                self.start += 1;
            }
        }
        let search = self.scanned.max(self.start);
        let Some(found) = self.buffer[search..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let (from, to) = (self.start, search + found);
        self.skip_lf = self.buffer[to] == b'\r';
        self.start = to + 1;
        self.scanned = self.start;
        Some((from, to))
    }

    /// Reads one line; true when it completed an event.
    fn take_line(&mut self, from: usize, to: usize) -> Result<bool, TooLarge> {
        let mut line = &self.buffer[from..to];
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            if self.has_data {
                return Ok(true);
            }
            self.reset();
            return Ok(false);
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return Ok(false),
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &line[line.len()..]),
        };
        match field {
            b"data" if value.is_empty() && !self.has_data => {}
            b"data" => {
                if self.data.len() + value.len() > self.bytes_max {
                    return Err(TooLarge);
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(&String::from_utf8_lossy(value));
                self.has_data = true;
            }
            b"event" => {
                self.name.clear();
                self.name.push_str(&String::from_utf8_lossy(value));
            }
            b"id" | b"retry" => {}
            _ => {
                if self.stray.len() + line.len() < STRAY_BYTES_MAX {
                    self.stray.push_str(&String::from_utf8_lossy(line));
                    self.stray.push('\n');
                }
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, String)> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        let own = |event: Event<'_>| (event.name.to_owned(), event.data.to_owned());
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(event) = decoder.next_event().unwrap() {
                events.push(own(event));
            }
        }
        if let Some(event) = decoder.last_event().unwrap() {
            events.push(own(event));
        }
        events
    }

    fn check(bytes: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(decode([bytes.as_bytes()]), expected, "{bytes:?} at once");
        assert_eq!(decode(bytes.as_bytes().chunks(1)), expected, "{bytes:?} byte by byte");
    }

    #[test]
    fn every_line_end_is_understood_even_when_split() {
        check("event: a\ndata: 1\n\ndata: 2\n\n", &[("a", "1"), ("", "2")]);
        check("event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", &[("a", "1"), ("", "2")]);
        check("event: a\rdata: 1\r\rdata: 2\r\r", &[("a", "1"), ("", "2")]);
    }

    #[test]
    fn several_data_lines_join_with_a_newline_and_one_space_is_dropped() {
        check("data: a\ndata:  b\ndata:c\n\n", &[("", "a\n b\nc")]);
    }

    #[test]
    fn comments_empty_data_ids_and_a_byte_order_mark_give_no_event() {
        check("\u{feff}: hi\n\n:\n\ndata:\n\ndata: \n\nid: 7\nretry: 3\n\ndata: x\n\n", &[("", "x")]);
    }

    #[test]
    fn an_event_without_its_last_blank_line_is_delivered_at_the_end() {
        check("data: a\n\ndata: b\n", &[("", "a"), ("", "b")]);
        check("data: a\n\ndata: b", &[("", "a"), ("", "b")]);
    }

    #[test]
    fn utf8_split_inside_a_character_is_whole_again() {
        check("data: 🦞é漢\n\n", &[("", "🦞é漢")]);
    }

    #[test]
    fn lines_that_are_no_field_are_kept_for_a_look() {
        let mut decoder = Decoder::default();
        decoder.feed(b"{\n  \"error\": {\"code\": 503}\n}\n");
        assert_eq!(decoder.next_event().unwrap(), None);
        assert_eq!(decoder.stray(), "{\n  \"error\": {\"code\": 503}\n}\n");
    }

    #[test]
    fn a_megabyte_line_passes_and_one_beyond_the_limit_is_refused() {
        let long = "x".repeat(3 << 20);
        check_long(&long, EVENT_BYTES_MAX, true);
        check_long(&"x".repeat(100), 107, true);
        check_long(&"x".repeat(101), 100, false);
    }

    fn check_long(text: &str, bytes_max: usize, fits: bool) {
        let mut decoder = Decoder::with_limit(bytes_max);
        let mut result = Ok(());
        for chunk in format!("data: {text}\n\n").as_bytes().chunks(64 * 1024) {
            decoder.feed(chunk);
            match decoder.next_event() {
                Ok(Some(event)) => assert_eq!(event.data, text),
                Ok(None) => {}
                Err(error) => result = Err(error),
            }
        }
        assert_eq!(result.is_ok(), fits);
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_events(
            text in "(data: ?[a-c🦞é]{0,6}|event: [ab]|:c|)((\r\n|\n|\r)(data: ?[a-c🦞é]{0,6}|event: [ab]|:c|)){0,12}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.push(0);
            at.push(bytes.len());
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(chunks), decode([bytes]));
        }
    }
}
