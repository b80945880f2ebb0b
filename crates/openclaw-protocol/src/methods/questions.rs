//! Questions of agents.

use super::Method;
use crate::scope::Scope;
use crate::shape::{BOOL, Field, NAME, NAMES, OBJECT, Shape, integer, optional, required};

/// Lists open questions.
pub static QUESTION_LIST: Method = Method::new("question.list", Scope::Questions, Shape::EMPTY);

static QUESTION_GET_PARAMS: &[Field] = &[required("id", NAME)];

/// Tells about one question.
pub static QUESTION_GET: Method = Method::new("question.get", Scope::Questions, Shape::closed(QUESTION_GET_PARAMS));

static QUESTION_WAIT_ANSWER_PARAMS: &[Field] = &[required("id", NAME), optional("timeoutMs", integer(1, i64::MAX))];

/// Waits for the answer.
pub static QUESTION_WAIT_ANSWER: Method =
    Method::new("question.waitAnswer", Scope::Questions, Shape::closed(QUESTION_WAIT_ANSWER_PARAMS));

static QUESTION_RESOLVE_PARAMS: &[Field] = &[
    required("id", NAME),
    optional("answers", OBJECT),
    optional("cancel", BOOL),
    optional("resolvedBy", NAME),
    optional("secretStoreAllowedHosts", NAMES),
];

/// Answers a question.
pub static QUESTION_RESOLVE: Method =
    Method::new("question.resolve", Scope::Questions, Shape::closed(QUESTION_RESOLVE_PARAMS));
