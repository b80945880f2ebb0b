//! The tools of a run, written once for each wire format.
//!
//! A run asks its model again and again with the same list; writing it anew each
//! time was most of the work of encoding. A list is known by its allocation,
//! which is kept from being used again for as long as it is remembered. Called
//! by `router`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use openclaw_domain::model::Error;
use openclaw_domain::tool::ToolSpec;
use serde_json::value::RawValue;

use crate::dialect::{self, Dialect};

/// Most lists remembered; the oldest are forgotten first.
const LISTS_MAX: usize = 32;

struct Written {
    tools: Weak<[ToolSpec]>,
    dialect: Dialect,
    json: Arc<RawValue>,
}

/// The lists written lately.
#[derive(Default)]
pub(crate) struct ToolLists {
    /// Held only to look or to add, never while writing.
    written: Mutex<VecDeque<Written>>,
}

impl ToolLists {
    /// Returns the tools as the dialect wants them; `None` when there are none.
    ///
    /// # Errors
    /// When they cannot be serialised.
    pub(crate) fn get(&self, tools: &Arc<[ToolSpec]>, dialect: Dialect) -> Result<Option<Arc<RawValue>>, Error> {
        if tools.is_empty() {
            return Ok(None);
        }
        let known =
            |entry: &&Written| entry.dialect == dialect && std::ptr::addr_eq(entry.tools.as_ptr(), Arc::as_ptr(tools));
        let find = |written: &VecDeque<Written>| written.iter().find(known).map(|entry| Arc::clone(&entry.json));
        if let Some(json) = find(&self.written.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(json));
        }
        let json: Arc<RawValue> = dialect::tools(dialect, tools)?.into();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // Lists of finished runs are of no more use.
        written.retain(|entry| entry.tools.strong_count() > 0);
        if written.len() >= LISTS_MAX {
            written.pop_front();
        }
        written.push_back(Written { tools: Arc::downgrade(tools), dialect, json: Arc::clone(&json) });
        Ok(Some(json))
    }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::tool::{Capability, Effect};
    use serde_json::json;

    use super::*;

    fn list(name: &str) -> Arc<[ToolSpec]> {
        [ToolSpec {
            name: name.into(),
            description: String::new(),
            parameters: json!({}),
            effect: Effect::Pure,
            capability: Capability::FsRead,
        }]
        .into()
    }

    fn count(lists: &ToolLists) -> usize {
        lists.written.lock().unwrap().len()
    }

    #[test]
    fn a_list_is_written_once_for_each_dialect() {
        let (lists, tools) = (ToolLists::default(), list("read"));
        for (dialect, _) in Dialect::ALL {
            let first = lists.get(&tools, dialect).unwrap().unwrap();
            let second = lists.get(&tools, dialect).unwrap().unwrap();
            assert!(Arc::ptr_eq(&first, &second) && first.get().contains("read"), "{dialect:?}");
        }
        assert_eq!(count(&lists), Dialect::ALL.len());
        assert!(lists.get(&[].into(), Dialect::Ollama).unwrap().is_none());
    }

    #[test]
    fn another_list_is_never_taken_for_a_forgotten_one() {
        let lists = ToolLists::default();
        for n in 0..200 {
            let name = format!("tool_{n}");
            let json = lists.get(&list(&name), Dialect::OpenaiChat).unwrap().unwrap();
            assert!(json.get().contains(&format!("\"{name}\"")), "{name}: {}", json.get());
        }
        assert_eq!(count(&lists), 1, "lists of finished runs are forgotten");
    }

    #[test]
    fn no_more_than_the_limit_is_remembered() {
        let lists = ToolLists::default();
        let all: Vec<_> = (0..=LISTS_MAX).map(|n| list(&format!("tool_{n}"))).collect();
        for tools in &all {
            lists.get(tools, Dialect::OpenaiChat).unwrap();
        }
        assert_eq!(count(&lists), LISTS_MAX);
    }
}
