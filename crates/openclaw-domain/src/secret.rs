//! A value that must not be printed, logged or stored.

use std::fmt;
use std::sync::Arc;

/// Holds a secret: no `Display`, no `Serialize`, and `Debug` prints stars.
///
/// Leaves pass it on; `sandbox` exposes it while a request is being sent, and
/// `security` while it compares one (`cargo xtask tidy` checks who calls
/// [`Secret::expose`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// Returns a secret made from this one, for example `Bearer <key>`.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        Self(format!("{prefix}{}", self.0).into())
    }

    /// Returns the value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the sha256 of the value, so that an edge can compare a presented
    /// credential without holding this one.
    pub fn sha256(&self) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(self.0.as_bytes()).into()
    }

    /// Estimates the strength of the value: characters times the bits of the
    /// alphabet they seem to come from, capped by how many different ones there are.
    pub fn strength_bits(&self) -> u32 {
        let chars: Vec<char> = self.0.chars().collect();
        let different = chars.iter().collect::<std::collections::BTreeSet<_>>().len();
        let holds = |class: fn(&char) -> bool| chars.iter().any(class);
        let mut alphabet = 0_u32;
        alphabet += if holds(char::is_ascii_digit) { 10 } else { 0 };
        alphabet += if holds(|c| ('a'..='f').contains(c)) { 6 } else { 0 };
        alphabet += if holds(|c| ('g'..='z').contains(c)) { 20 } else { 0 };
        alphabet += if holds(char::is_ascii_uppercase) { 26 } else { 0 };
        alphabet += if holds(|c| !c.is_ascii_alphanumeric()) { 2 } else { 0 };
        // Eight repeats per different character is generous to random text and
        // still refuses `aaaa...`.
        let counted = chars.len().min(different.saturating_mul(8));
        let bits = f64::from(u32::try_from(counted).unwrap_or(u32::MAX)) * f64::from(alphabet.max(1)).log2();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by length, never negative"
        )]
        let bits = bits.min(65_536.0) as u32;
        bits
    }

    /// Tells whether the value is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn random_text_is_strong_and_repeated_text_is_not() {
        assert!(Secret::new("0123456789abcdef0123456789abcdef").strength_bits() >= 128);
        assert!(Secret::new("0123456789abcdef0123456789abcde").strength_bits() < 128);
        assert!(Secret::new("a".repeat(100)).strength_bits() < 128);
        assert!(Secret::new("correcthorse").strength_bits() < 128);
        assert_eq!(Secret::new("").strength_bits(), 0);
    }
}
