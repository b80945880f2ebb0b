//! Hosts outside: the production [`Net`], and the one way out of the process.
//!
//! Two classes of traffic, each with its own connections. `Public` is for
//! addresses a model or a page can name: every address a name resolves to is
//! judged, the judged address is the one connected to, and each redirect is a new
//! request. `Configured` is for origins an owner wrote down: private addresses are
//! fine, redirects stay on the origin. Public traffic never uses a proxy, since the
//! proxy would look the name up a second time. No environment variable is read.

mod address;
mod body;
mod fault;
mod hop;
mod lookup;
mod target;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::Secret;
use openclaw_domain::ports::Net;
use openclaw_domain::ports::net::{Egress, Error, Request, Response};
use tokio::sync::OnceCell;

pub use self::address::is_public;
pub use self::lookup::{Lookup, System};

use self::hop::{Hop, Next};
use self::lookup::Judged;
use self::target::Target;

/// Longest time to set up one connection; the caller's head timeout also counts.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an idle connection is kept for the next request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Idle connections kept per host: as many as turns that run at once on a busy
/// gateway, or each turn would connect anew.
const POOL_IDLE_MAX: usize = 64;

/// How often a quiet connection is checked to be alive.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Most bytes of headers accepted over HTTP/2 (HTTP/1 has a limit of its own).
const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// How to reach hosts outside.
pub struct Options {
    /// Hosts (names or addresses, without port) that public requests may reach
    /// although their addresses are private.
    pub private_hosts_allowed: Vec<String>,
    /// Proxy for configured origins.
    pub proxy: Option<Proxy>,
    /// Sent when a request has no `User-Agent` of its own.
    pub user_agent: String,
    /// Looks host names up.
    pub lookup: Arc<dyn Lookup>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            private_hosts_allowed: Vec::new(),
            proxy: None,
            user_agent: concat!("openclaw/", env!("CARGO_PKG_VERSION")).to_owned(),
            lookup: Arc::new(System),
        }
    }
}

/// A proxy for configured origins.
pub struct Proxy {
    /// Its URL (`http`, `https`, `socks5` or `socks5h`), which may hold a password.
    pub url: Secret,
    /// Hosts reached directly, in the form of `NO_PROXY`. Loopback always is.
    pub bypass: String,
}

/// Sends requests. Cheap to make: connections and TLS roots are set up on first use.
pub struct Client {
    options: Options,
    judged: Judged,
    public: Connections,
    configured: Connections,
}

/// The connections of one class of traffic. Those without TLS are kept apart, so
/// that a model on this machine needs neither the time nor the presence of the
/// system's certificates.
#[derive(Default)]
struct Connections {
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
}

impl Client {
    /// Makes a client.
    pub fn new(options: Options) -> Self {
        let judged = Judged::new(Arc::clone(&options.lookup), &options.private_hosts_allowed);
        Self { options, judged, public: Connections::default(), configured: Connections::default() }
    }

    /// Sets up TLS for configured origins ahead of the first request, which would
    /// wait tens of milliseconds for it. A failure is told by that request.
    pub async fn warm(&self) {
        if let Err(error) = self.configured.secure.get_or_try_init(|| build(self.configured_builder())).await {
            tracing::debug!(%error, "TLS is not ready");
        }
    }

    async fn client(&self, egress: Egress, target: &Target) -> Result<&reqwest::Client, reqwest::Error> {
        let connections = match egress {
            Egress::Public => &self.public,
            Egress::Configured => &self.configured,
        };
        let builder = || match egress {
            Egress::Public => Ok(self.builder().dns_resolver(Arc::new(self.judged.clone()))),
            Egress::Configured => self.configured_builder(),
        };
        // The way to a proxy may be encrypted though the target is not.
        let is_secure = target.is_secure() || (egress == Egress::Configured && self.options.proxy.is_some());
        if is_secure {
            connections.secure.get_or_try_init(|| build(builder())).await
        } else {
            let without_roots = || builder().map(|builder| builder.tls_certs_only([]));
            connections.plain.get_or_try_init(|| build(without_roots())).await
        }
    }

    fn configured_builder(&self) -> Result<reqwest::ClientBuilder, reqwest::Error> {
        let lookup = lookup::Plain(Arc::clone(&self.options.lookup));
        let builder = self.builder().dns_resolver(Arc::new(lookup));
        let Some(proxy) = &self.options.proxy else {
            return Ok(builder);
        };
        let direct = format!("localhost,127.0.0.0/8,::1,{}", proxy.bypass);
        let rule = reqwest::Proxy::all(proxy.url.expose())?.no_proxy(reqwest::NoProxy::from_string(&direct));
        Ok(builder.proxy(rule))
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .user_agent(&self.options.user_agent)
            // Otherwise the library reads proxies from the environment.
            .no_proxy()
            // Redirects are followed by `hop`, which judges each.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_IDLE_MAX)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_adaptive_window(true)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
    }

    /// Sends the request and follows redirects as far as its class allows.
    async fn follow(&self, request: &Request, first: Target) -> Result<Response, Error> {
        let mut hop = Hop::first(request, first)?;
        let mut followed = 0;
        loop {
            if request.egress == Egress::Public {
                self.judged.admit_literal(&hop.target)?;
            }
            let explain = |error| fault::explain(hop.target.host(), CONNECT_TIMEOUT, error);
            let client = self.client(request.egress, &hop.target).await.map_err(explain)?;
            let answer = client.execute(hop.to_request()).await.map_err(explain)?;
            match hop.next(&answer, request.egress)? {
                Next::Stop => return Ok(body::respond(answer, &hop.target, request)),
                Next::Follow(_) if request.redirects_max == 0 => {
                    return Ok(body::respond(answer, &hop.target, request));
                }
                Next::Follow(_) if followed == request.redirects_max => {
                    let host = hop.target.host().to_owned();
                    return Err(Error::TooManyRedirects { host, redirects_max: request.redirects_max });
                }
                Next::Follow(next) => {
                    followed += 1;
                    hop = *next;
                }
            }
        }
    }
}

/// Builds a client on a blocking thread: it reads the system's certificates.
async fn build(builder: Result<reqwest::ClientBuilder, reqwest::Error>) -> Result<reqwest::Client, reqwest::Error> {
    let builder = builder?;
    match tokio::task::spawn_blocking(move || builder.build()).await {
        Ok(built) => built,
        // The thread pool is gone, or building panicked: let the panic go on.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => std::future::pending().await,
    }
}

#[async_trait]
impl Net for Client {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let target = Target::parse(&request.url, request.egress)?;
        let host = target.host().to_owned();
        let after = request.head_timeout;
        match tokio::time::timeout(after, self.follow(&request, target)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { host, after }),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("net::Client")
    }
}
