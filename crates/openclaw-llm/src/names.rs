//! Tool names every provider takes, and the way back.
//!
//! A portable name is `^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`. Others (dotted, long,
//! foreign scripts) get a stable alias. Refuses nothing: every name has an
//! alias, and equal names have equal ones. Called by the encoders and by
//! `draft`.

use std::borrow::Cow;
use std::collections::HashMap;

use openclaw_domain::tool::ToolSpec;

const NAME_BYTES_MAX: usize = 64;

/// The names of one request that are not what the provider sees.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    /// Empty in the usual case that all names are portable.
    originals: HashMap<String, String>,
}

impl Names {
    /// Collects the aliases of the tools on offer.
    pub(crate) fn of(tools: &[ToolSpec]) -> Self {
        let aliased = tools.iter().filter(|tool| !is_portable(&tool.name));
        Self { originals: aliased.map(|tool| (alias(&tool.name), tool.name.clone())).collect() }
    }

    /// Returns the tool's own name.
    pub(crate) fn original<'a>(&'a self, seen: &'a str) -> &'a str {
        self.originals.get(seen).map_or(seen, String::as_str)
    }
}

/// Returns the name to send.
pub(crate) fn portable(name: &str) -> Cow<'_, str> {
    if is_portable(name) { Cow::Borrowed(name) } else { Cow::Owned(alias(name)) }
}

fn is_portable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.len() <= NAME_BYTES_MAX
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn alias(name: &str) -> String {
    let kept = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' });
    let kept: String = kept.take(48).collect();
    let lead = if kept.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { "" } else { "t_" };
    format!("{lead}{kept}_{:08x}", hash(name) as u32)
}

/// FNV-1a, 64 bits: stable over builds and machines, unlike the standard hasher.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// How a provider wants its tool-call ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdRule {
    /// Letters, digits, `_` and `-`, at most 40.
    Plain,
    /// Exactly nine letters or digits (Mistral).
    Nine,
}

/// Returns a call id in the form the provider takes; equal ids stay equal.
pub(crate) fn portable_id(id: &str, rule: IdRule) -> Cow<'_, str> {
    match rule {
        IdRule::Plain => {
            let fits = !id.is_empty()
                && id.len() <= 40
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
            if fits { Cow::Borrowed(id) } else { Cow::Owned(format!("call_{:016x}", hash(id))) }
        }
        IdRule::Nine => {
            const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
            let mut rest = hash(id);
            let text = (0..9).map(|_| {
                let digit = DIGITS[(rest % 36) as usize];
                rest /= 36;
                char::from(digit)
            });
            Cow::Owned(text.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::tool::{Capability, Effect};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn spec(name: &str) -> ToolSpec {
        ToolSpec {
            name: name.into(),
            description: String::new(),
            parameters: json!({}),
            effect: Effect::Pure,
            capability: Capability::FsRead,
        }
    }

    #[test]
    fn a_portable_name_is_sent_as_it_is() {
        assert_eq!(portable("web_fetch"), "web_fetch");
        assert_eq!(portable(&"a".repeat(64)), "a".repeat(64));
    }

    proptest! {
        #[test]
        fn any_other_name_gets_a_portable_alias_that_leads_back(name in "\\PC{1,90}") {
            let sent = portable(&name).into_owned();
            prop_assert!(is_portable(&sent), "{sent}");
            let names = Names::of(&[spec(&name)]);
            prop_assert_eq!(names.original(&sent), name);
        }

        #[test]
        fn every_call_id_has_the_form_the_provider_takes(id in "\\PC{0,90}") {
            let nine = portable_id(&id, IdRule::Nine).into_owned();
            prop_assert!(nine.len() == 9 && nine.bytes().all(|b| b.is_ascii_alphanumeric()));
            let plain = portable_id(&id, IdRule::Plain).into_owned();
            prop_assert!((1..=40).contains(&plain.len()));
        }
    }
}
