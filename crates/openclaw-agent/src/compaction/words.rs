//! What counts as an identifier in running text, and other ways to look at words.

/// Longest quoted name that counts as one.
const NAME_BYTES_MAX: usize = 80;

/// Marks that stand around a word and do not belong to it.
const AROUND: &[char] =
    &['.', ',', ';', ':', '!', '?', '(', ')', '[', ']', '{', '}', '"', '\'', '`', '<', '>', '*', '…', '-', '=', '|'];

/// Returns what must be repeated to the letter: paths, addresses, ids, numbers
/// with their units, and quoted names.
pub(super) fn identifiers(text: &str) -> Vec<&str> {
    let words = text.split_whitespace().map(|word| word.trim_matches(AROUND)).filter(|word| is_identifier(word));
    words.chain(quoted(text)).collect()
}

fn is_identifier(word: &str) -> bool {
    let has_inner_dot = word.split('.').filter(|part| part.chars().any(char::is_alphanumeric)).count() > 1;
    has_inner_dot
        || word.chars().any(|c| c.is_ascii_digit())
        || (word.len() > 1 && word.contains(['/', '\\', '@', '_', '#', '$']))
        || word.contains("::")
}

/// Returns names in double quotes or backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let within = |mark: char| text.split(mark).skip(1).step_by(2);
    let is_name = |name: &&str| (2..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\n');
    within('"').chain(within('`')).map(str::trim).filter(is_name)
}

/// Returns the words that carry a sentence's meaning, in small letters.
pub(super) fn telling(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 4);
    let mut words: Vec<String> = words.map(str::to_lowercase).collect();
    words.sort();
    words.dedup();
    words
}

/// Returns the beginning of a text, at most so many bytes, on one line.
pub(super) fn beginning(text: &str, bytes_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, bytes_max).to_owned()
}

/// Cuts a text at a character, at most so many bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_paths_addresses_numbers_and_quoted_names() {
        let text =
            r#"Send (12kg) to a@b.example, see /etc/hosts and `My File`; call it "The Plan". And so on, or not."#;
        let found = identifiers(text);
        assert_eq!(found, ["12kg", "a@b.example", "/etc/hosts", "The Plan", "My File"]);
    }

    #[test]
    fn plain_sentences_have_none() {
        assert_eq!(identifiers("Please tidy up the kitchen - and then the garden."), Vec::<&str>::new());
    }

    #[test]
    fn a_beginning_ends_at_a_character() {
        assert_eq!(beginning("schön\n war es", 4), "sch");
        assert_eq!(beginning("schön\n war es", 40), "schön war es");
    }
}
