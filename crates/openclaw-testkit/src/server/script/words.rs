//! Replies chosen by the last words of the user:
//!
//! | the words hold | the server |
//! |---|---|
//! | `slow` | streams 300 pieces, 20 ms apart |
//! | `fail` | answers 500 in the vendor's form |
//! | `error KIND` | answers that failure; the kinds are [`Failure::ALL`] |
//! | `break` | fails in the middle of the stream, at status 200 |
//! | `cut` | ends the stream cleanly without its terminal marker |
//! | `reset` | breaks the connection in the middle of the stream |
//! | `think` | reasons before it answers |
//! | `call NAME {..}` | calls that tool; several calls in one message are parallel |
//! | `say TEXT` | answers with that text |
//! | anything else | streams the configured number of pieces (`tok0 tok1 ..`) |
//!
//! When tool results come back, it answers with what they said.

use std::time::Duration;

use serde_json::Value;

use super::{Failure, Reply};
use crate::server::heard::Heard;

/// Most tool calls of one reply.
const CALLS_MAX: usize = 16;

/// Picks the reply; `plain` is the one for anything else.
pub(super) fn reply(heard: &Heard, plain: &Reply) -> Reply {
    let words = heard.text.as_str();
    if words.is_empty() && !heard.results.is_empty() {
        let said: Vec<&str> = heard.results.iter().map(|result| result.text.as_str()).collect();
        return Reply::say(&format!("The tools returned: {}", said.join("; ")));
    }
    let has = |word: &str| words.split(|it: char| !it.is_alphanumeric()).any(|it| it == word);
    let calls = calls(words);
    let thinking = |reply: Reply| {
        if has("think") { reply.thinking("Let me ").thinking("think.") } else { reply }
    };
    if !calls.is_empty() {
        return calls.iter().fold(thinking(Reply::new()), |reply, (name, arguments)| reply.call(name, arguments));
    }
    if let Some((_, kind)) = words.split_once("error ")
        && let Some((_, failure)) = Failure::ALL.iter().find(|(name, _)| kind.starts_with(name))
    {
        return Reply::fail(*failure);
    }
    if has("fail") {
        return Reply::fail(Failure::Server).message("scripted failure");
    }
    if has("slow") {
        return Reply::tokens(300, Duration::from_millis(20));
    }
    let half = || Reply::new().text("half ").text("an ");
    if has("break") {
        return half().break_off(Failure::Overloaded);
    }
    if has("cut") {
        return half().cut();
    }
    if has("reset") {
        return half().reset();
    }
    if let Some((_, text)) = words.split_once("say ") {
        return text.split_inclusive(' ').fold(thinking(Reply::new()), Reply::text);
    }
    if has("think") {
        return thinking(Reply::new()).text("Thought ").text("about.");
    }
    plain.clone()
}

/// Reads `call NAME {..}` out of words, as often as it is there.
fn calls(words: &str) -> Vec<(String, Value)> {
    let mut calls = Vec::new();
    let mut rest = words;
    while let Some((_, after)) = rest.split_once("call ") {
        rest = after;
        let Some((name, arguments)) = after.split_once(' ') else { break };
        let mut values = serde_json::Deserializer::from_str(arguments).into_iter::<Value>();
        let Some(Ok(value @ Value::Object(_))) = values.next() else { continue };
        rest = &arguments[values.byte_offset()..];
        calls.push((name.to_owned(), value));
        if calls.len() == CALLS_MAX {
            break;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::server::script::{Step, Stop};
    use crate::server::wire::Wire;

    fn chosen(words: &str) -> Reply {
        let mut heard = Heard::new(Wire::Chat, "mock-1", true, &Bytes::new());
        heard.say(words);
        reply(&heard, &Reply::tokens(3, Duration::ZERO))
    }

    #[test]
    fn every_failure_has_its_word() {
        for (name, failure) in Failure::ALL {
            assert_eq!(chosen(&format!("please error {name}")).failure, Some((failure, None)), "{name}");
        }
    }

    #[test]
    fn words_count_as_words_and_not_as_parts_of_others() {
        assert_eq!(chosen("a shortcut to failure, slowly").steps.len(), 3);
        assert_eq!(chosen("slow").steps.len(), 600);
        assert!(matches!(chosen("now cut").steps.last(), Some(Step::Cut)));
    }

    #[test]
    fn calls_are_read_with_their_arguments_and_broken_ones_are_not() {
        let found = calls(r#"call read {"path": "a {b}"} and call list {} and call this now"#);
        assert_eq!(found, [("read".to_owned(), json!({"path": "a {b}"})), ("list".to_owned(), json!({}))]);
        assert_eq!(chosen("call read {}").stops(), Stop::Tools);
        assert_eq!(chosen("call me").steps.len(), 3);
    }
}
