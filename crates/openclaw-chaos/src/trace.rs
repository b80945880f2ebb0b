//! Which sites a run reaches, and at which of them to kill it.
//!
//! One write calls the hook several times at the same instant: once for the
//! operation and once per event. Such names share one kill.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_domain::ports::{Moment, SITES, Site};

/// One instant of a traced life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// The names that were reached, `<site>/<moment>`, each with its occurrence from 1.
    pub names: Vec<(String, u64)>,
}

/// Reads a trace.
pub fn read(text: &str) -> Vec<Instant> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut instants: Vec<Instant> = Vec::new();
    for line in text.lines() {
        let count = counts.entry(line).or_default();
        *count += 1;
        let name = (line.to_owned(), *count);
        // An event belongs to the operation that was named before it by the same
        // thread; points of the engine stand alone and may come in between.
        let is_event = line.starts_with("event.");
        let of_write = |instant: &&mut Instant| {
            let (first, _) = &instant.names[0];
            !first.starts_with("engine.") && moment(first) == moment(line)
        };
        match instants.iter_mut().rev().find(of_write).filter(|_| is_event) {
            Some(instant) => instant.names.push(name),
            None => instants.push(Instant { names: vec![name] }),
        }
    }
    instants
}

fn moment(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(_, moment)| moment)
}

/// A kill, and every name it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// `<site>/<moment>:<nth>`.
    pub at: String,
    /// All names of that instant.
    pub names: Vec<String>,
}

/// Chooses the kills: the first and the last occurrence of every name.
pub fn kills(instants: &[Instant]) -> Vec<Kill> {
    let mut ends: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (position, instant) in instants.iter().enumerate() {
        for (name, _) in &instant.names {
            ends.entry(name).and_modify(|(_, last)| *last = position).or_insert((position, position));
            *totals.entry(name).or_default() += 1;
        }
    }
    let mut chosen: Vec<usize> = ends.values().flat_map(|(first, last)| [*first, *last]).collect();
    chosen.sort_unstable();
    chosen.dedup();
    let kill = |position: usize| {
        let names = &instants[position].names;
        // The rarest name is the least likely to shift between two runs.
        let (name, nth) = names.iter().min_by_key(|(name, _)| totals[name.as_str()])?;
        Some(Kill { at: format!("{name}:{nth}"), names: names.iter().map(|(name, _)| name.clone()).collect() })
    };
    chosen.into_iter().filter_map(kill).collect()
}

/// Sites that no scenario reaches yet, each with what is missing.
pub const AWAITED: &[(Site, &str)] = &[
    (Site::Operation("outbox.discard"), "no scenario has a person who settles a delivery"),
    (Site::Operation("outbox.prune"), "nothing in a scenario is old enough to be forgotten"),
];

/// Returns awaited sites that were reached all the same: their rows are out of date.
pub fn outdated(reached: &BTreeSet<String>) -> Vec<String> {
    let is_reached = |site: &Site| reached.iter().any(|name| name.starts_with(&format!("{site}/")));
    AWAITED.iter().filter(|(site, _)| is_reached(site)).map(|(site, _)| site.to_string()).collect()
}

/// Returns every `<site>/<moment>` there is, without those that are awaited.
pub fn expected() -> Vec<String> {
    let is_awaited = |site: &Site| AWAITED.iter().any(|(awaited, _)| awaited == site);
    let names = |site: Site| site.moments().iter().map(move |moment: &Moment| format!("{site}/{}", moment.as_str()));
    SITES.into_iter().filter(|site| !is_awaited(site)).flat_map(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_write_share_an_instant_and_a_kill() {
        let trace = "journal.append/before-write\nengine.model_text/after-dispatch\nevent.tool_intent/before-write\n\
                     event.tool_started/before-write\njournal.append/before-write\nevent.tool_ended/before-write\n";
        let instants = read(trace);
        assert_eq!(instants.len(), 3);
        let kills = kills(&instants);
        let at: Vec<&str> = kills.iter().map(|kill| kill.at.as_str()).collect();
        assert_eq!(
            at,
            [
                "event.tool_intent/before-write:1",
                "engine.model_text/after-dispatch:1",
                "event.tool_ended/before-write:1"
            ]
        );
        assert_eq!(kills[0].names.len(), 3);
    }

    /// Every write of the journal by name, read from the store's sources.
    #[test]
    fn every_write_of_the_journal_is_a_site() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../openclaw-store/src/sqlite");
        let mut sources = String::new();
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    sources.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let known: Vec<String> = SITES.iter().map(ToString::to_string).collect();
        let mut writes = 0;
        for call in sources.split(".write(").chain(sources.split(".write_events(")).skip(1) {
            let Some(name) = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            let is_of_runs =
                ["journal.", "sessions.", "outbox.", "inbox.", "compactions."].iter().any(|it| name.starts_with(it));
            if is_of_runs {
                writes += 1;
                assert!(
                    known.iter().any(|site| site == name),
                    "{name} writes and is not among SITES of ports/crash.rs"
                );
            }
        }
        assert!(writes >= 6, "only {writes} writes were found: are they written differently now?");
    }

    #[test]
    fn an_awaited_site_is_a_site() {
        assert!(AWAITED.iter().all(|(site, _)| SITES.contains(site)));
    }
}
