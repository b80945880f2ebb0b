//! Carries one run to one client.
//!
//! It sends only while the client takes what it gets: beyond a bound it stops
//! and later goes on from its position, so a slow client costs no memory and
//! loses nothing that is recorded. A future of its connection; dropping it ends
//! the subscription.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ports::JournalError;
use openclaw_domain::{Recorded, RunEvent};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::feed::{Feed, Name};
use super::pace::Pace;
use super::payload::{self, Heading};
use super::telling::{Telling, What};
use crate::client::Client;
use crate::events::frame::Frame;
use crate::gateway::Gateway;

/// Events read from the journal at once.
pub(crate) const PAGE: usize = 128;

/// Carries a run to a client.
pub(crate) struct Pump {
    gateway: Arc<Gateway>,
    client: Arc<Client>,
    name: Name,
    feed: Arc<Feed>,
    heading: Heading,
    telling: Telling,
    pace: Pace,
    page: VecDeque<Recorded>,
    /// Whether the journal may hold more than was read.
    is_behind: bool,
    asides_from: u64,
    deltas_sent: u64,
    stop: CancellationToken,
}

impl Pump {
    /// Makes a pump; `telling` says where the client is.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        client: Arc<Client>,
        name: Name,
        telling: Telling,
        pace: Pace,
        registered: (String, CancellationToken),
    ) -> Self {
        let feed = gateway.hub.feeds().open(&name);
        let (subscription, stop) = registered;
        let heading = Heading::new(&name, subscription, client.hears_tools);
        let asides_from = feed.asides_end();
        Self {
            gateway,
            client,
            name,
            feed,
            heading,
            telling,
            pace,
            page: VecDeque::new(),
            is_behind: true,
            asides_from,
            deltas_sent: 0,
            stop,
        }
    }

    /// Takes note of the calls an event names that the client has already.
    pub(crate) fn remember(&mut self, recorded: &Recorded) {
        self.heading.remember(&recorded.event);
    }

    /// Takes over events after the client's position that were read already.
    pub(crate) fn begin_with(&mut self, events: Vec<Recorded>) {
        self.page.extend(events);
    }

    /// Works until the run's end is told or the subscription is taken back.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        let worked = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            worked = self.work() => worked,
        };
        if let Err(error) = worked {
            tracing::warn!(run = %self.name.1, %error, "a subscription ended because the journal could not be read");
            self.push(&self.heading.failed(self.telling.cursor(), self.gateway.now(), &error.to_string()));
        }
    }

    async fn work(&mut self) -> Result<(), JournalError> {
        let mut changes = self.feed.watch();
        while !self.telling.is_ended() {
            self.client.queue.room().await;
            changes.mark_unchanged();
            let is_over = self.feed.is_over();
            self.load(is_over).await?;
            if self.holds_back() {
                let wait = self.wait();
                if wait > Duration::ZERO {
                    self.pause(&mut changes, wait).await;
                    continue;
                }
            }
            if let Some(recorded) = self.page.pop_front() {
                self.tell(&recorded);
                continue;
            }
            if is_over {
                // The engine is done and the journal has no end: it could not be recorded.
                self.push(&self.heading.unrecorded(self.telling.cursor(), self.gateway.now()));
                return Ok(());
            }
            self.asides();
            if self.has_live() {
                let wait = self.wait();
                if wait == Duration::ZERO {
                    self.live();
                } else {
                    self.pause(&mut changes, wait).await;
                }
                continue;
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads on when the journal has more and nothing read is left, or when what
    /// is left might be joined with what comes next. The end of a run that nobody
    /// drove is recorded without a word about where.
    async fn load(&mut self, is_over: bool) -> Result<(), JournalError> {
        let last = self.page.back().map_or(self.telling.seq(), |recorded| recorded.seq);
        let is_due = self.is_behind || is_over || self.feed.tip() > last;
        if !is_due || self.page.len() > 1 {
            return Ok(());
        }
        let (session, run) = &self.name;
        let read = self.gateway.ports.journal.events(session, run, last, PAGE).await?;
        self.is_behind = read.len() >= PAGE;
        self.page.extend(read);
        Ok(())
    }

    /// Tells whether all there is to tell is recorded text, which may still be joined by more.
    fn holds_back(&self) -> bool {
        let brings_text = |recorded: &Recorded| {
            let told = self.telling.clone().tell(recorded);
            matches!(recorded.event, RunEvent::ModelDelta { .. })
                && told.iter().any(|told| matches!(told.what, What::Event { text: Some(_), .. }))
        };
        !self.is_behind && self.page.len() == 1 && self.page.front().is_some_and(brings_text)
    }

    fn wait(&mut self) -> Duration {
        let deltas = self.feed.live().deltas.saturating_sub(self.deltas_sent);
        self.pace.wait(self.gateway.ports.clock.monotonic(), deltas)
    }

    async fn pause(&self, changes: &mut watch::Receiver<u64>, wait: Duration) {
        tokio::select! {
            // The feed outlives its watchers, so an error cannot come.
            _changed = changes.changed() => {}
            () = self.gateway.ports.clock.sleep(wait) => {}
        }
    }

    fn tell(&mut self, recorded: &Recorded) {
        if matches!(recorded.event, RunEvent::ModelDelta { .. } | RunEvent::ModelDone { .. }) {
            self.note_sent();
        }
        for told in self.telling.tell(recorded) {
            self.push(&self.heading.told(&told, recorded));
        }
        self.heading.remember(&recorded.event);
    }

    fn has_live(&self) -> bool {
        let live = self.feed.live();
        !self.telling.clone().live(live.seq, live.from, &live.text).is_empty()
    }

    fn live(&mut self) {
        let live = self.feed.live();
        self.note_sent();
        for told in self.telling.live(live.seq, live.from, &live.text) {
            self.push(&self.heading.live(&told, self.gateway.now()));
        }
    }

    fn note_sent(&mut self) {
        self.deltas_sent = self.feed.live().deltas;
        self.pace.sent(self.gateway.ports.clock.monotonic());
    }

    fn asides(&mut self) {
        let (asides, end) = self.feed.asides(self.asides_from);
        self.asides_from = end;
        for aside in asides {
            self.push(&self.heading.aside(aside, self.telling.cursor(), self.gateway.now()));
        }
    }

    fn push(&self, payload: &payload::Payload) {
        self.client.queue.push_kept(&Frame::new(
            crate::events::names::AGENT,
            payload,
            crate::events::frame::WhenSlow::Close,
        ));
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.client.forget_subscription(self.heading.subscription());
        self.gateway.hub.interests_changed();
        self.gateway.hub.feeds().release(&self.name, &self.feed);
    }
}
