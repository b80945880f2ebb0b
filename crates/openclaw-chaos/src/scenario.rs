//! The scenarios of the matrix, one row each.

mod between;
mod upkeep;

pub use between::Between;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::plan::{Call, Plan};

/// A story that is told until the gateway dies, and again until it is over.
#[derive(Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Merged over the configuration.
    pub config: fn(SocketAddr) -> Value,
    /// What is done, in order. Every act may be done again with the same effect.
    pub acts: fn(&Ground) -> Vec<Act>,
    /// A first crash, for stories that begin with a recovery: `<site>/<moment>:<nth>`.
    pub after: Option<&'static str>,
    /// What happens while the gateway is down.
    pub between: Between,
    /// Sites it is killed at; all it reaches when this is empty.
    pub focus: &'static [&'static str],
}

/// What a scenario needs to know of its world.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Where the effect server listens.
    pub effects: SocketAddr,
    /// This program, which is also the command that has an effect.
    pub own: PathBuf,
}

/// One act of a client.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says something, until it is accepted.
    Say(Say),
    /// Waits until the model was asked this often.
    Calls(usize),
    /// Waits until all that was said so far is over.
    Over,
    /// Waits until a run waits for a person.
    Asked,
    /// Calls a method that may be called again with the same effect.
    Call(&'static str, Value),
    /// Shows older turns of a session as a summary.
    Shorten(&'static str),
    /// Shows all turns of a session again.
    Restore(&'static str),
    /// Somebody else takes a running run over and dies; only once.
    Steal,
    /// Says of calls whose outcome is not known what became of them.
    Settle,
    /// Sends deliveries again that may not have arrived.
    SendAgain,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Say {
    /// The session it is said in.
    pub session: String,
    /// Its id: the idempotency key, and the word that the answer names.
    pub id: String,
    /// What the model does about it.
    pub plan: Plan,
    /// What is done when the session is busy.
    pub queue: Option<&'static str>,
    /// The run's own time limit.
    pub timeout_ms: Option<u64>,
    /// Whether the answer is sent to somebody besides.
    pub is_delivered: bool,
    /// How its run may end.
    pub ends: &'static [&'static str],
}

impl Say {
    fn main(id: &str, plan: Plan) -> Self {
        Self::new(MAIN, id, plan)
    }

    /// Makes a message that must be answered.
    pub fn new(session: &str, id: &str, plan: Plan) -> Self {
        Self {
            session: session.to_owned(),
            id: id.to_owned(),
            plan,
            queue: None,
            is_delivered: false,
            timeout_ms: None,
            ends: &["done"],
        }
    }
}

const MAIN: &str = "agent:main:main";
const PEER: &str = "agent:main:peer";

const fn row(name: &'static str, about: &'static str, acts: fn(&Ground) -> Vec<Act>) -> Scenario {
    Scenario { name, about, config: none, acts, after: None, between: Between::Nothing, focus: &[] }
}

impl Scenario {
    const fn asking(mut self) -> Self {
        self.config = ask;
        self
    }

    const fn delivering(mut self) -> Self {
        self.config = deliver;
        self
    }

    const fn telling(mut self) -> Self {
        self.config = tell;
        self
    }

    const fn with(mut self, config: fn(SocketAddr) -> Value) -> Self {
        self.config = config;
        self
    }

    const fn between(mut self, between: Between) -> Self {
        self.between = between;
        self
    }

    /// For stories that take long: only these sites are what they are told for.
    const fn focus(mut self, sites: &'static [&'static str]) -> Self {
        self.focus = sites;
        self
    }

    /// Begins with a crash, so that the next one falls into a recovery.
    const fn after(mut self, at: &'static str) -> Self {
        self.after = Some(at);
        self
    }
}

/// All scenarios.
pub const ALL: &[Scenario] = &[
    row("answer", "one model call", answer),
    row("tools", "a model and three tools, one after another: read, write, exec", tools),
    row("parallel", "four tools at once, one of each effect class", parallel),
    row("approval", "a command that a person must allow", approval).asking(),
    row("child", "another session answers: sessions_send", child),
    row("steer", "input that joins a run at work", steer),
    row("queue", "input that waits for its turn", queue),
    row("stream", "a long text, kept piece by piece", stream),
    row("abort", "a run that a person stops", abort),
    row("deadline", "a run whose time is up", deadline),
    row("refused", "a model that does not answer", refused),
    row("label", "a session that is changed", label),
    row("outbox", "an answer that is sent to somebody", outbox).delivering(),
    row("recover-outbox", "recovery of an answer that was being sent", outbox)
        .delivering()
        // The first look at the outbox, at the start, finds nothing.
        .after("outbox.take/after-commit:2"),
    row("recover-model", "recovery of a model call", stream).after("event.model_delta/after-commit:1"),
    row("recover-tools", "recovery of four tools at work", parallel).after("event.tool_started/after-commit:1"),
    row("recover-result", "recovery of a command that was run", tools).after("engine.tool_result/after-dispatch:3"),
    row("recover-told", "recovery of a command whose outcome the model is told is unknown", tools)
        .telling()
        .after("engine.tool_result/after-dispatch:3"),
    row("recover-approval", "recovery of an open question", approval)
        .asking()
        .after("event.approval_requested/after-commit:1"),
    row("recover-child", "recovery of two sessions, one waiting for the other", child)
        .after("event.model_done/before-write:3"),
    row("recover-queue", "recovery of a run and of waiting input", queue).after("event.model_delta/after-commit:1"),
    row("recover-steer", "recovery of a run that was given more input", steer).after("event.steered/after-commit:1"),
    row("shorten", "a conversation that is shortened by hand, and shown whole again", upkeep::shorten),
    row("overflow", "a conversation that is shortened because it is too long", upkeep::overflow).with(upkeep::small),
    row("recover-overflow", "recovery of a run whose conversation was shortened", upkeep::overflow)
        .with(upkeep::small)
        .after("event.compacted/after-commit:1"),
    row("recover-summary", "recovery of a run whose summary was made and not recorded", upkeep::overflow)
        .with(upkeep::small)
        .after("engine.summary_made/after-dispatch:1"),
    row("checkpoint", "a run whose state is kept at every step", tools).with(upkeep::keeping),
    row("torn-checkpoint", "recovery of a run whose kept state is torn", upkeep::paying)
        .with(upkeep::keeping)
        .after("journal.keep_checkpoint/after-commit:2")
        .between(Between::Torn),
    row("lost-checkpoint", "recovery of a run whose kept state is gone", upkeep::paying)
        .with(upkeep::keeping)
        .after("journal.keep_checkpoint/after-commit:2")
        .between(Between::Lost),
    row("forged-checkpoint", "recovery of a run whose kept state says something else", upkeep::paying)
        .with(upkeep::keeping)
        .after("journal.keep_checkpoint/after-commit:2")
        .between(Between::Forged),
    row("instances", "requests that have an instance each, one at a time", upkeep::instances).with(upkeep::single),
    row("instance-time", "an instance whose time is up while nobody is there", upkeep::late)
        .with(upkeep::single)
        .after("event.model_delta/after-commit:2")
        .between(Between::Passes(1_200)),
    row("files", "an instance that writes and reads, whose files are kept at every step", upkeep::files)
        .with(upkeep::filing),
    row("lost-files", "recovery of an instance whose folder is gone", upkeep::files)
        .with(upkeep::filing)
        .after("journal.keep_scratch/after-commit:2")
        .between(Between::NoFolders),
    row("renew", "a run that outlives the renewal of its lease", upkeep::long).focus(&["journal.renew"]),
    row("stolen", "a run that somebody else takes over, who then dies", upkeep::stolen).focus(&[
        "journal.take_over",
        "engine.taken_up",
        "event.model_superseded",
    ]),
    row("settle", "a call whose outcome a person tells after its run has ended", upkeep::settle)
        .with(tell)
        .after("engine.tool_result/after-dispatch:1")
        .focus(&["journal.settle_action"]),
    row("send-again", "an answer that a person sends again", upkeep::send_again)
        .delivering()
        .after("outbox.settle/before-write:1")
        .focus(&["outbox.retry", "outbox.orphaned"]),
];

/// Returns the scenario of this name.
pub fn by_name(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

fn none(_: SocketAddr) -> Value {
    json!({})
}

fn ask(_: SocketAddr) -> Value {
    json!({ "tools": { "exec": { "mode": "ask" } } })
}

/// Answers go to the effect server as well.
fn deliver(effects: SocketAddr) -> Value {
    let url = format!("http://{effects}{}", crate::effect::MESSAGES);
    json!({ "channels": { "webhook": { "enabled": true, "url": url } } })
}

fn tell(_: SocketAddr) -> Value {
    json!({ "agents": { "defaults": { "unknownOutcome": "tell" } } })
}

/// A command with an effect that must not happen twice.
pub(crate) fn effect(ground: &Ground, name: &str) -> Call {
    let own = ground.own.display();
    let command = format!("exec {own} effect --at {} --name {name}", ground.effects);
    Call::new("exec", json!({ "command": command }))
}

pub(crate) fn read() -> Call {
    Call::new("read", json!({ "path": "seed.txt" }))
}

pub(crate) fn write(id: &str) -> Call {
    Call::new("write", json!({ "path": format!("{id}.txt"), "content": format!("written by {id}\n") }))
}

fn answer(_: &Ground) -> Vec<Act> {
    vec![Act::Say(Say::main("m1", Plan::default())), Act::Over]
}

fn tools(ground: &Ground) -> Vec<Act> {
    let rounds = vec![vec![read()], vec![write("m1")], vec![effect(ground, "m1-pay")]];
    vec![Act::Say(Say::main("m1", Plan { rounds, ..Plan::default() })), Act::Over]
}

/// A message for another session, whose answer is waited for.
pub(crate) fn send(id: &str) -> Call {
    send_to(PEER, id)
}

/// A message for a session, whose answer is waited for.
pub(crate) fn send_to(session: &str, id: &str) -> Call {
    let message = Plan::default().message(id);
    Call::new("sessions_send", json!({ "sessionKey": session, "message": message, "timeoutSeconds": 20 }))
}

/// Makes the other session, which must be there before it can be sent to.
fn peer() -> Act {
    Act::Say(Say::new(PEER, "p0", Plan::default()))
}

fn parallel(ground: &Ground) -> Vec<Act> {
    let rounds = vec![vec![read(), write("m1"), send("s1"), effect(ground, "m1-pay")]];
    vec![peer(), Act::Over, Act::Say(Say::main("m1", Plan { rounds, ..Plan::default() })), Act::Over]
}

fn approval(ground: &Ground) -> Vec<Act> {
    let rounds = vec![vec![effect(ground, "m1-pay")]];
    vec![Act::Say(Say::main("m1", Plan { rounds, ..Plan::default() })), Act::Asked, Act::Over]
}

fn child(_: &Ground) -> Vec<Act> {
    let rounds = vec![vec![send("s1")]];
    vec![peer(), Act::Over, Act::Say(Say::main("m1", Plan { rounds, ..Plan::default() })), Act::Over]
}

/// Long enough that input arrives while it is streamed.
fn slow() -> Plan {
    Plan { pieces: 10, pause_ms: 30, ..Plan::default() }
}

fn steer(ground: &Ground) -> Vec<Act> {
    let plan = Plan { rounds: vec![vec![read()], vec![effect(ground, "m1-pay")]], ..slow() };
    let second = Say { queue: Some("steer"), ..Say::main("m2", Plan::default()) };
    vec![Act::Say(Say::main("m1", plan)), Act::Calls(3), Act::Say(second), Act::Over]
}

fn queue(_: &Ground) -> Vec<Act> {
    let second = Say { queue: Some("followup"), ..Say::main("m2", Plan::default()) };
    let third = Say { queue: Some("collect"), ..Say::main("m3", Plan::default()) };
    let fourth = Say { queue: Some("collect"), ..Say::main("m4", Plan::default()) };
    let all = [second, third, fourth];
    let first = [Act::Say(Say::main("m1", slow())), Act::Calls(1)];
    first.into_iter().chain(all.map(Act::Say)).chain([Act::Over]).collect()
}

fn stream(_: &Ground) -> Vec<Act> {
    let plan = Plan { pieces: 24, pause_ms: 25, ..Plan::default() };
    vec![Act::Say(Say::main("m1", plan)), Act::Over]
}

fn abort(_: &Ground) -> Vec<Act> {
    let say = Say { ends: &["cancelled", "done"], ..Say::main("m1", slow()) };
    vec![Act::Say(say), Act::Calls(1), Act::Call("chat.abort", json!({ "sessionKey": MAIN })), Act::Over]
}

fn deadline(_: &Ground) -> Vec<Act> {
    let say = Say { timeout_ms: Some(250), ends: &["failed", "done"], ..Say::main("m1", slow()) };
    vec![Act::Say(say), Act::Over]
}

fn refused(_: &Ground) -> Vec<Act> {
    let plan = Plan { fails: true, ..Plan::default() };
    vec![Act::Say(Say { ends: &["failed"], ..Say::main("m1", plan) }), Act::Over]
}

fn outbox(_: &Ground) -> Vec<Act> {
    let first = Say { is_delivered: true, ..Say::main("m1", Plan::default()) };
    let second = Say { is_delivered: true, ..Say::main("m2", Plan::default()) };
    vec![Act::Say(first), Act::Over, Act::Say(second), Act::Over]
}

fn label(_: &Ground) -> Vec<Act> {
    let change = json!({ "key": MAIN, "label": "a name" });
    vec![Act::Say(Say::main("m1", Plan::default())), Act::Over, Act::Call("sessions.patch", change), Act::Over]
}
