//! Clients: one sends inputs and follows each answer, another only follows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use openclaw_domain::ids::{RunId, Seq, SessionKey};
use openclaw_domain::{Cursor, Recorded};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;
use turmoil::net::TcpStream;

use super::seen::Seen;
use super::world::{PORT, SERVER, World};

/// A connection that shows nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_millis(1000);

/// Sends inputs one after the other and follows each to its end.
pub(super) async fn write(world: Arc<World>, session: SessionKey, inputs: usize) -> turmoil::Result {
    for n in 0..inputs {
        let tool = ["say", "look", "note", "pay"][usize::try_from(world.draw(0..4))?];
        let text = format!("{tool} {session}-{n}");
        let run = run_id(n)?;
        // The same request until somebody says that it is accepted.
        while !matches!(timeout(SILENCE_MAX, start(&session, &run, &text)).await, Ok(Ok(()))) {
            world.lag(10..100).await;
        }
        world.state().accepted.push((session.clone(), run.clone(), text));
        follow(&world, &session, &run).await;
    }
    Ok(())
}

/// Follows the runs of somebody else, each from its first event.
pub(super) async fn read(world: Arc<World>, session: SessionKey, inputs: usize) -> turmoil::Result {
    for n in 0..inputs {
        follow(&world, &session, &run_id(n)?).await;
    }
    Ok(())
}

fn run_id(n: usize) -> Result<RunId> {
    Ok(format!("r{n}").parse()?)
}

async fn ask(question: &Value) -> Result<BufReader<TcpStream>> {
    let mut stream = timeout(SILENCE_MAX, TcpStream::connect((SERVER, PORT))).await??;
    stream.write_all(format!("{question}\n").as_bytes()).await?;
    Ok(BufReader::new(stream))
}

async fn start(session: &SessionKey, run: &RunId, text: &str) -> Result<()> {
    let mut stream = ask(&json!({ "kind": "start", "session": session, "run": run, "text": text })).await?;
    let answer = next(&mut stream).await?;
    ensure!(answer["accepted"] == true, "refused");
    Ok(())
}

/// Follows a run to its end over as many connections as it takes.
async fn follow(world: &World, session: &SessionKey, run: &RunId) {
    let mut seen = Seen::default();
    while seen.ended.is_none() && seen.broken.is_empty() {
        world.state().connections += 1;
        // An error means that the connection is lost: the next one goes on from the cursor.
        listen(world, session, run, &mut seen).await.ok();
        world.lag(0..30).await;
    }
    world.state().seen.push((session.clone(), run.clone(), seen));
}

async fn listen(world: &World, session: &SessionKey, run: &RunId, seen: &mut Seen) -> Result<()> {
    let Cursor { seq, off } = seen.cursor();
    let mut stream = ask(&json!({ "kind": "follow", "session": session, "run": run, "seq": seq, "off": off })).await?;
    while seen.ended.is_none() {
        let mut frame = next(&mut stream).await?;
        if let Some(text) = frame["text"].as_str() {
            let number = |name: &str| frame[name].as_u64().context("text has a cursor");
            seen.text(Cursor { seq: Seq(number("seq")?), off: number("off")? }, text);
        } else if frame["event"].is_object() {
            let recorded: Recorded = serde_json::from_value(frame["event"].take())?;
            seen.event(&recorded);
        }
        // Now and then a page is reloaded in the middle.
        ensure!(world.draw(0..25) > 0, "the follower hangs up");
    }
    Ok(())
}

async fn next(stream: &mut BufReader<TcpStream>) -> Result<Value> {
    let mut line = String::new();
    let length = timeout(SILENCE_MAX, stream.read_line(&mut line)).await??;
    ensure!(length > 0, "the server closed the connection");
    Ok(serde_json::from_str(&line)?)
}
