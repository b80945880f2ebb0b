//! Streamed text: one item per stretch, merged while a client is behind.
//!
//! The contract sends the whole text so far with each delta, so a stretch is a
//! pair of positions in the block's text. Two stretches that touch are one; the
//! frames of a stretch are serialised when the first client needs them and
//! shared with every client that needs the same stretch.

use std::sync::{Arc, Mutex, PoisonError};

use openclaw_domain::{Cursor, Timestamp};
use serde::Serialize;

use super::frame::{Frame, Mark, WhenSlow};
use super::names;
use super::payload::{self, Chat};

/// Ids that every payload of a run carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) run: String,
    pub(crate) session: String,
    pub(crate) agent: String,
}

/// What kind of text streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The visible answer: an `agent` and a `chat` event.
    Answer,
    /// Visible reasoning: an `agent` event.
    Thinking,
}

/// The text of one model turn as far as it has arrived.
pub(crate) struct Block {
    ids: Arc<Ids>,
    kind: Kind,
    item: String,
    /// Whether text of an earlier block is on screen and this one takes its place.
    replaces: bool,
    /// Appended to by the engine's task, read by the connections' tasks.
    text: Mutex<String>,
    /// Frames of the stretch asked for last; clients that keep up ask for the same one.
    last: Mutex<Option<(Stretch, Arc<[Frame]>)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: usize,
    to: usize,
    seq: u64,
    cursor: Cursor,
}

/// A stretch of a block, waiting to be sent.
#[derive(Clone)]
pub(crate) struct Delta {
    block: Arc<Block>,
    stretch: Stretch,
    at: Timestamp,
}

impl Block {
    /// Starts a block.
    pub(crate) fn new(ids: Arc<Ids>, kind: Kind, item: String, replaces: bool) -> Arc<Self> {
        Arc::new(Self { ids, kind, item, replaces, text: Mutex::default(), last: Mutex::default() })
    }

    /// Adds text and returns the stretch.
    pub(crate) fn add(self: &Arc<Self>, more: &str, seq: u64, cursor: Cursor, at: Timestamp) -> Delta {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let from = text.len();
        text.push_str(more);
        Delta { block: Arc::clone(self), stretch: Stretch { from, to: text.len(), seq, cursor }, at }
    }

    /// Returns the text so far.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn frames(&self, stretch: Stretch, at: Timestamp) -> Arc<[Frame]> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, frames)) = last.as_ref()
            && *known == stretch
        {
            return Arc::clone(frames);
        }
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let frames: Arc<[Frame]> = self.serialise(&text[..stretch.to], stretch, at).into();
        drop(text);
        *last = Some((stretch, Arc::clone(&frames)));
        frames
    }

    fn serialise(&self, text: &str, stretch: Stretch, at: Timestamp) -> Vec<Frame> {
        let delta = &text[stretch.from..];
        let stream = match self.kind {
            Kind::Answer => "assistant",
            Kind::Thinking => "thinking",
        };
        let data = AgentText { text, delta, item_id: &self.item };
        let agent = payload::Agent::of(&self.ids, (stretch.seq, at), stream, data);
        let mark = Mark { ids: Arc::clone(&self.ids), cursor: stretch.cursor, is_durable: false };
        let mut frames = vec![Frame::new(names::AGENT, &agent, WhenSlow::Drop).marked(mark)];
        if self.kind == Kind::Answer {
            let message =
                Message { role: "assistant", content: [Content { kind: "text", text }], timestamp: at.as_millis() };
            let chat = Chat {
                delta_text: Some(delta),
                replace: (self.replaces && stretch.from == 0).then_some(true),
                message: Some(message),
                ..Chat::of(&self.ids, stretch.seq, "delta")
            };
            frames.push(Frame::new(names::CHAT, &chat, WhenSlow::Drop));
        }
        frames
    }
}

impl Delta {
    /// Joins `next` to this stretch when it continues it; false when it does not.
    pub(crate) fn join(&mut self, next: &Delta) -> bool {
        let continues = Arc::ptr_eq(&self.block, &next.block) && self.stretch.to == next.stretch.from;
        if continues {
            self.stretch.to = next.stretch.to;
            self.stretch.seq = next.stretch.seq;
            self.stretch.cursor = next.stretch.cursor;
            self.at = next.at;
        }
        continues
    }

    /// Returns the frames to send.
    pub(crate) fn frames(&self) -> Arc<[Frame]> {
        self.block.frames(self.stretch, self.at)
    }

    /// Returns the run and the new text of an answer, for clients that want no more.
    pub(crate) fn plain(&self) -> Option<(&str, String)> {
        if self.block.kind != Kind::Answer {
            return None;
        }
        let text = self.block.text.lock().unwrap_or_else(PoisonError::into_inner);
        Some((&self.block.ids.run, text[self.stretch.from..self.stretch.to].to_owned()))
    }

    /// Returns about how many bytes the frames will have.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.stretch.to + 512
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentText<'a> {
    text: &'a str,
    delta: &'a str,
    item_id: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: [Content<'a>; 1],
    timestamp: i64,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn block() -> Arc<Block> {
        let ids = Ids { run: "r".into(), session: "agent:main:main".into(), agent: "main".into() };
        Block::new(Arc::new(ids), Kind::Answer, "i:1".into(), false)
    }

    #[test]
    fn stretches_that_touch_become_one_with_the_text_of_both() {
        let block = block();
        let mut first = block.add("Hel", 3, Cursor::default(), Timestamp(1));
        let second = block.add("lo", 4, Cursor::default(), Timestamp(2));
        assert!(first.join(&second));
        let frames = first.frames();
        let chat: Value = serde_json::from_str(&frames[1].numbered(1)).unwrap();
        assert_eq!(chat["payload"]["deltaText"], "Hello");
        assert_eq!(chat["payload"]["message"]["content"][0]["text"], "Hello");
        assert_eq!(chat["payload"]["seq"], 4);
    }

    #[test]
    fn stretches_apart_stay_apart() {
        let block = block();
        let mut first = block.add("a", 1, Cursor::default(), Timestamp(1));
        drop(block.add("b", 2, Cursor::default(), Timestamp(1)));
        let third = block.add("c", 3, Cursor::default(), Timestamp(1));
        assert!(!first.join(&third));
        let agent: Value = serde_json::from_str(&third.frames()[0].numbered(1)).unwrap();
        assert_eq!(
            (&agent["payload"]["data"]["delta"], &agent["payload"]["data"]["text"]),
            (&"c".into(), &"abc".into())
        );
    }

    #[test]
    fn clients_that_keep_up_share_one_serialisation() {
        let block = block();
        let delta = block.add("a", 1, Cursor::default(), Timestamp(1));
        assert!(Arc::ptr_eq(&delta.frames(), &delta.frames()));
    }
}
