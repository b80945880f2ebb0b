//! A tool that does what a closure says.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::ports::{Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, Probed, ToolOutput, ToolSpec};
use openclaw_domain::{Origin, Permit, ToolCall};
use serde_json::{Value, json};

use crate::latch::Latch;

type Act = Box<dyn Fn(&Value) -> Result<ToolOutput, Error> + Send + Sync>;

/// Tool of a test; records the calls it ran.
pub struct FakeTool {
    spec: ToolSpec,
    act: Act,
    hold: Option<Latch>,
    probed: Probed,
    keys_kept: Option<Duration>,
    ran: Mutex<Vec<ToolCall>>,
}

impl FakeTool {
    /// Makes a tool that only reads, run by `act` with the parsed arguments.
    pub fn new(name: &str, act: impl Fn(&Value) -> Result<ToolOutput, Error> + Send + Sync + 'static) -> Self {
        let (spec, act, ran) = (spec(name), Box::new(act), Mutex::default());
        Self { spec, act, hold: None, probed: Probed::Unknown, keys_kept: None, ran }
    }

    /// Makes a tool that always returns this text.
    pub fn says(name: &str, text: &str) -> Self {
        let (text, origin) = (text.to_owned(), Origin::Tool { tool: name.to_owned() });
        Self::new(name, move |_| Ok(ToolOutput::text(text.clone(), origin.clone())))
    }

    /// Sets what a second dispatch would do.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.spec.effect = effect;
        self
    }

    /// Sets what the tool touches.
    #[must_use]
    pub fn capability(mut self, capability: Capability) -> Self {
        self.spec.capability = capability;
        self
    }

    /// Holds every call at a door before it acts.
    #[must_use]
    pub fn hold(mut self, latch: &Latch) -> Self {
        self.hold = Some(latch.clone());
        self
    }

    /// Sets what the tool finds out about a call of an earlier process.
    #[must_use]
    pub fn probed(mut self, probed: Probed) -> Self {
        self.probed = probed;
        self
    }

    /// Sets how long keys are kept.
    #[must_use]
    pub fn keys_kept(mut self, kept: Duration) -> Self {
        self.keys_kept = Some(kept);
        self
    }

    /// Returns the calls that ran, oldest first.
    pub fn ran(&self) -> Vec<ToolCall> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes the description of a tool that only reads and takes any arguments.
pub fn spec(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: format!("the tool {name} of a test"),
        parameters: json!({ "type": "object", "properties": {}, "required": [] }),
        effect: Effect::Pure,
        capability: Capability::FsRead,
    }
}

#[async_trait]
impl Tool for FakeTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, _cx: &ToolCx) -> Result<ToolOutput, Error> {
        let call = permit.call().clone();
        let arguments = serde_json::from_str(&call.arguments)
            .map_err(|error| Error::tell(format!("the arguments of {} are not JSON: {error}", call.name)))?;
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        if let Some(latch) = &self.hold {
            latch.pass().await;
        }
        (self.act)(&arguments)
    }

    async fn probe(&self, _call: &ToolCall, _cx: &ToolCx) -> Probed {
        self.probed.clone()
    }

    fn keys_kept(&self) -> Option<Duration> {
        self.keys_kept
    }
}
