//! Thread-bound agents, with the built program.

use std::path::Path;

use openclaw_testkit::Latch;
use openclaw_testkit::server::{Reply, Script, Server};
use serde_json::{Value, json};

use crate::home::{Gateway, Home, until};

/// Requests of one pool task, and tasks after the first.
const AT_ONCE: usize = 25;
const ROUNDS: usize = 20;

fn config() -> Value {
    json!({
        "agents": {
            "defaults": { "pool": { "maxThreads": 32, "maxPerTask": 32, "timeout": 60 } },
            "entries": { "main": {}, "worker": { "runtime": "thread-bound", "maxDuration": 60, "maxConcurrent": 25 } }
        }
    })
}

/// Writes a file, then answers.
fn writing() -> Script {
    Script::answering(|heard| {
        if heard.results.is_empty() {
            Reply::new().call("write", &json!({ "path": "note.txt", "content": "from an instance" }))
        } else {
            Reply::say("written")
        }
    })
}

fn execute(home: &Home, id: &str) {
    let agents = vec!["worker"; AT_ONCE];
    let params = json!({ "agents": agents, "task": "write a note", "idempotencyKey": id }).to_string();
    home.json(&["gateway", "call", "pool.execute", "--params", &params, "--json"]);
}

fn live(home: &Home) -> usize {
    let status = home.json(&["status", "--agents", "--json"]);
    status["data"]["instances"].as_array().unwrap().len()
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Returns what a program holds open: first its sockets, then files, folders and pipes.
fn descriptors(gateway: &Gateway) -> (usize, usize) {
    let open = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap();
    let kept = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let (sockets, others): (Vec<_>, Vec<_>) = kept.partition(|target| target.to_string_lossy().starts_with("socket:"));
    (sockets.len(), others.len())
}

/// Idle connections to the model server are kept for the next requests, so sockets are
/// counted before the first request and after that server is gone.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_requests_leave_no_scratch_descriptor_socket_or_instance_behind() {
    let server = Server::start(writing()).await.unwrap();
    let home = Home::with_model(&server.url(), &config());
    let work = tokio::task::spawn_blocking(move || {
        let gateway = home.gateway();
        let scratch = home.state().join("scratch");
        assert_eq!(live(&home), 0);
        let (sockets, _) = descriptors(&gateway);
        execute(&home, "warm");
        until("the first requests", || live(&home) == 0 && count(&scratch) == 0);
        let (_, others) = descriptors(&gateway);
        for round in 0..ROUNDS {
            execute(&home, &format!("t{round}"));
        }
        until("all requests", || live(&home) == 0);
        until("all scratch directories to go", || count(&scratch) == 0);
        until("all files to be closed", || descriptors(&gateway).1 <= others);
        assert!(!home.workspace().join("note.txt").exists(), "nothing was written into a workspace");
        (home, gateway, sockets)
    });
    let (home, gateway, sockets) = work.await.unwrap();
    assert_eq!(server.calls(), 2 * (AT_ONCE * (ROUNDS + 1)) as u64, "every request asked twice: nothing was lost");
    drop(server);
    tokio::task::spawn_blocking(move || {
        until("all sockets to be closed", || descriptors(&gateway).0 <= sockets);
        assert!(gateway.stop());
        drop(home);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_an_instance_goes_on_and_only_its_scratch_is_left() {
    let door = Latch::new();
    let held = door.clone();
    let script = Script::answering(move |heard| {
        if heard.results.is_empty() {
            Reply::new().call("write", &json!({ "path": "note.txt", "content": "from before" }))
        } else {
            Reply::new().hold(&held).text("went on")
        }
    });
    let server = Server::start(script).await.unwrap();
    let home = Home::with_model(&server.url(), &config());
    let work = tokio::task::spawn_blocking(move || {
        let gateway = home.gateway();
        let params = json!({ "sessionKey": "agent:worker:main", "message": "go", "idempotencyKey": "k1" }).to_string();
        home.json(&["gateway", "call", "chat.send", "--params", &params, "--json"]);
        (home, gateway)
    });
    let (home, gateway) = work.await.unwrap();
    server.requested(2).await;
    tokio::task::spawn_blocking(move || {
        gateway.kill();
        let scratch = home.state().join("scratch");
        let left: Vec<_> = std::fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(std::fs::read_to_string(left[0].join("note.txt")).unwrap(), "from before");
        std::fs::create_dir(scratch.join("t-orphan")).unwrap();
        let gateway = home.gateway();
        assert!(!scratch.join("t-orphan").exists(), "what nobody owns goes at the start");
        assert!(left[0].join("note.txt").exists(), "what somebody goes on with stays");
        let shown = home.json(&["status", "--agents", "--json"]);
        assert_eq!(shown["data"]["instances"][0]["runId"], "k1");
        door.open();
        until("the answer", || live(&home) == 0);
        until("the scratch to go", || count(&scratch) == 0);
        let history =
            ["gateway", "call", "chat.history", "--params", r#"{"sessionKey":"agent:worker:main"}"#, "--json"];
        assert!(home.json(&history).to_string().contains("went on"));
        assert!(gateway.stop());
    })
    .await
    .unwrap();
}
