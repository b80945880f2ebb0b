//! The configuration.

use super::Method;
use crate::scope::Scope;
use crate::shape::{Field, NAME, NAMES, OBJECT, Shape, TEXT, integer, optional, required, text};

/// Reads it, secrets replaced.
pub static CONFIG_GET: Method = Method::new("config.get", Scope::Read, Shape::EMPTY);

static CONFIG_SET_PARAMS: &[Field] = &[required("raw", NAME), optional("baseHash", NAME)];

/// Replaces the file.
pub static CONFIG_SET: Method = Method::new("config.set", Scope::Admin, Shape::closed(CONFIG_SET_PARAMS));

static CONFIG_PATCH_PARAMS: &[Field] = &[
    required("raw", NAME),
    optional("baseHash", NAME),
    optional("sessionKey", TEXT),
    optional("deliveryContext", OBJECT),
    optional("note", TEXT),
    optional("restartDelayMs", integer(0, i64::MAX)),
    optional("replacePaths", NAMES),
];

/// Merges a change into the file.
pub static CONFIG_PATCH: Method = Method::new("config.patch", Scope::Admin, Shape::closed(CONFIG_PATCH_PARAMS));

static CONFIG_APPLY_PARAMS: &[Field] = &[
    required("raw", NAME),
    optional("baseHash", NAME),
    optional("sessionKey", TEXT),
    optional("deliveryContext", OBJECT),
    optional("note", TEXT),
    optional("restartDelayMs", integer(0, i64::MAX)),
];

/// Replaces the file and applies it.
pub static CONFIG_APPLY: Method = Method::new("config.apply", Scope::Admin, Shape::closed(CONFIG_APPLY_PARAMS));

/// Returns its schema.
pub static CONFIG_SCHEMA: Method = Method::new("config.schema", Scope::Read, Shape::EMPTY);

static CONFIG_SCHEMA_LOOKUP_PARAMS: &[Field] = &[required("path", text(1, 1024))];

/// Returns the schema of one path.
pub static CONFIG_SCHEMA_LOOKUP: Method =
    Method::new("config.schema.lookup", Scope::Read, Shape::closed(CONFIG_SCHEMA_LOOKUP_PARAMS));
