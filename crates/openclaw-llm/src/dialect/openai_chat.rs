//! OpenAI chat completions and its many relatives (`models.md` §2).

mod decode;
mod encode;
mod think_tags;
mod usage;

pub(crate) use decode::Decoder;
pub(crate) use encode::encode;
