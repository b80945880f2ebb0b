//! Google Gemini `generateContent` (`models.md` §4).

mod decode;
mod encode;

pub(crate) use decode::Decoder;
pub(crate) use encode::{encode, tools};
