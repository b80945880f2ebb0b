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
