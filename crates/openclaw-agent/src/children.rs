//! Which runs work for which: whatever ends takes its children with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openclaw_domain::run::Parent;
use openclaw_domain::{RunId, SessionKey};

/// A run, by what names it.
pub(crate) type Name = (SessionKey, RunId);

/// The children of live runs.
#[derive(Default)]
pub(crate) struct Children {
    by_parent: Mutex<HashMap<Name, Vec<Name>>>,
}

impl Children {
    /// Notes that a run works for another, if it ends with it.
    pub(crate) fn add(&self, parent: &Parent, child: Name) {
        if !parent.is_owner {
            return;
        }
        let parent = (parent.session.clone(), parent.run.clone());
        let mut all = self.lock();
        let children = all.entry(parent).or_default();
        if !children.contains(&child) {
            children.push(child);
        }
    }

    /// Notes the end of a run; returns the children that are its to stop.
    pub(crate) fn ended(&self, run: &Name) -> Vec<Name> {
        let mut all = self.lock();
        let orphans = all.remove(run).unwrap_or_default();
        all.retain(|_, children| {
            children.retain(|child| child != run);
            !children.is_empty()
        });
        orphans
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Vec<Name>>> {
        self.by_parent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(session: &str, run: &str) -> Name {
        (session.parse().unwrap(), run.parse().unwrap())
    }

    #[test]
    fn a_run_leaves_the_children_that_have_not_ended() {
        let children = Children::default();
        let mother = name("agent:main:main", "r1");
        let parent = Parent {
            session: mother.0.clone(),
            run: mother.1.clone(),
            call: "c1".parse().unwrap(),
            root: mother.0.clone(),
            is_owner: true,
        };
        let (one, two) = (name("agent:a:pool:t:0", "t-0"), name("agent:b:pool:t:1", "t-1"));
        children.add(&parent, one.clone());
        children.add(&parent, two.clone());
        children.add(&parent, two.clone());
        assert_eq!(children.ended(&one), Vec::<Name>::new());
        assert_eq!(children.ended(&mother), [two]);
        assert_eq!(children.ended(&mother), Vec::<Name>::new());
        children.add(&Parent { is_owner: false, ..parent }, one);
        assert_eq!(children.ended(&mother), Vec::<Name>::new(), "a message to another session is not a child");
    }
}
