//! The scenarios of the matrix, one row each.

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
    pub config: fn() -> Value,
    /// What is done, in order. Every act may be done again with the same effect.
    pub acts: fn(&Ground) -> Vec<Act>,
    /// A first crash, for stories that begin with a recovery: `<site>/<moment>:<nth>`.
    pub after: Option<&'static str>,
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
    /// How its run may end.
    pub ends: &'static [&'static str],
}

impl Say {
    fn main(id: &str, plan: Plan) -> Self {
        Self::new(MAIN, id, plan)
    }

    /// Makes a message that must be answered.
    pub fn new(session: &str, id: &str, plan: Plan) -> Self {
        Self { session: session.to_owned(), id: id.to_owned(), plan, queue: None, timeout_ms: None, ends: &["done"] }
    }
}

const MAIN: &str = "agent:main:main";
const PEER: &str = "agent:main:peer";

const fn row(name: &'static str, about: &'static str, acts: fn(&Ground) -> Vec<Act>) -> Scenario {
    Scenario { name, about, config: none, acts, after: None }
}

impl Scenario {
    const fn asking(mut self) -> Self {
        self.config = ask;
        self
    }

    const fn telling(mut self) -> Self {
        self.config = tell;
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
];

/// Returns the scenario of this name.
pub fn by_name(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

fn none() -> Value {
    json!({})
}

fn ask() -> Value {
    json!({ "tools": { "exec": { "mode": "ask" } } })
}

fn tell() -> Value {
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

fn label(_: &Ground) -> Vec<Act> {
    let change = json!({ "key": MAIN, "label": "a name" });
    vec![Act::Say(Say::main("m1", Plan::default())), Act::Over, Act::Call("sessions.patch", change), Act::Over]
}
