//! One home with its model server and its effect server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openclaw_testkit::server::Server;
use serde_json::Value;

use crate::effect::Effects;
use crate::follow::Readers;
use crate::home::Home;
use crate::plan::Meter;
use crate::scenario::{Ground, Scenario};

/// How often a port is tried that was in use a moment ago.
const REBINDS_MAX: usize = 400;

/// Where worlds are made, and with which program.
#[derive(Debug, Clone)]
pub struct Site {
    /// The gateway, built with the feature `crash-points`.
    pub binary: PathBuf,
    /// The folder homes are made in; memory is fine, because a killed process loses nothing of it.
    pub folder: PathBuf,
}

/// Everything one case needs.
pub struct World {
    /// The home.
    pub home: Home,
    /// The world outside.
    pub effects: Effects,
    /// Follow runs through the kills.
    pub readers: Arc<Readers>,
    /// Counts model calls.
    pub meter: Meter,
    /// Which start of the gateway this is, from 1.
    pub life: usize,
    /// The model server of this life, always at the same port.
    model: Server,
}

impl World {
    /// Makes the world of a scenario.
    ///
    /// # Errors
    /// When a server or the home cannot be made.
    pub async fn make(site: &Site, scenario: &Scenario) -> anyhow::Result<Self> {
        Self::with(site, scenario.config).await
    }

    /// Makes a world; what `config` says of an effect server is merged over the configuration.
    ///
    /// # Errors
    /// When a server or the home cannot be made.
    pub async fn with(site: &Site, config: impl Fn(SocketAddr) -> Value) -> anyhow::Result<Self> {
        let meter = Meter::default();
        let model = Server::start(meter.script(0)).await?;
        let effects = Effects::start().await?;
        let home = Home::make(&site.folder, &site.binary, &model.url(), &config(effects.address()))?;
        std::fs::write(home.workspace().join("seed.txt"), "the seed\n")?;
        let readers = Arc::new(Readers::new(home.state()));
        Ok(Self { home, effects, readers, meter, life: 0, model })
    }

    /// Counts one more start of the gateway.
    ///
    /// The model server begins anew with it: a request that a dead gateway had on
    /// its way would count for the next one otherwise.
    ///
    /// # Errors
    /// When the model server cannot be started again at its port.
    pub async fn begin_life(&mut self) -> anyhow::Result<()> {
        self.life += 1;
        self.effects.begin_life(self.life);
        self.readers.begin_life(self.life);
        let port = self.model.address().port();
        // Anywhere, only to end the one before; its port is free a moment later.
        self.model = Server::start(self.meter.script(self.life)).await?;
        let mut last = None;
        for _ in 0..REBINDS_MAX {
            match Server::start_bare(port, self.meter.script(self.life)).await {
                Ok(model) => {
                    self.model = model;
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(last
            .map_or_else(|| anyhow::anyhow!("no try"), anyhow::Error::new)
            .context(format!("cannot listen at port {port} again")))
    }

    /// Returns what a scenario needs to know of this world.
    ///
    /// # Errors
    /// When this program does not know where it is.
    pub fn ground(&self) -> anyhow::Result<Ground> {
        Ok(Ground { effects: self.effects.address(), own: std::env::current_exe()? })
    }
}

/// Returns the folder for homes: memory where there is some.
pub fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
