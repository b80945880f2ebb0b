//! The soak: many conversations with tools, and a kill every few seconds.
//!
//! Clients behave as clients do: they say a thing until it is acknowledged, come
//! back when the connection ends, and wait for the answer. At the end everything
//! that was acknowledged must be answered, and the effect server must have seen
//! every effect exactly once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use openclaw_client::{Call, Client};
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::check;
use crate::evidence::{Evidence, Violation};
use crate::follow::Readers;
use crate::home::Fate;
use crate::plan::Plan;
use crate::scenario::{self, Ground, Say};
use crate::snapshot::{Snapshot, Watch};
use crate::tell;
use crate::world::{Site, World};

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long the gateway is killed again and again.
    pub time: Duration,
    /// Conversations at a time.
    pub conversations: usize,
    /// Between two kills.
    pub kill_every: Duration,
}

/// How long everything may take to come to rest once the kills are over.
const REST_MAX: Duration = Duration::from_secs(120);

/// Every so many conversations somebody reads along.
const READ_EVERY: usize = 3;

/// How long the readers may need for what is recorded already.
const READING_MAX: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Conversations that went on at a time.
    pub conversations: usize,
    /// How often the gateway was killed.
    pub kills: usize,
    /// Messages that were acknowledged.
    pub accepted: usize,
    /// Of them, those that were answered.
    pub answered: usize,
    /// Of them, those that rest because nobody can say what became of a command.
    pub resting: usize,
    /// Effects that must not happen twice, as the effect server saw them.
    pub effects: usize,
    /// Of them, those that happened more than once.
    pub repeated: usize,
    /// Questions about unknown outcomes that were answered with what the effect server saw.
    pub settled: usize,
    /// Model calls made.
    pub model_calls: usize,
    /// Runs that somebody read from the beginning to the end, through the kills.
    pub readers: usize,
    /// How often they came back.
    pub returns: usize,
    /// What they were told, in events and bytes.
    pub read: check::Tally,
    /// Times from a start to the first connection, in milliseconds: median and longest.
    pub restart_ms: (u128, u128),
    /// What must not be.
    pub violations: Vec<Violation>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What all conversations share.
struct Shared {
    readers: Arc<Readers>,
    world: Mutex<Lives>,
    evidence: Mutex<Evidence>,
}

#[derive(Default)]
struct Lives {
    life: usize,
}

/// Runs the soak.
///
/// # Errors
/// When the world cannot be made, or it does not come to rest.
pub async fn run(site: &Site, options: &Options, told: impl Fn(&str)) -> anyhow::Result<Report> {
    let began = tokio::time::Instant::now();
    let mut world = World::with(site, |_| json!({})).await?;
    let ground = world.ground()?;
    let shared =
        Arc::new(Shared { readers: world.readers.clone(), world: Mutex::default(), evidence: Mutex::default() });
    let (stop, stopped) = watch::channel(false);
    let socket = world.home.state();
    let mut talking = JoinSet::new();
    for n in 0..options.conversations {
        let talk =
            Talk { n, ground: ground.clone(), shared: shared.clone(), state: socket.clone(), stopped: stopped.clone() };
        talking.spawn(talk.go_on());
    }
    let mut restarts = Vec::new();
    let mut kills = 0;
    while began.elapsed() < options.time {
        let mut gateway = begin(&mut world, &shared).await?;
        let life = tokio::time::Instant::now();
        let operator = operate(&world, &shared, &mut restarts, life);
        // The operator works until the gateway is gone.
        drop(tokio::time::timeout(options.kill_every, operator).await);
        gateway.kill().await?;
        kills += 1;
        let accepted = shared.evidence.lock().unwrap_or_else(PoisonError::into_inner).acked.len();
        told(&format!("{:.0} s, {kills} kills, {accepted} accepted", began.elapsed().as_secs_f64()));
    }
    stop.send_replace(true);
    let mut gateway = begin(&mut world, &shared).await?;
    let life = tokio::time::Instant::now();
    let resting = async {
        let operator = operate(&world, &shared, &mut restarts, life);
        tokio::pin!(operator);
        loop {
            tokio::select! {
                joined = talking.join_next() => match joined {
                    Some(joined) => joined?,
                    None => return anyhow::Ok(()),
                },
                operated = &mut operator => operated?,
            }
        }
    };
    let rested = tokio::time::timeout(REST_MAX, resting).await;
    let statuses = Watch::open(&world.home.state())?.statuses()?;
    let ended = statuses.into_iter().filter(|(_, status)| tell::is_final(status)).map(|(run, _)| run);
    world.readers.catch_up(&ended.collect::<Vec<_>>(), READING_MAX).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.kill().await?;
    let mut report = judge(&world, &shared, kills)?;
    match rested {
        Ok(rested) => rested?,
        Err(_) => report.violations.push(Violation {
            rule: "liveness",
            what: format!("not everything was over {REST_MAX:?} after the last kill"),
        }),
    }
    restarts.sort_unstable();
    report.restart_ms = (restarts.get(restarts.len() / 2).copied().unwrap_or(0), restarts.last().copied().unwrap_or(0));
    report.conversations = options.conversations;
    report.seconds = began.elapsed().as_secs_f64();
    if !report.violations.is_empty() {
        told(&format!("kept in {}", world.home.keep().display()));
    }
    Ok(report)
}

async fn begin(world: &mut World, shared: &Shared) -> anyhow::Result<tokio::process::Child> {
    world.begin_life().await?;
    shared.world.lock().unwrap_or_else(PoisonError::into_inner).life = world.life;
    world.home.start(&Fate::default())
}

/// Answers questions about unknown outcomes, as a person with the effect server's log would.
async fn operate(
    world: &World,
    shared: &Shared,
    restarts: &mut Vec<u128>,
    life: tokio::time::Instant,
) -> anyhow::Result<()> {
    let client = world.home.connect().await?;
    restarts.push(life.elapsed().as_millis());
    world.readers.hear(&client);
    while !client.is_ended() {
        if client.offers("question.resolve") {
            let mut own = Evidence::default();
            tell::answer(world, &client, &mut own).await.ok();
            shared.evidence.lock().unwrap_or_else(PoisonError::into_inner).denied.append(&mut own.denied);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Killed: whoever started it knows.
    std::future::pending().await
}

/// One conversation.
struct Talk {
    n: usize,
    ground: Ground,
    shared: Arc<Shared>,
    state: std::path::PathBuf,
    stopped: watch::Receiver<bool>,
}

impl Talk {
    /// Says one thing after the other until it is told to stop, and waits for each answer.
    async fn go_on(self) {
        let mut client = None;
        // A conversation whose command nobody can tell about rests; another one begins.
        let mut session = 0;
        // Somebody to send messages to, who sends none, so that nobody waits in a circle.
        self.tell(&mut client, &self.note(&Say::new(&self.peer(), &format!("p{}", self.n), Plan::default()))).await;
        for turn in 0.. {
            if *self.stopped.borrow() {
                return;
            }
            let say = self.note(&self.say(session, turn));
            if !self.tell(&mut client, &say).await {
                session += 1;
            }
        }
    }

    fn peer(&self) -> String {
        format!("agent:main:peer{}", self.n)
    }

    /// Notes what is going to be said.
    fn note(&self, say: &Say) -> Say {
        self.shared.evidence.lock().unwrap_or_else(PoisonError::into_inner).said.push(say.clone());
        say.clone()
    }

    fn say(&self, session: usize, turn: usize) -> Say {
        let id = format!("c{}-{turn}", self.n);
        let mut last = vec![scenario::effect(&self.ground, &format!("{id}-pay"))];
        if turn > 0 && turn.is_multiple_of(4) {
            last.push(scenario::send_to(&self.peer(), &format!("{id}-sent")));
        }
        let rounds = vec![vec![scenario::read(), scenario::write(&id)], last];
        let plan = Plan { rounds, pieces: 5, pause_ms: 20, ..Plan::default() };
        Say::new(&format!("agent:main:talk{}-{session}", self.n), &id, plan)
    }

    /// Says one thing until it is acknowledged and over; false when it rests.
    async fn tell(&self, client: &mut Option<Client>, say: &Say) -> bool {
        let mut is_acked = false;
        loop {
            if let Some(is_over) = self.attempt(client, say, &mut is_acked).await {
                return is_over;
            }
            *client = None;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Goes on as far as this connection lasts.
    async fn attempt(&self, client: &mut Option<Client>, say: &Say, is_acked: &mut bool) -> Option<bool> {
        let connected = match client.take() {
            Some(connected) => connected,
            None => crate::home::connect_once(&self.state).await.ok()?,
        };
        if !*is_acked {
            connected.call("chat.send", tell::params(say)).await.ok()?;
            *is_acked = true;
            let life = self.shared.world.lock().unwrap_or_else(PoisonError::into_inner).life;
            self.shared.evidence.lock().unwrap_or_else(PoisonError::into_inner).acked.insert(say.id.clone(), life);
            if self.n.is_multiple_of(READ_EVERY) {
                self.shared.readers.follow(&say.id);
            }
        }
        loop {
            let wait = Call {
                method: "agent.wait".to_owned(),
                params: json!({ "runId": say.id, "timeoutMs": 2_000 }),
                ..Call::default()
            };
            let waited = connected.perform(wait).await.ok()?;
            if waited["status"] != "timeout" {
                *client = Some(connected);
                return Some(true);
            }
            let rests = Watch::open(&self.state).and_then(|watch| watch.statuses()).ok()?;
            let needs_attention = rests.iter().any(|(run, status)| *run == say.id && status == "attention");
            if needs_attention && !connected.offers("question.resolve") {
                *client = Some(connected);
                return Some(false);
            }
        }
    }
}

fn judge(world: &World, shared: &Shared, kills: usize) -> anyhow::Result<Report> {
    let mut evidence = std::mem::take(&mut *shared.evidence.lock().unwrap_or_else(PoisonError::into_inner));
    evidence.kills = kills;
    evidence.end = Snapshot::take(&world.home.state()).context("the database at the end")?;
    evidence.seen = world.readers.seen();
    evidence.resumed = world.readers.resumed();
    evidence.effects = world.effects.log();
    evidence.calls = world.meter.calls();
    for file in std::fs::read_dir(world.home.workspace())? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        evidence.files.insert(name, std::fs::read_to_string(file.path()).unwrap_or_default());
    }
    let said = |status: &str| {
        let runs = evidence.end.runs.iter().filter(|run| run.status == status);
        runs.filter(|run| evidence.acked.contains_key(&run.id)).count()
    };
    let mut read = check::Tally::default();
    for seen in &evidence.seen {
        match evidence.end.runs.iter().find(|run| run.id == seen.run) {
            Some(run) => read.add(check::compare(seen, run)),
            None => read.duplicate += seen.events.len(),
        }
    }
    let mut names: Vec<&str> = evidence.effects.iter().map(|dispatch| dispatch.name.as_str()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    Ok(Report {
        conversations: 0,
        kills,
        accepted: evidence.acked.len(),
        answered: said("done"),
        resting: said("attention"),
        effects: names.len(),
        repeated: all - names.len(),
        settled: evidence.denied.len(),
        model_calls: evidence.calls.len(),
        readers: evidence.seen.len(),
        returns: evidence.seen.iter().map(|seen| seen.returns).sum(),
        read,
        restart_ms: (0, 0),
        violations: check::all(&evidence),
        seconds: 0.0,
    })
}
