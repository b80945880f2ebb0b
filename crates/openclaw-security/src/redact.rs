//! Puts stars in place of secrets in text that people or files will see.
//!
//! Two nets: values this program knows to be secret, wherever they appear, and
//! text that has the shape of a secret. For logs, error texts and transcripts
//! shown to others (pain 24, T-67). It is the last net, not the first: secrets
//! are kept in `Secret` and should not get here.

use std::borrow::Cow;
use std::sync::LazyLock;

use openclaw_domain::Secret;
use regex::bytes::{Captures, Regex};

/// What stands in place of a secret.
pub const STARS: &str = "****";

/// Shortest value beside a telling name that is taken for a secret.
const VALUE_CHARS_MIN: usize = 6;

/// Shortest known secret that is looked for; shorter ones would star ordinary words.
const KNOWN_BYTES_MIN: usize = 8;

/// Replaces known secrets and text shaped like one.
#[derive(Debug, Default)]
pub struct Redactor {
    known: Vec<Secret>,
}

impl Redactor {
    /// Makes a redactor that knows these values.
    pub fn new(known: impl IntoIterator<Item = Secret>) -> Self {
        let mut known: Vec<_> = known.into_iter().filter(|it| it.expose().len() >= KNOWN_BYTES_MIN).collect();
        // A secret that holds another one must go first, or its rest would stay.
        known.sort_by_key(|it| std::cmp::Reverse(it.expose().len()));
        Self { known }
    }

    /// Returns the text with stars in place of secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in &self.known {
            if clean.contains(secret.expose()) {
                clean = Cow::Owned(clean.replace(secret.expose(), STARS));
            }
        }
        match clean {
            Cow::Borrowed(text) => redact(text),
            Cow::Owned(text) => Cow::Owned(redact(&text).into_owned()),
        }
    }
}

/// Returns the text with stars in place of what has the shape of a secret.
pub fn redact(text: &str) -> Cow<'_, str> {
    let named = NAMED.replace_all(text.as_bytes(), |found: &Captures<'_>| {
        let shown = if is_harmless(&found["value"]) { &found["value"] } else { STARS.as_bytes() };
        [&found["name"], shown].concat()
    });
    match (SHAPES.replace_all(&named, replace_shape), &named) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => Cow::Borrowed(text),
        // Every match begins and ends beside ASCII, so that no character is cut.
        (clean, _) => Cow::Owned(String::from_utf8_lossy(&clean).into_owned()),
    }
}

// Both patterns read bytes: as Unicode, their classes and repetitions would take a
// megabyte that an idle gateway keeps.

/// A value beside a telling name, as in `OPENAI_API_KEY=...` or `"token": "..."`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?xi-u)
        (?P<name>
            (?: api[_-]?key | access[_-]?key | private[_-]?key | secret[_-]?key | client[_-]?secret | secret | token
              | passwd | password | passphrase | credential | signature | x-api-key )
            ["']? \s* [:=] \s* ["']?
        )
        (?P<value> [^\s"'&,;<>(){}\[\]]{6,} )"#,
    )
});

/// Secrets that tell what they are.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?x-u)
        (?P<pem> -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----[\s\S]*?(?: -----END\ [A-Z\ ]*PRIVATE\ KEY----- | \z ) )
        | (?P<scheme> (?i: \b (?: bearer | basic ) \s+ ) ) [A-Za-z0-9._~+/=-]{8,}
        | (?P<user> [a-z][a-z0-9+.-]{1,15}:// [^\s/:@]{1,64} : ) [^\s/@]{1,256} @
        | \b (?: sk | pk | rk ) [-_] [A-Za-z0-9_-]{16,}
        | \b (?: gh[pousr]_ [A-Za-z0-9]{20,} | github_pat_ [A-Za-z0-9_]{20,} | glpat- [A-Za-z0-9_-]{16,} )
        | \b xox[abeoprs]- [A-Za-z0-9-]{10,} | \b xapp- [A-Za-z0-9-]{10,}
        | \b (?: AKIA | ASIA | AGPA | AIDA | AROA ) [0-9A-Z]{16} \b
        | \b AIza [0-9A-Za-z_-]{35} | \b ya29\. [0-9A-Za-z_-]{20,}
        | \b (?: npm | hf | gsk | r8 ) _ [A-Za-z0-9]{20,} | \b (?: xai | pplx | tvly | dop_v1 ) [-_] [A-Za-z0-9_-]{20,}
        | \b eyJ [A-Za-z0-9_-]{5,} \. [A-Za-z0-9_-]{5,} \. [A-Za-z0-9_-]{8,}
        | \b [0-9]{8,10} : [A-Za-z0-9_-]{35} \b
        | \b hooks\.slack\.com/services/ [A-Za-z0-9/]{20,}",
    )
});

fn replace_shape(found: &Captures<'_>) -> Vec<u8> {
    let stars = STARS.as_bytes();
    if found.name("pem").is_some() {
        return [b"-----BEGIN PRIVATE KEY-----", stars].concat();
    }
    if let Some(user) = found.name("user") {
        return [user.as_bytes(), stars, b"@"].concat();
    }
    [found.name("scheme").map_or(&[][..], |scheme| scheme.as_bytes()), stars].concat()
}

/// Values beside a telling name that tell nothing: numbers, words like `required`,
/// a few characters of another script, placeholders.
fn is_harmless(value: &[u8]) -> bool {
    let is_number = value.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let is_word = value.len() < 16 && value.iter().all(u8::is_ascii_lowercase);
    let is_short = String::from_utf8_lossy(value).chars().count() < VALUE_CHARS_MIN;
    let is_placeholder = [&b"${"[..], STARS.as_bytes(), b"__OPENCLAW_"].iter().any(|start| value.starts_with(start));
    is_number || is_word || is_short || is_placeholder
}

#[expect(clippy::expect_used, reason = "the patterns are constants, and the tests compile each of them")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern compiles")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Above this a pattern weighs on an idle gateway.
    const COMPILED_BYTES_MAX: usize = 100_000;

    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected);
    }

    #[test]
    fn text_shaped_like_a_secret_is_starred() {
        // Put together here, so that the source holds nothing shaped like a key.
        check(&format!("key sk-{} x", "Ab1-".repeat(6)), "key **** x");
        check(&format!("key sk-{} x", "short-word"), "key sk-short-word x");
        check("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "****");
        check("xoxb-1234567890-abcdef", "****");
        check("id AKIAABCDEFGHIJKLMNOP.", "id ****.");
        check("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer ****");
        check("postgres://me:hunter2@db/x", "postgres://me:****@db/x");
        check("a eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl b", "a **** b");
        check("bot 123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "bot ****");
        check(
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter",
            "-----BEGIN PRIVATE KEY-----****\nafter",
        );
        check("-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN PRIVATE KEY-----****");
    }

    #[test]
    fn a_value_beside_a_telling_name_is_starred() {
        check("OPENAI_API_KEY=Zx81-qwerty", "OPENAI_API_KEY=****");
        check(r#"{"token": "8f3c9a1b77de"}"#, r#"{"token": "****"}"#);
        check("GET /x?token=8f3c9a1b77de&y=1", "GET /x?token=****&y=1");
        check("password: Tr0ub4dor&3", "password: ****&3");
        check("password: pässwörter9 ok", "password: **** ok");
        check("口令 token=8f3c9a1b77de；下一个", "口令 token=****");
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "max_tokens: 4096, token=123456",
            "the password: required",
            "the password: 必填项",
            "set apiKey: ${OPENAI_API_KEY}",
            "a b c",
            "risk-assessment-of-things",
            "commit 1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b",
            "http://host:8080/path@x",
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(_)) || redact(text) == text, "{text} -> {}", redact(text));
        }
    }

    #[test]
    fn a_known_secret_is_starred_wherever_it_stands() {
        let redactor = Redactor::new(["correct horse", "correct horse battery", "short"].map(Secret::new));
        assert_eq!(redactor.redact("x=correct horse battery; short"), "x=****; short");
    }

    #[test]
    fn the_patterns_stay_small() {
        for pattern in [&NAMED, &SHAPES] {
            let limit = regex::bytes::RegexBuilder::new(pattern.as_str()).size_limit(COMPILED_BYTES_MAX).build();
            assert!(limit.is_ok(), "{:?}", limit.err());
        }
    }

    proptest! {
        #[test]
        fn redacting_never_panics_and_twice_is_once(text in any::<String>()) {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once).into_owned(), once);
        }
    }
}
