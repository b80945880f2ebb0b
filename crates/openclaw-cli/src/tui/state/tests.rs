//! The state machine: queue, steer, interrupt, questions, gaps.

use std::sync::atomic::{AtomicU32, Ordering};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openclaw_protocol::Event;
use serde_json::{Value, json};

use super::*;

mod asks;
mod follow;

static IDS: AtomicU32 = AtomicU32::new(0);

/// A terminal UI without a terminal.
pub(crate) struct Bench {
    pub(crate) state: State,
    pub(crate) now: i64,
    pub(crate) effects: Vec<Effect>,
    pub(crate) printed: Vec<String>,
}

pub(crate) const KEY: &str = "agent:main:main";

impl Bench {
    pub(crate) fn new(columns: usize, height: usize) -> Bench {
        Self::in_lang(columns, height, Lang::En)
    }

    pub(crate) fn in_lang(columns: usize, height: usize, lang: Lang) -> Bench {
        let state = State::new(Beginning {
            columns,
            height,
            lang,
            motion: Motion::Off,
            agent: "main".to_owned(),
            session: KEY.to_owned(),
            is_embedded: false,
            new_id: || format!("id{}", IDS.fetch_add(1, Ordering::Relaxed)),
            clock: |_| "14:03".to_owned(),
        });
        let mut bench = Bench { state, now: 10_000, effects: Vec::new(), printed: Vec::new() };
        bench.input(Input::Link(Link::Live {
            address: "test".to_owned(),
            version: "1".to_owned(),
            offers: Offers::default(),
        }));
        bench.history(json!({"messages": [], "sessionInfo": {}}));
        bench.printed.clear();
        bench.effects.clear();
        bench
    }

    pub(crate) fn input(&mut self, input: Input) {
        let effects = self.state.update(self.now, input);
        self.effects.extend(effects);
        self.printed.extend(self.state.transcript.take_rows().iter().map(Row::text));
    }

    pub(crate) fn history(&mut self, answer: Value) {
        // As the gateway would be asked, unless it has been.
        if self.state.behind_since.is_none() {
            self.input(Input::Gap);
        }
        let round = self.state.round;
        self.input(Input::Reply(Asked::History { round }, Ok(answer)));
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.input(Input::Key(KeyEvent::new(code, modifiers)));
    }

    pub(crate) fn key(&mut self, code: KeyCode) {
        self.press(code, KeyModifiers::NONE);
    }

    pub(crate) fn typed(&mut self, text: &str) {
        for c in text.chars() {
            self.key(KeyCode::Char(c));
        }
    }

    pub(crate) fn event(&mut self, name: &str, payload: Value) {
        let event = Event {
            event: name.to_owned(),
            payload: Some(payload),
            seq: None,
            state_version: None,
            recipient_profile_id: None,
        };
        self.input(Input::Event(Box::new(event)));
    }

    pub(crate) fn stream(&mut self, run: &str, stream: &str, data: Value) {
        self.event("agent", json!({"runId": run, "sessionKey": KEY, "stream": stream, "data": data}));
    }

    /// Says something and returns its run.
    pub(crate) fn say(&mut self, text: &str) -> String {
        self.typed(text);
        self.key(KeyCode::Enter);
        self.state.turn.as_ref().unwrap().run.clone()
    }

    fn calls(&mut self, method: &str) -> Vec<Value> {
        let effects = std::mem::take(&mut self.effects);
        let (ours, others): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(|it| matches!(it, Effect::Call { method: its, .. } if *its == method));
        self.effects = others;
        let params = |effect| if let Effect::Call { params, .. } = effect { params } else { Value::Null };
        ours.into_iter().map(params).collect()
    }

    pub(crate) fn ask(&mut self, id: &str, command: &str) {
        let request = json!({"command": command, "sessionKey": KEY, "agentId": "main", "toolName": "exec", "cwd": "/work",
            "ask": "exec asks", "allowedDecisions": ["allow-once", "allow-always", "deny"]});
        let payload = json!({"id": id, "request": request, "expiresAtMs": self.now + 600_000});
        self.event("exec.approval.requested", payload);
    }
}

#[test]
fn enter_sends_then_queues_and_the_queue_follows_the_turn() {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("one");
    assert_eq!(bench.calls("chat.send")[0]["message"], "one");
    bench.typed("two");
    bench.key(KeyCode::Enter);
    assert!(bench.calls("chat.send").is_empty());
    assert_eq!(bench.state.queue, ["two"]);
    bench.stream(&run, "lifecycle", json!({"phase": "end"}));
    let sent = bench.calls("chat.send");
    assert_eq!((sent.len(), &sent[0]["message"]), (1, &json!("two")));
    assert!(bench.state.queue.is_empty());
}

#[test]
fn alt_enter_steers_and_the_steer_is_printed_when_it_is_taken() {
    let mut bench = Bench::new(80, 24);
    bench.say("one");
    bench.calls("chat.send");
    bench.typed("british spelling");
    bench.press(KeyCode::Enter, KeyModifiers::ALT);
    let sent = bench.calls("chat.send");
    assert_eq!((&sent[0]["queueMode"], bench.state.steers.len()), (&json!("steer"), 1));
    assert!(!bench.printed.concat().contains("british"));
    let message = json!({"role": "user", "content": "british spelling", "__openclaw": {"seq": 2}});
    bench.event("session.message", json!({"sessionKey": KEY, "message": message, "messageSeq": 2}));
    assert!(bench.state.steers.is_empty());
    assert!(bench.printed.concat().contains("british spelling"));
}

#[test]
fn a_late_esc_after_a_steer_was_taken_does_nothing() {
    let mut bench = Bench::new(80, 24);
    bench.say("one");
    bench.typed("more");
    bench.press(KeyCode::Enter, KeyModifiers::ALT);
    let message = json!({"role": "user", "content": "more"});
    bench.event("session.message", json!({"sessionKey": KEY, "message": message, "messageSeq": 2}));
    bench.now += 399;
    bench.key(KeyCode::Esc);
    assert!(bench.calls("chat.abort").is_empty());
    assert_eq!(bench.state.notice.as_ref().unwrap().0, "already delivered");
    bench.now += 1;
    bench.key(KeyCode::Esc);
    assert_eq!(bench.calls("chat.abort").len(), 1);
}

#[test]
fn esc_with_a_steer_pending_interrupts_and_sends_it() {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("one");
    bench.typed("instead");
    bench.press(KeyCode::Enter, KeyModifiers::ALT);
    bench.calls("chat.send");
    bench.key(KeyCode::Esc);
    bench.key(KeyCode::Esc);
    assert_eq!(bench.calls("chat.abort").len(), 1);
    bench.event("chat", json!({"runId": run, "sessionKey": KEY, "state": "aborted", "stopReason": "rpc"}));
    assert_eq!(bench.calls("chat.send")[0]["message"], "instead");
}

#[test]
fn after_an_interrupt_the_queue_stays_until_enter_on_an_empty_line() {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("one");
    bench.typed("two");
    bench.key(KeyCode::Enter);
    bench.calls("chat.send");
    bench.key(KeyCode::Esc);
    bench.stream(&run, "lifecycle", json!({"phase": "end", "aborted": true, "stopReason": "rpc"}));
    bench.event("chat", json!({"runId": run, "sessionKey": KEY, "state": "aborted"}));
    assert!(bench.calls("chat.send").is_empty());
    assert_eq!(bench.printed.iter().filter(|row| row.contains("stopped by")).count(), 1);
    bench.key(KeyCode::Enter);
    assert_eq!(bench.calls("chat.send")[0]["message"], "two");
}

#[test]
fn up_on_an_empty_line_takes_the_last_queued_message_back() {
    let mut bench = Bench::new(80, 24);
    bench.say("one");
    bench.typed("two");
    bench.key(KeyCode::Enter);
    bench.key(KeyCode::Up);
    assert_eq!((bench.state.editor.text(), bench.state.queue.len()), ("two", 0));
}

#[test]
fn keys_typed_while_a_question_arrives_do_not_answer_it() {
    let mut bench = Bench::new(80, 24);
    bench.typed("pl");
    bench.ask("p1", "rm -rf build");
    bench.typed("ad and go");
    bench.now += 5000;
    bench.typed("ad");
    bench.key(KeyCode::Enter);
    assert!(bench.calls("exec.approval.resolve").is_empty());
    assert_eq!(bench.calls("chat.send")[0]["message"], "plad and goad");
}

#[test]
fn a_question_arms_after_700_ms_without_keys_and_enter_is_no_answer() {
    let mut bench = Bench::new(80, 24);
    bench.ask("p1", "ls");
    assert!(bench.effects.contains(&Effect::Bell));
    bench.now += 699;
    bench.key(KeyCode::Char('a'));
    bench.key(KeyCode::Backspace);
    bench.now += 699;
    bench.key(KeyCode::Char('d'));
    bench.key(KeyCode::Backspace);
    assert!(bench.calls("exec.approval.resolve").is_empty());
    bench.now += 700;
    bench.key(KeyCode::Enter);
    assert!(bench.calls("exec.approval.resolve").is_empty());
    bench.key(KeyCode::Char('a'));
    bench.key(KeyCode::Char('a'));
    assert_eq!(bench.calls("exec.approval.resolve"), [json!({"id": "p1", "decision": "allow-once"})]);
}

#[test]
fn a_paste_never_answers_and_tab_gives_the_keys_to_the_question() {
    let mut bench = Bench::new(80, 24);
    bench.ask("p1", "ls");
    bench.now += 1000;
    bench.input(Input::Paste("a".to_owned()));
    bench.now += 1000;
    bench.key(KeyCode::Char('d'));
    assert!(bench.calls("exec.approval.resolve").is_empty());
    bench.key(KeyCode::Tab);
    bench.now += 700;
    bench.key(KeyCode::Char('d'));
    assert_eq!(bench.calls("exec.approval.resolve"), [json!({"id": "p1", "decision": "deny"})]);
    assert_eq!(bench.state.editor.text(), "ad");
}

#[test]
fn a_long_literal_must_be_read_to_its_end_before_it_is_allowed() {
    let mut bench = Bench::new(80, 24);
    bench.ask("p1", &"echo x\n".repeat(60));
    bench.now += 1000;
    bench.key(KeyCode::Char('a'));
    assert!(bench.calls("exec.approval.resolve").is_empty());
    for _ in 0..10 {
        bench.key(KeyCode::Char('b'));
    }
    bench.key(KeyCode::Char('a'));
    assert_eq!(bench.calls("exec.approval.resolve").len(), 1);
}

#[test]
fn expiry_is_its_own_outcome_and_a_decision_elsewhere_closes_the_block() {
    let mut bench = Bench::new(80, 24);
    bench.ask("p1", "ls");
    bench.ask("p2", "pwd");
    bench.event("exec.approval.resolved", json!({"id": "p2", "decision": "deny", "resolvedBy": "phone"}));
    assert_eq!(bench.printed, ["= exec  pwd  denied by phone"]);
    bench.now += 600_000;
    bench.input(Input::Tick);
    assert_eq!(bench.printed[1], "= exec  ls  expired, nothing was done");
    assert!(bench.state.asks.is_empty());
}

#[test]
fn a_note_is_sent_with_the_denial() {
    let mut bench = Bench::new(80, 24);
    bench.say("go");
    bench.calls("chat.send");
    bench.ask("p1", "ls");
    bench.now += 1000;
    bench.typed("n");
    bench.typed("use the API");
    bench.key(KeyCode::Enter);
    assert_eq!(bench.calls("exec.approval.resolve")[0]["decision"], "deny");
    assert_eq!(bench.calls("chat.send")[0]["message"], "use the API");
}

#[test]
fn ctrl_c_clears_then_leaves_on_the_second_press_within_a_second() {
    let ctrl_c = |bench: &mut Bench| bench.press(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let mut bench = Bench::new(80, 24);
    bench.typed("draft");
    ctrl_c(&mut bench);
    ctrl_c(&mut bench);
    assert!(bench.effects.is_empty() && bench.state.editor.is_empty());
    bench.now += 1001;
    ctrl_c(&mut bench);
    assert!(bench.effects.is_empty());
    bench.now += 1000;
    ctrl_c(&mut bench);
    assert_eq!(bench.effects, [Effect::Quit]);
}

#[test]
fn a_refused_message_is_back_on_the_line() {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("hello");
    let asked = Asked::Send { run, text: "hello".to_owned(), is_steer: false };
    bench.input(Input::Reply(asked, Err("no disk".to_owned())));
    assert_eq!(bench.state.editor.text(), "hello");
    assert!(bench.state.turn.is_none());
    assert!(bench.printed.concat().contains("no disk"));
}

#[test]
fn a_typed_slash_opens_the_palette_and_names_run() {
    let mut bench = Bench::new(80, 24);
    bench.typed("/mod");
    assert!(bench.state.pick.is_some());
    bench.key(KeyCode::Enter);
    assert_eq!(bench.calls("models.list").len(), 1);
    assert!(bench.state.editor.is_empty());
    bench.typed("/q");
    bench.key(KeyCode::Enter);
    assert_eq!(bench.effects, [Effect::Quit]);
    bench.typed("/think low");
    bench.key(KeyCode::Enter);
    assert_eq!(bench.calls("sessions.patch")[0], json!({"key": KEY, "thinkingLevel": "low"}));
    bench.typed("/nope x");
    bench.key(KeyCode::Enter);
    assert!(bench.printed.concat().contains("there is no command /nope"));
}

#[test]
fn a_summary_is_asked_for_shown_with_its_tokens_and_taken_back() {
    let mut bench = Bench::new(100, 24);
    bench.typed("/compact");
    bench.key(KeyCode::Enter);
    assert_eq!(bench.calls("sessions.compact"), [json!({"key": KEY})]);
    let made = json!({"ok": true, "compacted": true, "kept": 2,
        "result": {"entries": 12, "tokensBefore": 18_250, "tokensAfter": 900},
        "checkpoint": {"checkpointId": "7", "summary": "Decisions:\n- ship it"}});
    bench.input(Input::Reply(Asked::Compact, Ok(made)));
    let printed = bench.printed.concat();
    for wanted in ["12 older messages", "18.2k to 900 tokens", "ship it", "/compact undo"] {
        assert!(printed.contains(wanted), "{wanted}: {printed}");
    }
    bench.typed("/compact undo");
    bench.key(KeyCode::Enter);
    assert_eq!(bench.calls("sessions.compaction.list"), [json!({"key": KEY})]);
    let listed = json!({"checkpoints": [{"checkpointId": "7"}, {"checkpointId": "3"}]});
    bench.input(Input::Reply(Asked::Summaries, Ok(listed)));
    assert_eq!(bench.calls("sessions.compaction.restore"), [json!({"key": KEY, "checkpointId": "7"})]);
    bench.input(Input::Reply(Asked::Uncompact, Ok(json!({}))));
    assert!(bench.printed.concat().contains("is taken back"));
    bench.input(Input::Reply(Asked::Summaries, Ok(json!({"checkpoints": []}))));
    assert_eq!(bench.state.notice.as_ref().unwrap().0, "no summary is in force here");
    bench.typed("/compact now");
    bench.key(KeyCode::Enter);
    assert!(bench.printed.concat().contains("/compact now is not a form"));
    assert_eq!(bench.calls("sessions.compact"), Vec::<Value>::new());
}

#[test]
fn what_was_not_summarised_says_why() {
    let mut bench = Bench::new(100, 24);
    bench.input(Input::Reply(Asked::Compact, Ok(json!({"compacted": false, "due": true, "reason": "x"}))));
    assert!(bench.state.notice.as_ref().unwrap().0.contains("before its next model call"));
    bench.input(Input::Reply(Asked::Compact, Ok(json!({"compacted": false, "reason": "it is short"}))));
    bench.input(Input::Reply(Asked::Compact, Err("no disk".to_owned())));
    let printed = bench.printed.concat();
    assert!(printed.contains("nothing was summarised: it is short"), "{printed}");
    assert!(printed.contains("/compact failed: no disk"), "{printed}");
}

#[test]
fn a_run_that_makes_its_conversation_shorter_says_so() {
    let mut bench = Bench::new(100, 24);
    let run = bench.say("go on");
    bench.stream(&run, "compaction", json!({"phase": "start"}));
    assert!(bench.state.notice.as_ref().unwrap().0.contains("being summarised"));
    let end = json!({"phase": "end", "completed": true, "willRetry": false, "entries": 8, "tokensBefore": 9000,
        "tokensAfter": 700});
    bench.stream(&run, "compaction", end);
    bench.stream(&run, "compaction", json!({"phase": "end", "completed": false, "reason": "too long"}));
    let printed = bench.printed.concat();
    assert!(printed.contains("8 older messages as a summary: 9.0k to 700 tokens"), "{printed}");
    assert!(printed.contains("nothing was summarised: too long"), "{printed}");
}

/// Text, tool, text as events.
fn live(bench: &mut Bench) {
    let run = bench.say("what is there");
    let entry = json!({"role": "user", "content": "what is there", "idempotencyKey": format!("{run}:user")});
    bench.event("session.message", json!({"sessionKey": KEY, "message": entry, "messageSeq": 1}));
    bench.stream(&run, "assistant", json!({"text": "Let me", "delta": "Let me", "itemId": "a:1"}));
    bench.stream(&run, "assistant", json!({"text": "Let me **look**.", "delta": " **look**.", "itemId": "a:1"}));
    for (id, command) in [("t1", "ls"), ("t2", "pwd")] {
        let args = json!({"command": command});
        bench.stream(&run, "tool", json!({"phase": "start", "name": "exec", "toolCallId": id, "args": args}));
    }
    for (id, output) in [("t2", "/work"), ("t1", "a\nb")] {
        let result = json!({"content": [{"type": "text", "text": output}]});
        bench.stream(&run, "tool", json!({"phase": "result", "toolCallId": id, "isError": false, "result": result}));
    }
    bench.stream(
        &run,
        "assistant",
        json!({"text": "Two files:\n- a\n- b", "delta": "Two files:\n- a\n- b", "itemId": "a:2"}),
    );
    bench.stream(&run, "lifecycle", json!({"phase": "end"}));
}

fn stored(run: &str) -> Value {
    let call = |id: &str, command: &str| json!({"type": "toolCall", "id": id, "name": "exec", "arguments": {"command": command}});
    let result = |id: &str, text: &str| {
        json!({"role": "toolResult", "toolCallId": id, "toolName": "exec", "isError": false,
            "content": [{"type": "text", "text": text}]})
    };
    let first = json!([{"type": "text", "text": "Let me **look**."}, call("t1", "ls"), call("t2", "pwd")]);
    json!([
        {"role": "user", "content": "what is there", "idempotencyKey": format!("{run}:user"), "timestamp": 1,
            "__openclaw": {"seq": 1, "runId": run}},
        {"role": "assistant", "content": first, "stopReason": "toolUse", "__openclaw": {"seq": 2, "runId": run}},
        result("t1", "a\nb"),
        result("t2", "/work"),
        {"role": "assistant", "content": [{"type": "text", "text": "Two files:\n- a\n- b"}], "stopReason": "stop",
            "__openclaw": {"seq": 3, "runId": run}},
    ])
}

#[test]
fn text_tool_text_is_the_same_live_and_after_resume_byte_for_byte() {
    let mut watched = Bench::new(100, 30);
    live(&mut watched);
    let mut resumed = Bench::new(100, 30);
    resumed.history(json!({"messages": stored("other-run"), "sessionInfo": {}}));
    assert_eq!(watched.printed, resumed.printed);
    assert_eq!(
        watched.printed,
        [
            "",
            "you  14:03  what is there",
            "",
            "assistant",
            "Let me look.",
            "> exec  ls  ok  3 B",
            "> exec  pwd  ok  5 B",
            "Two files:",
            "- a",
            "- b"
        ]
    );
}

#[test]
fn history_read_again_neither_loses_nor_doubles() {
    let mut whole = Bench::new(100, 30);
    live(&mut whole);
    // Everything after the first stretch of text is lost with the connection.
    let mut bench = Bench::new(100, 30);
    let run = bench.say("what is there");
    bench.stream(&run, "assistant", json!({"text": "Let me", "delta": "Let me", "itemId": "a:1"}));
    bench.input(Input::Link(Link::Offline { cause: "gone".to_owned(), retry_at: 0 }));
    bench.now += 5000;
    bench.input(Input::Link(Link::Live {
        address: "test".to_owned(),
        version: "1".to_owned(),
        offers: Offers::default(),
    }));
    bench.history(json!({"messages": stored(&run), "sessionInfo": {"hasActiveRun": false}}));
    assert_eq!(bench.printed, whole.printed);
    assert!(bench.state.turn.is_none());
    bench.input(Input::Gap);
    bench.history(json!({"messages": stored(&run), "sessionInfo": {"hasActiveRun": false}}));
    assert_eq!(bench.printed, whole.printed);
}

#[test]
fn a_message_of_unknown_fate_is_sent_again_under_its_id_only_if_it_did_not_arrive() {
    for has_arrived in [false, true] {
        let mut bench = Bench::new(100, 30);
        let run = bench.say("go");
        bench.calls("chat.send");
        bench.input(Input::Lost(Asked::Send { run: run.clone(), text: "go".to_owned(), is_steer: false }));
        bench.input(Input::Link(Link::Offline { cause: "gone".to_owned(), retry_at: 0 }));
        bench.input(Input::Link(Link::Live {
            address: "test".to_owned(),
            version: "1".to_owned(),
            offers: Offers::default(),
        }));
        let entry =
            json!({"role": "user", "content": "go", "idempotencyKey": format!("{run}:user"), "__openclaw": {"seq": 1}});
        let messages = if has_arrived { json!([entry]) } else { json!([]) };
        bench.history(json!({"messages": messages, "sessionInfo": {"hasActiveRun": has_arrived},
            "inFlightRun": {"runId": if has_arrived { run.as_str() } else { "" }}}));
        let again = bench.calls("chat.send");
        let ids: Vec<&str> = again.iter().filter_map(|it| it["idempotencyKey"].as_str()).collect();
        assert_eq!(ids, if has_arrived { vec![] } else { vec![run.as_str()] });
        assert_eq!(bench.printed.concat().matches("go").count(), 1);
    }
}

#[test]
fn an_answer_of_the_connection_before_is_not_taken_for_the_current_one() {
    let mut bench = Bench::new(100, 30);
    bench.input(Input::Gap);
    let old = bench.state.round;
    bench.input(Input::Link(Link::Live {
        address: "test".to_owned(),
        version: "1".to_owned(),
        offers: Offers::default(),
    }));
    bench.input(Input::Reply(Asked::History { round: old }, Err("closed".to_owned())));
    assert!(bench.state.behind_since.is_some());
    assert!(bench.printed.is_empty());
}

#[test]
fn an_open_list_closes_when_a_question_comes() {
    let mut bench = Bench::new(80, 24);
    bench.press(KeyCode::Char('p'), KeyModifiers::CONTROL);
    bench.ask("p1", "ls");
    assert!(bench.state.pick.is_none());
    bench.now += 1000;
    bench.key(KeyCode::Enter);
    assert!(bench.calls("exec.approval.resolve").is_empty());
}

#[test]
fn events_during_a_gap_wait_for_history_and_text_in_flight_goes_on() {
    let mut bench = Bench::new(100, 30);
    let run = bench.say("go");
    bench.stream(&run, "assistant", json!({"text": "one ", "delta": "one ", "itemId": "a:1"}));
    bench.input(Input::Gap);
    bench.stream(&run, "assistant", json!({"text": "one two three four", "delta": " four", "itemId": "a:1"}));
    bench.history(json!({"messages": [], "sessionInfo": {"hasActiveRun": true},
        "inFlightRun": {"runId": run, "text": "one two ", "startedAt": 1}}));
    bench.stream(&run, "lifecycle", json!({"phase": "end"}));
    assert_eq!(bench.printed.last().unwrap(), "one two three four");
    assert_eq!(bench.printed.concat().matches("one").count(), 1);
}

#[test]
fn a_failed_run_says_why_once() {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("go");
    bench.stream(&run, "lifecycle", json!({"phase": "error", "error": "model \x1b[2Jgone"}));
    bench.event("chat", json!({"runId": run, "sessionKey": KEY, "state": "error", "errorMessage": "model gone"}));
    let told: Vec<&String> = bench.printed.iter().filter(|row| row.contains("failed")).collect();
    assert_eq!(told, ["the run failed: model \\u{1b}[2Jgone"]);
}

#[test]
fn what_was_typed_and_queued_comes_back_in_the_same_conversation_only() {
    let draft = Draft {
        line: "half".to_owned(),
        queue: vec!["q".to_owned()],
        session: KEY.to_owned(),
        history: vec!["h".to_owned()],
    };
    let mut bench = Bench::new(80, 24);
    bench.state.restore(draft.clone());
    assert_eq!(bench.state.draft(), draft);
    let mut other = Bench::new(80, 24);
    other.state.restore(Draft { session: "agent:main:x".to_owned(), ..draft });
    assert!(other.state.editor.is_empty() && other.state.queue.is_empty());
    assert_eq!(other.state.editor.history(), ["h"]);
}

#[test]
fn folded_calls_are_the_same_live_and_after_resume() {
    let mut watched = Bench::new(100, 30);
    let run = watched.say("read all");
    let mut messages =
        vec![json!({"role": "user", "content": "read all", "timestamp": 1, "__openclaw": {"seq": 1, "runId": "o"}})];
    for number in 0..6 {
        let (id, args) = (format!("t{number}"), json!({"path": number.to_string()}));
        watched.stream(&run, "tool", json!({"phase": "start", "name": "read", "toolCallId": id, "args": args}));
        let content = json!([{"type": "text", "text": "abc"}]);
        let result = json!({"content": content});
        watched.stream(&run, "tool", json!({"phase": "result", "toolCallId": id, "isError": false, "result": result}));
        messages.push(
            json!({"role": "assistant", "stopReason": "toolUse", "__openclaw": {"seq": number + 2, "runId": "o"},
            "content": [{"type": "toolCall", "id": id, "name": "read", "arguments": args}]}),
        );
        messages.push(
            json!({"role": "toolResult", "toolCallId": id, "toolName": "read", "isError": false, "content": content}),
        );
    }
    watched.stream(&run, "assistant", json!({"text": "six", "delta": "six", "itemId": "a:2"}));
    watched.stream(&run, "lifecycle", json!({"phase": "end"}));
    messages.push(json!({"role": "assistant", "stopReason": "stop", "__openclaw": {"seq": 9, "runId": "o"},
        "content": [{"type": "text", "text": "six"}]}));
    let mut resumed = Bench::new(100, 30);
    resumed.history(json!({"messages": messages, "sessionInfo": {}}));
    assert_eq!(watched.printed[2..], ["> read x6  ok  18 B", "", "assistant", "six"]);
    assert_eq!(watched.printed, resumed.printed);
}

#[test]
fn whatever_the_order_of_keys_and_ends_no_message_is_lost_or_sent_twice() {
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for case in 0..300 {
        let mut bench = Bench::new(80, 24);
        let (mut typed, mut sent, mut aborts) = (Vec::new(), Vec::new(), 0);
        for step in 0..30 {
            bench.now += i64::try_from(next(600)).unwrap();
            let is_running = bench.state.turn.is_some();
            match next(5) {
                kind @ (0 | 1) => {
                    let text = format!("message-{case}-{step}.");
                    bench.typed(&text);
                    bench.press(KeyCode::Enter, if kind == 0 { KeyModifiers::NONE } else { KeyModifiers::ALT });
                    typed.push(text);
                }
                2 => bench.key(KeyCode::Esc),
                3 => {
                    if let Some(steer) = bench.state.steers.first().cloned() {
                        let message = json!({"role": "user", "content": steer.text});
                        bench.event("session.message", json!({"sessionKey": KEY, "message": message}));
                    }
                }
                _ => {
                    if let Some(turn) = &bench.state.turn {
                        let (run, is_aborted) = (turn.run.clone(), turn.is_stopping);
                        // Steers that were not taken become turns of their own at the gateway.
                        bench.stream(&run, "lifecycle", json!({"phase": "end", "aborted": is_aborted}));
                    }
                }
            }
            let stops = bench.calls("chat.abort").len();
            assert!(stops <= usize::from(is_running), "{case}: a stop without a run");
            aborts += stops;
            let calls = bench.calls("chat.send").into_iter();
            sent.extend(calls.map(|it| (it["queueMode"] == "steer", it["message"].as_str().unwrap().to_owned())));
        }
        let waiting: Vec<&str> = bench.state.queue.iter().map(String::as_str).collect();
        let then: Vec<&str> = bench.state.turn.iter().flat_map(|it| &it.then).map(String::as_str).collect();
        for text in &typed {
            let is_sent = sent.iter().any(|(_, it)| it.contains(text.as_str()));
            let is_waiting = waiting.contains(&text.as_str()) || then.contains(&text.as_str());
            assert!(is_sent || is_waiting, "{case}: {text} is lost after {aborts} stops");
            // A steer that Esc gave up on goes again as a turn, once.
            for is_steer in [false, true] {
                let times = sent.iter().filter(|(kind, it)| *kind == is_steer && it.contains(text.as_str())).count();
                assert!(times <= 1, "{case}: {text} was sent {times} times");
            }
        }
    }
}

#[test]
fn a_steer_taken_just_before_the_stop_is_not_sent_again() {
    let mut bench = Bench::new(80, 24);
    let run = bench.say("one");
    bench.typed("instead");
    bench.press(KeyCode::Enter, KeyModifiers::ALT);
    bench.key(KeyCode::Esc);
    bench.calls("chat.send");
    bench.event("session.message", json!({"sessionKey": KEY, "message": {"role": "user", "content": "instead"}}));
    bench.event("chat", json!({"runId": run, "sessionKey": KEY, "state": "aborted", "stopReason": "rpc"}));
    assert!(bench.calls("chat.send").is_empty());
}

#[test]
fn esc_without_a_run_asks_for_nothing() {
    let mut bench = Bench::new(80, 24);
    bench.key(KeyCode::Esc);
    assert!(bench.effects.is_empty());
}

#[test]
fn a_pipe_or_a_redirect_is_allowed_like_any_command() {
    let mut bench = Bench::new(80, 24);
    bench.ask("p1", "df -h / | sort > out.txt && cat < out.txt");
    bench.now += 1000;
    bench.key(KeyCode::Char('a'));
    assert_eq!(bench.calls("exec.approval.resolve"), [json!({"id": "p1", "decision": "allow-once"})]);
}

#[test]
fn an_expired_question_is_not_denied_and_can_be_asked_again() {
    let mut bench = Bench::new(80, 24);
    bench.ask("p1", "ls");
    bench.event("exec.approval.resolved", json!({"id": "p1", "decision": "expired"}));
    bench.ask("p2", "ls");
    bench.now += 600_000;
    bench.input(Input::Tick);
    assert_eq!(bench.printed, ["= exec  ls  expired, nothing was done"; 2]);
    assert!(bench.calls("exec.approval.resolve").is_empty());
    bench.ask("p3", "ls");
    bench.now += 1000;
    bench.key(KeyCode::Char('a'));
    assert_eq!(bench.calls("exec.approval.resolve"), [json!({"id": "p3", "decision": "allow-once"})]);
}

#[test]
fn thinking_is_one_line_until_it_is_opened_and_never_part_of_the_answer() {
    let live = |bench: &mut Bench| -> Vec<String> {
        crate::tui::view::draw(&mut bench.state).rows.iter().map(Row::text).collect()
    };
    let mut bench = Bench::new(80, 24);
    let run = bench.say("go");
    bench.stream(&run, "thinking", json!({"text": "first idea\n", "delta": "first idea\n"}));
    bench.stream(&run, "thinking", json!({"delta": "second \x1b[2Jidea"}));
    assert!(live(&mut bench)[0].starts_with("thought  ~"), "{:#?}", live(&mut bench));
    assert!(!live(&mut bench).concat().contains("idea"));
    bench.press(KeyCode::Char('t'), KeyModifiers::ALT);
    assert_eq!(live(&mut bench)[1..3], ["| first idea", "| second \\u{1b}[2Jidea"]);
    bench.press(KeyCode::Char('t'), KeyModifiers::ALT);
    bench.stream(&run, "assistant", json!({"text": "done", "delta": "done", "itemId": "a:1"}));
    assert!(!live(&mut bench).concat().contains("thought"));
    bench.stream(&run, "lifecycle", json!({"phase": "end"}));
    assert!(!bench.printed.concat().contains("idea"));
    assert_eq!(bench.printed.last().unwrap(), "done");
}
