//! A summary by rule: excerpts, to the letter, newest first where room is short.
//!
//! Used when no model can be asked, or its answer does not pass the check. It
//! understands nothing, and so it can neither invent nor mistake anything.

use openclaw_domain::compaction::Summary;
use openclaw_domain::{Origin, Turn};

use super::check::{self, Fault, Originals};
use super::words;

/// Longest excerpt of one turn.
const EXCERPT_BYTES: usize = 240;

/// Most entries of one list that are taken from the turns.
const ITEMS_MAX: usize = 40;

/// How often the summary is halved until it passes.
const HALVINGS_MAX: usize = 8;

/// Words that make a sentence of the agent a promise.
const PROMISES: [&str; 4] = ["I will ", "I'll ", "I am going to ", "I shall "];

/// Words that make a sentence a decision.
const DECISIONS: [&str; 5] = ["decided", "agreed", "we will use", "instead of", "chose "];

/// Makes a summary of turns and of the one before.
///
/// # Errors
/// When none can be smaller than what it stands for.
pub(super) fn summary(
    turns: &[Turn],
    previous: Option<&Summary>,
    originals: &Originals,
    bytes_max: usize,
) -> Result<Summary, Fault> {
    let mut lines = Lines::default();
    for turn in turns {
        lines.read(turn);
    }
    let before = previous.cloned().unwrap_or_default();
    let mut share = 1;
    let mut fault = Fault::NotShorter;
    for _ in 0..HALVINGS_MAX {
        let newest = |before: &[String], now: &[String]| newest(before, now, ITEMS_MAX / share);
        let made = Summary {
            gist: gist(&before.gist, &lines.said, bytes_max / (2 * share)),
            decisions: newest(&before.decisions, &lines.decisions),
            // Requests are never dropped to save room.
            open_asks: self::newest(&before.open_asks, &originals.asks, ITEMS_MAX.max(originals.asks.len())),
            identifiers: newest(&before.identifiers, &lines.identifiers),
            commitments: newest(&before.commitments, &lines.promises),
        };
        match originals.check(&made, bytes_max) {
            Ok(()) => return Ok(made),
            Err(found) => fault = found,
        }
        share *= 2;
    }
    Err(fault)
}

/// Makes an earlier summary fit a smaller window, oldest entries first.
pub(super) fn fit(mut summary: Summary, bytes_max: usize) -> Summary {
    while check::size(&summary) > bytes_max {
        let lists =
            [&mut summary.identifiers, &mut summary.decisions, &mut summary.commitments, &mut summary.open_asks];
        match lists.into_iter().find(|list| !list.is_empty()) {
            Some(list) => drop(list.remove(0)),
            None if summary.gist.is_empty() => break,
            None => summary.gist = words::cut(&summary.gist, summary.gist.len() / 2).to_owned(),
        }
    }
    summary
}

/// What is found in turns, oldest first.
#[derive(Default)]
struct Lines {
    said: Vec<String>,
    decisions: Vec<String>,
    promises: Vec<String>,
    identifiers: Vec<String>,
}

impl Lines {
    fn read(&mut self, turn: &Turn) {
        let (who, text) = match turn {
            Turn::User(turn) if turn.origin == Origin::System => return,
            Turn::User(turn) => ("Person", turn.text()),
            Turn::Assistant(turn) => ("Agent", turn.text()),
        };
        if let Turn::Assistant(turn) = turn {
            for (call, _) in turn.calls() {
                self.said.push(format!(
                    "Agent called {}: {}",
                    call.name,
                    words::beginning(&call.arguments, EXCERPT_BYTES / 2)
                ));
            }
            let promised = sentences(&text).filter(|sentence| PROMISES.iter().any(|word| sentence.contains(word)));
            self.promises.extend(promised.map(|sentence| words::beginning(sentence, EXCERPT_BYTES)));
        }
        let decided = sentences(&text).filter(|sentence| DECISIONS.iter().any(|word| sentence.contains(word)));
        self.decisions.extend(decided.map(|sentence| words::beginning(sentence, EXCERPT_BYTES)));
        if !text.trim().is_empty() {
            self.said.push(format!("{who}: {}", words::beginning(&text, EXCERPT_BYTES)));
        }
        for identifier in words::identifiers(&text) {
            self.identifiers.retain(|known| known != identifier);
            self.identifiers.push(identifier.to_owned());
        }
    }
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['\n', '!', '?']).flat_map(|part| part.split_inclusive(". ")).map(str::trim)
}

/// Joins two lists and keeps the newest entries.
fn newest(before: &[String], now: &[String], max: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in before.iter().chain(now) {
        all.retain(|known| known != item);
        all.push(item.clone());
    }
    all.split_off(all.len().saturating_sub(max))
}

fn gist(before: &str, said: &[String], bytes_max: usize) -> String {
    let mut taken = 0;
    let room = said.iter().rev().take_while(|line| {
        taken += line.len() + 1;
        taken <= bytes_max
    });
    let kept = room.count();
    let mut lines: Vec<&str> = said[said.len() - kept..].iter().map(String::as_str).collect();
    let before = words::cut(before, bytes_max / 4);
    if !before.is_empty() {
        lines.insert(0, before);
    }
    if lines.is_empty() { "Nothing was said that fits here.".to_owned() } else { lines.join("\n") }
}
