//! Unknown outcomes, runs as records, deliveries.

use std::sync::Mutex;

use async_trait::async_trait;
use openclaw_domain::delivery::{Delivery, DeliveryRecord, DeliveryState, Destination, Discarded, Retention};
use openclaw_domain::message::ToolStatus;
use openclaw_domain::ports::{Due, JournalError, OpenAction, Outbox, RunObserver as _, Settled};
use openclaw_domain::run::Status;
use openclaw_domain::tool::Effect;
use openclaw_domain::{AgentId, Change, Cursor, Question, RunEvent, RunUpdate, Timestamp, ToolCall, ToolResult};
use serde_json::{Value, json};

use crate::fakes::AT;
use crate::rig::{Rig, Ws, params};
use crate::streams::Author;

/// An outbox with one delivery of every state.
#[derive(Default)]
pub(crate) struct Sent {
    retried: Mutex<Vec<u64>>,
}

#[async_trait]
impl Outbox for Sent {
    async fn take(&self, _owner: &str, _now: Timestamp, _limit: usize) -> Result<Vec<Due>, JournalError> {
        Ok(Vec::new())
    }

    async fn settle(&self, _due: &Due, _settled: Settled, _now: Timestamp) -> Result<(), JournalError> {
        Ok(())
    }

    async fn orphaned(&self, _owner: &str, _now: Timestamp) -> Result<Vec<DeliveryRecord>, JournalError> {
        Ok(Vec::new())
    }

    async fn deliveries(
        &self,
        state: Option<DeliveryState>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let record = |(id, state): (usize, DeliveryState)| DeliveryRecord {
            id: id as u64,
            session: "agent:main:main".parse().unwrap(),
            run: "r1".parse().unwrap(),
            delivery: Delivery {
                to: Destination { channel: "webhook".into(), to: "https://x".into(), account: None, thread: None },
                text: "done".into(),
                idempotency_key: "k".into(),
                not_after: (id == 0).then_some(AT),
            },
            state,
            provider_id: (state == DeliveryState::Sent).then(|| "p1".into()),
            message: (state == DeliveryState::Unknown).then(|| "the connection broke".into()),
            attempts: 1,
            at: AT,
            discarded: (state == DeliveryState::Discarded).then(|| Discarded { by: "ann".into(), at: AT }),
        };
        let all = DeliveryState::ALL.into_iter().enumerate().map(record);
        Ok(all.filter(|record| state.is_none_or(|state| record.state == state)).take(limit).collect())
    }

    async fn retry(&self, id: u64, _now: Timestamp) -> Result<bool, JournalError> {
        self.retried.lock().unwrap().push(id);
        Ok(id == 4)
    }

    async fn delivery(&self, id: u64) -> Result<Option<DeliveryRecord>, JournalError> {
        Ok(self.deliveries(None, 100).await?.into_iter().find(|record| record.id == id))
    }

    async fn discard(&self, id: u64, by: &str, _now: Timestamp) -> Result<bool, JournalError> {
        assert!(!by.is_empty());
        Ok(id == 3 || id == 4)
    }

    async fn prune(&self, _retention: Retention, _now: Timestamp) -> Result<usize, JournalError> {
        Ok(0)
    }
}

fn call(id: &str) -> ToolCall {
    ToolCall {
        id: id.parse().unwrap(),
        provider_id: "p".into(),
        name: "pay".into(),
        arguments: r#"{"amount":5}"#.into(),
    }
}

fn question(id: &str, run: &str) -> Question {
    Question {
        id: id.into(),
        call: call("c1"),
        run: run.parse().unwrap(),
        session: format!("agent:main:of-{run}").parse().unwrap(),
        agent: AgentId::main(),
        started_at: AT,
        asked_at: AT,
    }
}

pub(crate) fn update_of(question: &Question, change: Change) -> RunUpdate {
    RunUpdate {
        run: question.run.clone(),
        session: question.session.clone(),
        source: openclaw_domain::run::Source::Chat,
        seq: 1,
        cursor: Cursor::default(),
        at: AT,
        change,
    }
}

fn ask(rig: &Rig, question: Question) {
    rig.engine.unsure.lock().unwrap().push(question.clone());
    rig.hub.observe(&update_of(&question, Change::QuestionAsked(Box::new(question.clone()))));
}

/// Makes a run with one call that ended and one whose outcome is not known.
pub(crate) async fn unsure_run(rig: &Rig, run: &str) {
    let mut author = Author::begin(rig, run).await;
    let block = |id: &str| openclaw_domain::message::Block::Call { call: call(id), result: None };
    let turn = openclaw_domain::AssistantTurn {
        blocks: vec![block("c0"), block("c1")],
        model: openclaw_domain::model::ModelRef::new("scripted", "one"),
        stop: openclaw_domain::model::StopReason::ToolUse,
        native: None,
        at: AT,
    };
    let usage = openclaw_domain::model::Usage { input: 10, output: 2, cost_usd: Some(0.5), ..Default::default() };
    let intent = |id: &str, effect| RunEvent::ToolIntent {
        call: id.parse().unwrap(),
        tool: "pay".into(),
        digest: "d".into(),
        effect,
        action: format!("action-{id}"),
    };
    let started = |id: &str| RunEvent::ToolStarted { call: id.parse().unwrap(), idempotency_key: format!("key-{id}") };
    let result = Box::new(ToolResult::notice(ToolStatus::Ok, "read"));
    let events = vec![
        RunEvent::ModelDone { turn: Box::new(turn), usage },
        intent("c0", Effect::Pure),
        started("c0"),
        RunEvent::ToolEnded { call: "c0".parse().unwrap(), result },
        intent("c1", Effect::Once),
        started("c1"),
        RunEvent::ToolUnsure { question: Box::new(question("u-run", run)) },
    ];
    author.record(events, Status::Attention, None).await;
    author.tell(Change::QuestionAsked(Box::new(question("u-run", run))));
}

/// Puts something behind every method of this file.
pub(crate) async fn furnish(rig: &Rig) {
    unsure_run(rig, "unsure").await;
    Author::begin(rig, "working").await;
    let mut ended = Author::begin(rig, "over").await;
    ended.says("done");
    ended.ends().await;
    for id in ["u1", "u2"] {
        ask(rig, question(id, "other"));
    }
    let action = OpenAction {
        action: "a".into(),
        session: "agent:main:old".parse().unwrap(),
        run: "old".parse().unwrap(),
        call: "c9".parse().unwrap(),
        tool: "pay".into(),
    };
    rig.engine.unsettled.lock().unwrap().push(action);
}

/// One call of every method of this file.
pub(crate) fn calls() -> Vec<(&'static str, Value)> {
    let answer = json!({ "answers": { "outcome": ["happened"] } });
    vec![
        ("question.list", json!({})),
        ("question.get", json!({ "id": "u1" })),
        ("question.resolve", json!({ "id": "u1", "answers": answer })),
        ("question.get", json!({ "id": "u1" })),
        ("question.waitAnswer", json!({ "id": "u1" })),
        ("agent.subscribe", json!({ "runId": "unsure", "tokenInterval": 50 })),
        ("agent.subscribe", json!({ "runId": "over", "after": { "seq": 2 } })),
        ("agent.unsubscribe", json!({ "runId": "unsure" })),
        ("runs.list", json!({})),
        ("runs.list", json!({ "active": true, "sessionKey": "of-unsure", "limit": 1 })),
        ("runs.get", json!({ "runId": "unsure" })),
        ("runs.get", json!({ "runId": "over" })),
        ("runs.events", json!({ "runId": "unsure" })),
        ("runs.events", json!({ "runId": "over", "after": 2, "limit": 1 })),
        ("runs.resume", json!({ "runId": "working" })),
        ("runs.cancel", json!({ "runId": "working" })),
        ("runs.unsettled", json!({})),
        ("runs.settle", json!({ "runId": "old", "callId": "c9", "answer": "not-happened" })),
        ("runs.settle", json!({ "runId": "other", "callId": "c1", "answer": "unknown" })),
        ("deliveries.list", json!({})),
        ("deliveries.list", json!({ "state": "unknown" })),
        ("deliveries.retry", json!({ "id": 4 })),
        ("deliveries.list", json!({ "state": "discarded" })),
        ("deliveries.get", json!({ "id": 4 })),
        ("deliveries.discard", json!({ "id": 4 })),
    ]
}

/// Brings about the events of questions.
pub(crate) async fn stir(rig: &Rig, ws: &mut Ws) {
    ask(rig, question("u9", "other"));
    let answers = json!({ "answers": { "outcome": ["not happened"] } });
    ws.ok("question.resolve", json!({ "id": "u9", "answers": answers })).await;
    let mut author = Author::begin(rig, "again").await;
    author.crashes().await;
    author.ends().await;
}

#[tokio::test]
async fn a_question_reaches_those_who_may_answer_and_its_answer_those_who_wait() {
    let rig = Rig::start().await;
    let mut answerer = rig.client_with(params(&["operator.questions"])).await;
    let mut reader = rig.client_with(params(&["operator.read"])).await;
    ask(&rig, question("u1", "r"));
    let asked = answerer.event(|event| event["event"] == "question.requested").await;
    let text = asked["payload"]["questions"][0]["question"].as_str().unwrap();
    assert!(text.starts_with(r#"pay {"amount":5}"#), "{text}");
    let before = rig.clock.sleepers();
    let waiting = answerer.request("question.waitAnswer", json!({ "id": "u1" })).await;
    rig.clock.wait_for_sleepers(before + 1).await;
    let answers = json!({ "answers": { "outcome": ["not happened"] } });
    answerer.ok("question.resolve", json!({ "id": "u1", "answers": answers })).await;
    let expected = json!({ "status": "answered", "answers": { "answers": { "outcome": ["not happened"] } } });
    assert_eq!(answerer.answer(&waiting).await["payload"], expected);
    answerer.event(|event| event["event"] == "question.resolved").await;
    let error = answerer.fails("question.resolve", json!({ "id": "u1", "answers": answers })).await;
    assert_eq!(error["details"]["reason"], "QUESTION_NOT_FOUND");
    reader.ok("status", json!({})).await;
    let told = |event: &&Value| event["event"].as_str().unwrap().starts_with("question.");
    assert_eq!(reader.events.iter().filter(told).count(), 0);
}

#[tokio::test]
async fn an_outcome_is_neither_cancelled_nor_guessed() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ask(&rig, question("u1", "r"));
    let error = ws.fails("question.resolve", json!({ "id": "u1", "cancel": true })).await;
    assert!(error["message"].as_str().unwrap().contains("answer unknown"), "{error}");
    let answers = json!({ "answers": { "outcome": ["maybe"] } });
    let error = ws.fails("question.resolve", json!({ "id": "u1", "answers": answers })).await;
    assert!(error["message"].as_str().unwrap().contains("not one of"), "{error}");
    assert_eq!(rig.engine.unsure.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_run_that_waits_says_for_what_and_lists_what_it_did() {
    let rig = Rig::start().await;
    unsure_run(&rig, "r").await;
    let mut ws = rig.client().await;
    let run = ws.ok("runs.get", json!({ "runId": "r" })).await;
    assert_eq!(run["run"]["status"], "attention");
    let tools = &run["summary"]["tools"];
    assert_eq!((&tools[0]["state"], &tools[0]["effect"]), (&json!("done"), &json!("pure")));
    assert_eq!((&tools[1]["state"], &tools[1]["effect"]), (&json!("unknown"), &json!("once")));
    assert_eq!((&tools[1]["key"], &tools[1]["action"]), (&json!("key-c1"), &json!("action-c1")));
    assert_eq!(run["summary"]["usage"]["costUsd"], 0.5);
    let error = ws.fails("runs.resume", json!({ "runId": "r" })).await;
    assert_eq!(error["details"]["code"], "RUN_WAITS");
    assert!(error["message"].as_str().unwrap().contains("question u-run about pay"), "{error}");
    let listed = ws.ok("runs.list", json!({ "active": true })).await;
    assert_eq!((&listed["runs"][0]["runId"], &listed["runs"][0]["status"]), (&json!("r"), &json!("attention")));
}

#[tokio::test]
async fn the_journal_of_a_run_is_read_page_by_page() {
    let rig = Rig::start().await;
    unsure_run(&rig, "r").await;
    let mut ws = rig.client().await;
    let (mut after, mut names) = (json!(0), Vec::new());
    loop {
        let page = ws.ok("runs.events", json!({ "runId": "r", "after": after, "limit": 4 })).await;
        names.extend(page["events"].as_array().unwrap().iter().map(|event| event["event"].clone()));
        after = page["after"].clone();
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!(names.len(), 11);
    assert_eq!((&names[0], &names[10]), (&json!("accepted"), &json!("tool_unsure")));
}

#[tokio::test]
async fn a_call_is_settled_once_whether_its_run_waits_or_has_ended() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let mut ws = rig.client().await;
    let settle = |run: &str, call: &str| json!({ "runId": run, "callId": call, "answer": "happened" });
    assert_eq!(ws.ok("runs.settle", settle("other", "c1")).await["question"], "u1");
    assert_eq!(ws.ok("runs.settle", settle("old", "c9")).await["settled"], true);
    assert_eq!(ws.ok("runs.unsettled", json!({})).await["calls"], json!([]));
    let error = ws.fails("runs.settle", settle("old", "c9")).await;
    assert_eq!(error["details"]["code"], "CALL_NOT_OPEN");
}

#[tokio::test]
async fn only_a_delivery_that_is_open_is_sent_again_or_settled_and_others_are_named() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    assert_eq!(ws.ok("deliveries.get", json!({ "id": 4 })).await["delivery"]["state"], "unknown");
    for method in ["deliveries.retry", "deliveries.discard"] {
        assert_eq!(ws.ok(method, json!({ "id": 4 })).await, json!({ "ok": true, "id": 4 }));
        let sent = ws.fails(method, json!({ "id": 2 })).await;
        assert_eq!(sent["details"], json!({ "code": "DELIVERY_NOT_OPEN", "id": 2, "state": "sent" }));
        let none = ws.fails(method, json!({ "id": 99 })).await;
        assert_eq!(none["details"]["code"], "DELIVERY_NOT_FOUND", "{none}");
    }
    let none = ws.fails("deliveries.get", json!({ "id": 99 })).await;
    assert!(none["message"].as_str().unwrap().contains("there is no delivery 99"), "{none}");
    let listed = ws.ok("deliveries.list", json!({ "state": "discarded" })).await;
    assert_eq!(listed["deliveries"][0]["discardedBy"], "ann");
}

#[tokio::test]
async fn a_run_that_nobody_works_on_is_taken_up_and_an_ended_one_says_how_to_begin_another() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let mut ws = rig.client().await;
    let taken = ws.ok("runs.resume", json!({ "runId": "working" })).await;
    assert_eq!((&taken["takenUp"], &taken["status"]), (&json!(true), &json!("running")));
    ws.ok("chat.send", json!({ "sessionKey": "notes", "message": "hold", "idempotencyKey": "held" })).await;
    // One that waits is taken up as well, so that its question is there to be answered.
    let waits = ws.fails("runs.resume", json!({ "runId": "unsure" })).await;
    assert_eq!(waits["details"]["waitsFor"][0]["next"], "openclaw approvals answer u-run happened");
    let ended = ws.fails("runs.resume", json!({ "runId": "over" })).await;
    assert_eq!(ended["details"]["code"], "RUN_ENDED");
    assert_eq!(ended["details"]["next"], "openclaw replay over --from 1 --live");
    assert!(ended["message"].as_str().unwrap().contains("it is done"), "{ended}");
    let asked: Vec<String> = rig.engine.taken_up.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["working", "unsure"]);
}
