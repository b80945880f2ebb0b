//! Port: outbound HTTP. The one way out of the process.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::secret::Secret;

/// Sends HTTP requests. Production: `sandbox::net`.
///
/// Dropping the future or the body cancels the request and closes the connection.
#[async_trait]
pub trait Net: Send + Sync {
    /// Sends a request and returns once the response head is there.
    ///
    /// # Errors
    /// See [`Error`]. An HTTP error status is not an error here.
    async fn send(&self, request: Request) -> Result<Response, Error>;
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, `HEAD`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Absolute URL, `http` or `https`, without credentials.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, HeaderValue)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// Where it may go.
    pub egress: Egress,
    /// Longest time to the response head.
    pub head_timeout: Duration,
    /// Longest silence while the body arrives.
    pub idle_timeout: Duration,
    /// Most body bytes; more is [`Error::TooLarge`].
    pub body_bytes_max: u64,
    /// Redirects to follow; each is judged anew and carries no secrets to another host.
    pub redirects_max: u8,
}

impl Request {
    /// Makes a GET request to the public internet with careful defaults.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: "GET",
            url: url.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            egress: Egress::Public,
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            body_bytes_max: 5 * 1024 * 1024,
            redirects_max: 5,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A header's value.
#[derive(Debug, Clone)]
pub enum HeaderValue {
    /// Anybody may see it.
    Plain(String),
    /// Exposed only while the request is written.
    Secret(Secret),
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        HeaderValue::Plain(text.to_owned())
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        HeaderValue::Plain(text)
    }
}

impl From<Secret> for HeaderValue {
    fn from(secret: Secret) -> Self {
        HeaderValue::Secret(secret)
    }
}

/// Where a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// Public addresses only: resolved once, pinned, every hop judged. For
    /// everything a model or a page can name.
    Public,
    /// The exact origin an owner configured, private addresses included. For
    /// model providers and the like.
    Configured,
}

/// A response head and its body.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The URL that answered, after redirects.
    pub url: String,
    /// The body.
    pub body: Body,
}

impl Response {
    /// Returns the first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A body as it arrives.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// Why a request failed. Messages name the host, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used.
    #[error("cannot fetch {url}: {why}")]
    BadUrl {
        /// The URL.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The address is not allowed.
    #[error("{host} resolves to {address}, which is not a public address")]
    Blocked {
        /// The host.
        host: String,
        /// The address it resolved to.
        address: String,
    },
    /// The host name could not be resolved.
    #[error("{host} could not be resolved")]
    NoSuchHost {
        /// The host.
        host: String,
    },
    /// No connection could be made: nothing of the request was sent.
    #[error("connection to {host} failed: {message}")]
    Unreachable {
        /// The host.
        host: String,
        /// What failed.
        message: String,
    },
    /// The connection failed or broke; the request may have arrived.
    #[error("connection to {host} failed: {message}")]
    Connect {
        /// The host.
        host: String,
        /// What failed.
        message: String,
    },
    /// No answer in time.
    #[error("{host} did not answer within {after:?}")]
    Timeout {
        /// The host.
        host: String,
        /// The limit that passed.
        after: Duration,
    },
    /// The body is larger than allowed.
    #[error("the answer of {host} is larger than {bytes_max} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The limit.
        bytes_max: u64,
    },
    /// Too many redirects.
    #[error("{host} redirected more than {redirects_max} times")]
    TooManyRedirects {
        /// The last host.
        host: String,
        /// The limit.
        redirects_max: u8,
    },
}
