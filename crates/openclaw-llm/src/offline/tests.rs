use futures_util::StreamExt;
use openclaw_domain::ports::Model as _;
use openclaw_testkit::{FakeClock, clock, contract, model, tool};

use super::*;

async fn stream(request: ModelRequest) -> Vec<ModelEvent> {
    let offline = Offline::new(Arc::new(FakeClock::new()));
    offline.stream(request).await.unwrap().map(Result::unwrap).collect().await
}

fn request(text: &str) -> ModelRequest {
    ModelRequest { tools: ["list", "read"].map(tool::spec).into(), ..model::request(text) }
}

fn done(events: &[ModelEvent]) -> &Completed {
    match events.last() {
        Some(ModelEvent::Done(done)) => done,
        other => panic!("expected the end, found {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_streams_word_by_word_and_ends_with_the_whole() {
    let events = stream(request("help")).await;
    let Some(ModelEvent::Selected(selected)) = events.first() else { panic!("{events:?}") };
    assert_eq!(selected.model.to_string(), "offline/rules");
    let streamed = events.iter().filter_map(|event| match event {
        ModelEvent::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let streamed: Vec<&str> = streamed.collect();
    let done = done(&events);
    assert!(streamed.len() > 10);
    assert_eq!(streamed.concat(), done.turn.text());
    assert_eq!((done.turn.stop, done.turn.at), (StopReason::EndTurn, clock::START));
    assert_eq!(done.usage.cost_usd, Some(0.0));
    assert!(done.usage.input > 0 && done.usage.output > 0);
}

#[tokio::test]
async fn parallel_calls_have_ids_that_a_retry_keeps_and_another_step_does_not() {
    let ids = |events: &[ModelEvent]| -> Vec<String> {
        done(events).turn.calls().map(|(call, _)| call.id.to_string()).collect()
    };
    let first = stream(request("read a.txt and b.txt")).await;
    assert_eq!(done(&first).turn.stop, StopReason::ToolUse);
    assert_eq!(ids(&first).len(), 2);
    assert_ne!(ids(&first)[0], ids(&first)[1]);
    assert_eq!(ids(&first), ids(&stream(request("read a.txt and b.txt")).await));
    let other = ModelRequest { idempotency_key: "step-2".to_owned(), ..request("read a.txt and b.txt") };
    assert_ne!(ids(&first), ids(&stream(other).await));
}

#[tokio::test]
async fn the_suite_of_the_port_passes() {
    let offline = Offline::new(Arc::new(FakeClock::new()));
    for text in ["help", "read a.txt and b.txt", "讲个笑话"] {
        contract::model::answers(&offline, request(text)).await;
        contract::model::may_be_dropped(&offline, &request(text)).await;
    }
}
