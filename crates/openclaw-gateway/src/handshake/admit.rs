//! Decides who a client is and what it may do.
//!
//! Order: parameters, version, role, lock-out, device proof, credential, device
//! rules, pairing. Granted scopes are always a subset of those asked for, of
//! what the credential carries and of what the device is paired for (T-09).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use openclaw_domain::Timestamp;
use openclaw_domain::device::Device;
use openclaw_protocol::{ConnectParams, ErrorBody, ErrorCode, Scope};
use serde_json::{Value, json};

use super::{Came, Challenge, Refused, parse};
use crate::auth::credential::{self, Proven, Refusal, Shown};
use crate::auth::limiter::Guesser;
use crate::auth::pairing::{self, Caller};
use crate::auth::proof;
use crate::client::{Client, Peer, Role};
use crate::convert;
use crate::convert::fault::invalid;
use crate::events::frame::WhenSlow;
use crate::events::names;
use crate::events::queue::Queue;
use crate::gateway::Gateway;

/// A client that may come in.
pub(crate) struct Admitted {
    pub(crate) client: Arc<Client>,
    /// A device token, when one was made or shown.
    pub(crate) device_token: Option<(String, Timestamp)>,
}

/// Admits a client or says why not.
pub(crate) async fn admit(
    gateway: &Gateway,
    came: Came,
    challenge: &Challenge,
    params: Option<Value>,
) -> Result<Admitted, Refused> {
    let params = parse(params)?;
    let role = match params.role.as_deref() {
        None | Some("operator") => Role::Operator,
        Some("node") => Role::Node,
        Some(_) => return Err(Refused::new(invalid("invalid role"))),
    };
    let guesser = Guesser::new(came.peer, came.is_browser);
    refuse_locked_out(gateway, guesser)?;
    if let Err(refusal) = proof::check(&params, &challenge.nonce, gateway.now()) {
        let (code, reason, message) = refusal.words();
        return Err(Refused::new(invalid(message).with_details(json!({ "code": code, "reason": reason }))));
    }
    let known = known_device(gateway, &params).await?;
    let shown = show(gateway, came, &params, known.as_ref(), guesser).await?;
    gateway.limiter.succeeded(guesser);
    let asked = asked_scopes(&params, role, shown);
    let (scopes, device_token) = match &params.device {
        Some(_) => paired(gateway, came, &params, known, role, asked, shown).await?,
        None => (without_device(came, &params, asked, shown)?, None),
    };
    Ok(Admitted { client: Arc::new(client(gateway, params, role, scopes)), device_token })
}

fn refuse_locked_out(gateway: &Gateway, guesser: Guesser) -> Result<(), Refused> {
    let Some(left) = gateway.limiter.locked(guesser, gateway.ports.clock.monotonic()) else { return Ok(()) };
    let mut error =
        invalid("unauthorized: too many failed authentication attempts (retry later)").with_details(json!({
        "code": "AUTH_RATE_LIMITED", "authReason": "rate_limited", "canRetryWithDeviceToken": false,
        "recommendedNextStep": "wait_then_retry" }));
    error.retryable = Some(true);
    error.retry_after_ms = Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    Err(Refused::new(error))
}

async fn known_device(gateway: &Gateway, params: &ConnectParams) -> Result<Option<Device>, Refused> {
    let Some(proof) = &params.device else { return Ok(None) };
    gateway.ports.devices.get(&proof.id).await.map_err(|error| Refused::new(convert::fault::record(&error)))
}

/// Checks the credential; a wrong one costs time.
async fn show(
    gateway: &Gateway,
    came: Came,
    params: &ConnectParams,
    known: Option<&Device>,
    guesser: Guesser,
) -> Result<Shown, Refused> {
    if came.peer == Peer::SameUser {
        return Ok(Shown::SameUser);
    }
    let token_hash = known.and_then(|device| device.token_hash.as_deref());
    let proven = params.device.as_ref().map(|_| Proven { token_hash });
    let refusal = match credential::check(&gateway.options.auth, params.auth.as_ref(), proven) {
        Ok(shown) => return Ok(shown),
        Err(refusal) => refusal,
    };
    if !refusal.is_guess() && params.device.is_none() {
        return Err(device_required());
    }
    if refusal.is_guess() {
        let delay = gateway.limiter.failed(guesser, gateway.ports.clock.monotonic());
        if delay > Duration::ZERO {
            gateway.ports.clock.sleep(delay).await;
        }
    }
    let (code, reason, message) = refusal.words();
    // It has a token of its own and showed another one.
    let has_better = refusal == Refusal::TokenMismatch && token_hash.is_some();
    let next = if has_better { "retry_with_device_token" } else { "update_auth_credentials" };
    let details = json!({ "code": code, "authReason": reason, "canRetryWithDeviceToken": has_better,
        "recommendedNextStep": next });
    Err(Refused::new(invalid(message).with_details(details)))
}

fn device_required() -> Refused {
    let details = json!({ "code": "DEVICE_IDENTITY_REQUIRED" });
    Refused::new(ErrorBody::new(ErrorCode::NotPaired, "device identity required").with_details(details))
}

/// Returns the known scopes a client asked for, in its order.
fn asked_scopes(params: &ConnectParams, role: Role, shown: Shown) -> Vec<Scope> {
    if role != Role::Operator {
        return Vec::new();
    }
    match &params.scopes {
        // Our own user needs no list to be the owner.
        None if shown == Shown::SameUser => Scope::ALL.to_vec(),
        None => Vec::new(),
        Some(names) => {
            let mut scopes: Vec<Scope> = Vec::new();
            for scope in names.iter().filter_map(|name| Scope::parse(name)) {
                if !scopes.contains(&scope) {
                    scopes.push(scope);
                }
            }
            scopes
        }
    }
}

/// Applies the rules for clients without a device (`protocol.md` §1.2).
fn without_device(came: Came, params: &ConnectParams, asked: Vec<Scope>, shown: Shown) -> Result<Vec<Scope>, Refused> {
    if shown == Shown::SameUser {
        return Ok(asked);
    }
    let (id, mode) = (params.client.id.as_str(), params.client.mode.as_str());
    if id == "openclaw-control-ui" {
        let message = "control ui requires device identity (use HTTPS or localhost secure context)";
        let details = json!({ "code": "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" });
        return Err(Refused::new(invalid(message).with_details(details)));
    }
    if params.role.as_deref() == Some("node") {
        return Err(device_required());
    }
    let is_own_tool = matches!((id, mode), ("cli", "cli") | ("gateway-client", "backend"));
    let keeps = is_own_tool && came.peer.is_local() && !came.is_browser;
    Ok(if keeps { asked } else { Vec::new() })
}

async fn paired(
    gateway: &Gateway,
    came: Came,
    params: &ConnectParams,
    known: Option<Device>,
    role: Role,
    asked: Vec<Scope>,
    shown: Shown,
) -> Result<(Vec<Scope>, Option<(String, Timestamp)>), Refused> {
    let Some(proof) = &params.device else { return Ok((asked, None)) };
    let hash = known.as_ref().and_then(|device| device.token_hash.as_deref());
    let own = hash.and_then(|hash| credential::device_token(params.auth.as_ref(), hash)).map(str::to_owned);
    let caller = Caller {
        params,
        proof,
        known,
        role,
        scopes: &asked,
        shown,
        is_trusted_place: came.peer.is_local() && !came.is_browser,
        now: gateway.now(),
    };
    match pairing::pair(gateway.ports.devices.as_ref(), caller).await {
        Ok(paired) => {
            // The token itself is not kept: it is repeated to who showed it.
            let token = paired.token.or(own);
            Ok((asked, token.map(|token| (token, paired.paired_at))))
        }
        Err(refusal) => Err(refused_pairing(gateway, role, &asked, refusal)),
    }
}

fn refused_pairing(gateway: &Gateway, role: Role, asked: &[Scope], refusal: pairing::Refusal) -> Refused {
    let (request, reason, approved, is_new) = match refusal {
        pairing::Refusal::Store(error) => return Refused::new(convert::fault::record(&error)),
        pairing::Refusal::Full => {
            let mut error = ErrorBody::new(
                ErrorCode::Unavailable,
                "too many devices wait for approval; approve or reject some with `openclaw devices list`",
            );
            error.retryable = Some(true);
            return Refused::new(error);
        }
        pairing::Refusal::Ask { request, reason, approved, is_new } => (request, reason, approved, is_new),
    };
    if is_new {
        let payload = convert::device::pending(&request);
        gateway.hub.broadcast(Some(Scope::Pairing), names::DEVICE_PAIR_REQUESTED, &payload, WhenSlow::Close);
    }
    let what = match reason {
        "role-upgrade" => "role upgrade pending approval",
        "scope-upgrade" => "scope upgrade pending approval",
        _ => "device is not approved yet",
    };
    let message = format!("pairing required: {what} (requestId: {})", request.id);
    let approved_roles = approved.as_ref().map(|device| device.roles.clone()).unwrap_or_default();
    let approved_scopes = approved.as_ref().map(|device| device.scopes.clone()).unwrap_or_default();
    let details = json!({ "code": "PAIRING_REQUIRED", "reason": reason, "requestId": request.id,
        "remediationHint": format!("run `openclaw devices approve {}` on the gateway host", request.id),
        "recommendedNextStep": "wait_then_retry", "retryable": true, "pauseReconnect": false,
        "deviceId": request.device.id, "requestedRole": role.as_str(),
        "requestedScopes": asked.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "approvedRoles": approved_roles, "approvedScopes": approved_scopes });
    Refused::new(ErrorBody::new(ErrorCode::NotPaired, message).with_details(details))
}

fn client(gateway: &Gateway, params: ConnectParams, role: Role, scopes: Vec<Scope>) -> Client {
    let caps = params.caps.unwrap_or_default();
    let has = |name: &str| caps.iter().any(|cap| cap == name);
    Client {
        id: uuid::Uuid::new_v4().to_string(),
        role,
        scopes,
        hears_tools: has("tool-events"),
        hears_cursor: has("run-cursor"),
        is_session_scoped: has("session-scoped-events"),
        device: params.device.map(|device| device.id),
        info: params.client,
        connected_at: gateway.now(),
        queue: Queue::new(gateway.options.limits.outbound_bytes_max),
        interests: Default::default(),
        subscriptions: Default::default(),
        role_refusals: AtomicU64::new(0),
    }
}

/// Makes a client for a caller that shows only the shared credential, or our own user id.
pub(crate) async fn admit_bearer(gateway: &Gateway, came: Came, token: Option<&str>) -> Result<Arc<Client>, Refused> {
    let params = json!({ "minProtocol": 4, "maxProtocol": 4, "role": "operator",
        "scopes": Scope::ALL.map(Scope::as_str), "auth": { "token": token.unwrap_or_default() },
        "client": { "id": "gateway-client", "version": "json-rpc", "platform": "api", "mode": "backend" } });
    let params = parse(Some(params))?;
    let guesser = Guesser::new(came.peer, came.is_browser);
    refuse_locked_out(gateway, guesser)?;
    let shown = show(gateway, came, &params, None, guesser).await?;
    gateway.limiter.succeeded(guesser);
    // A page without a device gets no scopes here either; it may `connect` with one.
    let scopes = if came.is_browser { Vec::new() } else { asked_scopes(&params, Role::Operator, shown) };
    Ok(Arc::new(client(gateway, params, Role::Operator, scopes)))
}
