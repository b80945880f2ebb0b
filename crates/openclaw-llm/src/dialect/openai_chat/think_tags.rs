//! Tells `<think>` text at the head of an answer from the answer.
//!
//! Some servers put the reasoning into the content. Only a tag that opens the
//! answer counts; later ones are text. The tags may be split over chunks.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A piece of content with its kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reasoning.
    Thinking(String),
    /// Answer.
    Text(String),
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Inside,
    /// Behind the closing tag; blank lines there belong to neither part.
    Behind,
    Outside,
}

/// Splits content as it arrives.
#[derive(Debug, Default)]
pub(super) struct ThinkTags {
    state: State,
    /// Text that may be the beginning of a tag.
    held: String,
}

impl ThinkTags {
    /// Adds content; calls `give` for each piece whose kind is certain.
    pub(super) fn push(&mut self, delta: &str, mut give: impl FnMut(Kind)) {
        match self.state {
            State::Outside => {
                give(Kind::Text(delta.to_owned()));
                return;
            }
            State::Behind => {
                self.behind(delta, give);
                return;
            }
            State::Start | State::Inside => self.held.push_str(delta),
        }
        if self.state == State::Start {
            let head = self.held.trim_start();
            if let Some(rest) = head.strip_prefix(OPEN) {
                self.held = rest.trim_start_matches('\n').to_owned();
                self.state = State::Inside;
            } else if OPEN.starts_with(head) {
                return;
            } else {
                self.state = State::Outside;
                give(Kind::Text(std::mem::take(&mut self.held)));
                return;
            }
        }
        if let Some(at) = self.held.find(CLOSE) {
            let rest = self.held.split_off(at);
            give(Kind::Thinking(std::mem::take(&mut self.held)));
            self.state = State::Behind;
            self.behind(&rest[CLOSE.len()..], give);
            return;
        }
        let keep = tail_that_may_close(&self.held);
        let rest = self.held.split_off(self.held.len() - keep);
        give(Kind::Thinking(std::mem::replace(&mut self.held, rest)));
    }

    fn behind(&mut self, delta: &str, mut give: impl FnMut(Kind)) {
        let text = delta.trim_start_matches('\n');
        if !text.is_empty() {
            self.state = State::Outside;
            give(Kind::Text(text.to_owned()));
        }
    }

    /// Returns what is still held at the end.
    pub(super) fn rest(self) -> Kind {
        match self.state {
            State::Inside => Kind::Thinking(self.held),
            State::Start | State::Behind | State::Outside => Kind::Text(self.held),
        }
    }
}

/// Returns the length of the longest end of `text` that begins the closing tag.
fn tail_that_may_close(text: &str) -> usize {
    (1..CLOSE.len()).rev().find(|len| text.ends_with(&CLOSE[..*len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&str]) -> (String, String) {
        let (mut thinking, mut text) = (String::new(), String::new());
        let mut tags = ThinkTags::default();
        let mut give = |kind| match kind {
            Kind::Thinking(more) => thinking.push_str(&more),
            Kind::Text(more) => text.push_str(&more),
        };
        for chunk in chunks {
            tags.push(chunk, &mut give);
        }
        give(tags.rest());
        (thinking, text)
    }

    #[test]
    fn a_leading_tag_is_reasoning_and_a_later_one_is_text() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(split(&["<think>why</think>\n\nso"]), pair("why", "so"));
        assert_eq!(split(&["\n<thi", "nk>wh", "y</thi", "nk>so"]), pair("why", "so"));
        assert_eq!(split(&["a <think>b</think>"]), pair("", "a <think>b</think>"));
        assert_eq!(split(&["<thin"]), pair("", "<thin"));
        assert_eq!(split(&["<think>open"]), pair("open", ""));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_parts(cut in 0usize..40, other in 0usize..40) {
            let text = "<think>ab</thi</think>rest </think> x";
            let (a, b) = (cut.min(other).min(text.len()), cut.max(other).min(text.len()));
            prop_assert_eq!(split(&[&text[..a], &text[a..b], &text[b..]]), split(&[text]));
        }
    }
}
