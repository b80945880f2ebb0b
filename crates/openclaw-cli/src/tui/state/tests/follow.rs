//! A run goes on after the connection was lost.

use super::*;

/// A conversation whose answer is half there, at a position.
fn begun() -> (Bench, String) {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("go");
    marked(&mut bench, &run, "assistant", json!({"text": "One two", "delta": "One two", "itemId": "a"}), 4, 7);
    (bench, run)
}

fn marked(bench: &mut Bench, run: &str, stream: &str, data: Value, seq: i64, off: i64) {
    let cursor = json!({"run": run, "seq": seq, "off": off});
    bench.event(
        "agent",
        json!({"runId": run, "sessionKey": KEY, "stream": stream, "data": data, "cursor": cursor, "durable": false}),
    );
}

/// As the gateway sends it for a subscription.
fn followed(bench: &mut Bench, run: &str, stream: &str, data: Value, seq: i64) {
    let cursor = json!({"run": run, "seq": seq, "off": 0});
    bench.event(
        "agent",
        json!({"runId": run, "sessionKey": KEY, "stream": stream, "data": data, "seq": seq, "cursor": cursor,
            "durable": true, "subscription": "s1"}),
    );
}

fn reconnect(bench: &mut Bench, cursors: bool) {
    bench.calls("agent.subscribe");
    bench.input(Input::Link(Link::Offline { cause: "gone".to_owned(), retry_at: 0 }));
    let offers = Offers { questions: false, cursors };
    bench.input(Input::Link(Link::Live { address: "test".to_owned(), version: "1".to_owned(), offers }));
}

/// The history of a run that said more and called a tool meanwhile.
fn meanwhile(run: &str) -> Value {
    let call = json!({"type": "toolCall", "id": "t1", "name": "exec", "arguments": {"command": "ls"}});
    json!({"messages": [
        {"role": "assistant", "content": [{"type": "text", "text": "One two three."}, call], "stopReason": "toolUse",
            "__openclaw": {"seq": 2, "runId": run}},
        {"role": "toolResult", "toolCallId": "t1", "toolName": "exec", "content": [{"type": "text", "text": "x"}]}],
        "sessionInfo": {"hasActiveRun": true}, "inFlightRun": {"runId": run, "text": "Fo"}})
}

#[test]
fn after_a_lost_connection_it_goes_on_mid_text_without_repeating_or_losing() {
    let (mut bench, run) = begun();
    reconnect(&mut bench, true);
    let asked = bench.calls("agent.subscribe");
    assert_eq!(asked, [json!({"runId": run, "sessionKey": KEY, "after": {"seq": 4, "off": 7}})]);
    // What the ordinary events and the history say of the run is told by the subscription.
    bench.stream(&run, "assistant", json!({"text": "Fo", "delta": "Fo", "itemId": "b"}));
    followed(&mut bench, &run, "assistant", json!({"delta": " three.", "offset": 7}), 5);
    bench.history(meanwhile(&run));
    bench.event("chat", json!({"runId": run, "sessionKey": KEY, "state": "final", "message": {"content": "Four."}}));
    followed(
        &mut bench,
        &run,
        "tool",
        json!({"phase": "start", "name": "exec", "toolCallId": "t1", "args": {"command": "ls"}}),
        6,
    );
    let result = json!({"content": [{"type": "text", "text": "x"}]});
    followed(
        &mut bench,
        &run,
        "tool",
        json!({"phase": "result", "toolCallId": "t1", "isError": false, "result": result}),
        7,
    );
    followed(&mut bench, &run, "lifecycle", json!({"phase": "starting_model"}), 8);
    followed(&mut bench, &run, "assistant", json!({"delta": "Four.", "offset": 0}), 9);
    followed(&mut bench, &run, "lifecycle", json!({"phase": "end", "stopReason": "stop"}), 10);
    assert_eq!(bench.printed[2..], ["", "assistant", "One two three.", "> exec  ls  ok  1 B", "Four."]);
    assert!(bench.state.turn.is_none());
    assert_eq!(bench.calls("chat.history").len(), 1);
}

#[test]
fn superseded_text_is_taken_back_where_it_is_still_open() {
    let (mut bench, run) = begun();
    reconnect(&mut bench, true);
    bench.history(json!({"messages": [], "sessionInfo": {"hasActiveRun": true}, "inFlightRun": {"runId": run}}));
    followed(&mut bench, &run, "superseded", json!({"keep": 3}), 5);
    followed(&mut bench, &run, "assistant", json!({"delta": " more.", "offset": 3}), 6);
    followed(&mut bench, &run, "lifecycle", json!({"phase": "end", "stopReason": "stop"}), 7);
    assert_eq!(bench.printed[2..], ["", "assistant", "One more."]);
}

#[test]
fn what_was_printed_and_is_taken_back_is_said_in_words() {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("go");
    let text = "One.\n\nTwo.\n\nThree";
    marked(&mut bench, &run, "assistant", json!({"text": text, "delta": text, "itemId": "a"}), 4, 0);
    reconnect(&mut bench, true);
    bench.history(json!({"messages": [], "sessionInfo": {"hasActiveRun": true}, "inFlightRun": {"runId": run}}));
    followed(&mut bench, &run, "superseded", json!({"keep": 3}), 5);
    followed(&mut bench, &run, "assistant", json!({"delta": " more.", "offset": 3}), 6);
    followed(&mut bench, &run, "lifecycle", json!({"phase": "end", "stopReason": "stop"}), 7);
    let printed = bench.printed.join("\n");
    assert!(printed.contains("withdrawn") && printed.ends_with("One more."), "{printed}");
}

#[test]
fn a_gap_or_a_refusal_falls_back_to_the_history() {
    for is_refused in [true, false] {
        let (mut bench, run) = begun();
        reconnect(&mut bench, true);
        bench.history(meanwhile(&run));
        bench.calls("chat.history");
        if is_refused {
            bench.input(Input::Reply(Asked::Follow { run: run.clone() }, Err("cursor ahead".to_owned())));
        } else {
            followed(&mut bench, &run, "assistant", json!({"delta": " three.", "offset": 12}), 5);
        }
        assert_eq!(bench.calls("chat.history").len(), 1);
        bench.history(meanwhile(&run));
        bench.stream(&run, "assistant", json!({"text": "Four.", "delta": "ur.", "itemId": "b"}));
        bench.stream(&run, "lifecycle", json!({"phase": "end"}));
        assert_eq!(
            bench.printed[2..],
            ["", "assistant", "One two three.", "> exec  ls  ok  1 B", "Four."],
            "{is_refused}"
        );
    }
}

#[test]
fn a_followed_run_that_is_stopped_says_by_whom() {
    let (mut bench, run) = begun();
    reconnect(&mut bench, true);
    bench.history(json!({"messages": [], "sessionInfo": {"hasActiveRun": true}, "inFlightRun": {"runId": run}}));
    followed(&mut bench, &run, "lifecycle", json!({"phase": "cancelling", "by": "phone"}), 5);
    followed(&mut bench, &run, "lifecycle", json!({"phase": "end", "stopReason": "aborted", "aborted": true}), 6);
    assert_eq!(bench.printed.last().unwrap(), "stopped by phone");
}

#[test]
fn a_gateway_without_positions_is_asked_for_none() {
    let (mut bench, _) = begun();
    reconnect(&mut bench, false);
    assert!(bench.calls("agent.subscribe").is_empty());
    // Nor is anything followed when nothing runs.
    let mut idle = Bench::new(80, 24);
    reconnect(&mut idle, true);
    assert!(idle.calls("agent.subscribe").is_empty());
}
