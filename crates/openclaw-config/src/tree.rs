//! The configuration as a tree in which every value knows where it came from.
//!
//! Includes, environment, migrations and defaults all work on this tree, so an
//! error found at the end still names the file, line and column of the start.
//! It reads JSON and JSON5 text; it opens no file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Number, Value};

use crate::path::{KeyPath, Segment};

mod parse;

pub use parse::{DEPTH_MAX, SyntaxError, TEXT_BYTES_MAX, parse};
pub(crate) use parse::{grammar, read, refuse_deep};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A place in a file, from 1.
    File {
        /// The file.
        file: Arc<Path>,
        /// Its line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// An environment variable.
    Env(String),
    /// The built-in default.
    Default,
    /// A command-line flag.
    Flag,
    /// The safe value put in place of an unusable one.
    StandIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Default => f.write_str("default"),
            Self::Flag => f.write_str("command-line flag"),
            Self::StandIn => f.write_str("safe stand-in for an unusable value"),
        }
    }
}

/// One value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) shape: Shape,
}

/// What kind of value it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// Keeps the author's order: it is what `config get` shows.
    Map(IndexMap<String, Node>),
}

impl Node {
    /// Builds a tree in which everything has one origin.
    pub(crate) fn from_value(value: &Value, origin: &Origin) -> Self {
        let shape = match value {
            Value::Null => Shape::Null,
            Value::Bool(value) => Shape::Bool(*value),
            Value::Number(value) => Shape::Number(value.clone()),
            Value::String(value) => Shape::Text(value.clone()),
            Value::Array(items) => Shape::List(items.iter().map(|item| Self::from_value(item, origin)).collect()),
            Value::Object(entries) => {
                Shape::Map(entries.iter().map(|(key, value)| (key.clone(), Self::from_value(value, origin))).collect())
            }
        };
        Self { origin: origin.clone(), shape }
    }

    pub(crate) fn empty_map(origin: Origin) -> Self {
        Self { origin, shape: Shape::Map(IndexMap::new()) }
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::Null,
            Shape::Bool(value) => Value::Bool(*value),
            Shape::Number(value) => Value::Number(value.clone()),
            Shape::Text(value) => Value::String(value.clone()),
            Shape::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Shape::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn map(&self) -> Option<&IndexMap<String, Self>> {
        match &self.shape {
            Shape::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn map_mut(&mut self) -> Option<&mut IndexMap<String, Self>> {
        match &mut self.shape {
            Shape::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        match &self.shape {
            Shape::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn list_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.shape {
            Shape::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the node at a path of plain keys, for example `gateway.port`.
    pub(crate) fn at(&self, dotted: &str) -> Option<&Self> {
        dotted.split('.').try_fold(self, |node, key| node.map()?.get(key))
    }

    pub(crate) fn at_mut(&mut self, dotted: &str) -> Option<&mut Self> {
        dotted.split('.').try_fold(self, |node, key| node.map_mut()?.get_mut(key))
    }

    /// Returns the node at any path.
    pub(crate) fn find(&self, path: &KeyPath) -> Option<&Self> {
        path.segments().iter().try_fold(self, |node, segment| match (segment, &node.shape) {
            (Segment::Key(key), Shape::Map(entries)) => entries.get(key),
            (Segment::Index(index), Shape::List(items)) => items.get(*index),
            _ => None,
        })
    }

    fn find_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, segment| match (segment, &mut node.shape) {
            (Segment::Key(key), Shape::Map(entries)) => entries.get_mut(key),
            (Segment::Index(index), Shape::List(items)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// Takes the node at a path of plain keys out of the tree.
    pub(crate) fn take(&mut self, dotted: &str) -> Option<Self> {
        match dotted.rsplit_once('.') {
            Some((parent, key)) => self.at_mut(parent)?.map_mut()?.shift_remove(key),
            None => self.map_mut()?.shift_remove(dotted),
        }
    }

    /// Takes the node at any path out of the tree.
    pub(crate) fn remove(&mut self, path: &KeyPath) -> Option<Self> {
        let (last, parents) = path.segments().split_last()?;
        let parent = self.find_mut(parents)?;
        match (last, &mut parent.shape) {
            (Segment::Key(key), Shape::Map(entries)) => entries.shift_remove(key),
            (Segment::Index(index), Shape::List(items)) if *index < items.len() => Some(items.remove(*index)),
            _ => None,
        }
    }

    /// Puts a node at a path of plain keys, making objects on the way; a value
    /// on the way that is not an object is left alone and `false` returned.
    pub(crate) fn put(&mut self, dotted: &str, node: Self) -> bool {
        let origin = node.origin.clone();
        let (parents, last) = match dotted.rsplit_once('.') {
            Some((parents, last)) => (Some(parents), last),
            None => (None, dotted),
        };
        let mut here = self;
        for key in parents.into_iter().flat_map(|parents| parents.split('.')) {
            let Some(entries) = here.map_mut() else {
                return false;
            };
            here = entries.entry(key.to_owned()).or_insert_with(|| Self::empty_map(origin.clone()));
        }
        match here.map_mut() {
            Some(entries) => {
                entries.insert(last.to_owned(), node);
                true
            }
            None => false,
        }
    }

    /// Calls `visit` for this node and every node below it, parents first.
    pub(crate) fn walk(&self, path: &KeyPath, visit: &mut impl FnMut(&KeyPath, &Self)) {
        visit(path, self);
        match &self.shape {
            Shape::Map(entries) => {
                for (key, node) in entries {
                    node.walk(&path.key(key), visit);
                }
            }
            Shape::List(items) => {
                for (index, node) in items.iter().enumerate() {
                    node.walk(&path.item(index), visit);
                }
            }
            Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text(_) => {}
        }
    }

    /// Names the kind of value, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match &self.shape {
            Shape::Null => "null",
            Shape::Bool(_) => "true/false",
            Shape::Number(_) => "a number",
            Shape::Text(_) => "text",
            Shape::List(_) => "a list",
            Shape::Map(_) => "an object",
        }
    }
}
