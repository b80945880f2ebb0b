//! Fakes of the ports the testkit has no fake for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use openclaw_domain::approval::{Approval, Decision};
use openclaw_domain::compaction::{Kept, Shrunk};
use openclaw_domain::message::{Block, ToolStatus};
use openclaw_domain::model::{ErrorClass, ModelRef, Selected, StopReason, Usage};
use openclaw_domain::ports::{
    Approvals, Child, Compacted, Compactions, Execution, LogPage, LogQuery, Logs, OpenAction, Pool, Questions,
    RunObserver, RunRecord, Runs, ScratchCount, Sessions, Settings, Snapshotted, TakeUp, Upkeep,
};
use openclaw_domain::run::{Abort, ActiveRun, End, Limit, Outcome, RunRequest, StartState, Started, Status};
use openclaw_domain::runtime::PoolTask;
use openclaw_domain::session::{Entry, SessionChange};
use openclaw_domain::settings::{self, Snapshot, Write, WriteBody, Written};
use openclaw_domain::tool::Progress;
use openclaw_domain::update::Phase;
use openclaw_domain::{
    Answer, AssistantTurn, Change, Compaction, Cursor, Fault, Kind, Question, RunId, RunUpdate, SessionKey, Summary,
    Timestamp, ToolCall, ToolResult, Turn, UserTurn,
};
use openclaw_gateway::Hub;
use openclaw_testkit::memory::Store;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::furniture;

/// An engine that answers `tok0 tok1 tok2` at once; a message with `hold` waits
/// for [`Engine::release`] or an abort after its first word, one with `fail` fails saying the rest, `unanswered` and `limit` end as such, one with `big` begins
/// with a long text and waits, one with `stall` is not even accepted before a release,
/// one with `tool` calls a tool, one with `every` calls tools that end in every way,
/// `overtime` ends at the time limit, `absorb` takes in the input `late`,
/// `defect` and `busy` are refused as such.
pub(crate) struct Engine {
    hub: Arc<Hub>,
    store: Arc<Store>,
    runs: Mutex<HashMap<RunId, Run>>,
    pub(crate) requests: Mutex<Vec<RunRequest>>,
    pub(crate) asked: Mutex<Vec<Approval>>,
    pub(crate) unsure: Mutex<Vec<Question>>,
    pub(crate) unsettled: Mutex<Vec<OpenAction>>,
    pub(crate) taken_up: Mutex<Vec<RunId>>,
    release: Notify,
}

#[derive(Clone)]
struct Run {
    session: SessionKey,
    outcome: watch::Sender<Option<Outcome>>,
    cancel: Arc<Notify>,
}

pub(crate) const AT: Timestamp = Timestamp(1_767_225_600_000);

impl Engine {
    pub(crate) fn new(hub: Arc<Hub>, store: Arc<Store>) -> Arc<Self> {
        Arc::new(Self {
            hub,
            store,
            runs: Mutex::default(),
            requests: Mutex::default(),
            asked: Mutex::default(),
            unsure: Mutex::default(),
            unsettled: Mutex::default(),
            taken_up: Mutex::default(),
            release: Notify::new(),
        })
    }

    /// Lets one held run go on.
    pub(crate) fn release(&self) {
        self.release.notify_one();
    }

    async fn work(&self, request: RunRequest, run: Run) {
        let mut feed = Feed { hub: &self.hub, request: &request, seq: 0 };
        let text = request.input.text();
        feed.tell(Change::Accepted);
        self.write(&mut feed, Turn::User(request.input.clone())).await;
        feed.tell(Change::Phase(Phase::PreparingContext));
        feed.tell(Change::Started);
        let model = ModelRef::new("scripted", "one");
        let why = text.contains("every").then(|| "scripted/two is overloaded".to_owned());
        let selected = Selected { model: model.clone(), profile: None, thinking: None, why };
        feed.tell(Change::ModelSelected(selected.clone()));
        if text.contains("absorb") {
            feed.tell(Change::Steered { input: "late".parse().unwrap() });
        }
        if text.contains("tool") {
            tool(&mut feed);
        }
        if text.contains("every") {
            self.every_ending(&mut feed).await;
        }
        if text.contains("big") {
            feed.tell(Change::TextDelta("y".repeat(20_000)));
            self.release.notified().await;
        }
        feed.tell(Change::TextDelta("tok0 ".into()));
        let mut end = End::Done;
        if text.contains("hold") {
            tokio::select! {
                () = self.release.notified() => {}
                () = run.cancel.notified() => end = End::Cancelled { by: "rpc".into() },
            }
        }
        if text.contains("fail") {
            end = End::Failed { message: text.replace("fail", "scripted failure") };
        }
        if text.contains("unanswered") {
            end = End::ModelFailed { class: ErrorClass::Network, message: "scripted silence".into() };
        }
        if text.contains("limit") {
            end = End::Limited { limit: Limit::Iterations, message: "scripted limit".into() };
        }
        if text.contains("overtime") {
            let limit = if text.contains("asked") { Limit::Timeout } else { Limit::Duration };
            end = End::Limited { limit, message: "scripted overtime".into() };
        }
        let mut said = "tok0 ".to_owned();
        if end.is_done() {
            for word in ["tok1 ", "tok2"] {
                feed.tell(Change::TextDelta(word.into()));
                said.push_str(word);
            }
            let blocks = vec![Block::Text { text: said.clone() }];
            let turn = AssistantTurn { blocks, model, stop: StopReason::EndTurn, native: None, at: AT };
            feed.tell(Change::TurnCompleted(usage()));
            self.write(&mut feed, Turn::Assistant(turn)).await;
        }
        let outcome = Outcome {
            text: if end.is_done() { said } else { String::new() },
            end,
            answered_by: Some(selected),
            usage: usage(),
            iterations: 1,
            tool_calls: 0,
            started_at: AT,
            ended_at: Timestamp(AT.0 + 5),
        };
        run.outcome.send_replace(Some(outcome.clone()));
        feed.tell(Change::Ended(Box::new(outcome)));
    }

    /// Thinks, takes words back, and calls a tool per way of ending.
    async fn every_ending(&self, feed: &mut Feed<'_>) {
        feed.tell(Change::Phase(Phase::PreparingWorkspace));
        feed.tell(Change::Phase(Phase::StartingModel));
        feed.tell(Change::ThinkingDelta("hm, ".into()));
        feed.tell(Change::TextDelta("Wrong ".into()));
        feed.tell(Change::TextReplaced("Right ".into()));
        feed.tell(Change::TurnCompleted(usage()));
        feed.tell(Change::Compacting);
        feed.tell(Change::NotCompacted { reason: "it would not be shorter".into() });
        feed.tell(Change::Compacting);
        let tokens = Some(Shrunk { before: 900, after: 100 });
        feed.tell(Change::Compacted { entries: 4, tokens, is_retry: true });
        let turn = furniture::busy_turn();
        for (call, result) in turn.calls() {
            feed.tell(Change::ToolStarted(call.clone()));
            let progress = Progress::Status { text: "working".into() };
            feed.tell(Change::ToolProgress { call: call.id.clone(), progress });
            let Some(result) = result.cloned() else { continue };
            let (call, took) = (call.clone(), std::time::Duration::from_millis(7));
            feed.tell(Change::ToolEnded { call, result: Box::new(result), took });
        }
        self.write(feed, Turn::Assistant(turn)).await;
    }

    async fn write(&self, feed: &mut Feed<'_>, turn: Turn) {
        let key = &feed.request.session;
        let change = SessionChange::Inject(turn.clone());
        let session = self.store.change(key, change, None, AT).await.unwrap();
        let entry = Entry { n: session.head, run: Some(feed.request.id.clone()), turn, at: AT };
        feed.tell(Change::EntryAdded(Box::new(entry)));
    }
}

fn usage() -> Usage {
    Usage { input: 10, output: 3, cost_usd: Some(0.25), ..Usage::default() }
}

fn tool(feed: &mut Feed<'_>) {
    let call = ToolCall {
        id: "c1".parse().unwrap(),
        provider_id: "p1".into(),
        name: "exec".into(),
        arguments: r#"{"command":"echo hi"}"#.into(),
    };
    feed.tell(Change::ToolStarted(call.clone()));
    let progress = Progress::Output { text: "hi\n".into() };
    feed.tell(Change::ToolProgress { call: call.id.clone(), progress });
    let mut result = ToolResult::notice(ToolStatus::Ok, "hi");
    result.details = json!({ "exitCode": 0 });
    feed.tell(Change::ToolEnded { call, result: Box::new(result), took: std::time::Duration::from_millis(7) });
}

struct Feed<'a> {
    hub: &'a Hub,
    request: &'a RunRequest,
    seq: u64,
}

impl Feed<'_> {
    fn tell(&mut self, change: Change) {
        self.seq += 1;
        let (run, session) = (self.request.id.clone(), self.request.session.clone());
        self.hub.observe(&RunUpdate {
            run,
            session,
            source: self.request.source,
            seq: self.seq,
            cursor: Cursor::default(),
            at: AT,
            change,
        });
    }
}

/// The engine behind its port; runs are tasks of the test.
pub(crate) struct EngineRuns(pub(crate) Arc<Engine>);

#[async_trait]
impl Runs for EngineRuns {
    async fn start(&self, request: RunRequest) -> Result<Started, Fault> {
        let engine = Arc::clone(&self.0);
        engine.requests.lock().unwrap().push(request.clone());
        if request.input.text().contains("stall") {
            engine.release.notified().await;
        }
        for (word, kind) in [("defect", Kind::Bug), ("busy", Kind::Unavailable)] {
            if request.input.text().contains(word) {
                return Err(Fault::new(kind, format!("the scripted {word}")));
            }
        }
        let started = |state| Started {
            run: request.id.clone(),
            session: request.session.clone(),
            state,
            entry: Some(1),
            at: AT,
        };
        let known = engine.runs.lock().unwrap().get(&request.id).cloned();
        if let Some(run) = known {
            let outcome = run.outcome.borrow().clone();
            let state = outcome.map_or(StartState::InFlight, |outcome| StartState::Ended(Box::new(outcome)));
            return Ok(started(state));
        }
        if request.session.agent().as_str() != "main" {
            return Err(Fault::new(Kind::NotFound, format!("agent {} is not configured", request.session.agent())));
        }
        engine.store.open(&request.session, AT).await.unwrap();
        let run = Run {
            session: request.session.clone(),
            outcome: watch::Sender::new(None),
            cancel: Arc::new(Notify::new()),
        };
        engine.runs.lock().unwrap().insert(request.id.clone(), run.clone());
        let work = request.clone();
        tokio::spawn(async move { engine.work(work, run).await });
        Ok(started(StartState::New))
    }

    async fn abort(&self, abort: Abort) -> Result<Vec<RunId>, Fault> {
        let runs = self.0.runs.lock().unwrap();
        let fits = |(id, run): &(&RunId, &Run)| {
            run.outcome.borrow().is_none()
                && abort.session.as_ref().is_none_or(|session| *session == run.session)
                && abort.run.as_ref().is_none_or(|wanted| wanted == *id)
        };
        let stopped: Vec<RunId> = runs.iter().filter(fits).map(|(id, _)| id.clone()).collect();
        stopped.iter().for_each(|id| runs[id].cancel.notify_one());
        Ok(stopped)
    }

    async fn wait(&self, _session: Option<&SessionKey>, run: &RunId) -> Result<Option<Outcome>, Fault> {
        let known = self.0.runs.lock().unwrap().get(run).cloned();
        let Some(run) = known else { return Ok(None) };
        let mut outcome = run.outcome.subscribe();
        let outcome = outcome.wait_for(Option::is_some).await.unwrap();
        Ok(outcome.clone())
    }

    fn active(&self, session: Option<&SessionKey>) -> Vec<ActiveRun> {
        let runs = self.0.runs.lock().unwrap();
        let open = runs.iter().filter(|(_, run)| run.outcome.borrow().is_none());
        let open = open.filter(|(_, run)| session.is_none_or(|session| *session == run.session));
        open.map(|(id, run)| ActiveRun {
            id: id.clone(),
            session: run.session.clone(),
            status: Status::Running,
            accepted_at: AT,
            partial_text: "tok0 ".into(),
            source: openclaw_domain::run::Source::Chat,
        })
        .collect()
    }
}

#[async_trait]
impl Pool for EngineRuns {
    /// Runs the task by the agents that there are, one after the other.
    async fn execute(&self, task: PoolTask) -> Result<Execution, Fault> {
        let mut children = Vec::new();
        for (n, agent) in task.agents.iter().enumerate() {
            let session: SessionKey = format!("agent:{agent}:pool:{}:{n}", task.id).parse().unwrap();
            let run: RunId = format!("{}:{n}", task.id).parse().unwrap();
            let input = UserTurn::owner(&task.task, AT);
            let source = openclaw_domain::run::Source::Agent;
            self.start(RunRequest::new(run.clone(), session.clone(), input, source)).await?;
            children.push(Child { agent: agent.clone(), session, run });
        }
        let (runs, all) = (EngineRuns(Arc::clone(&self.0)), children.clone());
        let ended = async move {
            let mut outcomes = Vec::new();
            for child in all {
                outcomes.push(runs.wait(Some(&child.session), &child.run).await.unwrap());
            }
            outcomes
        };
        Ok(Execution { children, ended: Box::pin(ended) })
    }
}

#[async_trait]
impl Approvals for EngineRuns {
    fn pending(&self) -> Vec<Approval> {
        self.0.asked.lock().unwrap().clone()
    }

    async fn resolve(&self, id: &str, decision: Decision, by: &str) -> Result<Approval, Fault> {
        let approval = {
            let mut asked = self.0.asked.lock().unwrap();
            let index = asked.iter().position(|approval| approval.id == id);
            asked.remove(index.ok_or_else(|| Fault::new(Kind::NotFound, "no such approval"))?)
        };
        let change = Change::ApprovalResolved { approval: Box::new(approval.clone()), decision, by: by.to_owned() };
        self.0.hub.observe(&update_of(&approval, change));
        Ok(approval)
    }
}

#[async_trait]
impl Questions for EngineRuns {
    fn open(&self) -> Vec<Question> {
        self.0.unsure.lock().unwrap().clone()
    }

    async fn answer(&self, id: &str, answer: Answer, by: &str) -> Result<Question, Fault> {
        let question = {
            let mut unsure = self.0.unsure.lock().unwrap();
            let index = unsure.iter().position(|question| question.id == id);
            unsure.remove(index.ok_or_else(|| Fault::new(Kind::NotFound, "no such question"))?)
        };
        let change = Change::QuestionAnswered { question: Box::new(question.clone()), answer, by: by.to_owned() };
        self.0.hub.observe(&crate::questions::update_of(&question, change));
        Ok(question)
    }

    async fn unsettled(&self) -> Result<Vec<OpenAction>, Fault> {
        Ok(self.0.unsettled.lock().unwrap().clone())
    }

    async fn settle(&self, action: &OpenAction, _answer: Answer) -> Result<bool, Fault> {
        let mut unsettled = self.0.unsettled.lock().unwrap();
        let before = unsettled.len();
        unsettled.retain(|known| known != action);
        Ok(unsettled.len() < before)
    }
}

/// Keeps whatever works, and makes a summary of the first turn of any session but the main one.
#[async_trait]
impl Upkeep for EngineRuns {
    async fn snapshot(&self, run: &RunId) -> Result<Snapshotted, Fault> {
        let runs = self.0.runs.lock().unwrap();
        let found = runs.get(run).ok_or_else(|| Fault::new(Kind::NotFound, format!("run {run} does not work now")))?;
        let kept = openclaw_domain::Seq(if found.outcome.borrow().is_some() { 9 } else { 3 });
        let head = openclaw_domain::Seq(9);
        let mut left_out = openclaw_domain::scratch::LeftOut::default();
        left_out.add("a.iso", openclaw_domain::scratch::Reason::TooLarge);
        let scratch = (kept == head).then_some(ScratchCount { files: 2, bytes: 30, left_out });
        Ok(Snapshotted { run: run.clone(), session: found.session.clone(), kept, head, at: AT, scratch })
    }

    /// Takes up whatever the engine does not know of.
    async fn take_up(&self, run: &RunRecord) -> Result<TakeUp, Fault> {
        self.0.taken_up.lock().unwrap().push(run.id.clone());
        let is_held = self.0.runs.lock().unwrap().contains_key(&run.id);
        Ok(if is_held { TakeUp::Held } else { TakeUp::Taken })
    }

    async fn compact(&self, session: &SessionKey) -> Result<Compacted, Fault> {
        if session.is_main() {
            return Ok(Compacted::Nothing);
        }
        let Some(found) = self.0.store.get(session).await.unwrap() else {
            return Err(Fault::new(Kind::NotFound, "no such session"));
        };
        let summary = Summary { gist: "they spoke".into(), ..Summary::default() };
        let compaction = Compaction { turns: 1, through: 1, summary, tokens: Some(Shrunk { before: 900, after: 100 }) };
        let kept = self.0.store.keep(session, &found.id, compaction, AT).await.unwrap();
        Ok(Compacted::Done(Box::new(kept)))
    }

    async fn undo_compaction(&self, session: &SessionKey, id: u64, by: &str) -> Result<Kept, Fault> {
        let undone = self.0.store.undo(session, id, by, AT).await;
        undone.map_err(|error| Fault::new(Kind::NotFound, error.to_string()))
    }
}

/// Makes an update about an approval.
pub(crate) fn update_of(approval: &Approval, change: Change) -> RunUpdate {
    let source = openclaw_domain::run::Source::Chat;
    RunUpdate {
        run: approval.run.clone(),
        session: approval.session.clone(),
        source,
        seq: 1,
        cursor: Cursor::default(),
        at: AT,
        change,
    }
}

/// A configuration held in memory.
pub(crate) struct MemorySettings(pub(crate) Mutex<Arc<Snapshot>>);

impl Default for MemorySettings {
    fn default() -> Self {
        let source = json!({ "gateway": { "port": 1, "auth": { "token": "__OPENCLAW_REDACTED__" } } });
        Self(Mutex::new(Arc::new(Snapshot {
            path: "/home/user/.openclaw/openclaw.json".into(),
            exists: true,
            raw: source.to_string(),
            source: source.clone(),
            resolved: source,
            hash: "hash-1".into(),
            issues: Vec::new(),
        })))
    }
}

#[async_trait]
impl Settings for MemorySettings {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.lock().unwrap())
    }

    fn schema(&self) -> Value {
        json!({ "type": "object", "required": ["gateway"], "properties": {
            "gateway": { "type": "object", "properties": { "port": { "type": "integer" } } } } })
    }

    async fn write(&self, write: Write) -> Result<Written, settings::Error> {
        let mut current = self.0.lock().unwrap();
        if write.base_hash.as_deref() != Some(current.hash.as_str()) {
            return Err(settings::Error::Stale);
        }
        let source = match write.body {
            WriteBody::Replace(text) => serde_json::from_str(&text).unwrap(),
            WriteBody::Patch { patch, .. } => patch,
        };
        let hash = "hash-2".to_owned();
        *current = Arc::new(Snapshot { hash, source, ..Snapshot::clone(&current) });
        Ok(Written {
            snapshot: Snapshot::clone(&current),
            changed: vec!["gateway.port".into()],
            requires_restart: true,
        })
    }
}

/// A log of two lines.
pub(crate) struct TwoLines;

#[async_trait]
impl Logs for TwoLines {
    async fn tail(&self, query: LogQuery) -> Result<LogPage, Fault> {
        let mut lines = vec!["one".to_owned(), "two".to_owned()];
        let first = lines.len().saturating_sub(query.lines_max);
        Ok(LogPage {
            file: "/tmp/openclaw.log".into(),
            cursor: 8,
            size: 8,
            is_truncated: first > 0,
            lines: lines.split_off(first),
            is_reset: false,
        })
    }
}
