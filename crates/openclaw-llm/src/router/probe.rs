//! Asks a model for one short answer, for `models probe`, `doctor` and onboarding.

use std::time::Duration;

use futures_util::StreamExt;
use openclaw_domain::conversation::Conversation;
use openclaw_domain::message::UserTurn;
use openclaw_domain::model::{Completed, Error, ModelChoice, ModelEvent, ModelRef, ModelRequest};
use openclaw_domain::ports::Model;

use super::Router;
use crate::error::{error, protocol};

/// Enough for a word after a short thought.
const OUTPUT_TOKENS_MAX: u32 = 256;

/// How a probe went.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// The model asked; no stand-in answers a probe.
    pub model: ModelRef,
    /// Time to the complete answer, or to the failure.
    pub took: Duration,
    /// The answer's text, or what went wrong.
    pub result: Result<String, Error>,
}

pub(super) async fn probe(router: &Router, model: ModelRef) -> ProbeReport {
    let clock = &router.shared.clock;
    let began = clock.monotonic();
    let result = ask(router, model.clone()).await.map(|done| done.turn.text());
    ProbeReport { model, took: clock.monotonic().saturating_sub(began), result }
}

async fn ask(router: &Router, model: ModelRef) -> Result<Completed, Error> {
    let mut conversation = Conversation::default();
    conversation.say(UserTurn::owner("Reply with the single word OK.", router.shared.clock.now()));
    let unsendable = |cause| error(openclaw_domain::model::ErrorClass::BadRequest, format!("{cause}"));
    let request = ModelRequest {
        choice: ModelChoice { primary: model, fallbacks: Vec::new(), thinking: None },
        system: Vec::new(),
        prompt: conversation.prompt().map_err(unsendable)?,
        tools: [].into(),
        output_tokens_max: Some(OUTPUT_TOKENS_MAX),
        temperature: None,
        seed: None,
        idempotency_key: "probe".to_owned(),
        cache_key: String::new(),
    };
    let mut stream = router.stream(request).await?;
    while let Some(event) = stream.next().await {
        if let ModelEvent::Done(done) = event? {
            return Ok(*done);
        }
    }
    Err(protocol("the stream ended without an answer"))
}
