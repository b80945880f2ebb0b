//! The verdict over what is left when all clients are done.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use openclaw_domain::Turn;
use openclaw_domain::ids::{RunId, Seq, SessionKey};
use openclaw_domain::ports::{Journal as _, Sessions as _};
use openclaw_domain::run::Status;
use openclaw_domain::session::{Entry, EntryQuery};

use super::simulation::Report;
use super::world::{State, World};
use crate::log;

/// Compares journal, transcript, effects and what followers saw.
pub(super) fn check(world: &World) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let (accepted, seen) = {
            let state = world.state();
            (state.accepted.clone(), state.seen.clone())
        };
        let mut broken = Vec::new();
        for (session, run, text) in &accepted {
            broken.extend(answered(world, session, run, text).await?);
        }
        for (session, run, seen) in &seen {
            let entries = of_run(&world.store.entries(session, EntryQuery::default()).await?.entries, run);
            let said: Vec<String> = entries.iter().filter_map(said).collect();
            broken.extend(seen.broken.iter().map(|broken| format!("run {run} of {session}: {broken}")));
            if seen.ended.is_some() && (seen.turns != said || seen.ended.as_ref() != said.last()) {
                broken.push(format!("run {run} of {session}: seen {:?}, the transcript says {said:?}", seen.turns));
            }
        }
        let state = world.state();
        broken.extend(dispatched(&state));
        Ok(Report {
            inputs: accepted.len(),
            boots: usize::try_from(state.boots)?,
            cuts: 0,
            connections: state.connections,
            dispatches: state.dispatches.len(),
            taken_back: seen.iter().map(|(_, _, seen)| seen.taken_back).sum(),
            broken,
        })
    })
}

/// An accepted input is in the transcript once, and so is its answer.
async fn answered(world: &World, session: &SessionKey, run: &RunId, text: &str) -> Result<Vec<String>> {
    let events = world.store.events(session, run, Seq(0), 10_000).await?;
    let mut broken = log::judge(run, &events);
    let records = world.store.runs(Some(session), false, 1000).await?;
    let record = records.iter().find(|record| record.id == *run).context("an accepted run is recorded")?;
    let entries = of_run(&world.store.entries(session, EntryQuery::default()).await?.entries, run);
    let asked = entries.iter().filter(|entry| matches!(&entry.turn, Turn::User(turn) if turn.text() == text)).count();
    let answer = format!("answer to {text}:");
    let answers = entries.iter().filter_map(said).filter(|said| said.starts_with(&answer)).count();
    if (record.status, asked, answers) != (Status::Done, 1, 1) {
        broken.push(format!("run {run} of {session} is {:?}, asked {asked} times, answered {answers}", record.status));
    }
    Ok(broken)
}

fn of_run(entries: &[Entry], run: &RunId) -> Vec<Entry> {
    entries.iter().filter(|entry| entry.run.as_ref() == Some(run)).cloned().collect()
}

fn said(entry: &Entry) -> Option<String> {
    match &entry.turn {
        Turn::Assistant(turn) => Some(turn.text()),
        Turn::User(_) => None,
    }
}

/// I6: `pay` reaches the outside at most once, and `note` always with one key.
fn dispatched(state: &State) -> Vec<String> {
    let mut keys: BTreeMap<_, Vec<&String>> = BTreeMap::new();
    for dispatch in &state.dispatches {
        keys.entry((&dispatch.tool, &dispatch.arguments)).or_default().push(&dispatch.key);
    }
    let is_broken = |tool: &str, keys: &[&String]| match tool {
        "pay" => keys.len() > 1,
        "note" => keys.iter().collect::<BTreeSet<_>>().len() > 1,
        _ => false,
    };
    keys.into_iter()
        .filter(|((tool, _), keys)| is_broken(tool, keys))
        .map(|((tool, arguments), keys)| format!("{tool} {arguments} was dispatched with {keys:?}"))
        .collect()
}
