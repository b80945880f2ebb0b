//! `models`: what there is, whether it answers, and which one is used.

use std::time::Duration;

use clap::{Args, Subcommand};
use openclaw_client::Client;
use serde_json::{Value, json};

use super::Needs;
use crate::cx::Cx;
use crate::exchange::exchange;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, number, progress, time};
use crate::{link, peek, text};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List models
    List {
        /// Also those no credential is configured for
        #[arg(long)]
        all: bool,
    },
    /// Have models answer, and measure it
    Probe {
        /// Models; without any, the ones that are configured
        #[arg(value_name = "MODEL")]
        models: Vec<String>,
    },
    /// Use a model from now on
    #[command(visible_alias = "set")]
    Use {
        /// PROVIDER/MODEL
        #[arg(value_name = "MODEL")]
        model: String,
    },
}

impl Arguments {
    pub(crate) fn needs(&self) -> Needs {
        match &self.verb {
            None | Some(Verb::List { .. } | Verb::Probe { .. }) => Needs::Engine,
            Some(Verb::Use { .. }) => Needs::Connection,
        }
    }
}

/// Runs the command. Listing and testing need no gateway: they embed one.
pub(crate) async fn run(cx: &Cx<'_>, arguments: Arguments) -> Result<Report, Failure> {
    let verb = arguments.verb.unwrap_or(Verb::List { all: false });
    if let Verb::Use { model } = verb {
        return choose(cx, &model).await;
    }
    let reached = link::connect_or_embed(cx, false).await?;
    let report = match verb {
        Verb::List { all } => list(cx, &reached.client, all).await,
        Verb::Probe { models } => probe_all(cx, &reached.client, models).await,
        Verb::Use { model } => choose(cx, &model).await,
    };
    reached.end().await;
    report
}

async fn list(cx: &Cx<'_>, client: &Client, is_all: bool) -> Result<Report, Failure> {
    let view = if is_all { "all" } else { "configured" };
    let answer = client.call("models.list", json!({"view": view})).await?;
    let models = peek::list(&answer, "/models");
    let mut table = Table::new(vec![
        Column::id("model"),
        Column::text("name", 1),
        Column::number("context", 4),
        Column::text("reasons", 3),
        Column::text("sees", 2),
        Column::text("state", 5),
    ]);
    for model in models {
        let is_default = peek::list(model, "/tags").iter().any(|tag| tag == "default");
        let state = match (model["available"] != false, is_default) {
            (true, true) => (Tone::Done, "default".to_owned()),
            (true, false) => (Tone::Plain, "ok".to_owned()),
            (false, _) => (Tone::Waits, "no key".to_owned()),
        };
        let sees = peek::list(model, "/input").iter().any(|kind| kind == "image");
        table.row([
            (Tone::Plain, name(model)),
            (Tone::Plain, peek::text(model, "/name")),
            (Tone::Plain, peek::int(model, "/contextWindow").map(number::thousands).unwrap_or_default()),
            (Tone::Plain, if peek::is(model, "/reasoning") { "yes" } else { "-" }.to_owned()),
            (Tone::Plain, if sees { "yes" } else { "-" }.to_owned()),
            state,
        ]);
    }
    let noun = cx.say(&text::NOUN_MODELS, &[]);
    Ok(super::or_empty(cx, Report::of(answer.clone()).items(models.to_vec()), table, models.len(), &noun))
}

fn name(model: &Value) -> String {
    format!("{}/{}", peek::text(model, "/provider"), peek::text(model, "/id"))
}

async fn probe_all(cx: &Cx<'_>, client: &Client, mut models: Vec<String>) -> Result<Report, Failure> {
    if models.is_empty() {
        let answer = client.call("models.list", json!({"view": "configured"})).await?;
        let available = peek::list(&answer, "/models").iter().filter(|model| model["available"] != false);
        models = available.map(name).collect();
    }
    let mut table = Table::new(vec![
        Column::id("model"),
        Column::number("first token", 4),
        Column::number("took", 3),
        Column::text("state", 5),
        Column::text("said", 2),
    ]);
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for model in &models {
        let probing = exchange(client, Some(model), "Reply with the single word: ready");
        let probed = progress::during(cx, model, "the model", probing).await;
        let span = |took: Duration| time::span(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let (tone, state) = if probed.failure.is_some() { (Tone::Failed, "x") } else { (Tone::Done, "ok") };
        table.row([
            (Tone::Plain, model.clone()),
            (Tone::Plain, probed.first_token.map(span).unwrap_or_default()),
            (Tone::Plain, span(probed.took)),
            (tone, state.to_owned()),
            (Tone::Plain, probed.failure.clone().unwrap_or_default()),
        ]);
        rows.push(json!({
            "model": model, "ok": probed.failure.is_none(), "error": probed.failure,
            "firstTokenMs": probed.first_token.map(|took| took.as_millis() as u64),
            "tookMs": probed.took.as_millis() as u64,
        }));
        if let Some(cause) = probed.failure {
            failed.push(cx.say(&text::MODEL_FAILED, &[("model", model), ("cause", &cause)]));
        }
    }
    let mut report = Report::of(json!({ "models": rows })).items(rows);
    report = super::or_empty(cx, report, table, models.len(), &cx.say(&text::NOUN_MODELS, &[]));
    if !failed.is_empty() {
        report.exit = Some(Exit::Model);
        report.warnings = failed;
        report.next.push("openclaw doctor".to_owned());
    }
    Ok(report)
}

async fn choose(cx: &Cx<'_>, model: &str) -> Result<Report, Failure> {
    let is_full = model.split_once('/').is_some_and(|(provider, id)| !provider.is_empty() && !id.is_empty());
    if !is_full {
        return Err(Failure::usage(cx.say(&text::MODEL_FORM, &[("model", model)])).next("openclaw models list"));
    }
    let written = super::config::write(cx, "agents.defaults.model.primary", Some(json!(model))).await?;
    let line = Line::marked(Tone::Done, "ok", cx.say(&text::MODEL_USED, &[("model", model)]));
    Ok(Report::of(json!({"model": model, "config": written.data}))
        .line(line)
        .next(format!("openclaw models probe {model}")))
}
