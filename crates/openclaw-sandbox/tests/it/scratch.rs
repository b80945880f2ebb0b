//! Scratch directories: files and programs of one instance, gone when it ends.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ids::{AgentId, InstanceId};
use openclaw_domain::ports::{FileChange, Keeping, ProcessError, Scratches as _};
use openclaw_sandbox::files::Workspace;
use openclaw_sandbox::process::{Native, Options};
use openclaw_sandbox::scratch::Scratches;
use openclaw_testkit::contract::processes::{command, wait_for};

use crate::clock::Running;

const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    folder: tempfile::TempDir,
    scratches: Scratches,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Arc::new(Workspace::open(folder.path().join("ws")).unwrap());
        let options = Options::new(Arc::new(move |_| Ok(Arc::clone(&workspace))), Arc::new(Running::new()));
        let scratches = Scratches::new(folder.path().join("scratch"), Arc::new(Native::new(options)));
        Self { folder, scratches }
    }

    fn exists(&self, path: &str) -> bool {
        self.folder.path().join("scratch").join(path).exists()
    }
}

fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

fn write(path: &str) -> FileChange {
    FileChange::Write { path: path.into(), content: "x".into() }
}

#[tokio::test]
async fn an_instance_works_in_its_own_folder_and_cannot_leave_it() {
    let scene = Scene::new();
    let one = scene.scratches.open(&id("t-1"), &AgentId::main(), Keeping::Destroy).await.unwrap();
    let two = scene.scratches.open(&id("t-2"), &AgentId::main(), Keeping::Destroy).await.unwrap();
    one.files.change(write("a/b.txt")).await.unwrap();
    assert!(scene.exists("t-1/a/b.txt") && !scene.exists("t-2/a"));
    assert!(two.files.change(write("../t-1/c.txt")).await.is_err());
    let spawned = one.processes.spawn(command("pwd; ls a")).await.unwrap();
    let shown = tokio::time::timeout(PATIENCE, wait_for(one.processes.as_ref(), &spawned.id, "b.txt")).await.unwrap();
    assert!(shown.output.contains("scratch/t-1"), "{}", shown.output);
    let foreign = two.processes.watch(&spawned.id, 0, Duration::ZERO).await;
    assert_eq!(foreign.err(), Some(ProcessError::NoSuchProcess(spawned.id.clone())));
    assert!(two.processes.list(&command("").owner).is_empty(), "nobody sees another's programs");
}

#[tokio::test]
async fn closing_kills_what_does_not_want_to_end_within_a_second_and_removes_all() {
    let scene = Scene::new();
    let scratch = scene.scratches.open(&id("t-1"), &AgentId::main(), Keeping::Destroy).await.unwrap();
    let stubborn = "trap '' TERM; mkdir -p deep/er; chmod 500 deep; (trap '' TERM; while :; do sleep 9; done) & \
        echo on; while :; do sleep 9; done";
    let spawned = scratch.processes.spawn(command(stubborn)).await.unwrap();
    tokio::time::timeout(PATIENCE, wait_for(scratch.processes.as_ref(), &spawned.id, "on\n")).await.unwrap();
    // As a tool does that lets a program run on in the background.
    spawned.leash.release();
    let instance = id("t-1");
    let closing = scene.scratches.close(&instance, Keeping::Destroy);
    tokio::time::timeout(Duration::from_secs(1), closing).await.unwrap().unwrap();
    assert!(!scene.exists("t-1"));
    assert!(scratch.processes.spawn(command("true")).await.is_err(), "a closed instance starts nothing");
}

#[tokio::test]
async fn kept_folders_are_marked_and_listed_and_closing_twice_is_fine() {
    let scene = Scene::new();
    for (name, keeping) in [("t-kept", Keeping::Keep), ("t-gone", Keeping::Destroy)] {
        let scratch = scene.scratches.open(&id(name), &AgentId::main(), keeping).await.unwrap();
        scratch.files.change(write("a.txt")).await.unwrap();
    }
    let listed = scene.scratches.list().await.unwrap();
    let shown: Vec<_> = listed.iter().map(|folder| (folder.instance.as_str(), folder.keeping)).collect();
    assert_eq!(shown, [("t-gone", Keeping::Destroy), ("t-kept", Keeping::Keep)]);
    scene.scratches.close(&id("t-kept"), Keeping::Keep).await.unwrap();
    assert!(scene.exists("t-kept/a.txt"));
    for _ in 0..2 {
        scene.scratches.close(&id("t-kept"), Keeping::Destroy).await.unwrap();
        scene.scratches.close(&id("t-gone"), Keeping::Destroy).await.unwrap();
    }
    assert!(scene.scratches.list().await.unwrap().is_empty());
    assert!(!scene.exists("t-kept.keep"), "the mark goes with the folder");
}

#[tokio::test]
async fn only_plain_names_become_folders() {
    let scene = Scene::new();
    for name in ["../ws", "a/b", ".", "A", "t_1"] {
        let opened = scene.scratches.open(&id(name), &AgentId::main(), Keeping::Destroy).await;
        assert!(opened.is_err(), "{name}");
        assert!(scene.scratches.close(&id(name), Keeping::Destroy).await.is_err(), "{name}");
    }
    assert!(scene.folder.path().join("ws").exists());
}
