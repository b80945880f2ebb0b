//! The port `History`, served by the engine.

use async_trait::async_trait;
use openclaw_domain::ports::{Comparison, ForkWish, Forked, History, Replay, RunName};
use openclaw_domain::{Fault, RunId, SessionKey};

use super::recording::Recording;
use super::{check, compare, fork, recording};
use crate::engine::Engine;

#[async_trait]
impl History for Engine {
    async fn replay(&self, session: Option<&SessionKey>, run: &RunId) -> Result<Replay, Fault> {
        let name = RunName { session: session.cloned(), run: run.clone() };
        Ok(check::check(&read(self, &name).await?))
    }

    async fn fork(&self, wish: ForkWish) -> Result<Forked, Fault> {
        fork::begin(self.shared(), wish).await
    }

    async fn compare(&self, a: &RunName, b: &RunName) -> Result<Comparison, Fault> {
        Ok(compare::compare(&read(self, a).await?, &read(self, b).await?))
    }
}

async fn read(engine: &Engine, name: &RunName) -> Result<Recording, Fault> {
    let ports = &engine.shared().ports;
    recording::read(&*ports.journal, &*ports.sessions, name).await
}
