//! Every command: one file each, one variant each.

mod agent;
mod approvals;
mod chat;
mod completion;
mod config;
mod deliveries;
mod devices;
mod doctor;
mod gateway;
mod health;
mod lists;
mod logs;
mod models;
mod onboard;
mod replay;
mod runs;
mod sessions;
mod status;
mod support;
mod vars;

use clap::Subcommand;

use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::Report;

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give the agent one task; the answer comes on stdout
    Agent(agent::Arguments),
    /// Talk with the agent
    #[command(visible_alias = "tui")]
    Chat(chat::Arguments),
    /// Set up: model, folder, first reply
    Onboard(onboard::Arguments),
    /// Tell whether it is working
    Status(status::Arguments),
    /// Ask the gateway for its health report
    Health(health::Arguments),
    /// Find and fix problems, worst first
    Doctor(doctor::Arguments),
    /// Run and drive the gateway
    Gateway(gateway::Arguments),
    /// Run the gateway in the foreground
    #[command(hide = true)]
    Start(gateway::RunArguments),
    /// Show and change conversations
    Sessions(sessions::Arguments),
    /// Show what runs did, and drive them
    Runs(runs::Arguments),
    /// Show what was sent to people, and settle what may not have arrived
    Deliveries(deliveries::Arguments),
    /// Compare a recorded run with the engine, or try it another way
    Replay(replay::Arguments),
    /// Show the gateway's log
    Logs(logs::Arguments),
    /// List, test and choose models
    Models(models::Arguments),
    /// Show and change the configuration
    Config(config::Arguments),
    /// Answer what agents ask
    Approvals(approvals::Arguments),
    /// Show, admit and remove devices
    Devices(devices::Arguments),
    /// Show and set variables
    Vars(vars::Arguments),
    /// List agents
    Agents(lists::Arguments),
    /// List messages of a conversation
    Message(lists::MessageArguments),
    /// List scheduled jobs
    Cron(lists::Arguments),
    /// List skills
    Skills(lists::Arguments),
    /// List channels
    Channels(lists::Arguments),
    /// List nodes
    Nodes(lists::Arguments),
    /// Pack what helps to find a defect, without secrets
    Support(support::Arguments),
    /// Print the completion script of a shell
    Completion(completion::Arguments),
    /// Print help; what a bare call without a terminal does
    #[command(skip)]
    Help,
}

/// What a command needs around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Files at most.
    Nothing,
    /// A connection to a gateway.
    Connection,
    /// Perhaps the whole engine inside this process.
    Engine,
}

impl Command {
    /// Chooses what a bare call means.
    pub(crate) fn bare(cx: &Cx<'_>) -> Command {
        let terminal = cx.terminal();
        if !terminal.input || !terminal.out || cx.flags.no_input || cx.flags.is_machine() {
            Command::Help
        } else if onboard::is_needed(cx) {
            Command::Onboard(onboard::Arguments::default())
        } else {
            Command::Chat(chat::Arguments::default())
        }
    }

    /// Tells what the command needs around it.
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Command::Agent(_)
            | Command::Chat(_)
            | Command::Onboard(_)
            | Command::Start(_)
            | Command::Replay(_)
            | Command::Support(_) => Needs::Engine,
            Command::Runs(arguments) => arguments.needs(),
            Command::Gateway(arguments) => arguments.needs(),
            Command::Models(arguments) => arguments.needs(),
            Command::Completion(_) | Command::Help => Needs::Nothing,
            Command::Status(_)
            | Command::Health(_)
            | Command::Doctor(_)
            | Command::Sessions(_)
            | Command::Deliveries(_)
            | Command::Logs(_)
            | Command::Config(_)
            | Command::Approvals(_)
            | Command::Devices(_)
            | Command::Vars(_)
            | Command::Agents(_)
            | Command::Message(_)
            | Command::Cron(_)
            | Command::Skills(_)
            | Command::Channels(_)
            | Command::Nodes(_) => Needs::Connection,
        }
    }

    /// Runs the command.
    pub(crate) async fn run(self, cx: &Cx<'_>) -> Result<Report, Failure> {
        match self {
            Command::Agent(arguments) => agent::run(cx, arguments).await,
            Command::Chat(arguments) => chat::run(cx, arguments).await,
            Command::Onboard(arguments) => onboard::run(cx, arguments).await,
            Command::Status(arguments) => status::run(cx, arguments).await,
            Command::Health(arguments) => health::run(cx, arguments).await,
            Command::Doctor(arguments) => doctor::run(cx, arguments).await,
            Command::Gateway(arguments) => gateway::run(cx, arguments).await,
            Command::Start(arguments) => gateway::serve(cx, arguments).await,
            Command::Sessions(arguments) => sessions::run(cx, arguments).await,
            Command::Runs(arguments) => runs::run(cx, arguments).await,
            Command::Deliveries(arguments) => deliveries::run(cx, arguments).await,
            Command::Replay(arguments) => replay::run(cx, arguments).await,
            Command::Support(arguments) => support::run(cx, arguments).await,
            Command::Logs(arguments) => logs::run(cx, arguments).await,
            Command::Models(arguments) => models::run(cx, arguments).await,
            Command::Config(arguments) => config::run(cx, arguments).await,
            Command::Approvals(arguments) => approvals::run(cx, arguments).await,
            Command::Devices(arguments) => devices::run(cx, arguments).await,
            Command::Vars(arguments) => vars::run(cx, arguments).await,
            Command::Agents(_) => lists::run(cx, &lists::AGENTS).await,
            Command::Message(arguments) => lists::messages(cx, arguments).await,
            Command::Cron(_) => lists::run(cx, &lists::CRON).await,
            Command::Skills(_) => lists::run(cx, &lists::SKILLS).await,
            Command::Channels(_) => lists::run(cx, &lists::CHANNELS).await,
            Command::Nodes(_) => lists::run(cx, &lists::NODES).await,
            Command::Completion(arguments) => completion::run(cx, &arguments),
            Command::Help => completion::help(cx),
        }
    }
}

/// Finds the one item an id, or the beginning of one, stands for.
///
/// # Errors
/// Exit 3 when there is none, 2 when there are several.
pub(crate) fn pick<'a>(
    cx: &Cx<'_>,
    items: &'a [serde_json::Value],
    id: &str,
    pointers: &[&str],
    noun: &str,
    listing: &str,
) -> Result<&'a serde_json::Value, Failure> {
    use crate::{peek, text};
    let ids = |item: &serde_json::Value| pointers.iter().map(|pointer| peek::text(item, pointer)).collect::<Vec<_>>();
    if let Some(exact) = items.iter().find(|item| ids(item).iter().any(|own| own == id)) {
        return Ok(exact);
    }
    let fits = |item: &&serde_json::Value| !id.is_empty() && ids(item).iter().any(|own| own.starts_with(id));
    let found: Vec<&serde_json::Value> = items.iter().filter(fits).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(Failure::new(
            crate::exit::Exit::NotFound,
            "NOT_FOUND",
            cx.say(&text::NO_SUCH, &[("what", noun), ("name", id)]),
        )
        .next(listing)),
        several => {
            let all = several.iter().map(|item| ids(item).join(" ")).collect::<Vec<_>>().join(", ");
            let message = cx.say(&text::AMBIGUOUS, &[("what", noun), ("name", id), ("all", &all)]);
            Err(Failure::usage(message).next(listing))
        }
    }
}

/// Adds a table to a report, or a line that says there is nothing.
pub(crate) fn or_empty(cx: &Cx<'_>, report: Report, table: crate::out::Table, count: usize, noun: &str) -> Report {
    if count > 0 {
        return report.table(table);
    }
    let line = crate::out::Line::new().tone(crate::out::Tone::Dim, cx.say(&crate::text::EMPTY_LIST, &[("what", noun)]));
    if cx.flags.plain { report } else { report.line(line) }
}
