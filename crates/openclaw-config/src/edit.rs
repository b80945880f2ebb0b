//! Changes of a configuration text that leave everything else as it was.
//!
//! Comments, order, quoting and layout survive, because the text is edited and
//! not written anew; that is also why `${NAME}`, `~` and references elsewhere go
//! back unchanged. Pure: it touches no file and checks no meaning.

use jsonc_parser::cst::{CstInputValue, CstLeafNode, CstNode, CstObject, CstObjectProp, CstRootNode};
use serde_json::Value;

use crate::path::{KeyPath, Segment};
use crate::tree::{TEXT_BYTES_MAX, grammar, refuse_deep};

mod patch;

pub use patch::{PatchError, merge};

/// Why a text cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not JSON5.
    #[error("edit the configuration: it is not JSON5: {message} at line {line}, column {column}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Something on the way is neither an object nor a list.
    #[error("set {path}: {at} is not an object")]
    NotAnObject {
        /// The whole path.
        path: String,
        /// The part that is in the way.
        at: String,
    },
    /// A list has fewer elements.
    #[error("set {path}: the list has {len} elements; use an index from 0 to {len}")]
    OutOfRange {
        /// The whole path.
        path: String,
        /// Its length.
        len: usize,
    },
    /// The whole configuration cannot be set as one value.
    #[error("set the root of the configuration: name a setting")]
    Root,
    /// The result is too long.
    #[error("edit the configuration: the result has more than {TEXT_BYTES_MAX} bytes")]
    TooLong,
}

/// Sets one value, making objects on the way.
///
/// # Errors
/// See [`Error`]; nothing was changed then.
pub fn set(text: &str, path: &KeyPath, value: &Value) -> Result<String, Error> {
    let document = Document::read(text)?;
    if path.is_root() {
        return Err(Error::Root);
    }
    let root = document.root_object()?;
    put(&root.into(), path, 0, value)?;
    document.finish()
}

/// Reads a value as typed on a command line: JSON5 if it is, else plain text.
/// Where only text fits, `123` is text too.
#[must_use]
pub fn typed_value(path: &KeyPath, text: &str) -> Value {
    let Ok(value) = crate::tree::parse(text) else {
        return Value::from(text);
    };
    let fits = |value: &Value| {
        let node = crate::tree::Node::from_value(value, &crate::tree::Origin::Flag);
        crate::keys::find(path).is_none_or(|key| key.kind.check(&node).is_ok())
    };
    let as_text = Value::from(text);
    if !fits(&value) && fits(&as_text) { as_text } else { value }
}

/// Removes one value; tells whether it was there.
///
/// # Errors
/// See [`Error`].
pub fn unset(text: &str, path: &KeyPath) -> Result<(String, bool), Error> {
    let document = Document::read(text)?;
    let Some((last, parents)) = path.segments().split_last() else {
        return Err(Error::Root);
    };
    let mut here = document.root.value();
    for segment in parents {
        here = here.and_then(|node| child(&node, segment));
    }
    let Some(parent) = here else { return Ok((text.to_owned(), false)) };
    let was_there = remove_child(&parent, last);
    Ok((document.finish()?, was_there))
}

/// Changes the whole document to hold `target`, touching only what differs.
///
/// # Errors
/// See [`Error`].
pub fn reconcile(text: &str, target: &Value) -> Result<String, Error> {
    let document = Document::read(text)?;
    let root = document.root_object()?;
    assign(&root.into(), target);
    document.finish()
}

/// Replaces string values for which `replace` returns something else.
pub(crate) fn rewrite_strings(
    text: &str,
    replace: &mut dyn FnMut(&KeyPath, &str) -> Option<String>,
) -> Result<String, Error> {
    let document = Document::read(text)?;
    if let Some(root) = document.root.value() {
        rewrite(&root, &KeyPath::root(), replace);
    }
    document.finish()
}

/// Replaces the text of comments.
pub(crate) fn rewrite_comments(text: &str, replace: &mut dyn FnMut(&str) -> String) -> Result<String, Error> {
    fn visit(node: &CstNode, replace: &mut dyn FnMut(&str) -> String) {
        if let CstNode::Leaf(CstLeafNode::Comment(comment)) = node {
            let old = comment.raw_value();
            let new = replace(&old);
            if new != old {
                comment.set_raw_value(new);
            }
        }
        for child in node.children() {
            visit(&child, replace);
        }
    }
    let document = Document::read(text)?;
    visit(&document.root.clone().into(), replace);
    document.finish()
}

/// A text being edited. The root outlives every node taken from it: nodes hold
/// weak references upwards.
struct Document {
    root: CstRootNode,
    has_mark: bool,
}

impl Document {
    fn read(text: &str) -> Result<Self, Error> {
        let (body, has_mark) = match text.strip_prefix('\u{feff}') {
            Some(body) => (body, true),
            None => (text, false),
        };
        if body.len() > TEXT_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let body = if body.trim().is_empty() { "{}\n" } else { body };
        refuse_deep(body).map_err(|error| Error::Syntax {
            message: error.message,
            line: error.line,
            column: error.column,
        })?;
        let root = CstRootNode::parse(body, &grammar()).map_err(|error| Error::Syntax {
            message: error.kind().to_string(),
            line: error.line_display(),
            column: error.column_display(),
        })?;
        Ok(Self { root, has_mark })
    }

    fn root_object(&self) -> Result<CstObject, Error> {
        self.root.object_value_or_create().ok_or(Error::NotAnObject { path: String::new(), at: "the root".to_owned() })
    }

    fn finish(&self) -> Result<String, Error> {
        let body = self.root.to_string();
        if body.len() > TEXT_BYTES_MAX {
            return Err(Error::TooLong);
        }
        Ok(if self.has_mark { format!("\u{feff}{body}") } else { body })
    }
}

/// Returns the property of a name; of repeated ones the last, which is the one read.
fn property(object: &CstObject, name: &str) -> Option<CstObjectProp> {
    object.properties().into_iter().rev().find(|property| property.decoded_name().as_deref() == Some(name))
}

/// Reads a step as an index where it meets a list: `list.0` is `list[0]`.
fn index_of(segment: &Segment) -> Option<usize> {
    match segment {
        Segment::Index(index) => Some(*index),
        Segment::Key(key) => key.parse().ok(),
    }
}

fn child(node: &CstNode, segment: &Segment) -> Option<CstNode> {
    if let Some(object) = node.as_object() {
        let Segment::Key(key) = segment else { return None };
        return property(&object, key)?.value();
    }
    node.as_array()?.elements().into_iter().nth(index_of(segment)?)
}

fn remove_child(parent: &CstNode, segment: &Segment) -> bool {
    if let (Some(object), Segment::Key(key)) = (parent.as_object(), segment) {
        let mut was_there = false;
        while let Some(found) = property(&object, key) {
            found.remove();
            was_there = true;
        }
        return was_there;
    }
    let element =
        parent.as_array().zip(index_of(segment)).and_then(|(array, index)| array.elements().into_iter().nth(index));
    match element {
        Some(element) => {
            element.remove();
            true
        }
        None => false,
    }
}

/// Sets the value `depth` steps into `path`, seen from `node`.
fn put(node: &CstNode, path: &KeyPath, depth: usize, value: &Value) -> Result<(), Error> {
    let rest = &path.segments()[depth..];
    let Some((step, below)) = rest.split_first() else {
        assign(node, value);
        return Ok(());
    };
    if let Some(object) = node.as_object() {
        let Segment::Key(key) = step else { return Err(not_an_object(path, depth)) };
        return match property(&object, key) {
            None => {
                object.append(key, input(&nest(path, below, value)?));
                Ok(())
            }
            Some(found) => match found.value() {
                Some(inner) if !below.is_empty() && inner.as_null_keyword().is_none() => {
                    put(&inner, path, depth + 1, value)
                }
                Some(inner) if below.is_empty() => {
                    assign(&inner, value);
                    Ok(())
                }
                Some(_) | None => {
                    found.set_value(input(&nest(path, below, value)?));
                    Ok(())
                }
            },
        };
    }
    let (Some(array), Some(index)) = (node.as_array(), index_of(step)) else {
        return Err(not_an_object(path, depth));
    };
    let elements = array.elements();
    match elements.get(index) {
        Some(element) => put(element, path, depth + 1, value),
        None if index == elements.len() => {
            array.append(input(&nest(path, below, value)?));
            Ok(())
        }
        None => Err(Error::OutOfRange { path: path.to_string(), len: elements.len() }),
    }
}

fn not_an_object(path: &KeyPath, depth: usize) -> Error {
    Error::NotAnObject { path: path.to_string(), at: KeyPath::from(path.segments()[..depth].to_vec()).to_string() }
}

/// Wraps a value in the objects and lists that do not exist yet.
fn nest(path: &KeyPath, below: &[Segment], value: &Value) -> Result<Value, Error> {
    below.iter().rev().try_fold(value.clone(), |inner, segment| match segment {
        Segment::Key(key) => Ok(Value::Object(std::iter::once((key.clone(), inner)).collect())),
        Segment::Index(0) => Ok(Value::Array(vec![inner])),
        Segment::Index(_) => Err(Error::OutOfRange { path: path.to_string(), len: 0 }),
    })
}

/// Makes a node hold a value, keeping the parts that hold it already.
fn assign(node: &CstNode, value: &Value) {
    match (node.as_object(), node.as_array(), value) {
        (Some(object), _, Value::Object(map)) => {
            for found in object.properties() {
                if !found.decoded_name().is_some_and(|name| map.contains_key(&name)) {
                    found.remove();
                }
            }
            for (key, value) in map {
                match property(&object, key).and_then(|found| found.value()) {
                    Some(inner) => assign(&inner, value),
                    None => {
                        object.append(key, input(value));
                    }
                }
            }
        }
        (_, Some(array), Value::Array(items)) => {
            for surplus in array.elements().into_iter().skip(items.len()).rev() {
                surplus.remove();
            }
            let kept = array.elements();
            for (index, item) in items.iter().enumerate() {
                match kept.get(index) {
                    Some(element) => assign(element, item),
                    None => {
                        array.append(input(item));
                    }
                }
            }
        }
        // Left alone if it says the same already: `0x10` stays `0x10`.
        _ if crate::tree::parse(&node.to_string()).ok().as_ref() == Some(value) => {}
        _ => replace(node, input(value)),
    }
}

fn replace(node: &CstNode, value: CstInputValue) {
    if let Some(property) = node.parent().and_then(|parent| parent.as_object_prop()) {
        property.set_value(value);
        return;
    }
    let replaced = if let Some(node) = node.as_object() {
        node.replace_with(value)
    } else if let Some(node) = node.as_array() {
        node.replace_with(value)
    } else if let Some(node) = node.as_string_lit() {
        node.replace_with(value)
    } else if let Some(node) = node.as_number_lit() {
        node.replace_with(value)
    } else if let Some(node) = node.as_boolean_lit() {
        node.replace_with(value)
    } else {
        node.as_null_keyword().and_then(|node| node.replace_with(value))
    };
    debug_assert!(replaced.is_some(), "every value node can be replaced");
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(value) => CstInputValue::Number(value.to_string()),
        Value::String(value) => CstInputValue::String(value.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => {
            CstInputValue::Object(map.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}

fn rewrite(node: &CstNode, path: &KeyPath, change: &mut dyn FnMut(&KeyPath, &str) -> Option<String>) {
    if let Some(object) = node.as_object() {
        for property in object.properties() {
            if let (Some(name), Some(value)) = (property.decoded_name(), property.value()) {
                rewrite(&value, &path.key(&name), change);
            }
        }
    } else if let Some(array) = node.as_array() {
        for (index, element) in array.elements().iter().enumerate() {
            rewrite(element, &path.item(index), change);
        }
    } else if let Some(text) = node.as_string_lit().and_then(|literal| literal.decoded_value().ok())
        && let Some(new) = change(path, &text)
    {
        replace(node, CstInputValue::String(new));
    }
}

#[cfg(test)]
mod tests;
