//! Readers: clients that follow runs by cursor through every kill, and note
//! what they are told.
//!
//! Nothing is put right here. Whether each event and each byte came once is for
//! the checker to say, which compares it with the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_client::{Backoff, Client, Notice, Position, RunEvent, RunItem, RunStream, RunStreamOptions};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::home;

/// Pauses between two attempts of a reader to come back.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(80));

/// Between two looks at how far the readers are.
const LOOK: Duration = Duration::from_millis(5);

/// What the reader of one run was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Seen {
    /// The run.
    pub run: String,
    /// Its events, in the order in which they came.
    pub events: Vec<SeenEvent>,
    /// The text of each complete turn as it was put together, with the event that completed it.
    pub turns: Vec<(u64, String)>,
    /// The text of the turn that goes on.
    pub text: String,
    /// Whether the end was told.
    pub is_over: bool,
    /// How often the reader came back after a loss.
    pub returns: usize,
    /// What could not be right whatever the journal says.
    pub faults: Vec<String>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenEvent {
    /// Its position in the run.
    pub seq: u64,
    /// Its name.
    pub name: String,
    /// Whether it was told as the first after another process took the run over.
    pub is_resumed: bool,
    /// Which start of the gateway lived when it was read, or an earlier one.
    pub life: usize,
}

impl Seen {
    /// Takes note of an item. `at` is where the reader is after it.
    pub fn note(&mut self, item: RunItem, at: Position, life: usize) {
        match item {
            RunItem::Text { delta, .. } => self.text.push_str(&delta),
            RunItem::Superseded { keep } => {
                if keep > self.text.len() || !self.text.is_char_boundary(keep) {
                    let has = self.text.len();
                    self.faults.push(format!("at {at:?} {keep} bytes are to stand and the reader has {has}"));
                }
                self.text.truncate(self.text.floor_char_boundary(keep));
            }
            RunItem::Event(event) => self.event(event, life),
            RunItem::Back => self.returns += 1,
            RunItem::Sign { .. } | RunItem::Lost { .. } => {}
        }
    }

    fn event(&mut self, event: RunEvent, life: usize) {
        match event.name.as_str() {
            "model_started" => self.text.clear(),
            "model_done" => self.turns.push((event.seq, std::mem::take(&mut self.text))),
            _ => {}
        }
        self.is_over |= event.name == "ended";
        let RunEvent { seq, name, is_resumed, .. } = event;
        self.events.push(SeenEvent { seq, name, is_resumed, life });
    }
}

/// All readers of a world. Dropping it ends them.
pub struct Readers {
    state: PathBuf,
    life: Arc<AtomicUsize>,
    shared: Arc<Mutex<Told>>,
    reading: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Told {
    seen: BTreeMap<String, Seen>,
    resumed: Vec<(usize, String)>,
}

impl Readers {
    /// Makes readers of the gateway of a state directory.
    pub fn new(state: PathBuf) -> Self {
        Self { state, life: Arc::default(), shared: Arc::default(), reading: Mutex::default() }
    }

    /// Says which start of the gateway lives from now on.
    pub fn begin_life(&self, life: usize) {
        self.life.store(life, Ordering::SeqCst);
    }

    /// Follows a run from its beginning, unless somebody does.
    pub fn follow(&self, run: &str) {
        let seen = Seen { run: run.to_owned(), ..Seen::default() };
        if lock(&self.shared).seen.contains_key(run) {
            return;
        }
        lock(&self.shared).seen.insert(run.to_owned(), seen);
        let mut options = RunStreamOptions::new(run);
        options.backoff = backoff();
        let stream = RunStream::new(home::link(&self.state), options);
        lock(&self.reading).spawn(read(stream, run.to_owned(), self.life.clone(), self.shared.clone()));
    }

    /// Notes which runs the gateway says it took up, as long as this connection lasts.
    pub fn hear(&self, client: &Client) {
        let mut events = client.events();
        let (life, shared) = (self.life.load(Ordering::SeqCst), self.shared.clone());
        lock(&self.reading).spawn(async move {
            while let Some(notice) = events.next().await {
                let Notice::Event(event) = notice else { continue };
                let payload = event.payload.unwrap_or_default();
                let is_of_a_reader = payload.get("subscription").is_some();
                if event.event == "agent" && payload["data"]["phase"] == "resumed" && !is_of_a_reader {
                    let run = payload["runId"].as_str().unwrap_or_default().to_owned();
                    lock(&shared).resumed.push((life, run));
                }
            }
        });
    }

    /// Waits until the readers of these runs were told their end, but not for long.
    pub async fn catch_up(&self, ended: &[String], patience: Duration) {
        let are_over = || {
            let told = lock(&self.shared);
            ended.iter().all(|run| told.seen.get(run).is_none_or(|seen| seen.is_over))
        };
        let wait = async {
            while !are_over() {
                tokio::time::sleep(LOOK).await;
            }
        };
        // Whoever is late is found by the checker.
        drop(tokio::time::timeout(patience, wait).await);
    }

    /// Returns what the readers were told so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared).seen.values().cloned().collect()
    }

    /// Returns which runs were said to be taken up, each with the start of the gateway that said so.
    pub fn resumed(&self) -> Vec<(usize, String)> {
        lock(&self.shared).resumed.clone()
    }
}

async fn read(mut stream: RunStream, run: String, life: Arc<AtomicUsize>, shared: Arc<Mutex<Told>>) {
    while let Some(item) = stream.next().await {
        let (at, life) = (stream.position(), life.load(Ordering::SeqCst));
        let mut told = lock(&shared);
        let Some(seen) = told.seen.get_mut(&run) else { return };
        match item {
            Ok(item) => seen.note(item, at, life),
            Err(error) => seen.faults.push(error.to_string()),
        }
    }
}

fn backoff() -> Backoff {
    let mut backoff = Backoff::default();
    (backoff.first, backoff.longest) = PAUSE;
    backoff
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn event(seq: u64, name: &str) -> RunItem {
        let name = name.to_owned();
        RunItem::Event(RunEvent { seq, name, stream: String::new(), data: Value::Null, is_resumed: false })
    }

    fn text(delta: &str) -> RunItem {
        RunItem::Text { delta: delta.to_owned(), is_durable: false }
    }

    #[test]
    fn a_turn_is_put_together_from_what_stands() {
        let mut seen = Seen::default();
        let items = [
            event(1, "model_started"),
            text("hel"),
            text("p"),
            RunItem::Superseded { keep: 3 },
            RunItem::Back,
            text("lo"),
            event(2, "model_done"),
            event(3, "ended"),
        ];
        items.into_iter().for_each(|item| seen.note(item, Position::default(), 1));
        assert_eq!(seen.turns, [(2, "hello".to_owned())]);
        assert_eq!((seen.returns, seen.is_over, seen.faults.len()), (1, true, 0));
    }

    #[test]
    fn a_cut_beyond_what_was_read_is_a_fault() {
        let mut seen = Seen::default();
        seen.note(text("ab"), Position::default(), 1);
        seen.note(RunItem::Superseded { keep: 3 }, Position::default(), 1);
        assert_eq!(seen.faults.len(), 1);
    }
}
