//! Logs and metrics: where they go, and how people read them back.
//!
//! Log lines are JSON, one a line, in dated files below the state directory:
//! a shared temporary folder would let other users of the machine plant links
//! there. Every line passes the redactor before it is written.

mod file;
mod tail;

use std::path::PathBuf;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use tail::LogFiles;

/// Log lines that wait for the disk; more are dropped. The queue is allocated as
/// a whole, so a larger one is paid for by every idle process.
const LINES_WAITING_MAX: usize = 2048;

/// Where logs go and how much is said.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// A fixed file, or `None` for dated files in `folder`.
    pub(crate) file: Option<PathBuf>,
    /// The folder of dated files.
    pub(crate) folder: PathBuf,
    /// Largest file before it is set aside.
    pub(crate) file_bytes_max: u64,
    /// Level of the file, for example `info`.
    pub(crate) level: String,
    /// Level on the terminal; `None` for silence.
    pub(crate) console: Option<String>,
}

/// Keeps the log writer alive; dropping it flushes.
pub(crate) struct Guard {
    _writer: tracing_appender::non_blocking::WorkerGuard,
}

/// Starts logging for the whole process. The first caller wins: an embedded
/// runtime inside a process that logs already keeps that process's set-up.
pub(crate) fn start_logs(options: &Options) -> Guard {
    let file = file::DatedFile::new(options.folder.clone(), options.file.clone(), options.file_bytes_max);
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING_MAX)
        .finish(file);
    let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(true).with_writer(writer);
    let json = tracing_subscriber::Layer::with_filter(json, filter(&options.level));
    let console = options.console.as_ref().map(|level| {
        let plain =
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false).compact();
        tracing_subscriber::Layer::with_filter(plain, filter(level))
    });
    // A second start in one process (tests, embedded runtimes) keeps the first.
    let _kept = tracing_subscriber::registry().with(json).with(console).try_init();
    Guard { _writer: guard }
}

fn filter(level: &str) -> EnvFilter {
    let level = match level {
        "silent" => "off",
        "fatal" => "error",
        "trace" | "debug" | "info" | "warn" | "error" | "off" => level,
        _ => "info",
    };
    EnvFilter::new(format!("{level},hyper=warn,h2=warn,reqwest=warn,rustls=warn,tungstenite=warn"))
}

/// Starts metrics for the whole process; `None` when they run already.
pub(crate) fn start_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // A second recorder in one process (tests) renders its own, empty page.
    let _kept = metrics::set_global_recorder(recorder);
    handle
}
