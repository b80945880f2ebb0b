//! Who may connect: addresses to listen on and the credential to ask for.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use openclaw_config::Loaded;
use openclaw_domain::Secret;
use openclaw_gateway::Auth;

/// Longest path a Unix socket can have.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Returns the TCP addresses of the configured bind mode.
///
/// # Errors
/// When the mode is not known, or needs an address it was not given.
pub(crate) fn addresses(loaded: &Loaded) -> anyhow::Result<Vec<SocketAddr>> {
    let gateway = &loaded.value["gateway"];
    // Serving plain text to an owner who asked for TLS would be the wrong half of what was asked.
    if gateway["tls"]["enabled"].as_bool() == Some(true) {
        bail!("gateway.tls is not supported yet; set gateway.tls.enabled to false and put a TLS proxy in front");
    }
    let port = gateway["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_else(|| loaded.home.port());
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let ips = match gateway["bind"].as_str().unwrap_or("loopback") {
        "loopback" | "auto" => vec![loopback],
        "lan" => vec![IpAddr::from(Ipv4Addr::UNSPECIFIED)],
        "custom" => {
            let host = gateway["customBindHost"]
                .as_str()
                .context("gateway.bind is custom, but gateway.customBindHost names no address")?;
            let ip: IpAddr =
                host.parse().with_context(|| format!("gateway.customBindHost {host:?} is not an IP address"))?;
            if ip == loopback { vec![ip] } else { vec![ip, loopback] }
        }
        "tailnet" => bail!(
            "gateway.bind tailnet is not supported yet; use custom with the machine's tailnet address in gateway.customBindHost"
        ),
        other => match other.parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => bail!("gateway.bind {other:?} is not one of loopback, auto, lan, custom"),
        },
    };
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// Returns where clients of the same user connect.
pub(crate) fn socket(state_dir: &Path) -> Option<PathBuf> {
    let path = state_dir.join("gateway.sock");
    let fits = path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX;
    if !fits {
        tracing::warn!(path = %path.display(), "the path is too long for a Unix socket; local clients need the token");
    }
    fits.then_some(path)
}

/// Returns the credential clients must show.
///
/// # Errors
/// When the configured mode has no credential, or a made one cannot be stored.
pub(crate) fn credential(loaded: &Loaded) -> anyhow::Result<Auth> {
    let auth = &loaded.value["gateway"]["auth"];
    let (token, password) = (secret(loaded, "gateway.auth.token")?, secret(loaded, "gateway.auth.password")?);
    match (auth["mode"].as_str(), token, password) {
        (Some("none"), _, _) => Ok(Auth::None),
        (Some("token"), Some(token), _) | (None, Some(token), None) => Ok(Auth::Token(token)),
        (Some("password"), _, Some(password)) | (None, None, Some(password)) => Ok(Auth::Password(password)),
        (Some("password"), _, None) => bail!("gateway.auth.mode is password, but gateway.auth.password is not set"),
        (None, Some(_), Some(_)) => {
            bail!("gateway.auth has a token and a password; say which counts: gateway.auth.mode")
        }
        (Some("trusted-proxy"), _, _) => {
            bail!("gateway.auth.mode trusted-proxy is not supported yet; use token or password")
        }
        (Some("token") | None, None, _) => Ok(Auth::Token(made(&loaded.home.state_dir)?)),
        (Some(other), _, _) => bail!("gateway.auth.mode {other:?} is not one of token, password, none"),
    }
}

fn secret(loaded: &Loaded, path: &str) -> anyhow::Result<Option<Secret>> {
    loaded.secret(path).with_context(|| format!("{path} cannot be used"))
}

/// Returns the token this installation made for itself, making it the first time.
fn made(state_dir: &Path) -> anyhow::Result<Secret> {
    let path = state_dir.join("gateway.token");
    let shown = path.display().to_string();
    if let Ok(text) = std::fs::read_to_string(&path)
        && !text.trim().is_empty()
    {
        return Ok(Secret::new(text.trim()));
    }
    let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot store a token in {shown}"))?;
    file.write_all(token.as_bytes()).with_context(|| format!("cannot store a token in {shown}"))?;
    Ok(Secret::new(token))
}
