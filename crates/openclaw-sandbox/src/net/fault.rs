//! Turns what the HTTP library says into the port's errors.
//!
//! Messages are the innermost cause, without the URL: a query may hold a key.

use std::error::Error as _;
use std::time::Duration;

use openclaw_domain::ports::net::Error;

/// Explains a failed request.
pub(super) fn explain(host: &str, connect_timeout: Duration, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let host = host.to_owned();
    let mut innermost: &(dyn std::error::Error + 'static) = &error;
    loop {
        // The resolver's verdict travels inside the library's error.
        if let Some(verdict) = innermost.downcast_ref::<Error>() {
            return verdict.clone();
        }
        let Some(inner) = innermost.source() else { break };
        innermost = inner;
    }
    if error.is_timeout() && error.is_connect() {
        return Error::Timeout { host, after: connect_timeout };
    }
    let message = match error.source() {
        _ if error.is_decode() => format!("the answer could not be decoded: {innermost}"),
        Some(_) => innermost.to_string(),
        None => error.to_string(),
    };
    if error.is_connect() { Error::Unreachable { host, message } } else { Error::Connect { host, message } }
}

#[cfg(test)]
mod tests {
    use reqwest::ResponseBuilderExt as _;

    use super::*;

    /// Makes an error of the library that names its URL and has no cause behind it.
    fn bare(url: &str) -> reqwest::Error {
        let answer = http::Response::builder().status(500).url(url.parse().unwrap()).body("").unwrap();
        reqwest::Response::from(answer).error_for_status().unwrap_err()
    }

    #[test]
    fn the_url_stays_out_of_what_is_explained() {
        let url = "https://u:hunter2@h.test/p?key=hunter2#hunter2";
        // The control: the library itself says it all.
        assert_eq!(bare(url).to_string().matches("hunter2").count(), 3);
        let expected = "HTTP status server error (500 Internal Server Error)";
        let expected = Error::Connect { host: "h.test".to_owned(), message: expected.to_owned() };
        assert_eq!(explain("h.test", Duration::ZERO, bare(url)), expected);
    }
}
