//! A URL that may be requested.
//!
//! Refuses other schemes than `http` and `https`, credentials in the URL, and, for
//! public requests, the ports browsers refuse because other protocols live there.
//! The URL parser turns decimal, octal and hexadecimal spellings of an address into
//! the address, so what is judged later is what is connected to.

use std::net::IpAddr;

use openclaw_domain::ports::net::{Egress, Error};
use url::{Host, Position, Url};

/// Longest URL accepted, in bytes.
const URL_BYTES_MAX: usize = 16 * 1024;

/// Ports of other protocols, from the fetch standard.
const BAD_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
];

/// A parsed URL with a host.
#[derive(Debug, Clone)]
pub(super) struct Target {
    url: Url,
    host: String,
}

impl Target {
    /// Parses a URL.
    pub(super) fn parse(text: &str, egress: Egress) -> Result<Self, Error> {
        if text.len() > URL_BYTES_MAX {
            return Err(bad(text, "it is longer than 16 KiB"));
        }
        let url = Url::parse(text).map_err(|_| bad(text, "it is not a valid absolute URL"))?;
        Self::of(url, egress)
    }

    /// Resolves a `Location` header.
    pub(super) fn join(&self, location: &str, egress: Egress) -> Result<Self, Error> {
        if location.len() > URL_BYTES_MAX {
            return Err(bad(location, "it is longer than 16 KiB"));
        }
        let url = self.url.join(location).map_err(|_| bad(location, "it is not a valid redirect"))?;
        Self::of(url, egress)
    }

    fn of(url: Url, egress: Egress) -> Result<Self, Error> {
        let refuse = |why| Err(bad(url.as_str(), why));
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("only http and https are fetched");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it holds credentials; pass them in a header");
        }
        let Some(host) = url.host_str() else {
            return refuse("it names no host");
        };
        let port = url.port_or_known_default().unwrap_or(0);
        if egress == Egress::Public && BAD_PORTS.contains(&port) {
            return refuse("its port belongs to another protocol");
        }
        let host = host.to_owned();
        Ok(Self { url, host })
    }

    /// Returns the URL.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the host as written in the URL.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Tells whether it is reached over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns the address when the host is one.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        match self.url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        }
    }

    /// Tells whether two URLs have scheme, host and port in common.
    pub(super) fn is_same_origin(&self, other: &Target) -> bool {
        self.url.origin() == other.url.origin()
    }
}

/// Makes the error for an unusable URL. Credentials and the query stay out of it:
/// both are where people put keys.
pub(super) fn bad(text: &str, why: &'static str) -> Error {
    let shown = match Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            // These fail only for URLs that cannot have credentials.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url[..Position::AfterPath].to_owned()
        }
        Ok(_) | Err(_) => {
            let start = text.split(['?', '#']).next().unwrap_or("");
            let start = start.rsplit_once('@').map_or(start, |(_, rest)| rest);
            start.escape_debug().take(200).collect()
        }
    };
    Error::BadUrl { url: shown, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_becomes_that_address() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "0177.1",
            "017700000001",
            "127.0.0.1.",
            "0x7F.0x0.0x0.0x1",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
            "0x7f.0.1",
        ] {
            let target = Target::parse(&format!("http://{host}/"), Egress::Public).unwrap();
            assert_eq!(target.literal(), Some(loopback), "{host}");
        }
        for host in ["[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::ffff:127.0.0.1]", "[0000::FFFF:7F00:0001]"] {
            let target = Target::parse(&format!("http://{host}/"), Egress::Public).unwrap();
            assert!(!super::super::is_public(target.literal().unwrap()), "{host}");
        }
    }

    /// Writes an IPv4 address in the ways URL parsers and resolvers understand.
    fn spellings(address: std::net::Ipv4Addr) -> Vec<String> {
        let [a, b, c, d] = address.octets();
        let bits = address.to_bits();
        let (two, three) = (bits & 0x00ff_ffff, bits & 0xffff);
        let dotted = format!("{a}.{b}.{c}.{d}");
        let wide = |text: &str| {
            text.chars().map(|digit| char::from_u32(u32::from(digit) + 0xfee0).unwrap_or(digit)).collect::<String>()
        };
        vec![
            dotted.clone(),
            format!("{dotted}."),
            format!("{bits}"),
            format!("{bits:#x}"),
            format!("0X{bits:X}"),
            format!("0{bits:o}"),
            format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
            format!("000{a:o}.0000{b:o}.00{c:o}.0{d:o}"),
            format!("{a}.{two}"),
            format!("{a:#x}.0{two:o}"),
            format!("{a}.{b}.{three}"),
            dotted.replace('.', "。"),
            dotted.replace('.', "．"),
            wide(&dotted),
            dotted.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            format!("[::ffff:{dotted}]"),
            format!("[::FFFF:{:x}:{:x}]", bits >> 16, three),
            format!("[0:0:0:0:0:ffff:{:x}:{:x}]", bits >> 16, three),
            format!("[64:ff9b::{dotted}]"),
            format!("[2002:{:x}:{:x}::1]", bits >> 16, three),
            format!("[::{dotted}]"),
        ]
    }

    #[test]
    fn no_spelling_of_a_private_address_is_public() {
        let mut count = 0;
        for address in
            ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "172.16.5.4", "100.100.100.200", "0.0.0.0"]
        {
            for host in spellings(address.parse().unwrap()) {
                for url in [format!("http://{host}/"), format!("http://{host}:8080/")] {
                    match Target::parse(&url, Egress::Public) {
                        Ok(target) => {
                            let literal = target.literal().unwrap_or_else(|| panic!("{url} is taken for a name"));
                            assert!(!super::super::is_public(literal), "{url}");
                        }
                        Err(Error::BadUrl { .. }) => {}
                        Err(other) => panic!("{url}: {other}"),
                    }
                    count += 1;
                }
            }
        }
        assert!(count >= 120, "{count}");
    }

    #[test]
    fn other_schemes_credentials_and_ports_are_refused() {
        let why = |url: &str| match Target::parse(url, Egress::Public) {
            Err(Error::BadUrl { why, .. }) => why,
            other => panic!("{url}: {other:?}"),
        };
        assert_eq!(why("file:///etc/passwd"), "only http and https are fetched");
        assert_eq!(why("gopher://example.com/"), "only http and https are fetched");
        assert_eq!(why("http://user@example.com/"), "it holds credentials; pass them in a header");
        assert_eq!(why("http://example.com:25/"), "its port belongs to another protocol");
        assert_eq!(why("example.com"), "it is not a valid absolute URL");
        assert_eq!(why(&format!("http://example.com/{}", "a".repeat(URL_BYTES_MAX))), "it is longer than 16 KiB");
        assert!(Target::parse("http://example.com:8080/", Egress::Public).is_ok());
        assert!(Target::parse("http://example.com:25/", Egress::Configured).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(https?:/{0,3})?\\PC{0,40}") {
            if let Ok(target) = Target::parse(&text, Egress::Public) {
                proptest::prop_assert!(!target.host().is_empty());
            }
        }
    }

    #[test]
    fn errors_show_neither_credentials_nor_query() {
        for url in [
            "http://u:hunter2@h/p?key=hunter2",
            "ftp://u:hunter2@h/p?key=hunter2#hunter2",
            "http://u:hunter2@:x/?hunter2",
        ] {
            let error = Target::parse(url, Egress::Public).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
