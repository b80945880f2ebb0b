//! What a deterministic request sees of its session: a picture taken when it
//! was accepted, the same at every replay.

use openclaw_domain::Turn;
use openclaw_domain::session::Entry;

/// Returns the exchanges that were complete, in the order they were completed.
///
/// Requests of a session may work side by side, so their entries lie mixed. An
/// exchange that had no answer yet is left out as a whole: whether it looks
/// answered later depends on when one looks.
pub(crate) fn frozen(entries: Vec<Entry>, head: u64) -> Vec<Turn> {
    let mut exchanges: Vec<Vec<Entry>> = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.n <= head) {
        let own = exchanges.iter_mut().find(|own| entry.run.is_some() && own[0].run == entry.run);
        match own {
            Some(own) => own.push(entry),
            None => exchanges.push(vec![entry]),
        }
    }
    exchanges.retain(|own| own.last().is_some_and(is_answer));
    exchanges.sort_by_key(|own| own.last().map_or(0, |last| last.n));
    exchanges.into_iter().flatten().map(|entry| entry.turn).collect()
}

/// A last turn with calls was written before their results were there. What
/// nobody ran for, such as a note put in by hand or the conversation that a fork
/// begins with, is complete in itself.
fn is_answer(last: &Entry) -> bool {
    match &last.turn {
        _ if last.run.is_none() => true,
        Turn::User(_) => false,
        Turn::Assistant(turn) => turn.calls().next().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::message::Block;
    use openclaw_domain::model::{ModelRef, StopReason};
    use openclaw_domain::{AssistantTurn, Timestamp, ToolCall, UserTurn};

    use super::*;

    fn said(n: u64, run: &str, text: &str) -> Entry {
        let turn = Turn::User(UserTurn::owner(text, Timestamp(0)));
        Entry { n, run: run.parse().ok(), turn, at: Timestamp(0) }
    }

    fn answered(n: u64, run: &str, blocks: Vec<Block>) -> Entry {
        let turn = AssistantTurn {
            blocks,
            model: ModelRef::new("scripted", "one"),
            stop: StopReason::EndTurn,
            native: None,
            at: Timestamp(0),
        };
        Entry { n, run: run.parse().ok(), turn: Turn::Assistant(turn), at: Timestamp(0) }
    }

    fn text(text: &str) -> Vec<Block> {
        vec![Block::Text { text: text.into() }]
    }

    fn seen(entries: Vec<Entry>, head: u64) -> Vec<String> {
        let shown = |turn: Turn| match turn {
            Turn::User(turn) => turn.text(),
            Turn::Assistant(turn) => turn.text(),
        };
        frozen(entries, head).into_iter().map(shown).collect()
    }

    #[test]
    fn mixed_exchanges_are_sorted_out_and_later_ones_are_not_seen() {
        let entries = || {
            vec![
                said(1, "a", "first"),
                said(2, "b", "second"),
                answered(3, "b", text("to second")),
                answered(4, "a", text("to first")),
                said(5, "c", "later"),
                answered(6, "c", text("to later")),
            ]
        };
        assert_eq!(seen(entries(), 4), ["second", "to second", "first", "to first"]);
        assert_eq!(seen(entries(), 3), ["second", "to second"]);
        assert_eq!(seen(entries(), 0), Vec::<String>::new());
    }

    #[test]
    fn an_exchange_in_the_middle_is_not_seen() {
        let call = ToolCall {
            id: "c1".parse().unwrap(),
            provider_id: "c1".into(),
            name: "look".into(),
            arguments: "{}".into(),
        };
        let calls = vec![Block::Call { call, result: None }];
        let entries = vec![said(1, "a", "first"), answered(2, "a", calls), said(3, "b", "no answer")];
        assert_eq!(seen(entries, 3), Vec::<String>::new());
    }
}
