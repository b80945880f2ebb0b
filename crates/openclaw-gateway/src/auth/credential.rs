//! The shared credential: compared by digest, in constant time.

use openclaw_protocol::connect;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::options::Auth;

/// What a client showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The shared credential, or none is configured.
    Shared,
    /// The token of the proven device.
    DeviceToken,
    /// The user id of the peer process.
    SameUser,
}

/// Why a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    TokenMissing,
    TokenMismatch,
    PasswordMissing,
    PasswordMismatch,
    DeviceTokenMismatch,
}

impl Refusal {
    /// Returns the code, the reason and the sentence.
    pub(crate) fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Refusal::TokenMissing => (
                "AUTH_TOKEN_MISSING",
                "token_missing",
                "unauthorized: gateway token missing (provide gateway auth token)",
            ),
            Refusal::TokenMismatch => (
                "AUTH_TOKEN_MISMATCH",
                "token_mismatch",
                "unauthorized: gateway token mismatch (provide gateway auth token)",
            ),
            Refusal::PasswordMissing => (
                "AUTH_PASSWORD_MISSING",
                "password_missing",
                "unauthorized: gateway password missing (provide gateway auth password)",
            ),
            Refusal::PasswordMismatch => (
                "AUTH_PASSWORD_MISMATCH",
                "password_mismatch",
                "unauthorized: gateway password mismatch (provide gateway auth password)",
            ),
            // Clients forget a stored token only upon this code.
            Refusal::DeviceTokenMismatch => (
                "AUTH_DEVICE_TOKEN_MISMATCH",
                "device_token_mismatch",
                "unauthorized: device token mismatch (connect with the gateway credential to get a new one)",
            ),
        }
    }

    /// Tells whether something was shown, so that it counts as a guess.
    pub(crate) fn is_guess(self) -> bool {
        matches!(self, Refusal::TokenMismatch | Refusal::PasswordMismatch | Refusal::DeviceTokenMismatch)
    }
}

/// A device whose key was proven.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven<'a> {
    /// Hash of the token it was given, if it has one.
    pub(crate) token_hash: Option<&'a str>,
}

/// Returns the token of the proven device among what was given.
pub(crate) fn device_token<'a>(given: Option<&'a connect::Auth>, hash: &str) -> Option<&'a str> {
    let given = given?;
    // Browsers send the one secret they have under both names.
    let tokens = [given.token.as_deref(), given.password.as_deref(), given.device_token.as_deref()];
    tokens.into_iter().flatten().find(|token| hash_equals(hash, token))
}

/// Checks what a client showed; `device` is there when it proved a device key.
pub(crate) fn check(
    configured: &Auth,
    given: Option<&connect::Auth>,
    device: Option<Proven<'_>>,
) -> Result<Shown, Refusal> {
    if device.and_then(|device| device.token_hash).is_some_and(|hash| device_token(given, hash).is_some()) {
        return Ok(Shown::DeviceToken);
    }
    let none = connect::Auth::default();
    let given = given.unwrap_or(&none);
    let shown = [given.token.as_deref(), given.password.as_deref()];
    let shown = shown.into_iter().flatten().filter(|text| !text.is_empty());
    let (secret, missing, mismatch) = match configured {
        Auth::None => return Ok(Shown::Shared),
        Auth::Token(secret) => (secret, Refusal::TokenMissing, Refusal::TokenMismatch),
        Auth::Password(secret) => (secret, Refusal::PasswordMissing, Refusal::PasswordMismatch),
    };
    let expected = secret.sha256();
    let mut count = 0;
    for text in shown {
        count += 1;
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if bool::from(digest.ct_eq(&expected)) {
            return Ok(Shown::Shared);
        }
    }
    match given.device_token.as_deref().filter(|text| !text.is_empty()) {
        Some(_) if device.is_some() => Err(Refusal::DeviceTokenMismatch),
        None if count == 0 => Err(missing),
        Some(_) | None => Err(mismatch),
    }
}

/// Returns the hex digest under which a token is stored.
pub(crate) fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn hash_equals(stored: &str, token: &str) -> bool {
    bool::from(stored.as_bytes().ct_eq(hash(token).as_bytes()))
}

#[cfg(test)]
mod tests {
    use openclaw_domain::Secret;

    use super::*;

    fn token(text: &str) -> connect::Auth {
        connect::Auth { token: Some(text.into()), ..connect::Auth::default() }
    }

    #[test]
    fn only_the_exact_secret_is_the_shared_credential() {
        let configured = Auth::Token(Secret::new("right"));
        assert_eq!(check(&configured, Some(&token("right")), None), Ok(Shown::Shared));
        for wrong in ["righ", "right ", "Right", "wrong"] {
            assert_eq!(check(&configured, Some(&token(wrong)), None), Err(Refusal::TokenMismatch), "{wrong}");
        }
        assert_eq!(check(&configured, Some(&token("")), None), Err(Refusal::TokenMissing));
        assert_eq!(check(&configured, None, None), Err(Refusal::TokenMissing));
    }

    #[test]
    fn a_device_token_counts_only_for_its_device() {
        let configured = Auth::Token(Secret::new("right"));
        let (stored, other) = (hash("device-token"), hash("other"));
        let proven = |token_hash| Some(Proven { token_hash });
        assert_eq!(check(&configured, Some(&token("device-token")), proven(Some(&stored))), Ok(Shown::DeviceToken));
        for device in [None, proven(None), proven(Some(&other))] {
            assert_eq!(check(&configured, Some(&token("device-token")), device), Err(Refusal::TokenMismatch));
        }
    }

    #[test]
    fn a_wrong_device_token_is_told_from_a_wrong_shared_one_so_that_clients_forget_the_right_one() {
        let configured = Auth::Token(Secret::new("right"));
        let stale = connect::Auth { device_token: Some("stale".into()), ..token("stale") };
        let proven = Some(Proven { token_hash: None });
        assert_eq!(check(&configured, Some(&stale), proven), Err(Refusal::DeviceTokenMismatch));
        assert_eq!(check(&configured, Some(&stale), None), Err(Refusal::TokenMismatch), "no device was proven");
        let both = connect::Auth { device_token: Some("stale".into()), ..token("right") };
        assert_eq!(check(&configured, Some(&both), proven), Ok(Shown::Shared));
    }

    #[test]
    fn the_token_that_is_right_is_found_wherever_it_was_put() {
        let stored = hash("right");
        let both = connect::Auth { device_token: Some("right".into()), ..token("stale") };
        assert_eq!(device_token(Some(&both), &stored), Some("right"));
        assert_eq!(device_token(Some(&token("stale")), &stored), None);
        assert_eq!(device_token(None, &stored), None);
    }
}
