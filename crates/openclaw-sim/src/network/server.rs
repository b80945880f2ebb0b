//! The server: the engine behind a protocol of lines, with cursors.
//!
//! A connection carries one request: `start` is answered once, `follow` with
//! every event after the cursor and every byte of live text, until the end.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use openclaw_agent::{Deliveries, Engine, Options, Ports};
use openclaw_domain::catalog::UnknownOutcome;
use openclaw_domain::delivery::Retention;
use openclaw_domain::ids::{RunId, SessionKey, Timestamp};
use openclaw_domain::ports::{Journal, JournalError, RunObserver, Runs, Tool};
use openclaw_domain::run::{QueueMode, Source};
use openclaw_domain::runtime::Concurrency;
use openclaw_domain::tool::Effect;
use openclaw_domain::{Change, Cursor, RunEvent, RunRequest, RunUpdate, Seq, UserTurn};
use openclaw_testkit::{
    AllowAll, FakeClock, FakeNet, FakeProcesses, FixedCatalog, FixedContext, MemoryFiles, MemoryScratches,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::watch;
use turmoil::net::{TcpListener, TcpStream};

use super::parts::{SimClock, SlowModel, SlowTool, slow_journal};
use super::simulation::Planted;
use super::world::{PORT, World};

/// How often a quiet connection shows that it is alive.
const HEARTBEAT: Duration = Duration::from_millis(300);

/// Events read at a time.
const PAGE: usize = 20;

/// Runs until the host crashes.
pub(super) async fn serve(world: Arc<World>) -> turmoil::Result {
    let boot = {
        let mut state = world.state();
        state.boots += 1;
        state.boots
    };
    let feeds = Arc::new(Feeds::default());
    let engine = engine(&world, &feeds, boot);
    if !world.has(Planted::ForgetsToRecover) {
        engine.recover().await?;
    }
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (world, feeds, engine) = (Arc::clone(&world), Arc::clone(&feeds), Arc::clone(&engine));
        // An error means that the client is gone; it comes again. The task ends with the host.
        tokio::spawn(async move { converse(&world, &feeds, &engine, stream).await.ok() });
    }
}

fn engine(world: &Arc<World>, feeds: &Arc<Feeds>, boot: u32) -> Arc<Engine> {
    let once = if world.has(Planted::RepeatsOnce) { Effect::Idempotent } else { Effect::Once };
    let tools = [("look", Effect::Pure), ("note", Effect::Keyed), ("pay", once)];
    let tools: Vec<Arc<dyn Tool>> =
        tools.into_iter().map(|(name, effect)| Arc::new(SlowTool::new(world, name, effect)) as Arc<dyn Tool>).collect();
    let specs: Vec<_> = tools.iter().map(|tool| tool.spec().clone()).collect();
    let catalog = FixedCatalog::new().with_tools(specs).with_unknown_outcome(UnknownOutcome::Tell);
    let files = Arc::new(MemoryFiles::new([]));
    let store = &world.store;
    let ports = Ports {
        journal: Arc::new(slow_journal(world)),
        sessions: store.clone(),
        compactions: store.clone(),
        model: Arc::new(SlowModel::new(world)),
        tools,
        gate: Arc::new(AllowAll),
        context: Arc::new(FixedContext::new(["be good"])),
        catalog: Arc::new(catalog),
        observer: feeds.clone(),
        clock: Arc::new(SimClock),
        workspaces: Arc::new(move |_| Ok(files.clone())),
        scratches: Arc::new(MemoryScratches::new(Arc::new(FakeProcesses::echo(&FakeClock::new())))),
        processes: Arc::new(FakeProcesses::echo(&FakeClock::new())),
        net: Arc::new(FakeNet::unreachable()),
        variables: store.clone(),
        memories: store.clone(),
        grants: store.clone(),
        deliveries: Deliveries {
            outbox: store.clone(),
            couriers: Vec::new(),
            kept: Duration::from_secs(900),
            retention: Retention::default(),
        },
    };
    let options = Options {
        owner: format!("boot-{boot}"),
        approval_timeout: None,
        crash: None,
        idle: Duration::from_secs(300),
        concurrency: Concurrency::default(),
        snapshot_interval: Some(Duration::from_millis(200)),
        build: "1.0.0".to_owned(),
    };
    Engine::new(options, ports)
}

type Name = (SessionKey, RunId);

/// The live text of each run after its last event.
#[derive(Default)]
struct Feeds(Mutex<HashMap<Name, Feed>>);

struct Feed {
    position: Seq,
    live: String,
    changed: watch::Sender<()>,
}

impl Feeds {
    fn all(&self) -> MutexGuard<'_, HashMap<Name, Feed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, name: &Name) -> watch::Receiver<()> {
        self.all().entry(name.clone()).or_insert_with(Feed::new).changed.subscribe()
    }

    /// Returns the live text after a cursor.
    fn after(&self, name: &Name, cursor: Cursor) -> Option<String> {
        let all = self.all();
        let feed = all.get(name).filter(|feed| feed.position == cursor.seq)?;
        let text = feed.live.get(usize::try_from(cursor.off).ok()?..)?;
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl Feed {
    fn new() -> Self {
        Self { position: Seq(0), live: String::new(), changed: watch::Sender::new(()) }
    }
}

impl RunObserver for Feeds {
    fn observe(&self, update: &RunUpdate) {
        let mut all = self.all();
        let feed = all.entry((update.session.clone(), update.run.clone())).or_insert_with(Feed::new);
        if feed.position != update.cursor.seq {
            feed.position = update.cursor.seq;
            feed.live.clear();
        }
        if let Change::TextDelta(text) = &update.change {
            feed.live.push_str(text);
        }
        feed.changed.send_replace(());
    }
}

async fn converse(world: &Arc<World>, feeds: &Feeds, engine: &Engine, stream: TcpStream) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let asked: Value = serde_json::from_str(&line)?;
    let text = |name: &str| asked[name].as_str().context("a request has session, run and kind");
    let name: Name = (text("session")?.parse()?, text("run")?.parse()?);
    if text("kind")? == "start" {
        let input = UserTurn::owner(text("text")?, Timestamp(0));
        let request = RunRequest::new(name.1, name.0, input, Source::Chat);
        let started = engine.start(RunRequest { queue: QueueMode::Followup, ..request }).await;
        let answer = json!({ "accepted": started.is_ok() });
        return send(&mut stream, &answer).await;
    }
    let number = |name: &str| asked[name].as_u64().context("a cursor has seq and off");
    let after = Cursor { seq: Seq(number("seq")?), off: number("off")? };
    follow(world, feeds, &name, after, &mut stream).await
}

/// Carries a run to a client: what is recorded after the cursor, then what comes.
async fn follow(
    world: &Arc<World>,
    feeds: &Feeds,
    name: &Name,
    mut cursor: Cursor,
    stream: &mut BufReader<TcpStream>,
) -> Result<()> {
    let journal = slow_journal(world);
    let mut changed = feeds.subscribe(name);
    if world.has(Planted::RepeatsEvents) {
        cursor = Cursor::at(Seq(cursor.seq.0.saturating_sub(1)));
    }
    let mut is_repeating = world.has(Planted::RepeatsText);
    loop {
        changed.mark_unchanged();
        let events = match journal.events(&name.0, &name.1, cursor.seq, PAGE).await {
            Ok(events) => events,
            // It is not accepted yet.
            Err(JournalError::NoSuchRun(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let is_caught_up = events.is_empty();
        for recorded in events {
            cursor = Cursor::at(recorded.seq);
            send(stream, &json!({ "event": recorded })).await?;
            if matches!(recorded.event, RunEvent::Ended { .. }) {
                return Ok(());
            }
        }
        if !is_caught_up {
            continue;
        }
        let from = if std::mem::take(&mut is_repeating) { Cursor::at(cursor.seq) } else { cursor };
        if let Some(text) = feeds.after(name, from) {
            send(stream, &json!({ "text": text, "seq": cursor.seq, "off": cursor.off })).await?;
            cursor.off += text.len() as u64;
        }
        if tokio::time::timeout(HEARTBEAT, changed.changed()).await.is_err() {
            send(stream, &json!({ "alive": true })).await?;
        }
    }
}

async fn send(stream: &mut BufReader<TcpStream>, frame: &Value) -> Result<()> {
    stream.write_all(format!("{frame}\n").as_bytes()).await?;
    Ok(())
}
