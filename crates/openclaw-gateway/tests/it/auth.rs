//! Credentials: the rows of the error table about them, lock-out, and what a client is granted.

use std::time::Duration;

use openclaw_domain::Secret;
use openclaw_gateway::{Auth, Error, Hub, Options};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::rig::{ALL, Device, Rig, TOKEN, params};

/// Sends `connect` and returns the error and the close.
pub(crate) async fn refused(rig: &Rig, params: Value) -> (Value, u16, String) {
    let mut ws = rig.raw().await;
    ws.request("connect", params).await;
    rig.clock.wait_for_sleepers(1).await;
    // A wrong credential is answered late on loopback.
    let advance = async {
        loop {
            rig.clock.advance(Duration::from_millis(250)).await;
            tokio::task::yield_now().await;
        }
    };
    let (frames, code, reason) = tokio::select! {
        closed = ws.closed() => closed,
        () = advance => unreachable!(),
    };
    (frames[0]["error"].clone(), code, reason)
}

fn with_auth(auth: Value) -> Value {
    let mut params = params(&ALL);
    params["auth"] = auth;
    params
}

#[tokio::test]
async fn a_wrong_token_is_named_and_closes_1008() {
    let rig = Rig::start().await;
    let (error, code, reason) = refused(&rig, with_auth(json!({ "token": "wrong" }))).await;
    let message = "unauthorized: gateway token mismatch (provide gateway auth token)";
    assert_eq!(
        error,
        json!({ "code": "INVALID_REQUEST", "message": message, "details": { "code": "AUTH_TOKEN_MISMATCH",
            "authReason": "token_mismatch", "canRetryWithDeviceToken": false,
            "recommendedNextStep": "update_auth_credentials" } })
    );
    assert_eq!((code, reason.as_str()), (1008, message));
}

#[tokio::test]
async fn nothing_shown_asks_for_a_device() {
    let rig = Rig::start().await;
    let mut bare = params(&ALL);
    bare.as_object_mut().unwrap().remove("auth");
    let (error, code, reason) = refused(&rig, bare).await;
    assert_eq!(
        error,
        json!({ "code": "NOT_PAIRED", "message": "device identity required",
            "details": { "code": "DEVICE_IDENTITY_REQUIRED" } })
    );
    assert_eq!((code, reason.as_str()), (1008, "device identity required"));
}

#[tokio::test]
async fn a_password_is_checked_when_a_password_is_configured() {
    let rig = Rig::with(|options| options.auth = Auth::Password(Secret::new("open sesame"))).await;
    let (error, ..) = refused(&rig, with_auth(json!({ "password": "wrong" }))).await;
    assert_eq!(error["details"]["code"], "AUTH_PASSWORD_MISMATCH");
    rig.client_with(with_auth(json!({ "password": "open sesame" }))).await;
}

#[tokio::test]
async fn without_a_configured_credential_loopback_needs_none() {
    let rig = Rig::with(|options| options.auth = Auth::None).await;
    let mut bare = params(&ALL);
    bare.as_object_mut().unwrap().remove("auth");
    rig.client_with(bare).await;
}

#[tokio::test]
async fn an_address_others_can_reach_needs_a_strong_credential() {
    let rig = Rig::start().await;
    for (auth, is_served) in [
        (Auth::None, false),
        (Auth::Token(Secret::new("short")), false),
        (Auth::Password(Secret::new("correct horse")), false),
        (Auth::Token(Secret::new(TOKEN)), true),
    ] {
        let options = Options::new(vec!["0.0.0.0:0".parse().unwrap()], auth, "1");
        let served = openclaw_gateway::serve(options, rig.ports(), Hub::new()).await;
        match served {
            Ok(handle) => {
                assert!(is_served);
                handle.shutdown("test").await;
            }
            Err(error) => {
                assert!(!is_served, "{error}");
                assert!(matches!(error, Error::Unguarded { .. }), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_empty_credential_does_not_start() {
    let rig = Rig::start().await;
    let options = Options::new(vec!["127.0.0.1:0".parse().unwrap()], Auth::Token(Secret::new("")), "1");
    let served = openclaw_gateway::serve(options, rig.ports(), Hub::new()).await;
    assert!(matches!(served.err(), Some(Error::EmptyCredential("token"))));
}

#[tokio::test]
async fn the_eleventh_bad_guess_of_a_browser_is_locked_out_even_on_loopback() {
    let rig = Rig::start().await;
    let origin = format!("http://127.0.0.1:{}", rig.port);
    let guess = async || {
        let mut ws = rig.raw_with(&[("origin", &origin)]).await.unwrap();
        ws.request("connect", with_auth(json!({ "token": "wrong" }))).await;
        ws.closed().await.0[0]["error"]["details"]["code"].as_str().unwrap().to_owned()
    };
    for _ in 0..10 {
        assert_eq!(guess().await, "AUTH_TOKEN_MISMATCH");
    }
    assert_eq!(guess().await, "AUTH_RATE_LIMITED");
    // Even the right token waits, and the answer says how long.
    let mut ws = rig.raw_with(&[("origin", &origin)]).await.unwrap();
    ws.request("connect", params(&ALL)).await;
    let (frames, ..) = ws.closed().await;
    assert_eq!(frames[0]["error"]["retryAfterMs"], 300_000);
}

#[tokio::test]
async fn a_client_without_a_device_keeps_scopes_only_as_one_of_our_own_tools() {
    let rig = Rig::start().await;
    for (id, mode, keeps) in [
        ("cli", "cli", true),
        ("gateway-client", "backend", true),
        ("cli", "probe", false),
        ("openclaw-tui", "ui", false),
        ("gateway-client", "cli", false),
        ("test", "test", false),
    ] {
        let mut params = params(&ALL);
        (params["client"]["id"], params["client"]["mode"]) = (json!(id), json!(mode));
        let ws = rig.client_with(params).await;
        let expected: &[&str] = if keeps { &ALL } else { &[] };
        assert_eq!(ws.hello["auth"]["scopes"], json!(expected), "{id}/{mode}");
    }
}

#[tokio::test]
async fn a_probe_without_scopes_still_gets_health() {
    let rig = Rig::start().await;
    let mut probe = params(&ALL);
    (probe["client"]["id"], probe["client"]["mode"]) = (json!("cli"), json!("probe"));
    let mut ws = rig.client_with(probe).await;
    assert_eq!(ws.ok("health", json!({})).await["ok"], true);
    assert_eq!(ws.fails("status", json!({})).await["code"], "FORBIDDEN");
}

#[tokio::test]
async fn a_probe_may_speak_the_older_version() {
    let rig = Rig::start().await;
    let mut probe = params(&[]);
    (probe["minProtocol"], probe["maxProtocol"]) = (json!(3), json!(3));
    probe["client"]["mode"] = json!("probe");
    rig.client_with(probe).await;
}

#[tokio::test]
async fn the_control_ui_needs_a_device() {
    let rig = Rig::start().await;
    let mut ui = params(&ALL);
    (ui["client"]["id"], ui["client"]["mode"]) = (json!("openclaw-control-ui"), json!("webchat"));
    let (error, code, _) = refused(&rig, ui).await;
    assert_eq!((&error["details"]["code"], code), (&json!("CONTROL_UI_DEVICE_IDENTITY_REQUIRED"), 1008));
}

#[tokio::test]
async fn a_client_that_asks_for_no_scopes_gets_none() {
    let rig = Rig::start().await;
    let mut bare = params(&[]);
    bare.as_object_mut().unwrap().remove("scopes");
    assert_eq!(rig.client_with(bare).await.hello["auth"]["scopes"], json!([]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// T-09: granted scopes are asked for, known, and within what the device was paired for.
    #[test]
    fn nobody_is_granted_more_than_asked_for_and_paired_for(
        paired in proptest::sample::subsequence(ALL.to_vec(), 0..=ALL.len()),
        claimed in proptest::sample::subsequence(ALL.to_vec(), 0..=ALL.len()),
        invented in proptest::bool::ANY,
        seed in 1_u8..200,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = Rig::start().await;
            let device = Device::new(seed);
            let mut first = tui(&paired);
            let mut ws = rig.raw().await;
            device.sign(&mut first, &ws.challenge, false);
            let token = ws.ok("connect", first).await["auth"]["deviceToken"].clone();
            // Reconnects with the device's token only: no shared credential to widen with.
            let mut claims: Vec<&str> = claimed.clone();
            if invented {
                claims.push("operator.everything");
            }
            let mut again = tui(&claims);
            again["auth"] = json!({ "token": token });
            let mut ws = rig.raw().await;
            device.sign(&mut again, &ws.challenge, false);
            let answer = ws.call("connect", again).await;
            let covers = |scope: &str| paired.contains(&"operator.admin") || paired.contains(&scope)
                || (scope == "operator.read" && paired.contains(&"operator.write"));
            if claimed.iter().all(|scope| covers(scope)) {
                prop_assert_eq!(&answer["payload"]["auth"]["scopes"], &json!(claimed));
            } else {
                prop_assert_eq!(&answer["error"]["details"]["code"], &json!("PAIRING_REQUIRED"));
                prop_assert_eq!(&answer["error"]["details"]["reason"], &json!("scope-upgrade"));
            }
            Ok(())
        })?;
    }
}

fn tui(scopes: &[&str]) -> Value {
    let mut params = params(scopes);
    (params["client"]["id"], params["client"]["mode"]) = (json!("openclaw-tui"), json!("ui"));
    params
}
