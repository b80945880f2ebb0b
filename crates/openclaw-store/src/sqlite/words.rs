//! Cuts text into words that can be found again, in every script.
//!
//! Scripts that write without spaces (Chinese, Japanese, Thai) are cut into
//! pairs of neighbouring characters, so that a two-character word is found
//! inside a sentence; SQLite's own trigram tokenizer finds nothing shorter than
//! three. Other scripts are cut at what is neither letter nor digit; SQLite folds
//! case, accents and English endings afterwards.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Most words of one search.
const QUERY_WORDS_MAX: usize = 64;

/// Registers the SQL function `fold`: lower case in every script.
pub(super) fn register(db: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    db.create_scalar_function("fold", 1, flags, |context| {
        Ok(context.get_raw(0).as_str_or_null()?.map(str::to_lowercase))
    })
}

/// Returns the words of a text to be indexed, separated by spaces.
pub(super) fn indexed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for piece in pieces(text) {
        match piece {
            Piece::Word(word) => push(&mut out, &[word]),
            Piece::Dense(run) => {
                for (left, right) in run.chars().zip(run.chars().skip(1)) {
                    push(&mut out, &[left.encode_utf8(&mut [0; 4]), right.encode_utf8(&mut [0; 4])]);
                }
                // The last character alone: a search for one character is a search for a prefix.
                if let Some((start, _)) = run.char_indices().next_back() {
                    push(&mut out, &[run.get(start..).unwrap_or_default()]);
                }
            }
        }
    }
    out
}

/// Returns the full-text query that finds any of the words; `None` when there are none.
pub(super) fn query(words: &str) -> Option<String> {
    let mut terms: Vec<String> = Vec::new();
    for piece in pieces(words) {
        match piece {
            Piece::Word(word) => terms.push(format!("\"{word}\"")),
            Piece::Dense(run) if run.chars().nth(1).is_none() => terms.push(format!("\"{run}\"*")),
            Piece::Dense(run) => {
                let pairs = run.chars().zip(run.chars().skip(1));
                terms.extend(pairs.map(|(left, right)| format!("\"{left}{right}\"")));
            }
        }
    }
    terms.truncate(QUERY_WORDS_MAX);
    (!terms.is_empty()).then(|| terms.join(" OR "))
}

fn push(out: &mut String, parts: &[&str]) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.extend(parts.iter().copied());
}

enum Piece<'a> {
    /// Letters and digits of a script with spaces.
    Word(&'a str),
    /// Characters of a script without spaces.
    Dense(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(|chunk| {
        let mut rest = chunk;
        std::iter::from_fn(move || {
            let dense = is_dense(rest.chars().next()?);
            let end = rest.find(|c| is_dense(c) != dense).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            rest = after;
            Some(if dense { Piece::Dense(piece) } else { Piece::Word(piece) })
        })
    })
}

/// Tells whether a script writes words without spaces between them.
fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'     // Thai, Lao
        | '\u{1000}'..='\u{109F}'   // Burmese
        | '\u{1780}'..='\u{17FF}'   // Khmer
        | '\u{2E80}'..='\u{312F}'   // CJK radicals, kana, bopomofo
        | '\u{31A0}'..='\u{9FFF}'   // CJK
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_script() {
        assert_eq!(indexed("Ann likes green-tea, 2nd"), "Ann likes green tea 2nd");
        assert_eq!(indexed("我喜欢绿茶"), "我喜 喜欢 欢绿 绿茶 茶");
        assert_eq!(indexed("用Rust写"), "用 Rust 写");
        assert_eq!(indexed("?!"), "");
    }

    #[test]
    fn a_query_holds_quoted_words_only() {
        assert_eq!(query("green \"tea\" NOT x*").as_deref(), Some(r#""green" OR "tea" OR "NOT" OR "x""#));
        assert_eq!(query("绿茶").as_deref(), Some(r#""绿茶""#));
        assert_eq!(query("茶").as_deref(), Some(r#""茶"*"#));
        assert_eq!(query(" ?! "), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_indexed_and_searched(text in ".*", words in ".*") {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch("create virtual table w using fts5(words, tokenize='porter unicode61')").unwrap();
            db.execute("insert into w values (?1)", [indexed(&text)]).unwrap();
            if let Some(query) = query(&words) {
                db.query_row("select count(*) from w where w match ?1", [query], |row| row.get::<_, i64>(0)).unwrap();
            }
        }
    }
}
