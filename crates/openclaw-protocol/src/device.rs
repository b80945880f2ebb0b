//! The text a device signs (`protocol.md` §1.2).

use crate::connect::ConnectParams;

/// Longest accepted difference between a proof's time and the gateway's clock.
pub const SKEW_MS_MAX: i64 = 120_000;

/// Form of the signed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofForm {
    /// Ends with the nonce; accepted from old clients.
    V2,
    /// Adds platform and device family.
    V3,
}

/// Returns the text to sign for a connect request, or `None` without a device.
///
/// `v3|deviceId|clientId|clientMode|role|scope1,scope2|signedAtMs|token|nonce|platform|deviceFamily`
/// where token is the first present of token, device token and bootstrap token.
pub fn proof_text(params: &ConnectParams, form: ProofForm) -> Option<String> {
    let device = params.device.as_ref()?;
    let auth = params.auth.as_ref();
    let token = auth
        .and_then(|auth| auth.token.as_deref().or(auth.device_token.as_deref()).or(auth.bootstrap_token.as_deref()))
        .unwrap_or("");
    let scopes = params.scopes.as_deref().unwrap_or(&[]).join(",");
    let role = params.role.as_deref().unwrap_or("operator");
    let head = |version: &str| {
        let (id, client) = (&device.id, &params.client);
        format!(
            "{version}|{id}|{}|{}|{role}|{scopes}|{}|{token}|{}",
            client.id, client.mode, device.signed_at, device.nonce
        )
    };
    let plain = |text: &str| text.trim().to_ascii_lowercase();
    Some(match form {
        ProofForm::V2 => head("v2"),
        ProofForm::V3 => {
            let family = params.client.device_family.as_deref().unwrap_or("");
            format!("{}|{}|{}", head("v3"), plain(&params.client.platform), plain(family))
        }
    })
}
