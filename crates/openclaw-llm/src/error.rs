//! What a provider's refusal means (`models.md` §9).
//!
//! Reads error bodies leniently (object, one-element array, plain text, HTML),
//! looks at the code before the status, and gives one class per failure. Never
//! retries and never waits: `router` decides. Called by `exchange` for error
//! responses and by the dialects for errors inside a stream.

use std::time::Duration;

use openclaw_domain::model::{Error, ErrorClass};
use openclaw_domain::ports::net;
use serde_json::Value;

use crate::wait;

/// Most characters of a provider's own words that are shown.
const QUOTE_CHARS_MAX: usize = 300;

/// What a provider said, in no particular dialect.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its sentence.
    pub(crate) message: String,
    /// `type`, `status` or the like.
    pub(crate) kind: String,
    /// `code` and nested codes, joined with a space.
    pub(crate) code: String,
    /// The parameter it complains about.
    pub(crate) param: String,
    /// A wait named in the body.
    pub(crate) retry_after: Option<Duration>,
}

impl Said {
    /// Reads an error body of whatever form.
    pub(crate) fn of(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(Value::Array(items)) => items.first().map(Self::of_value).unwrap_or_default(),
            Ok(value) => Self::of_value(&value),
            Err(_) => Self { message: plain(body), ..Self::default() },
        }
    }

    fn of_value(value: &Value) -> Self {
        let inner = match value {
            Value::Array(items) => return items.first().map(Self::of_value).unwrap_or_default(),
            Value::String(text) => return Self { message: plain(text), ..Self::default() },
            other => other,
        };
        match inner.get("error").or_else(|| inner.get("errors")) {
            Some(Value::Null) | None => {}
            Some(nested @ (Value::Object(_) | Value::Array(_))) => return Self::of_value(nested),
            Some(Value::String(text)) => {
                return Self { message: plain(text), code: text_at(inner, "code"), ..Self::default() };
            }
            Some(other) => return Self { message: other.to_string(), ..Self::default() },
        }
        let message = ["message", "detail", "error_description", "msg", "status_msg"]
            .into_iter()
            .map(|key| text_at(inner, key))
            .find(|text| !text.is_empty());
        let mut codes = vec![text_at(inner, "code"), text_at(inner, "status_code")];
        if let Some(details) = inner.get("details") {
            codes.push(text_at(details, "error_code"));
            codes.extend(google_codes(details));
        }
        codes.retain(|code| !code.is_empty());
        Self {
            message: plain(&message.unwrap_or_else(|| inner.to_string())),
            kind: [text_at(inner, "type"), text_at(inner, "status")].join(" ").trim().to_owned(),
            code: codes.join(" "),
            param: text_at(inner, "param"),
            retry_after: inner.get("details").and_then(google_wait),
        }
    }
}

/// Returns a scalar of an object as text; composite values as JSON.
fn text_at(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Collects quota ids and reasons of Google's `details`.
fn google_codes(details: &Value) -> Vec<String> {
    let mut codes = Vec::new();
    for detail in details.as_array().into_iter().flatten() {
        codes.push(text_at(detail, "reason"));
        for violation in detail.get("violations").and_then(Value::as_array).into_iter().flatten() {
            codes.push(text_at(violation, "quotaId"));
        }
    }
    codes
}

fn google_wait(details: &Value) -> Option<Duration> {
    let details = details.as_array()?;
    let text = details.iter().find_map(|detail| detail.get("retryDelay").and_then(Value::as_str))?;
    wait::parse_duration(text)
}

/// Returns one bounded line without markup.
fn plain(text: &str) -> String {
    let is_html = text.trim_start().starts_with('<');
    let mut out = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' if is_html => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                out.push(' ');
            }
            _ if in_tag => {}
            c if c.is_whitespace() || c.is_control() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    let line = out.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// Makes an error of the given class.
pub(crate) fn error(class: ErrorClass, message: impl Into<String>) -> Error {
    Error { class, model: None, message: message.into(), retry_after: None, status: None }
}

/// Makes the error of an answer that makes no sense in its dialect.
pub(crate) fn protocol(message: impl Into<String>) -> Error {
    error(ErrorClass::Protocol, message)
}

/// Makes the error of a stream that ended without its terminal marker.
pub(crate) fn truncated(marker: &str) -> Error {
    error(ErrorClass::Truncated, format!("the stream ended before {marker}"))
}

/// Gives a failed request its class.
pub(crate) fn of_net(failure: &net::Error) -> Error {
    let class = match failure {
        net::Error::Timeout { .. } => ErrorClass::Timeout,
        net::Error::BadUrl { .. } | net::Error::Blocked { .. } | net::Error::NoSuchHost { .. } => ErrorClass::Network,
        net::Error::Connect { .. } | net::Error::Unreachable { .. } => ErrorClass::Network,
        net::Error::TooLarge { .. } | net::Error::TooManyRedirects { .. } => ErrorClass::Protocol,
    };
    error(class, failure.to_string())
}

/// Gives an error response its class.
pub(crate) fn of_response(status: u16, body: &str, retry_after: Option<Duration>) -> Error {
    let said = Said::of(body);
    let class = classify(status, &said);
    let message = match said.message.as_str() {
        "" => format!("answered with status {status} and no explanation"),
        message => message.to_owned(),
    };
    Error { class, model: None, message, retry_after: retry_after.or(said.retry_after), status: Some(status) }
}

/// Gives an error that arrived inside a stream its class; `said.kind` and code decide.
pub(crate) fn in_stream(said: Said) -> Error {
    let numeric = said.code.split_whitespace().find_map(|code| code.parse::<u16>().ok());
    let status = numeric.filter(|code| (400..600).contains(code)).unwrap_or_else(|| status_of_kind(&said));
    let class = classify(status, &said);
    let message = if said.message.is_empty() { "the stream broke off with an error".to_owned() } else { said.message };
    Error { class, model: None, message, retry_after: said.retry_after, status: None }
}

/// Returns the HTTP status a named error stands for.
fn status_of_kind(said: &Said) -> u16 {
    let names = format!("{} {}", said.kind, said.code).to_ascii_lowercase();
    let rows: [(&str, u16); 15] = [
        ("overloaded", 529),
        ("rate_limit", 429),
        ("resource_exhausted", 429),
        ("authentication", 401),
        ("unauthenticated", 401),
        ("permission", 403),
        ("billing", 402),
        ("invalid_request", 400),
        ("invalid_argument", 400),
        ("invalid_prompt", 400),
        ("not_found", 404),
        ("too_large", 413),
        ("timeout", 504),
        ("unavailable", 503),
        ("api_error", 500),
    ];
    rows.iter().find(|(name, _)| names.contains(name)).map_or(500, |(_, status)| *status)
}

/// Decides the class; the code counts more than the words, the words more than the status.
pub(crate) fn classify(status: u16, said: &Said) -> ErrorClass {
    let names = format!("{} {}", said.kind, said.code).to_ascii_lowercase();
    let words = said.message.to_ascii_lowercase();
    let named = |list: &[&str]| list.iter().any(|name| names.contains(name));
    let spoken = |list: &[&str]| list.iter().any(|phrase| words.contains(phrase));
    if named(QUOTA_NAMES) || (matches!(status, 400 | 403 | 429) && spoken(QUOTA_PHRASES)) || status == 402 {
        return ErrorClass::Quota;
    }
    if is_overflow(&names, &words) {
        return ErrorClass::ContextOverflow;
    }
    if named(REFUSED_NAMES) || (status == 403 && spoken(&["moderation", "flagged"])) {
        return ErrorClass::ContentRefused;
    }
    match status {
        400 | 422 if is_about_thinking(said, &words) => ErrorClass::ThinkingRefused,
        400 if named(&["api_key_invalid"]) || spoken(&["api key not valid"]) => ErrorClass::Auth,
        400 if named(&["tool_use_failed"]) => ErrorClass::Protocol,
        400 | 422 | 404 if named(&["model_not_found"]) => ErrorClass::NoSuchModel,
        400 if spoken(&["model does not exist", "is not a valid model id", "model not exist"]) => {
            ErrorClass::NoSuchModel
        }
        401 | 403 => ErrorClass::Auth,
        404 => ErrorClass::NoSuchModel,
        413 if spoken(&["tokens per minute", "tpm", "rate limit"]) => ErrorClass::RateLimited,
        429 => ErrorClass::RateLimited,
        408 | 504 | 524 => ErrorClass::Timeout,
        409 | 425 | 498 | 499 | 500..=599 => ErrorClass::Overloaded,
        300..=399 => ErrorClass::Protocol,
        _ => ErrorClass::BadRequest,
    }
}

/// Codes that mean money or a daily allowance is used up.
const QUOTA_NAMES: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "spend_limit",
    "usage_limit_exceeded",
    "ramp_limit_exceeded",
    "organization_on_hold",
    "billing_error",
    "billing_hard_limit",
    "perday",
    "1113",
    "1008",
];

/// Phrases that mean the same.
const QUOTA_PHRASES: &[&str] = &[
    "credit balance",
    "insufficient balance",
    "insufficient credits",
    "exceeded your current quota",
    "spend limit",
    "spending limit",
    "usage limit",
    "requests per day",
    "tokens per day",
    "(rpd)",
    "(tpd)",
];

const REFUSED_NAMES: &[&str] = &["content_filter", "bio_policy", "content_policy_violation", "1301"];

/// Phrases by which servers say that the prompt does not fit.
const OVERFLOW_PHRASES: &[&str] = &[
    "prompt is too long",
    "prompt is longer than the context length",
    "exceed context limit",
    "maximum context length",
    "exceeds the context window",
    "input is too long",
    "maximum prompt length",
    "exceeds the available context size",
    "longer than the context length",
    "exceeds the context length",
    "greater than the context length",
    "reduce the length of the messages",
    "context window exceeds limit",
    "exceeded model token limit",
    "too large for model with",
    "range of input length should be",
    "token limit exceeded",
];

fn is_overflow(names: &str, words: &str) -> bool {
    names.contains("context_length_exceeded")
        || names.contains("exceed_context_size_error")
        || (words.contains("input token count") && words.contains("exceeds"))
        || OVERFLOW_PHRASES.iter().any(|phrase| words.contains(phrase))
}

/// Tells whether the thinking parameter itself is refused, not merely mentioned.
///
/// Complaints about replayed thinking *blocks* are no reason to think less.
fn is_about_thinking(said: &Said, words: &str) -> bool {
    const PARAMETERS: [&str; 9] = [
        "reasoning_effort",
        "reasoning.effort",
        "output_config.effort",
        "thinking.type",
        "thinking.budget_tokens",
        "thinkingbudget",
        "thinkinglevel",
        "thinking_budget",
        "thinking level",
    ];
    let param = said.param.to_ascii_lowercase();
    if ["reasoning", "thinking", "effort"].iter().any(|name| param.contains(name)) {
        return true;
    }
    let is_block = words.contains("signature") || words.contains("block") || words.contains("reasoning_content");
    !is_block
        && (PARAMETERS.iter().any(|name| words.contains(name))
            || words.contains("does not support thinking")
            || words.contains("does not support reasoning")
            || (words.contains("thinking") && words.contains("not supported"))
            || (words.contains("effort") && (words.contains("unsupported") || words.contains("invalid"))))
}

/// Tells whether a parameter is refused altogether, not only its value.
pub(crate) fn refuses_altogether(message: &str) -> bool {
    let words = message.to_ascii_lowercase();
    let phrases = ["unsupported parameter", "unrecognized", "unknown name", "unknown parameter", "does not support"];
    phrases.iter().any(|phrase| words.contains(phrase))
}

/// Tells whether the provider names a parameter it does not take.
pub(crate) fn names_a_parameter(message: &str) -> bool {
    let words = message.to_ascii_lowercase();
    let phrases =
        ["unsupported", "unknown", "unrecognized", "not permitted", "extra inputs", "not support", "cannot find field"];
    phrases.iter().any(|phrase| words.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: ErrorClass) {
        assert_eq!(of_response(status, body, None).class, expected, "{status} {body}");
    }

    #[test]
    fn quota_is_told_from_rate_by_code_before_status() {
        use ErrorClass::{Quota, RateLimited};
        check(429, r#"{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}"#, RateLimited);
        check(429, r#"{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}"#, Quota);
        check(
            429,
            r#"{"error":{"message":"x","type":"insufficient_quota","code":"project_spend_limit_exceeded"}}"#,
            Quota,
        );
        check(
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
            Quota,
        );
        check(
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            Quota,
        );
        check(402, r#"{"error":{"message":"Insufficient Balance"}}"#, Quota);
        check(429, "", RateLimited);
    }

    #[test]
    fn google_errors_are_read_from_arrays_details_and_quota_ids() {
        let body = |quota: &str| {
            format!(
                r#"[{{"error":{{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED","details":[{{"violations":[{{"quotaId":"{quota}"}}]}},{{"retryDelay":"36s"}}]}}}}]"#
            )
        };
        let minute = of_response(429, &body("GenerateRequestsPerMinutePerProject"), None);
        assert_eq!((minute.class, minute.retry_after), (ErrorClass::RateLimited, Some(Duration::from_secs(36))));
        check(429, &body("GenerateRequestsPerDayPerProject"), ErrorClass::Quota);
        check(
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#,
            ErrorClass::Auth,
        );
    }

    #[test]
    fn every_overflow_phrase_is_recognised_and_a_plain_400_is_not() {
        for phrase in OVERFLOW_PHRASES {
            check(400, &format!(r#"{{"error":"the {phrase} of 5"}}"#), ErrorClass::ContextOverflow);
        }
        check(
            400,
            r#"{"error":{"message":"The input token count (9) exceeds the maximum number of tokens allowed (5)."}}"#,
            ErrorClass::ContextOverflow,
        );
        check(400, r#"{"error":{"message":"tools.0.name: string too short"}}"#, ErrorClass::BadRequest);
    }

    #[test]
    fn thinking_is_downgraded_only_when_the_parameter_is_named() {
        use ErrorClass::{BadRequest, ThinkingRefused};
        check(
            400,
            r#"{"error":{"message":"Unsupported value","param":"reasoning_effort","code":"unsupported_value"}}"#,
            ThinkingRefused,
        );
        check(
            400,
            r#"{"error":{"message":"\"thinking.type.enabled\" is not supported for this model"}}"#,
            ThinkingRefused,
        );
        check(400, r#"{"error":"\"llama3\" does not support thinking"}"#, ThinkingRefused);
        check(
            400,
            r#"{"error":{"message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}"#,
            BadRequest,
        );
        check(400, r#"{"error":{"message":"missing reasoning_content in assistant message"}}"#, BadRequest);
    }

    #[test]
    fn statuses_without_words_have_their_class() {
        use ErrorClass::{Auth, BadRequest, NoSuchModel, Overloaded, Timeout};
        for (status, class) in [
            (400, BadRequest),
            (401, Auth),
            (403, Auth),
            (404, NoSuchModel),
            (408, Timeout),
            (409, Overloaded),
            (422, BadRequest),
            (500, Overloaded),
            (503, Overloaded),
            (504, Timeout),
            (529, Overloaded),
        ] {
            check(status, "", class);
        }
    }

    #[test]
    fn html_and_odd_bodies_become_one_bounded_line() {
        let error =
            of_response(502, "<html><head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>", None);
        assert_eq!(error.message, "502 Bad Gateway nginx");
        assert!(of_response(500, &"x".repeat(5000), None).message.chars().count() <= QUOTE_CHARS_MAX + 1);
        assert_eq!(
            of_response(422, r#"{"detail":[{"loc":["body"],"msg":"bad"}]}"#, None).message,
            r#"[{"loc":["body"],"msg":"bad"}]"#
        );
        assert_eq!(of_response(404, r#"{"error":"model 'x' not found"}"#, None).message, "model 'x' not found");
        assert_eq!(of_response(500, "", None).message, "answered with status 500 and no explanation");
    }

    #[test]
    fn errors_inside_a_stream_are_classed_by_name() {
        let class = |body: &str| in_stream(Said::of(body)).class;
        assert_eq!(
            class(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
            ErrorClass::Overloaded
        );
        assert_eq!(class(r#"{"error":{"code":502,"message":"Provider disconnected"}}"#), ErrorClass::Overloaded);
        assert_eq!(class(r#"{"error":{"code":"rate_limit_exceeded","message":"slow"}}"#), ErrorClass::RateLimited);
        assert_eq!(class(r#"{"error":{"type":"invalid_request_error","message":"no"}}"#), ErrorClass::BadRequest);
    }
}
