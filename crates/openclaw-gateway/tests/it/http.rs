//! HTTP: probes, the page, metrics, and who is let through at all (T-02, T-03, T-06).

use std::sync::Arc;

use crate::rig::{Rig, TOKEN};

#[tokio::test]
async fn probes_answer_without_a_credential() {
    let rig = Rig::start().await;
    for path in ["/health", "/healthz"] {
        let (status, _, body) = rig.http("GET", path, &[], "").await;
        assert_eq!((status, body.as_str()), (200, r#"{"ok":true,"status":"live"}"#));
    }
    for (path, expected) in
        [("/ready", r#""ready":true"#), ("/readyz", r#""failing":[]"#), ("/startupz", r#""status":"started""#)]
    {
        let (status, _, body) = rig.http("GET", path, &[], "").await;
        assert!(status == 200 && body.contains(expected), "{path}: {body}");
    }
    assert_eq!(rig.http("POST", "/healthz", &[], "").await.0, 405);
}

#[tokio::test]
async fn the_page_says_what_to_do_in_the_reader_s_language_under_a_strict_policy() {
    let rig = Rig::start().await;
    let (status, head, body) = rig.http("GET", "/", &["Accept-Language: zh-CN"], "").await;
    assert!(status == 200 && body.contains("网关正在运行") && body.contains("openclaw tui"), "{body}");
    assert!(
        head.contains("x-frame-options: deny") && head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(!body.contains("<script"));
    assert!(rig.http("GET", "/", &[], "").await.2.contains("is running"));
    assert_eq!(rig.http("GET", "/missing.js", &[], "").await.0, 404);
}

#[tokio::test]
async fn unknown_api_routes_ask_for_a_credential() {
    let rig = Rig::start().await;
    let (status, _, body) = rig.http("GET", "/v1/models", &[], "").await;
    assert_eq!((status, body.as_str()), (401, r#"{"error":{"message":"Unauthorized","type":"unauthorized"}}"#));
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_not_for_web_pages() {
    let rig = Rig::with(|options| options.metrics = Arc::new(|| "openclaw_up 1\n".to_owned())).await;
    assert_eq!(rig.http("GET", "/metrics", &[], "").await.2, "openclaw_up 1\n");
    let origin = format!("Origin: http://127.0.0.1:{}", rig.port);
    let host = format!("Host: 127.0.0.1:{}", rig.port);
    assert_eq!(rig.http("GET", "/metrics", &[&host, &origin], "").await.0, 401);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(rig.http("GET", "/metrics", &[&host, &origin, &bearer], "").await.0, 200);
}

#[tokio::test]
async fn a_foreign_page_or_a_rebound_name_gets_403_on_every_route() {
    let rig = Rig::start().await;
    for (method, path) in [("GET", "/"), ("GET", "/metrics"), ("POST", "/rpc"), ("GET", "/v1/models"), ("GET", "/x.js")]
    {
        for header in ["Origin: https://evil.example", "Origin: null", "Host: evil.example"] {
            let (status, ..) = rig.http(method, path, &[header, "X-Forwarded-For: 127.0.0.1"], "{}").await;
            assert_eq!(status, 403, "{method} {path} {header}");
        }
    }
}

#[tokio::test]
async fn a_foreign_page_is_refused_before_the_upgrade_and_our_own_is_not() {
    let rig = Rig::start().await;
    for header in [("origin", "https://evil.example"), ("origin", "null"), ("user-agent", "Mozilla/5.0")] {
        assert_eq!(rig.raw_with(&[header]).await.err(), Some(403), "{header:?}");
    }
    let own = format!("http://localhost:{}", rig.port);
    assert!(rig.raw_with(&[("origin", &own)]).await.is_ok());
}

#[tokio::test]
async fn an_allowed_page_gets_in() {
    let rig = Rig::with(|options| options.allowed_origins = vec!["https://chat.example".into()]).await;
    assert!(rig.raw_with(&[("origin", "https://chat.example")]).await.is_ok());
    assert_eq!(rig.raw_with(&[("origin", "https://chat.example.evil")]).await.err(), Some(403));
}

#[tokio::test]
async fn an_upgrade_with_another_version_is_answered_with_ours() {
    let rig = Rig::start().await;
    let upgrade = ["Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 8"];
    // `Connection: close` of the helper comes second; both words count.
    let (status, head, _) = rig.http("GET", "/", &[&["Connection: Upgrade"], &upgrade[..]].concat(), "").await;
    assert_eq!(status, 426);
    assert!(head.contains("sec-websocket-version: 13"));
}
