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
        }
    }

    /// Tells whether something was shown, so that it counts as a guess.
    pub(crate) fn is_guess(self) -> bool {
        matches!(self, Refusal::TokenMismatch | Refusal::PasswordMismatch)
    }
}

/// Checks what a client showed; `device_token_hash` is that of the proven device.
pub(crate) fn check(
    configured: &Auth,
    given: Option<&connect::Auth>,
    device_token_hash: Option<&str>,
) -> Result<Shown, Refusal> {
    let none = connect::Auth::default();
    let given = given.unwrap_or(&none);
    // Browsers send the one secret they have under both names.
    let shown = [given.token.as_deref(), given.password.as_deref()];
    let shown = shown.into_iter().flatten().filter(|text| !text.is_empty());
    if let Some(hash) = device_token_hash {
        let tokens = shown.clone().chain(given.device_token.as_deref().filter(|text| !text.is_empty()));
        if tokens.into_iter().any(|token| hash_equals(hash, token)) {
            return Ok(Shown::DeviceToken);
        }
    }
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
    if count == 0 && given.device_token.is_none() { Err(missing) } else { Err(mismatch) }
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
        let stored = hash("device-token");
        assert_eq!(check(&configured, Some(&token("device-token")), Some(&stored)), Ok(Shown::DeviceToken));
        assert_eq!(check(&configured, Some(&token("device-token")), None), Err(Refusal::TokenMismatch));
        assert_eq!(check(&configured, Some(&token("device-token")), Some(&hash("other"))), Err(Refusal::TokenMismatch));
    }
}
