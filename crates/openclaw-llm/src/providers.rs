//! The providers this build knows: one row each (`models.md` §10).
//!
//! A row is data: where, how to log in, which dialect, which peculiarities. A new
//! provider of a known dialect is a new row here and nothing else. Rows hold no
//! secrets; `settings` joins them with configuration and credentials.

use std::time::Duration;

use crate::catalogue::{self, ModelRow};
use crate::dialect::Dialect;
use crate::names::IdRule;
use crate::thinking::ThinkingStyle;

/// A provider.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its id, the first half of a model reference.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// The dialect it is spoken to in.
    pub dialect: Dialect,
    /// The base URL, without a slash at the end.
    pub base_url: &'static str,
    /// How a key is sent.
    pub auth: Auth,
    /// Environment variables that may hold a key, first match wins.
    pub key_names: &'static [&'static str],
    /// Environment variables that may hold a token, always sent as Bearer.
    pub token_names: &'static [&'static str],
    /// Runs on the owner's machine: needs no key, and its models are what it says.
    pub is_local: bool,
    /// Its peculiarities.
    pub quirks: Quirks,
    /// Known models, the preferred one first. Others may be named freely.
    pub models: &'static [ModelRow],
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Bearer,
    /// This header, the key alone.
    Header(&'static str),
}

/// Peculiarities of a server; everything the encoders ask about.
#[derive(Debug, Clone, Copy)]
pub struct Quirks {
    /// Name of the output limit (chat).
    pub tokens_field: TokensField,
    /// Role of the system prompt (chat).
    pub system_role: SystemRole,
    /// Takes `stream_options` (chat).
    pub stream_usage: bool,
    /// How it is told to think (chat).
    pub thinking: ThinkingStyle,
    /// What of an earlier turn's reasoning must come back (chat).
    pub replay: Replay,
    /// Form of tool-call ids in turns of other models.
    pub ids: IdRule,
    /// Wants `""` rather than `null` beside tool calls (chat).
    pub empty_content: bool,
    /// May put reasoning into the content as `<think>` (chat).
    pub think_tags: bool,
    /// Takes `prompt_cache_key` (chat, responses).
    pub cache_key: bool,
    /// JSON object merged into every body (chat).
    pub extra_body: &'static str,
    /// The first-party host: newest API version and its options (messages).
    pub is_first_party: bool,
    /// Longest silence before the stream counts as dead.
    pub idle_timeout: Duration,
}

/// Name of the output limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokensField {
    /// `max_tokens`
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
}

/// Role of the system prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemRole {
    /// `system`
    System,
    /// `developer`
    Developer,
}

/// What of an earlier turn's reasoning must come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Nothing.
    None,
    /// `reasoning_content` on the assistant message.
    ReasoningContent,
    /// `reasoning_details` unchanged, else `reasoning_content`.
    ReasoningDetails,
    /// A `thinking` piece in the content (Mistral).
    ThinkingPiece,
}

/// Default silence limit; longer than silent thinking lasts.
const IDLE: Duration = Duration::from_secs(300);
/// For providers that think in silence, and for models that load first.
const IDLE_LONG: Duration = Duration::from_secs(900);

impl Quirks {
    /// An unknown server: only what every one understands.
    pub const PLAIN: Quirks = Quirks {
        tokens_field: TokensField::MaxTokens,
        system_role: SystemRole::System,
        stream_usage: true,
        thinking: ThinkingStyle::Effort,
        replay: Replay::None,
        ids: IdRule::Plain,
        empty_content: false,
        think_tags: true,
        cache_key: false,
        extra_body: "{}",
        is_first_party: false,
        idle_timeout: IDLE,
    };
}

const OPENAI: Quirks = Quirks {
    tokens_field: TokensField::MaxCompletionTokens,
    system_role: SystemRole::Developer,
    think_tags: false,
    cache_key: true,
    is_first_party: true,
    ..Quirks::PLAIN
};

/// A server on the owner's machine: it loads the model first.
pub(crate) const LOCAL: Quirks = Quirks { thinking: ThinkingStyle::None, idle_timeout: IDLE_LONG, ..Quirks::PLAIN };

const fn remote(id: &'static str, name: &'static str, base_url: &'static str, key: &'static [&'static str]) -> Row {
    Row {
        id,
        name,
        dialect: Dialect::OpenaiChat,
        base_url,
        auth: Auth::Bearer,
        key_names: key,
        token_names: &[],
        is_local: false,
        quirks: Quirks::PLAIN,
        models: &[],
    }
}

const fn local(id: &'static str, name: &'static str, base_url: &'static str, key: &'static [&'static str]) -> Row {
    Row { is_local: true, quirks: LOCAL, ..remote(id, name, base_url, key) }
}

/// All known providers, in the order in which a default is looked for.
pub const ALL: &[Row] = &[
    Row {
        dialect: Dialect::AnthropicMessages,
        auth: Auth::Header("x-api-key"),
        token_names: &["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_OAUTH_TOKEN"],
        quirks: Quirks { is_first_party: true, ..Quirks::PLAIN },
        models: catalogue::ANTHROPIC,
        ..remote("anthropic", "Anthropic", "https://api.anthropic.com", &["ANTHROPIC_API_KEY"])
    },
    Row {
        dialect: Dialect::OpenaiResponses,
        quirks: OPENAI,
        models: catalogue::OPENAI,
        ..remote("openai", "OpenAI", "https://api.openai.com/v1", &["OPENAI_API_KEY"])
    },
    Row {
        dialect: Dialect::GoogleGenerativeAi,
        auth: Auth::Header("x-goog-api-key"),
        models: catalogue::GOOGLE,
        ..remote(
            "google",
            "Google Gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
        )
    },
    Row {
        quirks: Quirks {
            thinking: ThinkingStyle::Reasoning,
            replay: Replay::ReasoningDetails,
            think_tags: false,
            ..Quirks::PLAIN
        },
        models: catalogue::OPENROUTER,
        ..remote("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"])
    },
    Row {
        quirks: Quirks {
            thinking: ThinkingStyle::SwitchAndEffort,
            replay: Replay::ReasoningContent,
            think_tags: false,
            ..Quirks::PLAIN
        },
        models: catalogue::DEEPSEEK,
        ..remote("deepseek", "DeepSeek", "https://api.deepseek.com", &["DEEPSEEK_API_KEY"])
    },
    Row {
        dialect: Dialect::OpenaiResponses,
        quirks: Quirks { idle_timeout: IDLE_LONG, cache_key: true, think_tags: false, ..Quirks::PLAIN },
        models: catalogue::XAI,
        ..remote("xai", "xAI", "https://api.x.ai/v1", &["XAI_API_KEY"])
    },
    Row {
        quirks: Quirks {
            replay: Replay::ThinkingPiece,
            ids: IdRule::Nine,
            empty_content: true,
            think_tags: false,
            ..Quirks::PLAIN
        },
        models: catalogue::MISTRAL,
        ..remote("mistral", "Mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"])
    },
    Row {
        quirks: Quirks {
            tokens_field: TokensField::MaxCompletionTokens,
            replay: Replay::None,
            think_tags: false,
            ..Quirks::PLAIN
        },
        models: catalogue::GROQ,
        ..remote("groq", "Groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"])
    },
    Row {
        dialect: Dialect::AnthropicMessages,
        models: catalogue::MINIMAX,
        ..remote("minimax", "MiniMax", "https://api.minimax.io/anthropic", &["MINIMAX_API_KEY"])
    },
    Row {
        quirks: Quirks {
            extra_body: r#"{"venice_parameters":{"include_venice_system_prompt":false}}"#,
            ..Quirks::PLAIN
        },
        models: catalogue::VENICE,
        ..remote("venice", "Venice", "https://api.venice.ai/api/v1", &["VENICE_API_KEY"])
    },
    Row {
        models: catalogue::TOGETHER,
        ..remote("together", "Together", "https://api.together.ai/v1", &["TOGETHER_API_KEY"])
    },
    Row {
        quirks: Quirks {
            tokens_field: TokensField::MaxCompletionTokens,
            thinking: ThinkingStyle::Switch,
            replay: Replay::ReasoningContent,
            think_tags: false,
            ..Quirks::PLAIN
        },
        models: catalogue::MOONSHOT,
        ..remote("moonshot", "Moonshot", "https://api.moonshot.ai/v1", &["MOONSHOT_API_KEY"])
    },
    Row {
        quirks: Quirks {
            thinking: ThinkingStyle::Switch,
            replay: Replay::ReasoningContent,
            empty_content: true,
            think_tags: false,
            // Without it arguments arrive in one piece after a long silence.
            extra_body: r#"{"tool_stream":true}"#,
            ..Quirks::PLAIN
        },
        models: catalogue::ZAI,
        ..remote("zai", "Z.AI", "https://api.z.ai/api/paas/v4", &["ZAI_API_KEY", "ZHIPUAI_API_KEY"])
    },
    Row {
        quirks: Quirks { thinking: ThinkingStyle::EnableThinking, think_tags: false, ..Quirks::PLAIN },
        models: catalogue::QWEN,
        ..remote(
            "qwen",
            "Qwen",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            &["DASHSCOPE_API_KEY", "QWEN_API_KEY"],
        )
    },
    Row { dialect: Dialect::Ollama, ..local("ollama", "Ollama", "http://127.0.0.1:11434", &["OLLAMA_API_KEY"]) },
    local("lmstudio", "LM Studio", "http://127.0.0.1:1234/v1", &["LM_API_TOKEN"]),
    Row {
        quirks: Quirks { thinking: ThinkingStyle::Template, ..LOCAL },
        ..local("vllm", "vLLM", "http://127.0.0.1:8000/v1", &["VLLM_API_KEY"])
    },
    local("llamacpp", "llama.cpp server", "http://127.0.0.1:8080/v1", &["LLAMA_API_KEY"]),
];

/// Finds a provider by id.
pub fn find(id: &str) -> Option<&'static Row> {
    ALL.iter().find(|row| row.id == id)
}

/// Finds the provider a configured base URL belongs to, for its peculiarities.
pub(crate) fn by_host(base_url: &str) -> Option<&'static Row> {
    let host = host_of(base_url)?;
    ALL.iter().filter(|row| !row.is_local).find(|row| host_of(row.base_url) == Some(host))
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.split(['/', ':', '?']).next().filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_complete_and_its_id_is_its_own() {
        for (at, row) in ALL.iter().enumerate() {
            assert!(ALL.iter().skip(at + 1).all(|other| other.id != row.id), "{} is there twice", row.id);
            assert!(!row.base_url.ends_with('/') && host_of(row.base_url).is_some(), "{}", row.id);
            assert!(row.is_local || !row.key_names.is_empty(), "{} has no way to log in", row.id);
            assert!(row.is_local || !row.models.is_empty(), "{} has no model to begin with", row.id);
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(row.quirks.extra_body).unwrap();
        }
    }

    #[test]
    fn a_base_url_is_recognised_by_its_host() {
        assert_eq!(by_host("https://openrouter.ai/api/v1/").map(|row| row.id), Some("openrouter"));
        assert_eq!(by_host("https://evil.example/openrouter.ai").map(|row| row.id), None);
        assert_eq!(by_host("nonsense").map(|row| row.id), None);
    }
}
