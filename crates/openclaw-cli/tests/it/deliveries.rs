//! What was sent to people: listed, shown, sent again, settled.

use openclaw_cli::Exit;
use serde_json::{Value, json};

use crate::gateway::{Out, healthy};
use crate::world::World;

const AT: i64 = 1_763_632_980_000;

fn delivery(id: u64, state: &str, message: Option<&str>) -> Value {
    json!({ "id": id, "sessionKey": "agent:main:main", "runId": "r_7Kq2xx00", "state": state, "channel": "webhook",
        "to": if id == 12 { "" } else { "ann" }, "accountId": null, "threadId": null, "text": "Oslo \u{1b}[31mred",
        "key": "k", "notAfter": AT + 900_000, "providerId": null, "message": message, "attempts": 1, "at": AT })
}

/// One that may have arrived, one that failed, one that was sent.
pub(crate) fn answers(method: &str, params: &Value) -> Option<Value> {
    let all = [
        delivery(12, "unknown", Some("the connection broke\nafter the message was written")),
        delivery(11, "failed", Some("the receiver answered 404")),
        delivery(10, "sent", None),
    ];
    Some(match method {
        "deliveries.list" => {
            let fits = |row: &&Value| params["state"].is_null() || row["state"] == params["state"];
            json!({ "deliveries": all.iter().filter(fits).collect::<Vec<_>>() })
        }
        "deliveries.get" => json!({ "delivery": all.iter().find(|row| row["id"] == params["id"])? }),
        "deliveries.retry" | "deliveries.discard" => json!({ "ok": true, "id": params["id"] }),
        _ => return None,
    })
}

fn calls(world: &World, method: &str) -> Vec<Value> {
    world.gateway.as_ref().unwrap().calls_of(method)
}

#[test]
fn a_list_says_where_each_went_how_it_stands_and_why() {
    let outcome = World::healthy().run("deliveries list");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let wanted = [
        "delivery  age       channel  to   state      tries  why",
        "12        45 s ago  webhook  -    ? unknown      1  the connection broke",
        "11        45 s ago  webhook  ann  failed         1  the receiver answered 404",
        "10        45 s ago  webhook  ann  sent           1",
    ];
    assert_eq!(outcome.out.lines().map(str::trim_end).collect::<Vec<_>>(), wanted);
    assert!(outcome.err.contains("openclaw deliveries show 12"), "{}", outcome.err);
    let sent = World::healthy().run("deliveries list --state sent --limit 5");
    assert_eq!(sent.out.lines().count(), 2, "{}", sent.out);
    assert_eq!(World::healthy().run("deliveries list --state lost").exit, Exit::Usage);
    let none = World::healthy().run("deliveries list --state pending");
    assert!(none.out.contains("deliveries"), "{}", none.out);
    let chinese = World::healthy().env("OPENCLAW_LANG", "zh").run("deliveries discard 12");
    assert!(chinese.out.contains("投递 12 已了结"), "{}", chinese.out);
}

#[test]
fn one_is_shown_with_what_can_be_done_about_it() {
    let outcome = World::healthy().run("deliveries show 12");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    for wanted in ["delivery 12  ? unknown", "webhook", "r_7Kq2xx00", "the connection broke", "Oslo \\u{1b}[31mred"] {
        assert!(outcome.out.contains(wanted), "{wanted}: {}", outcome.out);
    }
    for next in ["openclaw deliveries retry 12", "openclaw deliveries discard 12"] {
        assert!(outcome.err.contains(next), "{next}: {}", outcome.err);
    }
    let sent = World::healthy().run("deliveries show 10");
    assert!(!sent.err.contains("retry"), "nothing is to be done about it: {}", sent.err);
}

#[test]
fn one_that_may_have_arrived_is_sent_again_only_after_a_yes() {
    let world = World::healthy();
    let outcome = world.run("deliveries retry 12 --no-input");
    assert_eq!(outcome.exit, Exit::Usage, "{outcome:?}");
    let asked = World::healthy().terminal(80).input("n\n");
    let outcome = asked.run("deliveries retry 12");
    assert_eq!(outcome.exit, Exit::Failed, "{outcome:?}");
    assert!(outcome.err.contains("may have arrived; sending it again may show it twice"), "{}", outcome.err);
    assert_eq!((calls(&world, "deliveries.retry"), calls(&asked, "deliveries.retry")), (vec![], vec![]));
    let outcome = world.run("deliveries retry 12 --yes");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.out.contains("delivery 12 is sent again"), "{}", outcome.out);
    // One that certainly did not arrive needs no yes.
    assert_eq!(world.run("deliveries retry 11 --no-input").exit, Exit::Done);
    assert_eq!(calls(&world, "deliveries.retry"), [json!({ "id": 12 }), json!({ "id": 11 })]);
}

#[test]
fn several_are_settled_at_once_and_the_gateways_refusals_have_their_exit_codes() {
    let world = World::healthy();
    let outcome = world.run("deliveries discard 12 11");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert_eq!(calls(&world, "deliveries.discard"), [json!({ "id": 12 }), json!({ "id": 11 })]);
    assert_eq!(World::healthy().run("deliveries discard").exit, Exit::Usage);
    assert_eq!(World::healthy().run("deliveries discard all").exit, Exit::Usage);
    for (code, exit) in [("DELIVERY_NOT_FOUND", Exit::NotFound), ("DELIVERY_NOT_OPEN", Exit::Conflict)] {
        let world = World::scripted(move |method, params| match method {
            "deliveries.discard" => {
                vec![Out::Error(json!({ "code": "INVALID_REQUEST", "message": "no", "details": { "code": code } }))]
            }
            other => healthy(other, params),
        });
        let outcome = world.run("deliveries discard 10");
        assert_eq!(outcome.exit, exit, "{outcome:?}");
        assert!(outcome.err.contains("openclaw deliveries list"), "{}", outcome.err);
    }
}

#[test]
fn an_answer_goes_to_the_channel_that_is_named() {
    let world = World::healthy();
    let outcome = world.run("agent hello --deliver --channel webhook --reply-to ann");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let asked = &calls(&world, "agent")[0];
    assert_eq!(
        (&asked["deliver"], &asked["channel"], &asked["replyTo"]),
        (&json!(true), &json!("webhook"), &json!("ann"))
    );
    for line in ["agent hello --deliver", "agent hello --channel webhook"] {
        assert_eq!(World::healthy().run(line).exit, Exit::Usage, "{line}");
    }
}
