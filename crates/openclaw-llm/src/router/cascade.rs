//! One call on its way through credentials, levels and models.
//!
//! Holds the whole state of a call; dropping it cancels whatever runs. The order
//! of candidates is fixed when the call begins: rested ones as chosen, resting
//! ones after them, so that a bad memory can never lock a model out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use openclaw_domain::catalog::Price;
use openclaw_domain::model::{
    Completed, Error, ErrorClass, ModelEvent, ModelRef, ModelRequest, ModelStream, Selected, StopReason, Thinking,
    Usage,
};
use openclaw_domain::ports::Model as _;

use super::Shared;
use super::health::Key;
use super::verdict::{Standing, Verdict, level, verdict};
use crate::dialect::{Call, Form, Reading, encode};
use crate::error::{error, protocol};
use crate::exchange::{self, Exchange};
use crate::names::Names;
use crate::offline;
use crate::settings::{Credential, Model, Provider, Settings, canonical};

/// Most candidates of one call.
const CANDIDATES_MAX: usize = 64;
/// Most characters of an explanation.
const WHY_CHARS_MAX: usize = 600;
/// Longest rest that is waited out when a resting candidate is the last hope.
const REST_WAIT_MAX: Duration = Duration::from_secs(20);

/// One model with one credential.
#[derive(Debug, Clone)]
struct Candidate {
    /// As chosen by the person, for messages.
    model: ModelRef,
    /// Its place in the settings; `None` when there is no such provider.
    provider: Option<usize>,
    row: Model,
    credential: Option<Credential>,
    /// What is left of its rest.
    rest: Option<Duration>,
}

impl Candidate {
    fn key(&self) -> Key {
        (self.model.clone(), self.credential.as_ref().map(|credential| credential.profile.clone()))
    }
}

/// Where the events come from.
enum Live {
    Remote(Box<Exchange>),
    Offline(ModelStream),
}

/// A candidate at work.
struct Attempt {
    candidate: Candidate,
    tries: u32,
    form: Form,
    thinking: Option<Thinking>,
    has_retried_empty: bool,
}

/// One call.
pub(super) struct Cascade {
    shared: Arc<Shared>,
    /// As they were when the call began.
    settings: Arc<Settings>,
    request: ModelRequest,
    waiting: VecDeque<Candidate>,
    attempt: Option<Attempt>,
    /// The stream of the attempt, once its head is there.
    live: Option<Live>,
    /// Something was shown that a new attempt makes void.
    has_output: bool,
    /// A retry was decided and must wait this long first.
    pause: Duration,
    /// Why earlier candidates did not answer.
    reasons: Vec<String>,
    first_error: Option<Error>,
    is_over: bool,
}

impl Cascade {
    pub(super) fn new(shared: Arc<Shared>, request: ModelRequest) -> Self {
        let settings = shared.settings();
        let mut cascade = Self {
            shared,
            settings,
            request,
            waiting: VecDeque::new(),
            attempt: None,
            live: None,
            has_output: false,
            pause: Duration::ZERO,
            reasons: Vec::new(),
            first_error: None,
            is_over: false,
        };
        cascade.plan();
        cascade
    }

    /// Orders the candidates.
    fn plan(&mut self) {
        let choice = &self.request.choice;
        let mut models: Vec<ModelRef> = Vec::new();
        for model in std::iter::once(&choice.primary).chain(&choice.fallbacks).map(canonical) {
            if !models.contains(&model) {
                models.push(model);
            }
        }
        let now = self.shared.clock.monotonic();
        let health = self.shared.health();
        let mut resting = VecDeque::new();
        for candidate in models.into_iter().flat_map(|model| candidates(&self.settings, model)).take(CANDIDATES_MAX) {
            match health.resting(&candidate.key(), now) {
                None => self.waiting.push_back(candidate),
                Some(rest) => {
                    self.reasons.push(format!("{} rests after {}", candidate.model, said_class(rest.class)));
                    resting.push_back(Candidate { rest: Some(rest.left), ..candidate });
                }
            }
        }
        drop(health);
        self.waiting.append(&mut resting);
    }

    /// Returns the next event; `None` after `Done` or an error.
    pub(super) async fn next(&mut self) -> Option<Result<ModelEvent, Error>> {
        if self.is_over {
            return None;
        }
        loop {
            let step = match self.live.as_mut() {
                Some(live) => live.next().await,
                None => match self.begin().await {
                    Some(begun) => begun,
                    None => return Some(Err(self.give_up())),
                },
            };
            let outcome = match step {
                Ok(ModelEvent::Done(done)) => self.completed(*done),
                Ok(ModelEvent::Selected(selected)) => Ok(ModelEvent::Selected(self.explain(selected))),
                Ok(event) => {
                    self.has_output = true;
                    Ok(event)
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(event) => {
                    self.is_over = matches!(event, ModelEvent::Done(_));
                    return Some(Ok(event));
                }
                Err(error) => match self.failed(error) {
                    Some(fatal) => {
                        self.is_over = true;
                        return Some(Err(fatal));
                    }
                    None if std::mem::take(&mut self.has_output) => {
                        let reason = self.reasons.last().cloned().unwrap_or_default();
                        return Some(Ok(ModelEvent::Superseded { reason }));
                    }
                    None => {}
                },
            }
        }
    }

    /// Starts the attempt at hand, or the next candidate's; `None` when nobody is left.
    async fn begin(&mut self) -> Option<Result<ModelEvent, Error>> {
        if self.attempt.is_none() {
            let candidate = self.waiting.pop_front()?;
            if let Some(rest) = candidate.rest {
                self.pause = self.pause.max(rest.min(REST_WAIT_MAX));
            }
            self.attempt = Some(self.prepare(candidate));
        }
        let pause = std::mem::take(&mut self.pause);
        if !pause.is_zero() {
            self.shared.clock.sleep(pause).await;
        }
        let attempt = self.attempt.as_mut()?;
        attempt.tries += 1;
        Some(match open(&self.shared, &self.settings, &self.request, attempt).await {
            Ok((live, selected)) => {
                self.live = Some(live);
                selected.map_or_else(
                    // The offline model introduces itself.
                    || Ok(ModelEvent::Selected(plain_selection(&attempt.candidate))),
                    |selected| Ok(ModelEvent::Selected(selected)),
                )
            }
            Err(error) => Err(error),
        })
    }

    fn prepare(&self, candidate: Candidate) -> Attempt {
        let learned = self.shared.health().learned(&candidate.model);
        Attempt {
            tries: 0,
            form: if learned.no_extras { Form::NoExtras } else { Form::Full },
            thinking: self.request.choice.thinking.and_then(|wanted| level(wanted, &learned.thinking)),
            candidate,
            has_retried_empty: false,
        }
    }

    /// Says who answers, and why not the wanted one.
    fn explain(&self, selected: Selected) -> Selected {
        let wanted = canonical(&self.request.choice.primary);
        let lowered = match (self.request.choice.thinking, selected.thinking) {
            (Some(asked), given) if given != Some(asked) && self.reasons_for(&selected.model) => Some(asked),
            _ => None,
        };
        let why = if selected.model != wanted {
            let because = self.reasons.join("; ");
            Some(bounded(format!("answered by {} because {because}", selected.model)))
        } else {
            lowered.map(|asked| {
                format!(
                    "answered by {} with less thinking because it does not take level {}",
                    selected.model,
                    asked.as_str()
                )
            })
        };
        Selected { why, ..selected }
    }

    /// Tells whether the model refuses the level that was asked for.
    fn reasons_for(&self, model: &ModelRef) -> bool {
        let learned = self.shared.health().learned(model);
        self.request.choice.thinking.is_some_and(|asked| learned.thinking.contains(&asked))
    }

    /// Ends the call with an answer, unless it is empty for the first time.
    fn completed(&mut self, mut done: Completed) -> Result<ModelEvent, Error> {
        let Some(attempt) = self.attempt.as_mut() else { return Err(protocol("an answer came from nobody")) };
        let is_empty = done.turn.blocks.is_empty() && done.turn.stop == StopReason::EndTurn;
        if is_empty && !std::mem::replace(&mut attempt.has_retried_empty, true) {
            return Err(protocol("the answer is empty"));
        }
        self.shared.health().answered(&attempt.candidate.key());
        done.usage.cost_usd = done.usage.cost_usd.or(attempt.candidate.row.price.map(|price| cost(&done.usage, price)));
        Ok(ModelEvent::Done(Box::new(done)))
    }

    /// Decides what follows a failure; an error ends the call.
    fn failed(&mut self, error: Error) -> Option<Error> {
        let Some(attempt) = self.attempt.as_mut() else { return Some(error) };
        self.live = None;
        let model = attempt.candidate.model.clone();
        let error = Error { message: format!("{model}: {}", error.message), model: Some(model.clone()), ..error };
        tracing::debug!(model = %model, class = ?error.class, status = error.status, "a model call failed");
        self.first_error.get_or_insert_with(|| error.clone());
        let reason = bounded(format!("{model} failed ({}): {}", said_class(error.class), without_name(&error, &model)));
        let standing = Standing { tries: attempt.tries, has_others: !self.waiting.is_empty() };
        match verdict(&error, standing) {
            Verdict::Again(wait) => {
                self.pause = wait;
                self.note(reason);
                return None;
            }
            Verdict::ThinkLess => match attempt.thinking {
                Some(refused) => {
                    let mut health = self.shared.health();
                    health.refuses_thinking(&model, refused);
                    let known = health.learned(&model).thinking;
                    attempt.thinking = self.request.choice.thinking.and_then(|wanted| level(wanted, &known));
                    return None;
                }
                None => return self.plainer(error),
            },
            Verdict::Plainer => return self.plainer(error),
            Verdict::Stop => return Some(error),
            Verdict::Rotate => self.rests(&error),
            Verdict::Cascade => {
                self.rests(&error);
                self.waiting.retain(|candidate| candidate.model != model);
            }
            Verdict::Skip => self.waiting.retain(|candidate| candidate.model != model),
        }
        self.attempt = None;
        self.note(reason);
        None
    }

    /// Keeps a reason once, however often it came.
    fn note(&mut self, reason: String) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn rests(&mut self, error: &Error) {
        if let Some(attempt) = &self.attempt {
            let now = self.shared.clock.monotonic();
            self.shared.health().failed(attempt.candidate.key(), error, now);
        }
    }

    /// Tries the same once more in the plainest form.
    fn plainer(&mut self, error: Error) -> Option<Error> {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.form != Form::Plain) else {
            return Some(error);
        };
        attempt.form = Form::Plain;
        if crate::error::names_a_parameter(&error.message) {
            self.shared.health().refuses_extras(&attempt.candidate.model);
        }
        None
    }

    /// Makes the error of a call nobody answered.
    fn give_up(&mut self) -> Error {
        self.is_over = true;
        let Some(first) = self.first_error.take() else {
            return error(ErrorClass::NotConfigured, "no model is configured; run `openclaw onboard`");
        };
        if self.reasons.len() < 2 {
            return first;
        }
        let message = bounded(format!("no model could answer: {}", self.reasons.join("; ")));
        Error { message, ..first }
    }
}

impl Live {
    async fn next(&mut self) -> Result<ModelEvent, Error> {
        match self {
            Live::Remote(exchange) => exchange.next().await,
            Live::Offline(stream) => loop {
                match stream.next().await {
                    // It was introduced when it was chosen.
                    Some(Ok(ModelEvent::Selected(_))) => {}
                    Some(event) => return event,
                    None => return Err(protocol("the offline model ended without an answer")),
                }
            },
        }
    }
}

/// Returns a model with each of its credentials, in order.
fn candidates(settings: &Settings, model: ModelRef) -> Vec<Candidate> {
    let Some(at) = settings.providers.iter().position(|provider| provider.id == model.provider) else {
        return vec![Candidate {
            row: Model::guess(&model.model),
            model,
            provider: None,
            credential: None,
            rest: None,
        }];
    };
    let provider = &settings.providers[at];
    let pinned = pinned(provider, &model.model);
    let row = provider.model(pinned.as_ref().map_or(model.model.as_str(), |(id, _)| id));
    let made = |credential: Option<&Credential>| Candidate {
        model: model.clone(),
        provider: Some(at),
        row: row.clone(),
        credential: credential.cloned(),
        rest: None,
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

/// Opens the stream of an attempt.
async fn open(
    shared: &Shared,
    settings: &Settings,
    request: &ModelRequest,
    attempt: &Attempt,
) -> Result<(Live, Option<Selected>), Error> {
    let candidate = &attempt.candidate;
    if candidate.model.provider == offline::PROVIDER {
        return Ok((Live::Offline(shared.offline.stream(request.clone()).await?), None));
    }
    let provider = candidate.provider.and_then(|at| settings.providers.get(at)).ok_or_else(|| {
        let message = "no such provider is configured; list them with `openclaw models list`";
        error(ErrorClass::NotConfigured, message)
    })?;
    if candidate.credential.is_none() && !provider.is_keyless {
        return Err(error(ErrorClass::NotConfigured, no_credential(provider)));
    }
    let call = Call { request, provider, model: &candidate.row, thinking: attempt.thinking, form: attempt.form };
    let encoded = encode(&call)?;
    let sent = exchange::request(&call, candidate.credential.as_ref(), encoded);
    let reading = Reading { names: Names::of(&request.tools), quirks: provider.quirks, model: candidate.model.clone() };
    let (net, clock) = (shared.net.as_ref(), Arc::clone(&shared.clock));
    let live = Exchange::open(net, clock, sent, call.dialect(), reading).await?;
    let selected = Selected { thinking: call.level(), ..plain_selection(candidate) };
    Ok((Live::Remote(Box::new(live)), Some(selected)))
}

fn no_credential(provider: &Provider) -> String {
    match provider.key_names.first() {
        Some(name) => format!("no credential for {}; set {name} or run `openclaw onboard`", provider.name),
        None => format!("no credential for {0}; set models.providers.{0}.apiKey", provider.id),
    }
}

fn plain_selection(candidate: &Candidate) -> Selected {
    let profile = candidate.credential.as_ref().map(|credential| credential.profile.clone());
    Selected { model: candidate.model.clone(), profile, thinking: None, why: None }
}

fn cost(usage: &Usage, price: Price) -> f64 {
    let parts = [
        (usage.input, price.input),
        (usage.output, price.output),
        (usage.cache_read, price.cache_read),
        (usage.cache_write, price.cache_write),
    ];
    parts.into_iter().map(|(tokens, dollars)| tokens as f64 * dollars / 1e6).sum()
}

fn without_name<'a>(error: &'a Error, model: &ModelRef) -> &'a str {
    error.message.strip_prefix(&format!("{model}: ")).unwrap_or(&error.message)
}

fn bounded(text: String) -> String {
    match text.char_indices().nth(WHY_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// Returns a class in words.
fn said_class(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Auth => "login refused",
        ErrorClass::Quota => "quota used up",
        ErrorClass::RateLimited => "rate limited",
        ErrorClass::Overloaded => "overloaded",
        ErrorClass::ContextOverflow => "context overflow",
        ErrorClass::BadRequest => "request refused",
        ErrorClass::ThinkingRefused => "thinking level refused",
        ErrorClass::NoSuchModel => "no such model",
        ErrorClass::ContentRefused => "content refused",
        ErrorClass::Truncated => "truncated answer",
        ErrorClass::Timeout => "timeout",
        ErrorClass::Network => "network error",
        ErrorClass::Protocol => "unintelligible answer",
        ErrorClass::NotConfigured => "not configured",
    }
}
