//! The front page: says that the gateway runs and what to do next.
//!
//! Self-contained, without script, under a policy that allows none.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::Full;

use super::{Answer, harden};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;\
    color-scheme:light dark}code{font:14px/1.6 ui-monospace,monospace;padding:.1em .3em;border:1px solid #8884;\
    border-radius:4px}li{margin:.3em 0}";

struct Words {
    language: &'static str,
    title: &'static str,
    lead: &'static str,
    steps: [(&'static str, &'static str); 4],
}

const ENGLISH: Words = Words {
    language: "en",
    title: "The OpenClaw gateway is running",
    lead: "Nothing needs to be done here. Talk to your agent from a terminal on this machine:",
    steps: [
        ("openclaw tui", "a chat in the terminal"),
        ("openclaw agent --message \"hello\"", "one question, one answer"),
        ("openclaw status", "what the gateway is doing"),
        ("openclaw doctor", "what is wrong, and how to mend it"),
    ],
};

const CHINESE: Words = Words {
    language: "zh-Hans",
    title: "OpenClaw 网关正在运行",
    lead: "此页面无需任何操作。请在本机终端中与智能体对话：",
    steps: [
        ("openclaw tui", "终端聊天界面"),
        ("openclaw agent --message \"你好\"", "一问一答"),
        ("openclaw status", "查看网关状态"),
        ("openclaw doctor", "检查问题并给出修复方法"),
    ],
};

/// Returns the page in the language the browser prefers.
pub(super) fn front(headers: &HeaderMap, version: &str) -> Answer {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut answer = Response::new(Full::new(Bytes::from(render(words(accepted), version))));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
    harden(headers);
    answer
}

/// Chooses by the first language named that we have; weights follow the order in practice.
fn words(accepted: &str) -> &'static Words {
    let tags = accepted.split(',').map(|tag| tag.trim().to_ascii_lowercase());
    for tag in tags {
        if tag.starts_with("zh") {
            return &CHINESE;
        }
        if tag.starts_with("en") {
            return &ENGLISH;
        }
    }
    &ENGLISH
}

fn render(words: &Words, version: &str) -> String {
    let steps = words.steps.map(|(command, what)| format!("<li><code>{}</code> {what}</li>", escape(command)));
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title><style>{STYLE}</style></head>\
         <body><main><h1>{}</h1><p>{}</p><ul>{}</ul><p><small>{}</small></p></main></body></html>",
        words.language,
        words.title,
        words.title,
        words.lead,
        steps.concat(),
        escape(version)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_language_wins() {
        assert_eq!(words("zh-CN,zh;q=0.9,en;q=0.8").language, "zh-Hans");
        assert_eq!(words("fr, en;q=0.5, zh;q=0.4").language, "en");
        assert_eq!(words("").language, "en");
    }

    #[test]
    fn what_is_shown_cannot_become_markup() {
        assert!(!render(&ENGLISH, "<script>").contains("<script>"));
    }
}
