//! The second question: which folder the agent may work in.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Arguments, record::Record, say};
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Line, Tone};
use crate::text;

/// Asks, checks at once that the folder can be written, and keeps it.
pub(super) async fn ask(cx: &Cx<'_>, arguments: &Arguments, record: &mut Record) -> Result<(), Failure> {
    let path = match (&arguments.workspace, &record.workspace) {
        (Some(given), _) => settle(cx, &cx.home.expand(&given.to_string_lossy()))?,
        (None, Some(kept)) => {
            say(cx, &Line::plain(cx.say(&text::ONBOARD_KEPT, &[("what", &cx.shown(kept))])));
            settle(cx, kept)?
        }
        (None, None) => choose(cx).await?,
    };
    say(cx, &Line::marked(Tone::Done, "ok", cx.say(&text::ONBOARD_FOLDER_OK, &[("path", &cx.shown(&path))])));
    crate::commands::config::write_own(cx, "agents.defaults.workspace", Some(json!(path.display().to_string())))
        .await?;
    record.workspace = Some(path);
    record.write(cx)
}

async fn choose(cx: &Cx<'_>) -> Result<PathBuf, Failure> {
    let default = cx.home.home.join("openclaw-work");
    if !cx.can_ask() {
        return settle(cx, &default);
    }
    loop {
        let question = cx.say(&text::ONBOARD_FOLDER, &[("default", &cx.shown(&default))]);
        let answer = cx.ask(&question, "--workspace").await?;
        let path = match answer.as_str() {
            "" => default.clone(),
            "here" | "." => cx.env.cwd().map_or_else(|| default.clone(), Path::to_path_buf),
            given => cx.home.expand(given),
        };
        match settle(cx, &path) {
            Ok(path) => return Ok(path),
            Err(failure) => say(cx, &Line::marked(Tone::Failed, "x", failure.message)),
        }
    }
}

/// Makes the folder and proves that it can be written.
fn settle(cx: &Cx<'_>, path: &Path) -> Result<PathBuf, Failure> {
    let path = match cx.env.cwd() {
        Some(cwd) if path.is_relative() => cwd.join(path),
        Some(_) | None => path.to_path_buf(),
    };
    let proof = path.join(format!(".openclaw-{}", uuid::Uuid::new_v4().simple()));
    let proved = std::fs::create_dir_all(&path)
        .and_then(|()| std::fs::write(&proof, b""))
        .and_then(|()| std::fs::remove_file(&proof));
    match proved {
        Ok(()) => Ok(path),
        Err(error) => {
            let values = [("path", cx.shown(&path)), ("cause", error.to_string())];
            let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Err(Failure::new(Exit::Usage, "WORKSPACE", cx.say(&text::ONBOARD_FOLDER_BAD, &values))
                .at_file(cx.shown(&path))
                .next("openclaw onboard --workspace ~/openclaw-work"))
        }
    }
}
