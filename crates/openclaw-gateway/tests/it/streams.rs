//! Runs that are followed from any cursor.

use openclaw_domain::message::Block;
use openclaw_domain::model::{ModelRef, StopReason, Usage};
use openclaw_domain::ports::{Admission, Admitted, Batch, Durability, Journal as _, RunObserver as _, Sessions as _};
use openclaw_domain::run::{End, Outcome, Source, Status};
use openclaw_domain::{
    AssistantTurn, Change, Cursor, Epoch, Origin, RunEvent, RunId, RunRequest, RunUpdate, Runtime, Seq, SessionKey,
    UserTurn,
};
use serde_json::{Value, json};

use crate::fakes::AT;
use crate::rig::{ALL, Rig, Ws, params};
use crate::schema::Schema;

/// A run that a test writes: journal first, then the hub is told, as the engine does.
pub(crate) struct Author<'a> {
    rig: &'a Rig,
    pub(crate) run: RunId,
    session: SessionKey,
    epoch: Epoch,
    cursor: Cursor,
    updates: u64,
    turn: String,
    unflushed: String,
}

impl<'a> Author<'a> {
    pub(crate) async fn begin(rig: &'a Rig, run: &str) -> Self {
        let session: SessionKey = format!("agent:main:of-{run}").parse().unwrap();
        rig.store.open(&session, AT).await.unwrap();
        let input = UserTurn { parts: vec![openclaw_domain::Part::text("go")], origin: Origin::Owner, at: AT };
        let request = RunRequest::new(run.parse().unwrap(), session.clone(), input, Source::Chat);
        let events = vec![
            RunEvent::Accepted {
                request: Box::new(request.clone()),
                limits: openclaw_domain::Limits::default(),
                runtime: Runtime::default(),
            },
            RunEvent::Claimed { owner: "one".into() },
            RunEvent::Began { transcript_head: 0 },
            RunEvent::ModelStarted { step: 1, idempotency_key: "k1".into() },
        ];
        let admission = Admission { request, events, transcript: true, owner: Some("one".into()), at: AT };
        let Admitted::New { epoch, seq, .. } = rig.store.admit(admission).await.unwrap() else { panic!("known") };
        let cursor = Cursor::at(seq);
        let run = run.parse().unwrap();
        let (turn, unflushed) = (String::new(), String::new());
        let mut author = Self { rig, run, session, epoch, cursor, updates: 0, turn, unflushed };
        author.tell(Change::Accepted);
        author.tell(Change::Started);
        author
    }

    pub(crate) fn tell(&mut self, change: Change) {
        self.updates += 1;
        if let Change::TextDelta(text) = &change {
            self.cursor.off += text.len() as u64;
        }
        self.rig.hub.observe(&RunUpdate {
            run: self.run.clone(),
            session: self.session.clone(),
            source: Source::Chat,
            seq: self.updates,
            cursor: self.cursor,
            at: AT,
            change,
        });
    }

    pub(crate) async fn record(&mut self, events: Vec<RunEvent>, status: Status, outcome: Option<Outcome>) {
        let count = events.len() as u64;
        let batch = Batch {
            session: self.session.clone(),
            run: self.run.clone(),
            epoch: self.epoch,
            first: Seq(self.cursor.seq.0 + 1),
            events,
            entries: Vec::new(),
            amended: None,
            status: Some(status),
            outcome: outcome.map(Box::new),
            deliveries: Vec::new(),
            at: AT,
            durability: Durability::Committed,
        };
        self.rig.store.append(batch).await.unwrap();
        self.cursor = Cursor::at(Seq(self.cursor.seq.0 + count));
    }

    pub(crate) fn says(&mut self, text: &str) {
        self.turn.push_str(text);
        self.unflushed.push_str(text);
        self.tell(Change::TextDelta(text.to_owned()));
    }

    pub(crate) async fn keeps(&mut self) {
        let text = std::mem::take(&mut self.unflushed);
        self.record(vec![RunEvent::ModelDelta { text }], Status::Running, None).await;
        self.tell(Change::TextKept);
    }

    /// Dies and comes back: what was not recorded is gone.
    pub(crate) async fn crashes(&mut self) {
        let (epoch, seq) = self.rig.store.claim(&self.session, &self.run, "two").await.unwrap();
        (self.epoch, self.cursor) = (epoch, Cursor::at(seq));
        self.tell(Change::Accepted);
        self.turn.clear();
        self.unflushed.clear();
        let events = vec![
            RunEvent::ModelSuperseded { reason: "the program stopped".into() },
            RunEvent::ModelStarted { step: 1, idempotency_key: "k1".into() },
        ];
        self.record(events, Status::Running, None).await;
        self.tell(Change::Started);
        self.tell(Change::Resumed);
        self.tell(Change::TextReplaced(String::new()));
    }

    pub(crate) async fn ends(mut self) -> (SessionKey, RunId) {
        let text = std::mem::take(&mut self.turn);
        let model = ModelRef::new("scripted", "one");
        let blocks = vec![Block::Text { text: text.clone() }];
        let turn = AssistantTurn { blocks, model, stop: StopReason::EndTurn, native: None, at: AT };
        let outcome = Outcome {
            end: End::Done,
            text,
            answered_by: None,
            usage: Usage::default(),
            iterations: 1,
            tool_calls: 0,
            started_at: AT,
            ended_at: AT,
        };
        let done = RunEvent::ModelDone { turn: Box::new(turn), usage: Usage::default() };
        let ended = RunEvent::Ended { outcome: Box::new(outcome.clone()) };
        self.record(vec![done, ended], Status::Done, Some(outcome.clone())).await;
        self.tell(Change::TurnCompleted(Usage::default()));
        self.tell(Change::Ended(Box::new(outcome)));
        (self.session, self.run)
    }

    /// Ends because another run took its input in; nothing is said about where.
    async fn ends_with_another(mut self) {
        let outcome = Outcome {
            end: End::Done,
            text: "both".into(),
            answered_by: None,
            usage: Usage::default(),
            iterations: 0,
            tool_calls: 0,
            started_at: AT,
            ended_at: AT,
        };
        let ended = RunEvent::Ended { outcome: Box::new(outcome.clone()) };
        self.record(vec![ended], Status::Done, Some(outcome.clone())).await;
        self.cursor = Cursor::default();
        self.tell(Change::Carried(Box::new(outcome)));
    }
}

/// What a client has of a run, by the rules a client must follow.
#[derive(Debug, Default, Clone, PartialEq)]
struct Seen {
    events: Vec<(u64, String)>,
    turns: Vec<String>,
    cursor: Value,
    superseded: usize,
    text_frames: usize,
    is_resumed: bool,
}

impl Seen {
    fn take(&mut self, payload: &Value) {
        let data = &payload["data"];
        match payload["stream"].as_str().unwrap() {
            "assistant" => {
                let turn = self.turns.last_mut().unwrap();
                assert_eq!(turn.len() as u64, data["offset"].as_u64().unwrap(), "{payload}");
                turn.push_str(data["delta"].as_str().unwrap());
                self.text_frames += 1;
            }
            "superseded" => {
                self.superseded += 1;
                self.turns.last_mut().unwrap().truncate(data["keep"].as_u64().unwrap().try_into().unwrap());
            }
            _ => {}
        }
        if let Some(event) = payload["event"].as_str() {
            assert_eq!(payload["durable"], true);
            self.events.push((payload["cursor"]["seq"].as_u64().unwrap(), event.to_owned()));
            if event == "model_started" {
                self.turns.push(String::new());
            }
        }
        self.is_resumed |= payload["resumed"] == true;
        self.cursor = payload["cursor"].clone();
    }

    fn text(&self) -> String {
        self.turns.concat()
    }

    fn is_ended(&self) -> bool {
        self.events.last().is_some_and(|(_, event)| event == "ended")
    }

    fn check_events(&self) {
        let seqs: Vec<u64> = self.events.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "each event once, in order");
    }
}

/// A connection that follows one run.
struct Follower {
    ws: Ws,
    subscription: Value,
    read: usize,
}

impl Follower {
    async fn start(rig: &Rig, run: &str, more: Value) -> Self {
        let mut ws = rig.client().await;
        let mut params = json!({ "runId": run });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = ws.ok("agent.subscribe", params).await;
        let read = ws.events.len();
        Self { ws, subscription: reply["subscription"].clone(), read }
    }

    /// Takes what comes until this holds.
    async fn until(&mut self, seen: &mut Seen, holds: impl Fn(&Seen) -> bool) {
        loop {
            while self.read < self.ws.events.len() {
                let event = self.ws.events[self.read].clone();
                self.read += 1;
                if event["event"] == "agent" && event["payload"]["subscription"] == self.subscription {
                    seen.take(&event["payload"]);
                }
            }
            if holds(seen) {
                return;
            }
            let crate::rig::Got::Frame(frame) = self.ws.next().await else { panic!("closed") };
            if frame["type"] == "event" {
                self.ws.events.push(frame);
            }
        }
    }
}

#[tokio::test]
async fn a_run_is_told_from_the_start_then_live_and_to_its_end() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    author.says("Hello ");
    author.keeps().await;
    author.says("wor");
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    follower.until(&mut seen, |seen| seen.text() == "Hello wor").await;
    assert_eq!(seen.cursor, json!({ "run": "r", "seq": 5, "off": 3 }));
    author.says("ld");
    follower.until(&mut seen, |seen| seen.text() == "Hello world").await;
    author.keeps().await;
    author.says("!");
    author.ends().await;
    follower.until(&mut seen, Seen::is_ended).await;
    assert_eq!(seen.turns, ["Hello world!"]);
    seen.check_events();
    assert_eq!((seen.events.len(), seen.superseded), (8, 0));
    let own = Schema::own();
    let carried = follower.ws.events.iter().filter(|event| event["payload"]["subscription"] == follower.subscription);
    carried.for_each(|event| own.check("RunStreamPayload", &event["payload"]));
    // Nobody else's copy of the run came to this connection.
    let others = follower
        .ws
        .events
        .iter()
        .filter(|event| event["payload"]["runId"] == "r" && event["payload"].get("subscription").is_none());
    assert_eq!(others.count(), 0);
}

#[tokio::test]
async fn input_that_joined_another_run_is_told_to_its_end_and_announced_by_that_run_only() {
    let rig = Rig::start().await;
    let author = Author::begin(&rig, "r").await;
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    follower.until(&mut seen, |seen| seen.events.len() == 4).await;
    let mut listener = rig.client().await;
    author.ends_with_another().await;
    follower.until(&mut seen, Seen::is_ended).await;
    seen.check_events();
    assert_eq!(seen.events.last().map(|(seq, name)| (*seq, name.as_str())), Some((5, "ended")));
    // A reply comes after whatever was sent before it.
    listener.ok("health", json!({})).await;
    assert!(listener.events.iter().all(|event| event["event"] != "chat"), "{:?}", listener.events);
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    author.says("one two");
    follower.until(&mut seen, |seen| seen.text() == "one two").await;
    follower.ws.shut().await;
    author.says(" three");
    author.keeps().await;
    author.says(" four");
    let mut follower = Follower::start(&rig, "r", json!({ "after": { "seq": 4, "off": 7 } })).await;
    follower.until(&mut seen, |seen| seen.text() == "one two three four").await;
    follower.ws.shut().await;
    let after = seen.cursor.clone();
    author.ends().await;
    let mut follower = Follower::start(&rig, "r", json!({ "resumeFrom": after })).await;
    follower.until(&mut seen, Seen::is_ended).await;
    assert_eq!(seen.turns, ["one two three four"]);
    seen.check_events();
}

#[tokio::test]
async fn text_that_a_crash_voided_is_taken_back_and_the_run_is_told_to_work_again() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    author.says("kept");
    author.keeps().await;
    author.says(" lost");
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    follower.until(&mut seen, |seen| seen.text() == "kept lost").await;
    follower.ws.shut().await;
    let mut listener = rig.client().await;
    author.crashes().await;
    author.says("again");
    let mut follower = Follower::start(&rig, "r", json!({ "after": seen.cursor })).await;
    follower.until(&mut seen, |seen| seen.text() == "again").await;
    assert_eq!(seen.superseded, 1);
    assert!(seen.is_resumed);
    author.ends().await;
    follower.until(&mut seen, Seen::is_ended).await;
    seen.check_events();
    let resumed = |event: &Value| event["event"] == "agent" && event["payload"]["data"]["phase"] == "resumed";
    listener.event(resumed).await;
    assert_eq!(listener.events.iter().filter(|event| resumed(event)).count(), 1);
}

#[tokio::test]
async fn an_ended_run_is_told_by_the_journal_alone() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    author.says("all of it");
    author.ends().await;
    let mut ws = rig.client().await;
    let reply = ws.ok("agent.subscribe", json!({ "runId": "r", "sessionKey": "agent:main:of-r" })).await;
    assert_eq!((&reply["status"], &reply["ended"]), (&json!("done"), &json!(true)));
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    follower.until(&mut seen, Seen::is_ended).await;
    assert_eq!(seen.text(), "all of it");
}

#[tokio::test]
async fn a_thousand_deltas_reach_a_fast_reader_and_one_that_stalls_alike() {
    const DELTAS: usize = 1000;
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    let word = "x".repeat(256);
    let (mut fast, mut quick) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    let (mut stalled, mut late) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    for n in 0..DELTAS {
        author.says(&word);
        if n % 10 == 9 {
            author.keeps().await;
            let expected = (n + 1) * word.len();
            fast.until(&mut quick, |seen| seen.text().len() == expected).await;
        }
    }
    author.ends().await;
    fast.until(&mut quick, Seen::is_ended).await;
    stalled.until(&mut late, Seen::is_ended).await;
    for seen in [&quick, &late] {
        assert_eq!(seen.text().len(), DELTAS * word.len());
        seen.check_events();
    }
    assert_eq!(quick.events, late.events);
    assert!(late.text_frames <= quick.text_frames, "{} {}", late.text_frames, quick.text_frames);
}

#[tokio::test]
async fn deltas_are_joined_by_time_as_the_subscriber_asks() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({ "tokenInterval": 100 })).await, Seen::default());
    author.says("a");
    follower.until(&mut seen, |seen| seen.text() == "a").await;
    let before = rig.clock.sleepers();
    for word in ["b", "c", "d"] {
        author.says(word);
    }
    rig.clock.wait_for_sleepers(before + 1).await;
    rig.clock.advance(std::time::Duration::from_millis(100)).await;
    follower.until(&mut seen, |seen| seen.text() == "abcd").await;
    assert_eq!(seen.text_frames, 2);
}

#[tokio::test]
async fn deltas_are_joined_by_count_as_the_subscriber_asks() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    let terms = json!({ "tokenBatchSize": 3, "tokenBatchDelay": 5000 });
    let (mut follower, mut seen) = (Follower::start(&rig, "r", terms).await, Seen::default());
    follower.until(&mut seen, |seen| seen.events.len() == 4).await;
    for word in ["a", "b", "c"] {
        author.says(word);
    }
    // The time has not come: the count has.
    follower.until(&mut seen, |seen| seen.text() == "abc").await;
    author.says("d");
    author.ends().await;
    follower.until(&mut seen, Seen::is_ended).await;
    assert_eq!((seen.text(), seen.superseded), ("abcd".to_owned(), 0));
}

#[tokio::test]
async fn unsubscribing_ends_the_stream_and_the_connection_hears_the_run_as_before() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    follower.until(&mut seen, |seen| seen.events.len() == 4).await;
    let ended = follower.ws.ok("agent.unsubscribe", json!({ "runId": "r" })).await;
    assert_eq!(ended["unsubscribed"], 1);
    author.says("hello");
    let heard = |event: &Value| event["event"] == "chat" && event["payload"]["deltaText"] == "hello";
    follower.ws.event(heard).await;
    assert_eq!(follower.ws.ok("agent.unsubscribe", json!({ "runId": "r" })).await["unsubscribed"], 0);
    follower.ws.fails("agent.unsubscribe", json!({})).await;
}

#[tokio::test]
async fn subscriptions_have_a_limit_and_a_run_takes_one_place() {
    let rig = Rig::with(|options| options.limits.subscriptions_max = 1).await;
    let _one = Author::begin(&rig, "r1").await;
    let _two = Author::begin(&rig, "r2").await;
    let mut ws = rig.client().await;
    ws.ok("agent.subscribe", json!({ "runId": "r1" })).await;
    ws.ok("agent.subscribe", json!({ "runId": "r1" })).await;
    let error = ws.fails("agent.subscribe", json!({ "runId": "r2" })).await;
    assert_eq!(error["message"], "this connection follows 1 runs, its limit; unsubscribe from some first");
    ws.ok("agent.unsubscribe", json!({ "runId": "r1" })).await;
    ws.ok("agent.subscribe", json!({ "runId": "r2" })).await;
}

#[tokio::test]
async fn a_cursor_ahead_of_the_run_and_an_unknown_run_are_refused_with_a_way_out() {
    let rig = Rig::start().await;
    let _author = Author::begin(&rig, "r").await;
    let mut ws = rig.client().await;
    let error = ws.fails("agent.subscribe", json!({ "runId": "r", "after": { "seq": 9 } })).await;
    assert_eq!(error["details"]["code"], "CURSOR_AHEAD");
    let error = ws.fails("agent.subscribe", json!({ "runId": "gone" })).await;
    assert_eq!(error["details"]["code"], "RUN_NOT_FOUND");
    let error = ws.fails("agent.subscribe", json!({ "runId": "r", "after": { "off": 1 } })).await;
    assert!(error["message"].as_str().unwrap().contains("seq"), "{error}");
}

#[tokio::test]
async fn only_clients_that_ask_are_told_where_events_stand() {
    let rig = Rig::start().await;
    let mut plain = rig.client().await;
    let mut asked = params(&ALL);
    asked["caps"] = json!(["tool-events", "run-cursor"]);
    let mut aware = rig.client_with(asked).await;
    let mut author = Author::begin(&rig, "r").await;
    author.says("text");
    author.keeps().await;
    author.ends().await;
    aware.chat_end("r").await;
    plain.chat_end("r").await;
    let agent = |ws: &Ws| -> Vec<Value> {
        let of = |event: &&Value| event["event"] == "agent" && event["payload"]["runId"] == "r";
        ws.events.iter().filter(of).map(|event| event["payload"].clone()).collect()
    };
    let (told, bare) = (agent(&aware), agent(&plain));
    let without = |payload: &Value| {
        let mut payload = payload.clone();
        let map = payload.as_object_mut().unwrap();
        assert!(map.remove("cursor").is_some_and(|cursor| cursor["run"] == "r"), "{payload}");
        assert!(map.remove("durable").is_some_and(|durable| durable.is_boolean()));
        payload
    };
    let position = |payload: &&Value| payload["stream"] == "cursor";
    assert_eq!(told.iter().filter(|payload| !position(payload)).map(without).collect::<Vec<_>>(), bare);
    let kept: Vec<&Value> = told.iter().filter(position).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0]["cursor"], &kept[0]["durable"]), (&json!({ "run": "r", "seq": 5, "off": 0 }), &json!(true)));
    let text = told.iter().find(|payload| payload["stream"] == "assistant").unwrap();
    assert_eq!((&text["cursor"], &text["durable"]), (&json!({ "run": "r", "seq": 4, "off": 4 }), &json!(false)));
}

#[tokio::test]
async fn a_subscription_needs_a_call_of_its_own() {
    let rig = Rig::start().await;
    let _author = Author::begin(&rig, "r").await;
    let call = json!([{ "jsonrpc": "2.0", "id": 1, "method": "agent.subscribe", "params": { "runId": "r" } }]);
    let auth = format!("Authorization: Bearer {}", crate::rig::TOKEN);
    let (_, _, body) = rig.http("POST", "/rpc", &[&auth, "Content-Type: application/json"], &call.to_string()).await;
    assert!(body.contains("a call of its own"), "{body}");
}

#[tokio::test]
async fn a_repeated_request_is_told_where_its_run_stands() {
    let rig = Rig::start().await;
    let mut asked = params(&ALL);
    asked["caps"] = json!(["run-cursor"]);
    let mut ws = rig.client_with(asked).await;
    let mut plain = rig.client().await;
    let send = json!({ "sessionKey": "main", "message": "hold on", "idempotencyKey": "r" });
    assert_eq!(ws.ok("chat.send", send.clone()).await.get("resumeFrom"), None);
    ws.event(|event| event["event"] == "agent" && event["payload"]["stream"] == "assistant").await;
    let again = ws.ok("chat.send", send.clone()).await;
    assert_eq!((&again["status"], &again["resumeFrom"]["run"]), (&json!("in_flight"), &json!("r")));
    assert_eq!(plain.ok("chat.send", send).await.get("resumeFrom"), None);
}

#[tokio::test]
async fn a_history_says_how_far_the_running_turn_is_to_those_who_can_go_on_from_there() {
    let rig = Rig::start().await;
    let mut asked = params(&ALL);
    asked["caps"] = json!(["run-cursor"]);
    let mut ws = rig.client_with(asked).await;
    let mut plain = rig.client().await;
    ws.ok("chat.send", json!({ "sessionKey": "main", "message": "hold on", "idempotencyKey": "r" })).await;
    ws.event(|event| event["event"] == "agent" && event["payload"]["stream"] == "assistant").await;
    let history = ws.ok("chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!((&history["inFlightRun"]["runId"], &history["inFlightRun"]["text"]), (&json!("r"), &json!("tok0 ")));
    assert_eq!(history["inFlightRun"]["cursor"]["run"], "r");
    let bare = plain.ok("chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!(bare["inFlightRun"].get("cursor"), None);
}

#[tokio::test]
async fn a_client_too_far_behind_reads_the_conversation_anew() {
    use openclaw_domain::session::SessionChange;
    let rig = Rig::start().await;
    let key: SessionKey = "agent:main:main".parse().unwrap();
    rig.store.open(&key, AT).await.unwrap();
    let mut ws = rig.client().await;
    let cursor = ws.ok("chat.history", json!({ "sessionKey": "main" })).await["deltaCursor"].clone();
    let say = |text: String| {
        let input = UserTurn { parts: vec![openclaw_domain::Part::text(text)], origin: Origin::Owner, at: AT };
        SessionChange::Inject(openclaw_domain::Turn::User(input))
    };
    for n in 0..200 {
        rig.store.change(&key, say(format!("m{n}")), None, AT).await.unwrap();
    }
    let since = json!({ "sessionKey": "main", "cursor": cursor });
    let delta = ws.ok("chat.history", since.clone()).await;
    assert_eq!((&delta["kind"], delta["messages"].as_array().unwrap().len()), (&json!("delta"), 200));
    let next = json!({ "sessionKey": "main", "cursor": delta["deltaCursor"] });
    rig.store.change(&key, say("one more".into()), None, AT).await.unwrap();
    assert_eq!(ws.ok("chat.history", since).await, json!({ "kind": "reset" }));
    assert_eq!(ws.ok("chat.history", next.clone()).await["kind"], "delta");
    rig.store.change(&key, say("x".repeat(1_000_001)), None, AT).await.unwrap();
    assert_eq!(ws.ok("chat.history", next).await, json!({ "kind": "reset" }));
}

#[tokio::test]
async fn a_cursor_deep_in_a_long_run_is_taken_up_there() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    for n in 0..300 {
        author.says(&format!("{n} "));
        author.keeps().await;
    }
    let expected: String = (0..300).map(|n| format!("{n} ")).collect();
    follower.until(&mut seen, |seen| seen.text() == expected).await;
    follower.ws.shut().await;
    author.says("more");
    // Before the end, in the middle of the only turn, which began far before one page.
    let mut earlier = Follower::start(&rig, "r", json!({ "after": { "seq": 202, "off": 1 } })).await;
    let mut late = Seen { turns: vec![(0..198).map(|n| format!("{n} ")).collect::<String>() + "1"], ..Seen::default() };
    let whole = format!("{expected}more");
    earlier.until(&mut late, |seen| seen.text() == whole).await;
    assert_eq!(late.events.first(), Some(&(203, "model_delta".to_owned())));
    let mut follower = Follower::start(&rig, "r", json!({ "after": seen.cursor })).await;
    author.ends().await;
    follower.until(&mut seen, Seen::is_ended).await;
    assert_eq!(seen.text(), whole);
    seen.check_events();
}

#[tokio::test]
async fn calls_are_named_to_a_client_that_comes_back_in_the_middle_of_them() {
    let rig = Rig::start().await;
    crate::questions::unsure_run(&rig, "r").await;
    let mut follower = Follower::start(&rig, "r", json!({ "after": { "seq": 7 } })).await;
    let mut seen = Seen::default();
    follower.until(&mut seen, |seen| seen.events.len() == 4).await;
    let carried = |event: &&Value| event["payload"]["event"] == "tool_ended";
    let ended = follower.ws.events.iter().find(carried).unwrap();
    assert_eq!(ended["payload"]["data"]["name"], "pay");
}

#[tokio::test]
async fn a_reader_that_stalls_is_not_closed_and_loses_nothing() {
    // The queue's bound is far below what the run says, and so are the kernel's buffers.
    let rig = Rig::with(|options| options.limits.outbound_bytes_max = 64 * 1024).await;
    let mut author = Author::begin(&rig, "r").await;
    let (mut follower, mut seen) = (Follower::start(&rig, "r", json!({})).await, Seen::default());
    let word = "y".repeat(16 * 1024);
    for _ in 0..500 {
        author.says(&word);
        author.keeps().await;
    }
    author.ends().await;
    follower.until(&mut seen, Seen::is_ended).await;
    assert_eq!(seen.text().len(), 500 * word.len());
    seen.check_events();
}

#[tokio::test]
async fn a_subscription_works_over_json_rpc_too() {
    let rig = Rig::start().await;
    let mut author = Author::begin(&rig, "r").await;
    author.says("hello");
    let mut ws = rig.raw().await;
    let meta = json!({ "token": crate::rig::TOKEN });
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "agent.subscribe", "params": { "runId": "r" }, "meta": meta });
    ws.text(call.to_string()).await;
    let (mut is_answered, mut text) = (false, String::new());
    while text != "hello" {
        let crate::rig::Got::Frame(frame) = ws.next().await else { panic!("closed") };
        is_answered |= frame["id"] == 1 && frame["result"]["runId"] == "r";
        if frame["method"] == "agent" && frame["params"]["payload"]["stream"] == "assistant" {
            assert!(is_answered, "the answer comes first");
            text.push_str(frame["params"]["payload"]["data"]["delta"].as_str().unwrap());
        }
    }
}
