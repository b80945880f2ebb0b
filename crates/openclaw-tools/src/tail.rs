//! The newest part of a program's output, and how much came before it.
//!
//! Used by `exec` and `process`: a long build must not fill memory or a prompt,
//! and its end is what says whether it worked.

/// Keeps the newest `bytes_max` bytes of what is pushed.
#[derive(Debug)]
pub(crate) struct Tail {
    text: String,
    bytes_max: usize,
    dropped: usize,
}

impl Tail {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { text: String::new(), bytes_max, dropped: 0 }
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        // Trimming only at twice the size keeps the cost per byte constant.
        if self.text.len() > self.bytes_max * 2 {
            self.trim();
        }
    }

    /// Returns the text, with a first line that says what is missing.
    pub(crate) fn finish(mut self, how_to_see_it: &str) -> String {
        self.trim();
        if self.dropped == 0 {
            return self.text;
        }
        format!("[{} earlier bytes left out; {how_to_see_it}]\n{}", self.dropped, self.text)
    }

    fn trim(&mut self) {
        let kept = crate::text::tail(&self.text, self.bytes_max).len();
        let cut = self.text.len() - kept;
        self.text.drain(..cut);
        self.dropped += cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(pieces: &[&str]) -> String {
        let mut tail = Tail::new(4);
        pieces.iter().for_each(|piece| tail.push(piece));
        tail.finish("ask")
    }

    #[test]
    fn what_fits_is_kept_whole_and_the_rest_is_counted() {
        assert_eq!(tail(&["ab", "cd"]), "abcd");
        assert_eq!(tail(&["ab", "cde"]), "[1 earlier bytes left out; ask]\nbcde");
        assert_eq!(tail(&["abcdefghij", "k"]), "[7 earlier bytes left out; ask]\nhijk");
    }

    #[test]
    fn a_character_is_never_split() {
        assert_eq!(tail(&["aéé"]), "[1 earlier bytes left out; ask]\néé");
        assert_eq!(tail(&["ééé"]), "[2 earlier bytes left out; ask]\néé");
    }
}
