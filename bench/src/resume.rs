//! How soon a client that comes back has the first event it missed.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use crate::figures::{Figure, median, ms};
use crate::rig::{Pace, Programs, Rig, TOKEN};
use crate::ws::Client;

/// Pieces of the answer, each with a pause that is longer than the time after
/// which text is recorded: every piece becomes an event of the journal.
const PACE: Pace = Pace { deltas: 200, pause_ms: 210 };

/// Times each is measured.
const ROUNDS: usize = 300;

/// The session of the run.
const SESSION: &str = "agent:main:resume";

/// Streams one run of about 200 events, then reads its history and takes its
/// stream up from the middle, in turns.
pub(crate) async fn resume(programs: Programs) -> anyhow::Result<Figure> {
    let rig = Rig::at_pace(&programs, PACE)?;
    let mut client = Client::connect(rig.port, TOKEN).await?;
    client.turn(SESSION).await?;
    let runs = client.ask("runs.list", &json!({ "sessionKey": SESSION, "limit": 1 })).await?;
    let run = runs["runs"][0]["runId"].as_str().context("the run is not listed")?.to_owned();
    let all = client.ask("runs.events", &json!({ "runId": run, "sessionKey": SESSION, "limit": 1000 })).await?;
    let events = all["events"].as_array().map_or(0, Vec::len);
    let (mut read, mut resumed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        read.push(history(&mut client).await?);
        resumed.push(first_event(&mut client, &run, events / 2).await?);
    }
    let (read, resumed) = (median(&mut read), median(&mut resumed));
    let ratio = (100.0 * resumed.as_secs_f64() / read.as_secs_f64()).round() / 100.0;
    Ok(Figure {
        text: format!(
            "{:.2} ms from subscribing in the middle of {events} events to the first one, {ratio:.2} times a read of the \
             history ({:.2} ms; medians of {ROUNDS})",
            ms(resumed),
            ms(read)
        ),
        json: json!({ "firstEventMs": ms(resumed), "historyMs": ms(read), "ratio": ratio, "events": events }),
    })
}

async fn history(client: &mut Client) -> anyhow::Result<Duration> {
    let began = Instant::now();
    client.call("chat.history", &json!({ "sessionKey": SESSION })).await?;
    Ok(began.elapsed())
}

async fn first_event(client: &mut Client, run: &str, seq: usize) -> anyhow::Result<Duration> {
    let params = json!({ "runId": run, "sessionKey": SESSION, "after": { "seq": seq, "off": 0 } });
    let began = Instant::now();
    let first = client.until("agent.subscribe", &params, &["\"event\":\"agent\"", "\"cursor\""]).await?;
    let took = began.elapsed();
    anyhow::ensure!(!first.contains(END), "the run's end came before the rest of its events");
    client.pass(END).await?;
    Ok(took)
}

/// Stands in the event of a run's end.
const END: &str = "\"event\":\"ended\"";
