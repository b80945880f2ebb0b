//! A place inside the configuration: `agents.entries["a.b"].skills[0]`.
//!
//! Written by people on the command line and by clients in patches, so parsing
//! is strict and bounded. It refuses empty segments and the names a JavaScript
//! reader of the same file would treat as prototypes.

use std::fmt;

/// Longest written path, in bytes.
pub const TEXT_BYTES_MAX: usize = 2048;
/// Most segments in one path.
pub const SEGMENTS_MAX: usize = 64;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of an object.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// A place inside the configuration; empty is the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(Vec<Segment>);

/// Why a written path is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was written.
    #[error("read an empty setting path")]
    Empty,
    /// Longer than [`TEXT_BYTES_MAX`] or deeper than [`SEGMENTS_MAX`].
    #[error("read a setting path of more than {TEXT_BYTES_MAX} bytes or {SEGMENTS_MAX} steps")]
    TooLong,
    /// Not the grammar; `at` counts bytes from 0.
    #[error("read setting path {path:?}: {expected} at position {at}")]
    Syntax {
        /// What was written.
        path: String,
        /// What should have stood there.
        expected: &'static str,
        /// Where, in bytes.
        at: usize,
    },
    /// A name that other readers of the file treat as a prototype.
    #[error("read setting path: {0:?} is not allowed as a key")]
    Forbidden(String),
}

impl KeyPath {
    /// Returns the path of the whole configuration.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads `a.b[0]."c.d"["e"]`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Err(Error::Empty);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let mut reader = Reader { text, at: 0 };
        let mut path = Self::root();
        path.push(reader.first()?)?;
        while let Some(segment) = reader.next()? {
            path.push(segment)?;
        }
        Ok(path)
    }

    fn push(&mut self, segment: Segment) -> Result<(), Error> {
        if let Segment::Key(key) = &segment
            && matches!(key.as_str(), "__proto__" | "prototype" | "constructor")
        {
            return Err(Error::Forbidden(key.clone()));
        }
        if self.0.len() == SEGMENTS_MAX {
            return Err(Error::TooLong);
        }
        self.0.push(segment);
        Ok(())
    }

    /// Returns the path of a key below this one.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Key(key.to_owned()));
        path
    }

    /// Returns the path of an element below this one.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Index(index));
        path
    }

    /// Returns the steps.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Tells whether this is the whole configuration.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the path one step up.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Tells whether `other` is this path or above it.
    #[must_use]
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl From<Vec<Segment>> for KeyPath {
    fn from(segments: Vec<Segment>) -> Self {
        Self(segments)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    if is_plain(key) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{}", serde_json::Value::from(key.as_str()))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && !key.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '.' | '[' | ']' | '"' | '\''))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, Error> {
        Err(Error::Syntax { path: self.text.to_owned(), expected, at: self.at })
    }

    fn first(&mut self) -> Result<Segment, Error> {
        if self.rest().starts_with('[') { self.bracket() } else { self.name() }
    }

    fn next(&mut self) -> Result<Option<Segment>, Error> {
        match self.rest().chars().next() {
            None => Ok(None),
            Some('[') => self.bracket().map(Some),
            Some('.') => {
                self.at += 1;
                self.name().map(Some)
            }
            Some(_) => self.fail("expected `.` or `[`"),
        }
    }

    fn name(&mut self) -> Result<Segment, Error> {
        if self.rest().starts_with(['"', '\'']) {
            return self.quoted().map(Segment::Key);
        }
        let end = self.rest().find(['.', '[', ']', '"', '\'']).unwrap_or(self.rest().len());
        if end == 0 {
            return self.fail("expected a name");
        }
        let name = self.rest()[..end].to_owned();
        self.at += end;
        Ok(Segment::Key(name))
    }

    fn bracket(&mut self) -> Result<Segment, Error> {
        self.at += 1;
        let segment = if self.rest().starts_with(['"', '\'']) {
            Segment::Key(self.quoted()?)
        } else {
            let end = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
            match self.rest()[..end].parse() {
                Ok(index) => {
                    self.at += end;
                    Segment::Index(index)
                }
                Err(_) => return self.fail("expected a number or a quoted name"),
            }
        };
        if !self.rest().starts_with(']') {
            return self.fail("expected `]`");
        }
        self.at += 1;
        Ok(segment)
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let mut chars = self.rest().char_indices();
        let Some((_, quote)) = chars.next() else {
            return self.fail("expected a quote");
        };
        let mut escaped = false;
        for (offset, c) in chars {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                let inner = &self.rest()[1..offset];
                let Some(name) = unescape(inner, quote) else {
                    return self.fail("expected valid escapes in the quoted name");
                };
                self.at += offset + 1;
                return Ok(name);
            }
        }
        self.fail("expected a closing quote")
    }
}

/// Undoes JSON escapes; single quotes follow the same rules with `\'` added.
fn unescape(inner: &str, quote: char) -> Option<String> {
    let text = if quote == '\'' { inner.replace("\\'", "'").replace('"', "\\\"") } else { inner.to_owned() };
    serde_json::from_str(&format!("\"{text}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[&str]) {
        let path = KeyPath::parse(text).unwrap();
        let shown: Vec<String> = path
            .segments()
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => key.clone(),
                Segment::Index(index) => format!("#{index}"),
            })
            .collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn reads_dots_brackets_and_quotes() {
        check("gateway.port", &["gateway", "port"]);
        check("a[0].b", &["a", "#0", "b"]);
        check("models.providers.openai.models[12]", &["models", "providers", "openai", "models", "#12"]);
        check(r#"groups."*".x"#, &["groups", "*", "x"]);
        check(r#"a["x.y"].b"#, &["a", "x.y", "b"]);
        check("a['x.y']", &["a", "x.y"]);
        check(r#"a['say "hi"']"#, &["a", "say \"hi\""]);
        check(
            "agents.defaults.models.anthropic/claude-x.alias",
            &["agents", "defaults", "models", "anthropic/claude-x", "alias"],
        );
    }

    #[test]
    fn refuses_what_is_not_a_path() {
        for text in [
            "",
            "  ",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a[x]",
            "a[1",
            "a]",
            "a\"b",
            "a[\"x]",
            "a[99999999999999999999999]",
        ] {
            assert!(KeyPath::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(KeyPath::parse("a.__proto__"), Err(Error::Forbidden("__proto__".into())));
    }

    #[test]
    fn bounds_length_and_depth() {
        let deep = vec!["a"; SEGMENTS_MAX].join(".");
        assert!(KeyPath::parse(&deep).is_ok());
        assert_eq!(KeyPath::parse(&format!("{deep}.a")), Err(Error::TooLong));
        assert!(KeyPath::parse(&"a".repeat(TEXT_BYTES_MAX)).is_ok());
        assert_eq!(KeyPath::parse(&"a".repeat(TEXT_BYTES_MAX + 1)), Err(Error::TooLong));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            drop(KeyPath::parse(&text));
        }

        #[test]
        fn what_is_shown_reads_back(keys in prop::collection::vec(".{0,12}", 1..6), index in 0_usize..99) {
            let mut path = KeyPath::root();
            for key in &keys {
                path = path.key(key);
            }
            path = path.item(index);
            prop_assume!(!keys.iter().any(|key| matches!(key.as_str(), "__proto__" | "prototype" | "constructor")));
            prop_assume!(!path.to_string().trim().is_empty());
            prop_assert_eq!(KeyPath::parse(&path.to_string()).unwrap(), path);
        }
    }
}
