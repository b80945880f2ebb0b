//! Keeps checkpoints, and the files of instances: only between steps, when nothing is under way, and not too often.

use std::time::Duration;

use openclaw_domain::ports::{ScratchCount, Snapshotted};
use openclaw_domain::scratch::{Bounds, KeptScratch};
use openclaw_domain::tool::Effect;
use openclaw_domain::{Seq, Timestamp};
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
    files: Files,
}

/// What is known of the files of the run's instance.
struct Files {
    /// Whether they may differ from what is kept: nobody knows what an earlier
    /// owner did to them, so they do at first.
    are_dirty: bool,
    /// What is kept, and at which position.
    kept: Option<([u8; 32], Seq)>,
    count: Option<ScratchCount>,
}

impl Default for Files {
    fn default() -> Self {
        Self { are_dirty: true, kept: None, count: None }
    }
}

impl Keeping {
    /// Notes that a tool begins, which may change files.
    pub(super) fn note_start(&mut self, effect: Effect) {
        self.files.are_dirty |= effect != Effect::Pure;
    }
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
        let are_files_due = self.quarters.is_some() && self.keeping.files.are_dirty;
        let is_due = are_files_due || self.keeping.kept < self.state.seq;
        if !is_due || !self.is_quiescent() {
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
        if self.keeping.files.are_dirty {
            self.keep_files(committed, at).await;
        }
        if self.keeping.kept >= committed {
            return;
        }
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

    /// Keeps the files of the run's instance as they are. A failure costs nothing
    /// while the folder is there; it is tried again after the interval.
    async fn keep_files(&mut self, committed: Seq, at: Timestamp) {
        let Some(quarters) = self.quarters.clone() else { return };
        let captured = match self.shared.ports.scratches.capture(&quarters.instance, &Bounds::default()).await {
            Ok(captured) => captured,
            Err(fault) => {
                tracing::warn!(run = %self.request.id, %fault, "the files of an instance were not kept");
                return;
            }
        };
        let (files, bytes, left_out) = (captured.files.len(), captured.bytes(), captured.left_out.clone());
        let (same, is_moving) = ((captured.digest(), committed), captured.is_moving);
        if self.keeping.files.kept != Some(same) {
            let (session, run) = (&self.request.session, &self.request.id);
            let kept = KeptScratch { seq: committed, at, captured };
            if let Err(error) = self.shared.ports.journal.keep_scratch(session, run, self.epoch, kept).await {
                tracing::warn!(%run, %error, "the files of an instance were not kept");
                return;
            }
        }
        if !left_out.is_empty() {
            let words = left_out.words();
            tracing::warn!(run = %self.request.id, count = left_out.count, words, "not all files of an instance are kept");
        }
        let count = Some(ScratchCount { files, bytes, left_out });
        // A program that runs may change them again, and ends without a word.
        self.keeping.files = Files { are_dirty: is_moving, kept: Some(same), count };
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
            scratch: self.keeping.files.count.clone(),
        };
        // Whoever asked may have left.
        let _left = reply.send(snapshotted);
    }
}
