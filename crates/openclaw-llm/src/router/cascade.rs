//! One call on its way through credentials, levels and models.
//!
//! Holds the whole state of a call; dropping it cancels whatever runs. Every
//! tier is bounded: tries per candidate, levels of thinking, forms, candidates.

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
use super::candidates::{Candidate, Now, Plan, plan};
use super::reasons::Reasons;
use super::verdict::{Standing, Verdict, level, verdict};
use super::words::{bounded, next_step, no_credential};
use crate::dialect::{Call, Form, Reading, encode};
use crate::error::{error, protocol, refuses_altogether};
use crate::exchange::{self, Exchange};
use crate::names::Names;
use crate::offline;
use crate::settings::{Settings, canonical};

/// Longest asked wait that is waited out when a resting candidate is the last hope.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(20);

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
    /// A refusal named a parameter; if the plainer form works, it is remembered.
    blames_extras: bool,
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
    reasons: Reasons,
    /// What is said when nobody answers: the wanted model's failure, else the first.
    main_error: Option<Error>,
    is_over: bool,
}

impl Cascade {
    pub(super) fn new(shared: Arc<Shared>, request: ModelRequest) -> Self {
        let settings = shared.settings();
        let now = Now { monotonic: shared.clock.monotonic(), wall: shared.clock.now() };
        let Plan { waiting, reasons } = plan(&settings, &request.choice, &shared.health(), now);
        Self {
            shared,
            settings,
            request,
            waiting,
            attempt: None,
            live: None,
            has_output: false,
            pause: Duration::ZERO,
            reasons,
            main_error: None,
            is_over: false,
        }
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
                        return Some(Ok(ModelEvent::Superseded { reason: bounded(self.reasons.newest()) }));
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
            self.pause = self.pause.max(candidate.asked_wait.min(ASKED_WAIT_MAX));
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
            blames_extras: false,
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
            let because = self.reasons.all();
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
        // Thoughts alone are no answer either.
        let is_silent = done.turn.calls().next().is_none() && done.turn.text().trim().is_empty();
        let is_empty = is_silent && done.turn.stop == StopReason::EndTurn;
        if is_empty && !std::mem::replace(&mut attempt.has_retried_empty, true) {
            return Err(protocol("the answer is empty"));
        }
        let mut health = self.shared.health();
        health.answered(&attempt.candidate.key());
        if attempt.blames_extras {
            health.refuses_extras(&attempt.candidate.model);
        }
        drop(health);
        done.usage.cost_usd = done.usage.cost_usd.or(attempt.candidate.row.price.map(|price| cost(&done.usage, price)));
        Ok(ModelEvent::Done(Box::new(done)))
    }

    /// Decides what follows a failure; an error ends the call.
    fn failed(&mut self, error: Error) -> Option<Error> {
        let Some(attempt) = self.attempt.as_mut() else { return Some(error) };
        self.live = None;
        let model = attempt.candidate.model.clone();
        let error = Error { model: Some(model.clone()), ..error };
        tracing::debug!(model = %model, class = ?error.class, status = error.status, "a model call failed");
        if self.main_error.is_none() || model == canonical(&self.request.choice.primary) {
            self.main_error = Some(error.clone());
        }
        let standing = Standing { tries: attempt.tries, has_others: !self.waiting.is_empty() };
        match verdict(&error, standing) {
            Verdict::Again(wait) => {
                self.pause = wait;
                self.reasons.failed(&model, &error);
                return None;
            }
            Verdict::ThinkLess => match attempt.thinking {
                Some(refused) => {
                    let mut health = self.shared.health();
                    health.refuses_thinking(&model, refused);
                    if refuses_altogether(&error.message) {
                        Thinking::ALL.iter().for_each(|level| health.refuses_thinking(&model, *level));
                    }
                    let known = health.learned(&model).thinking;
                    attempt.thinking = self.request.choice.thinking.and_then(|wanted| level(wanted, &known));
                    return None;
                }
                None => return self.plainer(error),
            },
            Verdict::Plainer => return self.plainer(error),
            Verdict::Stop => return self.stop(error),
            Verdict::Rotate => self.rests(&error),
            Verdict::Cascade => {
                self.rests(&error);
                self.waiting.retain(|candidate| candidate.model != model);
            }
            Verdict::Skip => self.waiting.retain(|candidate| candidate.model != model),
        }
        self.attempt = None;
        self.reasons.failed(&model, &error);
        None
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
            return self.stop(error);
        };
        attempt.form = Form::Plain;
        attempt.blames_extras = crate::error::names_a_parameter(&error.message);
        None
    }

    /// Ends the call with this error, unless it is a stand-in's: then the others are
    /// still asked, and the wanted model's own failure is what the person hears about.
    fn stop(&mut self, error: Error) -> Option<Error> {
        let model = error.model.clone()?;
        let is_stand_in = model != canonical(&self.request.choice.primary);
        if !is_stand_in || error.class == ErrorClass::ContentRefused {
            self.reasons.failed(&model, &error);
            return Some(self.spoken(self.reasons.newest(), error));
        }
        self.waiting.retain(|candidate| candidate.model != model);
        self.attempt = None;
        self.reasons.failed(&model, &error);
        None
    }

    /// Makes the error of a call nobody answered.
    fn give_up(&mut self) -> Error {
        self.is_over = true;
        let Some(main) = self.main_error.take() else {
            return error(ErrorClass::NotConfigured, "no model is configured; run `openclaw onboard`");
        };
        let lead = if self.reasons.has_several_models() { "no model could answer: " } else { "" };
        self.spoken(format!("{lead}{}", self.reasons.all()), main)
    }

    /// Words an error for people: what happened, then what to do about it.
    fn spoken(&self, what: String, error: Error) -> Error {
        let what = bounded(what);
        let model = error.model.as_ref();
        let step = model.and_then(|model| next_step(error.class, model, self.settings.provider(&model.provider)));
        let message = step.map(|step| format!("{what}. {step}")).unwrap_or(what);
        Error { message, ..error }
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
    let model = &candidate.row;
    let tools = shared.tools.get(&request.tools, model.dialect.unwrap_or(provider.dialect))?;
    let (thinking, form) = (attempt.thinking, attempt.form);
    let call = Call { request, provider, model, thinking, form, tools: tools.as_deref() };
    let encoded = encode(&call)?;
    let sent = exchange::request(&call, candidate.credential.as_ref(), encoded);
    let reading = Reading { names: Names::of(&request.tools), quirks: provider.quirks, model: candidate.model.clone() };
    let (net, clock) = (shared.net.as_ref(), Arc::clone(&shared.clock));
    let live = Exchange::open(net, clock, sent, call.dialect(), reading).await?;
    let selected = Selected { thinking: call.level(), ..plain_selection(candidate) };
    Ok((Live::Remote(Box::new(live)), Some(selected)))
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
