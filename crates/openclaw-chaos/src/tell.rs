//! Telling the story of a scenario to one life of the gateway.
//!
//! Everything is said again after each kill, under the same keys; every act may
//! be done twice. What a person would be asked is answered with what the
//! servers saw.

use std::time::Duration;

use anyhow::Context as _;
use openclaw_client::{Call, Client};
use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::scenario::{Act, Say};
use crate::snapshot::Watch;
use crate::theft;
use crate::world::World;

/// How long a request of a process that is gone may take to arrive.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// Between two looks at the database.
const PAUSE: Duration = Duration::from_millis(5);

/// How long readers may need for what is recorded already.
const READING_MAX: Duration = Duration::from_secs(2);

/// Does all acts, in order; returns once everybody was told the end of what ended.
pub(crate) async fn tell(world: &World, acts: &[Act], evidence: &mut Evidence) -> anyhow::Result<()> {
    let client = world.home.connect().await?;
    world.readers.hear(&client);
    let watch = Watch::open(&world.home.state())?;
    let mut expected: Vec<&str> = Vec::new();
    for act in acts {
        match act {
            Act::Say(say) => {
                say_it(&client, say).await.with_context(|| format!("message {}", say.id))?;
                evidence.acked.entry(say.id.clone()).or_insert(world.life);
                world.readers.follow(&say.id);
                expected.push(&say.id);
            }
            Act::Calls(count) => {
                while world.meter.count() < *count && !rests(world, &client, &watch, &expected, evidence).await? {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Act::Call(method, params) => {
                client.call(method, params.clone()).await.context(*method)?;
            }
            Act::Asked => {
                while !watch.statuses()?.iter().any(|(_, status)| matches!(status.as_str(), "waiting" | "attention"))
                    && !are_over(&watch, &expected)?
                {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Act::Over => {
                while !rests(world, &client, &watch, &expected, evidence).await? {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Act::Shorten(session) => shorten(world, &client, session, evidence).await?,
            Act::Restore(session) => restore(world, &client, session, evidence).await?,
            Act::Steal => evidence.thefts.extend(theft::steal(&world.home.state())?.then_some(world.life)),
            Act::Settle => settle(world, &client, evidence).await?,
            Act::SendAgain => send_again(&client, evidence).await?,
        }
    }
    let ended = watch.statuses()?.into_iter().filter(|(_, status)| is_final(status)).map(|(run, _)| run);
    world.readers.catch_up(&ended.collect::<Vec<_>>(), READING_MAX).await;
    client.close().await;
    Ok(())
}

/// Shows older turns as a summary, and notes what was acknowledged.
async fn shorten(world: &World, client: &Client, session: &str, evidence: &mut Evidence) -> anyhow::Result<()> {
    let done = client.call("sessions.compact", json!({ "key": session })).await.context("sessions.compact")?;
    if let Some(id) = done["checkpoint"]["checkpointId"].as_str() {
        evidence.summaries.push((world.life, id.parse()?));
    }
    Ok(())
}

/// Shows all turns again.
async fn restore(world: &World, client: &Client, session: &str, evidence: &mut Evidence) -> anyhow::Result<()> {
    let listed = client.call("sessions.compaction.list", json!({ "key": session })).await;
    let listed = listed.context("sessions.compaction.list")?;
    for id in listed["checkpoints"].as_array().into_iter().flatten().filter_map(|it| it["checkpointId"].as_str()) {
        let which = json!({ "key": session, "checkpointId": id });
        client.call("sessions.compaction.restore", which).await.context("sessions.compaction.restore")?;
        evidence.restored.push((world.life, id.parse()?));
    }
    Ok(())
}

/// Says of every call without a known outcome, of runs that are over as well, what the effect server saw.
async fn settle(world: &World, client: &Client, evidence: &mut Evidence) -> anyhow::Result<()> {
    let listed = client.call("runs.unsettled", json!({})).await.context("runs.unsettled")?;
    for open in listed["calls"].as_array().into_iter().flatten() {
        let (run, call) = (open["runId"].as_str().unwrap_or_default(), open["callId"].as_str().unwrap_or_default());
        let Some(name) = Watch::open(&world.home.state())?.command_of(run, call)?.as_deref().and_then(effect_in) else {
            continue;
        };
        let choice = choose(world, &name, evidence).await;
        let params = json!({ "runId": run, "callId": call, "answer": choice });
        client.call("runs.settle", params).await.context("runs.settle")?;
        evidence.settled.push((world.life, call.to_owned()));
    }
    Ok(())
}

/// Sends deliveries again that may not have arrived.
async fn send_again(client: &Client, evidence: &mut Evidence) -> anyhow::Result<()> {
    let listed = client.call("deliveries.list", json!({ "state": "unknown" })).await.context("deliveries.list")?;
    for delivery in listed["deliveries"].as_array().into_iter().flatten() {
        // Noted before: a kill after the answer was on its way loses the answer, not the message.
        evidence.sent_again.push(delivery["key"].as_str().unwrap_or_default().to_owned());
        client.call("deliveries.retry", json!({ "id": delivery["id"] })).await.context("deliveries.retry")?;
    }
    Ok(())
}

/// Says something and returns once it is acknowledged.
async fn say_it(client: &Client, say: &Say) -> Result<Value, openclaw_client::Error> {
    if !say.is_delivered {
        return client.call("chat.send", params(say)).await;
    }
    let params = json!({
        "sessionKey": say.session, "message": say.plan.message(&say.id), "idempotencyKey": say.id,
        "deliver": true, "channel": "webhook", "to": "somebody",
    });
    client.call("agent", params).await
}

pub(crate) fn params(say: &Say) -> Value {
    let mut params = json!({
        "sessionKey": say.session, "message": say.plan.message(&say.id), "idempotencyKey": say.id, "deliver": false,
    });
    if let Some(queue) = say.queue {
        params["queueMode"] = queue.into();
    }
    if let Some(timeout_ms) = say.timeout_ms {
        params["timeoutMs"] = timeout_ms.into();
    }
    params
}

fn are_over(watch: &Watch, expected: &[&str]) -> rusqlite::Result<bool> {
    let statuses = watch.statuses()?;
    let is_over = |id: &&str| statuses.iter().any(|(run, status)| run == id && is_final(status));
    Ok(expected.iter().all(is_over))
}

pub(crate) fn is_final(status: &str) -> bool {
    matches!(status, "done" | "failed" | "cancelled")
}

/// Tells whether nothing more will happen by itself; answers what people are asked.
async fn rests(
    world: &World,
    client: &Client,
    watch: &Watch,
    expected: &[&str],
    evidence: &mut Evidence,
) -> anyhow::Result<bool> {
    let statuses = watch.statuses()?;
    if !expected.iter().all(|id| statuses.iter().any(|(run, _)| run == id)) || watch.undelivered()? > 0 {
        return Ok(false);
    }
    let open: Vec<&str> = statuses.iter().map(|(_, status)| status.as_str()).filter(|it| !is_final(it)).collect();
    if open.contains(&"waiting") {
        approve(client).await?;
    }
    if open.contains(&"attention") && client.offers("question.resolve") {
        answer(world, client, evidence).await?;
        return Ok(false);
    }
    // Whoever waits for a run that needs attention rests with it.
    let needs_attention = open.contains(&"attention");
    Ok(open.is_empty() || (needs_attention && open.iter().all(|status| matches!(*status, "attention" | "queued"))))
}

pub(crate) async fn approve(client: &Client) -> anyhow::Result<()> {
    let pending = client.call("exec.approval.list", Value::Null).await.context("exec.approval.list")?;
    for id in pending.as_array().into_iter().flatten().filter_map(|asked| asked["id"].as_str()) {
        let call = Call {
            method: "exec.approval.resolve".to_owned(),
            params: json!({ "id": id, "decision": "allow-once" }),
            ..Call::default()
        };
        // Somebody else, an earlier look, may have answered it.
        drop(client.perform(call).await);
    }
    Ok(())
}

/// Says of every call whose outcome is not known what the effect server saw.
pub(crate) async fn answer(world: &World, client: &Client, evidence: &mut Evidence) -> anyhow::Result<()> {
    let listed = client.call("question.list", json!({})).await.context("question.list")?;
    let questions = listed["questions"].as_array().cloned().unwrap_or_default();
    for question in questions {
        let Some(id) = question["id"].as_str() else { continue };
        let Some(name) = effect_in(&question.to_string()) else { continue };
        let choice = choose(world, &name, evidence).await;
        let params = json!({ "id": id, "answers": { "answers": { "outcome": [choice] } } });
        // It may have been answered at an earlier look.
        drop(client.call("question.resolve", params).await);
    }
    Ok(())
}

/// Returns what became of an effect, as the effect server saw it.
async fn choose(world: &World, name: &str, evidence: &mut Evidence) -> &'static str {
    // What a dying command sent may still be on its way.
    tokio::time::sleep(ON_ITS_WAY).await;
    if world.effects.happened(name) {
        return "happened";
    }
    evidence.denied.push(name.to_owned());
    "not-happened"
}

/// Returns the name of the effect that a command has.
pub(crate) fn effect_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("--name ")?;
    let name = rest.split(|it: char| !(it.is_alphanumeric() || it == '-')).next()?;
    Some(name.to_owned())
}
