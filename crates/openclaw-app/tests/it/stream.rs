//! A client that follows a run through kill -9 of the gateway.

use std::time::Duration;

use openclaw_client::{
    Backoff, Call, Client, ConnectOptions, Credential, Endpoint, Introduction, Link, RunItem, RunStream,
    RunStreamOptions,
};
use openclaw_testkit::Latch;
use openclaw_testkit::server::{Reply, Script, Server};
use serde_json::{Value, json};

use crate::home::{Gateway, Home, TOKEN};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::new(Introduction::backend("1"));
    options.credential = Credential::Token(TOKEN.to_owned());
    options
}

fn follow(home: &Home, run: &str) -> RunStream {
    let mut backoff = Backoff::default();
    backoff.first = Duration::from_millis(20);
    backoff.longest = Duration::from_millis(200);
    let options_of_run = RunStreamOptions { backoff, ..RunStreamOptions::new(run) };
    RunStream::new(Link::new(Endpoint::local(home.port), options()), options_of_run)
}

async fn call(home: &Home, method: &str, params: Value) -> Value {
    let client = Client::connect(&Endpoint::local(home.port), &options()).await.unwrap();
    let call = Call { method: method.to_owned(), params, ..Call::default() };
    client.perform(call).await.unwrap()
}

async fn send(home: &Home, key: &str, text: &str) {
    let params = json!({ "sessionKey": "agent:main:main", "message": text, "idempotencyKey": key });
    call(home, "chat.send", params).await;
}

/// Starts the gateway on a thread that may block.
async fn start(home: Home) -> (Home, Gateway) {
    let started = tokio::task::spawn_blocking(move || {
        let gateway = home.gateway();
        (home, gateway)
    });
    started.await.unwrap()
}

/// What a reader has.
#[derive(Debug, Default)]
struct Read {
    turns: Vec<String>,
    seqs: Vec<u64>,
    names: Vec<String>,
    superseded: usize,
    resumed: usize,
    losses: usize,
}

impl Read {
    fn take(&mut self, item: RunItem) {
        match item {
            RunItem::Event(event) => {
                if event.name == "model_started" {
                    self.turns.push(String::new());
                }
                self.seqs.push(event.seq);
                self.names.push(event.name);
                self.resumed += usize::from(event.is_resumed);
            }
            RunItem::Text { delta, .. } => self.turns.last_mut().unwrap().push_str(&delta),
            RunItem::Superseded { keep } => {
                self.superseded += 1;
                self.turns.last_mut().unwrap().truncate(keep);
            }
            RunItem::Lost { .. } => self.losses += 1,
            RunItem::Sign { .. } | RunItem::Back => {}
        }
    }

    async fn until(&mut self, stream: &mut RunStream, holds: impl Fn(&Self) -> bool) {
        let reading = async {
            while !holds(self) {
                match stream.next().await {
                    Some(item) => self.take(item.unwrap()),
                    None => break,
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap();
        assert!(holds(self), "the stream ended first: {self:?}");
    }

    fn is_ended(&self) -> bool {
        self.names.last().is_some_and(|name| name == "ended")
    }

    fn check(&self) {
        assert_eq!(self.seqs, (1..=self.seqs.len() as u64).collect::<Vec<_>>(), "{:?}", self.names);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_each_event_and_byte_once_through_two_kills() {
    let door = Latch::new();
    let closed = door.clone();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let script = Script::answering(move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        n @ (0 | 1) => Reply::new().text(&format!("try {n} ")).text("half").hold(&closed).text("never"),
        _ => Reply::say("the whole answer"),
    });
    let server = Server::start(script).await.unwrap();
    let (home, mut gateway) = start(Home::with_model(&server.url(), &json!({}))).await;
    send(&home, "k1", "please answer").await;
    let (mut stream, mut read) = (follow(&home, "k1"), Read::default());
    let mut home = home;
    for n in 0..2 {
        let half = format!("try {n} half");
        read.until(&mut stream, |read| read.turns.last() == Some(&half)).await;
        gateway.kill();
        (home, gateway) = start(home).await;
    }
    read.until(&mut stream, Read::is_ended).await;
    read.check();
    assert_eq!(read.turns.last().unwrap(), "the whole answer");
    assert_eq!((read.superseded, read.resumed), (2, 2));
    assert!(read.losses >= 2);

    // The journal tells the same to whoever comes late, after another restart.
    gateway.kill();
    let (home, gateway) = start(home).await;
    let (mut stream, mut late) = (follow(&home, "k1"), Read::default());
    late.until(&mut stream, Read::is_ended).await;
    assert_eq!((late.seqs, late.turns.last()), (read.seqs, read.turns.last()));
    let run = call(&home, "runs.get", json!({ "runId": "k1" })).await;
    assert_eq!((&run["run"]["status"], &run["summary"]["owners"]), (&json!("done"), &json!(3)));
    door.open();
    gateway.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_outcome_a_kill_hid_is_asked_about_and_the_run_goes_on_with_the_answer() {
    let script = Script::answering(|heard| {
        let is_first = heard.results.is_empty();
        if is_first {
            Reply::new().call("exec", &json!({ "command": "echo once >> ran.txt; sleep 600" }))
        } else {
            Reply::say("noted")
        }
    });
    let server = Server::start(script).await.unwrap();
    let config = json!({ "tools": { "exec": { "mode": "full" } } });
    let (home, gateway) = start(Home::with_model(&server.url(), &config)).await;
    send(&home, "k1", "do it").await;
    let (mut stream, mut read) = (follow(&home, "k1"), Read::default());
    read.until(&mut stream, |read| read.names.iter().any(|name| name == "tool_started")).await;
    let ran = home.workspace().join("ran.txt");
    // The shell makes the file before it runs the command that writes.
    let has_run = || std::fs::read_to_string(&ran).is_ok_and(|text| text.ends_with('\n'));
    crate::home::until("the command", has_run);
    gateway.kill();
    let (home, gateway) = start(home).await;
    read.until(&mut stream, |read| read.names.last().is_some_and(|name| name == "tool_unsure")).await;
    let questions = call(&home, "question.list", json!({})).await;
    let id = questions["questions"][0]["id"].as_str().unwrap().to_owned();
    let waiting = call(&home, "runs.list", json!({ "active": true })).await;
    assert_eq!(waiting["runs"][0]["status"], "attention");
    let answers = json!({ "answers": { "outcome": ["happened"] } });
    call(&home, "question.resolve", json!({ "id": id, "answers": answers })).await;
    read.until(&mut stream, Read::is_ended).await;
    read.check();
    assert_eq!(read.turns.last().unwrap(), "noted");
    assert_eq!(std::fs::read_to_string(&ran).unwrap(), "once\n");
    gateway.kill();
}
