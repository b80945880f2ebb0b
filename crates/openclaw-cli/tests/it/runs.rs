//! Looking back at runs: listed, shown, replayed, tried another way, packed.

use std::io::Read as _;

use openclaw_cli::Exit;
use serde_json::{Value, json};

use crate::gateway::{Out, healthy};
use crate::world::World;

/// What a canary would be if it were a secret.
const CANARY: &str = "canary-7f3a91-do-not-show";

const AT: i64 = 1_763_632_980_000;

/// A run with a tool of each kind of ending, taken up once by another process.
pub(crate) fn answers(method: &str, params: &Value) -> Option<Value> {
    let row = json!({ "runId": "r_7Kq2xx00", "sessionKey": "agent:main:main", "agentId": "main", "status": "attention",
        "epoch": 2, "seq": 14, "acceptedAt": AT, "details": {} });
    let ended = json!({ "runId": "r_8Lm0aa11", "sessionKey": "agent:main:main", "status": "done", "epoch": 1, "seq": 9,
        "acceptedAt": AT - 60_000, "outcome": { "end": { "end": "done" }, "text": "Oslo \u{1b}[31mred\nmore", "iterations": 2,
            "toolCalls": 1, "startedAt": AT - 60_000, "endedAt": AT - 50_000, "usage": { "input": 3100, "output": 212, "costUsd": 0.011 } } });
    Some(match method {
        "runs.list" => json!({ "runs": [row, ended], "ts": AT }),
        "runs.get" => json!({ "run": row, "summary": { "owners": 2,
            "modelCalls": [{ "step": 1, "state": "done", "startedAt": AT, "endedAt": AT + 2100, "superseded": 1,
                "model": "claude-sonnet-4-5", "usage": { "input": 10, "output": 5, "costUsd": 0.004 } }],
            "tools": [
                { "callId": "c1", "name": "read", "title": "notes/plan.md", "effect": "pure", "state": "done",
                    "outcome": "ok", "startedAt": AT + 2100, "endedAt": AT + 2200 },
                { "callId": "c2", "name": "mail.send", "title": "ana@ex.org", "effect": "once", "state": "unknown",
                    "startedAt": AT + 2200 }],
            "usage": { "input": 10, "output": 5, "costUsd": 0.004 },
            "waitsFor": [{ "kind": "question", "id": "q1", "callId": "c2", "name": "mail.send", "since": AT,
                "next": "openclaw approvals answer q1 happened" }] } }),
        "runs.resume" => json!({ "ok": true, "runId": params["runId"], "status": "running", "takenUp": false }),
        "runs.cancel" => {
            json!({ "ok": true, "runId": params["runId"], "cancelled": true, "runIds": [params["runId"]] })
        }
        "runs.settle" => json!({ "ok": true, "settled": true }),
        "runs.snapshot" if params.get("sessionKey").is_none() => {
            json!({ "ok": true, "runId": params["runId"], "seq": 14, "state": "kept",
            "scratch": { "files": 3, "bytes": 2048, "notKept": 1, "why": "a.iso (is too large)" } })
        }
        "runs.events" => {
            json!({ "runId": params["runId"], "sessionKey": "agent:main:main", "after": 2, "hasMore": false,
            "events": [
                { "seq": 1, "epoch": 0, "at": AT, "event": "accepted", "data": { "message": format!("my key is {CANARY}") } },
                { "seq": 2, "epoch": 1, "at": AT, "event": "tool_ended",
                    "data": { "result": "Bearer abcdefghijklmnop and sk-abcdefghij0123456789" } }] })
        }
        "runs.replay" => json!({ "runId": params["runId"], "sessionKey": "agent:main:main", "status": "done",
            "isIdentical": params["runId"] != "r_8Lm0aa11", "events": 14, "inputs": 6, "rebuilt": 8, "epochs": 2, "entries": 3,
            "recordedSha256": "9b41", "rebuiltSha256": "9b41", "notes": [],
            "differences": [{ "seq": 7, "what": "tool_started differs", "expected": "{\"a\":1}", "found": "{\"a\":2}" }] }),
        "runs.fork" => json!({ "runId": "f_1", "sessionKey": "agent:main:fork:1", "ofRunId": params["runId"],
            "ofSessionKey": "agent:main:main", "fromStep": params["fromStep"], "isLive": params["live"] }),
        "runs.diff" => json!({
            "a": { "runId": params["a"], "sessionKey": "agent:main:main", "status": "done", "input": "hi", "model": "p/m",
                "text": "Oslo", "usage": { "input": 10, "output": 5, "costUsd": 0.004 } },
            "b": { "runId": params["b"], "sessionKey": "agent:main:fork:1", "status": "done", "input": "hi", "model": "p/n",
                "text": "Bergen", "usage": { "input": 8, "output": 4, "costUsd": 0.001 } },
            "firstDifference": 2, "steps": [
                { "step": 1, "differs": [], "a": { "text": "look", "tools": [], "usage": {} }, "b": { "text": "look", "tools": [], "usage": {} } },
                { "step": 2, "differs": ["text", "tools"], "a": { "text": "Oslo", "usage": {}, "tools": [{ "callId": "c1", "tool": "read",
                    "arguments": "{}", "status": "ok", "result": "x" }] }, "b": null }] }),
        _ => return None,
    })
}

#[test]
fn a_list_says_how_it_stands_with_each_run() {
    let outcome = World::healthy().run("runs list");
    assert_eq!(outcome.exit, Exit::Done);
    let wanted = [
        "run         session          state              age        steps  tools    cost  text",
        "r_7Kq2xx00  agent:main:main  ? outcome unknown  45 s ago",
        "r_8Lm0aa11  agent:main:main  done               1 min ago      2      1  $0.011  Oslo \\u{1b}[31mred",
    ];
    assert_eq!(outcome.out.lines().map(str::trim_end).collect::<Vec<_>>(), wanted);
}

#[test]
fn a_run_is_shown_on_a_time_axis_and_the_unknown_is_marked_by_sign_and_word() {
    let outcome = World::healthy().run("runs show r_7K");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let shown = outcome.out;
    for wanted in [
        "run r_7Kq2xx00  ? outcome unknown",
        "1 model claude-sonnet-4-5",
        "read notes/plan.md",
        "pure",
        "mail.send ana@ex.org",
        "once",
        "outcome unknown",
        "2 owners",
        "mail.send c2 may have happened",
        "2.1 s",
        "$0.004",
        "done, 2 x",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(outcome.err.contains("openclaw runs settle r_7Kq2xx00 c2 happened"), "{}", outcome.err);
    assert!(shown.contains(".......................?"), "{shown}");
}

#[test]
fn runs_are_driven_by_their_verbs() {
    for (line, said) in [
        ("runs resume r_7K", "is working (running)"),
        ("runs cancel r_7K", "is asked to stop"),
        ("runs settle r_7K c2 not-happened", "call c2 is settled: not-happened"),
        ("runs snapshot r_7K", "is kept as it stands"),
        ("runs snapshot r_7K", "3 files of its instance are kept"),
        ("runs snapshot r_7K", "1 not kept: a.iso (is too large)"),
    ] {
        let outcome = World::healthy().run(line);
        assert_eq!(outcome.exit, Exit::Done, "{line}: {outcome:?}");
        assert!(outcome.out.contains(said), "{line}: {}", outcome.out);
    }
    assert_eq!(World::healthy().run("runs settle r_7K c2 perhaps").exit, Exit::Usage);
}

/// Asks to go on with a run when the gateway refuses.
fn refused(message: &'static str, details: Value) -> crate::world::Outcome {
    World::scripted(move |method, params| match method {
        "runs.resume" => {
            vec![Out::Error(json!({ "code": "INVALID_REQUEST", "message": message, "details": details }))]
        }
        other => healthy(other, params),
    })
    .run("runs resume r_7K")
}

#[test]
fn a_run_that_waits_and_one_that_has_ended_say_what_to_do_and_have_their_exit_codes() {
    let approval = json!({ "kind": "approval", "id": "p1", "name": "exec", "next": "openclaw approvals allow p1" });
    let question = json!({ "kind": "question", "id": "q1", "name": "pay", "next": "openclaw approvals answer q1 happened",
        "answers": ["happened", "not-happened", "unknown"] });
    let waits =
        refused("run goes on once this is answered", json!({ "code": "RUN_WAITS", "waitsFor": [approval, question] }));
    assert_eq!(waits.exit, Exit::Waits);
    for next in ["approvals allow p1", "approvals answer q1 happened", "approvals answer q1 not-happened"] {
        assert!(waits.err.contains(next), "{next}: {}", waits.err);
    }
    let details = json!({ "code": "RUN_ENDED", "next": "openclaw replay r_7Kq2xx00 --from 1 --live" });
    let ended = refused("run r_7Kq2xx00 has ended: it is done", details);
    assert_eq!(ended.exit, Exit::Conflict);
    assert!(
        ended.err.contains("it is done") && ended.err.contains("replay r_7Kq2xx00 --from 1 --live"),
        "{}",
        ended.err
    );
    let gone = refused("there is no run r_7K", json!({ "code": "RUN_NOT_FOUND" }));
    assert_eq!(gone.exit, Exit::NotFound);
}

#[test]
fn a_run_that_nobody_worked_on_is_taken_up_and_a_waiting_one_is_in_the_queue() {
    for (status, taken, said) in [
        ("queued", true, "had nobody working on it and is taken up now (queued)"),
        ("queued", false, "waits for its turn and begins by itself"),
        ("running", false, "is working (running)"),
    ] {
        let outcome = World::scripted(move |method, params| match method {
            "runs.resume" => {
                vec![Out::Ok(json!({ "ok": true, "runId": params["runId"], "status": status, "takenUp": taken }))]
            }
            other => healthy(other, params),
        })
        .run("runs resume r_7K");
        assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
        assert!(outcome.out.contains(said), "{said}: {}", outcome.out);
    }
}

#[test]
fn a_replay_is_identical_or_says_where_it_differs_and_exits_8() {
    let same = World::healthy().run("replay r_7K");
    assert_eq!(same.exit, Exit::Done);
    assert!(same.out.contains("identical: 14 events, 8 rebuilt"), "{}", same.out);
    let other = World::healthy().run("replay r_8L");
    assert_eq!(other.exit, Exit::Problems);
    assert!(other.out.contains("x  differs at event 7: tool_started differs"), "{}", other.out);
    assert!(
        other.out.contains(r#"the engine asks for  {"a":1}"#) && other.out.contains(r#"recorded is  {"a":2}"#),
        "{}",
        other.out
    );
}

#[test]
fn a_fork_sends_what_is_to_differ_waits_and_compares() {
    let world = World::healthy();
    world.write("edit.json5", "{ input: 'other', results: { c1: 'text' }, }");
    let outcome = world.run("replay r_7K --from 2 --model p/n --edit edit.json5");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let wanted = json!({ "runId": "r_7Kq2xx00", "sessionKey": "agent:main:main", "fromStep": 2, "model": "p/n", "live": false,
        "edit": { "input": "other", "results": { "c1": "text" } } });
    assert_eq!(forks(&world), [wanted]);
    assert!(outcome.out.contains("first difference at step 2") && outcome.out.contains("Bergen"), "{}", outcome.out);
}

#[test]
fn tools_never_really_work_without_a_yes() {
    let world = World::healthy();
    let outcome = world.run("replay r_7K --live --no-input");
    assert_eq!(outcome.exit, Exit::Usage, "{outcome:?}");
    assert!(forks(&world).is_empty());
    assert_eq!(world.run("replay r_7K --live --yes").exit, Exit::Done);
    assert_eq!(forks(&world)[0]["live"], true);
}

#[test]
fn a_bad_edit_is_refused_before_anything_is_asked() {
    let world = World::healthy();
    for (text, cause) in [("[]", "object"), ("{}", "changes nothing"), ("{output: 1}", "output"), ("{", "line 1")] {
        world.write("edit.json", text);
        let outcome = world.run("replay r_7K --edit edit.json");
        assert_eq!(outcome.exit, Exit::Usage, "{text}");
        assert!(outcome.err.contains(cause), "{text}: {}", outcome.err);
    }
    assert_eq!(world.run("replay r_7K --edit missing.json").exit, Exit::Usage);
}

#[test]
fn without_a_gateway_a_replay_works_inside_the_command() {
    let world = World::new().embedding(healthy);
    let outcome = world.run("replay r_7K");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert_eq!(world.backend.embedded.lock().unwrap().len(), 1);
}

fn forks(world: &World) -> Vec<Value> {
    world.gateway.as_ref().unwrap().calls_of("runs.fork")
}

/// Returns the unpacked bytes of a bundle, and its names.
fn unpack(path: &std::path::Path) -> (Vec<String>, Vec<u8>) {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let (mut names, mut bytes) = (Vec::new(), Vec::new());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        names.push(entry.path().unwrap().display().to_string());
        entry.read_to_end(&mut bytes).unwrap();
    }
    (names, bytes)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A home with the canary in every place a secret may stand.
fn with_canaries() -> World {
    let log = move |method: &str, params: &Value| match method {
        "logs.tail" => {
            vec![Out::Ok(json!({ "lines": [format!(r#"{{"message":"token {CANARY} used"}}"#)], "cursor": 1 }))]
        }
        other => healthy(other, params),
    };
    let world = World::scripted(log).env("SOME_API_KEY", CANARY);
    let config = format!(
        r#"{{ "gateway": {{ "port": 1, "auth": {{ "mode": "token", "token": "{CANARY}" }} }},
            "models": {{ "providers": {{ "x": {{ "apiKey": "{CANARY}", "baseUrl": "https://u:{CANARY}@host" }} }} }} }}"#
    );
    world.write(".openclaw/openclaw.json", &config);
    world.write(".openclaw/gateway.token", CANARY);
    world
}

#[test]
fn no_byte_of_a_bundle_holds_a_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = with_canaries();
    let outcome = world.run("support bundle --run r_7K --out b.tar.gz");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let path = world.path("b.tar.gz");
    let (names, bytes) = unpack(&path);
    let wanted = ["config.json", "doctor.json", "logs.jsonl", "run/events.jsonl", "run/replay.json", "manifest.json"];
    assert_eq!(names, wanted.map(|name| format!("openclaw-support/{name}")));
    for secret in [CANARY, "sk-abcdefghij0123456789", "abcdefghijklmnop"] {
        assert!(!holds(&bytes, secret), "{secret} in {}", String::from_utf8_lossy(&bytes));
    }
    assert!(holds(&bytes, "my key is __OPENCLAW_REDACTED__"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // An earlier bundle is never written over.
    assert_eq!(world.run("support bundle --out b.tar.gz").exit, Exit::Conflict);
}

#[test]
fn a_bundle_without_text_holds_no_words() {
    let world = with_canaries();
    assert_eq!(world.run("support bundle --run r_7K --out b.tar.gz --no-text").exit, Exit::Done);
    let (_, bytes) = unpack(&world.path("b.tar.gz"));
    assert!(!holds(&bytes, "my key") && holds(&bytes, "tool_ended") && holds(&bytes, "chars"));
}

#[test]
fn a_bundle_is_made_without_a_gateway_and_says_what_it_lacks() {
    let world = World::new();
    let outcome = world.run("support bundle --out b.tar.gz");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.err.contains("not in it: gateway is not running"), "{}", outcome.err);
    let (names, _) = unpack(&world.path("b.tar.gz"));
    assert_eq!(names.len(), 3);
}
