//! JSON lines, decoded from bytes, for Ollama.
//!
//! Splits at LF and decodes UTF-8 per complete line. Refuses a line larger than
//! [`LINE_BYTES_MAX`]. Called by `exchange`, one decoder per response.

/// Largest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A line beyond [`LINE_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one line is larger than {LINE_BYTES_MAX} bytes")]
pub struct TooLarge;

/// Turns bytes into lines.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
}

impl Decoder {
    /// Adds bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete line that is not blank; `None` asks for more bytes.
    ///
    /// # Errors
    /// When a line exceeds the limit.
    pub fn next_line(&mut self) -> Result<Option<String>, TooLarge> {
        loop {
            let search = self.scanned.max(self.start);
            let Some(found) = self.buffer[search..].iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                let fits = self.buffer.len() - self.start <= LINE_BYTES_MAX;
                return if fits { Ok(None) } else { Err(TooLarge) };
            };
            let line = text_of(&self.buffer[self.start..search + found]);
            self.start = search + found + 1;
            self.scanned = self.start;
            if let Some(line) = line {
                return Ok(Some(line));
            }
        }
    }

    /// Returns the line that was pending when the bytes ended.
    pub fn last_line(&mut self) -> Option<String> {
        let line = text_of(&self.buffer[self.start..]);
        self.start = self.buffer.len();
        self.scanned = self.start;
        line
    }
}

fn text_of(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(line) = decoder.next_line().unwrap() {
                lines.push(line);
            }
        }
        lines.extend(decoder.last_line());
        lines
    }

    #[test]
    fn lines_come_out_the_same_however_the_bytes_are_split() {
        let text = "{\"a\":\"🦞\"}\n\r\n  \n{\"b\":2}\r\n{\"c\":3}";
        let expected = vec!["{\"a\":\"🦞\"}".to_owned(), "{\"b\":2}".to_owned(), "{\"c\":3}".to_owned()];
        for size in 1..=text.len() {
            assert_eq!(decode(text.as_bytes().chunks(size)), expected, "chunks of {size}");
        }
    }
}
