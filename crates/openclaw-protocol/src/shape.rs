//! Checks of parameters, worded as the published schema's validator words them.
//!
//! Clients show these messages and tests compare them, so the words follow the
//! contract: the first missing property, then the first unexpected one, then the
//! first wrong value. Nothing here knows a method; [`crate::methods`] holds the tables.

use serde_json::{Map, Value};

/// What an object may hold.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The properties, in the order of the contract.
    pub fields: &'static [Field],
    /// Whether other properties are refused.
    pub is_closed: bool,
}

/// One property.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it may hold.
    pub kind: Kind,
}

/// What a property may hold.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Anything; the handler looks closer.
    Any,
    /// Text with a length between the two, in characters.
    Text(usize, usize),
    /// Text that is not empty, or `null`.
    TextOrNull,
    /// A whole number between the two.
    Integer(i64, i64),
    /// Any number.
    Number,
    /// True or false.
    Bool,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts that are not empty.
    Names,
    /// Any list.
    List,
    /// Any object.
    Object,
    /// An object of this shape.
    Of(&'static Shape),
}

impl Shape {
    /// No parameter is allowed.
    pub const EMPTY: Shape = Shape::closed(&[]);

    /// Makes a shape that refuses other properties.
    pub const fn closed(fields: &'static [Field]) -> Self {
        Self { fields, is_closed: true }
    }

    /// Makes a shape that ignores other properties.
    pub const fn open(fields: &'static [Field]) -> Self {
        Self { fields, is_closed: false }
    }

    /// Checks a value and returns its properties; an absent value counts as `{}`.
    ///
    /// # Errors
    /// The violations, joined with `; `, in the validator's words.
    pub fn check(&self, value: Option<Value>) -> Result<Map<String, Value>, String> {
        let map = match value {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(map)) => map,
            Some(_) => return Err("must be object".to_owned()),
        };
        let mut found = Vec::new();
        self.violations(&map, "", &mut found);
        if found.is_empty() { Ok(map) } else { Err(found.join("; ")) }
    }

    fn violations(&self, map: &Map<String, Value>, path: &str, found: &mut Vec<String>) {
        if let Some(missing) = self.fields.iter().find(|field| field.is_required && !map.contains_key(field.name)) {
            found.push(at(path, &format!("must have required property '{}'", missing.name)));
        }
        if self.is_closed
            && let Some(name) = map.keys().find(|name| self.fields.iter().all(|field| field.name != name.as_str()))
        {
            let place = if path.is_empty() { "root" } else { path };
            // A name comes from the client and goes into an error line: cut it.
            let name: String = name.chars().take(NAME_CHARS_MAX).collect();
            found.push(format!("at {place}: unexpected property '{name}'"));
        }
        for field in self.fields {
            let Some(value) = map.get(field.name) else { continue };
            let path = format!("{path}/{}", field.name);
            if let Kind::Of(shape) = field.kind {
                match value {
                    Value::Object(map) => shape.violations(map, &path, found),
                    _ => found.push(at(&path, "must be object")),
                }
            } else if let Some((index, message)) = field.kind.violation(value) {
                let path = index.map_or(path.clone(), |index| format!("{path}/{index}"));
                found.push(at(&path, &message));
            }
        }
    }
}

/// Longest part of an unexpected property's name that is repeated.
const NAME_CHARS_MAX: usize = 64;

fn at(path: &str, message: &str) -> String {
    if path.is_empty() { message.to_owned() } else { format!("at {path}: {message}") }
}

impl Kind {
    /// Returns the violation and, for a list, the place in it.
    fn violation(self, value: &Value) -> Option<(Option<usize>, String)> {
        let whole = |message: &str| Some((None, message.to_owned()));
        match self {
            Kind::Any | Kind::Of(_) => None,
            Kind::Text(min, max) => text_violation(value, min, max).map(|message| (None, message)),
            Kind::TextOrNull if value.is_null() => None,
            Kind::TextOrNull if value.is_string() => None,
            Kind::TextOrNull => whole("must match a schema in anyOf"),
            Kind::Integer(min, max) => integer_violation(value, min, max).map(|message| (None, message)),
            Kind::Number => (!value.is_number()).then(|| (None, "must be number".to_owned())),
            Kind::Bool => (!value.is_boolean()).then(|| (None, "must be boolean".to_owned())),
            Kind::OneOf(words) => match value.as_str() {
                Some(text) if words.contains(&text) => None,
                _ => whole("must be equal to one of the allowed values"),
            },
            Kind::List => (!value.is_array()).then(|| (None, "must be array".to_owned())),
            Kind::Object => (!value.is_object()).then(|| (None, "must be object".to_owned())),
            Kind::Names => match value.as_array() {
                None => whole("must be array"),
                Some(items) => items.iter().enumerate().find_map(|(index, item)| {
                    text_violation(item, 1, usize::MAX).map(|message| (Some(index), message))
                }),
            },
        }
    }
}

fn text_violation(value: &Value, min: usize, max: usize) -> Option<String> {
    let Some(text) = value.as_str() else { return Some("must be string".to_owned()) };
    if min == 0 && max == usize::MAX {
        return None;
    }
    let length = text.chars().count();
    if length < min {
        return Some(format!("must not have fewer than {min} characters"));
    }
    (length > max).then(|| format!("must not have more than {max} characters"))
}

fn integer_violation(value: &Value, min: i64, max: i64) -> Option<String> {
    let number = value.as_i64().or_else(|| whole_float(value));
    let Some(number) = number else { return Some("must be integer".to_owned()) };
    if number < min {
        return Some(format!("must be >= {min}"));
    }
    (number > max).then(|| format!("must be <= {max}"))
}

/// JavaScript has one number type: `3.0` is an integer there.
fn whole_float(value: &Value) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT_MAX)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53, so the conversion is exact")]
    Some(number as i64)
}

pub(crate) const ANY: Kind = Kind::Any;
pub(crate) const TEXT: Kind = Kind::Text(0, usize::MAX);
pub(crate) const NAME: Kind = Kind::Text(1, usize::MAX);
pub(crate) const TEXT_OR_NULL: Kind = Kind::TextOrNull;
pub(crate) const NUMBER: Kind = Kind::Number;
pub(crate) const BOOL: Kind = Kind::Bool;
pub(crate) const NAMES: Kind = Kind::Names;
pub(crate) const LIST: Kind = Kind::List;
pub(crate) const OBJECT: Kind = Kind::Object;

pub(crate) const fn text(min: usize, max: usize) -> Kind {
    Kind::Text(min, max)
}

pub(crate) const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer(min, max)
}

pub(crate) const fn one_of(words: &'static [&'static str]) -> Kind {
    Kind::OneOf(words)
}

pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, is_required: true, kind }
}

pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, is_required: false, kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const INNER: Shape = Shape::closed(&[required("id", one_of(&["a", "b"]))]);
    const SHAPE: Shape = Shape::closed(&[
        required("n", integer(1, 3)),
        optional("t", text(1, 2)),
        optional("inner", Kind::Of(&INNER)),
        optional("names", NAMES),
        optional("maybe", TEXT_OR_NULL),
    ]);

    fn check(value: Value, expected: &str) {
        let found = SHAPE.check(Some(value.clone())).err().unwrap_or_default();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn both_sides_of_every_boundary_are_told_apart() {
        check(json!({"n": 1}), "");
        check(json!({"n": 3.0, "t": "ab"}), "");
        check(json!({"n": 0}), "at /n: must be >= 1");
        check(json!({"n": 4}), "at /n: must be <= 3");
        check(json!({"n": 1.5}), "at /n: must be integer");
        check(json!({"n": 1, "t": ""}), "at /t: must not have fewer than 1 characters");
        check(json!({"n": 1, "t": "abc"}), "at /t: must not have more than 2 characters");
        check(json!({"n": 1, "names": ["x", ""]}), "at /names/1: must not have fewer than 1 characters");
        check(json!({"n": 1, "maybe": null}), "");
        check(json!({"n": 1, "maybe": 2}), "at /maybe: must match a schema in anyOf");
    }

    #[test]
    fn missing_and_unexpected_properties_are_named_like_the_contract_does() {
        check(json!({}), "must have required property 'n'");
        check(json!({"a": 1}), "must have required property 'n'; at root: unexpected property 'a'");
        check(json!({"n": 1, "inner": {}}), "at /inner: must have required property 'id'");
        check(json!({"n": 1, "inner": {"id": "c"}}), "at /inner/id: must be equal to one of the allowed values");
        check(json!([]), "must be object");
    }

    #[test]
    fn absent_parameters_are_an_empty_object() {
        assert!(Shape::EMPTY.check(None).is_ok_and(|map| map.is_empty()));
        assert_eq!(SHAPE.check(Some(Value::Null)), Err("must have required property 'n'".to_owned()));
    }
}
