//! An event frame, serialised once and shared by all clients.
//!
//! Only `seq` differs between clients. It is the last property, so the shared
//! text ends just before it and each client's copy is one allocation and no
//! serialisation.

use std::sync::Arc;

use openclaw_domain::Cursor;
use openclaw_protocol::frame::StateVersion;
use serde::Serialize;
use serde_json::Value;

use super::delta::Ids;

const HEAD: &str = "{\"type\":\"event\",\"event\":\"";
const MIDDLE: &str = "\",\"payload\":";

/// What happens to an event when a client does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenSlow {
    /// It is skipped; its number is used up, so the client sees a gap.
    Drop,
    /// The client is closed: without this event its picture would be wrong.
    Close,
}

/// An event, without its number.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The frame up to, not including, `,"seq":N}`.
    text: Arc<str>,
    /// Where the event's name ends and where the payload ends, in `text`.
    name_end: usize,
    payload_end: usize,
    mark: Option<Mark>,
    pub(crate) when_slow: WhenSlow,
}

/// Where an event of a run stands, for clients that asked to know.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) ids: Arc<Ids>,
    pub(crate) cursor: Cursor,
    pub(crate) is_durable: bool,
}

impl Frame {
    /// Serialises an event.
    pub(crate) fn new(event: &str, payload: &impl Serialize, when_slow: WhenSlow) -> Self {
        Self::with_state(event, payload, None, when_slow)
    }

    /// Serialises an event that says which state it shows.
    pub(crate) fn with_state(
        event: &str,
        payload: &impl Serialize,
        version: Option<StateVersion>,
        when_slow: WhenSlow,
    ) -> Self {
        let mut text = String::with_capacity(512);
        text.push_str(HEAD);
        text.push_str(event);
        let name_end = text.len();
        text.push_str(MIDDLE);
        push_json(&mut text, payload);
        let payload_end = text.len();
        if let Some(version) = version {
            text.push_str(",\"stateVersion\":");
            push_json(&mut text, &version);
        }
        Self { text: text.into(), name_end, payload_end, mark: None, when_slow }
    }

    /// Adds where the event stands; its payload must be an object that is not empty.
    #[must_use]
    pub(crate) fn marked(mut self, mark: Mark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Returns the frame with its mark as a part of the payload.
    #[must_use]
    pub(crate) fn with_mark(&self) -> Self {
        let Some(mark) = &self.mark else { return self.clone() };
        let end = self.payload_end - 1;
        let mut text = String::with_capacity(self.text.len() + 96);
        text.push_str(&self.text[..end]);
        text.push_str(",\"cursor\":");
        push_json(&mut text, &crate::stream::payload::cursor_of(&mark.ids.run, mark.cursor));
        text.push_str(if mark.is_durable { ",\"durable\":true" } else { ",\"durable\":false" });
        let added = text.len() - end;
        text.push_str(&self.text[end..]);
        Self { text: text.into(), payload_end: self.payload_end + added, mark: None, ..self.clone() }
    }

    /// Returns the frame with its number.
    pub(crate) fn numbered(&self, seq: u64) -> String {
        let mut out = String::with_capacity(self.text.len() + 28);
        out.push_str(&self.text);
        out.push_str(",\"seq\":");
        out.push_str(&seq.to_string());
        out.push('}');
        out
    }

    /// Returns the event as a JSON-RPC notification: the event is the method.
    pub(crate) fn notification(&self, seq: u64) -> String {
        let name = &self.text[HEAD.len()..self.name_end];
        let payload = &self.text[self.name_end + MIDDLE.len()..self.payload_end];
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{name}\",\"params\":{{\"seq\":{seq},\"payload\":{payload}}}}}")
    }

    /// Returns the frame without a number, for one client only.
    pub(crate) fn directed(&self) -> String {
        format!("{}}}", self.text)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + 28
    }
}

/// Appends a value as JSON.
pub(crate) fn push_json(text: &mut String, value: &impl Serialize) {
    let start = text.len();
    let mut bytes = std::mem::take(text).into_bytes();
    if serde_json::to_writer(&mut bytes, value).is_err() {
        // Only a map with non-string keys or a failing Serialize ends here; our
        // payloads have neither, and `null` keeps the frame well-formed.
        bytes.truncate(start);
        bytes.extend_from_slice(b"null");
    }
    // What stood there was text and JSON is text, so nothing is ever lost here.
    *text = String::from_utf8(bytes).unwrap_or_default();
}

/// Returns an answer frame with a result.
pub(crate) fn answer(id: &str, payload: &impl Serialize) -> String {
    let mut text = String::with_capacity(128);
    text.push_str("{\"type\":\"res\",\"id\":");
    push_json(&mut text, &id);
    text.push_str(",\"ok\":true,\"payload\":");
    push_json(&mut text, payload);
    text.push('}');
    text
}

/// Returns an answer frame with an error.
pub(crate) fn refusal(id: &str, error: &openclaw_protocol::ErrorBody) -> String {
    let mut text = String::with_capacity(160);
    text.push_str("{\"type\":\"res\",\"id\":");
    push_json(&mut text, &id);
    text.push_str(",\"ok\":false,\"error\":");
    push_json(&mut text, error);
    text.push('}');
    text
}

/// Returns the answer to something that is not a request.
pub(crate) fn not_a_request(message: &str) -> Value {
    serde_json::json!({ "type": "res", "id": "invalid", "ok": false,
        "error": { "code": "INVALID_REQUEST", "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_added_to_what_stands_there_and_a_value_that_has_none_is_null() {
        let mut text = "é:".to_owned();
        push_json(&mut text, &json!({"a": "ß"}));
        push_json(&mut text, &std::collections::BTreeMap::from([((1, 2), 3)]));
        assert_eq!(text, "é:{\"a\":\"ß\"}null");
    }

    #[test]
    fn a_mark_joins_the_payload_only_when_it_is_asked_for() {
        let ids = Arc::new(Ids { run: "r".into(), session: "s".into(), agent: "a".into() });
        let cursor = Cursor { seq: openclaw_domain::Seq(3), off: 5 };
        let plain = Frame::with_state("agent", &json!({"a": "}"}), Some(StateVersion::default()), WhenSlow::Drop);
        let frame = plain.clone().marked(Mark { ids, cursor, is_durable: false });
        assert_eq!(frame.numbered(7), plain.numbered(7));
        let value: Value = serde_json::from_str(&frame.with_mark().numbered(7)).unwrap();
        let expected = json!({"a": "}", "cursor": {"run": "r", "seq": 3, "off": 5}, "durable": false});
        assert_eq!((&value["payload"], &value["seq"]), (&expected, &json!(7)));
        let value: Value = serde_json::from_str(&frame.with_mark().notification(7)).unwrap();
        assert_eq!(value["params"]["payload"], expected);
    }

    #[test]
    fn the_number_is_spliced_in_and_the_frame_stays_well_formed() {
        let frame = Frame::with_state("presence", &json!({"a": "}"}), Some(StateVersion::default()), WhenSlow::Drop);
        let value: Value = serde_json::from_str(&frame.numbered(7)).unwrap();
        assert_eq!(
            value,
            json!({"type": "event", "event": "presence", "payload": {"a": "}"},
                "stateVersion": {"presence": 0, "health": 0}, "seq": 7})
        );
        let value: Value = serde_json::from_str(&frame.directed()).unwrap();
        assert!(value.get("seq").is_none());
        let value: Value = serde_json::from_str(&frame.notification(7)).unwrap();
        assert_eq!(value["params"], json!({"seq": 7, "payload": {"a": "}"}}));
    }
}
