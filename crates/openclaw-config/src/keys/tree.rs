//! The table as a tree, for walking it beside a configuration.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{ALL, Key, Kind};
use crate::path::{KeyPath, Segment};

/// A place in the table.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    pub(crate) key: Option<&'static Key>,
    pub(crate) children: BTreeMap<&'static str, Branch>,
    /// Any other key of an object.
    pub(crate) any: Option<Box<Branch>>,
    /// Any element of a list.
    pub(crate) item: Option<Box<Branch>>,
}

static TREE: LazyLock<Branch> = LazyLock::new(|| {
    let mut root = Branch::default();
    for section in ALL {
        for prefix in section.prefixes {
            for key in section.rows {
                let mut here = &mut root;
                for step in steps(prefix).chain(steps(key.path)) {
                    here = here.child_mut(step);
                }
                // The first section wins, so a specific one stands before a shared one.
                here.key.get_or_insert(key);
            }
        }
    }
    root
});

/// Returns the whole table.
pub(crate) fn tree() -> &'static Branch {
    &TREE
}

/// Splits `a.b[].c` into `a`, `b`, `[]`, `c`.
fn steps(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('.').filter(|step| !step.is_empty()).flat_map(|step| {
        let name = step.trim_end_matches("[]");
        let lists = (step.len() - name.len()) / 2;
        std::iter::once(name).chain(std::iter::repeat_n("[]", lists))
    })
}

impl Branch {
    fn child_mut(&mut self, step: &'static str) -> &mut Self {
        match step {
            "*" => self.any.get_or_insert_default(),
            "[]" => self.item.get_or_insert_default(),
            name => self.children.entry(name).or_default(),
        }
    }

    /// Returns the branch for a key of an object: its own, else the one for any key.
    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        self.children.get(key).or(self.any.as_deref())
    }

    /// Returns the branch for one step.
    pub(crate) fn step(&self, segment: &Segment) -> Option<&Self> {
        match segment {
            Segment::Key(key) => self.child(key),
            Segment::Index(_) => self.item.as_deref(),
        }
    }

    /// Tells whether keys without a row may stand here.
    pub(crate) fn is_open(&self) -> bool {
        match self.key {
            Some(key) => key.kind.is_open(),
            None => false,
        }
    }

    /// Tells whether a step leads to an element that has no row of its own.
    fn is_list_of_values(&self, segment: &Segment) -> bool {
        matches!((self.key.map(|key| key.kind), segment), (Some(Kind::List(_)), Segment::Index(_)))
    }

    /// Tells whether this is an object or list with rows below.
    pub(crate) fn has_rows_below(&self) -> bool {
        !self.children.is_empty() || self.any.is_some() || self.item.is_some()
    }
}

/// Returns every row with its full path pattern, in table order.
pub fn all() -> impl Iterator<Item = (String, &'static Key)> {
    ALL.iter().flat_map(|section| {
        section.prefixes.iter().flat_map(|prefix| {
            section.rows.iter().map(move |key| {
                let path = match (prefix.is_empty(), key.path.is_empty()) {
                    (true, _) => key.path.to_owned(),
                    (false, true) => (*prefix).to_owned(),
                    (false, false) => format!("{prefix}.{}", key.path),
                };
                (path, key)
            })
        })
    })
}

/// Returns the row of a path, `None` for a plain object on the way or an unknown path.
#[must_use]
pub fn find(path: &KeyPath) -> Option<&'static Key> {
    branch(path)?.key
}

/// Returns the place of a path in the table.
pub(crate) fn branch(path: &KeyPath) -> Option<&'static Branch> {
    path.segments().iter().try_fold(tree(), |branch, segment| branch.step(segment))
}

/// Returns the pattern a path falls under, `agents.entries.*.model`, and
/// whether it is known. Below an open object everything is.
pub(crate) fn pattern(path: &KeyPath) -> (String, bool) {
    let mut here = Some(tree());
    let mut is_open = false;
    let mut text = String::new();
    for segment in path.segments() {
        is_open |= here.is_some_and(|branch| branch.is_open() || branch.is_list_of_values(segment));
        let next = here.and_then(|branch| branch.step(segment));
        match segment {
            Segment::Index(_) => text.push_str("[]"),
            Segment::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                let is_own = here.is_some_and(|branch| branch.children.contains_key(key.as_str()));
                text.push_str(if next.is_some() && !is_own { "*" } else { key });
            }
        }
        here = next;
    }
    (text, is_open || here.is_some())
}

/// Returns the known path closest to one that is not, if it is close.
#[must_use]
pub fn nearest(path: &KeyPath) -> Option<String> {
    let mut here = tree();
    let mut mended = KeyPath::root();
    let mut was_mended = false;
    for segment in path.segments() {
        let (segment, next) = match (here.step(segment), segment) {
            (Some(next), _) => (segment.clone(), next),
            (None, Segment::Key(key)) => {
                let (name, next) = closest(here, key)?;
                was_mended = true;
                (Segment::Key(name.to_owned()), next)
            }
            (None, Segment::Index(_)) => return was_mended.then(|| mended.to_string()),
        };
        mended = match segment {
            Segment::Key(key) => mended.key(&key),
            Segment::Index(index) => mended.item(index),
        };
        here = next;
    }
    was_mended.then(|| mended.to_string())
}

fn closest(branch: &'static Branch, key: &str) -> Option<(&'static str, &'static Branch)> {
    let lower = key.to_ascii_lowercase();
    branch
        .children
        .iter()
        .map(|(name, next)| (strsim::osa_distance(&name.to_ascii_lowercase(), &lower), *name, next))
        .filter(|(distance, name, _)| *distance <= 2 && *distance < name.len())
        .min_by_key(|(distance, ..)| *distance)
        .map(|(_, name, next)| (name, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> KeyPath {
        KeyPath::parse(text).unwrap()
    }

    #[test]
    fn finds_rows_through_any_key_and_any_element() {
        for known in [
            "gateway.port",
            "agents.entries.main.model",
            "agents.defaults.model",
            "models.providers.x.models[3].id",
            "channels.telegram.accounts.two.dmPolicy",
        ] {
            assert!(find(&path(known)).is_some(), "{known}");
        }
        assert!(find(&path("gateway.porrt")).is_none());
    }

    #[test]
    fn patterns_name_the_row() {
        assert_eq!(pattern(&path("agents.entries.main.model")), ("agents.entries.*.model".into(), true));
        assert_eq!(pattern(&path("models.providers.x.models[3].id")), ("models.providers.*.models[].id".into(), true));
        assert!(pattern(&path("plugins.entries.x.config.any.thing")).1);
        assert!(pattern(&path("session.sendPolicy.rules[0].action")).1);
        assert!(!pattern(&path("gateway.nope")).1);
    }

    #[test]
    fn a_typo_finds_its_neighbour() {
        assert_eq!(nearest(&path("gatway.port")).as_deref(), Some("gateway.port"));
        assert_eq!(nearest(&path("gateway.prot")).as_deref(), Some("gateway.port"));
        assert_eq!(nearest(&path("agents.defaults.Workspace")).as_deref(), Some("agents.defaults.workspace"));
        assert_eq!(nearest(&path("zzzzzz")), None);
        assert_eq!(nearest(&path("gateway.port")), None);
    }
}
