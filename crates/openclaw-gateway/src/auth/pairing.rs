//! Pairs devices: silently on loopback with the shared credential, otherwise
//! only after the owner agrees.
//!
//! Granted scopes never exceed what the device is paired for, and being paired
//! for more needs the shared credential here or the owner's word (T-09, T-11).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openclaw_domain::Timestamp;
use openclaw_domain::device::{Device, PairingRequest};
use openclaw_domain::ports::{Devices, RecordError};
use openclaw_protocol::connect::DeviceProof;
use openclaw_protocol::{ConnectParams, Scope};

use super::credential::{self, Shown};
use crate::client::Role;

/// Requests that may wait for the owner at once.
const WAITING_MAX: usize = 64;

/// A device is not written again for every connection.
const SEEN_STEP_MS: i64 = 60_000;

/// Who asks to come in.
pub(crate) struct Caller<'a> {
    pub(crate) params: &'a ConnectParams,
    pub(crate) proof: &'a DeviceProof,
    pub(crate) known: Option<Device>,
    pub(crate) role: Role,
    pub(crate) scopes: &'a [Scope],
    pub(crate) shown: Shown,
    /// On this machine and not a web page.
    pub(crate) is_trusted_place: bool,
    pub(crate) now: Timestamp,
}

/// A device that may come in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Paired {
    /// A token made just now; shown to the client once.
    pub(crate) token: Option<String>,
    pub(crate) paired_at: Timestamp,
}

/// Why a device may not come in yet.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The owner has to agree.
    Ask { request: Box<PairingRequest>, reason: &'static str, approved: Option<Box<Device>>, is_new: bool },
    /// Too many wait already.
    Full,
    /// The store failed.
    Store(RecordError),
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Refusal::Store(error)
    }
}

/// Lets a proven device in, pairing it when that needs no question.
pub(crate) async fn pair(devices: &dyn Devices, caller: Caller<'_>) -> Result<Paired, Refusal> {
    let missing = caller.missing();
    let is_silent = caller.is_trusted_place && caller.shown != Shown::DeviceToken;
    match (caller.known.clone(), missing) {
        (Some(device), None) => refresh(devices, &caller, device).await,
        (known, _) if is_silent => silently(devices, &caller, known).await,
        (known, missing) => ask(devices, &caller, known, missing.unwrap_or("not-paired")).await,
    }
}

impl Caller<'_> {
    /// Returns what the device is not paired for.
    fn missing(&self) -> Option<&'static str> {
        let Some(device) = &self.known else { return Some("not-paired") };
        if !device.roles.iter().any(|role| role == self.role.as_str()) {
            return Some("role-upgrade");
        }
        let approved: Vec<Scope> = device.scopes.iter().filter_map(|name| Scope::parse(name)).collect();
        let is_covered = |scope: &Scope| approved.iter().any(|held| held.covers(*scope));
        (!self.scopes.iter().all(is_covered)).then_some("scope-upgrade")
    }

    /// Returns the device as it would be paired.
    fn wanted(&self, known: Option<Device>) -> Device {
        let client = &self.params.client;
        let mut device = known.unwrap_or_else(|| Device {
            id: self.proof.id.clone(),
            public_key: self.proof.public_key.clone(),
            client_id: client.id.clone(),
            client_mode: client.mode.clone(),
            platform: client.platform.clone(),
            display_name: client.display_name.clone(),
            roles: Vec::new(),
            scopes: Vec::new(),
            token_hash: None,
            approved_via: "owner".to_owned(),
            paired_at: self.now,
            seen_at: self.now,
        });
        let role = self.role.as_str().to_owned();
        if !device.roles.contains(&role) {
            device.roles.push(role);
        }
        for scope in self.scopes {
            if !device.scopes.iter().any(|held| held == scope.as_str()) {
                device.scopes.push(scope.as_str().to_owned());
            }
        }
        device.seen_at = self.now;
        device
    }
}

async fn refresh(devices: &dyn Devices, caller: &Caller<'_>, mut device: Device) -> Result<Paired, Refusal> {
    let mut token = None;
    let is_stale = caller.now.as_millis() - device.seen_at.as_millis() > SEEN_STEP_MS;
    // A token cannot be read back; one is made again only when there is none.
    if device.token_hash.is_none() && caller.shown != Shown::DeviceToken {
        token = new_token(&mut device);
    }
    let paired_at = device.paired_at;
    if is_stale || token.is_some() {
        device.seen_at = caller.now;
        devices.put(device).await?;
    }
    Ok(Paired { token, paired_at })
}

async fn silently(devices: &dyn Devices, caller: &Caller<'_>, known: Option<Device>) -> Result<Paired, Refusal> {
    let is_new = known.is_none();
    let mut device = caller.wanted(known);
    if is_new {
        device.approved_via = "silent-loopback".to_owned();
    }
    let token = if device.token_hash.is_none() { new_token(&mut device) } else { None };
    let paired_at = device.paired_at;
    devices.put(device).await?;
    Ok(Paired { token, paired_at })
}

async fn ask(
    devices: &dyn Devices,
    caller: &Caller<'_>,
    known: Option<Device>,
    reason: &'static str,
) -> Result<Paired, Refusal> {
    let (_, waiting) = devices.list().await?;
    let earlier = waiting.iter().find(|request| request.device.id == caller.proof.id);
    if earlier.is_none() && waiting.len() >= WAITING_MAX {
        return Err(Refusal::Full);
    }
    let is_new = earlier.is_none();
    // The same device keeps its request id, so that reconnecting does not flood the owner.
    let id = earlier.map_or_else(|| uuid::Uuid::new_v4().to_string(), |request| request.id.clone());
    let request = PairingRequest { id, device: caller.wanted(known.clone()), asked_at: caller.now };
    devices.request(request.clone()).await?;
    Err(Refusal::Ask { request: Box::new(request), reason, approved: known.map(Box::new), is_new })
}

/// Makes a token; without randomness there is none, and the device stays without.
fn new_token(device: &mut Device) -> Option<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    device.token_hash = Some(credential::hash(&token));
    Some(token)
}
