//! Anthropic messages (`models.md` §1).

mod blocks;
mod decode;
mod encode;

pub(crate) use decode::Decoder;
pub(crate) use encode::{encode, tools};
