//! How long a provider asks us to wait.
//!
//! Understands `retry-after-ms`, `retry-after` as seconds or as a date, and the
//! rate headers of OpenAI and Anthropic when nothing remains. Answers nothing
//! longer than [`ASKED_MAX`]. Called by `exchange` with the response head.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openclaw_domain::Timestamp;
use openclaw_domain::ports::net::Response;

/// Longest wait that is believed; more is taken for this.
pub(crate) const ASKED_MAX: Duration = Duration::from_secs(24 * 3600);

/// Returns the wait a response head asks for.
pub(crate) fn asked(response: &Response, now: Timestamp) -> Option<Duration> {
    let millis = response.header("retry-after-ms").and_then(|text| seconds(text).map(|wait| wait / 1000));
    let wait = millis
        .or_else(|| response.header("retry-after").and_then(|text| retry_after(text, now)))
        .or_else(|| reset_of_spent(response))?;
    Some(wait.min(ASKED_MAX))
}

/// Reads `retry-after`: seconds, possibly fractional, or an HTTP date.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Some(wait) = seconds(text) {
        return Some(wait);
    }
    let at: SystemTime = httpdate::parse_http_date(text.trim()).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0));
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

fn seconds(text: &str) -> Option<Duration> {
    let value: f64 = text.trim().parse().ok()?;
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    Some(Duration::from_secs_f64(value.min(ASKED_MAX.as_secs_f64() * 1000.0)))
}

/// Reads `x-ratelimit-reset-*` of an allowance of which nothing remains.
fn reset_of_spent(response: &Response) -> Option<Duration> {
    let what = ["requests", "tokens"];
    let resets = what.into_iter().filter(|what| {
        response.header(&format!("x-ratelimit-remaining-{what}")).is_some_and(|left| left.trim() == "0")
    });
    resets.filter_map(|what| parse_duration(response.header(&format!("x-ratelimit-reset-{what}"))?)).max()
}

/// Reads a duration such as `6m0s`, `12ms`, `36s`, `1.5s`, `1h2m`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = 0.0f64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let value: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 0.001,
            "s" | "" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        rest = &rest[letters..];
        total += value * unit;
    }
    let bounded = total.min(ASKED_MAX.as_secs_f64());
    bounded.is_finite().then(|| Duration::from_secs_f64(bounded))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn head(headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status: 429, headers, url: String::new(), body: Box::pin(stream::empty()) }
    }

    fn check(headers: &[(&str, &str)], expected: Option<Duration>) {
        assert_eq!(asked(&head(headers), Timestamp(1_000_000)), expected, "{headers:?}");
    }

    #[test]
    fn retry_after_is_read_as_float_date_zero_and_huge() {
        check(&[("retry-after", "1.5")], Some(Duration::from_millis(1500)));
        check(&[("retry-after", "0")], Some(Duration::ZERO));
        check(&[("retry-after", "1e300")], Some(ASKED_MAX));
        check(&[("retry-after", "Thu, 01 Jan 1970 00:17:10 GMT")], Some(Duration::from_secs(30)));
        check(&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], Some(Duration::ZERO));
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after", "-3")], None);
        check(&[("retry-after-ms", "250"), ("retry-after", "9")], Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_reset_counts_only_when_nothing_remains() {
        check(
            &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")],
            Some(Duration::from_secs(360)),
        );
        check(&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "6m0s")], None);
    }

    #[test]
    fn durations_are_read_in_all_units_and_nonsense_is_not() {
        assert_eq!(parse_duration("12ms"), Some(Duration::from_millis(12)));
        assert_eq!(parse_duration("1h2m3s"), Some(Duration::from_secs(3723)));
        assert_eq!(parse_duration(""), None);
        assert_eq!(parse_duration("5 apples"), None);
    }
}
