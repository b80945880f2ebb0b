//! Onboarding is killed at every step, with no chance to clean up, and run again.

use std::sync::{Arc, Mutex};

use openclaw_testkit::latch::Latch;
use openclaw_testkit::server::{Reply, Script};
use serde_json::{Value, json};

use super::{Home, Model, until};
use openclaw_testkit::Terminal;

const KEY: &str = "sk-test-abcdefghijklmnop4f";

/// A model whose replies can be held back: it has taken the request and says nothing.
struct Held {
    door: Arc<Mutex<Option<Latch>>>,
    model: Model,
}

impl Held {
    fn start() -> Held {
        let door = Arc::new(Mutex::new(None::<Latch>));
        let its = Arc::clone(&door);
        let script = Script::answering(move |_| {
            let reply = Reply::new();
            let reply = match its.lock().unwrap().as_ref() {
                Some(door) => reply.hold(door),
                None => reply,
            };
            reply.text("ready when you are")
        });
        Held { door, model: Model::start(script.key(KEY)) }
    }

    /// Holds replies back from now on; the door tells when somebody waits.
    fn hold(&self) -> Latch {
        self.door.lock().unwrap().insert(Latch::new()).clone()
    }

    fn answer(&self) {
        *self.door.lock().unwrap() = None;
    }

    fn reached(&self, door: &Latch) {
        self.model.wait("a request at the model", door.reached());
    }
}

fn onboarding(home: &Home) -> Terminal {
    home.terminal(&["onboard"], 100, 40)
}

/// Chooses the server given by its address, and answers until a question stands there.
fn choose_until(terminal: &mut Terminal, text: &str, url: &str) {
    let shown = terminal.wait("Choose [1]: ");
    let option = shown.lines().find(|line| line.contains("other OpenAI-style URL")).unwrap();
    let number = option.split_whitespace().find(|word| word.parse::<u8>().is_ok()).unwrap().to_owned();
    let parts = [
        ("base URL", number),
        ("model name at that server: ", format!("{url}/v1")),
        ("key for that server (hidden): ", "mock-1".to_owned()),
    ];
    for (question, answer) in parts {
        terminal.send(&format!("{answer}\n"));
        terminal.wait(question);
        if question == text {
            return;
        }
    }
}

fn record(home: &Home) -> Value {
    serde_json::from_str(&home.read(".openclaw/onboarding.json")).unwrap()
}

#[test]
fn killed_at_each_step_of_onboarding_the_next_run_goes_on_there() {
    let held = Held::start();
    let home = Home::empty();
    // The key of the machine's owner, from before.
    home.write(".openclaw/.env", "OPENCLAW_CUSTOM_API_KEY='old-key'\n");

    // At the first question and at each of its parts nothing is on disk yet.
    for text in ["Choose [1]: ", "base URL", "model name at that server: ", "key for that server (hidden): "] {
        let mut terminal = onboarding(&home);
        if text == "Choose [1]: " {
            terminal.wait(text);
        } else {
            choose_until(&mut terminal, text, &held.model.url());
        }
        let shown = terminal.kill();
        assert!(!shown.contains("kept from before"), "{shown}");
        assert!(!home.path(".openclaw/openclaw.json").exists() && !home.path(".openclaw/onboarding.json").exists());
        assert_eq!(home.read(".openclaw/.env"), "OPENCLAW_CUSTOM_API_KEY='old-key'\n");
    }

    // While the model is tried: what was given is kept, and is not proven.
    let door = held.hold();
    let mut terminal = onboarding(&home);
    choose_until(&mut terminal, "key for that server (hidden): ", &held.model.url());
    terminal.send(&format!("{KEY}\n"));
    held.reached(&door);
    let shown = terminal.kill();
    assert!(!shown.contains("answered in"), "{shown}");
    assert!(home.read(".openclaw/.env").contains(KEY));
    assert_eq!((&record(&home)["model"], &record(&home)["trial"]["model"]), (&Value::Null, &json!("custom/mock-1")));

    // Killed again, at the second try.
    let door = held.hold();
    let mut terminal = onboarding(&home);
    terminal.wait("custom/mock-1 has not answered yet; trying it again");
    held.reached(&door);
    terminal.kill();
    assert_eq!(record(&home)["model"], Value::Null);

    // It is tried again without a question, answers, and the next question comes.
    held.answer();
    let mut terminal = onboarding(&home);
    let shown = terminal.wait("Folder [");
    assert!(shown.contains("trying it again") && shown.contains("ok custom/mock-1 answered in"), "{shown}");
    assert!(!shown.contains("Choose [1]") && !shown.contains("hidden"), "{shown}");
    terminal.kill();
    assert_eq!((&record(&home)["model"], &record(&home)["trial"]), (&json!("custom/mock-1"), &Value::Null));
    assert!(!home.path(".openclaw/.env.before").exists());

    // At the folder.
    let mut terminal = onboarding(&home);
    let shown = terminal.wait("Folder [");
    assert!(shown.contains("kept from before: custom/mock-1") && !shown.contains("Choose [1]"), "{shown}");
    terminal.send(&format!("{}\n", home.path("work").display()));
    terminal.wait("Choose [1]: ");
    terminal.kill();

    // At the last question.
    let door = held.hold();
    let mut terminal = onboarding(&home);
    let shown = terminal.wait("Choose [1]: ");
    assert!(shown.contains("3 of 3") && !shown.contains("Folder ["), "{shown}");
    terminal.send("1\n");
    held.reached(&door);
    terminal.kill();
    assert_eq!((&record(&home)["service"], &record(&home)["isProved"]), (&json!(false), &json!(false)));

    // Before the reply: nothing is asked again.
    held.answer();
    let mut terminal = onboarding(&home);
    let shown = terminal.wait("ok ready: custom/mock-1 replied");
    assert!(!shown.contains("Choose [1]") && !shown.contains("Folder [") && !shown.contains("hidden"), "{shown}");
    assert!(shown.contains("ready when you are"), "{shown}");
    until("the record", || record(&home)["isProved"] == true);
    terminal.kill();
}

#[test]
fn a_key_that_is_rejected_after_a_kill_gives_way_to_the_one_before() {
    let held = Held::start();
    let home = Home::empty();
    home.write(".openclaw/.env", "OPENCLAW_CUSTOM_API_KEY='old-key'\n");
    let mut terminal = onboarding(&home);
    choose_until(&mut terminal, "key for that server (hidden): ", &held.model.url());
    // Killed between typing the key and its first answer: the server is asked while it holds.
    let door = held.hold();
    terminal.send(&format!("{KEY}\n"));
    held.reached(&door);
    terminal.kill();
    held.answer();
    // The provider has withdrawn the key meanwhile.
    let stricter = Model::start(Script::answering(|_| Reply::say("no")).key("another-key"));
    let config = home.read(".openclaw/openclaw.json").replace(&held.model.url(), &stricter.url());
    home.write(".openclaw/openclaw.json", &config);
    let mut terminal = onboarding(&home);
    let shown = terminal.wait("[s] finish later: ");
    assert!(shown.contains("key rejected by that server") && shown.contains("It ends in 4f."), "{shown}");
    assert_eq!(home.read(".openclaw/.env"), "OPENCLAW_CUSTOM_API_KEY='old-key'\n");
    assert_eq!(record(&home)["trial"], Value::Null);
    terminal.kill();
}
