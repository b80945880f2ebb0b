//! The opaque name of one text of the configuration, for compare-and-swap.
//!
//! Keyed where the state directory can hold a key: the hash travels to clients
//! together with the redacted text, and an unkeyed one would let them try out
//! short secrets. Both forms begin with their scheme and version.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::disk;

/// Name of the key file in the state directory.
pub const KEY_FILE: &str = "config-hash.key";
/// The hash of a file that does not exist.
pub const ABSENT: &str = "absent:v1";

const BLOCK: usize = 64;
const CONTEXT: &[u8] = b"openclaw config text v1\0";

/// Hashes the text of the configuration, `None` for a missing file.
#[must_use]
pub(crate) fn of(text: Option<&str>, state_dir: &Path) -> String {
    let Some(text) = text else { return ABSENT.to_owned() };
    match key(state_dir) {
        Some(key) => format!("hmac-sha256:v1:{}", hex::encode(hmac(&key, text.as_bytes()))),
        None => {
            let mut digest = Sha256::new();
            digest.update(CONTEXT);
            digest.update(text.as_bytes());
            format!("sha256:v1:{}", hex::encode(digest.finalize()))
        }
    }
}

/// Returns the key of this home, making one in an existing state directory.
fn key(state_dir: &Path) -> Option<[u8; 32]> {
    let path = state_dir.join(KEY_FILE);
    if let Some(key) = read_key(&path) {
        return Some(key);
    }
    if !state_dir.is_dir() {
        return None;
    }
    let mut fresh = [0_u8; 32];
    getrandom::fill(&mut fresh).ok()?;
    match disk::write_new(&path, &fresh) {
        Ok(()) => Some(fresh),
        // Another process may have made one in between; a read-only home has none.
        Err(_) => read_key(&path),
    }
}

fn read_key(path: &Path) -> Option<[u8; 32]> {
    disk::refuse_link(path).ok()?;
    disk::read_bytes(path, 32).ok()?.try_into().ok()
}

/// HMAC as in RFC 2104, for keys no longer than a block.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut inner_pad = [0x36_u8; BLOCK];
    let mut outer_pad = [0x5c_u8; BLOCK];
    for (at, byte) in key.iter().enumerate() {
        inner_pad[at] ^= byte;
        outer_pad[at] ^= byte;
    }
    let mut inner = Sha256::new();
    inner.update(inner_pad);
    inner.update(CONTEXT);
    inner.update(message);
    let mut outer = Sha256::new();
    outer.update(outer_pad);
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_the_same_hash_in_one_home_only() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = of(Some("{}"), a.path());
        assert_eq!(first, of(Some("{}"), a.path()));
        assert_ne!(first, of(Some("{} "), a.path()));
        assert_ne!(first, of(Some("{}"), b.path()));
        assert!(first.starts_with("hmac-sha256:v1:"), "{first}");
    }

    #[test]
    fn without_a_state_directory_the_hash_is_plain() {
        let dir = tempfile::tempdir().unwrap();
        let hash = of(Some("{}"), &dir.path().join("none"));
        assert!(hash.starts_with("sha256:v1:"), "{hash}");
        assert!(!dir.path().join("none").exists());
        assert_eq!(of(None, dir.path()), ABSENT);
    }

    #[test]
    fn hmac_follows_the_rfc_construction() {
        // Computed with another implementation, over the context and then "abc".
        let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(hex::encode(hmac(&key, b"abc")), "3afbd38970c86842810e42b0e2ffd8803d53717424a8abaea1067a42bc72e8bb");
    }
}
