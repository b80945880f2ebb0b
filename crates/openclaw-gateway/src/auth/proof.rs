//! Checks that a client holds the device key it names (`protocol.md` §1.2).
//!
//! A device claim is never ignored: a wrong one is refused even with the right
//! token, so that nothing can fall back to being device-less.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use openclaw_domain::Timestamp;
use openclaw_protocol::ConnectParams;
use openclaw_protocol::device::{ProofForm, SKEW_MS_MAX, proof_text};
use sha2::{Digest, Sha256};

/// Why a device claim is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    PublicKey,
    Id,
    Stale,
    Nonce,
    Signature,
}

impl Refusal {
    /// Returns the code, the reason and the sentence.
    pub(crate) fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Refusal::PublicKey => ("DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key", "device public key invalid"),
            Refusal::Id => ("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch", "device identity mismatch"),
            Refusal::Stale => ("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale", "device signature expired"),
            Refusal::Nonce => ("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch", "device nonce mismatch"),
            Refusal::Signature => ("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature", "device signature invalid"),
        }
    }
}

/// Checks the proof in `params`; without a device there is nothing to check.
pub(crate) fn check(params: &ConnectParams, nonce: &str, now: Timestamp) -> Result<(), Refusal> {
    let Some(device) = &params.device else { return Ok(()) };
    let key = decode(&device.public_key).ok_or(Refusal::PublicKey)?;
    let raw: [u8; 32] = key.try_into().map_err(|_| Refusal::PublicKey)?;
    let key = VerifyingKey::from_bytes(&raw).map_err(|_| Refusal::PublicKey)?;
    if hex::encode(Sha256::digest(raw)) != device.id {
        return Err(Refusal::Id);
    }
    if now.as_millis().saturating_sub(device.signed_at).saturating_abs() > SKEW_MS_MAX {
        return Err(Refusal::Stale);
    }
    if device.nonce != nonce {
        return Err(Refusal::Nonce);
    }
    let signature = decode(&device.signature).ok_or(Refusal::Signature)?;
    let signature = Signature::from_slice(&signature).map_err(|_| Refusal::Signature)?;
    let is_signed = [ProofForm::V3, ProofForm::V2].into_iter().any(|form| {
        proof_text(params, form).is_some_and(|text| key.verify_strict(text.as_bytes(), &signature).is_ok())
    });
    if is_signed { Ok(()) } else { Err(Refusal::Signature) }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}
