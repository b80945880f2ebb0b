//! Input that waits for its session.

use std::collections::VecDeque;

use openclaw_domain::run::QueueMode;
use openclaw_domain::{RunId, RunRequest};

/// Most inputs that wait for one session.
pub(crate) const WAITING_MAX: usize = 64;

/// Accepted inputs of one session that have not begun, in the order they will.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<RunRequest>,
}

impl Queue {
    /// Tells whether one more would be too many.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Tells whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Tells whether this run waits.
    pub(crate) fn holds(&self, id: &RunId) -> bool {
        self.waiting.iter().any(|request| request.id == *id)
    }

    /// Adds input: interrupting input goes first, the rest in order.
    pub(crate) fn push(&mut self, request: RunRequest) {
        if request.queue == QueueMode::Interrupt {
            self.waiting.push_front(request);
        } else {
            self.waiting.push_back(request);
        }
    }

    /// Takes the next turn: one input, or a stretch of `collect` inputs that
    /// become one turn. The first carries the others.
    pub(crate) fn next_turn(&mut self) -> Option<(RunRequest, Vec<RunRequest>)> {
        let first = self.waiting.pop_front()?;
        let mut joined = Vec::new();
        if first.queue == QueueMode::Collect {
            while self.waiting.front().is_some_and(|next| next.queue == QueueMode::Collect) {
                joined.extend(self.waiting.pop_front());
            }
        }
        Some((first, joined))
    }

    /// Takes a waiting run out.
    pub(crate) fn remove(&mut self, id: Option<&RunId>) -> Vec<RunRequest> {
        let (gone, kept) = self.waiting.drain(..).partition(|request| id.is_none_or(|id| request.id == *id));
        self.waiting = kept;
        gone.into_iter().collect::<Vec<_>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_domain::run::Source;
    use openclaw_domain::{Timestamp, UserTurn};

    fn input(id: &str, queue: QueueMode) -> RunRequest {
        let (session, input) = ("agent:main:main".parse().unwrap(), UserTurn::owner(id, Timestamp(0)));
        RunRequest { queue, ..RunRequest::new(id.parse().unwrap(), session, input, Source::Chat) }
    }

    fn order(inputs: &[(&str, QueueMode)]) -> Vec<Vec<String>> {
        let mut queue = Queue::default();
        for (id, mode) in inputs {
            queue.push(input(id, *mode));
        }
        let mut turns = Vec::new();
        while let Some((first, joined)) = queue.next_turn() {
            turns.push(std::iter::once(first).chain(joined).map(|request| request.id.to_string()).collect());
        }
        turns
    }

    #[test]
    fn followups_keep_their_order_and_an_interrupt_goes_first() {
        let turns = order(&[("a", QueueMode::Followup), ("b", QueueMode::Followup), ("c", QueueMode::Interrupt)]);
        assert_eq!(turns, [vec!["c"], vec!["a"], vec!["b"]]);
    }

    #[test]
    fn neighbouring_collected_inputs_become_one_turn() {
        let turns = order(&[
            ("a", QueueMode::Collect),
            ("b", QueueMode::Collect),
            ("c", QueueMode::Followup),
            ("d", QueueMode::Collect),
        ]);
        assert_eq!(turns, [vec!["a", "b"], vec!["c"], vec!["d"]]);
    }
}
