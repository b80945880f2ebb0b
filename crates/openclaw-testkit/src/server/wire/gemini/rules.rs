//! What the Gemini service refuses.

use serde_json::Value;

use crate::server::lint::{Asked, Rule, items, seal, text};

/// Stand-ins for a signature, for turns of another model.
const DUMMIES: [&str; 2] = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

/// Words that the schema parser of `parameters` does not know.
const UNKNOWN_WORDS: [&str; 8] = [
    "$schema",
    "$ref",
    "additionalProperties",
    "propertyNames",
    "exclusiveMinimum",
    "const",
    "uniqueItems",
    "patternProperties",
];

/// Fields of a request.
const FIELDS: [&str; 12] = [
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "toolConfig",
    "tool_config",
    "safetySettings",
    "generationConfig",
    "generation_config",
    "cachedContent",
    "serviceTier",
    "labels",
];

/// Returns the rules, in the order the service checks.
pub(in crate::server::wire) fn rules() -> &'static [Rule] {
    &[
        Rule { name: "fields", check: fields },
        Rule { name: "schema-words", check: schema_words },
        Rule { name: "roles", check: roles },
        Rule { name: "parts", check: parts },
        Rule { name: "last-user", check: last_user },
        Rule { name: "thinking-config", check: thinking_config },
        Rule { name: "response-objects", check: response_objects },
        Rule { name: "call-place", check: call_place },
        Rule { name: "tool-results", check: tool_results },
        Rule { name: "thought-signature", check: thought_signature },
    ]
}

fn contents<'a>(asked: &'a Asked<'_>) -> &'a [Value] {
    items(asked.body, "/contents")
}

fn unknown(name: &str, place: &str) -> String {
    let at = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
    format!("Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field.")
}

fn fields(asked: &Asked<'_>) -> Option<String> {
    let body = asked.body.as_object()?;
    body.keys().find(|name| !FIELDS.contains(&name.as_str())).map(|name| unknown(name, ""))
}

fn declarations<'a>(asked: &'a Asked<'_>) -> impl Iterator<Item = &'a Value> {
    items(asked.body, "/tools").iter().flat_map(|tool| items(tool, "/functionDeclarations"))
}

fn schema_words(asked: &Asked<'_>) -> Option<String> {
    declarations(asked).enumerate().find_map(|(index, declaration)| {
        let place = format!("tools[0].function_declarations[{index}]");
        let has = |field: &str| declaration.get(field).is_some();
        if has("parameters") && has("parametersJsonSchema") {
            return Some(format!("{place}: parameters and parameters_json_schema must not be set together."));
        }
        let word = unknown_word(declaration.get("parameters")?)?;
        Some(unknown(word, &format!("{place}.parameters")))
    })
}

fn unknown_word(schema: &Value) -> Option<&'static str> {
    match schema {
        Value::Object(fields) => {
            let here = UNKNOWN_WORDS.into_iter().find(|word| fields.contains_key(*word));
            here.or_else(|| fields.values().find_map(unknown_word))
        }
        Value::Array(all) => all.iter().find_map(unknown_word),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn roles(asked: &Asked<'_>) -> Option<String> {
    if contents(asked).is_empty() {
        return Some("* GenerateContentRequest.contents: contents is not specified".to_owned());
    }
    let mut wrong = contents(asked).iter().filter(|content| !["user", "model"].contains(&text(content, "role")));
    wrong.next().map(|_| "Please use a valid role: user, model.".to_owned())
}

fn parts(asked: &Asked<'_>) -> Option<String> {
    let wrong = contents(asked).iter().position(|content| items(content, "/parts").is_empty())?;
    Some(format!("* GenerateContentRequest.contents[{wrong}].parts: contents.parts must not be empty."))
}

fn last_user(asked: &Asked<'_>) -> Option<String> {
    let last = contents(asked).last()?;
    (text(last, "role") == "model")
        .then(|| "Please ensure that single turn requests end with a user role or the role field is empty.".to_owned())
}

fn thinking_config(asked: &Asked<'_>) -> Option<String> {
    let config = asked.body.pointer("/generationConfig/thinkingConfig")?;
    let both = config.get("thinkingLevel").is_some() && config.get("thinkingBudget").is_some();
    both.then(|| "You can only set only one of thinking budget and thinking level.".to_owned())
}

fn part<'a>(content: &'a Value, kind: &str) -> Vec<&'a Value> {
    items(content, "/parts").iter().filter_map(|part| part.get(kind)).collect()
}

fn response_objects(asked: &Asked<'_>) -> Option<String> {
    contents(asked).iter().enumerate().find_map(|(index, content)| {
        let wrong = part(content, "functionResponse").iter().position(|response| !response["response"].is_object())?;
        Some(format!(
            "Invalid value at 'contents[{index}].parts[{wrong}].function_response.response' \
             (type.googleapis.com/google.protobuf.Struct)"
        ))
    })
}

fn call_place(asked: &Asked<'_>) -> Option<String> {
    let all = contents(asked);
    all.iter().enumerate().find_map(|(index, content)| {
        let calls = !part(content, "functionCall").is_empty();
        let after_user = index > 0 && text(&all[index - 1], "role") == "user";
        (calls && !after_user).then(|| {
            "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
                .to_owned()
        })
    })
}

fn tool_results(asked: &Asked<'_>) -> Option<String> {
    let all = contents(asked);
    for (index, content) in all.iter().enumerate() {
        let calls = part(content, "functionCall");
        let next = all.get(index + 1).map(|next| part(next, "functionResponse")).unwrap_or_default();
        if calls.len() != next.len() {
            return Some(
                "Please ensure that the number of function response parts is equal to the number of function call parts \
                 of the function call turn."
                    .to_owned(),
            );
        }
        let differs = |field: &str| {
            calls
                .iter()
                .zip(&next)
                .any(|(call, response)| call.get(field).is_some() && text(call, field) != text(response, field))
        };
        if differs("name") || differs("id") {
            return Some("Please ensure that function response name and id match the function call.".to_owned());
        }
        if index == 0 && !part(content, "functionResponse").is_empty() {
            return Some(
                "Please ensure that function response turn comes immediately after a function call turn.".to_owned(),
            );
        }
    }
    None
}

/// On the current turn each step's first call must bring back its signature.
fn thought_signature(asked: &Asked<'_>) -> Option<String> {
    let is_strict = ["gemini-3", "gemini-4", "mock"].iter().any(|start| asked.model.starts_with(start));
    let all = contents(asked);
    let said = |content: &Value| {
        text(content, "role") == "user" && items(content, "/parts").iter().any(|part| part.get("text").is_some())
    };
    let current = all.iter().rposition(said).unwrap_or(0);
    for content in all[current..].iter().filter(|content| text(content, "role") == "model") {
        let Some(first) = items(content, "/parts").iter().find(|part| part.get("functionCall").is_some()) else {
            continue;
        };
        let name = text(&first["functionCall"], "name");
        let signature = text(first, "thoughtSignature");
        if signature.is_empty() && is_strict {
            return Some(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work \
                 correctly. Additional data, function call `{name}`."
            ));
        }
        if !signature.is_empty() && !DUMMIES.contains(&signature) && signature != seal(name) {
            return Some("Corrupted thought signature.".to_owned());
        }
    }
    None
}
