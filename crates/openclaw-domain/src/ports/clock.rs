//! Port: time.

use std::time::Duration;

use async_trait::async_trait;

use crate::ids::Timestamp;

/// Tells and waits for time. Production: `app::clock`; tests: `testkit::FakeClock`.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the wall-clock time.
    fn now(&self) -> Timestamp;

    /// Returns time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}
