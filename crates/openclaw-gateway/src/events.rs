//! Events: how they are written, queued per client, and made from run updates.

pub(crate) mod delta;
pub(crate) mod frame;
pub(crate) mod names;
pub(crate) mod payload;
pub(crate) mod queue;
pub(crate) mod run;
