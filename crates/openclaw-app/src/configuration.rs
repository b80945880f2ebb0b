//! The configuration of this process: one home, one loader, one loaded state.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use openclaw_config::{Env, Home, Loaded, Loader};
use serde_json::Value;

/// The configuration in force; replaced as a whole on reload.
pub(crate) struct Configuration {
    loader: Loader,
    current: RwLock<Arc<Loaded>>,
}

impl Configuration {
    /// Loads the configuration of a profile. `flags` beat everything else.
    ///
    /// # Errors
    /// When there is no home directory, or the profile's name is not one.
    pub(crate) fn load(
        profile: Option<&str>,
        flags: Vec<(&'static str, Value)>,
    ) -> Result<Self, openclaw_config::home::Error> {
        let env = Env::process();
        let home = Home::locate(&env, profile)?;
        let loader =
            flags.into_iter().fold(Loader::new(env, home), |loader, (path, value)| loader.with_flag(path, value));
        let current = RwLock::new(Arc::new(loader.load()));
        Ok(Self { loader, current })
    }

    /// Returns the configuration in force.
    pub(crate) fn current(&self) -> Arc<Loaded> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file anew without putting it in force.
    pub(crate) fn read(&self) -> Loaded {
        self.loader.load()
    }

    /// Returns how texts are read and written.
    pub(crate) fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Puts a loaded configuration in force; returns the one before.
    pub(crate) fn put(&self, loaded: Loaded) -> Arc<Loaded> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, Arc::new(loaded))
    }

    /// Returns the state directory.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.loader.home().state_dir.clone()
    }
}
