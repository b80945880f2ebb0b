//! `${NAME}` in string values.
//!
//! Only upper-case names are substituted, `$${NAME}` writes one literally, and
//! a missing variable leaves the text as it is with one warning: the consumer
//! then knows it is not configured, where an empty string would look like an
//! answer. Values read from files are not looked at again.

use std::collections::BTreeMap;

use crate::env::{Env, Source};
use crate::issue::Issue;
use crate::path::KeyPath;
use crate::tree::{Node, Shape};

/// Longest value after substitution.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Adds `env.vars` to the environment; they fill gaps and are literals.
pub(crate) fn adopt_vars(root: &Node, env: &mut Env) {
    let Some(vars) = root.at("env.vars").and_then(Node::map) else { return };
    for (name, value) in vars {
        if let Some(text) = value.text() {
            env.add(name.as_str(), text, Source::Config);
        }
    }
}

/// Substitutes in every string value.
pub(crate) fn expand(root: &mut Node, env: &Env) -> Vec<Issue> {
    let mut missing: BTreeMap<String, (KeyPath, Node)> = BTreeMap::new();
    walk(root, &KeyPath::root(), env, &mut missing);
    missing
        .into_iter()
        .map(|(name, (path, node))| {
            Issue::warning(
                "CONFIG_ENV",
                &path,
                format!("{path} uses ${{{name}}}, which is not set; it counts as not configured"),
            )
            .suggesting(Some(format!("set {name} in the environment or in the .env of the state directory")))
            .located(&node.origin)
        })
        .collect()
}

fn walk(node: &mut Node, path: &KeyPath, env: &Env, missing: &mut BTreeMap<String, (KeyPath, Node)>) {
    let place = Node { origin: node.origin.clone(), shape: Shape::Null };
    match &mut node.shape {
        Shape::Text(text) => {
            if let Some(expanded) = substitute(text, env, &mut |name| {
                missing.entry(name.to_owned()).or_insert_with(|| (path.clone(), place.clone()));
            }) {
                *text = expanded;
            }
        }
        Shape::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &path.item(index), env, missing);
            }
        }
        Shape::Map(entries) => {
            for (key, child) in entries.iter_mut() {
                let path = path.key(key);
                // The variables themselves are literals.
                if path.to_string() == "env.vars" {
                    continue;
                }
                walk(child, &path, env, missing);
            }
        }
        Shape::Null | Shape::Bool(_) | Shape::Number(_) => {}
    }
}

/// Returns the text after substitution, `None` if nothing changed.
fn substitute(text: &str, env: &Env, missing: &mut dyn FnMut(&str)) -> Option<String> {
    if !text.contains("${") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(name) = rest.strip_prefix('$').and_then(reference) {
            match env.raw(name) {
                Some(value) => out.push_str(value),
                None => {
                    missing(name);
                    out.push_str(&rest[..name.len() + 3]);
                }
            }
            rest = &rest[name.len() + 3..];
        } else if let Some(name) = rest.strip_prefix("$$").and_then(reference) {
            out.push_str(&rest[1..name.len() + 4]);
            rest = &rest[name.len() + 4..];
        } else {
            out.push('$');
            rest = &rest[1..];
        }
        if out.len() > VALUE_BYTES_MAX {
            return None;
        }
    }
    out.push_str(rest);
    (out != text).then_some(out)
}

/// Reads `{NAME}` and returns the name.
fn reference(text: &str) -> Option<&str> {
    let name = text.strip_prefix('{')?.split('}').next()?;
    (text.as_bytes().get(name.len() + 1) == Some(&b'}') && is_name(name)).then_some(name)
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_uppercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Returns the variable a value still waits for, if it does.
#[must_use]
pub fn unresolved(text: &str) -> Option<&str> {
    text.match_indices("${").find_map(|(at, _)| reference(&text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str, expected_missing: &[&str]) {
        let env = Env::from_pairs([("A", "1"), ("LONG_NAME_2", "two"), ("EMPTY", ""), ("NESTED", "${A}")]);
        let mut missing = Vec::new();
        let out = substitute(text, &env, &mut |name| missing.push(name.to_owned())).unwrap_or_else(|| text.to_owned());
        assert_eq!(
            (out.as_str(), missing),
            (expected, expected_missing.iter().map(|name| (*name).to_owned()).collect()),
            "{text}"
        );
    }

    #[test]
    fn substitutes_upper_case_names_only() {
        check("${A}", "1", &[]);
        check("x${A}y${LONG_NAME_2}z", "x1ytwoz", &[]);
        check("$A ${a} ${1} ${A-B} ${A", "$A ${a} ${1} ${A-B} ${A", &[]);
        check("cost: $5 ${A}", "cost: $5 1", &[]);
        check("日${A}本", "日1本", &[]);
    }

    #[test]
    fn a_doubled_dollar_writes_the_reference() {
        check("$${A}", "${A}", &[]);
        check("$$${A}", "$${A}", &[]);
        check("$$A", "$$A", &[]);
    }

    #[test]
    fn missing_and_empty_variables_stay_as_written() {
        check("${NOPE}", "${NOPE}", &["NOPE"]);
        check("${EMPTY}-${A}", "${EMPTY}-1", &["EMPTY"]);
        assert_eq!(unresolved("a ${NOPE}"), Some("NOPE"));
        assert_eq!(unresolved("a ${nope} $X"), None);
    }

    #[test]
    fn values_are_not_looked_at_again() {
        check("${NESTED}", "${A}", &[]);
    }

    #[test]
    fn variables_of_the_file_are_literals() {
        let text = "{env: {vars: {A: '${HOME}'}}, x: '${A}'}";
        let mut root = crate::tree::read(text, &std::sync::Arc::from(std::path::Path::new("f"))).unwrap();
        let mut env = Env::from_pairs([("HOME", "/h")]);
        adopt_vars(&root, &mut env);
        assert_eq!(expand(&mut root, &env), []);
        assert_eq!(root.to_value(), serde_json::json!({"env": {"vars": {"A": "${HOME}"}}, "x": "${HOME}"}));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[${}AB_1a日 ]{0,40}") {
            let env = Env::from_pairs([("A", "x")]);
            drop(substitute(&text, &env, &mut |_| {}));
            prop_assert!(unresolved(&text).is_none_or(is_name));
        }
    }
}
