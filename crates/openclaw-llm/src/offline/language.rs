//! Which language a request is in, and how text is cut into pieces.

/// Characters of Chinese text per streamed piece.
const HAN_PER_DELTA: usize = 4;

/// A language the offline model answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// Tells the language of a request: Chinese as soon as it holds a Chinese character.
    pub(super) fn of(text: &str) -> Self {
        if text.chars().any(is_han) { Language::Chinese } else { Language::English }
    }

    /// Picks the text of this language.
    pub(super) fn pick<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }
}

pub(super) fn is_han(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// Estimates tokens: one per Chinese character, one per four other bytes.
pub(super) fn tokens(text: &str) -> u64 {
    let han = text.chars().filter(|character| is_han(*character)).count();
    let han_bytes: usize = text.chars().filter(|character| is_han(*character)).map(char::len_utf8).sum();
    (han + (text.len() - han_bytes).div_ceil(4)) as u64
}

/// Cuts text into the pieces it is streamed in: words, or a few Chinese characters.
pub(super) fn deltas(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut han = 0;
        let end = rest.char_indices().find_map(|(at, character)| {
            han += usize::from(is_han(character));
            (character.is_whitespace() || han == HAN_PER_DELTA).then_some(at + character.len_utf8())
        });
        let (delta, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!delta.is_empty()).then_some(delta)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_chinese_character_makes_a_request_chinese() {
        assert_eq!(Language::of("read README.md"), Language::English);
        assert_eq!(Language::of("读 README.md"), Language::Chinese);
    }

    #[test]
    fn pieces_join_to_the_text_they_were_cut_from() {
        for text in ["", "one two\nthree", "列出当前目录的文件 a.txt", " \n "] {
            assert_eq!(deltas(text).collect::<String>(), text);
        }
        assert_eq!(deltas("one two").count(), 2);
        assert_eq!(deltas("一二三四五").count(), 2);
    }

    #[test]
    fn tokens_grow_with_both_kinds_of_text() {
        assert_eq!((tokens(""), tokens("abcde"), tokens("中文")), (0, 2, 2));
    }
}
