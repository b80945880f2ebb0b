//! Conformance of the model port.
//!
//! Takes any implementation and a request it can answer. [`answers`] checks what
//! every stream must keep to and returns the answer; [`may_be_dropped`] cancels a
//! call at every event. Fails by panicking; called from the tests of each
//! implementation.
#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::collections::BTreeSet;

use futures_util::StreamExt;
use openclaw_domain::model::{Completed, ModelEvent, ModelRequest, StopReason};
use openclaw_domain::ports::Model;

/// Plays one call to its end and checks the stream against its own completion.
pub async fn answers(model: &dyn Model, request: ModelRequest) -> Completed {
    let mut stream = model.stream(request).await.unwrap();
    let mut is_selected = false;
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    let completed = loop {
        // `None` here would be a stream that ended silently, without `Done` or an error.
        let event = stream.next().await.unwrap().unwrap();
        assert!(is_selected || matches!(event, ModelEvent::Selected(_)), "the model that answers is named first");
        match event {
            ModelEvent::Selected(_) => is_selected = true,
            ModelEvent::Text(delta) => text.push_str(&delta),
            ModelEvent::Thinking(delta) => thinking.push_str(&delta),
            ModelEvent::CallStarted { name } => calls.push(name),
            ModelEvent::Superseded { .. } => {
                text.clear();
                thinking.clear();
                calls.clear();
            }
            ModelEvent::Done(completed) => break *completed,
        }
    };
    assert!(stream.next().await.is_none(), "nothing comes after `Done`");
    assert_eq!(text, completed.turn.text(), "the pieces of text are the text of the turn");
    assert_eq!(thinking, thoughts(&completed), "the pieces of reasoning are the reasoning of the turn");
    let named: Vec<&str> = completed.turn.calls().map(|(call, _)| call.name.as_str()).collect();
    assert_eq!(calls, named, "each call is announced");
    calls_are_sound(&completed);
    completed
}

fn thoughts(completed: &Completed) -> String {
    use openclaw_domain::message::Block;
    let texts = completed.turn.blocks.iter().filter_map(|block| match block {
        Block::Thinking { text } => Some(text.as_str()),
        Block::Text { .. } | Block::Call { .. } => None,
    });
    texts.collect()
}

fn calls_are_sound(completed: &Completed) {
    let turn = &completed.turn;
    let ids: BTreeSet<_> = turn.calls().map(|(call, _)| &call.id).collect();
    assert_eq!(ids.len(), turn.calls().count(), "calls have ids of their own");
    assert!(turn.calls().all(|(_, result)| result.is_none()), "a fresh call has no result");
    assert!(turn.calls().all(|(call, _)| !call.arguments.is_empty()), "empty arguments are `{{}}`");
    let stops_for_tools = turn.stop == StopReason::ToolUse;
    assert!(!stops_for_tools || !ids.is_empty(), "a stop for tools has calls");
    assert!(turn.stop != StopReason::EndTurn || ids.is_empty(), "a turn with calls has not ended");
}

/// Drops the stream of the same request after each of its events in turn.
///
/// Returns how many calls were made; the next call must work as if nothing was.
pub async fn may_be_dropped(model: &dyn Model, request: &ModelRequest) -> usize {
    let mut taken = 0;
    loop {
        let mut stream = model.stream(request.clone()).await.unwrap();
        for _ in 0..taken {
            if let Some(Ok(ModelEvent::Done(_))) | None = stream.next().await {
                drop(stream);
                answers(model, request.clone()).await;
                return taken + 2;
            }
        }
        taken += 1;
    }
}
