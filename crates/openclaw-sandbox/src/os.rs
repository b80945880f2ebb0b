//! What the operating systems do differently, and all `unsafe` of the program.

pub(crate) mod code;
pub(crate) mod end;
pub(crate) mod family;
pub(crate) mod spawn;
