//! Order and identity of parts beyond what the state's tests show.

use serde_json::json;

use super::*;

fn printed(transcript: &mut Transcript) -> Vec<String> {
    transcript.take_rows().iter().map(Row::text).collect()
}

#[test]
fn a_call_that_never_ended_is_unknown_not_failed() {
    let mut transcript = Transcript::new(80, Lang::En);
    transcript.tool_began("r", Card::began("r", "1", "mail", &json!({"to": "x"}), 0));
    transcript.end_run("r");
    assert_eq!(printed(&mut transcript)[0], "? mail  {\"to\":\"x\"}  may have run");
}

#[test]
fn withdrawn_text_is_said_in_words_and_the_new_text_follows() {
    let mut transcript = Transcript::new(80, Lang::En);
    transcript.text("r", "1", Some("wrong\n"), "wrong\n", false);
    transcript.text("r", "1", Some("right"), "right", true);
    transcript.end_run("r");
    assert_eq!(
        printed(&mut transcript),
        ["", "assistant", "wrong", "the answer above was withdrawn; what stands instead:", "right"]
    );
}

#[test]
fn text_that_comes_before_a_call_has_ended_waits_for_it() {
    let mut transcript = Transcript::new(80, Lang::En);
    transcript.tool_began("r", Card::began("r", "1", "exec", &json!({"command": "x"}), 0));
    transcript.text("r", "1", Some("after\n"), "after\n", false);
    assert!(printed(&mut transcript).is_empty());
    transcript.card_mut("1").unwrap().ended("", false, &Value::Null, None);
    transcript.end_run("r");
    assert_eq!(printed(&mut transcript), ["> exec  x  ok", "", "assistant", "after"]);
}

#[test]
fn a_final_answer_that_was_not_streamed_is_shown_once() {
    let mut transcript = Transcript::new(80, Lang::En);
    transcript.final_text("r", "hello");
    transcript.final_text("r", "hello");
    transcript.end_run("r");
    assert_eq!(printed(&mut transcript), ["", "assistant", "hello"]);
}

#[test]
fn what_is_said_while_a_call_runs_stands_after_it() {
    let mut transcript = Transcript::new(80, Lang::En);
    transcript.tool_began("r", Card::began("r", "1", "exec", &json!({"command": "x"}), 0));
    transcript.said("you", "14:03", "more");
    assert!(printed(&mut transcript).is_empty());
    transcript.card_mut("1").unwrap().ended("", false, &Value::Null, None);
    transcript.settle();
    assert_eq!(printed(&mut transcript), ["> exec  x  ok", "", "you  14:03  more"]);
}

/// Calls of one tool, ended as told, then what a run says after them.
fn calls(transcript: &mut Transcript, outcomes: &[bool]) {
    for (number, is_error) in outcomes.iter().enumerate() {
        let id = number.to_string();
        transcript.tool_began("r", Card::began("r", &id, "read", &json!({"path": id}), 0));
        transcript.card_mut(&id).unwrap().ended("abc", *is_error, &Value::Null, Some(1000));
        transcript.settle();
    }
}

#[test]
fn five_calls_of_one_tool_stand_as_one_line_and_four_do_not() {
    let mut transcript = Transcript::new(80, Lang::En);
    calls(&mut transcript, &[false; 4]);
    assert!(printed(&mut transcript).is_empty());
    transcript.text("r", "1", Some("done\n"), "done\n", false);
    assert_eq!(printed(&mut transcript)[3], "> read  3  1.0 s  ok  3 B");
    let mut transcript = Transcript::new(80, Lang::En);
    calls(&mut transcript, &[false; 7]);
    assert_eq!(transcript.live(0).iter().map(Row::text).collect::<Vec<_>>(), ["> read x7  7.0 s  ok  21 B"]);
    transcript.text("r", "1", Some("done\n"), "done\n", false);
    assert_eq!(printed(&mut transcript), ["> read x7  7.0 s  ok  21 B", "", "assistant", "done"]);
    assert_eq!(transcript.cards.len(), 7);
}

#[test]
fn a_call_that_failed_is_never_folded_away() {
    let mut transcript = Transcript::new(80, Lang::En);
    calls(&mut transcript, &[false, false, false, false, false, true, false]);
    transcript.end_run("r");
    assert_eq!(
        printed(&mut transcript),
        ["> read x5  5.0 s  ok  15 B", "x read  5  1.0 s  failed  3 B", "| abc", "> read  6  1.0 s  ok  3 B"]
    );
}

#[test]
fn calls_do_not_wait_for_more_than_fifty() {
    let mut transcript = Transcript::new(80, Lang::En);
    calls(&mut transcript, &[false; 50]);
    assert_eq!(printed(&mut transcript), ["> read x50  50 s  ok  150 B"]);
}

#[test]
fn calls_that_began_together_are_folded_whatever_order_they_end_in() {
    let mut transcript = Transcript::new(80, Lang::En);
    for id in ["0", "1", "2", "3", "4", "5"] {
        transcript.tool_began("r", Card::began("r", id, "read", &json!({"path": id}), 0));
    }
    for id in ["0", "2", "1", "5", "3", "4"] {
        assert!(printed(&mut transcript).is_empty(), "{id}");
        transcript.card_mut(id).unwrap().ended("abc", false, &Value::Null, None);
        transcript.settle();
    }
    transcript.end_run("r");
    assert_eq!(printed(&mut transcript), ["> read x6  ok  18 B"]);
}

#[test]
fn a_denied_call_of_the_history_is_denied_and_took_no_time() {
    let mut transcript = Transcript::new(80, Lang::En);
    let call = json!([{"type": "toolCall", "id": "1", "name": "exec", "arguments": {"command": "rm x"}}]);
    let entries = [
        json!({"role": "assistant", "content": call, "stopReason": "toolUse", "__openclaw": {"seq": 1, "runId": "r"}}),
        json!({"role": "toolResult", "toolCallId": "1", "toolName": "exec", "isError": true, "durationMs": 12,
            "content": [{"type": "text", "text": "no"}], "details": {"status": "denied"}, "__openclaw": {"seq": 2}}),
    ];
    let mut owner = String::new();
    for entry in &entries {
        transcript.history(entry, &mut owner, &|_| String::new());
    }
    transcript.end_run("r");
    assert_eq!(printed(&mut transcript), ["x exec  rm x  denied"]);
}
