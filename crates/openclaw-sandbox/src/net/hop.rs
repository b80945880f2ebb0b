//! One request on the way, and the one a redirect leads to.
//!
//! On another origin only a few harmless headers are kept: whatever the caller
//! added was meant for the first host. A body is never sent to another origin.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use openclaw_domain::ports::net::{Egress, Error, HeaderValue as Value, Request};

use super::target::{Target, bad};

/// Headers that go along to another origin.
const HARMLESS: &[HeaderName] = &[header::ACCEPT, header::ACCEPT_LANGUAGE, header::ACCEPT_ENCODING, header::USER_AGENT];

/// Headers the connection sets itself; from a caller they could smuggle a request.
const OURS: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-authorization",
    "proxy-connection",
];

/// A request to one origin.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) target: Target,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

/// What to do with an answer.
pub(super) enum Next {
    /// It is the answer.
    Stop,
    /// It leads on.
    Follow(Box<Hop>),
}

impl Hop {
    /// Makes the first hop of a request. Secrets are exposed here.
    pub(super) fn first(request: &Request, target: Target) -> Result<Self, Error> {
        let refuse = |why| bad(&request.url, why);
        let method = match request.method {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "HEAD" => Method::HEAD,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => return Err(refuse("its method is not one of GET, POST, HEAD, PUT, PATCH, DELETE")),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("a header's name is malformed"))?;
            if OURS.contains(&name.as_str()) {
                return Err(refuse("it sets a header that belongs to the connection"));
            }
            let value = sendable(value).ok_or_else(|| refuse("a header's value cannot be sent"))?;
            headers.append(name, value);
        }
        if is_event_stream(&headers) && !headers.contains_key(header::ACCEPT_ENCODING) {
            // A compressed event stream arrives in lumps.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        Ok(Self { target, method, headers, body: request.body.clone() })
    }

    /// Makes the request to send.
    pub(super) fn to_request(&self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.target.url().clone());
        *request.headers_mut() = self.headers.clone();
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        request
    }

    /// Says where an answer leads.
    pub(super) fn next(&self, answer: &reqwest::Response, egress: Egress) -> Result<Next, Error> {
        let status = answer.status();
        let location = answer.headers().get(header::LOCATION);
        if !is_redirect(status) {
            return Ok(Next::Stop);
        }
        let Some(location) = location else {
            return Ok(Next::Stop);
        };
        let Ok(location) = std::str::from_utf8(location.as_bytes()) else {
            return Ok(Next::Stop);
        };
        let target = self.target.join(location, egress)?;
        let is_same_origin = self.target.is_same_origin(&target);
        if egress == Egress::Configured && !is_same_origin {
            return Ok(Next::Stop);
        }
        let is_resent = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        if is_resent && !is_same_origin && !self.body.is_empty() {
            return Ok(Next::Stop);
        }
        Ok(Next::Follow(Box::new(self.redirected(target, status, is_same_origin))))
    }

    fn redirected(&self, target: Target, status: StatusCode, is_same_origin: bool) -> Self {
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        let mut headers = self.headers.clone();
        if !is_same_origin {
            headers = HARMLESS.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
        }
        if !becomes_get {
            return Self { target, method: self.method.clone(), headers, body: self.body.clone() };
        }
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE] {
            headers.remove(name);
        }
        Self { target, method: Method::GET, headers, body: Bytes::new() }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

fn sendable(value: &Value) -> Option<HeaderValue> {
    match value {
        Value::Plain(text) => HeaderValue::from_bytes(text.as_bytes()).ok(),
        Value::Secret(secret) => {
            let mut value = HeaderValue::from_bytes(secret.expose().as_bytes()).ok()?;
            // Keeps it out of debug output and of HTTP/2's header table.
            value.set_sensitive(true);
            Some(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::Secret;

    use super::*;

    fn hop(request: &Request) -> Hop {
        let target = Target::parse(&request.url, request.egress).unwrap();
        Hop::first(request, target).unwrap()
    }

    fn posted() -> Request {
        let mut request = Request::get("https://a.test/x").header("Accept", "text/html").header("X-Custom", "1");
        request = request.header("Authorization", Secret::new("Bearer hunter2")).header("Cookie", "id=1");
        request.method = "POST";
        request.body = Bytes::from_static(b"body");
        request
    }

    fn names(hop: &Hop) -> Vec<&str> {
        hop.headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn another_origin_gets_harmless_headers_only() {
        let first = hop(&posted());
        for url in ["https://b.test/", "http://a.test/", "https://a.test:8443/", "https://a.test.b.test/"] {
            let target = Target::parse(url, Egress::Public).unwrap();
            let is_same = first.target.is_same_origin(&target);
            assert_eq!(names(&first.redirected(target, StatusCode::FOUND, is_same)), ["accept"], "{url}");
        }
        let target = Target::parse("https://a.test:443/y", Egress::Public).unwrap();
        let is_same = first.target.is_same_origin(&target);
        let next = first.redirected(target, StatusCode::FOUND, is_same);
        assert!(next.headers.contains_key("authorization") && next.body.is_empty());
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", hop(&posted())).contains("hunter2"));
    }

    #[test]
    fn headers_of_the_connection_are_refused() {
        for name in ["Host", "content-length", "Transfer-Encoding", "Proxy-Authorization", "bad name", "x\r\ny"] {
            let request = Request::get("https://a.test/").header(name, "x");
            let target = Target::parse(&request.url, request.egress).unwrap();
            assert!(Hop::first(&request, target).is_err(), "{name}");
        }
        let request = Request::get("https://a.test/").header("x", "a\r\nHost: b");
        let target = Target::parse(&request.url, request.egress).unwrap();
        assert!(Hop::first(&request, target).is_err());
    }
}
