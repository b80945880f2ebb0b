//! Puts the parts together, in order, and takes them apart again.
//!
//! Each leaf offers one constructor; this file only orders them. What every
//! step needs is passed on, nothing is looked up.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use openclaw_agent::{Engine, ThreadBindings};
use openclaw_config::Loaded;
use openclaw_domain::delivery::Retention;
use openclaw_domain::ports::{Clock, CrashHook, Grants, Processes, Scratches, Tool, Workspaces};
use openclaw_domain::tool::ToolSpec;
use openclaw_gateway::{Handle, Hub};
use openclaw_llm::Router;
use openclaw_sandbox::{net, process, scratch};
use openclaw_security::Profiles;
use openclaw_store::lock::StateLock;
use openclaw_store::sqlite::Store;
use serde_json::Value;

use crate::catalog::Configured;
use crate::clock::SystemClock;
use crate::configuration::Configuration;
use crate::grants::GrantBook;
use crate::models;
use crate::parts::{Parts, policy, sections};
use crate::prompts::Prompts;
use crate::settings::FileSettings;
use crate::telemetry::LogFiles;
use crate::webhook::Webhook;
use crate::workspaces::WorkspaceBook;
use crate::{access, crash, machine, runtimes, tools};

/// An actor without work frees its memory after this long.
const LANE_IDLE: Duration = Duration::from_secs(300);

/// The state of a working run is kept this often (`durability.md` §3.6).
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(5);

/// How long an answer waits for its channel when the configuration does not say.
const DELIVERY_MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// What differs between a gateway and an embedded runtime.
pub(crate) struct Plan {
    /// The configuration, loaded.
    pub(crate) configuration: Arc<Configuration>,
    /// Listen on the configured TCP addresses.
    pub(crate) tcp: bool,
    /// Where clients of the same user connect.
    pub(crate) socket: Option<PathBuf>,
    /// A model server of this machine to use, by model name; empty means the first found.
    pub(crate) local_llm: Option<String>,
    /// Log files, for those who follow them.
    pub(crate) logs: LogFiles,
    /// Renders the metrics page.
    pub(crate) metrics: PrometheusHandle,
}

/// Everything that runs.
pub(crate) struct Runtime {
    pub(crate) parts: Arc<Parts>,
    gateway: Handle,
    engine: Arc<Engine>,
    store: Store,
    processes: Arc<process::Native>,
    _lock: StateLock,
}

impl Runtime {
    /// Starts everything; returns once the gateway answers.
    ///
    /// # Errors
    /// When another instance runs, the database cannot be opened, a model server
    /// that was asked for is not there, or an address cannot be bound. Nothing
    /// is left running then.
    pub(crate) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let state_dir = plan.configuration.state_dir();
        let loaded = plan.configuration.current();
        let mut lock = StateLock::acquire(&state_dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let crash = crash::hook(&loaded.env)?;
        let options = openclaw_store::sqlite::Options {
            crash: crash.clone(),
            ..openclaw_store::sqlite::Options::new(&state_dir)
        };
        let store = Store::open(options)?;
        let net = Arc::new(net::Client::new(net::Options::default()));
        let router = models::router(&loaded, net.clone(), clock.clone(), plan.local_llm.as_deref()).await?;
        let gate = Arc::new(Profiles::new(policy(&loaded)));
        let grants: Arc<dyn Grants> = Arc::new(GrantBook::open(Arc::new(store.clone()), gate.clone()).await?);
        let tools = tools::build(&loaded);
        let catalog = catalog(&loaded, router.clone(), gate.clone(), &tools);
        let folders = Arc::new(WorkspaceBook::new(catalog.clone()));
        let processes = processes(&loaded, folders.clone(), clock.clone());
        let workspaces = workspaces(folders.clone());
        let prompts = Arc::new(Prompts::new(&loaded.value["agents"], workspaces.clone(), Arc::new(store.clone())));
        let engine = OnceLock::new();
        let terms = runtimes::bindings(&loaded.value["session"]);
        let bindings = Arc::new(ThreadBindings::new(Arc::new(store.clone()), clock.clone(), terms));
        let configuration = plan.configuration.clone();
        let parts = Arc::new(Parts { configuration, router, gate, catalog, prompts, bindings, engine });
        let hub = Hub::new();
        let ports = engine_ports(
            &parts,
            &store,
            grants.clone(),
            tools,
            workspaces,
            Arc::new(scratch::Scratches::new(state_dir.join("scratch"), processes.clone())),
            processes.clone(),
            net,
            clock.clone(),
            hub.clone(),
        );
        let engine = Engine::new(engine_options(&loaded, crash), ports);
        // The cell is new, so this is its first and only value.
        let _first = parts.engine.set(Arc::downgrade(&engine));
        engine.find_left().await.map_err(anyhow::Error::new)?;
        engine.watch();
        let options = gateway_options(&plan, &loaded)?;
        let ports = gateway_ports(&parts, &store, grants, &engine, Arc::new(plan.logs), clock);
        let gateway = openclaw_gateway::serve(options, ports, hub).await?;
        // Only now: clients that come back need not wait until all runs go on.
        engine.take_up_left();
        let port = gateway.addresses().first().map(std::net::SocketAddr::port);
        lock.publish(port, plan.socket.as_deref())?;
        Ok(Self { parts, gateway, engine, store, processes, _lock: lock })
    }

    /// Returns the TCP addresses in use.
    pub(crate) fn addresses(&self) -> &[std::net::SocketAddr] {
        self.gateway.addresses()
    }

    /// Returns how often a run began or ended: the same number twice tells of a quiet time.
    pub(crate) fn changes(&self) -> u64 {
        self.engine.changes()
    }

    /// Stops everything in the order that loses nothing: no new requests, no
    /// running work, then the store. Unfinished runs go on at the next start.
    pub(crate) async fn stop(self, reason: &str) {
        let gateway = self.gateway.shutdown(reason);
        self.engine.shutdown().await;
        gateway.await;
        self.processes.shutdown().await;
        self.store.close().await;
    }
}

fn catalog(loaded: &Loaded, router: Arc<Router>, gate: Arc<Profiles>, tools: &[Arc<dyn Tool>]) -> Arc<Configured> {
    let mut specs: Vec<ToolSpec> = tools.iter().map(|tool| tool.spec().clone()).collect();
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    Arc::new(Configured::new(router, gate, &sections(loaded), specs))
}

fn processes(loaded: &Loaded, folders: Arc<WorkspaceBook>, clock: Arc<dyn Clock>) -> Arc<process::Native> {
    let folders: process::Folders = Arc::new(move |agent| folders.of(agent));
    let mut options = process::Options::new(folders, clock);
    let env = &loaded.env;
    options.environment = env.names().filter_map(|name| Some((name.to_owned(), env.get(name)?.to_owned()))).collect();
    Arc::new(process::Native::new(options))
}

fn workspaces(folders: Arc<WorkspaceBook>) -> Workspaces {
    Arc::new(move |agent| Ok(folders.of(agent)?))
}

fn engine_options(loaded: &Loaded, crash: Option<CrashHook>) -> openclaw_agent::Options {
    let seconds = loaded.value.pointer("/approvals/exec/timeoutSeconds").and_then(Value::as_u64);
    openclaw_agent::Options {
        owner: uuid::Uuid::now_v7().to_string(),
        approval_timeout: seconds.map(Duration::from_secs),
        idle: LANE_IDLE,
        concurrency: runtimes::concurrency(&loaded.value["agents"]),
        crash,
        snapshot_interval: snapshot_interval(loaded),
        build: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// How often the state of a working run is kept.
fn snapshot_interval(loaded: &Loaded) -> Option<Duration> {
    let defaults = &loaded.value["agents"]["defaults"];
    let every = defaults["snapshotInterval"].as_u64().map_or(SNAPSHOT_INTERVAL, Duration::from_millis);
    defaults["snapshot"].as_bool().unwrap_or(true).then_some(every)
}

#[expect(clippy::too_many_arguments, reason = "one argument per part; a struct would only repeat Ports")]
fn engine_ports(
    parts: &Parts,
    store: &Store,
    grants: Arc<dyn Grants>,
    tools: Vec<Arc<dyn Tool>>,
    workspaces: Workspaces,
    scratches: Arc<dyn Scratches>,
    processes: Arc<dyn Processes>,
    net: Arc<net::Client>,
    clock: Arc<dyn Clock>,
    hub: Arc<Hub>,
) -> openclaw_agent::Ports {
    openclaw_agent::Ports {
        journal: Arc::new(store.clone()),
        sessions: Arc::new(store.clone()),
        compactions: Arc::new(store.clone()),
        model: parts.router.clone(),
        tools,
        gate: parts.gate.clone(),
        context: parts.prompts.clone(),
        catalog: parts.catalog.clone(),
        observer: hub,
        clock,
        workspaces,
        scratches,
        processes,
        variables: Arc::new(store.clone()),
        memories: Arc::new(store.clone()),
        grants,
        deliveries: openclaw_agent::Deliveries {
            outbox: Arc::new(store.clone()),
            couriers: vec![Arc::new(Webhook::new(parts.configuration.clone(), net.clone()))],
            kept: delivery_max_age(&parts.configuration.current()),
            retention: delivery_history(&parts.configuration.current()),
        },
        net,
    }
}

/// How long an answer waits for its channel.
fn delivery_max_age(loaded: &Loaded) -> Duration {
    let minutes = loaded.value.pointer("/channels/defaults/deliveryMaxAgeMinutes").and_then(Value::as_u64);
    minutes.map_or(DELIVERY_MAX_AGE, |minutes| Duration::from_secs(minutes * 60))
}

/// How much is remembered of deliveries that are over.
fn delivery_history(loaded: &Loaded) -> Retention {
    let defaults = &loaded.value["channels"]["defaults"];
    let retention = Retention::default();
    let days = defaults["deliveryHistoryDays"].as_u64();
    let count = defaults["deliveryHistoryMax"].as_u64().and_then(|count| usize::try_from(count).ok());
    Retention {
        age_max: days.map_or(retention.age_max, |days| Duration::from_secs(days * 24 * 3600)),
        count_max: count.unwrap_or(retention.count_max),
    }
}

fn gateway_options(plan: &Plan, loaded: &Loaded) -> anyhow::Result<openclaw_gateway::Options> {
    let tcp = if plan.tcp { access::addresses(loaded)? } else { Vec::new() };
    let auth = access::credential(loaded).context("the gateway has no usable credential")?;
    let mut options = openclaw_gateway::Options::new(tcp, auth, env!("CARGO_PKG_VERSION"));
    let render = plan.metrics.clone();
    options.metrics = Arc::new(move || render.render());
    options.unix_socket.clone_from(&plan.socket);
    options.state_dir_label = loaded.home.state_dir.display().to_string();
    options.machine = machine::facts();
    let origins = loaded.value.pointer("/gateway/controlUi/allowedOrigins").and_then(Value::as_array);
    options.allowed_origins = origins.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(options)
}

fn gateway_ports(
    parts: &Arc<Parts>,
    store: &Store,
    grants: Arc<dyn Grants>,
    engine: &Arc<Engine>,
    logs: Arc<LogFiles>,
    clock: Arc<dyn Clock>,
) -> openclaw_gateway::Ports {
    openclaw_gateway::Ports {
        runs: engine.clone(),
        history: engine.clone(),
        approvals: engine.clone(),
        pool: engine.clone(),
        bindings: parts.bindings.clone(),
        upkeep: engine.clone(),
        compactions: Arc::new(store.clone()),
        questions: engine.clone(),
        journal: Arc::new(store.clone()),
        outbox: Arc::new(store.clone()),
        sessions: Arc::new(store.clone()),
        variables: Arc::new(store.clone()),
        devices: Arc::new(store.clone()),
        grants,
        settings: Arc::new(FileSettings::new(parts.clone())),
        catalog: parts.catalog.clone(),
        logs,
        clock,
    }
}
