//! Token counts of chat completions and its variants.

use openclaw_domain::model::Usage;
use serde::Deserialize;

/// The `usage` object, all variants together.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        let details = tokens.prompt_tokens_details.unwrap_or_default();
        let read = details.cached_tokens.or(tokens.prompt_cache_hit_tokens).unwrap_or(0);
        let write = details.cache_write_tokens.unwrap_or(0);
        Usage {
            // Here the prompt count includes what came from and went to the cache.
            input: tokens.prompt_tokens.unwrap_or(0).saturating_sub(read + write),
            output: tokens.completion_tokens.unwrap_or(0),
            cache_read: read,
            cache_write: write,
            reasoning: tokens.completion_tokens_details.and_then(|d| d.reasoning_tokens).unwrap_or(0),
            cost_usd: None,
        }
    }
}
