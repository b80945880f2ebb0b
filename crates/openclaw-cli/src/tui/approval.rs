//! One question to the person: what would run, or may have run, literally, and the keys
//! that answer.
//! Refuses every key until it has been seen for a moment and typing has stopped,
//! and refuses to allow before the end of the literal was on screen.

use std::time::Duration;

use serde_json::Value;

use super::row::{Look, Row, Span, hang};
use super::text::{self, fill};
use super::width;
use crate::ask::{Asking, Choice, Kind};
use crate::peek;
use crate::text::Lang;

/// How long a question must have been there, and typing stopped, before keys count.
pub(crate) const ARMS_AFTER_MS: i64 = 700;
pub(crate) const ARMS_AFTER: Duration = Duration::from_millis(ARMS_AFTER_MS.unsigned_abs());

/// Questions kept at once; the gateway keeps the others.
pub(crate) const ASKS_MAX: usize = 64;

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) asking: Asking,
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) tool: String,
    /// The literal thing that would run, every character visible.
    pub(crate) literal: String,
    details: Vec<(&'static text::Copy, String)>,
    expires_at: Option<i64>,
    can_always: bool,
    /// Answers of a question about an outcome.
    choices: Vec<Choice>,
    /// When it was first drawn as the front question.
    pub(crate) shown_at: Option<i64>,
    /// First row of the literal that is on screen.
    pub(crate) scroll: usize,
    /// Whether the last row of the literal was on screen.
    pub(crate) is_read: bool,
    /// Whether an answer is on its way.
    pub(crate) is_sent: bool,
}

/// Why keys do not answer now, or that they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Armed {
    /// It appeared, or a key was typed, too recently.
    NotYet,
    /// A message is half typed.
    Typing,
    /// A reason to deny is being typed.
    Note,
    /// Keys answer.
    Yes,
}

impl Ask {
    /// Makes the block of a question; `None` when it cannot be shown or answered by a key.
    pub(crate) fn of(asking: &Asking) -> Option<Ask> {
        let request = &asking.payload["request"];
        let literal = match (asking.kind, asking.literal()) {
            (Kind::Approval, text) if text.is_empty() => {
                request.get("arguments").map(Value::to_string).unwrap_or_default()
            }
            (_, text) => text,
        };
        if asking.id.is_empty() || literal.is_empty() || !asking.is_single() {
            return None;
        }
        let named = [
            (&text::FOLDER, peek::text(request, "/cwd")),
            (&text::WHY, peek::first_text(request, &["/ask", "/warningText"])),
            (&text::RULE, peek::text(request, "/rule")),
        ];
        // A question about an outcome stays open until somebody answers it.
        let is_approval = asking.kind == Kind::Approval;
        Some(Ask {
            id: asking.id.clone(),
            agent: or(width::literal(&asking.agent()), "main"),
            tool: or(width::literal(&asking.tool()), "exec"),
            literal: with_other_arguments(&literal, request),
            details: named.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            expires_at: peek::int(&asking.payload, "/expiresAtMs").filter(|_| is_approval),
            can_always: asking.can_always(),
            choices: if is_approval { Vec::new() } else { asking.choices() },
            asking: asking.clone(),
            shown_at: None,
            scroll: 0,
            is_read: false,
            is_sent: false,
        })
    }

    /// Tells whether it is this question.
    pub(crate) fn is(&self, kind: Kind, id: &str) -> bool {
        self.asking.kind == kind && self.id == id
    }

    /// Tells whether its time is over.
    pub(crate) fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }

    /// Tells whether keys answer it.
    pub(crate) fn armed(&self, now: i64, typed_at: i64, is_line_empty: bool, is_focused: bool, is_note: bool) -> Armed {
        let shown_at = self.shown_at.unwrap_or(now);
        if is_note {
            Armed::Note
        } else if !is_line_empty && !is_focused {
            Armed::Typing
        } else if now - shown_at.max(typed_at) < ARMS_AFTER_MS {
            Armed::NotYet
        } else {
            Armed::Yes
        }
    }

    /// Returns the decision a key stands for, if it may be given.
    pub(crate) fn decision(&self, key: char) -> Option<String> {
        let decision = match (self.asking.kind, key) {
            // One of the answers makes the call run: each needs the whole literal to be read.
            (Kind::Outcome, key) => {
                let choice = self.choices.iter().find(|choice| choice.key == key).filter(|_| self.is_read)?;
                return Some(choice.label.clone());
            }
            (Kind::Approval, 'a') if self.is_read => "allow-once",
            (Kind::Approval, 'w') if self.is_read && self.can_always => "allow-always",
            (Kind::Approval, 'd') => "deny",
            (Kind::Approval, _) => return None,
        };
        Some(decision.to_owned())
    }

    /// Tells whether a key would answer it once it may be answered.
    pub(crate) fn means(&self, key: char) -> bool {
        match self.asking.kind {
            Kind::Approval => matches!(key, 'a' | 'w'),
            Kind::Outcome => self.choices.iter().any(|choice| choice.key == key),
        }
    }

    /// Tells whether it may be denied with a reason.
    pub(crate) fn takes_note(&self) -> bool {
        self.asking.kind == Kind::Approval
    }

    /// Returns the literal's rows; nothing is dropped where they break.
    pub(crate) fn rows(&self, columns: usize) -> Vec<String> {
        let room = columns.saturating_sub(3);
        self.literal.split('\n').flat_map(|line| width::chop(line, room)).map(ToOwned::to_owned).collect()
    }

    /// Returns how many rows of the literal fit when `height` rows are there in all.
    fn room(&self, columns: usize, height: usize) -> usize {
        let head = [Lang::En, Lang::Zh].map(|lang| self.head(columns, ASKS_MAX, lang).len());
        height.saturating_sub(self.below(columns) + 1 + head[0].max(head[1])).max(1)
    }

    /// Returns the most rows that may stand below the literal, in any language and state.
    fn below(&self, columns: usize) -> usize {
        let rows = |line: String| width::wrap(&[Span::new(Look::Plain, line)], columns).len();
        let most = [Lang::En, Lang::Zh].map(|lang| {
            let keys = match self.asking.kind {
                Kind::Approval => {
                    [text::KEYS_ONCE, text::KEYS_ALWAYS, text::KEYS_DENY].map(|keys| keys.in_lang(lang)).join("   ")
                }
                Kind::Outcome => self.answers(),
            };
            labels(&keys, columns).len() + rows(format!(" {}9999", text::NOT_READ.in_lang(lang)))
        });
        most[0].max(most[1]) + 1
    }

    /// Notes which rows are on screen now.
    pub(crate) fn note_shown(&mut self, columns: usize, height: usize, now: i64) {
        self.shown_at.get_or_insert(now);
        let (all, room) = (self.rows(columns).len(), self.room(columns, height));
        self.scroll = self.scroll.min(all.saturating_sub(room));
        // Where not even one row of the literal has room, nothing was read.
        self.is_read |= self.scroll + room >= all && height > self.below(columns) + 1;
    }

    /// Moves the literal by some screens.
    pub(crate) fn scroll_by(&mut self, screens: isize, columns: usize, height: usize) {
        let (all, room) = (self.rows(columns).len(), self.room(columns, height));
        let step = room.saturating_sub(1).max(1);
        self.scroll = if screens < 0 {
            self.scroll.saturating_sub(step)
        } else {
            (self.scroll + step).min(all.saturating_sub(room))
        };
    }

    fn head(&self, columns: usize, more: usize, lang: Lang) -> Vec<Row> {
        let wants = match self.asking.kind {
            Kind::Approval => &text::WANTS,
            Kind::Outcome => &text::OUTCOME_ASKED,
        };
        let mut wants = fill(wants.in_lang(lang), &[("agent", &self.agent), ("tool", &self.tool)]);
        if more > 0 {
            wants = format!("{wants}   ({})", fill(text::MORE_ASKS.in_lang(lang), &[("count", &more.to_string())]));
        }
        let mut rows = width::wrap(&[Span::new(Look::Strong, format!(" {wants}"))], columns);
        for (name, value) in &self.details {
            let lead = Row::of(Look::Dim, format!("   {}  ", name.in_lang(lang)));
            rows.extend(hang(&lead, &[Span::new(Look::Plain, width::literal(value).replace('\n', "\\n"))], columns));
        }
        rows
    }

    /// Draws the block.
    pub(crate) fn draw(&self, look: &Drawing) -> Vec<Row> {
        let Drawing { columns, height, now, lang, armed, more } = *look;
        let left = self
            .expires_at
            .filter(|at| at - now < 24 * 3_600_000)
            .map(|at| fill(text::LEFT.in_lang(lang), &[("span", &super::clock(at - now))]));
        let mut rows = vec![rule(text::NEEDS_YOU.in_lang(lang), left.as_deref().unwrap_or_default(), columns)];
        rows.extend(self.head(columns, more, lang));
        let (all, room) = (self.rows(columns), self.room(columns, height));
        let last = (self.scroll + room).min(all.len());
        for line in &all[self.scroll.min(last)..last] {
            rows.push(Row::of(Look::Dim, " | ").with(Look::Code, line));
        }
        let counts = [("last", last.to_string()), ("all", all.len().to_string())];
        let counts: Vec<(&str, &str)> = counts.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let read = if self.is_read { &text::READ } else { &text::NOT_READ };
        let read_look = if self.is_read { Look::Dim } else { Look::Waits };
        rows.extend(width::wrap(&[Span::new(read_look, format!(" {}", fill(read.in_lang(lang), &counts)))], columns));
        rows.extend(labels(&self.keys(armed, lang), columns));
        rows.push(Row::of(Look::Waits, "=".repeat(columns)));
        // Too small a terminal loses what surrounds the literal, never its title or the keys.
        let over = rows.len().saturating_sub(height.max(2));
        rows.drain(1..1 + over);
        rows
    }

    /// Names the answers with their keys.
    fn answers(&self) -> String {
        let one = |choice: &Choice| format!("[{}] {}", choice.key, width::safe_line(&choice.label));
        self.choices.iter().map(one).collect::<Vec<_>>().join("   ")
    }

    fn keys(&self, armed: Armed, lang: Lang) -> String {
        if self.is_sent {
            return text::SENDING.in_lang(lang).to_owned();
        }
        match armed {
            Armed::NotYet => text::KEYS_NOT_ARMED.in_lang(lang).to_owned(),
            Armed::Typing => text::KEYS_TYPED.in_lang(lang).to_owned(),
            Armed::Note => text::KEYS_NOTE.in_lang(lang).to_owned(),
            Armed::Yes if self.asking.kind == Kind::Outcome && !self.is_read => String::new(),
            Armed::Yes if self.asking.kind == Kind::Outcome => self.answers(),
            Armed::Yes => {
                let once = self.is_read.then(|| text::KEYS_ONCE.in_lang(lang));
                let always = (self.is_read && self.can_always).then(|| text::KEYS_ALWAYS.in_lang(lang));
                let keys = [once, always, Some(text::KEYS_DENY.in_lang(lang))];
                keys.into_iter().flatten().collect::<Vec<_>>().join("   ")
            }
        }
    }
}

/// What the drawing of a question depends on besides itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing {
    pub(crate) columns: usize,
    pub(crate) height: usize,
    pub(crate) now: i64,
    pub(crate) lang: Lang,
    pub(crate) armed: Armed,
    /// Questions after this one.
    pub(crate) more: usize,
}

/// Wraps labels that are three spaces apart; none is broken where a line can hold it.
fn labels(text: &str, columns: usize) -> Vec<Row> {
    let glued: Vec<String> = text.split("   ").map(|label| label.replace(' ', "\u{a0}")).collect();
    let mut rows = width::wrap(&[Span::new(Look::Strong, format!(" {}", glued.join("   ")))], columns);
    for span in rows.iter_mut().flat_map(|row| &mut row.spans) {
        span.text = span.text.replace('\u{a0}', " ");
    }
    rows
}

/// Other arguments change what the command does: a working folder, an environment, a host.
fn with_other_arguments(command: &str, request: &Value) -> String {
    let mut literal = width::literal(command);
    if let Some(arguments) = request.get("arguments").and_then(Value::as_object) {
        for (name, value) in arguments.iter().filter(|(name, _)| *name != "command") {
            // A command that is the whole call already shows them.
            if arguments.contains_key("command") {
                literal.push_str(&format!("\n{} = {}", width::literal(name), width::literal(&value.to_string())));
            }
        }
    }
    literal
}

fn or(text: String, instead: &str) -> String {
    if text.is_empty() { instead.to_owned() } else { text }
}

fn rule(title: &str, right: &str, columns: usize) -> Row {
    let right = if right.is_empty() { String::new() } else { format!(" {right} ==") };
    let used = width::of(title) + 4 + width::of(&right);
    if used > columns {
        return Row::of(Look::Waits, width::take(&format!("== {title} =="), columns));
    }
    let row = Row::of(Look::Waits, "== ").with(Look::Strong, title).with(Look::Waits, " ");
    row.with(Look::Waits, &"=".repeat(columns.saturating_sub(used))).with(Look::Waits, &right)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(command: &str) -> Ask {
        let request = json!({"command": command, "toolName": "exec", "agentId": "main", "cwd": "/tmp",
            "arguments": {"command": command, "timeout": 5}, "allowedDecisions": ["allow-once", "allow-always", "deny"]});
        let payload = json!({"id": "p1", "request": request, "expiresAtMs": 600_000});
        Ask::of(&Asking::of(Kind::Approval, &payload)).unwrap()
    }

    #[test]
    fn every_argument_is_in_the_literal() {
        assert_eq!(ask("df -h / && echo ok > file").literal, "df -h / && echo ok > file\ntimeout = 5");
    }

    #[test]
    fn it_cannot_be_allowed_before_its_end_was_shown() {
        let mut long = ask(&"line\n".repeat(40));
        long.note_shown(80, 20, 0);
        assert_eq!(long.decision('a'), None);
        assert_eq!(long.decision('w'), None);
        assert_eq!(long.decision('d').as_deref(), Some("deny"));
        for _ in 0..10 {
            long.scroll_by(1, 80, 20);
            long.note_shown(80, 20, 0);
        }
        assert_eq!(long.decision('a').as_deref(), Some("allow-once"));
    }

    #[test]
    fn every_row_of_the_literal_was_drawn_before_it_may_be_allowed() {
        let lines: Vec<String> = (0..40).map(|number| format!("line-{number:02}")).collect();
        for (columns, height) in [(120, 37), (80, 21), (46, 17), (40, 7), (40, 9), (20, 12), (30, 4)] {
            for lang in [Lang::En, Lang::Zh] {
                let mut ask = ask(&lines.join("\n"));
                let mut seen = std::collections::BTreeSet::new();
                for _ in 0..100 {
                    ask.note_shown(columns, height, 0);
                    let look = Drawing { columns, height, now: 0, lang, armed: Armed::Yes, more: 3 };
                    let rows = ask.draw(&look);
                    assert!(rows.len() <= height);
                    seen.extend(rows.iter().map(Row::text).filter(|row| row.contains("line-")));
                    if ask.is_read {
                        break;
                    }
                    ask.scroll_by(1, columns, height);
                }
                assert!(!ask.is_read || seen.len() == lines.len(), "{columns}x{height}: {}", seen.len());
                assert!(ask.is_read || height < 8, "{columns}x{height}");
            }
        }
    }

    #[test]
    fn keys_arm_700_ms_after_it_appeared_and_after_typing() {
        let mut ask = ask("ls");
        ask.note_shown(80, 20, 1000);
        assert_eq!(ask.armed(1699, 0, true, false, false), Armed::NotYet);
        assert_eq!(ask.armed(1700, 0, true, false, false), Armed::Yes);
        assert_eq!(ask.armed(1700, 1500, true, false, false), Armed::NotYet);
        assert_eq!(ask.armed(2200, 1500, true, false, false), Armed::Yes);
        assert_eq!(ask.armed(9000, 0, false, false, false), Armed::Typing);
        assert_eq!(ask.armed(9000, 0, false, true, false), Armed::Yes);
    }

    #[test]
    fn hidden_characters_are_drawn_and_long_lines_are_wrapped_not_cut() {
        let command = format!("echo \u{202e}a\u{200b}\r\x1b[2J {}", "x".repeat(300));
        let ask = ask(&command);
        let rows = ask.rows(40);
        let joined = rows.concat();
        assert!(joined.starts_with("echo \\u{202e}a\\u{200b}\\r\\u{1b}[2J x"), "{joined}");
        assert_eq!(joined.matches('x').count(), 300);
        assert!(rows.iter().all(|row| width::of(row) <= 37));
    }
}
