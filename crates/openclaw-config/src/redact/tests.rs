use super::*;
use serde_json::json;

#[test]
fn secrets_go_and_references_stay() {
    let config = json!({
        "gateway": {"port": 1, "auth": {"token": "hunter2", "mode": "token", "password": {"source": "env", "id": "P"}}},
        "models": {"providers": {"x": {"apiKey": "${KEY}", "headers": {"X-Any": "v"}, "baseUrl": "https://user:pw@host/v1", "maxTokens": 5}}},
        "channels": {"telegram": {"botToken": "1:abc", "tokenFile": "/x"}, "matrix": {"accessToken": "m", "password": "p", "homeserver": "https://h"}},
        "plugins": {"entries": {"p": {"config": {"clientSecret": "s", "tokens": 5, "nested": {"apiKey": 12345}, "headers": {"X": "y"}, "tls": {"key": "k", "passphrase": "p"}}}}},
        "env": {"vars": {"PLAIN": "v"}},
        "hooks": {"token": "h"},
        "mcp": {"servers": {"s": {"env": {"A": "b"}, "command": "x"}}},
        "session": {"store": "/s"}
    });
    let expected = json!({
        "gateway": {"port": 1, "auth": {"token": SENTINEL, "mode": "token", "password": {"source": "env", "id": "P"}}},
        "models": {"providers": {"x": {"apiKey": "${KEY}", "headers": {"X-Any": SENTINEL}, "baseUrl": format!("https://{SENTINEL}@host/v1"), "maxTokens": 5}}},
        "channels": {"telegram": {"botToken": SENTINEL, "tokenFile": "/x"}, "matrix": {"accessToken": SENTINEL, "password": SENTINEL, "homeserver": "https://h"}},
        "plugins": {"entries": {"p": {"config": {"clientSecret": SENTINEL, "tokens": 5, "nested": {"apiKey": SENTINEL}, "headers": {"X": SENTINEL}, "tls": {"key": SENTINEL, "passphrase": SENTINEL}}}}},
        "env": {"vars": {"PLAIN": SENTINEL}},
        "hooks": {"token": SENTINEL},
        "mcp": {"servers": {"s": {"env": {"A": SENTINEL}, "command": "x"}}},
        "session": {"store": "/s"}
    });
    assert_eq!(value(&config), expected);
}

#[test]
fn every_secret_of_the_table_is_replaced() {
    for (pattern, key) in keys::all().filter(|(_, key)| key.is_secret()) {
        let path = KeyPath::parse(&pattern.replace("[]", "[0]").replace('*', "name")).unwrap();
        assert!(is_secret_path(&path), "{pattern} {}", key.doc);
    }
}

#[test]
fn text_keeps_its_layout_and_loses_secrets_in_comments_too() {
    let raw =
        "{\n  // old token was hunter22\n  gateway: { auth: { token: 'hunter22' }, port: 0x10 }, /* hunter22 */\n}\n";
    let shown = text(raw);
    assert!(!shown.contains("hunter22"), "{shown}");
    assert!(shown.starts_with("{\n  // old token was __OPENCLAW_REDACTED__\n  gateway: { auth: { token: "), "{shown}");
    assert!(shown.contains("port: 0x10"), "{shown}");
    assert_eq!(tree::parse(&shown).unwrap()["gateway"]["auth"]["token"], SENTINEL);
}

#[test]
fn what_cannot_be_read_is_not_shown() {
    assert_eq!(text("{gateway: {auth: {token: 'hunter2'"), SENTINEL);
    assert_eq!(text(""), "");
}

#[test]
fn the_sentinel_is_found_anywhere() {
    assert!(is_redacted(&json!({"a": [{"b": SENTINEL}]})));
    assert!(is_redacted(&json!(format!("x{SENTINEL}y"))));
    assert!(!is_redacted(&json!({"a": "b"})));
}
