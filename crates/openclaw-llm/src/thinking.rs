//! Thinking levels in the words of each provider (`models.md` §0.2).
//!
//! Pure tables: a level goes in, the provider's parameters come out. Budgets are
//! our choice. Decides no downgrade; `router` does when a provider refuses a
//! level. Called by the encoders and by `settings`.

use openclaw_domain::model::Thinking;
use serde_json::{Value, json};

/// How a chat-completions server is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingStyle {
    /// It cannot be told.
    None,
    /// `reasoning_effort`.
    Effort,
    /// `thinking.type` enabled or disabled.
    Switch,
    /// `thinking.type` adaptive or disabled.
    AdaptiveSwitch,
    /// `thinking.type` and `reasoning_effort` low, high or max (DeepSeek).
    SwitchAndEffort,
    /// `reasoning{effort | enabled}` (OpenRouter).
    Reasoning,
    /// `enable_thinking` and `thinking_budget` (Qwen).
    EnableThinking,
    /// `chat_template_kwargs{enable_thinking}` (vLLM).
    Template,
}

/// Returns the parameters of a chat-completions request.
pub(crate) fn chat(style: ThinkingStyle, level: Thinking) -> Vec<(&'static str, Value)> {
    let is_on = level != Thinking::Off;
    match style {
        ThinkingStyle::None => Vec::new(),
        ThinkingStyle::Effort => effort(level).map(|word| ("reasoning_effort", json!(word))).into_iter().collect(),
        ThinkingStyle::Switch => vec![("thinking", json!({ "type": if is_on { "enabled" } else { "disabled" } }))],
        ThinkingStyle::AdaptiveSwitch => {
            vec![("thinking", json!({ "type": if is_on { "adaptive" } else { "disabled" } }))]
        }
        ThinkingStyle::SwitchAndEffort if !is_on => vec![("thinking", json!({ "type": "disabled" }))],
        ThinkingStyle::SwitchAndEffort => {
            let mut fields = vec![("thinking", json!({ "type": "enabled" }))];
            let word = match level {
                Thinking::Off | Thinking::Adaptive => None,
                Thinking::Minimal | Thinking::Low => Some("low"),
                Thinking::Medium | Thinking::High | Thinking::Xhigh => Some("high"),
                Thinking::Max => Some("max"),
            };
            fields.extend(word.map(|word| ("reasoning_effort", json!(word))));
            fields
        }
        ThinkingStyle::Reasoning => match effort(level) {
            Some(word) => vec![("reasoning", json!({ "effort": word }))],
            None => vec![("reasoning", json!({ "enabled": true }))],
        },
        ThinkingStyle::EnableThinking => {
            let mut fields = vec![("enable_thinking", json!(is_on))];
            if is_on && level != Thinking::Adaptive {
                fields.push(("thinking_budget", json!(budget(level))));
            }
            fields
        }
        ThinkingStyle::Template => vec![("chat_template_kwargs", json!({ "enable_thinking": is_on }))],
    }
}

/// Returns OpenAI's word for a level; `None` leaves it to the model.
pub(crate) fn effort(level: Thinking) -> Option<&'static str> {
    match level {
        Thinking::Off => Some("none"),
        Thinking::Minimal => Some("minimal"),
        Thinking::Low => Some("low"),
        Thinking::Medium => Some("medium"),
        Thinking::High => Some("high"),
        Thinking::Xhigh => Some("xhigh"),
        Thinking::Max => Some("max"),
        Thinking::Adaptive => None,
    }
}

/// Returns a thinking budget in tokens.
pub(crate) fn budget(level: Thinking) -> u32 {
    match level {
        Thinking::Off => 0,
        Thinking::Minimal => 1024,
        Thinking::Low => 4096,
        Thinking::Medium | Thinking::Adaptive => 8192,
        Thinking::High => 16384,
        Thinking::Xhigh => 32768,
        Thinking::Max => 64000,
    }
}

/// Thinking of a Claude model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claude {
    /// `thinking.type` adaptive, with `output_config.effort` when named.
    Adaptive(Option<&'static str>),
    /// `thinking.type` enabled with this budget.
    Budget(u32),
    /// `thinking.type` disabled.
    Disabled,
    /// Nothing is said.
    Omit,
}

/// Least budget a Claude model takes.
const BUDGET_MIN: u32 = 1024;

/// Returns what a Claude model, or another that speaks its dialect, is told.
pub(crate) fn claude(model: &str, level: Thinking, output_tokens_max: u32) -> Claude {
    if model.to_ascii_lowercase().contains("minimax-m3") {
        return if level == Thinking::Off { Claude::Disabled } else { Claude::Adaptive(None) };
    }
    let (major, minor) = version(model).unwrap_or((4, 0));
    // Up to 4.5 a budget is the only mode; from 4.6 on depth is an effort.
    if (major, minor) < (4, 6) {
        let tokens = budget(level).min(output_tokens_max.saturating_sub(1));
        return if tokens < BUDGET_MIN { Claude::Omit } else { Claude::Budget(tokens) };
    }
    let is_always_on = model.contains("fable") || model.contains("mythos") || (major, minor) >= (5, 5);
    match level {
        // A model that always thinks refuses `disabled`.
        Thinking::Off if is_always_on => Claude::Adaptive(Some("low")),
        Thinking::Off => Claude::Disabled,
        Thinking::Minimal | Thinking::Low => Claude::Adaptive(Some("low")),
        Thinking::Medium => Claude::Adaptive(Some("medium")),
        Thinking::High => Claude::Adaptive(Some("high")),
        Thinking::Xhigh if (major, minor) == (4, 6) => Claude::Adaptive(Some("high")),
        Thinking::Xhigh => Claude::Adaptive(Some("xhigh")),
        Thinking::Max => Claude::Adaptive(Some("max")),
        Thinking::Adaptive => Claude::Adaptive(None),
    }
}

/// Reads a version such as `4-6`, `5.5` or `5` out of a model id.
pub(crate) fn version(model: &str) -> Option<(u32, u32)> {
    // A date is no version, hence at most two digits.
    let is_number = |text: &&str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut fields = model.split(['-', '.', '@', ':', '/', '_']).skip_while(|field| !is_number(field));
    let major = fields.next()?.parse().ok()?;
    let minor = fields.next().filter(is_number).and_then(|field| field.parse().ok()).unwrap_or(0);
    Some((major, minor))
}

/// Returns the `thinkingConfig` of a Gemini model; level and budget never together.
pub(crate) fn gemini(model: &str, level: Thinking) -> Value {
    let is_pro = model.contains("pro");
    let (major, _) = version(model).unwrap_or((3, 0));
    if major >= 3 {
        let word = match level {
            Thinking::Off | Thinking::Minimal if is_pro => Some("LOW"),
            Thinking::Off | Thinking::Minimal => Some("MINIMAL"),
            Thinking::Low => Some("LOW"),
            Thinking::Medium => Some("MEDIUM"),
            Thinking::High | Thinking::Xhigh | Thinking::Max => Some("HIGH"),
            Thinking::Adaptive => None,
        };
        return match word {
            Some(word) => json!({ "includeThoughts": level != Thinking::Off, "thinkingLevel": word }),
            None => json!({ "includeThoughts": true }),
        };
    }
    let budget: i32 = match level {
        Thinking::Off if is_pro => 128,
        Thinking::Off => 0,
        Thinking::Minimal => 1024,
        Thinking::Low => 4096,
        Thinking::Medium => 8192,
        Thinking::High => 16384,
        Thinking::Xhigh => 24576,
        Thinking::Max => {
            if is_pro {
                32768
            } else {
                24576
            }
        }
        Thinking::Adaptive => -1,
    };
    json!({ "includeThoughts": level != Thinking::Off, "thinkingBudget": budget })
}

/// Returns Ollama's `think`.
pub(crate) fn ollama(model: &str, level: Thinking) -> Value {
    // gpt-oss knows only words and cannot be switched off.
    if model.contains("gpt-oss") {
        return match level {
            Thinking::Off | Thinking::Minimal | Thinking::Low => json!("low"),
            Thinking::Medium | Thinking::Adaptive => json!("medium"),
            Thinking::High | Thinking::Xhigh | Thinking::Max => json!("high"),
        };
    }
    json!(level != Thinking::Off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_and_a_date_is_none() {
        assert_eq!(version("claude-opus-4-6"), Some((4, 6)));
        assert_eq!(version("claude-sonnet-4-20250514"), Some((4, 0)));
        assert_eq!(version("claude-3-5-haiku-20241022"), Some((3, 5)));
        assert_eq!(version("gemini-2.5-pro"), Some((2, 5)));
        assert_eq!(version("claude-opus-5"), Some((5, 0)));
        assert_eq!(version("MiniMax-M2"), None);
    }

    #[test]
    fn claude_gets_a_budget_up_to_4_5_and_an_effort_from_4_6() {
        assert_eq!(claude("claude-sonnet-4-5-20250929", Thinking::High, 64000), Claude::Budget(16384));
        assert_eq!(claude("claude-sonnet-4-5", Thinking::Max, 32000), Claude::Budget(31999));
        assert_eq!(claude("claude-sonnet-4-5", Thinking::Off, 32000), Claude::Omit);
        assert_eq!(claude("claude-sonnet-4-5", Thinking::High, 1025), Claude::Budget(1024));
        assert_eq!(claude("claude-sonnet-4-5", Thinking::High, 1024), Claude::Omit);
        assert_eq!(claude("claude-opus-4-6", Thinking::Xhigh, 9), Claude::Adaptive(Some("high")));
        assert_eq!(claude("claude-opus-4-7", Thinking::Xhigh, 9), Claude::Adaptive(Some("xhigh")));
        assert_eq!(claude("claude-opus-4-7", Thinking::Off, 9), Claude::Disabled);
        assert_eq!(claude("claude-fable-5", Thinking::Off, 9), Claude::Adaptive(Some("low")));
        assert_eq!(claude("claude-opus-5", Thinking::Adaptive, 9), Claude::Adaptive(None));
        assert_eq!(claude("claude-opus-5-5", Thinking::Off, 9), Claude::Adaptive(Some("low")));
        assert_eq!(claude("MiniMax-M3", Thinking::High, 9), Claude::Adaptive(None));
    }

    #[test]
    fn gemini_gets_a_level_from_3_on_and_a_budget_before_never_both() {
        for level in Thinking::ALL {
            let three = gemini("gemini-3-pro-preview", level);
            assert!(three.get("thinkingBudget").is_none());
            let two = gemini("gemini-2.5-flash", level);
            assert!(two.get("thinkingLevel").is_none());
        }
        assert_eq!(gemini("gemini-2.5-pro", Thinking::Off)["thinkingBudget"], 128);
        assert_eq!(gemini("gemini-3-flash", Thinking::Off)["thinkingLevel"], "MINIMAL");
    }

    #[test]
    fn each_chat_style_has_its_words() {
        let words = |style, level| serde_json::to_string(&chat(style, level)).unwrap();
        assert_eq!(words(ThinkingStyle::None, Thinking::High), "[]");
        assert_eq!(words(ThinkingStyle::Effort, Thinking::Off), r#"[["reasoning_effort","none"]]"#);
        assert_eq!(words(ThinkingStyle::Effort, Thinking::Adaptive), "[]");
        assert_eq!(
            words(ThinkingStyle::SwitchAndEffort, Thinking::Medium),
            r#"[["thinking",{"type":"enabled"}],["reasoning_effort","high"]]"#
        );
        assert_eq!(words(ThinkingStyle::Reasoning, Thinking::Adaptive), r#"[["reasoning",{"enabled":true}]]"#);
        assert_eq!(
            words(ThinkingStyle::Template, Thinking::Off),
            r#"[["chat_template_kwargs",{"enable_thinking":false}]]"#
        );
    }

    #[test]
    fn gpt_oss_on_ollama_gets_words_and_others_a_switch() {
        assert_eq!(ollama("gpt-oss:20b", Thinking::Off), json!("low"));
        assert_eq!(ollama("qwen3:8b", Thinking::Off), json!(false));
        assert_eq!(ollama("qwen3:8b", Thinking::High), json!(true));
    }
}
