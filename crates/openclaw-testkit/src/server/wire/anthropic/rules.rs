//! What the Messages service refuses.

use serde_json::Value;

use super::THOUGHTFUL;
use crate::server::lint::{Asked, Rule, is_name, items, repeated, seal, text};

/// Returns the rules, in the order the service checks.
pub(in crate::server::wire) fn rules() -> &'static [Rule] {
    &[
        Rule { name: "version-header", check: version },
        Rule { name: "max-tokens", check: max_tokens },
        Rule { name: "roles", check: roles },
        Rule { name: "first-user", check: first_user },
        Rule { name: "prefill", check: prefill },
        Rule { name: "empty-text", check: empty_text },
        Rule { name: "tool-names", check: tool_names },
        Rule { name: "tool-schemas", check: tool_schemas },
        Rule { name: "tool-results", check: tool_results },
        Rule { name: "orphan-results", check: orphan_results },
        Rule { name: "results-first", check: results_first },
        Rule { name: "repeated-ids", check: repeated_ids },
        Rule { name: "thinking-signature", check: thinking_signature },
        Rule { name: "thinking-replay", check: thinking_replay },
        Rule { name: "thinking-last", check: thinking_last },
        Rule { name: "thinking-budget", check: thinking_budget },
        Rule { name: "thinking-tool-choice", check: thinking_tool_choice },
        Rule { name: "sampling", check: sampling },
        Rule { name: "cache-markers", check: cache_markers },
    ]
}

fn messages<'a>(asked: &'a Asked<'_>) -> &'a [Value] {
    items(asked.body, "/messages")
}

/// Returns the blocks of a message; a string counts as one text block elsewhere.
fn blocks<'a>(message: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    items(message, "/content").iter().filter(move |block| text(block, "type") == kind)
}

fn version(asked: &Asked<'_>) -> Option<String> {
    let version = asked.headers.get("anthropic-version").and_then(|value| value.to_str().ok());
    match version {
        Some("2023-06-01" | "2026-10-21") => None,
        Some(other) => Some(format!("anthropic-version: {other} is not a valid version")),
        None => Some("anthropic-version: header is required".to_owned()),
    }
}

fn max_tokens(asked: &Asked<'_>) -> Option<String> {
    asked.body["max_tokens"].as_u64().is_none().then(|| "max_tokens: Field required".to_owned())
}

fn roles(asked: &Asked<'_>) -> Option<String> {
    if messages(asked).is_empty() {
        return Some("messages: at least one message is required".to_owned());
    }
    let mut wrong = messages(asked).iter().filter(|message| !["user", "assistant"].contains(&text(message, "role")));
    wrong.next().map(|message| {
        format!("messages: Unexpected role \"{}\". Allowed roles are \"user\" or \"assistant\"", text(message, "role"))
    })
}

fn first_user(asked: &Asked<'_>) -> Option<String> {
    let first = messages(asked).first()?;
    (text(first, "role") != "user").then(|| "messages: first message must use the \"user\" role".to_owned())
}

fn prefill(asked: &Asked<'_>) -> Option<String> {
    let last = messages(asked).last()?;
    let why = "This model does not support assistant message prefill. The conversation must end with a user message.";
    (text(last, "role") == "assistant").then(|| why.to_owned())
}

fn empty_text(asked: &Asked<'_>) -> Option<String> {
    let system = items(asked.body, "/system").iter();
    let said = messages(asked).iter().flat_map(|message| blocks(message, "text"));
    for block in system.chain(said) {
        let content = text(block, "text");
        if content.is_empty() {
            let marked = block.get("cache_control").is_some();
            let why = if marked {
                "cache_control cannot be set for empty text blocks"
            } else {
                "text content blocks must be non-empty"
            };
            return Some(format!("messages: {why}"));
        }
        if content.trim().is_empty() {
            return Some("messages: text content blocks must contain non-whitespace text".to_owned());
        }
    }
    let mut bare = messages(asked).iter().filter(|message| message["content"].as_str().is_some_and(str::is_empty));
    bare.next().map(|_| "messages: all messages must have non-empty content".to_owned())
}

fn tool_names(asked: &Asked<'_>) -> Option<String> {
    let tools = items(asked.body, "/tools");
    let wrong = tools.iter().enumerate().find(|(_, tool)| !is_name(text(tool, "name"), 128));
    if let Some((index, _)) = wrong {
        return Some(format!("tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
    }
    repeated(tools.iter().map(|tool| text(tool, "name"))).map(|_| "tools: Tool names must be unique.".to_owned())
}

fn tool_schemas(asked: &Asked<'_>) -> Option<String> {
    items(asked.body, "/tools").iter().enumerate().find_map(|(index, tool)| {
        let schema = &tool["input_schema"];
        if text(schema, "type") != "object" {
            return Some(format!("tools.{index}.custom.input_schema.type: Field required"));
        }
        let combined = ["oneOf", "anyOf", "allOf"].into_iter().find(|word| schema.get(word).is_some())?;
        Some(format!("tools.{index}.custom.input_schema: input_schema does not support {combined} at the top level"))
    })
}

fn ids_of(message: &Value, kind: &str, field: &str) -> Vec<String> {
    items(message, "/content")
        .iter()
        .filter(|it| text(it, "type") == kind)
        .map(|it| text(it, field).to_owned())
        .collect()
}

fn tool_results(asked: &Asked<'_>) -> Option<String> {
    let all = messages(asked);
    all.iter().enumerate().find_map(|(index, message)| {
        let answered = all.get(index + 1).map(|next| ids_of(next, "tool_result", "tool_use_id")).unwrap_or_default();
        let mut missing = ids_of(message, "tool_use", "id");
        missing.retain(|id| !answered.contains(id));
        (!missing.is_empty()).then(|| {
            format!(
                "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
                 `tool_use` block must have a corresponding `tool_result` block in the next message.",
                missing.join(", ")
            )
        })
    })
}

fn orphan_results(asked: &Asked<'_>) -> Option<String> {
    let all = messages(asked);
    all.iter().enumerate().find_map(|(index, message)| {
        let before = index.checked_sub(1).and_then(|before| all.get(before));
        let called = before.map(|before| ids_of(before, "tool_use", "id")).unwrap_or_default();
        let orphan = ids_of(message, "tool_result", "tool_use_id").into_iter().find(|id| !called.contains(id))?;
        Some(format!(
            "messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {orphan}. Each `tool_result` \
             block must have a corresponding `tool_use` block in the previous message."
        ))
    })
}

fn results_first(asked: &Asked<'_>) -> Option<String> {
    messages(asked).iter().enumerate().find_map(|(index, message)| {
        let kinds: Vec<&str> = items(message, "/content").iter().map(|block| text(block, "type")).collect();
        let last_result = kinds.iter().rposition(|kind| *kind == "tool_result")?;
        let first_other = kinds.iter().position(|kind| *kind != "tool_result")?;
        (first_other < last_result)
            .then(|| format!("messages.{index}: `tool_result` blocks must come first in the content of a message"))
    })
}

fn repeated_ids(asked: &Asked<'_>) -> Option<String> {
    let ids: Vec<String> = messages(asked).iter().flat_map(|message| ids_of(message, "tool_use", "id")).collect();
    if let Some(id) = ids.iter().find(|id| !is_name(id, 256)) {
        return Some(format!("messages: tool_use.id: {id:?} should match pattern '^[a-zA-Z0-9_-]+$'"));
    }
    let id = repeated(ids.iter().map(String::as_str))?;
    Some(format!("messages: `tool_use` ids must be unique, found {id} more than once"))
}

fn thinking_signature(asked: &Asked<'_>) -> Option<String> {
    let thoughts =
        messages(asked).iter().enumerate().flat_map(|(index, it)| blocks(it, "thinking").map(move |b| (index, b)));
    let mut wrong = thoughts.filter(|(_, block)| text(block, "signature") != seal(text(block, "thinking")));
    wrong.next().map(|(index, _)| format!("messages.{index}.content: Invalid `signature` in `thinking` block"))
}

/// A turn that reasoned before its calls must come back with its reasoning.
fn thinking_replay(asked: &Asked<'_>) -> Option<String> {
    let is_off = text(&asked.body["thinking"], "type") == "disabled";
    messages(asked).iter().enumerate().find_map(|(index, message)| {
        let thoughtful = ids_of(message, "tool_use", "id").iter().any(|id| id.starts_with(THOUGHTFUL));
        let first = items(message, "/content").first().map(|block| text(block, "type")).unwrap_or_default();
        (!is_off && thoughtful && !["thinking", "redacted_thinking"].contains(&first)).then(|| {
            format!(
                "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When \
                 `thinking` is enabled, a final `assistant` message must start with a thinking block."
            )
        })
    })
}

fn thinking_last(asked: &Asked<'_>) -> Option<String> {
    messages(asked).iter().enumerate().find_map(|(index, message)| {
        let last = text(items(message, "/content").last()?, "type");
        ["thinking", "redacted_thinking"]
            .contains(&last)
            .then(|| format!("messages.{index}: The final block in an assistant message cannot be `{last}`."))
    })
}

fn thinking_budget(asked: &Asked<'_>) -> Option<String> {
    let thinking = &asked.body["thinking"];
    if text(thinking, "type") != "enabled" {
        return None;
    }
    let budget = thinking["budget_tokens"].as_u64().unwrap_or(0);
    if budget < 1024 {
        return Some("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024".to_owned());
    }
    let max = asked.body["max_tokens"].as_u64().unwrap_or(0);
    (budget >= max).then(|| "`max_tokens` must be greater than `thinking.budget_tokens`".to_owned())
}

fn thinking_tool_choice(asked: &Asked<'_>) -> Option<String> {
    let manual = text(&asked.body["thinking"], "type") == "enabled";
    let forced = ["any", "tool"].contains(&text(&asked.body["tool_choice"], "type"));
    (manual && forced).then(|| "Thinking may not be enabled when tool_choice forces tool use.".to_owned())
}

fn sampling(asked: &Asked<'_>) -> Option<String> {
    let is_new = asked.headers.get("anthropic-version").is_some_and(|value| value == "2026-10-21");
    let set = ["temperature", "top_p", "top_k"].into_iter().find(|field| asked.body.get(field).is_some())?;
    is_new.then(|| format!("{set}: Extra inputs are not permitted"))
}

fn cache_markers(asked: &Asked<'_>) -> Option<String> {
    let said = messages(asked).iter().flat_map(|message| items(message, "/content"));
    let all = items(asked.body, "/tools").iter().chain(items(asked.body, "/system")).chain(said);
    let marked: Vec<&Value> = all.filter(|it| it.get("cache_control").is_some()).collect();
    if marked.iter().any(|block| ["thinking", "redacted_thinking"].contains(&text(block, "type"))) {
        return Some("cache_control cannot be set on thinking blocks".to_owned());
    }
    let count = marked.len();
    (count > 4).then(|| format!("A maximum of 4 blocks with cache_control may be provided. Found {count}."))
}
