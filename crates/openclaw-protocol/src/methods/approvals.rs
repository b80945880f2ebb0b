//! Questions about tool calls.

use super::Method;
use crate::scope::Scope;
use crate::shape::{Field, NAME, OBJECT, Shape, integer, optional, required};

/// Lists pending questions.
pub static EXEC_APPROVAL_LIST: Method = Method::new("exec.approval.list", Scope::Approvals, Shape::open(&[]));

static EXEC_APPROVAL_GET_PARAMS: &[Field] = &[required("id", NAME)];

/// Tells about one question.
pub static EXEC_APPROVAL_GET: Method =
    Method::new("exec.approval.get", Scope::Approvals, Shape::closed(EXEC_APPROVAL_GET_PARAMS));

static EXEC_APPROVAL_RESOLVE_PARAMS: &[Field] = &[
    required("id", NAME),
    required("decision", NAME),
    optional("reviewer", OBJECT),
    optional("grantExpiresInDays", integer(1, 3650)),
];

/// Answers a question.
pub static EXEC_APPROVAL_RESOLVE: Method =
    Method::new("exec.approval.resolve", Scope::Approvals, Shape::closed(EXEC_APPROVAL_RESOLVE_PARAMS));

static EXEC_APPROVAL_GRANTS_LIST_PARAMS: &[Field] = &[optional("limit", integer(1, 500))];

/// Lists standing permissions.
pub static EXEC_APPROVAL_GRANTS_LIST: Method =
    Method::new("exec.approval.grants.list", Scope::Approvals, Shape::closed(EXEC_APPROVAL_GRANTS_LIST_PARAMS));

static EXEC_APPROVAL_GRANTS_REVOKE_PARAMS: &[Field] = &[required("grantId", NAME)];

/// Takes one back.
pub static EXEC_APPROVAL_GRANTS_REVOKE: Method =
    Method::new("exec.approval.grants.revoke", Scope::Approvals, Shape::closed(EXEC_APPROVAL_GRANTS_REVOKE_PARAMS));

/// Lists questions of plugins.
pub static PLUGIN_APPROVAL_LIST: Method = Method::new("plugin.approval.list", Scope::Approvals, Shape::open(&[]));

static WAIT_PARAMS: &[Field] = &[required("id", NAME), optional("timeoutMs", integer(0, i64::MAX))];
/// Waits for the answer.
pub static EXEC_APPROVAL_WAIT_DECISION: Method =
    Method::new("exec.approval.waitDecision", Scope::Approvals, Shape::open(WAIT_PARAMS));
