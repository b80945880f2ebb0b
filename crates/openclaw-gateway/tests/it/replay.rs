//! Looking back at runs over the wire.

use std::sync::Mutex;

use async_trait::async_trait;
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{Comparison, ForkWish, Forked, History, Replay, RunName, Side};
use openclaw_domain::run::Status;
use openclaw_domain::{Fault, Kind, RunId, SessionKey};
use serde_json::json;

use crate::rig::Rig;

/// Answers with the names it was given.
#[derive(Default)]
pub(crate) struct FakeHistory {
    pub(crate) wishes: Mutex<Vec<ForkWish>>,
}

fn session() -> SessionKey {
    "agent:main:main".parse().unwrap()
}

#[async_trait]
impl History for FakeHistory {
    async fn replay(&self, session_key: Option<&SessionKey>, run: &RunId) -> Result<Replay, Fault> {
        if run.as_str() == "gone" {
            return Err(Fault::new(Kind::NotFound, "there is no run gone").hint("openclaw runs list"));
        }
        Ok(Replay {
            run_id: run.clone(),
            session_key: session_key.cloned().unwrap_or_else(session),
            status: Status::Done,
            is_identical: true,
            events: 7,
            inputs: 3,
            rebuilt: 4,
            epochs: 1,
            entries: 2,
            recorded_sha256: "aa".into(),
            rebuilt_sha256: "aa".into(),
            differences: Vec::new(),
            notes: Vec::new(),
        })
    }

    async fn fork(&self, wish: ForkWish) -> Result<Forked, Fault> {
        let forked = Forked {
            run_id: "f1".parse().unwrap(),
            session_key: "agent:main:fork:1".parse().unwrap(),
            of_run_id: wish.of.run.clone(),
            of_session_key: session(),
            from_step: wish.from_step,
            is_live: wish.is_live,
        };
        self.wishes.lock().unwrap().push(wish);
        Ok(forked)
    }

    async fn compare(&self, a: &RunName, b: &RunName) -> Result<Comparison, Fault> {
        let side = |name: &RunName| Side {
            run_id: name.run.clone(),
            session_key: name.session.clone().unwrap_or_else(session),
            status: Status::Done,
            input: "hi".into(),
            model: None,
            text: "hello".into(),
            usage: Usage::default(),
        };
        Ok(Comparison { a: side(a), b: side(b), steps: Vec::new(), first_difference: None })
    }
}

#[tokio::test]
async fn a_replay_says_what_was_compared() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    let replay = client.ok("runs.replay", json!({ "runId": "r1", "sessionKey": "notes" })).await;
    assert_eq!(replay["runId"], "r1");
    assert_eq!(replay["sessionKey"], "agent:main:notes");
    assert_eq!((&replay["isIdentical"], &replay["rebuilt"]), (&json!(true), &json!(4)));
    let refused = client.fails("runs.replay", json!({ "runId": "gone" })).await;
    assert!(refused["message"].as_str().unwrap().contains("there is no run gone"), "{refused}");
    assert_eq!(refused["details"]["kind"], "not_found");
}

#[tokio::test]
async fn a_fork_is_asked_for_with_all_that_differs() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    let params = json!({ "runId": "r1", "fromStep": 3, "model": "p/m", "live": true,
        "edit": { "input": "other", "system": "", "results": { "c1": "text" } } });
    let forked = client.ok("runs.fork", params).await;
    assert_eq!((&forked["runId"], &forked["ofRunId"], &forked["fromStep"]), (&json!("f1"), &json!("r1"), &json!(3)));
    let wish = rig.history.wishes.lock().unwrap().pop().unwrap();
    assert_eq!(wish.model.unwrap().to_string(), "p/m");
    assert!(wish.is_live);
    assert_eq!((wish.edit.input.as_deref(), wish.edit.system.as_deref()), (Some("other"), Some("")));
    assert_eq!(wish.edit.results.values().collect::<Vec<_>>(), ["text"]);
    for bad in [json!({ "runId": "r1", "model": "none" }), json!({ "runId": "r1", "edit": { "results": { "c1": 7 } } })]
    {
        assert_eq!(client.fails("runs.fork", bad).await["code"], "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn two_runs_are_compared() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    let compared = client.ok("runs.diff", json!({ "a": "r1", "b": "r2" })).await;
    assert_eq!((&compared["a"]["runId"], &compared["b"]["runId"]), (&json!("r1"), &json!("r2")));
    assert_eq!(compared["firstDifference"], json!(null));
}
