//! A device's Ed25519 key and the proof it signs. Knows the text form of the
//! identity file; reading and writing that file (0600) is the caller's.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use openclaw_protocol::connect::DeviceProof;
use openclaw_protocol::device::{ProofForm, proof_text};
use openclaw_protocol::{ConnectParams, connect};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// DER of an Ed25519 private key up to the 32 raw bytes (RFC 8410).
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// DER of an Ed25519 public key up to the 32 raw bytes (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A device's key.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
}

/// An identity file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not the JSON of an identity.
    #[error("not a device identity: {0}")]
    Form(String),
    /// A version of the file this build does not know.
    #[error("device identity version {0} is not known to this build")]
    Version(u64),
    /// The key does not belong to the id beside it.
    #[error("the device id does not belong to the key beside it")]
    Mismatch,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(String),
}

/// The identity file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: u64,
    device_id: String,
    public_key_pem: String,
    private_key_pem: String,
    #[serde(default)]
    created_at_ms: i64,
}

impl Identity {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Identity, IdentityError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| IdentityError::Random(error.to_string()))?;
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    /// Reads the text of an identity file.
    ///
    /// # Errors
    /// When it is not one, or its id and key disagree. No error repeats the key.
    pub fn parse(text: &str) -> Result<Identity, IdentityError> {
        // The serde error may quote the input, which holds the key: only its place is kept.
        let file: File = serde_json::from_str(text)
            .map_err(|error| IdentityError::Form(format!("line {}, column {}", error.line(), error.column())))?;
        if file.version != 1 {
            return Err(IdentityError::Version(file.version));
        }
        let der = from_pem(&file.private_key_pem).ok_or_else(|| IdentityError::Form("privateKeyPem".to_owned()))?;
        let seed = der
            .strip_prefix(&PRIVATE_PREFIX)
            .and_then(|seed| <[u8; 32]>::try_from(seed).ok())
            .ok_or_else(|| IdentityError::Form("privateKeyPem is not an Ed25519 key".to_owned()))?;
        let identity = Self { key: SigningKey::from_bytes(&seed) };
        if identity.device_id() == file.device_id { Ok(identity) } else { Err(IdentityError::Mismatch) }
    }

    /// Returns the text of an identity file. It holds the private key.
    pub fn to_text(&self, created_at_ms: i64) -> String {
        let public = [PUBLIC_PREFIX.as_slice(), self.key.verifying_key().as_bytes()].concat();
        let private = [PRIVATE_PREFIX.as_slice(), self.key.as_bytes()].concat();
        let file = File {
            version: 1,
            device_id: self.device_id(),
            public_key_pem: to_pem("PUBLIC KEY", &public),
            private_key_pem: to_pem("PRIVATE KEY", &private),
            created_at_ms,
        };
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Returns the device's id: hex sha256 of the raw public key.
    pub fn device_id(&self) -> String {
        hex::encode(Sha256::digest(self.key.verifying_key().as_bytes()))
    }

    /// Adds the proof for this challenge to a connect request.
    pub(crate) fn prove(&self, params: &mut ConnectParams, nonce: &str, signed_at: i64) {
        params.device = Some(connect::DeviceProof {
            id: self.device_id(),
            public_key: URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()),
            signature: String::new(),
            signed_at,
            nonce: nonce.to_owned(),
        });
        let text = proof_text(params, ProofForm::V3).unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes()).to_bytes());
        params.device = params.device.take().map(|device| DeviceProof { signature, ..device });
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.device_id())
    }
}

fn to_pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier as _};

    use super::*;
    use crate::handshake::{ConnectOptions, Introduction};

    #[test]
    fn an_identity_survives_its_file() {
        let identity = Identity::generate().unwrap();
        let again = Identity::parse(&identity.to_text(7)).unwrap();
        assert_eq!(again.device_id(), identity.device_id());
    }

    #[test]
    fn a_file_whose_id_and_key_disagree_is_refused() {
        let text = Identity::generate().unwrap().to_text(7);
        let other = Identity::generate().unwrap().device_id();
        let own = Identity::parse(&text).unwrap().device_id();
        assert_eq!(Identity::parse(&text.replace(&own, &other)).unwrap_err(), IdentityError::Mismatch);
    }

    #[test]
    fn damaged_files_are_refused_without_repeating_the_key() {
        let text = Identity::generate().unwrap().to_text(7);
        for broken in [String::new(), text.replace("\"version\": 1", "\"version\": 2"), text.replace("MC4", "MC5")] {
            let error = Identity::parse(&broken).unwrap_err().to_string();
            assert!(!error.contains("MC"), "{error}");
        }
    }

    #[test]
    fn the_proof_verifies_over_the_agreed_text() {
        let identity = Identity::generate().unwrap();
        let options =
            ConnectOptions { identity: Some(identity.clone()), ..ConnectOptions::new(Introduction::cli("1")) };
        let params = options.params("nonce-1", 42);
        let device = params.device.clone().unwrap();
        assert_eq!((device.nonce.as_str(), device.signed_at), ("nonce-1", 42));
        let bytes = URL_SAFE_NO_PAD.decode(device.signature).unwrap();
        let signature = Signature::from_slice(&bytes).unwrap();
        let text = proof_text(&params, ProofForm::V3).unwrap();
        identity.key.verifying_key().verify(text.as_bytes(), &signature).unwrap();
    }
}
