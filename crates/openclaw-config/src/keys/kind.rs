//! What may stand at a setting, and how to say so to a person.

use std::fmt;

use serde_json::{Value, json};

use crate::tree::{Node, Shape};

/// What may stand at a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Int(i64, i64),
    /// A number within bounds.
    Number(f64, f64),
    /// A number above zero.
    Positive,
    /// Any text.
    Text,
    /// A file or folder; a leading `~` is the home directory.
    Path,
    /// A span of time: `30m`, `1h30m`, or a bare number.
    Duration,
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A secret: text, `${NAME}` or a reference object.
    Secret,
    /// A list of values of one kind.
    List(&'static Kind),
    /// A list whose elements have rows of their own.
    Items,
    /// Exactly `false`, next to another kind.
    False,
    /// An object whose keys are listed in the table.
    Object,
    /// An object with listed keys and room for others.
    Open,
    /// Anything.
    Any,
    /// Any of several kinds.
    Either(&'static [Kind]),
}

/// A value that is not of the kind wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The indices of the faulty elements, when it is a list and only they are wrong.
    pub elements: Vec<usize>,
}

impl Kind {
    /// Checks a value, not looking below objects with rows of their own.
    pub(crate) fn check(&self, node: &Node) -> Result<(), Mismatch> {
        let ok = match (self, &node.shape) {
            (Self::Any, _) | (Self::Bool | Self::False, Shape::Bool(false)) | (Self::Bool, Shape::Bool(true)) => true,
            (Self::Int(min, max), Shape::Number(number)) => {
                whole(number).is_some_and(|number| (*min..=*max).contains(&number))
            }
            (Self::Number(min, max), Shape::Number(number)) => {
                number.as_f64().is_some_and(|number| (*min..=*max).contains(&number))
            }
            (Self::Positive, Shape::Number(number)) => number.as_f64().is_some_and(|number| number > 0.0),
            (Self::Text | Self::Path, Shape::Text(_)) => true,
            (Self::Duration, Shape::Text(text)) => is_duration(text),
            (Self::Duration, Shape::Number(number)) => number.as_f64().is_some_and(|number| number >= 0.0),
            (Self::OneOf(words), Shape::Text(text)) => words.contains(&text.as_str()),
            (Self::Secret, Shape::Text(_)) => true,
            (Self::Secret, Shape::Map(_)) => {
                crate::secret::Ref::from_value(&node.to_value()).is_some_and(|parsed| parsed.is_ok())
            }
            (Self::List(kind), Shape::List(items)) => {
                let faulty = items.iter().enumerate().filter(|(_, item)| kind.check(item).is_err());
                let elements: Vec<usize> = faulty.map(|(index, _)| index).collect();
                return if elements.is_empty() { Ok(()) } else { Err(Mismatch { elements }) };
            }
            (Self::Items, Shape::List(_)) | (Self::Object | Self::Open, Shape::Map(_)) => true,
            (Self::Either(kinds), _) => kinds.iter().any(|kind| kind.check(node).is_ok()),
            _ => false,
        };
        if ok { Ok(()) } else { Err(Mismatch { elements: Vec::new() }) }
    }

    /// Tells whether the value is a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        match self {
            Self::Secret => true,
            Self::Either(kinds) => kinds.iter().any(Self::is_secret),
            _ => false,
        }
    }

    /// Returns the words a person may write, for completion.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        match self {
            Self::Bool => vec!["true", "false"],
            Self::False => vec!["false"],
            Self::OneOf(words) => words.to_vec(),
            Self::List(kind) => kind.words(),
            Self::Either(kinds) => kinds.iter().flat_map(Self::words).collect(),
            _ => Vec::new(),
        }
    }

    /// Tells whether keys that have no row are fine below it.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Open | Self::Any => true,
            Self::Either(kinds) => kinds.iter().any(Self::is_open),
            _ => false,
        }
    }

    /// Returns the JSON schema of the value itself.
    pub(crate) fn schema(&self) -> Value {
        match self {
            Self::Bool => json!({"type": "boolean"}),
            Self::False => json!({"const": false}),
            Self::Int(min, max) => bounded("integer", json!(min), (*max != i64::MAX).then(|| json!(max))),
            Self::Number(min, max) => bounded("number", json!(min), (*max != f64::MAX).then(|| json!(max))),
            Self::Positive => json!({"type": "number", "exclusiveMinimum": 0}),
            Self::Text | Self::Path => json!({"type": "string"}),
            Self::Duration => json!({"type": ["string", "number"]}),
            Self::OneOf(words) => json!({"enum": words}),
            Self::Secret => json!({"anyOf": [{"type": "string"}, {"$ref": "#/$defs/secretRef"}]}),
            Self::List(kind) => json!({"type": "array", "items": kind.schema()}),
            Self::Items => json!({"type": "array"}),
            Self::Object | Self::Open => json!({"type": "object"}),
            Self::Any => json!({}),
            Self::Either(kinds) => json!({"anyOf": kinds.iter().map(Self::schema).collect::<Vec<_>>()}),
        }
    }
}

fn bounded(kind: &str, min: Value, max: Option<Value>) -> Value {
    let mut schema = json!({"type": kind, "minimum": min});
    if let Some(max) = max {
        schema["maximum"] = max;
    }
    schema
}

/// Reads a JSON number that is whole, `3.0` included, as readers in JavaScript do.
fn whole(number: &serde_json::Number) -> Option<i64> {
    if let Some(number) = number.as_i64() {
        return Some(number);
    }
    let number = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked in the same expression")]
    (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
}

/// Reads `30m`, `1h30m`, `500ms`, `7d`, `2w`, or a bare number.
fn is_duration(text: &str) -> bool {
    let mut rest = text.trim();
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if digits == 0 || rest[..digits].parse::<f64>().is_err() {
            return false;
        }
        rest = rest[digits..].trim_start();
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        if !matches!(&rest[..unit], "" | "ms" | "s" | "m" | "h" | "d" | "w") {
            return false;
        }
        rest = rest[unit..].trim_start();
    }
    true
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::False => f.write_str("false"),
            Self::Int(min, i64::MAX) => write!(f, "a whole number of at least {min}"),
            Self::Int(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Number(min, max) if *max == f64::MAX => write!(f, "a number of at least {min}"),
            Self::Number(min, max) => write!(f, "a number from {min} to {max}"),
            Self::Positive => f.write_str("a number above 0"),
            Self::Text => f.write_str("text"),
            Self::Path => f.write_str("a path"),
            Self::Duration => f.write_str("a duration such as 30m or 1h"),
            Self::OneOf([word]) => write!(f, "{word}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Secret => f.write_str("a secret: text, ${NAME} or {source, provider, id}"),
            Self::List(kind) => write!(f, "a list, each {kind}"),
            Self::Items => f.write_str("a list"),
            Self::Object | Self::Open => f.write_str("an object"),
            Self::Any => f.write_str("any value"),
            Self::Either(kinds) => {
                for (index, kind) in kinds.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", or ")?;
                    }
                    write!(f, "{kind}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Origin;

    fn accepts(kind: Kind, value: Value) -> bool {
        kind.check(&Node::from_value(&value, &Origin::Default)).is_ok()
    }

    #[test]
    fn whole_numbers_have_two_ends() {
        let kind = Kind::Int(1, 65535);
        for (value, ok) in [
            (json!(1), true),
            (json!(65535), true),
            (json!(0), false),
            (json!(65536), false),
            (json!(1.5), false),
            (json!("1"), false),
            (json!(2.0), true),
        ] {
            assert_eq!(accepts(kind, value.clone()), ok, "{value}");
        }
    }

    #[test]
    fn positive_numbers_exclude_zero() {
        assert!(accepts(Kind::Positive, json!(0.5)) && !accepts(Kind::Positive, json!(0)));
    }

    #[test]
    fn durations_are_text_or_numbers() {
        for good in ["30m", "1h30m", "500ms", "0m", "7d", "1.5h", "12", "2 h"] {
            assert!(accepts(Kind::Duration, json!(good)), "{good}");
        }
        for bad in ["", "m", "30x", "-5m", "1h-2m", "1.2.3h"] {
            assert!(!accepts(Kind::Duration, json!(bad)), "{bad}");
        }
        assert!(accepts(Kind::Duration, json!(12)) && !accepts(Kind::Duration, json!(-1)));
    }

    #[test]
    fn secrets_are_text_or_a_reference() {
        assert!(accepts(Kind::Secret, json!("x")));
        assert!(accepts(Kind::Secret, json!({"source": "env", "id": "TOKEN"})));
        assert!(!accepts(Kind::Secret, json!({"source": "env", "id": "lower"})));
        assert!(!accepts(Kind::Secret, json!({"token": "x"})));
        assert!(!accepts(Kind::Secret, json!(5)));
    }

    #[test]
    fn a_list_names_each_bad_element() {
        let node = Node::from_value(&json!([7, "a", 5]), &Origin::Default);
        assert_eq!(Kind::List(&Kind::Text).check(&node), Err(Mismatch { elements: vec![0, 2] }));
    }
}
