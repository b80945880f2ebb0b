//! Search providers, one row each.
//!
//! A row says how a query becomes a request and how an answer becomes results.
//! Rows are tried in this order when no provider is named; one that costs nothing
//! to reach comes after those whose key the owner entered.

use openclaw_domain::Secret;
use openclaw_domain::ports::net::{Egress, Request};
use serde_json::{Value, json};
use url::Url;

use super::Found;

/// A search provider.
pub(super) struct Provider {
    pub(super) id: &'static str,
    /// What makes it usable: `apiKey` or `baseUrl`.
    pub(super) needs: &'static str,
    /// The environment variable that may hold it.
    pub(super) variable: &'static str,
    /// Its address; `None` when the owner must name one.
    pub(super) base_url: Option<&'static str>,
    pub(super) egress: Egress,
    pub(super) request: fn(&str, Option<&Secret>, &Query<'_>) -> Request,
    pub(super) read: fn(&Value) -> Vec<Found>,
}

/// What is looked for.
pub(super) struct Query<'a> {
    pub(super) text: &'a str,
    pub(super) count: u64,
}

impl Provider {
    /// Names the setting that makes it usable, for error texts.
    pub(super) fn setting(&self) -> String {
        format!("{} or {}", self.path(), self.variable)
    }

    /// Returns where the configuration holds what it needs.
    pub(super) fn path(&self) -> String {
        format!("plugins.entries.{}.config.webSearch.{}", self.id, self.needs)
    }

    pub(super) fn needs_key(&self) -> bool {
        self.needs == "apiKey"
    }

    pub(super) fn missing(&self) -> String {
        format!("web_search: provider {} is not set up; the owner must set {}", self.id, self.setting())
    }
}

/// The providers. A base URL is the owner's, so it may be a private address.
pub(super) const PROVIDERS: &[Provider] = &[
    Provider {
        id: "brave",
        needs: "apiKey",
        variable: "BRAVE_API_KEY",
        base_url: Some("https://api.search.brave.com"),
        egress: Egress::Configured,
        request: |base, key, query| {
            let count = query.count.to_string();
            let url = with_query(&format!("{base}/res/v1/web/search"), &[("q", query.text), ("count", &count)]);
            keyed(Request::get(url), "x-subscription-token", "", key)
        },
        read: |answer| items(&answer["web"]["results"], ["title", "url", "description", "page_age"]),
    },
    Provider {
        id: "perplexity",
        needs: "apiKey",
        variable: "PERPLEXITY_API_KEY",
        base_url: Some("https://api.perplexity.ai"),
        egress: Egress::Configured,
        request: |base, key, query| {
            let body = json!({ "query": query.text, "max_results": query.count });
            keyed(post(format!("{base}/search"), &body), "authorization", "Bearer ", key)
        },
        read: |answer| items(&answer["results"], ["title", "url", "snippet", "date"]),
    },
    Provider {
        id: "exa",
        needs: "apiKey",
        variable: "EXA_API_KEY",
        base_url: Some("https://api.exa.ai"),
        egress: Egress::Configured,
        request: |base, key, query| {
            let body = json!({ "query": query.text, "numResults": query.count,
                "contents": { "text": { "maxCharacters": 1000 } } });
            keyed(post(format!("{base}/search"), &body), "x-api-key", "", key)
        },
        read: |answer| items(&answer["results"], ["title", "url", "text", "publishedDate"]),
    },
    Provider {
        id: "tavily",
        needs: "apiKey",
        variable: "TAVILY_API_KEY",
        base_url: Some("https://api.tavily.com"),
        egress: Egress::Configured,
        request: |base, key, query| {
            let body = json!({ "query": query.text, "max_results": query.count, "search_depth": "basic" });
            keyed(post(format!("{base}/search"), &body), "authorization", "Bearer ", key)
        },
        read: |answer| items(&answer["results"], ["title", "url", "content", "published_date"]),
    },
    Provider {
        id: "searxng",
        needs: "baseUrl",
        variable: "SEARXNG_BASE_URL",
        base_url: None,
        egress: Egress::Configured,
        request: |base, _, query| {
            Request::get(with_query(&format!("{base}/search"), &[("q", query.text), ("format", "json")]))
        },
        read: |answer| items(&answer["results"], ["title", "url", "content", "publishedDate"]),
    },
];

fn with_query(address: &str, pairs: &[(&str, &str)]) -> String {
    // An address that does not parse goes out as it is; the net port refuses it by name.
    Url::parse_with_params(address, pairs).map_or_else(|_| address.to_owned(), String::from)
}

fn post(url: String, body: &Value) -> Request {
    let request = Request { method: "POST", body: body.to_string().into(), ..Request::get(url) };
    request.header("content-type", "application/json")
}

fn keyed(request: Request, header: &str, prefix: &str, key: Option<&Secret>) -> Request {
    match key {
        Some(key) => request.header(header, key.prefixed(prefix)),
        None => request,
    }
}

/// Reads results: the names of title, address, snippet and date.
fn items(list: &Value, [title, url, snippet, date]: [&str; 4]) -> Vec<Found> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().trim().to_owned();
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let found = items.map(|item| Found {
        title: text(item, title),
        url: text(item, url),
        snippet: text(item, snippet),
        date: Some(text(item, date)).filter(|date| !date.is_empty()),
    });
    found.filter(|it| !it.url.is_empty()).collect()
}
