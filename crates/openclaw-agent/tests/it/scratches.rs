//! Files of instances: when they are kept, and what a run that is taken up or
//! forked finds of them.

use std::sync::Arc;

use openclaw_domain::approval::Decision;
use openclaw_domain::ports::{
    Approvals, Edit, FileChange, ForkWish, Forked, History, Journal, RunName, Runs, Snapshotted, Tool, ToolCx, Upkeep,
};
use openclaw_domain::run::{End, QueueMode};
use openclaw_domain::runtime::ThreadBound;
use openclaw_domain::tool::{Effect, Error, ToolOutput, ToolSpec};
use openclaw_domain::{InstanceId, Origin, Outcome, Permit, RunRequest, Seq, SessionKey};
use openclaw_testkit::model::Turn;
use openclaw_testkit::observer::PATIENCE;
use openclaw_testkit::{AskAll, ScriptedModel, tool};
use serde_json::{Value, json};

use crate::harness::{Rig, SNAPSHOT_INTERVAL, Setup, request, run, soon};

fn own() -> SessionKey {
    "agent:own:main".parse().unwrap()
}

fn ask(id: &str) -> RunRequest {
    RunRequest { session: own(), ..request(id, "work", QueueMode::Followup) }
}

/// Writes its `text` to its `path`.
struct Write(ToolSpec);

#[async_trait::async_trait]
impl Tool for Write {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let given: Value = serde_json::from_str(&permit.call().arguments).unwrap();
        let (path, text) = (given["path"].as_str().unwrap().to_owned(), given["text"].as_str().unwrap().to_owned());
        let change = FileChange::Write { path, content: text.into() };
        cx.files.change(change).await.map_err(|error| Error::tell(error.to_string()))?;
        Ok(ToolOutput::text("written", Origin::System))
    }
}

fn write(path: &str, text: &str) -> Turn {
    Turn::ask("write", &json!({ "path": path, "text": text }))
}

/// A process; every call of its tool is asked about.
fn process(owner: &'static str, earlier: Option<&Rig>, turns: Vec<Turn>) -> Rig {
    let mut setup = Setup::new(ScriptedModel::new(turns)).thread_bound(ThreadBound::default());
    setup.own_tools.push(Arc::new(Write(ToolSpec { effect: Effect::Idempotent, ..tool::spec("write") })));
    setup.gate = Arc::new(AskAll);
    setup.owner = owner;
    if let Some(earlier) = earlier {
        setup.store = earlier.store.clone();
        setup.scratches = Some(earlier.scratches.clone());
    }
    setup.build()
}

/// Waits until a call is asked about that is not `seen`, and returns its question.
async fn asked(rig: &Rig, seen: &[String]) -> String {
    let new = || rig.engine.pending().into_iter().map(|it| it.id).find(|id| !seen.contains(id));
    soon("a question", async || new().is_some()).await;
    new().unwrap()
}

async fn allow(rig: &Rig, question: &str) {
    rig.engine.resolve(question, Decision::AllowOnce, "owner").await.unwrap();
}

async fn snapshot(rig: &Rig) -> Snapshotted {
    rig.engine.snapshot(&run("r1")).await.unwrap()
}

/// A run that wrote `a` and asks whether it may write `b`.
async fn parked(turns: Vec<Turn>) -> (Rig, InstanceId, String) {
    let rig = process("boot-1", None, turns);
    rig.engine.start(ask("r1")).await.unwrap();
    let first = asked(&rig, &[]).await;
    allow(&rig, &first).await;
    let second = asked(&rig, &[first]).await;
    let id = rig.engine.instances()[0].id.clone();
    (rig, id, second)
}

fn turns() -> Vec<Turn> {
    vec![write("a", "one"), write("b", "two")]
}

fn text(rig: &Rig, id: &InstanceId, path: &str) -> Option<String> {
    rig.scratches.files(id).and_then(|files| files.text(path))
}

/// What the last model call was told of files.
fn told(rig: &Rig) -> Option<String> {
    let system = rig.model.requests().pop().unwrap().system;
    system.into_iter().find(|part| part.starts_with("Files: "))
}

/// Goes on with what `first` left until `b` may be written; then until the end.
async fn taken_up(first: &Rig, id: &InstanceId) -> (Rig, Option<String>) {
    first.engine.shutdown().await;
    let rig = process("boot-2", Some(first), vec![Turn::say("done")]);
    assert_eq!(rig.engine.recover().await.unwrap(), 1);
    let question = asked(&rig, &[]).await;
    let a = text(&rig, id, "a");
    allow(&rig, &question).await;
    let ended = tokio::time::timeout(PATIENCE, rig.engine.wait(Some(&own()), &run("r1"))).await.unwrap().unwrap();
    assert_eq!(ended.unwrap().end, End::Done);
    (rig, a)
}

#[tokio::test]
async fn files_of_an_instance_are_kept_at_its_interval_and_only_when_they_may_have_changed() {
    let (rig, _, second) = parked([turns(), vec![write("c", "three")]].concat()).await;
    let kept = async || rig.store.scratch(&own(), &run("r1"), Seq(u64::MAX)).await.unwrap();
    assert_eq!(kept().await, None, "not before the interval");
    rig.clock.advance(SNAPSHOT_INTERVAL).await;
    soon("kept files", async || kept().await.is_some()).await;
    let first = kept().await.unwrap();
    assert_eq!((first.captured.files[0].path(), &first.captured.files[0].body()[..]), ("a", &b"one"[..]));
    rig.clock.advance(SNAPSHOT_INTERVAL * 3).await;
    assert_eq!((rig.scratches.captures(), kept().await), (1, Some(first.clone())), "nothing acted");
    allow(&rig, &second).await;
    asked(&rig, &[second]).await;
    rig.clock.advance(SNAPSHOT_INTERVAL).await;
    soon("more files", async || kept().await.unwrap().captured.files.len() == 2).await;
    let between = rig.store.scratch(&own(), &run("r1"), first.seq).await.unwrap();
    assert_eq!(between, Some(first), "what was there before is still known");
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn while_programs_run_files_are_looked_at_again_and_kept_once_when_they_stay_the_same() {
    let (rig, id, _) = parked(turns()).await;
    rig.scratches.move_on(true);
    for count in 1..=3 {
        rig.clock.advance(SNAPSHOT_INTERVAL).await;
        soon("another look", async || rig.scratches.captures() == count).await;
    }
    rig.scratches.files(&id).unwrap().put("a", "by a program");
    rig.scratches.move_on(false);
    rig.clock.advance(SNAPSHOT_INTERVAL).await;
    soon("the last look", async || rig.scratches.captures() == 4).await;
    let kept = async || rig.store.scratch(&own(), &run("r1"), Seq(u64::MAX)).await.unwrap().unwrap();
    soon("the program's file", async || kept().await.captured.files[0].body() == "by a program").await;
    assert!(!kept().await.captured.is_moving);
    rig.clock.advance(SNAPSHOT_INTERVAL * 2).await;
    assert_eq!(rig.scratches.captures(), 4, "it has ended");
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_lost_folder_comes_back_with_its_files() {
    let (first, id, _) = parked(turns()).await;
    let kept = snapshot(&first).await;
    let count = kept.scratch.clone().unwrap();
    assert!(kept.is_current() && (count.files, count.bytes) == (1, 3) && count.left_out.is_empty(), "{kept:?}");
    assert!(first.scratches.lose(&id));
    let (rig, a) = taken_up(&first, &id).await;
    assert_eq!(a.as_deref(), Some("one"));
    assert_eq!(told(&rig), None, "all is there, so there is nothing to tell");
}

#[tokio::test]
async fn a_folder_that_is_there_is_newer_than_what_was_kept() {
    let (first, id, _) = parked(turns()).await;
    snapshot(&first).await;
    first.scratches.files(&id).unwrap().put("a", "newer");
    let (rig, a) = taken_up(&first, &id).await;
    assert_eq!((a.as_deref(), told(&rig)), (Some("newer"), None));
}

#[tokio::test]
async fn a_run_whose_files_are_lost_goes_on_and_is_told() {
    let (first, id, _) = parked(turns()).await;
    snapshot(&first).await;
    first.store.lose_checkpoints();
    first.scratches.lose(&id);
    let (rig, a) = taken_up(&first, &id).await;
    let told = told(&rig).unwrap();
    assert_eq!(a, None);
    assert!(told.contains("current folder is empty") && told.contains("1 of write"), "{told}");
}

#[tokio::test]
async fn a_run_that_acted_after_its_files_were_kept_is_told_what_may_be_missing() {
    let (first, id, second) = parked([turns(), vec![write("c", "three")]].concat()).await;
    snapshot(&first).await;
    allow(&first, &second).await;
    asked(&first, &[second]).await;
    assert_eq!(text(&first, &id, "b").as_deref(), Some("two"));
    first.scratches.lose(&id);
    let (rig, a) = taken_up(&first, &id).await;
    let told = told(&rig).unwrap();
    assert_eq!(a.as_deref(), Some("one"));
    assert!(told.contains("what these later calls changed: 1 of write"), "{told}");
}

/// Forks the run before its second model call; what it calls is allowed.
async fn forked(rig: &Rig, turns: Vec<Turn>, from_step: u32, is_live: bool) -> (Forked, InstanceId, Outcome) {
    let seen: Vec<String> = rig.engine.pending().into_iter().map(|it| it.id).collect();
    let acts = turns.len() - 1;
    turns.into_iter().for_each(|turn| rig.model.push(turn));
    let of = RunName { session: None, run: run("r1") };
    let wish = ForkWish { of, from_step, model: None, edit: Edit::default(), is_live };
    let forked = rig.engine.fork(wish).await.unwrap();
    let instance = rig.engine.instances().into_iter().find(|it| it.run == forked.run_id).unwrap();
    if is_live {
        let mut seen = seen;
        for _ in 0..acts {
            let question = asked(rig, &seen).await;
            allow(rig, &question).await;
            seen.push(question);
        }
    }
    let ended = rig.engine.wait(Some(&forked.session_key), &forked.run_id);
    let outcome = tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    let replay = rig.engine.replay(Some(&forked.session_key), &forked.run_id).await.unwrap();
    assert!(replay.is_identical, "a fork replays like any run: {:#?}", replay.differences);
    (forked, instance.id, outcome)
}

#[tokio::test]
async fn a_live_fork_works_on_a_copy_of_the_files_as_they_were() {
    let (rig, id, second) = parked([turns(), vec![write("c", "three")]].concat()).await;
    snapshot(&rig).await;
    allow(&rig, &second).await;
    asked(&rig, &[second]).await;
    snapshot(&rig).await;
    // The fork looks at its folder before it changes it.
    let (_, fork, outcome) = forked(&rig, vec![write("a", "changed by the fork"), Turn::say("forked")], 2, true).await;
    assert_eq!((outcome.text.as_str(), outcome.end), ("forked", End::Done));
    assert_ne!(fork, id);
    assert_eq!(text(&rig, &id, "a").as_deref(), Some("one"), "the original keeps its files");
    assert_eq!(text(&rig, &id, "b").as_deref(), Some("two"));
    let restored = rig.scratches.restored();
    assert_eq!(
        restored.iter().map(|(id, paths)| (id, paths.as_slice())).collect::<Vec<_>>(),
        [(&fork, &["a".to_owned()][..])]
    );
    assert_eq!(told(&rig), None, "the copy is exactly what was there before that step");
    soon("the fork's folder to go like any other", async || rig.scratches.files(&fork).is_none()).await;
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_fork_of_what_was_not_kept_is_told_so() {
    let (rig, _, _) = parked(turns()).await;
    forked(&rig, vec![Turn::say("forked")], 2, true).await;
    let told = told(&rig).unwrap();
    assert!(told.contains("the folder that run r1 worked in; nothing of it could be kept"), "{told}");
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_fork_that_touches_nothing_needs_no_files() {
    let (rig, _, _) = parked(turns()).await;
    snapshot(&rig).await;
    let (forked, _, outcome) = forked(&rig, vec![write("a", "one"), Turn::say("forked")], 2, false).await;
    assert_eq!((outcome.text.as_str(), told(&rig)), ("forked", None));
    assert!(rig.scratches.restored().is_empty());
    let first = rig.store.events(&forked.session_key, &forked.run_id, Seq(0), 1).await.unwrap();
    assert!(format!("{first:?}").contains("ThreadBound"), "{first:?}");
    rig.engine.shutdown().await;
}
