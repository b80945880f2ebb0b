//! The matrix: every site, every moment, every scenario that reaches it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case;
use crate::double::{self, Chosen};
use crate::evidence::Violation;
use crate::scenario::{self, Scenario};
use crate::trace::{self, Kill};
use crate::world::Site;

/// Which cases to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Scenarios, sites or both that a case must name: `tools`, `event.ended`, `tools:event.ended`.
    pub only: Vec<String>,
    /// Run this many cases only, spread over all.
    pub sample: Option<usize>,
    /// Chooses the sample.
    pub seed: u64,
    /// Cases at a time.
    pub jobs: usize,
    /// End at the first case that breaks one of these rules.
    pub stops_at: Option<Vec<String>>,
}

/// One case of the matrix.
#[derive(Debug, Clone)]
struct Planned {
    scenario: &'static Scenario,
    kills: Vec<String>,
    /// What the last kill stands for.
    names: Vec<String>,
}

/// What a run of the matrix found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Names of sites with their moments that were reached by a kill.
    pub points: BTreeSet<String>,
    /// Moments at which a kill happened.
    pub modes: BTreeSet<String>,
    /// Scenarios that were run.
    pub scenarios: BTreeSet<String>,
    /// Cases that were run.
    pub cases: usize,
    /// Cases of the whole matrix.
    pub planned: usize,
    /// Of them, those with a second kill in the recovery from a first one.
    pub doubles: usize,
    /// Cases whose kill was not reached this time.
    pub missed: Vec<String>,
    /// Cases that broke a rule.
    pub failures: Vec<Failure>,
    /// Sites and moments that no scenario reaches, though one should.
    pub unreached: Vec<String>,
    /// Sites that are reached although a list says that none reaches them.
    pub outdated: Vec<String>,
    /// What chose the sample.
    pub seed: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// A case that broke a rule.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// The scenario.
    pub scenario: String,
    /// Where it was killed.
    pub kills: Vec<String>,
    /// What was found.
    pub violations: Vec<Violation>,
    /// Where the home was kept.
    pub kept: Option<String>,
    /// The end of what the gateway wrote.
    pub output: String,
}

impl Report {
    /// Returns how many rules were broken, over all cases.
    pub fn violations(&self) -> usize {
        self.failures.iter().map(|failure| failure.violations.len()).sum()
    }

    /// Returns the line that sums it up.
    pub fn summary(&self) -> String {
        format!(
            "{} points x {} modes x {} scenarios: {} cases of {} ({} with two kills), {} violations in {} cases, {} kills not reached, {:.0} s, seed {}",
            self.points.len(),
            self.modes.len(),
            self.scenarios.len(),
            self.cases,
            self.planned,
            self.doubles,
            self.violations(),
            self.failures.len(),
            self.missed.len(),
            self.seconds,
            self.seed
        )
    }
}

/// Runs the matrix; `told` hears a line of progress after each case.
///
/// # Errors
/// When a scenario cannot be told even without a kill, or a world cannot be made.
pub async fn run(site: &Site, options: &Options, told: impl Fn(&str)) -> anyhow::Result<Report> {
    let began = tokio::time::Instant::now();
    let (planned, reached) = plan(site, options, &told).await?;
    let mut report = Report { planned: planned.len(), seed: options.seed, ..Report::default() };
    if options.only.is_empty() {
        report.unreached = trace::expected().into_iter().filter(|name| !reached.contains(name)).collect();
        report.outdated = trace::outdated(&reached);
    }
    let chosen = sample(planned, options);
    let total = chosen.len();
    report.doubles = chosen.iter().filter(|case| case.kills.len() > 1).count();
    let places = Arc::new(Semaphore::new(options.jobs.max(1)));
    let mut running = JoinSet::new();
    for case in chosen {
        let (site, places) = (site.clone(), places.clone());
        running.spawn(async move {
            // The semaphore is never closed.
            let _place = places.acquire_owned().await;
            let outcome = case::run(&site, case.scenario, &case.kills).await;
            (case, outcome)
        });
    }
    while let Some(joined) = running.join_next().await {
        let (case, outcome) = joined?;
        let outcome = outcome?;
        report.cases += 1;
        note(&mut report, &case, outcome);
        let last = report.failures.last().map(|failure| failure.violations.as_slice()).unwrap_or_default();
        let is_wanted = |rule: &str| options.stops_at.as_ref().is_some_and(|rules| rules.iter().any(|it| it == rule));
        if last.iter().any(|found| is_wanted(found.rule)) {
            running.abort_all();
            break;
        }
        let found = report.failures.len();
        told(&format!("{}/{total} {found} bad  {} {}", report.cases, case.scenario.name, case.kills.join(" then ")));
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

fn note(report: &mut Report, case: &Planned, outcome: case::Outcome) {
    report.scenarios.insert(case.scenario.name.to_owned());
    let label = format!("{}:{}", case.scenario.name, case.kills.join(","));
    if outcome.missed.is_empty() {
        for name in &case.names {
            if let Some((_, moment)) = name.rsplit_once('/') {
                report.modes.insert(moment.to_owned());
            }
            report.points.insert(name.clone());
        }
    } else {
        report.missed.push(label);
    }
    if !outcome.violations.is_empty() {
        report.failures.push(Failure {
            scenario: case.scenario.name.to_owned(),
            kills: told_kills(&case.kills),
            violations: outcome.violations,
            kept: outcome.kept.map(|path| path.display().to_string()),
            output: outcome.output,
        });
    }
}

fn told_kills(kills: &[String]) -> Vec<String> {
    if kills.is_empty() { vec!["nothing".to_owned()] } else { kills.to_vec() }
}

/// Tells every scenario once and chooses its kills; also returns all that was reached.
async fn plan(
    site: &Site,
    options: &Options,
    told: &impl Fn(&str),
) -> anyhow::Result<(Vec<Planned>, BTreeSet<String>)> {
    let mut planned = Vec::new();
    let mut reached = BTreeSet::new();
    let mut chosen = Chosen::default();
    for scenario in scenario::ALL.iter().filter(|scenario| is_wanted(options, scenario)) {
        let first: Vec<String> = scenario.after.iter().map(|at| (*at).to_owned()).collect();
        let kills = kills_of(site, scenario, &first, &mut reached).await?;
        told(&format!("{}: {} kills; {}", scenario.name, kills.len(), scenario.about));
        if site_words(options).is_empty() {
            // The story as it goes when nothing happens is judged as well.
            planned.push(Planned { scenario, kills: first.clone(), names: Vec::new() });
        }
        if scenario.after.is_none() && scenario.focus.is_empty() {
            for kill in double::firsts(&kills, options.seed) {
                let first = [kill.at.clone()];
                // A kill that this time was not reached has no recovery.
                let Ok(again) = kills_of(site, scenario, &first, &mut reached).await else { continue };
                planned.extend(cases(scenario, &first, chosen.pick(again), options));
            }
        }
        planned.extend(cases(scenario, &first, kills, options));
    }
    Ok((planned, reached))
}

/// Returns the kills of a scenario's life after `first`.
async fn kills_of(
    site: &Site,
    scenario: &Scenario,
    first: &[String],
    reached: &mut BTreeSet<String>,
) -> anyhow::Result<Vec<Kill>> {
    let instants = trace::read(&case::trace(site, scenario, first).await?);
    let mut kills = trace::kills(&instants);
    reached.extend(instants.into_iter().flat_map(|instant| instant.names).map(|(name, _)| name));
    let is_of = |site: &str, name: &str| name.strip_prefix(site).is_some_and(|rest| rest.starts_with('/'));
    if !scenario.focus.is_empty() {
        kills.retain(|kill| kill.names.iter().any(|name| scenario.focus.iter().any(|site| is_of(site, name))));
    }
    Ok(kills)
}

/// Makes cases of kills, as far as they were asked for.
fn cases(scenario: &'static Scenario, first: &[String], kills: Vec<Kill>, options: &Options) -> Vec<Planned> {
    let wanted = site_words(options);
    let is_wanted = |kill: &Kill| {
        wanted.is_empty() || kill.names.iter().any(|name| wanted.iter().any(|word| name.contains(word.as_str())))
    };
    let case = |Kill { at, names }| Planned { scenario, kills: first.iter().cloned().chain([at]).collect(), names };
    kills.into_iter().filter(is_wanted).map(case).collect()
}

fn is_wanted(options: &Options, scenario: &Scenario) -> bool {
    let mut named = options.only.iter().filter_map(|only| scenario::by_name(only.split(':').next()?)).peekable();
    named.peek().is_none() || named.any(|it| it.name == scenario.name)
}

fn site_words(options: &Options) -> Vec<String> {
    let words = options.only.iter().filter_map(|only| match only.split_once(':') {
        Some((_, site)) => Some(site.to_owned()),
        None => scenario::by_name(only).is_none().then(|| only.clone()),
    });
    words.collect()
}

/// Takes a sample that holds every scenario and, as far as it reaches, every point.
fn sample(planned: Vec<Planned>, options: &Options) -> Vec<Planned> {
    let Some(wanted) = options.sample else { return planned };
    let mut random = options.seed | 1;
    let mut next = move || {
        // xorshift64: good enough to shuffle, and the same everywhere.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut shuffled: Vec<(u64, Planned)> = planned.into_iter().map(|case| (next(), case)).collect();
    shuffled.sort_by_key(|(rank, _)| *rank);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // Rare scenarios and rare sites first: a case is worth the rarest thing it shows.
    let mut ranked: Vec<(usize, Planned)> = Vec::new();
    for (_, case) in shuffled {
        let names = case.names.iter().cloned().chain([case.scenario.name.to_owned()]);
        let rarity = names.map(|name| *seen.entry(name).and_modify(|count| *count += 1).or_insert(0)).min();
        ranked.push((rarity.unwrap_or(0), case));
    }
    ranked.sort_by_key(|(rarity, _)| *rarity);
    ranked.into_iter().take(wanted).map(|(_, case)| case).collect()
}
