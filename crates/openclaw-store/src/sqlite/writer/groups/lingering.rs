//! Who waits for more jobs, and who does not.

use std::collections::VecDeque;

use super::*;

/// A job that does nothing.
struct Nothing;

impl Job<()> for Nothing {
    fn durability(&self) -> Durability {
        Durability::Committed
    }

    fn sites(&self) -> &Sites {
        const NONE: &Sites = &Sites { operation: "", events: Vec::new() };
        NONE
    }

    fn run(&mut self, (): &()) -> bool {
        true
    }

    fn answer(self: Box<Self>, _committed: Result<(), Failure>) {}
}

/// Jobs that come together, and those that come in the moment after.
struct Bursts {
    bursts: VecDeque<(usize, usize)>,
    there: usize,
    late: usize,
}

impl Inbox<()> for Bursts {
    fn wait(&mut self) -> Option<Message<()>> {
        if self.there == 0 && self.late > 0 {
            self.linger();
        } else if self.there == 0 {
            (self.there, self.late) = self.bursts.pop_front()?;
        }
        self.take()
    }

    fn take(&mut self) -> Option<Message<()>> {
        self.there = self.there.checked_sub(1)?;
        Some(Message::Job(Box::new(Nothing)))
    }

    fn linger(&mut self) {
        self.there += std::mem::take(&mut self.late);
    }
}

#[derive(Default)]
struct Sizes(Vec<usize>);

impl Target for Sizes {
    type Cx = ();

    fn commit(&mut self, group: &mut [Box<dyn Job<()>>]) -> Result<(), Failure> {
        self.0.push(group.len());
        Ok(())
    }
}

/// Returns the sizes of the groups that bursts become.
fn groups(group_max: usize, bursts: &[(usize, usize)]) -> Vec<usize> {
    let mut inbox = Bursts { bursts: bursts.iter().copied().collect(), there: 0, late: 0 };
    let mut sizes = Sizes::default();
    assert!(serve(&mut sizes, &mut inbox, group_max).is_none());
    sizes.0
}

#[test]
fn whoever_writes_alone_or_with_few_others_never_waits() {
    assert_eq!(groups(256, &[(1, 1), (1, 0), (3, 2)]), [1, 1, 1, 3, 2]);
}

#[test]
fn after_a_large_group_the_next_one_waits_once_for_more() {
    assert_eq!(groups(256, &[(4, 0), (1, 5), (2, 0), (1, 1)]), [4, 6, 2, 1, 1]);
}

#[test]
fn a_full_group_does_not_wait() {
    assert_eq!(groups(4, &[(4, 0), (4, 2)]), [4, 4, 2]);
}
