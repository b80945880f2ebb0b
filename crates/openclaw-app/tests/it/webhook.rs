//! Answers that leave the program: posted once, also across a kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use openclaw_testkit::server::{Reply, Script, Server};
use serde_json::{Value, json};

use crate::home::{Home, until};

/// A receiver that keeps what was posted and answers with these statuses, then 200.
struct Receiver {
    url: String,
    posts: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let posts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&posts);
        // Ends with the test's process; a connection that breaks is the sender's trouble.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let mut reader = BufReader::new(connection);
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let count = {
                    let mut posts = kept.lock().unwrap();
                    posts.push((head, serde_json::from_slice(&body).unwrap()));
                    posts.len()
                };
                let status = statuses.get(count - 1).copied().unwrap_or(200);
                let answer = format!(
                    "HTTP/1.1 {status} Said\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{{\"id\": \"m{count}\"}}"
                );
                drop(reader.get_mut().write_all(answer.as_bytes()));
            }
        });
        Self { url, posts }
    }

    fn posts(&self) -> Vec<(String, Value)> {
        self.posts.lock().unwrap().clone()
    }
}

/// Asks an agent for an answer that is to be posted as well.
fn ask(home: &Home, key: &str) -> Value {
    let params = json!({ "message": "hi", "idempotencyKey": key, "deliver": true, "channel": "webhook", "to": "ann" });
    home.json(&["gateway", "call", "agent", "--params", &params.to_string(), "--json"])
}

fn key_of(head: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("idempotency-key:"));
    line.unwrap().split_once(':').unwrap().1.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_posted_and_repeated_until_it_is_taken() {
    let server = Server::start(Script::answering(|_| Reply::say("the answer"))).await.unwrap();
    let receiver = Receiver::start(&[503, 503]);
    let webhook = json!({ "channels": { "webhook": { "url": receiver.url, "token": "hush" } } });
    let home = Home::with_model(&server.url(), &webhook);
    tokio::task::spawn_blocking(move || {
        let gateway = home.gateway();
        ask(&home, "k1");
        until("the third post", || receiver.posts().len() == 3);
        let posts = receiver.posts();
        let expected = json!({ "text": "the answer", "sessionKey": "agent:main:main", "runId": "k1", "to": "ann" });
        for (head, body) in &posts {
            assert_eq!(*body, expected);
            assert_eq!(key_of(head), key_of(&posts[0].0));
            assert!(head.contains("Bearer hush"), "{head}");
        }
        // The same request again, to this process and to the next one, sends nothing more.
        ask(&home, "k1");
        gateway.kill();
        let _again = home.gateway();
        ask(&home, "k1");
        ask(&home, "k2");
        until("the post of the other run", || receiver.posts().len() >= 4);
        let runs: Vec<Value> = receiver.posts().into_iter().map(|(_, body)| body["runId"].clone()).collect();
        assert_eq!(runs, ["k1", "k1", "k1", "k2"]);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_receiver_was_down_is_posted_after_a_kill() {
    let server = Server::start(Script::answering(|_| Reply::say("the answer"))).await.unwrap();
    let down = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let nowhere = format!("http://{}/in", down.local_addr().unwrap());
    drop(down);
    let receiver = Receiver::start(&[]);
    let home = Home::with_model(&server.url(), &json!({ "channels": { "webhook": { "url": nowhere } } }));
    tokio::task::spawn_blocking(move || {
        let gateway = home.gateway();
        ask(&home, "k1");
        gateway.kill();
        let text = std::fs::read_to_string(home.state().join("openclaw.json")).unwrap();
        home.write_config(&text.replace(&nowhere, &receiver.url));
        let _again = home.gateway();
        until("the post", || receiver.posts().len() == 1);
        assert_eq!(receiver.posts()[0].1["text"], "the answer");
    })
    .await
    .unwrap();
}
