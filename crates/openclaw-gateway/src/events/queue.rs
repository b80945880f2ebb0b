//! What waits to be sent to one client.
//!
//! Producers are the engine's tasks, the consumer is the connection's task; a
//! plain lock is held for a push or a pop and never across an await. Bounded by
//! bytes: beyond the bound, droppable events are skipped with their number used
//! up, and an event that must not be lost closes the client ("slow consumer").

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use openclaw_protocol::error::close;
use tokio::sync::Notify;

use super::delta::Delta;
use super::frame::{Frame, WhenSlow};

/// How far back a delta looks for the stretch it continues.
const LOOK_BACK: usize = 16;

/// Bytes that may wait before subscriptions stop adding to them. Far below the
/// bound of the queue: a subscription goes on from its position and needs no backlog.
const ROOM_BYTES: usize = 256 * 1024;

/// One thing to send.
pub(crate) enum Item {
    /// A frame.
    Event(Frame),
    /// A stretch of text of the run with this tag.
    Delta(Delta),
    /// Numbers of events that were skipped.
    Gap(u64),
}

/// Why a client is closed by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// The queue of one client.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Notify,
    /// Told when something was taken, for subscriptions that wait for room.
    taken: Notify,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    items: VecDeque<(u64, Item)>,
    bytes: usize,
    close: Option<Close>,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), ready: Notify::new(), taken: Notify::new(), bytes_max }
    }

    /// Queues an event of the run with this tag; 0 is no run.
    pub(crate) fn push(&self, tag: u64, frame: &Frame) {
        let mut state = self.lock();
        let bytes = frame.bytes();
        if state.bytes + bytes > self.bytes_max {
            state.overflow(frame.when_slow, 1);
        } else {
            state.bytes += bytes;
            state.items.push_back((tag, Item::Event(frame.clone())));
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Queues a stretch of text, joined to a waiting one when it continues it.
    pub(crate) fn push_delta(&self, tag: u64, delta: &Delta) {
        let mut state = self.lock();
        if !state.join(tag, delta) {
            let bytes = delta.bytes();
            if state.bytes + bytes > self.bytes_max {
                state.overflow(WhenSlow::Drop, 2);
            } else {
                state.bytes += bytes;
                state.items.push_back((tag, Item::Delta(delta.clone())));
            }
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Queues an event of a subscription, which waited for room before: it is never skipped.
    pub(crate) fn push_kept(&self, frame: &Frame) {
        let mut state = self.lock();
        state.bytes += frame.bytes();
        state.items.push_back((0, Item::Event(frame.clone())));
        drop(state);
        self.ready.notify_one();
    }

    /// Waits until little enough is queued for a subscription to add to it.
    pub(crate) async fn room(&self) {
        loop {
            let taken = self.taken.notified();
            tokio::pin!(taken);
            // Listening begins before looking, so that no pop falls between the two.
            taken.as_mut().enable();
            if self.lock().bytes < ROOM_BYTES.min(self.bytes_max / 2) {
                return;
            }
            taken.await;
        }
    }

    /// Takes the oldest thing. `keeps_growing` leaves a last stretch of text where
    /// it is, so that it can grow: nothing waits behind it.
    pub(crate) fn pop(&self, keeps_growing: bool) -> Option<Item> {
        let mut state = self.lock();
        if !state.has(keeps_growing) {
            return None;
        }
        let (_, item) = state.items.pop_front()?;
        let bytes = match &item {
            Item::Event(frame) => frame.bytes(),
            // A joined stretch has grown since it was counted; the sum never goes below zero.
            Item::Delta(delta) => delta.bytes(),
            Item::Gap(_) => 0,
        };
        state.bytes = if state.items.is_empty() { 0 } else { state.bytes.saturating_sub(bytes) };
        drop(state);
        self.taken.notify_waiters();
        Some(item)
    }

    /// Tells whether [`Queue::pop`] would return something.
    pub(crate) fn has(&self, keeps_growing: bool) -> bool {
        self.lock().has(keeps_growing)
    }

    /// Asks the connection to close; the first reason stands.
    pub(crate) fn close(&self, code: u16, reason: impl Into<String>) {
        self.lock().close.get_or_insert(Close { code, reason: reason.into() });
        self.ready.notify_one();
    }

    /// Returns why to close, once asked.
    pub(crate) fn closing(&self) -> Option<Close> {
        self.lock().close.clone()
    }

    /// Waits until something was pushed or a close was asked for.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has(&self, keeps_growing: bool) -> bool {
        match self.items.front() {
            None => false,
            Some((_, Item::Delta(_))) => !keeps_growing || self.items.len() > 1,
            Some((_, Item::Event(_) | Item::Gap(_))) => true,
        }
    }

    fn overflow(&mut self, when_slow: WhenSlow, numbers: u64) {
        match when_slow {
            WhenSlow::Close => {
                metrics::counter!(crate::metrics::SLOW_CONSUMERS).increment(1);
                self.close.get_or_insert(Close { code: close::POLICY, reason: "slow consumer".to_owned() });
            }
            WhenSlow::Drop => {
                metrics::counter!(crate::metrics::EVENTS_DROPPED).increment(numbers);
                if let Some((_, Item::Gap(gap))) = self.items.back_mut() {
                    *gap += numbers;
                } else {
                    self.items.push_back((0, Item::Gap(numbers)));
                }
            }
        }
    }

    /// Joins to the last thing of the same run, if that is the stretch before.
    fn join(&mut self, tag: u64, delta: &Delta) -> bool {
        let last_of_run = self.items.iter_mut().rev().take(LOOK_BACK).find(|(of, _)| *of == tag);
        match last_of_run {
            Some((_, Item::Delta(waiting))) => waiting.join(delta),
            Some((_, Item::Event(_) | Item::Gap(_))) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use openclaw_domain::{Cursor, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::events::delta::{Block, Ids, Kind};

    fn frame(when_slow: WhenSlow) -> Frame {
        Frame::new("chat", &json!("x".repeat(100)), when_slow)
    }

    fn block(run: &str) -> Arc<Block> {
        let ids = Ids { run: run.into(), session: "s".into(), agent: "main".into() };
        Block::new(Arc::new(ids), Kind::Answer, "i".into(), false)
    }

    #[test]
    fn a_full_queue_skips_droppable_events_and_uses_up_their_numbers() {
        let queue = Queue::new(200);
        queue.push(0, &frame(WhenSlow::Drop));
        queue.push(0, &frame(WhenSlow::Drop));
        queue.push(0, &frame(WhenSlow::Drop));
        assert!(matches!(queue.pop(false), Some(Item::Event(_))));
        assert!(matches!(queue.pop(false), Some(Item::Gap(2))));
        assert!(queue.pop(false).is_none());
        assert_eq!(queue.closing(), None);
    }

    #[test]
    fn a_full_queue_closes_the_client_rather_than_lose_what_it_must_have() {
        let queue = Queue::new(200);
        queue.push(0, &frame(WhenSlow::Close));
        assert_eq!(queue.closing(), None);
        queue.push(0, &frame(WhenSlow::Close));
        assert_eq!(queue.closing(), Some(Close { code: 1008, reason: "slow consumer".into() }));
    }

    #[test]
    fn a_full_queue_skips_text_and_uses_up_the_numbers_of_both_its_events() {
        let first = block("a").add("x", 1, Cursor::default(), Timestamp(0));
        let queue = Queue::new(first.bytes());
        queue.push_delta(1, &first);
        queue.push_delta(2, &block("b").add("y", 1, Cursor::default(), Timestamp(0)));
        assert!(matches!(queue.pop(false), Some(Item::Delta(_))));
        assert!(matches!(queue.pop(false), Some(Item::Gap(2))));
        assert_eq!(queue.closing(), None);
    }

    #[tokio::test]
    async fn a_subscription_waits_for_room_and_is_woken_when_there_is_some() {
        let queue = Queue::new(1000);
        queue.room().await;
        // More than half of the queue; kept all the same.
        (0..4).for_each(|_| queue.push_kept(&frame(WhenSlow::Close)));
        let room = queue.room();
        tokio::pin!(room);
        assert!(futures_util::poll!(&mut room).is_pending());
        queue.pop(false).unwrap();
        queue.pop(false).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(20), room).await.unwrap();
        assert_eq!(queue.closing(), None);
    }

    #[test]
    fn the_last_stretch_may_be_left_to_grow_but_holds_nothing_up() {
        let (queue, block) = (Queue::new(1 << 20), block("a"));
        queue.push_delta(1, &block.add("x", 1, Cursor::default(), Timestamp(0)));
        assert!(queue.pop(true).is_none());
        queue.push(2, &frame(WhenSlow::Close));
        assert!(matches!(queue.pop(true), Some(Item::Delta(_))));
        assert!(matches!(queue.pop(true), Some(Item::Event(_))));
    }

    #[test]
    fn deltas_join_across_other_runs_but_not_across_their_own_events() {
        let (queue, block, other) = (Queue::new(1 << 20), block("a"), block("b"));
        queue.push_delta(1, &block.add("x", 1, Cursor::default(), Timestamp(0)));
        queue.push_delta(2, &other.add("o", 1, Cursor::default(), Timestamp(0)));
        queue.push_delta(1, &block.add("y", 2, Cursor::default(), Timestamp(0)));
        queue.push(1, &frame(WhenSlow::Close));
        queue.push_delta(1, &block.add("z", 3, Cursor::default(), Timestamp(0)));
        let kinds: Vec<bool> =
            std::iter::from_fn(|| queue.pop(false)).map(|item| matches!(item, Item::Delta(_))).collect();
        assert_eq!(kinds, [true, true, false, true]);
    }
}
