//! Whether requests that have an instance each leave anything behind.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::figures::Figure;
use crate::rig::{Programs, Rig, TOKEN};
use crate::ws::Client;

/// Requests in all, and those after which memory counts.
const REQUESTS: usize = 10_000;
const WARM_UP: usize = 1_000;

/// Requests at a time.
const CONNECTIONS: usize = 16;

/// How long what a request held may take to be released.
const RELEASE_MAX: Duration = Duration::from_secs(20);

/// After this a gateway is as idle as it was when the first look was taken.
const QUIET: Duration = Duration::from_secs(5);

/// What a gateway holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident: u64,
    descriptors: usize,
    threads: usize,
    scratches: usize,
    children: usize,
}

/// Sends many requests to a thread-bound agent and compares what is held before and after.
pub(crate) async fn instances(programs: Programs) -> anyhow::Result<Figure> {
    let rig = Rig::start(&programs)?;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(rig.port, TOKEN).await?);
    }
    let clients = requests(clients, WARM_UP, "warm").await?;
    let before = settled(&rig, None).await?;
    let began = Instant::now();
    let clients = requests(clients, REQUESTS - WARM_UP, "load").await?;
    let took = began.elapsed();
    let mut after = settled(&rig, Some(before)).await?;
    tokio::time::sleep(QUIET).await;
    after.resident = rig.resident_bytes()?;
    drop(clients);
    let grown = i128::from(after.resident) - i128::from(before.resident);
    let grown_mb = grown / 1024;
    #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
    let grown_mb = grown_mb as f64 / 1024.0;
    let rate = (REQUESTS - WARM_UP) as u128 * 1000 / took.as_millis().max(1);
    let text = format!(
        "{grown_mb:+.2} MB resident over the last {} of {REQUESTS} requests ({rate}/s); descriptors {} -> {}, threads \
         {} -> {}, scratch directories {} -> {}, child processes {} -> {}",
        REQUESTS - WARM_UP,
        before.descriptors,
        after.descriptors,
        before.threads,
        after.threads,
        before.scratches,
        after.scratches,
        before.children,
        after.children,
    );
    let json = json!({ "requests": REQUESTS, "grownMb": grown_mb, "perSecond": u64::try_from(rate).unwrap_or(0),
        "descriptors": [before.descriptors, after.descriptors], "threads": [before.threads, after.threads],
        "scratches": [before.scratches, after.scratches], "children": [before.children, after.children] });
    Ok(Figure { text, json })
}

async fn requests(clients: Vec<Client>, count: usize, name: &str) -> anyhow::Result<Vec<Client>> {
    let mut workers = Vec::new();
    for (n, mut client) in clients.into_iter().enumerate() {
        let session = format!("agent:isolated:{name}-{n}");
        workers.push(tokio::spawn(async move {
            for _ in 0..count / CONNECTIONS {
                client.turn(&session).await?;
            }
            anyhow::Ok(client)
        }));
    }
    let mut clients = Vec::new();
    for worker in workers {
        clients.push(worker.await??);
    }
    Ok(clients)
}

/// Waits until as much is released as there was before; what is not by then is a leak.
async fn settled(rig: &Rig, before: Option<Held>) -> anyhow::Result<Held> {
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let held = held(rig)?;
        let is_released = match before {
            Some(before) => {
                held.scratches == 0
                    && held.children <= before.children
                    && held.descriptors <= before.descriptors
                    && held.threads <= before.threads
            }
            // Idle threads of the blocking pool end after ten seconds.
            None => began.elapsed() > Duration::from_secs(12),
        };
        if is_released || began.elapsed() > RELEASE_MAX {
            return Ok(held);
        }
    }
}

fn held(rig: &Rig) -> anyhow::Result<Held> {
    let process = format!("/proc/{}", rig.gateway_pid());
    let tasks = std::fs::read_dir(format!("{process}/task"))?;
    let (mut threads, mut children) = (0, 0);
    for task in tasks {
        threads += 1;
        // A thread may end while it is looked at.
        let text = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children += text.split_whitespace().count();
    }
    Ok(Held {
        resident: rig.resident_bytes()?,
        descriptors: count(Path::new(&format!("{process}/fd")))?,
        threads,
        scratches: count(&rig.state_dir().join("scratch")).unwrap_or(0),
        children,
    })
}

fn count(folder: &Path) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(folder)?.count())
}
