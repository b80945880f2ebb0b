//! "Did you mean": the closest name within two edits.

/// Edits allowed between what was typed and what is suggested.
const DISTANCE_MAX: usize = 2;

/// Returns the closest candidate within two edits; the first of equals.
pub(crate) fn closest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    for candidate in candidates {
        let distance = distance(typed, candidate);
        let is_closer = best.is_none_or(|(least, _)| distance < least);
        if distance <= DISTANCE_MAX && distance < candidate.chars().count() && is_closer {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Counts insertions, removals, replacements and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > DISTANCE_MAX {
        return DISTANCE_MAX + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn two_edits_are_bridged_and_three_are_not() {
        let names = ["gateway", "status", "sessions"];
        assert_eq!(closest("gatway", names), Some("gateway"));
        assert_eq!(closest("gatwya", names), Some("gateway"));
        assert_eq!(closest("staus", names), Some("status"));
        assert_eq!(closest("gtwy", names), None);
        assert_eq!(closest("", ["ab"]), None);
    }

    #[test]
    fn the_closest_of_several_wins() {
        assert_eq!(closest("lst", ["rest", "list"]), Some("list"));
    }
}
