//! Builds the request of one model call.

use std::sync::{Arc, OnceLock};

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::model::{ModelChoice, ModelRef, ModelRequest, Thinking};
use openclaw_domain::ports::ContextRequest;
use openclaw_domain::session::Session;
use openclaw_domain::tool::ToolSpec;
use openclaw_domain::{AgentId, RunRequest, SessionId};

use crate::instances::Quarters;
use crate::replay::dry::Answers;
use crate::shared::Shared;
use crate::step::RunState;

/// What all model calls of a run share, so that prefix caches hold.
#[derive(Clone)]
pub(crate) struct Preparation {
    choice: ModelChoice,
    system: Vec<String>,
    tools: Arc<[ToolSpec]>,
    cache_key: SessionId,
    /// Set when the same request is to have the same answer.
    seed: Option<u32>,
    /// Estimated tokens of system prompt and tools, once somebody asked.
    fixed: OnceLock<u64>,
    /// What tools answer from instead of running, in a fork that touches nothing.
    answers: Option<Arc<Answers>>,
}

impl Preparation {
    /// Tells whether a tool is on offer.
    pub(crate) fn offers(&self, tool: &str) -> bool {
        self.tools.iter().any(|spec| spec.name == tool)
    }

    /// Returns the model that is wanted.
    pub(crate) fn choice(&self) -> &ModelChoice {
        &self.choice
    }

    /// Estimates what stands before the turns.
    pub(crate) fn fixed_tokens(&self) -> u64 {
        *self.fixed.get_or_init(|| crate::compaction::estimate::fixed(&self.system, &self.tools))
    }

    /// Returns the record that tools answer from; `None` when they really run.
    pub(crate) fn answers(&self) -> Option<&Answers> {
        self.answers.as_deref()
    }

    /// Returns the names of the tools on offer.
    pub(crate) fn tool_names(&self) -> Vec<&str> {
        self.tools.iter().map(|spec| spec.name.as_str()).collect()
    }
}

/// Collects what the calls of a run share.
///
/// # Errors
/// When the agent is not configured any more, or its prompt cannot be built.
pub(crate) async fn prepare(
    shared: &Shared,
    request: &RunRequest,
    session: &Session,
    quarters: Option<&Quarters>,
) -> Result<Preparation, Fault> {
    let agent = request.session.agent();
    let configured = shared.ports.catalog.agent(agent).ok_or_else(|| no_such_agent(agent.as_str()))?;
    let tools = offered(shared, agent);
    let seed = quarters.filter(|quarters| quarters.terms.deterministic).map(|quarters| quarters.seed);
    let context = ContextRequest {
        agent: agent.clone(),
        session: request.session.clone(),
        input: request.input.text(),
        tools: tools.iter().map(|spec| spec.name.clone()).collect(),
        now: shared.ports.clock.now(),
        scratch: quarters.map(|quarters| shown(quarters, seed.is_some())),
        is_deterministic: seed.is_some(),
    };
    let mut system = shared.ports.context.assemble(&context).await?;
    system.extend(request.extra_system.clone());
    system.extend(quarters.and_then(|quarters| quarters.scratch.remark.clone()));
    let answers = match request.origin.as_deref().filter(|origin| !origin.is_live) {
        Some(origin) => {
            let (journal, sessions) = (&shared.ports.journal, &shared.ports.sessions);
            Some(Arc::new(Answers::load(&**journal, &**sessions, origin).await?))
        }
        None => None,
    };
    Ok(Preparation {
        answers,
        choice: choice(request, session, configured.choice),
        system,
        tools,
        cache_key: session.id.clone(),
        seed,
        fixed: OnceLock::new(),
    })
}

/// Every instance has another path; a prompt that is to be the same cannot name it.
fn shown(quarters: &Quarters, is_deterministic: bool) -> String {
    if is_deterministic { "the current folder".to_owned() } else { quarters.scratch.path.clone() }
}

/// Returns the tools on offer, sorted by name so that prefix caches hold. The
/// catalogue asks the gate already; the copy is made only if the two disagree.
fn offered(shared: &Shared, agent: &AgentId) -> Arc<[ToolSpec]> {
    let listed = shared.ports.catalog.tools(agent);
    let is_sorted = listed.is_sorted_by(|a, b| a.name <= b.name);
    if is_sorted && listed.iter().all(|spec| shared.ports.gate.offers(agent, spec)) {
        return listed;
    }
    let mut tools: Vec<ToolSpec> =
        listed.iter().filter(|spec| shared.ports.gate.offers(agent, spec)).cloned().collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    tools.into()
}

/// Returns the fault for an agent that is not configured.
pub(crate) fn no_such_agent(agent: &str) -> Fault {
    Fault::new(Kind::NotFound, format!("there is no agent {agent}")).hint("openclaw agents list")
}

/// Builds the request of the next call.
///
/// # Errors
/// When a call of the conversation is still open: a defect of the engine.
pub(crate) fn request(state: &RunState, prepared: &Preparation, key: String) -> Result<ModelRequest, Fault> {
    let prompt = state.conversation.prompt_through(state.compaction.as_ref());
    let prompt = prompt.map_err(|open| Fault::new(Kind::Bug, open.to_string()))?;
    Ok(ModelRequest {
        choice: prepared.choice.clone(),
        system: prepared.system.clone(),
        prompt,
        tools: prepared.tools.clone(),
        output_tokens_max: None,
        temperature: prepared.seed.map(|_| 0.0),
        seed: prepared.seed,
        idempotency_key: key,
        cache_key: prepared.cache_key.to_string(),
    })
}

/// A model a person named is strict: nothing stands in for it (D2).
fn choice(request: &RunRequest, session: &Session, agent: ModelChoice) -> ModelChoice {
    let thinking = request.thinking;
    choose(request.model.clone(), thinking, session, agent)
}

/// Returns the model of a session in which nothing runs.
pub(crate) fn choice_of(session: &Session, agent: ModelChoice) -> ModelChoice {
    choose(None, None, session, agent)
}

fn choose(named: Option<ModelRef>, thinking: Option<Thinking>, session: &Session, agent: ModelChoice) -> ModelChoice {
    let named = named.or_else(|| session.model.clone());
    let thinking = thinking.or(session.thinking).or(agent.thinking);
    match named {
        Some(primary) => ModelChoice { primary, fallbacks: Vec::new(), thinking },
        None => ModelChoice { thinking, ..agent },
    }
}
