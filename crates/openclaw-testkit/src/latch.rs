//! A door that a test opens once.
//!
//! Holds a scripted stream, body or tool at a known point, so that a test can
//! look at what is in flight without sleeping.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed until [`Latch::open`] is called; clones are the same door.
#[derive(Debug, Clone)]
pub struct Latch {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_open: bool,
    waiting: usize,
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}

impl Latch {
    /// Makes a closed door.
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.is_open = true);
    }

    /// Waits in front of the door until it opens.
    pub async fn pass(&self) {
        self.state.send_modify(|state| state.waiting += 1);
        // The sender lives in `self`, so waiting cannot fail.
        drop(self.state.subscribe().wait_for(|state| state.is_open).await);
    }

    /// Waits until somebody has come to the door.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until `count` have come to the door.
    pub async fn reached_by(&self, count: usize) {
        drop(self.state.subscribe().wait_for(|state| state.waiting >= count).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_door_holds_until_it_is_opened() {
        let latch = Latch::new();
        let other = latch.clone();
        let task = tokio::spawn(async move { other.pass().await });
        latch.reached().await;
        assert!(!task.is_finished());
        latch.open();
        task.await.unwrap();
        latch.pass().await;
    }
}
