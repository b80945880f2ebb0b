//! What a person at the terminal feels: keys while an answer streams, a question that
//! is answered elsewhere, the first reply after setting up.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use openclaw_testkit::Terminal;
use serde_json::json;

use crate::figures::{Figure, median, ms};
use crate::rig::{self, Pace, Programs, Rig, TOKEN};
use crate::ws::Client;

/// The long answer: about 200 tokens a second for ten seconds; a timer adds about 1 ms to a pause.
const STREAM: Pace = Pace { deltas: 2000, pause_ms: 4 };

/// Time between two keys.
const BETWEEN_KEYS: Duration = Duration::from_millis(50);

/// Keys that are nowhere in an answer or an escape sequence, each once.
const KEYS: &str = "абвгдежзийклмнопрстуфхцчшщъыьэюя";

/// Questions of one run of the closing figure.
const QUESTIONS: usize = 20;

/// Runs of the onboarding figure.
const HOMES: usize = 5;

fn start(programs: &Programs, arguments: &[&str], home: &Path) -> Terminal {
    let mut command = Command::new(&programs.gateway);
    command.args(arguments).env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
    command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("NO_COLOR", "1").current_dir(home);
    Terminal::start(&command, 100, 40)
}

fn chat(rig: &Rig, programs: &Programs) -> Terminal {
    let mut chat = start(programs, &["chat"], rig.home());
    chat.wait("connected to gateway");
    chat
}

/// Processor time of the conversation while an answer streams, and how long a key takes
/// to be drawn meanwhile.
pub(crate) async fn typing(programs: Programs) -> anyhow::Result<Figure> {
    let rig = Rig::at_pace(&programs, STREAM)?;
    let mut chat = chat(&rig, &programs);
    chat.send("go\r");
    chat.wait("tok0 ");
    let (began, before) = (Instant::now(), rig::processor_time(chat.pid())?);
    let last = format!("tok{}", STREAM.deltas - 1);
    let mut echoes = Vec::new();
    for (number, key) in KEYS.chars().cycle().enumerate() {
        if chat.skip(&last) {
            break;
        }
        let pressed = Instant::now();
        chat.send(&key.to_string());
        let shown = chat.wait(&key.to_string());
        echoes.push(pressed.elapsed());
        if shown.contains(&last) {
            break;
        }
        if number % KEYS.chars().count() == KEYS.chars().count() - 1 {
            // Clears the line, so that no key stands there twice.
            chat.send("\u{15}");
        }
        std::thread::sleep(BETWEEN_KEYS);
    }
    let (took, spent) = (began.elapsed(), rig::processor_time(chat.pid())?.saturating_sub(before));
    let p50 = median(&mut echoes);
    let p99 = echoes.get(echoes.len() * 99 / 100).copied().unwrap_or_default();
    let rate = STREAM.deltas as f64 / took.as_secs_f64();
    let busy = 100.0 * spent.as_secs_f64() / took.as_secs_f64();
    Ok(Figure {
        text: format!(
            "{busy:.1} % of a core at {rate:.0} tokens/s; a key is drawn in {:.2} ms (median of {}, p99 {:.2} ms)",
            ms(p50),
            echoes.len(),
            ms(p99)
        ),
        json: json!({ "processorPercent": busy, "tokensPerSecond": rate, "keys": echoes.len(), "echoMs": ms(p50), "echoP99Ms": ms(p99) }),
    })
}

/// From the answer of another client until the question is gone from the terminal.
pub(crate) async fn closing(programs: Programs) -> anyhow::Result<Figure> {
    let rig = Rig::start(&programs)?;
    let mut other = Client::connect(rig.port, TOKEN).await?;
    let mut chat = chat(&rig, &programs);
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for number in 0..QUESTIONS {
        let command = format!("touch proof-{number}");
        chat.send(&format!("\x1b[200~call exec {}\x1b[201~", json!({ "command": command })));
        chat.wait("}");
        let sent = Instant::now();
        chat.send("\r");
        chat.wait("NEEDS YOU");
        opened.push(sent.elapsed());
        let pending = other.ask("exec.approval.list", &json!({})).await?;
        let listed = pending.as_array().or_else(|| pending["approvals"].as_array());
        let id = listed.and_then(|all| all.first()).map(|first| first["id"].clone()).context("no question is open")?;
        let answered = Instant::now();
        other.send_only("exec.approval.resolve", &json!({ "id": id, "decision": "deny" })).await?;
        chat.wait("denied by");
        closed.push(answered.elapsed());
        chat.wait("The tools returned");
    }
    let (open, close) = (median(&mut opened), median(&mut closed));
    let max = |times: &[Duration]| times.last().copied().unwrap_or_default();
    Ok(Figure {
        text: format!(
            "a question answered elsewhere closes in {:.1} ms (median of {QUESTIONS}, worst {:.1} ms); from Enter to the question {:.1} ms (worst {:.1} ms)",
            ms(close),
            ms(max(&closed)),
            ms(open),
            ms(max(&opened))
        ),
        json: json!({ "closeMs": ms(close), "closeMaxMs": ms(max(&closed)), "openMs": ms(open), "openMaxMs": ms(max(&opened)) }),
    })
}

/// From the last answer of onboarding to the first reply, with a model that does not think.
pub(crate) async fn onboarding(programs: Programs) -> anyhow::Result<Figure> {
    let (_model, port) = rig::model(&programs, Pace { deltas: 20, pause_ms: 0 })?;
    let mut times = Vec::new();
    for _ in 0..HOMES {
        times.push(set_up(&programs, port)?);
    }
    let (median, max) = (median(&mut times), times.last().copied().unwrap_or_default());
    Ok(Figure {
        text: format!(
            "first reply {:.1} ms after the last answer (median of {HOMES}, worst {:.1} ms)",
            ms(median),
            ms(max)
        ),
        json: json!({ "medianMs": ms(median), "maxMs": ms(max) }),
    })
}

fn set_up(programs: &Programs, port: u16) -> anyhow::Result<Duration> {
    let home = tempfile::tempdir()?;
    let mut terminal = start(programs, &["onboard"], home.path());
    let shown = terminal.wait("Choose [1]: ");
    let option = shown.lines().find(|line| line.contains("other OpenAI-style URL")).context("no such option")?;
    let number = option.split_whitespace().find(|word| word.parse::<u8>().is_ok()).context("no number")?.to_owned();
    let answers = [
        (number, "base URL"),
        (format!("http://127.0.0.1:{port}/v1"), "model name at that server: "),
        ("mock-1".to_owned(), "(hidden): "),
        ("none".to_owned(), "Folder ["),
        (home.path().join("work").display().to_string(), "Choose [1]: "),
    ];
    for (answer, next) in answers {
        terminal.send(&format!("{answer}\n"));
        terminal.wait(next);
    }
    let began = Instant::now();
    terminal.send("\n");
    terminal.wait("tok0 ");
    Ok(began.elapsed())
}
