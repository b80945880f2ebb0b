//! Variables of sessions, agents and everybody (ours; upstream has none).

use super::Method;
use crate::scope::Scope;
use crate::shape::{ANY, Field, NAME, Shape, one_of, optional, required};

static OWNERS: &[&str] = &["session", "agent", "global"];

static GET_PARAMS: &[Field] = &[
    required("name", NAME),
    required("scope", one_of(OWNERS)),
    optional("sessionKey", NAME),
    optional("agentId", NAME),
];

/// Reads a variable.
pub static VARS_GET: Method = Method::new("vars.get", Scope::Read, Shape::closed(GET_PARAMS));

static SET_PARAMS: &[Field] = &[
    required("name", NAME),
    required("value", ANY),
    required("scope", one_of(OWNERS)),
    optional("sessionKey", NAME),
    optional("agentId", NAME),
];

/// Sets a variable; the value `null` removes it.
pub static VARS_SET: Method = Method::new("vars.set", Scope::Write, Shape::closed(SET_PARAMS));

static LIST_PARAMS: &[Field] =
    &[required("scope", one_of(OWNERS)), optional("sessionKey", NAME), optional("agentId", NAME)];

/// Lists the variables of a scope.
pub static VARS_LIST: Method = Method::new("vars.list", Scope::Read, Shape::closed(LIST_PARAMS));
