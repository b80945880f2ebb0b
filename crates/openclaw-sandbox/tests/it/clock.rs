//! A clock that runs, for tests that wait for real programs.

use std::time::Duration;

use openclaw_domain::Timestamp;
use openclaw_domain::ports::Clock;

/// Counts from when it was made.
pub(crate) struct Running(tokio::time::Instant);

impl Running {
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

#[async_trait::async_trait]
impl Clock for Running {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
