//! One home with its model server and its effect server.

use std::path::{Path, PathBuf};

use openclaw_testkit::server::Server;
use serde_json::Value;

use crate::effect::Effects;
use crate::home::Home;
use crate::plan::Meter;
use crate::scenario::{Ground, Scenario};

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
    /// Counts model calls.
    pub meter: Meter,
    /// Which start of the gateway this is, from 1.
    pub life: usize,
    _model: Server,
}

impl World {
    /// Makes the world of a scenario.
    ///
    /// # Errors
    /// When a server or the home cannot be made.
    pub async fn make(site: &Site, scenario: &Scenario) -> anyhow::Result<Self> {
        Self::with(site, &(scenario.config)()).await
    }

    /// Makes a world; `config` is merged over the configuration.
    ///
    /// # Errors
    /// When a server or the home cannot be made.
    pub async fn with(site: &Site, config: &Value) -> anyhow::Result<Self> {
        let meter = Meter::default();
        let model = Server::start(meter.script()).await?;
        let effects = Effects::start().await?;
        let home = Home::make(&site.folder, &site.binary, &model.url(), config)?;
        std::fs::write(home.workspace().join("seed.txt"), "the seed\n")?;
        Ok(Self { home, effects, meter, life: 0, _model: model })
    }

    /// Counts one more start of the gateway.
    pub fn begin_life(&mut self) {
        self.life += 1;
        self.meter.begin_life(self.life);
        self.effects.begin_life(self.life);
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
