//! The methods: name, required scope and shape of the parameters.
//!
//! One static per method, grouped by family. A server pairs each with a handler;
//! a client may look names up here instead of writing them by hand.

use crate::scope::Scope;
use crate::shape::Shape;

pub mod agent;
pub mod approvals;
pub mod catalog;
pub mod chat;
pub mod config;
pub mod devices;
pub mod questions;
pub mod runs;
pub mod sessions;
pub mod system;
pub mod vars;

/// One callable method.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its name on the wire.
    pub name: &'static str,
    /// What the caller must hold; `None` means any authenticated operator.
    pub scope: Option<Scope>,
    /// What it takes.
    pub params: Shape,
}

impl Method {
    /// Makes a method that needs a scope.
    pub const fn new(name: &'static str, scope: Scope, params: Shape) -> Self {
        Self { name, scope: Some(scope), params }
    }

    /// Makes a method every authenticated operator may call.
    pub const fn for_anyone(name: &'static str, params: Shape) -> Self {
        Self { name, scope: None, params }
    }
}
