//! Who could answer a call, in the order they are asked.
//!
//! Rested candidates stand as chosen, resting ones and those whose login has
//! lapsed after them, so that a bad memory can never lock a model out.

use std::collections::VecDeque;
use std::time::Duration;

use openclaw_domain::Timestamp;
use openclaw_domain::model::{ModelChoice, ModelRef};

use super::health::{Health, Key};
use super::reasons::Reasons;
use super::words::class_in_words;
use crate::settings::{Credential, Model, Provider, Settings, canonical};

/// Most candidates of one call.
const CANDIDATES_MAX: usize = 64;

/// One model with one credential.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// As chosen by the person, for messages.
    pub(super) model: ModelRef,
    /// Its place in the settings; `None` when there is no such provider.
    pub(super) provider: Option<usize>,
    pub(super) row: Model,
    pub(super) credential: Option<Credential>,
    /// How long its provider still wants to be left alone.
    pub(super) asked_wait: Duration,
}

impl Candidate {
    /// Returns what its health is kept under.
    pub(super) fn key(&self) -> Key {
        (self.model.clone(), self.credential.as_ref().map(|credential| credential.profile.clone()))
    }
}

/// The time, both ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) monotonic: Duration,
    pub(super) wall: Timestamp,
}

/// The candidates of a call, and why some are asked late.
pub(super) struct Plan {
    pub(super) waiting: VecDeque<Candidate>,
    pub(super) reasons: Reasons,
}

/// Orders the candidates of a choice.
pub(super) fn plan(settings: &Settings, choice: &ModelChoice, health: &Health, now: Now) -> Plan {
    let mut models: Vec<ModelRef> = Vec::new();
    for model in std::iter::once(&choice.primary).chain(&choice.fallbacks).map(canonical) {
        if !models.contains(&model) {
            models.push(model);
        }
    }
    let mut plan = Plan { waiting: VecDeque::new(), reasons: Reasons::default() };
    let mut resting = VecDeque::new();
    for candidate in models.into_iter().flat_map(|model| candidates(settings, model)).take(CANDIDATES_MAX) {
        let lapses = candidate.credential.as_ref().and_then(|credential| credential.expires_at);
        let model = &candidate.model;
        match health.resting(&candidate.key(), now.monotonic) {
            Some(rest) => {
                plan.reasons.rests(model, &format!("after {}", class_in_words(rest.class)));
                resting.push_back(Candidate { asked_wait: rest.asked, ..candidate });
            }
            None if lapses.is_some_and(|at| at <= now.wall) => {
                plan.reasons.rests(model, "because its login has lapsed");
                resting.push_back(candidate);
            }
            None => plan.waiting.push_back(candidate),
        }
    }
    plan.waiting.append(&mut resting);
    plan
}

/// Returns a model with each of its credentials, in order.
fn candidates(settings: &Settings, model: ModelRef) -> Vec<Candidate> {
    let Some(at) = settings.providers.iter().position(|provider| provider.id == model.provider) else {
        return vec![Candidate {
            row: Model::guess(&model.model),
            model,
            provider: None,
            credential: None,
            asked_wait: Duration::ZERO,
        }];
    };
    let provider = &settings.providers[at];
    let pinned = pinned(provider, &model.model);
    let row = settings.model(provider, pinned.as_ref().map_or(model.model.as_str(), |(id, _)| id));
    let made = |credential: Option<&Credential>| Candidate {
        model: model.clone(),
        provider: Some(at),
        row: row.clone(),
        credential: credential.cloned(),
        asked_wait: Duration::ZERO,
    };
    let usable = provider
        .credentials
        .iter()
        .filter(|credential| pinned.as_ref().is_none_or(|(_, profile)| credential.profile == *profile));
    let all: Vec<Candidate> = usable.map(|credential| made(Some(credential))).collect();
    if all.is_empty() { vec![made(None)] } else { all }
}

/// Splits `model@profile` when the provider has such a profile.
fn pinned(provider: &Provider, model: &str) -> Option<(String, String)> {
    let (id, profile) = model.rsplit_once('@')?;
    let full = format!("{}:{profile}", provider.id);
    let found =
        provider.credentials.iter().find(|credential| credential.profile == profile || credential.profile == full)?;
    Some((id.to_owned(), found.profile.clone()))
}
