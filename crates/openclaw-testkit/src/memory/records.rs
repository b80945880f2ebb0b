//! Sessions and the small records in memory.

use std::cmp::Reverse;

use async_trait::async_trait;
use openclaw_domain::approval::Grant;
use openclaw_domain::device::{Device, PairingRequest};
use openclaw_domain::ids::{AgentId, SessionKey, Timestamp};
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{Devices, Grants, Memories, Memory, RecordError as Error, Sessions, Variables};
use openclaw_domain::session::{
    EntryPage, EntryQuery, Scope, Session, SessionChange, SessionPage, SessionPatch, SessionQuery, SessionState,
    VARIABLE_BYTES_MAX, VARIABLES_MAX,
};
use serde_json::Value;

use super::{Lane, Store};

#[async_trait]
impl Sessions for Store {
    async fn open(&self, key: &SessionKey, at: Timestamp) -> Result<Session, Error> {
        Ok(self.state().open(key, at).session.clone())
    }

    async fn get(&self, key: &SessionKey) -> Result<Option<Session>, Error> {
        Ok(self.state().lane(key).map(|lane| lane.session.clone()))
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, Error> {
        let state = self.state();
        let live = state.lanes.values().filter(|lane| !lane.is_removed).map(|lane| &lane.session);
        let mut sessions: Vec<Session> = live.filter(|session| matches(session, query)).cloned().collect();
        sessions.sort_by_key(|session| Reverse((session.is_pinned, session.updated_at)));
        let total = sessions.len();
        let limit = if query.limit == 0 { total } else { query.limit };
        Ok(SessionPage { sessions: sessions.into_iter().skip(query.offset).take(limit).collect(), total })
    }

    async fn change(
        &self,
        key: &SessionKey,
        change: SessionChange,
        expected_revision: Option<u64>,
        at: Timestamp,
    ) -> Result<Session, Error> {
        let mut state = self.state();
        state.conversations += 1;
        let conversation = state.conversations;
        let missing = || Error::NotFound { what: "session", name: key.to_string() };
        let lane = state.lane(key).ok_or_else(missing)?;
        if expected_revision.is_some_and(|revision| revision != lane.session.revision) {
            return Err(Error::Stale(format!("session {key}")));
        }
        match change {
            SessionChange::Patch(patch) => lane.patch(patch),
            SessionChange::Transition(to) => lane.session.state = lane.session.state.to(to)?,
            SessionChange::Deliver(delivery) => lane.session.delivery = delivery,
            SessionChange::Reset => {
                let fresh = super::new_session(key, conversation, 0, 0, at);
                lane.session.id = fresh.id;
                lane.session.entries = 0;
                lane.session.usage = Usage::default();
            }
            SessionChange::Inject(turn) => drop(lane.push(None, turn, at)),
            SessionChange::Delete { transcript } => {
                let before = lane.session.clone();
                let children = lane.open_children();
                lane.remove(transcript, at);
                state.forget(key, transcript, children, at);
                state.variables.remove(&Scope::Session(key.clone()));
                return Ok(before);
            }
        }
        lane.touch(at);
        Ok(lane.session.clone())
    }

    async fn entries(&self, key: &SessionKey, query: EntryQuery) -> Result<EntryPage, Error> {
        let mut state = self.state();
        let Some(lane) = state.lane(key) else { return Ok(EntryPage::default()) };
        let (total, head) = (lane.session.entries, lane.session.head);
        let wanted = |n: u64| n > query.after.max(head - total) && (query.before == 0 || n < query.before);
        let entries: Vec<_> = lane.entries.iter().filter(|entry| wanted(entry.n)).cloned().collect();
        let skip = if query.limit == 0 { 0 } else { entries.len().saturating_sub(query.limit) };
        Ok(EntryPage { entries: entries.into_iter().skip(skip).collect(), total })
    }
}

fn matches(session: &Session, query: &SessionQuery) -> bool {
    let holds = |text: &str| {
        let text = text.to_lowercase();
        let label = session.label.as_deref().unwrap_or_default();
        session.key.as_str().to_lowercase().contains(&text) || label.to_lowercase().contains(&text)
    };
    query.archived == (session.state == SessionState::Closed)
        && query.agent.as_ref().is_none_or(|agent| session.key.agent() == agent)
        && query.search.as_deref().is_none_or(holds)
}

impl Lane {
    fn patch(&mut self, patch: SessionPatch) {
        let session = &mut self.session;
        if let Some(label) = patch.label {
            session.label = label;
        }
        if let Some(model) = patch.model {
            session.model = model;
        }
        if let Some(thinking) = patch.thinking {
            session.thinking = thinking;
        }
        session.is_pinned = patch.is_pinned.unwrap_or(session.is_pinned);
        session.is_unread = patch.is_unread.unwrap_or(session.is_unread);
    }

    fn remove(&mut self, transcript: bool, at: Timestamp) {
        if transcript {
            self.entries.clear();
            self.runs.clear();
        } else {
            self.cancel_open_runs("session removed", at);
        }
        self.is_removed = true;
        self.touch(at);
    }
}

#[async_trait]
impl Variables for Store {
    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Value>, Error> {
        Ok(self.state().variables.get(scope).and_then(|variables| variables.get(name)).cloned())
    }

    async fn set(&self, scope: &Scope, name: &str, value: Option<Value>, _at: Timestamp) -> Result<(), Error> {
        let mut state = self.state();
        let variables = state.variables.entry(scope.clone()).or_default();
        let Some(value) = value else {
            variables.remove(name);
            return Ok(());
        };
        if name.is_empty() || name.len() > openclaw_domain::ids::ID_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "the variable's name".to_owned(),
                max: "512 bytes, or empty".to_owned(),
            });
        }
        if value.to_string().len() > VARIABLE_BYTES_MAX {
            let max = format!("{VARIABLE_BYTES_MAX} bytes");
            return Err(Error::TooLarge { what: format!("variable {name}"), max });
        }
        if variables.len() >= VARIABLES_MAX && !variables.contains_key(name) {
            let max = format!("{VARIABLES_MAX} variables");
            return Err(Error::TooLarge { what: "the list of variables".to_owned(), max });
        }
        variables.insert(name.to_owned(), value);
        Ok(())
    }

    async fn list(&self, scope: &Scope) -> Result<Vec<(String, Value)>, Error> {
        let state = self.state();
        let variables = state.variables.get(scope).into_iter().flatten();
        Ok(variables.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

#[async_trait]
impl Memories for Store {
    async fn remember(&self, memory: Memory) -> Result<(), Error> {
        let mut state = self.state();
        let same = |kept: &&mut Memory| kept.agent == memory.agent && kept.text == memory.text;
        if let Some(kept) = state.memories.iter_mut().find(same) {
            kept.at = kept.at.max(memory.at);
            return Ok(());
        }
        state.memories.retain(|kept| kept.agent != memory.agent || kept.id != memory.id);
        state.memories.push(memory);
        Ok(())
    }

    async fn recall(&self, agent: &AgentId, words: &str, limit: usize) -> Result<Vec<Memory>, Error> {
        let state = self.state();
        let wanted: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let score = |memory: &Memory| {
            let text = memory.text.to_lowercase();
            wanted.iter().filter(|word| text.contains(word.as_str())).count()
        };
        let mut found: Vec<&Memory> = state
            .memories
            .iter()
            .filter(|memory| memory.agent == *agent && (wanted.is_empty() || score(memory) > 0))
            .collect();
        found.sort_by_key(|memory| Reverse((score(memory), memory.at)));
        Ok(found.into_iter().take(limit).cloned().collect())
    }

    async fn forget(&self, agent: &AgentId, id: &str) -> Result<bool, Error> {
        let mut state = self.state();
        let before = state.memories.len();
        state.memories.retain(|kept| kept.agent != *agent || kept.id != id);
        Ok(state.memories.len() < before)
    }
}

#[async_trait]
impl Devices for Store {
    async fn list(&self) -> Result<(Vec<Device>, Vec<PairingRequest>), Error> {
        let state = self.state();
        let mut devices: Vec<Device> = state.devices.values().cloned().collect();
        devices.sort_by_key(|device| Reverse(device.seen_at));
        Ok((devices, state.waiting.clone()))
    }

    async fn get(&self, id: &str) -> Result<Option<Device>, Error> {
        Ok(self.state().devices.get(id).cloned())
    }

    async fn put(&self, device: Device) -> Result<(), Error> {
        let mut state = self.state();
        state.waiting.retain(|request| request.device.id != device.id);
        state.devices.insert(device.id.clone(), device);
        Ok(())
    }

    async fn request(&self, request: PairingRequest) -> Result<(), Error> {
        let mut state = self.state();
        state.waiting.retain(|kept| kept.device.id != request.device.id && kept.id != request.id);
        if state.waiting.len() >= 100 {
            let what = "the list of devices that wait to be paired".to_owned();
            return Err(Error::TooLarge { what, max: "100 devices".to_owned() });
        }
        state.waiting.push(request);
        Ok(())
    }

    async fn remove(&self, id: &str) -> Result<bool, Error> {
        let mut state = self.state();
        let before = state.waiting.len();
        state.waiting.retain(|request| request.device.id != id && request.id != id);
        let waited = state.waiting.len() < before;
        Ok(state.devices.remove(id).is_some() || waited)
    }
}

#[async_trait]
impl Grants for Store {
    async fn list(&self) -> Result<Vec<Grant>, Error> {
        Ok(self.state().grants.clone())
    }

    async fn add(&self, grant: Grant) -> Result<(), Error> {
        let mut state = self.state();
        state.grants.retain(|kept| kept.id != grant.id);
        state.grants.push(grant);
        Ok(())
    }

    async fn revoke(&self, id: &str) -> Result<bool, Error> {
        let mut state = self.state();
        let before = state.grants.len();
        state.grants.retain(|grant| grant.id != id);
        Ok(state.grants.len() < before)
    }
}
