//! The Unix socket: the same protocol without a token, for the same user only.

use futures_util::{SinkExt as _, StreamExt as _};
use openclaw_gateway::{Auth, Error, Hub, Options};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::Rig;

async fn rig_at(path: &std::path::Path) -> Rig {
    let path = path.to_owned();
    Rig::with(move |options| options.unix_socket = Some(path)).await
}

#[tokio::test]
async fn our_own_user_is_the_owner_without_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sock");
    let _rig = rig_at(&path).await;
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let (mut ws, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await.unwrap();
    ws.next().await.unwrap().unwrap();
    let connect = json!({ "type": "req", "id": "1", "method": "connect", "params": { "minProtocol": 4, "maxProtocol": 4,
        "client": { "id": "openclaw-tui", "version": "1", "platform": "linux", "mode": "ui" } } });
    ws.send(Message::text(connect.to_string())).await.unwrap();
    let hello: Value = serde_json::from_str(ws.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
    let scopes = hello["payload"]["auth"]["scopes"].as_array().unwrap();
    assert!(scopes.contains(&json!("operator.admin")) && scopes.len() == 8, "{hello}");
}

#[tokio::test]
async fn the_socket_is_for_its_owner_only_and_goes_away_at_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sock");
    let mut rig = rig_at(&path).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    rig.handle.take().unwrap().shutdown("").await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_file_is_replaced_and_a_live_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let rig = rig_at(&path).await;
    let mut options = Options::new(vec![], Auth::None, "1");
    options.unix_socket = Some(path.clone());
    let second = openclaw_gateway::serve(options, rig.ports(), Hub::new()).await;
    assert!(matches!(second.err(), Some(Error::SocketInUse { .. })));
    assert!(tokio::net::UnixStream::connect(&path).await.is_ok(), "the first one still answers");
}

#[tokio::test]
async fn a_file_that_is_not_a_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "precious").unwrap();
    let rig = Rig::start().await;
    let mut options = Options::new(vec![], Auth::None, "1");
    options.unix_socket = Some(path.clone());
    assert!(openclaw_gateway::serve(options, rig.ports(), Hub::new()).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn there_must_be_something_to_listen_on() {
    let rig = Rig::start().await;
    let served = openclaw_gateway::serve(Options::new(vec![], Auth::None, "1"), rig.ports(), Hub::new()).await;
    assert!(matches!(served.err(), Some(Error::NoAddress)));
}
