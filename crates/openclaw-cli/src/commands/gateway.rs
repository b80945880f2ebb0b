//! `gateway`: runs it, starts and stops it, keeps it as a service, and calls its
//! methods by hand.

mod manage;
mod probe;

use clap::{Args, Subcommand};
use openclaw_client::Call;
use serde_json::Value;

use super::Needs;
use crate::backend::ServeOptions;
use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::{Line, Report, Tone};
use crate::{link, text};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run it in the foreground
    Run(RunArguments),
    /// Start it in the background
    Start(RunArguments),
    /// Stop it
    Stop,
    /// Stop it and start it again
    Restart(RunArguments),
    /// Tell whether it runs, and how
    Status,
    /// Try every way to reach it
    Probe,
    /// Keep it running as a service of this account
    Install(RunArguments),
    /// Remove the service
    Uninstall,
    /// Call a method and print its answer
    Call {
        /// Method, for example health
        method: String,
        /// Parameters as a JSON object; `-` reads them from standard input
        #[arg(long, value_name = "JSON", default_value = "{}")]
        params: String,
        /// Wait for the second answer of methods that answer twice
        #[arg(long)]
        expect_final: bool,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArguments {
    /// Port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// loopback, lan, auto, tailnet or an address
    #[arg(long, value_name = "WHERE")]
    bind: Option<String>,
    /// token, password or none
    #[arg(long, value_name = "MODE", value_parser = ["token", "password", "none", "trusted-proxy"])]
    auth: Option<String>,
    /// File that holds the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<std::path::PathBuf>,
    /// File that holds the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<std::path::PathBuf>,
    #[arg(long, hide = true, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    #[arg(long, hide = true, value_name = "PASSWORD", conflicts_with = "password_file")]
    password: Option<String>,
    /// A model served on this machine to use, by name
    #[arg(long, value_name = "MODEL")]
    local_llm: Option<String>,
    /// Take over from a gateway that still runs
    #[arg(long)]
    force: bool,
    // Accepted because scripts of the original pass it; a missing file is fine here anyway.
    #[arg(long, hide = true)]
    allow_unconfigured: bool,
}

impl Arguments {
    pub(crate) fn needs(&self) -> Needs {
        match &self.verb {
            None | Some(Verb::Run(_)) => Needs::Engine,
            Some(
                Verb::Start(_)
                | Verb::Stop
                | Verb::Restart(_)
                | Verb::Status
                | Verb::Probe
                | Verb::Install(_)
                | Verb::Uninstall
                | Verb::Call { .. },
            ) => Needs::Connection,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    match arguments.verb.unwrap_or(Verb::Run(arguments.run)) {
        Verb::Run(run) => serve(cx, run).await,
        Verb::Start(run) => manage::start(cx, &run).await,
        Verb::Stop => manage::stop(cx).await,
        Verb::Restart(run) => manage::restart(cx, &run).await,
        Verb::Status => probe::status(cx).await,
        Verb::Probe => probe::probe(cx).await,
        Verb::Install(run) => manage::install(cx, &run).await,
        Verb::Uninstall => manage::uninstall(cx).await,
        Verb::Call { method, params, expect_final } => call(cx, method, &params, expect_final).await,
    }
}

/// Runs the gateway in the foreground until it is told to stop.
pub(crate) async fn serve(cx: &Cx<'_>, run: RunArguments) -> Result<Report, Failure> {
    for (given, flag) in [(&run.token, "--token-file"), (&run.password, "--password-file")] {
        if given.is_some() {
            let warning = cx.say(&text::TOKEN_IN_ARGUMENTS, &[("flag", flag)]);
            cx.note(&Line::marked(Tone::Waits, "!", warning));
        }
    }
    let local_llm = run.local_llm.or_else(|| cx.env.get("OPENCLAW_LOCAL_LLM").map(str::to_owned));
    let options = ServeOptions {
        profile: cx.flags.profile_name(),
        port: run.port,
        bind: run.bind,
        auth: run.auth,
        token: secret(run.token, run.token_file)?,
        password: secret(run.password, run.password_file)?,
        local_llm,
        force: run.force,
        verbosity: cx.flags.verbose,
    };
    cx.backend.serve(options).await?;
    Ok(Report::told())
}

fn secret(given: Option<String>, file: Option<std::path::PathBuf>) -> Result<Option<String>, Failure> {
    let Some(path) = file else { return Ok(given) };
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(Failure::usage(format!("{} holds no secret", path.display())).next("openclaw gateway run --help"));
    }
    Ok(Some(secret.to_owned()))
}

/// Installs the service with the configured settings; used by onboarding.
pub(crate) async fn install(cx: &Cx<'_>) -> Result<Report, Failure> {
    manage::install(cx, &RunArguments::default()).await
}

/// Returns the arguments with which this program runs the gateway again.
fn arguments(cx: &Cx<'_>, run: &RunArguments) -> Vec<String> {
    let mut words = vec!["gateway".to_owned(), "run".to_owned()];
    let mut put = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([flag.to_owned(), value]);
        }
    };
    put("--profile", cx.flags.profile_name());
    put("--port", run.port.map(|port| port.to_string()));
    put("--bind", run.bind.clone());
    put("--auth", run.auth.clone());
    put("--token-file", run.token_file.as_ref().map(|path| path.display().to_string()));
    put("--password-file", run.password_file.as_ref().map(|path| path.display().to_string()));
    put("--local-llm", run.local_llm.clone());
    words
}

async fn call(cx: &Cx<'_>, method: String, params: &str, expect_final: bool) -> Result<Report, Failure> {
    let piped;
    let params = if params == "-" {
        piped = cx.io.read_all().await.map_err(|error| {
            Failure::usage(format!("cannot read standard input: {error}")).next("openclaw gateway run --help")
        })?;
        piped.as_str()
    } else {
        params
    };
    let params: Value =
        serde_json::from_str(params).ok().filter(Value::is_object).ok_or_else(|| wrong_params(cx, params))?;
    let client = link::connect(cx).await?;
    let answer = client.perform(Call { method, params, expect_final, timeout: cx.flags.timeout }).await;
    client.close().await;
    let answer = answer?;
    let pretty = serde_json::to_string_pretty(&answer).unwrap_or_default() + "\n";
    Ok(Report::of(answer).raw(pretty))
}

fn wrong_params(cx: &Cx<'_>, params: &str) -> Failure {
    let cause = match serde_json::from_str::<Value>(params) {
        Ok(_) => "not an object".to_owned(),
        Err(error) => error.to_string(),
    };
    Failure::usage(cx.say(&text::PARAMS_JSON, &[("cause", &cause)])).next("openclaw gateway call health --params '{}'")
}
