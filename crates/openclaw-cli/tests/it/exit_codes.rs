//! Every published exit code is produced by something a person can do.

use openclaw_cli::Exit;
use serde_json::json;

use crate::gateway::{Out, healthy, question};
use crate::world::{Outcome, World};

fn refusing(method: &'static str, error: serde_json::Value) -> World {
    World::scripted(
        move |called, params| {
            if called == method { vec![Out::Error(error.clone())] } else { healthy(called, params) }
        },
    )
}

/// A run that is accepted and then ends with an error.
fn ending(details: serde_json::Value) -> World {
    World::scripted(move |called, params| match called {
        "agent" => {
            let mut details = details.clone();
            details["runId"] = params["idempotencyKey"].clone();
            vec![Out::Error(json!({"code": "UNAVAILABLE", "message": "it ended", "details": details}))]
        }
        _ => healthy(called, params),
    })
}

fn check(outcome: &Outcome, exit: Exit) {
    assert_eq!(outcome.exit, exit, "{outcome:?}");
}

#[test]
fn done_is_0() {
    check(&World::healthy().run("status"), Exit::Done);
}

#[test]
fn a_busy_gateway_is_1() {
    let world = refusing("health", json!({"code": "UNAVAILABLE", "message": "starting", "retryable": true}));
    check(&world.run("gateway call health"), Exit::Failed);
}

#[test]
fn wrong_usage_is_2() {
    check(&World::new().run("staus"), Exit::Usage);
    check(&World::new().run("gateway call health --params nonsense"), Exit::Usage);
    check(&World::new().run(""), Exit::Usage);
}

#[test]
fn what_is_not_there_is_3() {
    check(&World::healthy().run("sessions show nowhere"), Exit::NotFound);
    check(&World::healthy().run("vars get nothing"), Exit::NotFound);
    check(&World::healthy().run("approvals show zzz"), Exit::NotFound);
    check(&World::healthy().run("devices revoke zzz --yes"), Exit::NotFound);
}

#[test]
fn no_gateway_is_4() {
    check(&World::new().run("status"), Exit::Unreachable);
    check(&World::new().run("agent hi --gateway ws://127.0.0.1:1"), Exit::Unreachable);
}

#[test]
fn a_wrong_credential_is_5() {
    let error =
        json!({"code": "INVALID_REQUEST", "message": "unauthorized", "details": {"code": "AUTH_TOKEN_MISMATCH"}});
    check(&refusing("connect", error).run("status"), Exit::NotAllowed);
    let error =
        json!({"code": "FORBIDDEN", "message": "missing scope: operator.admin", "details": {"code": "MISSING_SCOPE"}});
    check(&refusing("sessions.reset", error).run("sessions reset main --yes"), Exit::NotAllowed);
}

#[test]
fn what_a_gate_denies_is_6() {
    let error = json!({"code": "FORBIDDEN", "message": "denied by rule x", "details": {"kind": "denied"}});
    check(&refusing("agent", error).run("agent hi"), Exit::Denied);
}

#[test]
fn a_question_nobody_can_answer_is_7() {
    let world = World::scripted(|called, params| match called {
        "agent" => vec![
            Out::Ok(json!({"runId": params["idempotencyKey"], "status": "accepted"})),
            Out::Event("exec.approval.requested", question()),
        ],
        _ => healthy(called, params),
    });
    let outcome = world.run("agent hi");
    check(&outcome, Exit::Waits);
    assert!(outcome.err.contains("next   openclaw approvals show p_4Tz00000"), "{}", outcome.err);
    check(&world.run("approvals allow p_4Tz --yes"), Exit::Waits);
}

#[test]
fn a_check_that_finds_problems_is_8() {
    let world = World::healthy();
    world.write(".openclaw/openclaw.json", r#"{ "gateway": { "port": "many" } }"#);
    check(&world.run("config validate"), Exit::Problems);
    check(&world.run("doctor"), Exit::Problems);
}

#[test]
fn a_model_that_fails_is_9() {
    check(&ending(json!({"status": "error", "stopReason": "error"})).run("agent hi"), Exit::Model);
}

#[test]
fn a_change_meanwhile_is_10() {
    let error =
        json!({"code": "INVALID_REQUEST", "message": "config changed since last load; re-run config.get and retry"});
    check(&refusing("config.patch", error).run("config set gateway.port 18790"), Exit::Conflict);
}

#[test]
fn a_connection_lost_after_acceptance_is_11() {
    let world = World::scripted(|called, params| match called {
        "agent" => vec![Out::Ok(json!({"runId": params["idempotencyKey"], "status": "accepted"})), Out::Close(1012)],
        _ => healthy(called, params),
    });
    check(&world.run("agent hi"), Exit::Unknown);
}

#[test]
fn a_reached_ceiling_is_12() {
    check(&ending(json!({"status": "error", "stopReason": "limit"})).run("agent hi"), Exit::Budget);
}

#[test]
fn no_answer_in_time_is_124() {
    let world = World::scripted(|called, params| match called {
        "health" => Vec::new(),
        _ => healthy(called, params),
    });
    check(&world.run("health --timeout 100ms"), Exit::Timeout);
}

#[test]
fn leaving_at_a_question_is_130() {
    check(&World::healthy().terminal(80).run("sessions rm main"), Exit::Interrupted);
}

#[test]
fn whose_time_was_over_decides_between_124_and_12() {
    let run = |details: &serde_json::Value, line: &str| {
        let world = ending(details.clone());
        let outcome = world.run(line);
        (outcome.exit, world.gateway.unwrap().calls_of("agent")[0]["timeout"].clone())
    };
    let ended =
        |ceiling: &str| json!({"status": "error", "errorKind": "duration", "limit": "duration", "ceiling": ceiling});
    // What the gateway says holds, not how long it took here.
    assert_eq!(run(&ended("request"), "agent hi --timeout 90500ms"), (Exit::Timeout, json!(91)));
    assert_eq!(run(&ended("agent"), "agent hi --timeout 0ms"), (Exit::Budget, json!(1)));
    assert_eq!(run(&ended("agent"), "agent hi"), (Exit::Budget, json!(null)));
    for (path, exit) in [("limit:duration:request", Exit::Timeout), ("limit:duration:agent", Exit::Budget)] {
        let details = json!({"status": "error", "stopReason": path});
        assert_eq!(run(&details, "agent hi --timeout 60s").0, exit, "{path}");
    }
    // Another ceiling stays what it is, however long it took.
    let cost = json!({"status": "error", "errorKind": "cost", "limit": "cost"});
    assert_eq!(run(&cost, "agent hi --timeout 0ms").0, Exit::Budget);
    // A gateway that knows one word for both means the time it was given.
    let late = json!({"code": "AGENT_TIMEOUT", "message": "the run took too long"});
    check(&refusing("agent", late.clone()).run("agent hi"), Exit::Budget);
    check(&refusing("agent", late).run("agent hi --timeout 60s"), Exit::Timeout);
}

#[test]
fn the_ceiling_holds_inside_this_command_too() {
    let script = |ceiling: &'static str| {
        move |called: &str, params: &serde_json::Value| match called {
            "agent" => vec![Out::Error(json!({"code": "UNAVAILABLE", "message": "it ended",
                "details": {"runId": params["idempotencyKey"], "status": "error", "limit": "duration", "ceiling": ceiling}}))],
            _ => healthy(called, params),
        }
    };
    check(&World::new().embedding(script("agent")).run("agent hi --local --timeout 60s"), Exit::Budget);
    check(&World::new().embedding(script("request")).run("agent hi --local --timeout 60s"), Exit::Timeout);
}
