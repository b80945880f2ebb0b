//! Decides the next step from the conversation alone.
//!
//! Each time the model is asked, the plan is made anew from the person's words,
//! and calls whose results are there already count as done. So a retried step, a
//! restart or a steering message in between change nothing: the same prompt
//! gives the same step. Every step asks for a call that has no result yet, and a
//! request has a limited number of tasks, so a run always ends.
//!
//! Calls that only read run side by side; a call that changes something runs
//! alone, and nothing new begins after a failure.

mod episode;

use openclaw_domain::message::{AssistantTurn, ToolResult};
use openclaw_domain::tool::ToolSpec;
use openclaw_domain::{Prompt, Turn};
use serde_json::{Value, json};

use super::answer;
use super::answer::listing;
use super::language::Language;
use super::request::{Request, Task};
use super::rules::Intent;
use super::target::{Order, Target};
use episode::{Answered, Episode};

/// What the offline model does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It answers, and the turn is over.
    Say(String),
    /// It calls tools.
    Call {
        /// What it says first, possibly nothing.
        say: String,
        /// The calls; several run side by side.
        asks: Vec<Ask>,
    },
}

/// A tool call to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
}

/// Decides the next step.
pub fn plan(prompt: &Prompt, tools: &[ToolSpec]) -> Step {
    let (before, episode) = Episode::of(prompt.turns());
    let request = episode.request();
    let mut cx = Cx { tools, before, calls: episode.calls() };
    let is_first_step = cx.calls.is_empty();
    let mut report = Report::of(&request, before.iter().all(|turn| matches!(turn, Turn::User(_))));
    let batch = walk(&request.tasks, &mut cx, &mut report);
    if !batch.is_empty() {
        let says_plan = is_first_step && request.tasks.len() > 1;
        let say = if says_plan { answer::announce(&request) } else { String::new() };
        return Step::Call { say, asks: batch };
    }
    if let Some(ask) = look_around(&mut cx, &mut report) {
        return Step::Call { say: String::new(), asks: vec![ask] };
    }
    Step::Say(answer::compose(&report))
}

/// What a decision rests on.
struct Cx<'a> {
    tools: &'a [ToolSpec],
    before: &'a [Turn],
    calls: Vec<Answered<'a>>,
}

impl<'a> Cx<'a> {
    fn offers(&self, tool: &str) -> Option<&'a ToolSpec> {
        self.tools.iter().find(|spec| spec.name == tool)
    }

    /// Takes the first unused result of exactly this call.
    fn take(&mut self, ask: &Ask) -> Option<&'a ToolResult> {
        let fits = |it: &&mut Answered<'_>| {
            !it.is_used
                && it.call.name == ask.tool
                && serde_json::from_str::<Value>(&it.call.arguments).is_ok_and(|arguments| arguments == ask.arguments)
        };
        let answered = self.calls.iter_mut().find(fits)?;
        answered.is_used = true;
        Some(answered.result)
    }

    /// Returns the file that was named last before this episode.
    fn last_file(&self) -> Option<String> {
        let turns = self.before.iter().rev().filter_map(|turn| match turn {
            Turn::Assistant(assistant) => Some(assistant),
            Turn::User(_) => None,
        });
        let calls = turns.flat_map(AssistantTurn::calls).map(|(call, _)| call);
        let mut files = calls.filter(|call| ["read", "write", "edit"].contains(&call.name.as_str()));
        files.find_map(|call| {
            let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
            arguments.get("path")?.as_str().map(str::to_owned)
        })
    }
}

/// What became of the tasks of a request.
pub(super) struct Report<'a> {
    pub(super) language: Language,
    /// Whether this will be the conversation's first answer.
    pub(super) is_first_answer: bool,
    pub(super) done: Vec<Done<'a>>,
    /// Tasks that were not begun because something failed before.
    pub(super) left: Vec<&'a Task>,
    pub(super) unknown: &'a [String],
    /// What lies beside a file that was not there.
    pub(super) neighbours: Option<&'a ToolResult>,
}

impl<'a> Report<'a> {
    fn of(request: &'a Request, is_first_answer: bool) -> Self {
        Self {
            language: request.language,
            is_first_answer,
            done: Vec::new(),
            left: Vec::new(),
            unknown: &request.unknown,
            neighbours: None,
        }
    }
}

/// A task and what came of it.
pub(super) struct Done<'a> {
    pub(super) task: &'a Task,
    /// The file it is about, once that is known.
    pub(super) path: Option<String>,
    /// The results of its calls, in order.
    pub(super) results: Vec<&'a ToolResult>,
    pub(super) state: State,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// Nothing more to do; the last result tells how it went.
    Finished,
    /// A call is needed.
    Needs(Ask),
    /// It needs the result of a task before it.
    Waits,
    /// It cannot be done.
    Cannot(Why),
}

/// Why a task cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The tool is not on offer.
    NoTool(&'static str),
    /// "it" points at nothing.
    NoFile,
    /// The whole file could not be seen, so adding to it could damage it.
    PartlySeen,
}

impl Done<'_> {
    /// Tells whether it went wrong.
    pub(super) fn has_failed(&self) -> bool {
        let failed = || self.results.last().is_some_and(|result| result.is_error());
        match self.state {
            State::Cannot(_) => true,
            State::Finished => failed(),
            State::Needs(_) | State::Waits => false,
        }
    }
}

/// Goes through the tasks in order; returns the calls to make now.
fn walk<'a>(tasks: &'a [Task], cx: &mut Cx<'a>, report: &mut Report<'a>) -> Vec<Ask> {
    let mut batch: Vec<Ask> = Vec::new();
    let mut has_failed = false;
    for task in tasks {
        let done = follow(task, cx, &report.done);
        match &done.state {
            State::Finished | State::Cannot(_) => {
                // Something said in passing needs no place in the order.
                has_failed |= done.has_failed();
                report.done.push(done);
            }
            State::Needs(_) | State::Waits if has_failed => report.left.push(task),
            State::Waits => break,
            State::Needs(ask) => {
                if !batch.is_empty() && (task.is_after || !only_reads(&task.intent)) {
                    break;
                }
                batch.push(ask.clone());
                if !only_reads(&task.intent) {
                    break;
                }
                report.done.push(done);
            }
        }
    }
    batch
}

fn only_reads(intent: &Intent) -> bool {
    match intent {
        Intent::List { .. } | Intent::Read { .. } | Intent::Search { .. } | Intent::Fetch { .. } => true,
        Intent::Recall { .. } | Intent::Greet | Intent::Introduce | Intent::Help => true,
        Intent::Write { .. } | Intent::Append { .. } | Intent::Replace { .. } => false,
        Intent::Run { .. } | Intent::Remember { .. } => false,
    }
}

/// Follows one task as far as the results carry.
fn follow<'a>(task: &'a Task, cx: &mut Cx<'a>, earlier: &[Done<'a>]) -> Done<'a> {
    let mut done = Done { task, path: None, results: Vec::new(), state: State::Waits };
    match target(&task.intent).map(|target| resolve(target, cx, earlier)) {
        None => {}
        Some(Resolved::Path(path)) => done.path = Some(path),
        Some(Resolved::Waits) => return done,
        Some(Resolved::Nothing) => return Done { state: State::Cannot(Why::NoFile), ..done },
    }
    loop {
        done.state = next(&done, cx);
        let State::Needs(ask) = &done.state else { return done };
        let Some(result) = cx.take(ask) else { return done };
        done.results.push(result);
    }
}

fn target(intent: &Intent) -> Option<&Target> {
    match intent {
        Intent::Read { file } | Intent::Append { file, .. } | Intent::Replace { file, .. } => Some(file),
        Intent::List { .. } | Intent::Write { .. } | Intent::Search { .. } | Intent::Run { .. } => None,
        Intent::Fetch { .. } | Intent::Remember { .. } | Intent::Recall { .. } => None,
        Intent::Greet | Intent::Introduce | Intent::Help => None,
    }
}

enum Resolved {
    Path(String),
    /// The result it is picked from is not there yet.
    Waits,
    Nothing,
}

/// Finds the file that is meant.
fn resolve(target: &Target, cx: &Cx<'_>, earlier: &[Done<'_>]) -> Resolved {
    match target {
        Target::Named(path) => Resolved::Path(path.clone()),
        Target::Pick(order) => pick(*order, earlier),
        Target::Earlier => {
            let named = earlier.iter().rev().find_map(|done| done.path.clone().or_else(|| written(&done.task.intent)));
            match named.or_else(|| cx.last_file().filter(|_| earlier.is_empty())) {
                Some(path) => Resolved::Path(path),
                None => pick(Order::Listed, earlier),
            }
        }
    }
}

fn written(intent: &Intent) -> Option<String> {
    if let Intent::Write { path, .. } = intent { Some(path.clone()) } else { None }
}

/// Picks a file out of the last list or search before.
fn pick(order: Order, earlier: &[Done<'_>]) -> Resolved {
    let source =
        earlier.iter().rev().find(|done| matches!(done.task.intent, Intent::List { .. } | Intent::Search { .. }));
    let Some(source) = source else { return Resolved::Nothing };
    let Some(result) = source.results.last() else { return Resolved::Waits };
    let found = if matches!(source.task.intent, Intent::Search { .. }) {
        listing::first_hit(&result.text())
    } else {
        listing::pick(&result.text(), order)
    };
    found.map_or(Resolved::Nothing, Resolved::Path)
}

/// Returns what a task needs after the results it has.
fn next(done: &Done<'_>, cx: &Cx<'_>) -> State {
    if let Intent::Append { text, .. } = &done.task.intent {
        return next_of_append(done, text, cx);
    }
    if !done.results.is_empty() {
        return State::Finished;
    }
    let path = done.path.as_deref().unwrap_or(".");
    let (tool, arguments) = match &done.task.intent {
        Intent::Greet | Intent::Introduce | Intent::Help | Intent::Append { .. } => return State::Finished,
        Intent::List { path, .. } => ("list", json!({ "path": path.as_deref().unwrap_or(".") })),
        Intent::Read { .. } => ("read", json!({ "path": path })),
        Intent::Write { path, content } => ("write", json!({ "path": path, "content": content })),
        Intent::Replace { old, new, .. } => ("edit", edit_arguments(cx.offers("edit"), path, old, new)),
        Intent::Search { pattern, path } => {
            ("search", search_arguments(cx.offers("search"), pattern, path.as_deref().unwrap_or(".")))
        }
        Intent::Run { command } => ("exec", json!({ "command": command })),
        Intent::Fetch { url } => ("web_fetch", json!({ "url": url })),
        Intent::Remember { text } => ("remember", json!({ "text": text })),
        Intent::Recall { query } => ("recall", json!({ "query": query })),
    };
    needs(tool, arguments, cx)
}

fn needs(tool: &'static str, arguments: Value, cx: &Cx<'_>) -> State {
    match cx.offers(tool) {
        Some(_) => State::Needs(Ask { tool: tool.to_owned(), arguments }),
        None => State::Cannot(Why::NoTool(tool)),
    }
}

/// Appending is reading the file, then writing it longer.
fn next_of_append(done: &Done<'_>, text: &str, cx: &Cx<'_>) -> State {
    let path = done.path.as_deref().unwrap_or_default();
    match done.results.as_slice() {
        [] if cx.offers("write").is_none() => State::Cannot(Why::NoTool("write")),
        [] => needs("read", json!({ "path": path }), cx),
        [read] if read.is_error() && !answer::says_missing(read) => State::Finished,
        [read] => match listing::whole_file(read) {
            Some(mut content) => {
                if !content.is_empty() && !content.ends_with('\n') {
                    content.push('\n');
                }
                content.push_str(text);
                content.push('\n');
                needs("write", json!({ "path": path, "content": content }), cx)
            }
            None => State::Cannot(Why::PartlySeen),
        },
        _ => State::Finished,
    }
}

/// People search for words, not for regular expressions.
fn search_arguments(search: Option<&ToolSpec>, pattern: &str, path: &str) -> Value {
    let mut arguments = json!({ "pattern": pattern, "path": path });
    if search.is_some_and(|spec| spec.parameters.pointer("/properties/literal").is_some()) {
        arguments["literal"] = true.into();
    }
    arguments
}

/// Names the arguments of `edit` as the tool on offer names them.
fn edit_arguments(edit: Option<&ToolSpec>, path: &str, old: &str, new: &str) -> Value {
    const NAMES: [(&str, &str); 3] = [("oldText", "newText"), ("old_text", "new_text"), ("old_string", "new_string")];
    let has = |name: &str| edit.is_some_and(|spec| spec.parameters.pointer(&format!("/properties/{name}")).is_some());
    let (old_name, new_name) = NAMES.into_iter().find(|(name, _)| has(name)).unwrap_or(NAMES[0]);
    json!({ "path": path, old_name: old, new_name: new })
}

/// After a file was not found: looks once at what lies beside it.
fn look_around<'a>(cx: &mut Cx<'a>, report: &mut Report<'a>) -> Option<Ask> {
    let missing = report.done.iter().find(|done| {
        matches!(done.task.intent, Intent::Read { .. })
            && done.results.last().is_some_and(|result| answer::says_missing(result))
    })?;
    let path = missing.path.as_deref()?;
    let folder = path.trim_end_matches('/').rsplit_once('/').map_or(".", |(folder, _)| folder);
    cx.offers("list")?;
    let ask =
        Ask { tool: "list".to_owned(), arguments: json!({ "path": if folder.is_empty() { "/" } else { folder } }) };
    report.neighbours = cx.take(&ask);
    report.neighbours.is_none().then_some(ask)
}

#[cfg(test)]
mod tests;
