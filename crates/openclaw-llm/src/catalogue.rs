//! Known models: windows, limits and prices, as published in November 2026.
//!
//! A model that is not here works all the same: what must be known of it is
//! derived from its name or left to the provider. A price that is not certain is
//! absent, so that a cost is never invented. Data only; `settings` reads it.

use openclaw_domain::catalog::Price;

/// A known model.
#[derive(Debug, Clone, Copy)]
pub struct ModelRow {
    /// Its id at the provider.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Tokens of prompt and output together.
    pub window: u32,
    /// Most tokens it generates.
    pub output: u32,
    /// Whether it can reason.
    pub reasons: bool,
    /// Whether it takes pictures.
    pub sees: bool,
    /// Dollars per million tokens, when certain.
    pub price: Option<Price>,
}

const fn row(id: &'static str, name: &'static str, window: u32, output: u32) -> ModelRow {
    ModelRow { id, name, window, output, reasons: true, sees: true, price: None }
}

impl ModelRow {
    /// Sets input, output and cache-read prices; writing to the cache costs as input.
    const fn price(self, input: f64, output: f64, cache_read: f64) -> Self {
        Self { price: Some(Price { input, output, cache_read, cache_write: input }), ..self }
    }

    /// The same for Anthropic, where writing to the cache costs a quarter more.
    const fn claude(self, input: f64, output: f64, cache_read: f64) -> Self {
        Self { price: Some(Price { input, output, cache_read, cache_write: input * 1.25 }), ..self }
    }

    const fn blind(self) -> Self {
        Self { sees: false, ..self }
    }

    const fn plain(self) -> Self {
        Self { reasons: false, ..self }
    }
}

pub(crate) const ANTHROPIC: &[ModelRow] = &[
    row("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, 128_000).claude(4.0, 20.0, 0.2),
    row("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000, 128_000).claude(2.0, 10.0, 0.2),
    row("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000, 128_000),
    row("claude-fable-5-1", "Claude Fable 5.1", 1_000_000, 128_000).claude(10.0, 50.0, 0.25),
    row("claude-opus-5", "Claude Opus 5", 1_000_000, 128_000).claude(5.0, 25.0, 0.5),
    row("claude-sonnet-5", "Claude Sonnet 5", 1_000_000, 128_000).claude(2.0, 10.0, 0.2),
    row("claude-opus-4-8", "Claude Opus 4.8", 1_000_000, 128_000).claude(5.0, 25.0, 0.5),
    row("claude-opus-4-7", "Claude Opus 4.7", 1_000_000, 128_000).claude(5.0, 25.0, 0.5),
    row("claude-opus-4-6", "Claude Opus 4.6", 1_000_000, 128_000).claude(5.0, 25.0, 0.5),
    row("claude-sonnet-4-6", "Claude Sonnet 4.6", 1_000_000, 128_000).claude(3.0, 15.0, 0.3),
    row("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000).claude(3.0, 15.0, 0.3),
    row("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000).claude(1.0, 5.0, 0.1),
];

pub(crate) const OPENAI: &[ModelRow] = &[
    row("gpt-6.1-sol", "GPT-6.1 Sol", 400_000, 128_000).price(2.0, 10.0, 0.1),
    row("gpt-6-astra", "GPT-6 Astra", 400_000, 128_000).price(10.0, 50.0, 1.0),
    row("gpt-6-luna", "GPT-6 Luna", 400_000, 128_000).price(0.1, 0.5, 0.01),
    row("gpt-5.6-sol", "GPT-5.6 Sol", 400_000, 128_000).price(4.0, 20.0, 0.4),
    row("gpt-5.5", "GPT-5.5", 400_000, 128_000).price(5.0, 30.0, 0.5),
    row("gpt-5.4", "GPT-5.4", 400_000, 128_000).price(2.5, 15.0, 0.25),
    row("gpt-5.4-mini", "GPT-5.4 mini", 400_000, 128_000).price(0.75, 4.5, 0.075),
    row("gpt-5.2", "GPT-5.2", 400_000, 128_000).price(1.75, 14.0, 0.175),
    row("gpt-5.1", "GPT-5.1", 400_000, 128_000).price(1.25, 10.0, 0.125),
    row("gpt-5", "GPT-5", 400_000, 128_000).price(1.25, 10.0, 0.125),
    row("gpt-5-mini", "GPT-5 mini", 400_000, 128_000).price(0.25, 2.0, 0.025),
    row("gpt-4.1", "GPT-4.1", 1_047_576, 32_768).price(2.0, 8.0, 0.5).plain(),
    row("gpt-4o", "GPT-4o", 128_000, 16_384).price(2.5, 10.0, 1.25).plain(),
    row("gpt-4o-mini", "GPT-4o mini", 128_000, 16_384).price(0.15, 0.6, 0.075).plain(),
];

pub(crate) const GOOGLE: &[ModelRow] = &[
    row("gemini-3.8-flash", "Gemini 3.8 Flash", 1_048_576, 65_536),
    row("gemini-3.1-pro-preview", "Gemini 3.1 Pro (preview)", 1_048_576, 65_536),
    row("gemini-3.5-flash", "Gemini 3.5 Flash", 1_000_000, 65_536),
    row("gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576, 65_536).price(1.25, 10.0, 0.125),
    row("gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_536).price(0.3, 2.5, 0.03),
];

pub(crate) const OPENROUTER: &[ModelRow] = &[
    row("anthropic/claude-opus-5.5", "Claude Opus 5.5", 1_000_000, 128_000),
    row("anthropic/claude-sonnet-5.5", "Claude Sonnet 5.5", 1_000_000, 128_000),
    row("openai/gpt-6.1-sol", "GPT-6.1 Sol", 400_000, 128_000),
    row("google/gemini-3.8-flash", "Gemini 3.8 Flash", 1_048_576, 65_536),
];

pub(crate) const DEEPSEEK: &[ModelRow] = &[
    row("deepseek-chat", "DeepSeek Chat", 128_000, 8_192).blind(),
    row("deepseek-reasoner", "DeepSeek Reasoner", 128_000, 65_536).blind(),
];

pub(crate) const XAI: &[ModelRow] =
    &[row("grok-4.3", "Grok 4.3", 256_000, 64_000), row("grok-4", "Grok 4", 256_000, 64_000).price(3.0, 15.0, 0.75)];

pub(crate) const MISTRAL: &[ModelRow] = &[
    row("mistral-large-latest", "Mistral Large", 262_144, 32_768).plain(),
    row("mistral-medium-latest", "Mistral Medium", 131_072, 32_768).plain(),
    row("magistral-medium-latest", "Magistral Medium", 131_072, 40_000),
];

pub(crate) const GROQ: &[ModelRow] = &[
    row("openai/gpt-oss-120b", "GPT-OSS 120B", 131_072, 65_536).blind(),
    row("openai/gpt-oss-20b", "GPT-OSS 20B", 131_072, 65_536).blind(),
];

pub(crate) const MINIMAX: &[ModelRow] = &[
    row("MiniMax-M3", "MiniMax M3", 204_800, 65_536).blind(),
    row("MiniMax-M2.5", "MiniMax M2.5", 204_800, 65_536).blind(),
];

pub(crate) const VENICE: &[ModelRow] = &[
    row("llama-3.3-70b", "Llama 3.3 70B", 131_072, 16_384).blind().plain(),
    row("venice-uncensored", "Venice Uncensored", 32_768, 8_192).blind().plain(),
];

pub(crate) const TOGETHER: &[ModelRow] = &[
    row("openai/gpt-oss-120b", "GPT-OSS 120B", 131_072, 65_536).blind(),
    row("meta-llama/Llama-3.3-70B-Instruct-Turbo", "Llama 3.3 70B Turbo", 131_072, 16_384).blind().plain(),
];

pub(crate) const MOONSHOT: &[ModelRow] =
    &[row("kimi-k3", "Kimi K3", 262_144, 65_536), row("kimi-k2.6", "Kimi K2.6", 262_144, 65_536)];

pub(crate) const ZAI: &[ModelRow] = &[row("glm-4.6", "GLM-4.6", 200_000, 128_000).blind()];

pub(crate) const QWEN: &[ModelRow] = &[row("qwen3-max", "Qwen3 Max", 262_144, 65_536).blind().plain()];

#[cfg(test)]
mod tests {
    use crate::providers;

    #[test]
    fn every_row_is_plausible_and_named_once_per_provider() {
        for provider in providers::ALL {
            for (at, row) in provider.models.iter().enumerate() {
                let name = format!("{}/{}", provider.id, row.id);
                assert!(provider.models[at + 1..].iter().all(|other| other.id != row.id), "{name} is there twice");
                assert!(row.output <= row.window, "{name} generates more than fits");
                if let Some(price) = row.price {
                    assert!(price.cache_read <= price.input && price.input <= price.output, "{name} has an odd price");
                }
            }
        }
    }
}
