//! The conversation line by line, for terminals that cannot move the cursor and for
//! screen readers: what is typed is sent, what the agent says and does is printed
//! below in whole lines, one per event. No printed line is ever touched again and
//! no escape sequence is written.

use std::collections::VecDeque;
use std::time::Duration;

use openclaw_client::{Call, Client, Error};
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::TuiOptions;
use super::approval::{ARMS_AFTER, Armed, Ask, Drawing};
use super::row::Row;
use super::run::SUMMARY_MAX;
use super::state::QUEUE_MAX;
use super::text as own;
use crate::ask::{Asking, Kind};
use crate::failure::Failure;
use crate::out::number;
use crate::out::visible::{Shape, visible};
use crate::peek;
use crate::run::{Ended, Follower, Request, Told, follow};
use crate::text::{self, Lang, fill};

/// Longest line that is held back for its end.
const LINE_BYTES_MAX: usize = 4096;

/// Columns a question is laid out in; the terminal wraps longer ones.
const COLUMNS: usize = 80;

type Typed = tokio::io::Lines<BufReader<tokio::io::Stdin>>;

/// Talks until the person leaves.
pub(super) async fn run(client: Client, options: TuiOptions) -> Result<(), Failure> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let mut next = options.first_message.clone();
    let mut talk = Talk { client, options, early: VecDeque::new() };
    put(text::CHAT_HINT.in_lang(talk.options.lang)).await;
    talk.history().await?;
    loop {
        let line = match next.take().or_else(|| talk.early.pop_front()) {
            Some(line) => line,
            None => match input.next_line().await {
                Ok(Some(line)) => line,
                Ok(None) | Err(_) => return Ok(()),
            },
        };
        match line.trim() {
            "" => {}
            "/exit" | "/quit" => return Ok(()),
            "/help" => put("/new  /compact [undo]  /history  /abort  /exit").await,
            "/history" => talk.history().await?,
            "/abort" | "/stop" => {
                talk.client.call("chat.abort", json!({"sessionKey": talk.options.session_key})).await?;
            }
            "/compact" => talk.compact().await?,
            "/compact undo" => talk.undo_compaction().await?,
            "/new" | "/reset" => {
                talk.client.call("sessions.reset", json!({"key": talk.options.session_key})).await?;
                put(own::DONE_RESET.in_lang(talk.options.lang)).await;
            }
            message => talk.say(message, &mut input).await?,
        }
    }
}

struct Talk {
    client: Client,
    options: TuiOptions,
    /// Lines typed before a question was there: messages, said when the turn is over.
    early: VecDeque<String>,
}

impl Talk {
    async fn history(&mut self) -> Result<(), Failure> {
        let params = json!({"sessionKey": self.options.session_key, "limit": 10});
        let history = self.client.call("chat.history", params).await?;
        for message in peek::list(&history, "/messages") {
            let body = visible(&peek::message_text(message), Shape::Text);
            if !body.is_empty() {
                put(&format!("{}: {body}", peek::text(message, "/role"))).await;
            }
        }
        Ok(())
    }

    /// Shows older turns to the model as a summary; says what became of it.
    async fn compact(&mut self) -> Result<(), Failure> {
        let lang = self.options.lang;
        put(own::COMPACTING.in_lang(lang)).await;
        let params = json!({"key": self.options.session_key});
        let call =
            Call { method: "sessions.compact".to_owned(), params, timeout: Some(SUMMARY_MAX), ..Call::default() };
        match self.client.perform(call).await {
            Ok(answer) => put_all(compacted(lang, &answer)).await,
            Err(error) => self.not_done(error).await?,
        }
        Ok(())
    }

    /// Takes the newest summary back.
    async fn undo_compaction(&mut self) -> Result<(), Failure> {
        let (lang, key) = (self.options.lang, self.options.session_key.clone());
        let listed = self.client.call("sessions.compaction.list", json!({ "key": key })).await;
        let newest = match &listed {
            Ok(listed) => peek::text(listed, "/checkpoints/0/checkpointId"),
            Err(_) => String::new(),
        };
        let undone = match listed {
            Ok(_) if newest.is_empty() => {
                put(own::NO_SUMMARY.in_lang(lang)).await;
                return Ok(());
            }
            Ok(_) => {
                let params = json!({ "key": key, "checkpointId": newest });
                self.client.call("sessions.compaction.restore", params).await
            }
            Err(error) => Err(error),
        };
        match undone {
            Ok(_) => put(own::UNCOMPACTED.in_lang(lang)).await,
            Err(error) => self.not_done(error).await?,
        }
        Ok(())
    }

    /// Tells why nothing was done; the conversation goes on unless the connection is gone.
    async fn not_done(&self, error: Error) -> Result<(), Failure> {
        if self.client.is_ended() {
            return Err(error.into());
        }
        put(&format!("x  {}", visible(&error.to_string(), Shape::Cell))).await;
        Ok(())
    }

    async fn say(&mut self, message: &str, input: &mut Typed) -> Result<(), Failure> {
        let request = Request::new(message, &self.options.session_key, None);
        let mut follower = Follower::new(&request.run_id, &request.session_key);
        let (client, lang) = (self.client.clone(), self.options.lang);
        let mut lines = Lines { lang, open: String::new() };
        let early = &mut self.early;
        let ended = follow(&client, &request, &mut follower, async |told| {
            if let Told::Asked(asking) = &told {
                put_all(lines.end()).await;
                // A question nobody answered here stays open: the run waits for somebody else.
                if let Some(answer) = ask(input, lang, asking, early).await {
                    let (method, params) = asking.reply(&answer);
                    if let Err(error) = client.call(method, params).await {
                        put(&format!("x  {error}")).await;
                    }
                }
            }
            put_all(lines.take(told)).await;
        })
        .await;
        match ended {
            Ended::Answer(answer) => {
                let last = peek::list(&answer, "/result/payloads").last().map(|last| peek::text(last, "/text"));
                let rest = last.as_deref().and_then(|last| follower.rest(last)).unwrap_or_default().to_owned();
                put_all(lines.take(Told::Text(rest))).await;
                put_all(lines.end()).await;
            }
            Ended::Failed(error) if self.client.is_ended() => return Err(error.into()),
            Ended::Failed(error) => {
                put_all(lines.end()).await;
                put(&format!("x  {}", visible(&error.to_string(), Shape::Cell))).await;
            }
        }
        Ok(())
    }
}

/// Words what became of a summary, and what it says.
fn compacted(lang: Lang, answer: &Value) -> Vec<String> {
    if peek::is(answer, "/due") {
        return vec![own::COMPACT_DUE.in_lang(lang).to_owned()];
    }
    if !peek::is(answer, "/compacted") {
        let cause = visible(&peek::text(answer, "/reason"), Shape::Cell);
        return vec![fill(own::NOT_COMPACTED.in_lang(lang), &[("cause", &cause)])];
    }
    let count = |name: &str| peek::int(answer, name).map(number::thousands).unwrap_or_default();
    let (entries, before, after) =
        (count("/result/entries"), count("/result/tokensBefore"), count("/result/tokensAfter"));
    let said = if before.is_empty() { &own::COMPACTED_SOME } else { &own::COMPACTED };
    let values = [("count", &*entries), ("before", &*before), ("after", &*after)];
    let head = fill(said.in_lang(lang), &values);
    vec![head, visible(&peek::text(answer, "/checkpoint/summary"), Shape::Text)]
}

/// Turns what happens into whole lines.
struct Lines {
    lang: Lang,
    /// The beginning of a line whose end has not come.
    open: String,
}

impl Lines {
    fn take(&mut self, told: Told) -> Vec<String> {
        match told {
            Told::Text(text) => self.text(&text),
            Told::Block => self.end(),
            Told::Replaced(text) => {
                self.open.clear();
                let mut lines = vec![own::REPLACED.in_lang(self.lang).to_owned()];
                lines.extend(self.text(&text));
                lines
            }
            Told::ToolStarted { tool, summary } => self.event(&tool, &summary, &own::RUNNING),
            Told::ToolEnded { tool, summary, outcome, .. } => self.event(&tool, &summary, outcome.word()),
            Told::Answered(answered) if answered.answer.is_empty() => vec![own::EXPIRED.in_lang(self.lang).to_owned()],
            Told::Answered(answered) => vec![visible(&answered.answer, Shape::Cell)],
            Told::Model { .. } | Told::Asked(_) => Vec::new(),
        }
    }

    fn text(&mut self, text: &str) -> Vec<String> {
        self.open.push_str(text);
        let end = self.open.rfind('\n').map(|end| end + 1);
        let end = end.or_else(|| (self.open.len() > LINE_BYTES_MAX).then_some(self.open.len()));
        let Some(end) = end else { return Vec::new() };
        let rest = self.open.split_off(end);
        let done = std::mem::replace(&mut self.open, rest);
        done.lines().map(|line| visible(line, Shape::Text)).collect()
    }

    fn event(&mut self, tool: &str, summary: &str, state: &own::Copy) -> Vec<String> {
        let mut lines = self.end();
        lines.push(visible(&format!("{tool}  {summary}  {}", state.in_lang(self.lang)), Shape::Cell));
        lines
    }

    fn end(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        if open.trim().is_empty() { Vec::new() } else { vec![visible(&open, Shape::Text)] }
    }
}

/// Shows the literal thing that is asked about, whole, and waits for a clear answer; what
/// cannot be shown is denied, and so is what nobody is there to see. `None` leaves a
/// question about an outcome open. Dropped when it is answered elsewhere.
async fn ask(input: &mut Typed, lang: Lang, asking: &Asking, early: &mut VecDeque<String>) -> Option<String> {
    let unanswered = || (asking.kind == Kind::Approval).then(|| "deny".to_owned());
    let Some(mut ask) = Ask::of(asking) else { return unanswered() };
    put_all(question_lines(&mut ask, lang)).await;
    if !is_still_there(input, early, ARMS_AFTER).await {
        return unanswered();
    }
    if early.len() >= QUEUE_MAX {
        put(&fill(own::QUEUE_FULL.in_lang(lang), &[("count", &QUEUE_MAX.to_string())])).await;
    }
    loop {
        put(&prompt(asking, lang)).await;
        match input.next_line().await {
            Ok(Some(line)) => {
                if let Some(answer) = answer(asking, line.trim()) {
                    return Some(answer);
                }
            }
            // Nobody is there any more: not allowed.
            Ok(None) | Err(_) => return unanswered(),
        }
    }
}

/// Offers the answers that may be given.
fn prompt(asking: &Asking, lang: Lang) -> String {
    match asking.kind {
        Kind::Approval if asking.can_always() => text::APPROVAL_ASK.in_lang(lang).to_owned(),
        Kind::Approval => text::APPROVAL_ASK_ONCE.in_lang(lang).to_owned(),
        Kind::Outcome => {
            let keys: Vec<String> =
                asking.choices().iter().map(|choice| format!("[{}] {}", choice.key, choice.label)).collect();
            let choices = visible(&keys.join(", "), Shape::Cell);
            fill(text::OUTCOME_PROMPT.in_lang(lang), &[("choices", &choices)])
        }
    }
}

/// Reads an answer; `None` when the line is none.
fn answer(asking: &Asking, line: &str) -> Option<String> {
    match (asking.kind, line) {
        (Kind::Approval, "o" | "once") => Some("allow-once".to_owned()),
        (Kind::Approval, "a" | "always") if asking.can_always() => Some("allow-always".to_owned()),
        (Kind::Approval, "d" | "deny") => Some("deny".to_owned()),
        (Kind::Approval, _) => None,
        (Kind::Outcome, line) => asking.chosen(line),
    }
}

/// Waits until the question has been there for a moment. Lines that come before were
/// typed without knowing it and are no answer; false when nobody is there any more.
async fn is_still_there<R: AsyncBufRead + Unpin>(
    input: &mut tokio::io::Lines<R>,
    early: &mut VecDeque<String>,
    after: Duration,
) -> bool {
    let mut armed = std::pin::pin!(tokio::time::sleep(after));
    loop {
        tokio::select! {
            biased;
            line = input.next_line() => match line {
                Ok(Some(line)) if early.len() < QUEUE_MAX => early.push_back(line),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return false,
            },
            () = &mut armed => return true,
        }
    }
}

fn question_lines(ask: &mut Ask, lang: Lang) -> Vec<String> {
    let height = ask.rows(COLUMNS).len() + 100;
    ask.note_shown(COLUMNS, height, 0);
    let rows = ask.draw(&Drawing { columns: COLUMNS, height, now: 0, lang, armed: Armed::Note, more: 0 });
    let lines = rows.iter().map(Row::text).filter(|line| !line.starts_with("=="));
    let keys = own::KEYS_NOTE.in_lang(lang);
    let title = fill("{name}", &[("name", own::NEEDS_YOU.in_lang(lang))]);
    std::iter::once(title).chain(lines.filter(|line| line.trim() != keys)).collect()
}

async fn put_all(lines: Vec<String>) {
    for line in lines {
        put(&line).await;
    }
}

async fn put(line: &str) {
    let mut out = tokio::io::stdout();
    if out.write_all(format!("{line}\n").as_bytes()).await.is_ok() {
        let _terminal_gone = out.flush().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Answered;
    use crate::ask::tests::outcome;

    #[test]
    fn always_is_offered_and_taken_only_where_it_may_be_answered() {
        let asking = |allowed: &[&str]| {
            let request = json!({"command": "ls", "allowedDecisions": allowed});
            Asking::of(Kind::Approval, &json!({"id": "p", "request": request}))
        };
        let (with, without) = (asking(&["allow-once", "allow-always", "deny"]), asking(&["allow-once", "deny"]));
        assert!(prompt(&with, Lang::En).contains("[a]lways") && !prompt(&without, Lang::En).contains("[a]lways"));
        assert_eq!(answer(&with, "always").as_deref(), Some("allow-always"));
        assert_eq!(answer(&without, "always"), None);
        assert_eq!(answer(&without, "once").as_deref(), Some("allow-once"));
    }

    #[test]
    fn a_summary_says_how_much_shorter_it_is_and_what_it_says() {
        let made = json!({"compacted": true, "result": {"entries": 12, "tokensBefore": 18_250, "tokensAfter": 900},
            "checkpoint": {"summary": "Decisions:\n- ship it\u{1b}[2J"}});
        let lines = compacted(Lang::En, &made);
        assert!(lines[0].contains("12 older messages") && lines[0].contains("18.2k to 900 tokens"), "{lines:?}");
        assert!(lines[1].contains("ship it") && !lines[1].contains('\x1b'), "{lines:?}");
        let none = compacted(Lang::En, &json!({"compacted": false, "reason": "it is short"}));
        assert_eq!(none, ["nothing was summarised: it is short"]);
        let due = compacted(Lang::En, &json!({"compacted": false, "due": true, "reason": "x"}));
        assert_eq!(due, ["a run works; older messages are summarised before its next model call"]);
    }

    #[test]
    fn a_question_about_an_outcome_is_shown_with_its_call_and_three_answers() {
        let asking = Asking::of(Kind::Outcome, &outcome("u1", "s"));
        let lines = question_lines(&mut Ask::of(&asking).unwrap(), Lang::En).join("\n");
        assert!(lines.contains(r#"send {"to":"Bo"}"#), "{lines}");
        assert_eq!(prompt(&asking, Lang::En), "Which one? [h] happened, [n] not happened, [u] unknown: ");
        for (line, label) in [("n", "not happened"), ("not-happened", "not happened"), ("Unknown", "unknown")] {
            assert_eq!(answer(&asking, line).as_deref(), Some(label), "{line}");
        }
        assert_eq!(answer(&asking, "o"), None);
    }

    #[test]
    fn each_event_is_a_whole_line_and_nothing_is_obeyed() {
        let mut lines = Lines { lang: Lang::En, open: String::new() };
        assert!(lines.take(Told::Text("Let me ".to_owned())).is_empty());
        assert_eq!(lines.take(Told::Text("look.\nThen".to_owned())), ["Let me look."]);
        let began = Told::ToolStarted { tool: "exec".to_owned(), summary: "ls \x1b[2J".to_owned() };
        assert_eq!(lines.take(began), ["Then", "exec  ls \\u{1b}[2J  running"]);
        assert!(lines.end().is_empty());
    }

    #[test]
    fn a_line_without_an_end_is_not_held_for_ever() {
        let mut lines = Lines { lang: Lang::En, open: String::new() };
        assert!(lines.take(Told::Text("x".repeat(LINE_BYTES_MAX))).is_empty());
        assert_eq!(lines.take(Told::Text("x".to_owned())).concat().len(), LINE_BYTES_MAX + 1);
    }

    #[test]
    fn a_question_is_shown_whole_without_boxes() {
        let command = "echo one\n".repeat(300);
        let question = json!({"id": "p", "request": {"command": command, "toolName": "exec"}});
        let asking = Asking::of(Kind::Approval, &question);
        let lines = question_lines(&mut Ask::of(&asking).unwrap(), Lang::En);
        assert_eq!(lines.iter().filter(|line| line.contains("echo one")).count(), 300);
        assert!(!lines.iter().any(|line| line.contains("==") || line.contains('\x1b')));
    }

    #[tokio::test]
    async fn lines_typed_before_a_question_do_not_answer_it() {
        let mut early = VecDeque::new();
        let (mut person, terminal) = tokio::io::duplex(64);
        person.write_all(b"always\nalso cc Bo\n").await.unwrap();
        let mut input = BufReader::new(terminal).lines();
        assert!(is_still_there(&mut input, &mut early, Duration::ZERO).await);
        assert_eq!(early, ["always", "also cc Bo"]);
        // Nobody there any more is no yes.
        drop(person);
        assert!(!is_still_there(&mut input, &mut early, Duration::ZERO).await);
    }

    #[test]
    fn line_by_line_no_control_character_is_ever_written() {
        let evil = "x\x1b[2J\r\u{202e}y\u{9b}31m";
        let mut lines = Lines { lang: Lang::En, open: String::new() };
        let told = [
            Told::Text(format!("{evil}\n")),
            Told::ToolStarted { tool: evil.to_owned(), summary: evil.to_owned() },
            Told::Replaced(format!("{evil}\n")),
            Told::Answered(Answered {
                kind: Kind::Approval,
                id: "p".to_owned(),
                answer: evil.to_owned(),
                by: evil.to_owned(),
            }),
        ];
        let mut written: Vec<String> = told.into_iter().flat_map(|told| lines.take(told)).collect();
        let question = json!({"id": "p", "request": {"command": evil, "toolName": evil, "cwd": evil}});
        written.extend(question_lines(&mut Ask::of(&Asking::of(Kind::Approval, &question)).unwrap(), Lang::En));
        assert!(written.len() > 7);
        for line in written {
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }
}
