//! Questions about outcomes, and calls that were denied.

use super::*;
use crate::ask::tests::outcome;

fn answered(label: &str) -> Value {
    json!({"id": "u1", "status": "answered", "answers": {"answers": {"outcome": [label]}}})
}

#[test]
fn a_question_about_an_outcome_shows_the_call_and_takes_three_answers_once_armed() {
    for (key, label) in [('h', "happened"), ('n', "not happened"), ('u', "unknown")] {
        let mut bench = Bench::new(80, 24);
        bench.event("question.requested", outcome("u1", KEY));
        let shown = |bench: &mut Bench| -> String {
            let live = crate::tui::view::draw(&mut bench.state);
            live.rows.iter().map(|row| row.text() + "\n").collect()
        };
        assert!(shown(&mut bench).contains(r#"send {"to":"Bo"}"#));
        bench.now += 699;
        bench.key(KeyCode::Char(key));
        assert!(bench.calls("question.resolve").is_empty(), "{key}");
        bench.key(KeyCode::Backspace);
        bench.now += 700;
        bench.input(Input::Tick);
        let drawn = shown(&mut bench);
        assert!(drawn.contains("[h] happened   [n] not happened   [u] unknown"), "{drawn}");
        bench.key(KeyCode::Enter);
        bench.key(KeyCode::Char(key));
        // A second press is not a second answer.
        bench.key(KeyCode::Char(key));
        let answers = json!({"answers": {"outcome": [label]}});
        assert_eq!(bench.calls("question.resolve"), [json!({"id": "u1", "answers": answers})]);
        bench.event("question.resolved", answered(label));
        assert!(bench.state.asks.is_empty());
        assert!(bench.printed.concat().contains(&format!("{label}, says you")), "{:?}", bench.printed);
    }
}

#[test]
fn a_question_about_an_outcome_closes_when_it_is_answered_elsewhere_and_never_expires() {
    let mut bench = Bench::new(80, 24);
    bench.event("question.requested", outcome("u1", KEY));
    // An approval may have the same id; it is another question.
    bench.event("exec.approval.resolved", json!({"id": "u1", "decision": "deny"}));
    bench.now += 90_000_000;
    bench.input(Input::Tick);
    assert_eq!(bench.state.asks.len(), 1);
    bench.event("question.resolved", answered("happened"));
    assert!(bench.state.asks.is_empty());
    assert!(bench.calls("question.resolve").is_empty());
}

#[test]
fn open_questions_are_read_again_with_the_connection_where_the_gateway_has_them() {
    let mut bench = Bench::new(80, 24);
    let link = |questions| {
        let offers = Offers { questions, cursors: false };
        Input::Link(Link::Live { address: "test".to_owned(), version: "1".to_owned(), offers })
    };
    bench.input(link(false));
    assert!(bench.calls("question.list").is_empty());
    bench.input(link(true));
    assert_eq!(bench.calls("question.list").len(), 1);
    bench.ask("p1", "ls");
    let open = |kind, answer: Value| Input::Reply(Asked::Open { kind, is_asked: false }, Ok(answer));
    bench.input(open(Kind::Outcome, json!({"questions": [outcome("u1", KEY), outcome("u2", "agent:main:other")]})));
    assert_eq!(bench.state.asks.iter().map(|ask| ask.id.as_str()).collect::<Vec<_>>(), ["p1", "u1"]);
    // One list says nothing about the other.
    bench.input(open(Kind::Approval, json!([])));
    assert_eq!(bench.state.asks.iter().map(|ask| ask.id.as_str()).collect::<Vec<_>>(), ["u1"]);
    bench.input(open(Kind::Outcome, json!({"questions": []})));
    assert!(bench.state.asks.is_empty());
}

#[test]
fn a_denied_call_is_drawn_as_denied_the_same_live_and_after_resume() {
    let card = |bench: &Bench| -> Vec<String> {
        bench.printed.iter().filter(|row| row.starts_with("x exec")).cloned().collect()
    };
    let mut watched = Bench::new(100, 30);
    let run = watched.say("remove it");
    let arguments = json!({"command": "rm x"});
    let request = json!({"command": "rm x", "sessionKey": KEY, "runId": run, "agentId": "main", "toolName": "exec",
        "toolCallId": "t1", "arguments": arguments});
    watched.event("exec.approval.requested", json!({"id": "p1", "request": request}));
    watched.event("exec.approval.resolved", json!({"id": "p1", "decision": "deny", "resolvedBy": "phone"}));
    watched.stream(&run, "lifecycle", json!({"phase": "end"}));
    let stored = |run: &str| {
        let call = json!({"type": "toolCall", "id": "t1", "name": "exec", "arguments": arguments});
        json!([{"role": "assistant", "content": [call], "stopReason": "toolUse", "__openclaw": {"seq": 2, "runId": run}},
            {"role": "toolResult", "toolCallId": "t1", "toolName": "exec", "isError": true,
                "content": [{"type": "text", "text": "a person said no"}], "details": {"status": "denied"}}])
    };
    assert_eq!(card(&watched), ["x exec  rm x  denied"]);
    // History read again does not draw it a second time.
    watched.history(json!({"messages": stored(&run), "sessionInfo": {}}));
    assert_eq!(card(&watched).len(), 1, "{:?}", watched.printed);
    let mut resumed = Bench::new(100, 30);
    resumed.history(json!({"messages": stored("other"), "sessionInfo": {}}));
    resumed.state.transcript.close();
    resumed.input(Input::Tick);
    assert_eq!(card(&watched), card(&resumed));
}
