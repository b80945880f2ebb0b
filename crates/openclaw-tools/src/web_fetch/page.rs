//! Turns a response body into text.
//!
//! HTML is reduced to its main content; JSON, Markdown and plain text pass
//! through; anything else is refused. Parsing is done off the async threads. A
//! page built to exhaust a parser by nesting falls back to its bare text.

use dom_smoothie::{Config, Readability};
use htmd::HtmlToMarkdown;
use openclaw_domain::tool::Error;
use serde::Deserialize;

use crate::charset;

/// Form of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Markdown,
    Text,
}

/// A page about to be shown.
pub(super) struct Page {
    pub(super) content_type: String,
    pub(super) url: String,
    pub(super) mode: Mode,
    pub(super) readability: bool,
}

/// What a page says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) title: Option<String>,
    pub(super) text: String,
    /// What made the text: `readability`, `html`, `plain` or `raw`.
    pub(super) extractor: &'static str,
}

/// Open tags at which a page is not parsed: a tree builder's work grows with the
/// square of the depth.
const OPEN_TAGS_MAX: usize = 1_000;

/// Depth of the tree at which it is not walked: the walk is recursive.
const DEPTH_MAX: usize = 200;

/// Elements at which the main content is not looked for.
const ELEMENTS_MAX: usize = 50_000;

/// A main content shorter than this is probably not the main content.
const CONTENT_CHARS_MIN: usize = 140;

/// Elements that never hold what a page says.
const SKIPPED: [&str; 9] = ["script", "style", "noscript", "template", "svg", "iframe", "nav", "head", "form"];

impl Page {
    /// Reads the body as its content type says.
    pub(super) async fn show(self, bytes: Vec<u8>) -> Result<Shown, Error> {
        let (kind, charset) = media_type(&self.content_type);
        if charset::is_binary(&bytes) || !is_text(&kind) {
            let kind = if kind.is_empty() { "binary data" } else { &kind };
            return Err(Error::tell(format!("{} is {kind}; web_fetch reads text only", self.url)));
        }
        let looks_html = kind.is_empty() && bytes.trim_ascii_start().starts_with(b"<");
        if !kind.contains("html") && !looks_html {
            return Ok(Shown { title: None, text: charset::decode(&bytes, charset.as_deref()).text, extractor: "raw" });
        }
        let charset = charset.or_else(|| declared(&bytes));
        let html = charset::decode(&bytes, charset.as_deref()).text;
        let bare = html.clone();
        let extracted = tokio::task::spawn_blocking(move || self.extract(&html)).await;
        // A parser that panics on a page takes that page down and nothing else.
        Ok(extracted.unwrap_or_else(|_| Shown { title: None, text: strip(&bare), extractor: "plain" }))
    }

    fn extract(&self, html: &str) -> Shown {
        let plain = || Shown { title: None, text: strip(html), extractor: "plain" };
        if open_tags(html) > OPEN_TAGS_MAX {
            return plain();
        }
        let mut readability = Readability::from(html);
        if depth(&readability) > DEPTH_MAX {
            return plain();
        }
        readability.doc_url = Some(self.url.clone());
        readability.config = Config { max_elements_to_parse: ELEMENTS_MAX, ..Config::default() };
        let title = Some(readability.get_article_title().trim().to_owned()).filter(|title| !title.is_empty());
        let article = if self.readability { readability.parse().ok() } else { None };
        if let Some(article) = article.filter(|article| article.length >= CONTENT_CHARS_MIN) {
            let text = match self.mode {
                Mode::Markdown => markdown(&article.content),
                Mode::Text => Some(article.text_content.to_string()),
            };
            if let Some(text) = text {
                return Shown {
                    title: Some(article.title).filter(|it| !it.is_empty()),
                    text: tidy(&text),
                    extractor: "readability",
                };
            }
        }
        let whole = match self.mode {
            Mode::Markdown => markdown(html),
            Mode::Text => Some(strip(html)),
        };
        whole.map_or_else(plain, |text| Shown { title, text: tidy(&text), extractor: "html" })
    }
}

fn markdown(html: &str) -> Option<String> {
    HtmlToMarkdown::builder().skip_tags(SKIPPED.to_vec()).build().convert(html).ok()
}

/// Splits a content type into its kind and its charset.
fn media_type(header: &str) -> (String, Option<String>) {
    let mut parts = header.split(';');
    let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    });
    (kind, charset)
}

fn is_text(kind: &str) -> bool {
    kind.is_empty()
        || kind.starts_with("text/")
        || ["json", "xml", "javascript", "yaml", "toml", "x-ndjson"].iter().any(|word| kind.contains(word))
}

/// Returns the charset that the start of a page declares.
fn declared(bytes: &[u8]) -> Option<String> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    let (_, rest) = start.split_once("charset=")?;
    let rest = rest.trim_start_matches(['"', '\'', ' ']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))).unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}

/// Elements that never stay open, or close themselves before the next of their kind.
const SELF_CLOSING: [&str; 22] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "p", "li",
    "dt", "dd", "tr", "td", "th", "option", "!doctype",
];

/// Shapes of drawings, which a `/>` does close.
const SHAPES: [&str; 12] =
    ["path", "circle", "rect", "g", "use", "line", "polygon", "polyline", "ellipse", "stop", "image", "animate"];

/// Estimates how many elements are open at once, without building a tree.
fn open_tags(html: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for (at, _) in html.match_indices('<') {
        let rest = &html[at + 1..];
        let is_end = rest.starts_with('/');
        let letters =
            rest[usize::from(is_end)..].bytes().take(12).take_while(|b| b.is_ascii_alphanumeric() || *b == b'!');
        let name: String = letters.map(|b| char::from(b.to_ascii_lowercase())).collect();
        let name = name.as_str();
        let is_shape = || SHAPES.contains(&name) && rest.split('>').next().is_some_and(|tag| tag.ends_with('/'));
        if name.is_empty() || SELF_CLOSING.contains(&name) || is_shape() {
            continue;
        }
        open = if is_end { open.saturating_sub(1) } else { open + 1 };
        most = most.max(open);
    }
    most
}

/// Measures the depth of a tree without recursion.
fn depth(readability: &Readability) -> usize {
    let (mut node, mut depth, mut most) = (readability.doc.root(), 0usize, 0);
    loop {
        if let Some(child) = node.first_child() {
            node = child;
            depth += 1;
            most = most.max(depth);
            continue;
        }
        loop {
            if let Some(sibling) = node.next_sibling() {
                node = sibling;
                break;
            }
            match node.parent() {
                Some(parent) if depth > 0 => {
                    node = parent;
                    depth -= 1;
                }
                Some(_) | None => return most,
            }
        }
    }
}

/// Removes tags, and the content of scripts and styles.
fn strip(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let raw = ["script", "style"].iter().find(|name| is_tag(rest, name));
        let end = match raw {
            Some(name) => find_ignoring_case(rest, &format!("</{name}")),
            None if rest.starts_with("<!--") => rest.find("-->"),
            None => Some(0),
        };
        // What never ends is dropped: it is not text.
        let Some(end) = end else { return tidy(&text) };
        let Some(close) = rest[end..].find('>') else { return tidy(&text) };
        rest = &rest[end + close + 1..];
        text.push(' ');
    }
    text.push_str(rest);
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    tidy(&plain.replace("&nbsp;", " ").replace("&amp;", "&"))
}

fn is_tag(rest: &str, name: &str) -> bool {
    rest.get(1..=name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name))
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Drops spaces at line ends and runs of blank lines.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.lines().map(str::trim_end) {
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank <= 1 {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    tidy.trim().to_owned()
}

#[cfg(test)]
mod tests;
