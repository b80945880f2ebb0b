//! The configuration over the wire.

use openclaw_domain::settings::Severity;
use serde_json::json;

use crate::furniture::spoil_config;
use crate::rig::Rig;

#[tokio::test]
async fn a_write_needs_the_hash_last_seen() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let current = ws.ok("config.get", json!({})).await;
    assert_eq!((&current["hash"], &current["valid"]), (&json!("hash-1"), &json!(true)));
    let error = ws.fails("config.set", json!({ "raw": "{}", "baseHash": "old" })).await;
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("INVALID_REQUEST"), &json!("config changed since last load; re-run config.get and retry"))
    );
    let patch = json!({ "raw": r#"{"gateway":{"port":2}}"#, "baseHash": "hash-1" });
    let written = ws.ok("config.patch", patch).await;
    assert_eq!((&written["hash"], &written["changedPaths"]), (&json!("hash-2"), &json!(["gateway.port"])));
    assert_eq!(written["sentinel"]["payload"]["stats"]["requiresRestart"], true);
    let event = ws.event(|event| event["event"] == "config.changed").await;
    assert_eq!(event["payload"]["hash"], "hash-2");
}

#[tokio::test]
async fn a_patch_must_be_an_object() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for (raw, part) in [("[]", "must be an object"), ("{", "is not JSON")] {
        let error = ws.fails("config.patch", json!({ "raw": raw, "baseHash": "hash-1" })).await;
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
}

#[tokio::test]
async fn the_thirty_first_write_of_a_minute_waits() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for _ in 0..30 {
        ws.fails("config.set", json!({ "raw": "{}", "baseHash": "old" })).await;
    }
    let error = ws.fails("config.set", json!({ "raw": "{}", "baseHash": "old" })).await;
    assert_eq!(
        (&error["code"], &error["details"]),
        (&json!("UNAVAILABLE"), &json!({ "method": "config.set", "limit": "30 per 60s" }))
    );
}

#[tokio::test]
async fn a_path_of_the_schema_is_found_with_what_lies_below() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let found = ws.ok("config.schema.lookup", json!({ "path": "gateway" })).await;
    let child =
        json!({ "key": "port", "path": "gateway.port", "required": false, "hasChildren": false, "type": "integer" });
    assert_eq!(found["children"], json!([child]));
    assert_eq!(
        ws.ok("config.schema.lookup", json!({ "path": "gateway.port" })).await["schema"],
        json!({ "type": "integer" })
    );
    assert!(
        ws.fails("config.schema.lookup", json!({ "path": "moon" })).await["message"].as_str().unwrap().contains("moon")
    );
}

#[tokio::test]
async fn an_error_makes_the_configuration_invalid_and_a_warning_does_not() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for (severities, valid, errors, warnings) in
        [(&[Severity::Warning][..], true, 0, 1), (&[Severity::Warning, Severity::Error], false, 1, 1)]
    {
        spoil_config(&rig, severities);
        let current = ws.ok("config.get", json!({})).await;
        assert_eq!(current["valid"], valid);
        let count = |name: &str| current[name].as_array().unwrap().len();
        assert_eq!((count("issues"), count("warnings")), (errors, warnings));
    }
}
