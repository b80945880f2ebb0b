//! What the Chat Completions service refuses.

use serde_json::Value;

use super::THOUGHTFUL;
use crate::server::lint::{Asked, Rule, is_name, items, text};

/// Returns the rules, in the order the service checks.
pub(in crate::server::wire) fn rules() -> &'static [Rule] {
    &[
        Rule { name: "roles", check: roles },
        Rule { name: "content", check: content },
        Rule { name: "tool-names", check: tool_names },
        Rule { name: "tool-options", check: tool_options },
        Rule { name: "stream-options", check: stream_options },
        Rule { name: "token-field", check: token_field },
        Rule { name: "call-arguments", check: call_arguments },
        Rule { name: "tool-results", check: tool_results },
        Rule { name: "orphan-results", check: orphan_results },
        Rule { name: "tool-result-text", check: tool_result_text },
        Rule { name: "reasoning-replay", check: reasoning_replay },
    ]
}

fn messages<'a>(asked: &'a Asked<'_>) -> &'a [Value] {
    items(asked.body, "/messages")
}

fn roles(asked: &Asked<'_>) -> Option<String> {
    const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
    if messages(asked).is_empty() {
        return Some("Invalid 'messages': empty array. Expected an array with minimum length 1.".to_owned());
    }
    let wrong = messages(asked).iter().enumerate().find(|(_, message)| !ROLES.contains(&text(message, "role")))?;
    Some(format!(
        "Invalid value: '{}'. Supported values are: {}. (messages[{}])",
        text(wrong.1, "role"),
        ROLES.join(", "),
        wrong.0
    ))
}

/// Only an assistant turn with calls may have no content.
fn content(asked: &Asked<'_>) -> Option<String> {
    let wrong = messages(asked).iter().enumerate().find(|(_, message)| {
        let is_null = message.get("content").is_none_or(Value::is_null);
        is_null && (text(message, "role") != "assistant" || items(message, "/tool_calls").is_empty())
    })?;
    Some(format!("Invalid value for 'content': expected a string, got null. (messages[{}])", wrong.0))
}

fn tool_names(asked: &Asked<'_>) -> Option<String> {
    let tools = items(asked.body, "/tools");
    if tools.len() > 128 {
        return Some(format!("Invalid 'tools': array too long. Expected at most 128, got {}.", tools.len()));
    }
    tools.iter().enumerate().find_map(|(index, tool)| {
        let function = tool.get("function").filter(|_| text(tool, "type") == "function");
        let Some(function) = function else {
            return Some(format!("Missing required parameter: 'tools[{index}].function'."));
        };
        if !is_name(text(function, "name"), 64) {
            return Some(format!(
                "Invalid 'tools[{index}].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'."
            ));
        }
        let parameters = function.get("parameters")?;
        (text(parameters, "type") != "object").then(|| {
            format!("Invalid schema for function '{}': schema must be of type \"object\"", text(function, "name"))
        })
    })
}

fn tool_options(asked: &Asked<'_>) -> Option<String> {
    let has_tools = !items(asked.body, "/tools").is_empty();
    let option = ["tool_choice", "parallel_tool_calls"].into_iter().find(|option| asked.body.get(option).is_some())?;
    (!has_tools)
        .then(|| format!("Invalid value for '{option}': '{option}' is only allowed when 'tools' are specified."))
}

fn stream_options(asked: &Asked<'_>) -> Option<String> {
    let is_stream = asked.body["stream"].as_bool().unwrap_or(false);
    (!is_stream && asked.body.get("stream_options").is_some_and(|options| !options.is_null()))
        .then(|| "The 'stream_options' parameter is only allowed when 'stream' is enabled.".to_owned())
}

/// Reasoning models know only the new name.
fn token_field(asked: &Asked<'_>) -> Option<String> {
    let reasons = ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|start| asked.model.starts_with(start));
    (reasons && asked.body.get("max_tokens").is_some()).then(|| {
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            .to_owned()
    })
}

fn call_arguments(asked: &Asked<'_>) -> Option<String> {
    messages(asked).iter().enumerate().find_map(|(index, message)| {
        let wrong = items(message, "/tool_calls").iter().position(|call| {
            !call["function"]["arguments"].is_string()
                || text(call, "type") != "function"
                || text(call, "id").is_empty()
        })?;
        Some(format!("Invalid type for 'messages[{index}].tool_calls[{wrong}].function.arguments': expected a string."))
    })
}

fn calls(message: &Value) -> Vec<&str> {
    items(message, "/tool_calls").iter().map(|call| text(call, "id")).collect()
}

fn tool_results(asked: &Asked<'_>) -> Option<String> {
    let all = messages(asked);
    all.iter().enumerate().find_map(|(index, message)| {
        let results = all[index + 1..].iter().take_while(|it| text(it, "role") == "tool");
        let answered: Vec<&str> = results.map(|it| text(it, "tool_call_id")).collect();
        let missing: Vec<&str> = calls(message).into_iter().filter(|id| !answered.contains(id)).collect();
        (!missing.is_empty()).then(|| {
            format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
                 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
                missing.join(", ")
            )
        })
    })
}

fn orphan_results(asked: &Asked<'_>) -> Option<String> {
    let all = messages(asked);
    all.iter().enumerate().filter(|(_, message)| text(message, "role") == "tool").find_map(|(index, message)| {
        let asking = all[..index].iter().rev().find(|it| text(it, "role") != "tool");
        let is_answer = asking.is_some_and(|it| calls(it).contains(&text(message, "tool_call_id")));
        (!is_answer).then(|| {
            "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
                .to_owned()
        })
    })
}

fn tool_result_text(asked: &Asked<'_>) -> Option<String> {
    let results = messages(asked).iter().filter(|message| text(message, "role") == "tool");
    let mut parts = results.flat_map(|message| items(message, "/content"));
    let wrong = parts.find(|part| text(part, "type") != "text")?;
    Some(format!("Invalid 'content': tool messages do not support parts of type '{}'.", text(wrong, "type")))
}

/// DeepSeek wants the reasoning of a turn with calls back.
fn reasoning_replay(asked: &Asked<'_>) -> Option<String> {
    let wrong = messages(asked).iter().find(|message| {
        calls(message).iter().any(|id| id.starts_with(THOUGHTFUL)) && text(message, "reasoning_content").is_empty()
    });
    let why = "The `reasoning_content` in the thinking mode must be passed back to the API.";
    wrong.filter(|_| asked.model.contains("deepseek")).map(|_| why.to_owned())
}
