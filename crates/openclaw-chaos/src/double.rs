//! Two kills in a row: the second falls into the recovery from the first.
//!
//! Every point that a recovery reaches is killed at, after several first kills.
//! Which first kills those are changes with the seed, so that every run of the
//! matrix tries others.

use std::collections::BTreeMap;

use crate::trace::Kill;

/// First kills of each scenario whose recovery is looked at.
const FIRSTS: usize = 3;

/// How many first kills each point of a recovery is tried after.
const TIMES: usize = 3;

/// Chooses the first kills of a scenario, spread over its life.
pub fn firsts(kills: &[Kill], seed: u64) -> Vec<&Kill> {
    if kills.is_empty() {
        return Vec::new();
    }
    let turn = usize::try_from(seed % kills.len() as u64).unwrap_or_default();
    let mut places: Vec<usize> = (0..FIRSTS).map(|n| (turn + n * kills.len() / FIRSTS) % kills.len()).collect();
    places.dedup();
    places.into_iter().map(|place| &kills[place]).collect()
}

/// Which points of recoveries were chosen, and how often.
#[derive(Debug, Default)]
pub struct Chosen {
    times: BTreeMap<String, usize>,
}

impl Chosen {
    /// Keeps the kills of a recovery that are worth a case: those that stand for
    /// a point which was not tried often enough yet.
    pub fn pick(&mut self, kills: Vec<Kill>) -> Vec<Kill> {
        let mut picked = Vec::new();
        for kill in kills {
            let is_new = |name: &String| self.times.get(name).copied().unwrap_or(0) < TIMES;
            if kill.names.iter().any(is_new) {
                kill.names.iter().for_each(|name| *self.times.entry(name.clone()).or_default() += 1);
                picked.push(kill);
            }
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(name: &str) -> Kill {
        Kill { at: format!("{name}:1"), names: vec![name.to_owned()] }
    }

    #[test]
    fn first_kills_are_spread_and_change_with_the_seed() {
        let kills: Vec<Kill> = (0..9).map(|n| kill(&n.to_string())).collect();
        let at = |seed| firsts(&kills, seed).into_iter().map(|kill| kill.at.clone()).collect::<Vec<_>>();
        assert_eq!(at(0), ["0:1", "3:1", "6:1"]);
        assert_eq!(at(10), ["1:1", "4:1", "7:1"]);
        assert_eq!(firsts(&kills[..1], 5).len(), 1);
    }

    #[test]
    fn a_point_is_tried_so_many_times_and_no_more() {
        let mut chosen = Chosen::default();
        let picked: usize = (0..9).map(|_| chosen.pick(vec![kill("a"), kill("b")]).len()).sum();
        assert_eq!(picked, 2 * TIMES);
    }
}
