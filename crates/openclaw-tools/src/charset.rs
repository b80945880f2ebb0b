//! Reads bytes as text.
//!
//! Used for files and for pages whose server names no encoding. Guessing is
//! limited to what bytes can show: a byte order mark, valid UTF-8, valid
//! GB18030; the rest is windows-1252, which reads anything.

use encoding_rs::{Encoding, GB18030, UTF_8, WINDOWS_1252};

/// Text and the encoding it was read in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) encoding: &'static str,
}

/// Decodes bytes, preferring the named encoding.
pub(crate) fn decode(bytes: &[u8], label: Option<&str>) -> Decoded {
    let named = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    let marked = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let encoding = marked.or(named).unwrap_or_else(|| guess(bytes));
    let (text, encoding, _) = encoding.decode(bytes);
    Decoded { text: text.into_owned(), encoding: encoding.name() }
}

/// Tells whether bytes look like something other than text.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(8192)];
    Encoding::for_bom(bytes).is_none() && start.contains(&0)
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    // GB18030 refuses most Western text, so a clean read is good evidence.
    if GB18030.decode_without_bom_handling_and_without_replacement(bytes).is_some() { GB18030 } else { WINDOWS_1252 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], label: Option<&str>, text: &str, encoding: &'static str) {
        assert_eq!(decode(bytes, label), Decoded { text: text.into(), encoding });
    }

    #[test]
    fn text_is_read_in_the_encoding_it_shows() {
        check("héllo".as_bytes(), None, "héllo", "UTF-8");
        check(b"\xEF\xBB\xBFhi", None, "hi", "UTF-8");
        check(b"\xFF\xFEh\0i\0", None, "hi", "UTF-16LE");
        check(b"\xC4\xE3\xBA\xC3", None, "你好", "gb18030");
        check(b"caf\xE9\n", None, "café\n", "windows-1252");
        check(b"caf\xE9", Some("iso-8859-1"), "café", "windows-1252");
        check("ü".as_bytes(), Some("no-such-charset"), "ü", "UTF-8");
    }

    #[test]
    fn a_zero_byte_means_binary_unless_a_mark_explains_it() {
        assert!(is_binary(b"\x7fELF\0\0"));
        assert!(!is_binary(b"\xFF\xFEh\0i\0"));
        assert!(!is_binary("你好".as_bytes()));
    }
}
