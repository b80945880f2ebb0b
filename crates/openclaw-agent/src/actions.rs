//! The calls to the world whose outcome is not known, across all sessions.
//!
//! The journal's step table holds the truth and refuses a repetition itself;
//! this is its index, so that a repetition is answered rather than failed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openclaw_domain::ports::OpenAction;
use openclaw_domain::{CallId, RunId, SessionKey};

/// Open actions by key.
#[derive(Default)]
pub(crate) struct Actions {
    by_key: Mutex<HashMap<String, OpenAction>>,
}

impl Actions {
    /// Takes over what an earlier process left.
    pub(crate) fn load(&self, open: Vec<OpenAction>) {
        self.lock().extend(open.into_iter().map(|action| (action.action.clone(), action)));
    }

    /// Notes that a call is about to be dispatched; fails with the other call
    /// that did the same and whose outcome is not known.
    pub(crate) fn begin(&self, action: OpenAction) -> Result<(), OpenAction> {
        let mut open = self.lock();
        match open.get(&action.action) {
            Some(holder) if !is_call(holder, &action.session, &action.run, &action.call) => Err(holder.clone()),
            _ => {
                open.insert(action.action.clone(), action);
                Ok(())
            }
        }
    }

    /// Notes that the outcome of a call is known.
    pub(crate) fn end(&self, session: &SessionKey, run: &RunId, call: &CallId) {
        self.lock().retain(|_, action| !is_call(action, session, run, call));
    }

    /// Drops the actions of a run that another process works on now; the journal
    /// still refuses to repeat them.
    pub(crate) fn forget(&self, session: &SessionKey, run: &RunId) {
        self.lock().retain(|_, action| action.session != *session || action.run != *run);
    }

    /// Lists the open actions, in no order.
    pub(crate) fn list(&self) -> Vec<OpenAction> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OpenAction>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_call(action: &OpenAction, session: &SessionKey, run: &RunId, call: &CallId) -> bool {
    action.session == *session && action.run == *run && action.call == *call
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(run: &str, call: &str) -> OpenAction {
        OpenAction {
            action: "a1".into(),
            session: "agent:main:main".parse().unwrap(),
            run: run.parse().unwrap(),
            call: call.parse().unwrap(),
            tool: "pay".into(),
        }
    }

    #[test]
    fn an_open_action_blocks_every_other_call_until_its_outcome_is_known() {
        let actions = Actions::default();
        actions.begin(action("r1", "c1")).unwrap();
        assert_eq!(actions.begin(action("r2", "c2")), Err(action("r1", "c1")));
        actions.begin(action("r1", "c1")).unwrap();
        let first = action("r1", "c1");
        actions.end(&first.session, &first.run, &first.call);
        actions.begin(action("r2", "c2")).unwrap();
    }
}
