//! The figures, one function each.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{Programs, Rig, TOKEN};
use crate::ws::Client;
use crate::{echo, http, instances, resume, terminal};

/// A measured figure.
pub(crate) struct Figure {
    pub(crate) text: String,
    pub(crate) json: Value,
}

type Measure = fn(Programs, u64) -> Pin<Box<dyn Future<Output = anyhow::Result<Figure>>>>;

/// All figures, in the order they are run.
pub(crate) const ALL: &[(&str, Measure)] = &[
    ("start", |programs, _| Box::pin(start(programs))),
    ("memory", |programs, _| Box::pin(memory(programs))),
    ("latency", |programs, _| Box::pin(latency(programs))),
    ("health", |programs, seconds| Box::pin(health(programs, seconds))),
    ("turns", |programs, seconds| Box::pin(turns(programs, seconds))),
    ("resume", |programs, _| Box::pin(resume::resume(programs))),
    ("instances", |programs, _| Box::pin(instances::instances(programs))),
    ("commands", |programs, _| Box::pin(commands(programs))),
    ("typing", |programs, _| Box::pin(terminal::typing(programs))),
    ("closing", |programs, _| Box::pin(terminal::closing(programs))),
    ("onboarding", |programs, _| Box::pin(terminal::onboarding(programs))),
];

/// Connections of the turn rate.
const CONNECTIONS: usize = 32;

async fn start(programs: Programs) -> anyhow::Result<Figure> {
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(Rig::start(&programs)?.ready_after);
    }
    let (median, max) = (median(&mut times), times.last().copied().unwrap_or_default());
    Ok(Figure {
        text: format!("ready after {:.1} ms (median of 10, worst {:.1} ms)", ms(median), ms(max)),
        json: json!({ "medianMs": ms(median), "maxMs": ms(max) }),
    })
}

async fn memory(programs: Programs) -> anyhow::Result<Figure> {
    let rig = Rig::start(&programs)?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let bytes = rig.resident_bytes()?;
    Ok(Figure { text: format!("{:.1} MB resident, idle", mb(bytes)), json: json!({ "residentBytes": bytes }) })
}

async fn latency(programs: Programs) -> anyhow::Result<Figure> {
    let rig = Rig::start(&programs)?;
    let mut model = http::Model::connect(rig.model_port)?;
    let mut client = Client::connect(rig.port, TOKEN).await?;
    let (mut straight, mut through) = (Vec::new(), Vec::new());
    for round in 0..320 {
        let began = Instant::now();
        model.call()?;
        let direct = began.elapsed();
        let began = Instant::now();
        // A fresh session per turn: a growing prompt would be measured otherwise.
        client.turn(&format!("agent:main:latency-{round}")).await?;
        if round >= 20 {
            straight.push(direct);
            through.push(began.elapsed());
        }
    }
    let (direct, turn) = (median(&mut straight), median(&mut through));
    let p99 = through[through.len() * 99 / 100];
    let added = turn.saturating_sub(direct);
    Ok(Figure {
        text: format!(
            "{:.2} ms added (turn {:.2} ms, p99 {:.2} ms; model alone {:.2} ms)",
            ms(added),
            ms(turn),
            ms(p99),
            ms(direct)
        ),
        json: json!({ "addedMs": ms(added), "turnMs": ms(turn), "turnP99Ms": ms(p99), "modelMs": ms(direct) }),
    })
}

async fn health(programs: Programs, seconds: u64) -> anyhow::Result<Figure> {
    let rig = Rig::start(&programs)?;
    let echo_port = echo::serve().await?;
    let mut bare = Client::open(echo_port).await?;
    let mut client = Client::connect(rig.port, TOKEN).await?;
    let request = r#"{"type":"req","id":"b1","method":"health","params":{}}"#;
    let (mut echoes, mut calls) = (0_u64, 0_u64);
    // In turns, so that both see the same machine.
    for _ in 0..seconds.max(1) {
        let end = Instant::now() + Duration::from_millis(500);
        while Instant::now() < end {
            bare.echo(request).await?;
            echoes += 1;
        }
        let end = Instant::now() + Duration::from_millis(500);
        while Instant::now() < end {
            client.call("health", &json!({})).await?;
            calls += 1;
        }
    }
    let rate = |count: u64| (count * 2) / seconds.max(1);
    let share = 100 * calls / echoes.max(1);
    Ok(Figure {
        text: format!("{} health calls/s, {share} % of a bare echo server ({}/s)", rate(calls), rate(echoes)),
        json: json!({ "callsPerSecond": rate(calls), "echoesPerSecond": rate(echoes), "percent": share }),
    })
}

async fn turns(programs: Programs, seconds: u64) -> anyhow::Result<Figure> {
    let rig = Rig::start(&programs)?;
    let mut clients = Vec::new();
    for n in 0..CONNECTIONS {
        let mut client = Client::connect(rig.port, TOKEN).await?;
        client.turn(&format!("agent:main:warm-{n}")).await?;
        clients.push(client);
    }
    let (before, threads_before) = (rig.processor_time()?, rig.thread_times()?);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut workers = Vec::new();
    for (n, mut client) in clients.into_iter().enumerate() {
        workers.push(tokio::spawn(async move {
            let mut done = 0_u64;
            while Instant::now() < end {
                // A new session every 20 turns keeps prompts short and sessions coming.
                client.turn(&format!("agent:main:load-{n}-{}", done / 20)).await?;
                done += 1;
            }
            anyhow::Ok(done)
        }));
    }
    let mut total = 0;
    for worker in workers {
        total += worker.await??;
    }
    let rate = total / seconds;
    let bytes = rig.resident_bytes()?;
    let spent = rig.processor_time()?.saturating_sub(before);
    let each = spent.as_micros() / u128::from(total.max(1));
    let threads = rig.thread_times()?.since(&threads_before);
    let (journal, reads) = (threads.share("store-writer"), threads.share("store-reader"));
    Ok(Figure {
        text: format!(
            "{rate} turns/s over {CONNECTIONS} connections, journal on ({each} us of the gateway's processor time each, \
             {journal:.1} % of it the journal's thread and {reads:.1} % the store's readers, {:.1} MB resident after)",
            mb(bytes)
        ),
        json: json!({ "turnsPerSecond": rate, "connections": CONNECTIONS, "processorMicrosPerTurn": each,
            "journalPercent": journal, "storeReadersPercent": reads, "residentBytes": bytes }),
    })
}

/// Commands a person waits for: what they are and the arguments.
const COMMANDS: &[(&str, &[&str])] = &[
    ("version", &["--version"]),
    ("help", &["--help"]),
    ("error", &["nonsense"]),
    ("status, gateway up", &["status"]),
    ("status, gateway down", &["status", "--gateway", "ws://127.0.0.1:9"]),
];

async fn commands(programs: Programs) -> anyhow::Result<Figure> {
    let rig = Rig::start(&programs)?;
    let (mut texts, mut all) = (Vec::new(), serde_json::Map::new());
    for (name, arguments) in COMMANDS {
        let mut times = Vec::new();
        for _ in 0..20 {
            times.push(rig.command(&programs, arguments)?);
        }
        let median = median(&mut times);
        texts.push(format!("{name} {:.1} ms", ms(median)));
        all.insert((*name).to_owned(), json!(ms(median)));
    }
    Ok(Figure { text: format!("{} (medians of 20)", texts.join(", ")), json: Value::Object(all) })
}

pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

fn mb(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
}
