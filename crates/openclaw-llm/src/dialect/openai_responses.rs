//! OpenAI responses (`models.md` §3).

mod decode;
mod encode;

pub(crate) use decode::Decoder;
pub(crate) use encode::{encode, tools};
