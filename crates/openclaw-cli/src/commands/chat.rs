//! `chat`, also `tui`: talk with the agent.

use clap::Args;
use openclaw_client::Introduction;

use crate::cx::Cx;
use crate::failure::Failure;
use crate::out::Report;
use crate::tui::{self, Dialling, Manner, Outside, TuiOptions};
use crate::{link, text};

#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// Conversation to go on with
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// Agent to talk with
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// A first message
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Work inside this command even when a gateway runs
    #[arg(long)]
    local: bool,
    /// A model served on this machine to use with --local
    #[arg(long, value_name = "MODEL")]
    local_llm: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    if !cx.terminal().input || !cx.terminal().out || cx.flags.no_input {
        return Err(Failure::usage(cx.say(&text::CHAT_NEEDS_TERMINAL, &[])).next("openclaw agent --help"));
    }
    let mut options = link::options_as(cx, Introduction::tui(env!("CARGO_PKG_VERSION")));
    options.caps.push(tui::CURSORS.to_owned());
    let is_local = arguments.local || arguments.local_llm.is_some();
    let reached = link::connect_or_embed_with(cx, is_local, options.clone(), arguments.local_llm).await?;
    let agent = arguments.agent.unwrap_or_else(|| "main".to_owned());
    let tui = TuiOptions {
        session_key: super::agent::full_key(&agent, arguments.session.as_deref().unwrap_or("main")),
        agent,
        lang: cx.lang,
        is_coloured: cx.paint().is_on,
        manner: Manner::choose(&cx.env),
        is_embedded: reached.is_embedded(),
        state_dir: cx.home.state_dir.clone(),
        first_message: arguments.message,
        now: cx.now,
    };
    let dial = || -> Dialling<'_> {
        Box::pin(async {
            let found = link::find(cx, &options).await?;
            found.map_err(|down| down.failure)
        })
    };
    let editor =
        ["VISUAL", "EDITOR"].iter().find_map(|name| cx.env.get(name)).filter(|editor| !editor.trim().is_empty());
    let outside = Outside { backend: cx.backend, editor };
    let result = Box::pin(tui::run(reached.client.clone(), tui, &dial, outside)).await;
    reached.end().await;
    result.map(|()| Report::told())
}
