//! Ollama `/api/chat` (`models.md` §5).

mod decode;
mod encode;

pub(crate) use decode::Decoder;
pub(crate) use encode::encode;
