//! The conversation line by line, for terminals that cannot move the cursor and for
//! screen readers: what is typed is sent, what the agent says and does is printed
//! below, one line per event, and no printed line is ever touched again.

use std::time::Duration;

use openclaw_client::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::failure::Failure;
use crate::out::visible::{Shape, visible};
use crate::out::{Paint, Tone};
use crate::peek;
use crate::run::{Ended, Follower, Request, Told, follow};
use crate::text::{self, Lang, fill};
use super::TuiOptions;

/// Longest run of one message.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Talks until the person leaves.
///
/// # Errors
/// When the connection is lost or refused.
pub(super) async fn run(client: Client, options: TuiOptions) -> Result<(), Failure> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let mut talk = Talk { client, options, out: tokio::io::stdout() };
    let hint = fill(text::CHAT_HINT.in_lang(talk.options.lang), &[]);
    talk.print(Tone::Dim, &(hint + "\n")).await;
    talk.history().await?;
    let mut next = talk.options.first_message.take();
    loop {
        let line = match next.take() {
            Some(line) => line,
            None => {
                talk.print(Tone::Strong, "> ").await;
                match input.next_line().await {
                    Ok(Some(line)) => line,
                    Ok(None) | Err(_) => break,
                }
            }
        };
        match line.trim() {
            "" => {}
            "/exit" | "/quit" => break,
            "/help" => talk.print(Tone::Dim, "/new  /history  /stop  /exit\n").await,
            "/history" => talk.history().await?,
            "/stop" => {
                talk.client.call("chat.abort", json!({"sessionKey": talk.options.session_key})).await?;
            }
            "/new" => {
                talk.client.call("sessions.reset", json!({"key": talk.options.session_key})).await?;
            }
            message => talk.say(message, &mut input).await?,
        }
    }
    Ok(())
}

struct Talk {
    client: Client,
    options: TuiOptions,
    out: tokio::io::Stdout,
}

impl Talk {
    async fn print(&mut self, tone: Tone, text: &str) {
        put(&mut self.out, self.options.is_coloured, tone, text).await;
    }

    async fn history(&mut self) -> Result<(), Failure> {
        let params = json!({"sessionKey": self.options.session_key, "limit": 10});
        let history = self.client.call("chat.history", params).await?;
        for message in peek::list(&history, "/messages") {
            let role = peek::text(message, "/role");
            let body = visible(&peek::message_text(message), Shape::Text);
            if !body.is_empty() {
                self.print(Tone::Dim, &format!("{role}\n")).await;
                self.print(Tone::Plain, &format!("{body}\n\n")).await;
            }
        }
        Ok(())
    }

    async fn say(
        &mut self,
        message: &str,
        input: &mut tokio::io::Lines<BufReader<tokio::io::Stdin>>,
    ) -> Result<(), Failure> {
        let request = Request::new(message, &self.options.session_key, TIMEOUT);
        let mut follower = Follower::new(&request.run_id, &request.session_key);
        let (client, coloured, lang) = (self.client.clone(), self.options.is_coloured, self.options.lang);
        let out = &mut self.out;
        let ended = follow(&client, &request, &mut follower, async |told| match told {
            Told::Asked(question) => {
                let decision = ask(out, input, coloured, lang, &question).await;
                let id = peek::text(&question, "/id");
                if let Err(error) = client.call("exec.approval.resolve", json!({"id": id, "decision": decision})).await
                {
                    put(out, coloured, Tone::Failed, &format!("x  {error}\n")).await;
                }
            }
            Told::Text(text) => put(out, coloured, Tone::Plain, &visible(&text, Shape::Text)).await,
            Told::Block => put(out, coloured, Tone::Plain, "\n\n").await,
            Told::Replaced(text) => {
                put(out, coloured, Tone::Plain, &format!("\n{}", visible(&text, Shape::Text))).await;
            }
            Told::ToolEnded { tool, summary, is_error, .. } => {
                let tone = if is_error { Tone::Failed } else { Tone::Dim };
                put(out, coloured, tone, &format!("\n  - {tool}  {}\n", visible(&summary, Shape::Cell))).await;
            }
            Told::ToolStarted { .. } | Told::Model { .. } | Told::Answered { .. } => {}
        })
        .await;
        match ended {
            Ended::Answer(answer) => {
                let last = peek::list(&answer, "/result/payloads").last().map(|last| peek::text(last, "/text"));
                let rest = last.as_deref().and_then(|last| follower.rest(last)).unwrap_or_default().to_owned();
                self.print(Tone::Plain, &(visible(&rest, Shape::Text) + "\n\n")).await;
            }
            Ended::Failed(error) if self.client.is_ended() => return Err(error.into()),
            Ended::Failed(error) => self.print(Tone::Failed, &format!("\nx  {error}\n\n")).await,
        }
        Ok(())
    }
}

/// Shows the literal thing that would run and waits for a clear answer.
async fn ask(
    out: &mut tokio::io::Stdout,
    input: &mut tokio::io::Lines<BufReader<tokio::io::Stdin>>,
    coloured: bool,
    lang: Lang,
    question: &Value,
) -> &'static str {
    let command = visible(&peek::text(question, "/request/command"), Shape::Text);
    put(out, coloured, Tone::Waits, &format!("\n---\n{command}\n---\n")).await;
    loop {
        put(out, coloured, Tone::Strong, text::APPROVAL_ASK.in_lang(lang)).await;
        match input.next_line().await {
            Ok(Some(line)) => match line.trim() {
                "o" | "once" => return "allow-once",
                "a" | "always" => return "allow-always",
                "d" | "deny" => return "deny",
                _ => {}
            },
            // Nobody is there any more: not allowed.
            Ok(None) | Err(_) => return "deny",
        }
    }
}

async fn put(out: &mut tokio::io::Stdout, is_on: bool, tone: Tone, text: &str) {
    let painted = Paint { is_on }.paint(tone, text);
    if out.write_all(painted.as_bytes()).await.is_ok() {
        let _terminal_gone = out.flush().await;
    }
}
