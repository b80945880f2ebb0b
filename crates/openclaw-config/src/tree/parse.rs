//! Text to tree: strict JSON and JSON5 with one parser.
//!
//! `jsonc-parser` accepts everything a JSON5 file holds in practice (comments,
//! trailing commas, single quotes, bare keys, hex, a leading plus, line
//! continuations) and also keeps the exact text for editing, so one grammar
//! serves reading and writing. A byte order mark is skipped. Missing commas and
//! `Infinity`/`NaN` are refused: the first hides mistakes, the second has no
//! JSON value.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Number;

use super::{Node, Origin, Shape};

/// Largest text read as configuration.
pub const TEXT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Deepest nesting read. Every walk of a tree is a recursion, and a path that
/// names a value has no more steps.
pub const DEPTH_MAX: usize = crate::path::SEGMENTS_MAX;

/// Why text is not a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

/// Returns the grammar used for reading and for editing.
pub(crate) fn grammar() -> ParseOptions {
    ParseOptions { allow_missing_commas: false, allow_non_finite_numbers: false, ..ParseOptions::default() }
}

/// Reads text as a JSON value, for callers that need no places.
///
/// # Errors
/// The first place where the text is not JSON5.
pub fn parse(text: &str) -> Result<serde_json::Value, SyntaxError> {
    Ok(read(text, &Arc::from(Path::new("")))?.to_value())
}

/// Reads text as a tree.
pub(crate) fn read(text: &str, file: &Arc<Path>) -> Result<Node, SyntaxError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SyntaxError {
            message: format!("the text has {} bytes, at most {TEXT_BYTES_MAX} are read", text.len()),
            line: 1,
            column: 1,
        });
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_deep(body)?;
    let parsed = parse_to_ast(body, &CollectOptions::default(), &grammar()).map_err(|error| SyntaxError {
        message: sentence(&error.kind().to_string()),
        line: error.line_display(),
        column: error.column_display(),
    })?;
    let Some(value) = parsed.value else {
        return Err(SyntaxError {
            message: "the file is empty; write {} for a configuration of defaults".to_owned(),
            line: 1,
            column: 1,
        });
    };
    Reader { file, lines: Lines::new(body) }.node(&value)
}

/// Refuses nesting beyond [`DEPTH_MAX`] before the parser, itself a recursion,
/// sees it. Strings and comments end where the parser ends them, so both count
/// the same brackets up to the first error.
pub(crate) fn refuse_deep(text: &str) -> Result<(), SyntaxError> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += match byte {
            quote @ (b'"' | b'\'') => string_len(rest, *quote),
            b'/' if rest.starts_with(b"//") => {
                rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => {
                rest[2..].windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 4)
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    let (line, column) = Lines::new(text).place(at);
                    return Err(SyntaxError { message: format!("nested more than {DEPTH_MAX} deep"), line, column });
                }
                1
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
    }
    Ok(())
}

/// Returns the length of the string that begins here, quotes included.
fn string_len(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Turns the parser's sentence into a fragment that can follow a path.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

struct Reader<'a> {
    file: &'a Arc<Path>,
    lines: Lines<'a>,
}

impl Reader<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let (line, column) = self.lines.place(offset);
        Origin::File { file: Arc::clone(self.file), line, column }
    }

    fn node(&self, value: &ast::Value<'_>) -> Result<Node, SyntaxError> {
        let (start, shape) = match value {
            ast::Value::NullKeyword(null) => (null.range.start, Shape::Null),
            ast::Value::BooleanLit(bool) => (bool.range.start, Shape::Bool(bool.value)),
            ast::Value::StringLit(text) => (text.range.start, Shape::Text(text.value.to_string())),
            ast::Value::NumberLit(literal) => {
                let Some(number) = number(literal.value) else {
                    let (line, column) = self.lines.place(literal.range.start);
                    return Err(SyntaxError {
                        message: format!("{} is not a number this program can hold", literal.value),
                        line,
                        column,
                    });
                };
                (literal.range.start, Shape::Number(number))
            }
            ast::Value::Array(array) => {
                let items = array.elements.iter().map(|element| self.node(element));
                (array.range.start, Shape::List(items.collect::<Result<_, _>>()?))
            }
            ast::Value::Object(object) => {
                let mut entries = IndexMap::with_capacity(object.properties.len());
                for property in &object.properties {
                    // A repeated key: the last one wins, as for every reader of this file.
                    entries.insert(property.name.as_str().to_owned(), self.node(&property.value)?);
                }
                (object.range.start, Shape::Map(entries))
            }
        };
        Ok(Node { origin: self.origin(start), shape })
    }
}

/// Reads a JSON5 number literal.
fn number(literal: &str) -> Option<Number> {
    let (negative, digits) = match literal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, literal.strip_prefix('+').unwrap_or(literal)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let magnitude = i128::from(u64::from_str_radix(hex, 16).ok()?);
        return Number::from_i128(if negative { -magnitude } else { magnitude });
    }
    let mut text = String::with_capacity(literal.len() + 2);
    if negative {
        text.push('-');
    }
    if digits.starts_with('.') {
        text.push('0');
    }
    match digits.split_once('.') {
        // `5.` and `5.e3` are JSON5; JSON wants a digit after the point.
        Some((whole, rest)) if !rest.starts_with(|c: char| c.is_ascii_digit()) => {
            text.push_str(whole);
            text.push_str(".0");
            text.push_str(rest);
        }
        _ => text.push_str(digits),
    }
    serde_json::from_str(&text).ok()
}

/// Line starts of a text, for turning offsets into places.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(offset, _)| offset + 1)).collect();
        Self { text, starts }
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn reads_every_json5_form_seen_in_homes() {
        let cases = [
            ("{\"a\":1}", json!({"a": 1})),
            ("\u{feff}{a:1}", json!({"a": 1})),
            ("// x\n{ /* y */ a: 'b', }", json!({"a": "b"})),
            (
                "{a: 0xFF, b: +4, c: .5, d: 5., e: -0x10, f: 5.e2}",
                json!({"a": 255, "b": 4, "c": 0.5, "d": 5.0, "e": -16, "f": 500.0}),
            ),
            ("{a: 'x\\\ny'}", json!({"a": "xy"})),
            ("{a: 1, a: 2}", json!({"a": 2})),
            ("{a: [1, 2, ], b: null, c: true}", json!({"a": [1, 2], "b": null, "c": true})),
            ("{$schema: 'x', _b: 1, \"c d\": 2}", json!({"$schema": "x", "_b": 1, "c d": 2})),
            ("{a: 1e3, b: 18446744073709551615}", json!({"a": 1000.0, "b": u64::MAX})),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_with_the_place() {
        let cases = [
            ("", 1, 1),
            ("// only a comment", 1, 1),
            ("{\n  a: 1\n  b: 2\n}", 2, 7),
            ("{a: Infinity}", 1, 5),
            ("{a: 0xFFFFFFFFFFFFFFFFFF}", 1, 5),
            ("{\"é\": x}", 1, 7),
            ("{} {}", 1, 4),
            ("{a: 1", 1, 1),
        ];
        for (text, line, column) in cases {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
        }
    }

    #[test]
    fn values_know_their_line_and_column() {
        let file: Arc<Path> = Arc::from(Path::new("f"));
        let tree = read("{\n  gateway: {\n    port: 1,\n  },\n}", &file).unwrap();
        let expected = Origin::File { file, line: 3, column: 11 };
        assert_eq!(tree.at("gateway.port").unwrap().origin, expected);
    }

    #[test]
    fn size_is_bounded() {
        let text = format!("\"{}\"", "a".repeat(TEXT_BYTES_MAX - 2));
        assert!(parse(&text).is_ok());
        assert!(parse(&format!("{text} ")).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(parse(&nested(DEPTH_MAX)).is_ok());
            let error = parse(&nested(DEPTH_MAX + 1)).unwrap_err();
            assert_eq!(error.message, "nested more than 64 deep");
            assert!(parse(&nested(100_000)).is_err());
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let many = "[{".repeat(DEPTH_MAX);
        for text in [
            format!("{{a: \"{many}\\\"{many}\"}}"),
            format!("{{a: '{many}\\'{many}'}}"),
            format!("{{/* {many} */ a: 1}} // {many}"),
        ] {
            assert!(parse(&text).is_ok(), "{text}");
        }
        let siblings = format!("[{}]", "[[]],".repeat(DEPTH_MAX * 2));
        assert!(parse(&siblings).is_ok());
    }

    proptest! {
        #[test]
        fn never_panics_on_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(parse(&String::from_utf8_lossy(&bytes)));
        }

        #[test]
        fn never_panics_on_nearly_json(text in "[\\[\\]{}:,'\"\\\\/*a-f0x.+\\-\\n ]{0,80}") {
            drop(parse(&text));
        }
    }
}
