//! Which web pages may talk to us, and under which names.
//!
//! Checked before the upgrade. A page elsewhere may reach loopback with the
//! owner's browser (`Origin` tells), or make its own name point here (DNS
//! rebinding; `Host` tells). Neither header can make a peer local.

use std::net::IpAddr;

use http::{HeaderMap, header};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The name the client used for us is not one of ours.
    Host,
    /// The page is not ours, not on loopback and not allowed.
    Origin,
}

impl Refusal {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Refusal::Host => {
                "host not allowed (use localhost or an IP address, or allow the name's origin in gateway.controlUi.allowedOrigins)"
            }
            Refusal::Origin => {
                "origin not allowed (open the page from the gateway host or allow it in gateway.controlUi.allowedOrigins)"
            }
        }
    }
}

/// Checks the two headers.
pub(crate) fn check(headers: &HeaderMap, is_peer_local: bool, allowed: &[String]) -> Result<(), Refusal> {
    let host = text(headers, header::HOST).ok_or(Refusal::Host)?;
    let is_host_ours = is_literal(host_name(host)) || allowed.iter().any(|origin| authority(origin) == Some(host));
    if !is_host_ours {
        return Err(Refusal::Host);
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return if is_browser_without_origin(headers) { Err(Refusal::Origin) } else { Ok(()) };
    };
    let origin = origin.to_str().map_err(|_| Refusal::Origin)?;
    let page = authority(origin).ok_or(Refusal::Origin)?;
    let is_ours = page.eq_ignore_ascii_case(host)
        || (is_peer_local && is_loopback(host_name(page)))
        || allowed.iter().any(|known| known.trim_end_matches('/').eq_ignore_ascii_case(origin));
    if is_ours { Ok(()) } else { Err(Refusal::Origin) }
}

/// Tells whether a page sent the request.
pub(crate) fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || is_browser_without_origin(headers)
}

/// Browsers always send `Origin` with an upgrade; one that does not is not honest.
fn is_browser_without_origin(headers: &HeaderMap) -> bool {
    let is_upgrade = headers.contains_key(header::UPGRADE);
    let is_browser = text(headers, header::USER_AGENT).is_some_and(|agent| agent.starts_with("Mozilla/"));
    is_upgrade && (is_browser || headers.contains_key("sec-fetch-site"))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns `host[:port]` of an `http` or `https` origin.
fn authority(origin: &str) -> Option<&str> {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
    let rest = rest.trim_end_matches('/');
    (!rest.is_empty() && !rest.contains(['/', '@', ' '])).then_some(rest)
}

fn host_name(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(ip, _)| ip);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// An IP address cannot be rebound, and `localhost` never leaves the machine.
fn is_literal(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || is_loopback(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pair(host: &str, origin: Option<&str>, is_peer_local: bool) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(&headers, is_peer_local, &["https://chat.example".to_owned()])
    }

    #[test]
    fn a_name_that_was_pointed_at_us_is_refused() {
        for host in ["127.0.0.1:18789", "localhost", "LOCALHOST:1", "[::1]:18789", "192.0.2.7:18789", "chat.example"] {
            assert_eq!(check_pair(host, None, true), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:18789", "127.0.0.1.evil.example", ""] {
            assert_eq!(check_pair(host, None, true), Err(Refusal::Host), "{host}");
        }
    }

    #[test]
    fn only_our_own_loopback_and_allowed_pages_get_in() {
        let host = "127.0.0.1:18789";
        for origin in ["http://127.0.0.1:18789", "http://localhost:5173", "http://[::1]:1", "https://chat.example"] {
            assert_eq!(check_pair(host, Some(origin), true), Ok(()), "{origin}");
        }
        let foreign = [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "file://",
            "https://chat.example.evil.example",
            "http://evil.example@127.0.0.1:18789",
            "chrome-extension://x",
        ];
        for origin in foreign {
            assert_eq!(check_pair(host, Some(origin), true), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn a_loopback_page_of_another_machine_is_foreign_here() {
        assert_eq!(check_pair("192.0.2.7:18789", Some("http://localhost:3000"), false), Err(Refusal::Origin));
        assert_eq!(check_pair("192.0.2.7:18789", Some("http://192.0.2.7:18789"), false), Ok(()));
    }

    #[test]
    fn a_browser_that_hides_its_origin_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1".parse().unwrap());
        headers.insert(header::UPGRADE, "websocket".parse().unwrap());
        assert_eq!(check(&headers, true, &[]), Ok(()));
        headers.insert(header::USER_AGENT, "Mozilla/5.0 (X11)".parse().unwrap());
        assert_eq!(check(&headers, true, &[]), Err(Refusal::Origin));
    }
}
