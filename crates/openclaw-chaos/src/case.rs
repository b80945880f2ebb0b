//! One case: a scenario, killed where it is told to, started again, and judged.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use openclaw_client::{Call, Client};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::check;
use crate::evidence::{Evidence, Violation};
use crate::home::Fate;
use crate::scenario::{Act, Say, Scenario};
use crate::snapshot::{Snapshot, Watch};
use crate::world::{Site, World};

/// How long one start of the gateway may take to get everything done.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a gateway that is being killed may seem alive.
const DYING_MAX: Duration = Duration::from_millis(400);

/// How long a request of a process that is gone may take to arrive.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// Between two looks at the database.
const PAUSE: Duration = Duration::from_millis(5);

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Kills that did not happen, because their site was not reached this time.
    pub missed: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Where the home was kept, when something was found.
    pub kept: Option<PathBuf>,
    /// What the gateway wrote to its terminal, when something was found.
    pub output: String,
}

/// How a life ended.
enum Life {
    /// The gateway killed itself.
    Died,
    /// Everything is done.
    Over,
    /// It went on too long, or broke.
    Stuck(String),
}

/// Runs a scenario that is killed at each of `kills`, one after the other, and then left alone.
///
/// # Errors
/// When the world cannot be made or looked at.
pub async fn run(site: &Site, scenario: &Scenario, kills: &[String]) -> anyhow::Result<Outcome> {
    let began = tokio::time::Instant::now();
    let mut world = World::make(site, scenario).await?;
    let acts = (scenario.acts)(&world.ground()?);
    let mut evidence = Evidence { said: said(&acts), ..Evidence::default() };
    let mut violations = Vec::new();
    let mut missed = Vec::new();
    for kill in kills {
        let fate = Fate { crash_at: Some(kill.clone()), trace: None };
        match live(&mut world, &fate, &acts, &mut evidence).await? {
            Life::Died => {}
            Life::Over => missed.push(kill.clone()),
            Life::Stuck(why) => violations.push(stuck(&why)),
        }
        match Snapshot::take(&world.home.state()) {
            Ok(snapshot) => {
                evidence.crashes.push(snapshot);
                evidence.kills += 1;
            }
            Err(error) => violations.push(Violation { rule: "database", what: format!("after {kill}: {error:#}") }),
        }
    }
    match live(&mut world, &Fate::default(), &acts, &mut evidence).await? {
        Life::Over => {}
        Life::Died => violations.push(stuck("the gateway ended by itself")),
        Life::Stuck(why) => violations.push(stuck(&why)),
    }
    finish(&world, &mut evidence, &mut violations)?;
    let output = if violations.is_empty() { String::new() } else { world.home.output() };
    let kept = (!violations.is_empty()).then(|| world.home.keep());
    Ok(Outcome { violations, missed, took: began.elapsed(), kept, output })
}

/// Runs a scenario once and returns the trace of its life after `kills`.
///
/// # Errors
/// When the world cannot be made, or the scenario does not end.
pub async fn trace(site: &Site, scenario: &Scenario, kills: &[String]) -> anyhow::Result<String> {
    let mut world = World::make(site, scenario).await?;
    let acts = (scenario.acts)(&world.ground()?);
    let mut evidence = Evidence { said: said(&acts), ..Evidence::default() };
    for kill in kills {
        let fate = Fate { crash_at: Some(kill.clone()), trace: None };
        let why = match live(&mut world, &fate, &acts, &mut evidence).await? {
            Life::Died => continue,
            Life::Over => format!("it was over: {}", unfinished(&world)),
            Life::Stuck(why) => why,
        };
        anyhow::bail!("scenario {} did not reach {kill}: {why}; {}", scenario.name, world.home.output());
    }
    let file = world.home.state().join("trace");
    let fate = Fate { crash_at: None, trace: Some(file.clone()) };
    match live(&mut world, &fate, &acts, &mut evidence).await? {
        Life::Over => Ok(std::fs::read_to_string(&file).unwrap_or_default()),
        Life::Died => anyhow::bail!("scenario {}: the gateway ended; {}", scenario.name, world.home.output()),
        Life::Stuck(why) => anyhow::bail!("scenario {}: {why}; {}", scenario.name, world.home.output()),
    }
}

fn stuck(why: &str) -> Violation {
    Violation { rule: "liveness", what: why.to_owned() }
}

fn said(acts: &[Act]) -> Vec<Say> {
    acts.iter()
        .filter_map(|act| match act {
            Act::Say(say) => Some(say.clone()),
            Act::Calls(_) | Act::Over | Act::Asked | Act::Call(..) => None,
        })
        .collect()
}

/// Collects what is left and judges it.
fn finish(world: &World, evidence: &mut Evidence, violations: &mut Vec<Violation>) -> anyhow::Result<()> {
    match Snapshot::take(&world.home.state()) {
        Ok(snapshot) => evidence.end = snapshot,
        Err(error) => violations.push(Violation { rule: "database", what: format!("at the end: {error:#}") }),
    }
    evidence.effects = world.effects.log();
    evidence.messages = world.effects.messages();
    evidence.calls = world.meter.calls();
    for file in std::fs::read_dir(world.home.workspace())? {
        let file = file?;
        if file.file_type()?.is_file() {
            let name = file.file_name().to_string_lossy().into_owned();
            evidence.files.insert(name, std::fs::read_to_string(file.path()).unwrap_or_default());
        }
    }
    violations.extend(check::all(evidence));
    Ok(())
}

/// Lives one life of the gateway: tells the story until it dies or everything is done.
async fn live(world: &mut World, fate: &Fate, acts: &[Act], evidence: &mut Evidence) -> anyhow::Result<Life> {
    world.begin_life().await?;
    let mut gateway = world.home.start(fate)?;
    let told = tokio::time::timeout(PATIENCE, tell(world, acts, evidence));
    let life = tokio::select! {
        // A story whose gateway has died ends with an error of its connection:
        // the death is what counts.
        biased;
        _ = gateway.wait() => Life::Died,
        told = told => match told {
            // What is committed can be seen a moment before the kill that follows it.
            Ok(Ok(())) if fate.crash_at.is_some() => died_or(&mut gateway, Life::Over).await,
            Ok(Ok(())) => Life::Over,
            Ok(Err(error)) => died_or(&mut gateway, Life::Stuck(format!("{error:#}"))).await,
            Err(_) => Life::Stuck(format!("not over after {PATIENCE:?}: {}", unfinished(world))),
        },
    };
    end(&mut gateway).await?;
    Ok(life)
}

fn unfinished(world: &World) -> String {
    let statuses = Watch::open(&world.home.state()).and_then(|watch| watch.statuses());
    statuses.map_or_else(|error| error.to_string(), |statuses| format!("{statuses:?}"))
}

/// Tells whether the gateway died, which explains what was seen of it.
async fn died_or(gateway: &mut Child, other: Life) -> Life {
    match tokio::time::timeout(DYING_MAX, gateway.wait()).await {
        Ok(_) => Life::Died,
        Err(_) => other,
    }
}

/// Kills a gateway that still runs, and reaps it.
async fn end(gateway: &mut Child) -> anyhow::Result<()> {
    if gateway.try_wait()?.is_none() {
        gateway.kill().await.context("cannot kill the gateway")?;
    }
    Ok(())
}

async fn tell(world: &World, acts: &[Act], evidence: &mut Evidence) -> anyhow::Result<()> {
    let client = world.home.connect().await?;
    let watch = Watch::open(&world.home.state())?;
    let mut expected: Vec<&str> = Vec::new();
    for act in acts {
        match act {
            Act::Say(say) => {
                say_it(&client, say).await.with_context(|| format!("message {}", say.id))?;
                evidence.acked.entry(say.id.clone()).or_insert(world.life);
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
        }
    }
    client.close().await;
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

fn is_final(status: &str) -> bool {
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
        // What a dying command sent may still be on its way.
        tokio::time::sleep(ON_ITS_WAY).await;
        let happened = world.effects.happened(&name);
        if !happened {
            evidence.denied.push(name);
        }
        let choice = if happened { "happened" } else { "not-happened" };
        let params = json!({ "id": id, "answers": { "answers": { "outcome": [choice] } } });
        // It may have been answered at an earlier look.
        drop(client.call("question.resolve", params).await);
    }
    Ok(())
}

/// Returns the name of the effect that a command has.
pub(crate) fn effect_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("--name ")?;
    let name = rest.split(|it: char| !(it.is_alphanumeric() || it == '-')).next()?;
    Some(name.to_owned())
}
