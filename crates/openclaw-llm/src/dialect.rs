//! The wire formats.
//!
//! A dialect turns a [`Call`] into a body and the bytes that come back into
//! model events; it never sends, retries or waits. One folder per dialect, each
//! with `encode` and `decode`; this file is the table that joins them, and
//! `vocabulary` holds what two of them say alike. Called by `exchange` and `router`.

pub(crate) mod anthropic;
pub(crate) mod gemini;
pub(crate) mod ollama;
pub(crate) mod openai_chat;
pub(crate) mod openai_responses;
mod vocabulary;

use openclaw_domain::Timestamp;
use openclaw_domain::model::{Completed, Error, ModelRef, ModelRequest, Thinking};
use openclaw_domain::tool::ToolSpec;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::draft::Out;
use crate::error::protocol;
use crate::names::Names;
use crate::providers::Quirks;
use crate::settings::{Model, Params, Provider, widened};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `POST /chat/completions`, spoken by OpenAI and most others.
    OpenaiChat,
    /// `POST /responses` of OpenAI.
    OpenaiResponses,
    /// `POST /v1/messages` of Anthropic.
    AnthropicMessages,
    /// `POST /models/{model}:streamGenerateContent` of Google.
    GoogleGenerativeAi,
    /// `POST /api/chat` of Ollama.
    Ollama,
}

impl Dialect {
    /// All dialects, with the name each has in the configuration and in stored turns.
    pub const ALL: [(Dialect, &'static str); 5] = [
        (Dialect::OpenaiChat, "openai-completions"),
        (Dialect::OpenaiResponses, "openai-responses"),
        (Dialect::AnthropicMessages, "anthropic-messages"),
        (Dialect::GoogleGenerativeAi, "google-generative-ai"),
        (Dialect::Ollama, "ollama"),
    ];

    /// Returns the dialect's name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(dialect, _)| *dialect == self).map_or("", |(_, name)| name)
    }

    /// Finds a dialect by the name used in `models.providers.*.api`.
    pub fn from_api(name: &str) -> Option<Dialect> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(dialect, _)| *dialect)
    }
}

/// How much of a request beyond the bare conversation is sent.
///
/// The first attempt is [`Form::Full`]; a refused form is retried once in a
/// plainer one (`models.md` §9, BadRequest).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Everything.
    Full,
    /// No sampling, cache and stream options.
    NoExtras,
    /// Also without the provider's own form of earlier turns.
    Plain,
}

impl Form {
    /// Tells whether optional parameters are sent.
    pub(crate) fn has_extras(self) -> bool {
        self == Form::Full
    }

    /// Tells whether earlier turns are replayed in the provider's own form.
    pub(crate) fn has_native(self) -> bool {
        self != Form::Plain
    }
}

/// One request to one model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a ModelRequest,
    pub(crate) provider: &'a Provider,
    pub(crate) model: &'a Model,
    /// The level in force, after downgrades; `None` leaves it to the model.
    pub(crate) thinking: Option<Thinking>,
    pub(crate) form: Form,
    /// The tools of the request, as [`tools`] writes them; `None` when there are none.
    pub(crate) tools: Option<&'a RawValue>,
}

impl Call<'_> {
    /// Returns the dialect the model is spoken to in.
    pub(crate) fn dialect(&self) -> Dialect {
        self.model.dialect.unwrap_or(self.provider.dialect)
    }

    /// Returns the provider's peculiarities.
    pub(crate) fn quirks(&self) -> &Quirks {
        &self.provider.quirks
    }

    /// Returns the level to ask for: none from a model that does not reason.
    pub(crate) fn level(&self) -> Option<Thinking> {
        self.thinking.filter(|_| self.model.reasons)
    }

    /// Returns the most tokens to generate, when somebody set a limit.
    ///
    /// The model's own limit is none: sent along, some servers reserve it and
    /// refuse prompts that would fit.
    pub(crate) fn output_tokens_max(&self) -> Option<u32> {
        let configured = self.model.params.output_tokens_max.or(self.model.output_cap);
        let asked = self.request.output_tokens_max.or(configured)?;
        Some(self.model.output_tokens_max.map_or(asked, |limit| asked.min(limit)))
    }

    /// Returns how to sample: the request's word first, then the configuration's.
    pub(crate) fn sampling(&self) -> Params {
        if !self.form.has_extras() {
            return Params::default();
        }
        let asked = self.request.temperature.map(widened);
        Params { temperature: asked, seed: self.request.seed.map(i64::from), ..Params::default() }
            .over(&self.model.params)
    }

    /// Returns the system prompt as one text, `None` when there is none.
    pub(crate) fn system(&self) -> Option<String> {
        let sections: Vec<&str> =
            self.request.system.iter().map(|text| text.trim()).filter(|t| !t.is_empty()).collect();
        (!sections.is_empty()).then(|| sections.join("\n\n"))
    }
}

/// What a request with the system prompt and the built-in tools takes; a buffer
/// that starts empty is moved eight times on its way there.
const BODY_BYTES_USUAL: usize = 32 * 1024;

/// A body on its way, and where it goes below the base URL.
pub(crate) struct Encoded {
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Encoded {
    /// Writes a body that needs no headers of its own.
    fn new(path: &str, body: &impl Serialize) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(BODY_BYTES_USUAL);
        serde_json::to_writer(&mut bytes, body)
            .map_err(|cause| protocol(format!("cannot encode the request: {cause}")))?;
        Ok(Self { path: path.to_owned(), headers: Vec::new(), body: bytes })
    }
}

/// Encodes a call in its dialect.
///
/// # Errors
/// When the conversation is empty or cannot be serialised.
pub(crate) fn encode(call: &Call<'_>) -> Result<Encoded, Error> {
    match call.dialect() {
        Dialect::OpenaiChat => openai_chat::encode(call),
        Dialect::OpenaiResponses => openai_responses::encode(call),
        Dialect::AnthropicMessages => anthropic::encode(call),
        Dialect::GoogleGenerativeAi => gemini::encode(call),
        Dialect::Ollama => ollama::encode(call),
    }
}

/// Writes the tools of a request in a dialect.
///
/// # Errors
/// When they cannot be serialised.
pub(crate) fn tools(dialect: Dialect, specs: &[ToolSpec]) -> Result<Box<RawValue>, Error> {
    let written = match dialect {
        Dialect::OpenaiResponses => openai_responses::tools(specs),
        Dialect::AnthropicMessages => anthropic::tools(specs),
        Dialect::GoogleGenerativeAi => gemini::tools(specs),
        Dialect::OpenaiChat | Dialect::Ollama => vocabulary::tools(specs),
    };
    written.map_err(|cause| protocol(format!("cannot encode the tools: {cause}")))
}

/// What a decoder knows about its request.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) names: Names,
    pub(crate) quirks: Quirks,
    pub(crate) model: ModelRef,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The terminal marker is still owed.
    Open,
    /// The terminal marker was seen; usage may still follow.
    Ended,
    /// Nothing more follows.
    Closed,
}

/// A stream's decoder. [`Decoder::finish`] refuses unless the terminal marker was seen.
pub(crate) enum Decoder {
    OpenaiChat(openai_chat::Decoder),
    OpenaiResponses(openai_responses::Decoder),
    Anthropic(anthropic::Decoder),
    Gemini(gemini::Decoder),
    Ollama(ollama::Decoder),
}

macro_rules! each {
    ($self:expr, $decoder:ident => $body:expr) => {
        match $self {
            Decoder::OpenaiChat($decoder) => $body,
            Decoder::OpenaiResponses($decoder) => $body,
            Decoder::Anthropic($decoder) => $body,
            Decoder::Gemini($decoder) => $body,
            Decoder::Ollama($decoder) => $body,
        }
    };
}

impl Decoder {
    /// Makes the decoder of a dialect.
    pub(crate) fn new(dialect: Dialect, reading: Reading) -> Self {
        match dialect {
            Dialect::OpenaiChat => Decoder::OpenaiChat(openai_chat::Decoder::new(reading)),
            Dialect::OpenaiResponses => Decoder::OpenaiResponses(openai_responses::Decoder::new(reading)),
            Dialect::AnthropicMessages => Decoder::Anthropic(anthropic::Decoder::new(reading)),
            Dialect::GoogleGenerativeAi => Decoder::Gemini(gemini::Decoder::new(reading)),
            Dialect::Ollama => Decoder::Ollama(ollama::Decoder::new(reading)),
        }
    }

    /// Reads one frame of the stream.
    ///
    /// # Errors
    /// When the frame is an error, or makes no sense.
    pub(crate) fn frame(&mut self, name: &str, data: &str, out: &mut Out) -> Result<(), Error> {
        each!(self, decoder => decoder.frame(name, data, out))
    }

    /// Reads a whole answer that came without streaming.
    ///
    /// # Errors
    /// When the answer is an error, or makes no sense.
    pub(crate) fn whole(&mut self, json: &str, out: &mut Out) -> Result<(), Error> {
        each!(self, decoder => decoder.whole(json, out))
    }

    /// Tells how far the stream has come.
    pub(crate) fn progress(&self) -> Progress {
        each!(self, decoder => decoder.progress())
    }

    /// Completes the turn.
    ///
    /// # Errors
    /// When the terminal marker was not seen.
    pub(crate) fn finish(self, at: Timestamp) -> Result<Completed, Error> {
        each!(self, decoder => decoder.finish(at))
    }
}
