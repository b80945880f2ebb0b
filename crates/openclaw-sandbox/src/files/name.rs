//! How names on disk are shown to people and models.
//!
//! A name that is not UTF-8 or holds control characters is shown escaped, so that
//! a listing has one line per entry and no name can forge another. Escaped names
//! are for reading; they do not open the file.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// Returns the name with control characters and invalid bytes escaped.
pub(super) fn shown(name: impl AsRef<OsStr>) -> String {
    let mut text = String::new();
    for chunk in name.as_ref().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_shown_as_they_are() {
        for name in ["a.txt", "наш файл", "a b\\c", "ünïcode/日本"] {
            assert_eq!(shown(name), name);
        }
    }

    #[test]
    fn invalid_bytes_and_control_characters_are_escaped() {
        assert_eq!(shown(OsStr::from_bytes(b"caf\xe9.txt")), "caf\\xe9.txt");
        assert_eq!(shown("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
    }
}
