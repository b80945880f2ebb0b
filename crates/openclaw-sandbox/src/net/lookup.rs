//! Looking names up, and judging what comes back.
//!
//! The connection is made to the addresses returned here and to no others: there
//! is no second lookup that could answer differently. One address that is not
//! public refuses the name as a whole, so an attacker cannot mix a good with a bad
//! one and wait for a retry.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use openclaw_domain::ports::net::Error;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;
use super::target::Target;

/// Most addresses of one name that are considered.
const ADDRESSES_MAX: usize = 32;

/// Looks host names up. Production: [`System`].
pub trait Lookup: Send + Sync + 'static {
    /// Returns the addresses of a name.
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Lookup for System {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).take(ADDRESSES_MAX).collect())
        })
    }
}

/// Resolves for configured origins: any address will do.
pub(super) struct Plain(pub(super) Arc<dyn Lookup>);

impl Resolve for Plain {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move { Ok(pinned(addresses(lookup.as_ref(), name.as_str()).await?)) })
    }
}

/// Resolves for public requests: all addresses must be public.
#[derive(Clone)]
pub(super) struct Judged {
    lookup: Arc<dyn Lookup>,
    allowed: Arc<BTreeSet<String>>,
}

impl Judged {
    pub(super) fn new(lookup: Arc<dyn Lookup>, private_hosts_allowed: &[String]) -> Self {
        let allowed = private_hosts_allowed.iter().map(|host| canonical(host)).collect();
        Self { lookup, allowed: Arc::new(allowed) }
    }

    /// Judges a URL whose host is an address; such hosts are not looked up.
    pub(super) fn admit_literal(&self, target: &Target) -> Result<(), Error> {
        match target.literal() {
            Some(address) => self.admit(target.host(), &[address]),
            None => Ok(()),
        }
    }

    fn admit(&self, host: &str, addresses: &[IpAddr]) -> Result<(), Error> {
        if self.allowed.contains(&canonical(host)) {
            return Ok(());
        }
        match addresses.iter().find(|address| !is_public(**address)) {
            Some(address) => Err(Error::Blocked { host: host.to_owned(), address: address.to_string() }),
            None => Ok(()),
        }
    }
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let judged = self.clone();
        Box::pin(async move {
            let addresses = addresses(judged.lookup.as_ref(), name.as_str()).await?;
            judged.admit(name.as_str(), &addresses)?;
            Ok(pinned(addresses))
        })
    }
}

async fn addresses(lookup: &dyn Lookup, host: &str) -> Result<Vec<IpAddr>, Error> {
    let no_such_host = || Error::NoSuchHost { host: host.to_owned() };
    let mut found = lookup.lookup(host).await.map_err(|_| no_such_host())?;
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() { Err(no_such_host()) } else { Ok(found) }
}

fn pinned(addresses: Vec<IpAddr>) -> Addrs {
    // Port 0 is replaced by the URL's port.
    Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)))
}

fn canonical(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(allowed: &[&str], host: &str, addresses: &[&str]) -> bool {
        let allowed: Vec<String> = allowed.iter().map(|&host| host.to_owned()).collect();
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Judged::new(Arc::new(System), &allowed).admit(host, &addresses).is_ok()
    }

    #[test]
    fn one_private_address_refuses_the_name() {
        assert!(admits(&[], "example.com", &["8.8.8.8", "2606:4700:4700::1111"]));
        assert!(!admits(&[], "example.com", &["8.8.8.8", "127.0.0.1"]));
    }

    #[test]
    fn an_allowed_host_is_matched_whole_and_in_any_spelling() {
        assert!(admits(&["NAS.home."], "nas.home", &["192.168.1.2"]));
        assert!(admits(&["nas.home"], "NAS.HOME.", &["192.168.1.2"]));
        assert!(!admits(&["nas.home"], "evil.nas.home", &["192.168.1.2"]));
        assert!(!admits(&["nas.home"], "nas.home.evil", &["192.168.1.2"]));
    }
}
