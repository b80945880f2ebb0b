//! Where a gateway is. Refuses plain `ws://` to another machine, because the
//! credential would travel in clear, unless the caller insists.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use url::{Host, Url};

/// Where a gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket on this machine; the gateway knows us by our user id.
    Unix(PathBuf),
    /// A `ws://` address.
    Plain(Url),
    /// A `wss://` address.
    Tls(Url),
}

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an address at all, or not one of ours.
    #[error("{text:?} is not a gateway address; expected ws://HOST:PORT, wss://HOST:PORT or unix:/PATH")]
    Form {
        /// What was given.
        text: String,
    },
    /// User name, password, query or fragment in the address.
    #[error("the gateway address {text:?} must not carry credentials, a query or a fragment")]
    Surplus {
        /// The address without the offending parts.
        text: String,
    },
    /// Plain text to another machine.
    #[error("{text:?} would send the credential in clear to another machine; use wss:// or an SSH tunnel")]
    Plaintext {
        /// The address.
        text: String,
    },
}

impl Endpoint {
    /// Parses an address. `http` and `https` stand for `ws` and `wss`; a bare
    /// `HOST:PORT` is plain.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        let endpoint = Self::parse_any(text)?;
        if let Endpoint::Plain(url) = &endpoint
            && !is_loopback(url)
        {
            return Err(EndpointError::Plaintext { text: url.to_string() });
        }
        Ok(endpoint)
    }

    /// Parses an address and also accepts plain text to another machine, for a
    /// network that is already private.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn parse_any(text: &str) -> Result<Endpoint, EndpointError> {
        let text = text.trim();
        let form = || EndpointError::Form { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            return if path.starts_with('/') { Ok(Endpoint::Unix(path.into())) } else { Err(form()) };
        }
        let full = if text.contains("://") { text.to_owned() } else { format!("ws://{text}") };
        let mut url = Url::parse(&full).map_err(|_| form())?;
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err(form()),
        };
        if url.scheme() != scheme {
            // A special scheme may only change into another special one, which ws and wss are.
            url.set_scheme(scheme).map_err(|()| form())?;
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(form());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            let mut bare = url;
            bare.set_query(None);
            bare.set_fragment(None);
            let _cannot_fail = bare.set_username("").and_then(|()| bare.set_password(None));
            return Err(EndpointError::Surplus { text: bare.into() });
        }
        Ok(if scheme == "ws" { Endpoint::Plain(url) } else { Endpoint::Tls(url) })
    }

    /// Returns the endpoint on this machine at a port.
    pub fn local(port: u16) -> Endpoint {
        let mut url = LOCAL.clone();
        // Cannot fail: the URL has a host and its scheme takes a port.
        let _has_host = url.set_port(Some(port));
        Endpoint::Plain(url)
    }

    /// Tells whether the peer is known by its user id, so no credential is shown.
    pub fn is_unix(&self) -> bool {
        matches!(self, Endpoint::Unix(_))
    }

    /// Tells whether the gateway is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Endpoint::Unix(_) => true,
            Endpoint::Plain(url) | Endpoint::Tls(url) => is_loopback(url),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
            Endpoint::Plain(url) | Endpoint::Tls(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

static LOCAL: std::sync::LazyLock<Url> = std::sync::LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant that parses")]
    let url = Url::parse("ws://127.0.0.1/").expect("ws://127.0.0.1/ is an address");
    url
});

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip.to_canonical_v6()).is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost")
        }
        None => false,
    }
}

/// `::ffff:127.0.0.1` counts as the loopback address it stands for.
trait CanonicalV6 {
    fn to_canonical_v6(self) -> std::net::Ipv6Addr;
}

impl CanonicalV6 for std::net::Ipv6Addr {
    fn to_canonical_v6(self) -> std::net::Ipv6Addr {
        match self.to_ipv4_mapped() {
            Some(v4) if v4.is_loopback() => std::net::Ipv6Addr::LOCALHOST,
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointError};

    fn shown(text: &str) -> String {
        Endpoint::parse(text).unwrap().to_string()
    }

    #[test]
    fn addresses_are_read_as_written_or_by_their_web_scheme() {
        assert_eq!(shown("ws://127.0.0.1:18789"), "ws://127.0.0.1:18789");
        assert_eq!(shown("http://localhost:1"), "ws://localhost:1");
        assert_eq!(shown("https://host.example"), "wss://host.example");
        assert_eq!(shown("127.0.0.1:9"), "ws://127.0.0.1:9");
        assert_eq!(shown("unix:/run/x.sock"), "unix:/run/x.sock");
        assert_eq!(Endpoint::local(7).to_string(), "ws://127.0.0.1:7");
    }

    #[test]
    fn garbage_is_refused_with_the_expected_form() {
        for text in ["", "ftp://x", "unix:relative", "ws://", "::::"] {
            assert!(matches!(Endpoint::parse(text), Err(EndpointError::Form { .. })), "{text}");
        }
    }

    #[test]
    fn plain_text_leaves_the_machine_only_when_insisted() {
        assert!(matches!(Endpoint::parse("ws://10.0.0.1:1"), Err(EndpointError::Plaintext { .. })));
        assert!(matches!(Endpoint::parse("ws://localhost.evil.example:1"), Err(EndpointError::Plaintext { .. })));
        assert!(Endpoint::parse_any("ws://10.0.0.1:1").is_ok());
        assert!(Endpoint::parse("ws://[::1]:1").is_ok());
        assert!(Endpoint::parse("wss://10.0.0.1:1").is_ok());
    }

    #[test]
    fn a_credential_in_the_address_is_refused_and_not_repeated() {
        let error = Endpoint::parse("ws://me:hunter2@127.0.0.1:1/?token=abc").unwrap_err();
        let text = error.to_string();
        assert!(!text.contains("hunter2") && !text.contains("abc"), "{text}");
    }
}
