//! Keeps checkpoints: only between steps, when nothing is under way, and not too often.

use std::time::Duration;

use openclaw_domain::Seq;
use openclaw_domain::ports::Snapshotted;
use tokio::sync::oneshot;

use super::Driver;
use crate::checkpoint;

/// When a run was kept last, and whether somebody asked for it.
#[derive(Default)]
pub(super) struct Keeping {
    /// Position that is kept.
    kept: Seq,
    /// When that was, or when the run was first asked.
    since: Option<Duration>,
    is_wanted: bool,
}

impl Driver {
    /// Keeps a checkpoint if it is time and nothing is under way.
    pub(super) async fn checkpoint_if_due(&mut self) {
        if self.next_checkpoint() == Some(Duration::ZERO) {
            self.keep_checkpoint().await;
        }
    }

    /// Returns how long until a checkpoint is to be kept; `None` while nothing
    /// new is recorded or something is under way.
    pub(super) fn next_checkpoint(&mut self) -> Option<Duration> {
        if self.keeping.kept >= self.state.seq || !self.is_quiescent() {
            return None;
        }
        if self.keeping.is_wanted {
            return Some(Duration::ZERO);
        }
        let every = self.shared.options.snapshot_interval?;
        let now = self.shared.ports.clock.monotonic();
        let since = *self.keeping.since.get_or_insert(now);
        Some((since + every).saturating_sub(now))
    }

    /// Tells whether the state says all there is to know: no tool, probe or
    /// stream is under way, and no streamed text waits to be recorded.
    fn is_quiescent(&self) -> bool {
        self.stream.is_none()
            && self.tools.is_empty()
            && self.probes.is_empty()
            && self.admitted.is_empty()
            && self.unflushed.is_empty()
            && !self.shortening.is_making()
    }

    /// Keeps the state as it is. A failure costs nothing but time at the next
    /// start: whether the run is still ours, the next append finds out.
    async fn keep_checkpoint(&mut self) {
        let committed = Seq(self.next.0.saturating_sub(1));
        if self.state.seq != committed {
            tracing::error!(run = %self.request.id, state = self.state.seq.0, journal = committed.0,
                "the state is not where the journal is; no checkpoint is kept");
            return;
        }
        self.keeping.since = Some(self.shared.ports.clock.monotonic());
        self.keeping.is_wanted = false;
        let at = self.shared.ports.clock.now();
        let made = match checkpoint::encode(&mut self.state, &self.shared.options.build, at) {
            Ok(made) => made,
            Err(error) => {
                tracing::warn!(run = %self.request.id, %error, "a checkpoint was not kept");
                return;
            }
        };
        let (session, run) = (&self.request.session, &self.request.id);
        match self.shared.ports.journal.keep_checkpoint(session, run, self.epoch, made).await {
            Ok(()) => self.keeping.kept = committed,
            Err(error) => tracing::warn!(run = %self.request.id, %error, "a checkpoint was not kept"),
        }
    }

    /// Keeps a checkpoint because somebody asked: now, or as soon as nothing is under way.
    pub(super) async fn snapshot(&mut self, reply: oneshot::Sender<Snapshotted>) {
        self.keeping.is_wanted = true;
        self.checkpoint_if_due().await;
        if self.keeping.kept >= self.state.seq {
            self.keeping.is_wanted = false;
        }
        let snapshotted = Snapshotted {
            run: self.request.id.clone(),
            session: self.request.session.clone(),
            kept: self.keeping.kept,
            head: Seq(self.next.0.saturating_sub(1)),
            at: self.shared.ports.clock.now(),
        };
        // Whoever asked may have left.
        let _left = reply.send(snapshotted);
    }
}
