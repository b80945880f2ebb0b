//! The real clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use openclaw_domain::Timestamp;
use openclaw_domain::ports::Clock;

/// The machine's clocks behind the port `Clock`.
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Makes a clock whose monotonic time starts now.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock set before 1970 shows as 1970 rather than stopping the program.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
