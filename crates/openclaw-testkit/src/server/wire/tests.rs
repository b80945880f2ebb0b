use serde_json::json;

use super::*;

fn cx() -> Cx {
    Cx { model: "mock-1".to_owned(), first_call: 1, wants_usage: true, has_no_ids: false, usage: Usage::default() }
}

fn bytes(pieces: &[Piece]) -> Vec<u8> {
    let bytes = pieces.iter().filter_map(|piece| match piece {
        Piece::Bytes(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    bytes.collect::<Vec<_>>().concat()
}

fn rich() -> Reply {
    let reply = Reply::new().thinking("Let me ").thinking("think 🌍.").text("Hello ").comment().unknown().text("wörld");
    reply.call("read", &json!({ "path": "a\n\"b\".txt" })).call("list", &json!({}))
}

#[test]
fn fragments_join_to_the_arguments_and_begin_with_nothing() {
    for arguments in ["{}", "", r#"{"path":"a\n🌍"}"#] {
        let parts = fragments(arguments);
        assert_eq!((parts[0], parts.concat().as_str()), ("", arguments));
    }
    assert!(fragments(r#"{"path":"a"}"#).len() >= 3);
}

#[test]
fn every_event_is_json_and_events_with_names_name_their_type() {
    for wire in Wire::ALL {
        let text = String::from_utf8(bytes(&stream(wire, &rich(), cx()))).unwrap();
        let mut name = None;
        for line in text.lines() {
            if let Some(event) = line.strip_prefix("event: ") {
                name = Some(event.to_owned());
            } else if let Some(data) = line.strip_prefix("data: ").or((wire == Wire::Ollama).then_some(line)) {
                if data == "[DONE]" {
                    continue;
                }
                let value: Value =
                    serde_json::from_str(data).unwrap_or_else(|error| panic!("{wire:?}: {error}: {data}"));
                if let Some(name) = name.take() {
                    assert_eq!(value["type"], name.as_str());
                }
            }
        }
    }
}

#[test]
fn cutting_the_writes_and_the_line_ends_changes_no_event() {
    for wire in Wire::ALL {
        let normal = bytes(&stream(wire, &rich(), cx()));
        let cut = stream(wire, &rich().writes_of(1), cx());
        assert!(cut.len() > normal.len());
        assert_eq!(bytes(&cut), normal);
        let crlf = String::from_utf8(bytes(&stream(wire, &rich().crlf(), cx()))).unwrap();
        assert_eq!(crlf.replace("\r\n", "\n").into_bytes(), normal);
    }
}

#[test]
fn a_cut_stream_is_the_beginning_of_the_whole_one_without_its_end() {
    for wire in Wire::ALL {
        let all = bytes(&stream(wire, &Reply::new().text("a").text("b"), cx()));
        let cut = bytes(&stream(wire, &Reply::new().text("a").cut(), cx()));
        assert!(all.starts_with(&cut) && cut.len() < all.len(), "{wire:?}");
    }
}

#[test]
fn a_break_off_ends_the_stream_with_an_error_and_without_an_end() {
    for wire in Wire::ALL {
        let text =
            String::from_utf8(bytes(&stream(wire, &Reply::new().text("a").break_off(Failure::Server), cx()))).unwrap();
        let last = text.trim_end().lines().next_back().unwrap();
        assert!(last.contains("error") && !last.contains("[DONE]"), "{wire:?}: {last}");
    }
}

#[test]
fn the_form_that_is_not_streamed_says_the_same() {
    let said = |wire: Wire| whole(wire, &rich(), cx()).unwrap();
    let anthropic = said(Wire::Anthropic);
    assert_eq!(anthropic["content"][1]["text"], "Hello wörld");
    assert_eq!(anthropic["content"][2]["input"]["path"], "a\n\"b\".txt");
    assert_eq!(said(Wire::Chat)["choices"][0]["message"]["tool_calls"][1]["function"]["arguments"], "{}");
    assert_eq!(said(Wire::Responses)["output"][1]["content"][0]["text"], "Hello wörld");
    assert_eq!(said(Wire::Gemini)["candidates"][0]["content"]["parts"][0]["text"], "Let me think 🌍.");
    assert_eq!(said(Wire::Ollama)["message"]["content"], "Hello wörld");
}
