//! Scratch directories: files and programs of one instance, gone when it ends.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ids::{AgentId, InstanceId};
use openclaw_domain::ports::{FileChange, Keeping, ProcessError, Restored, Scratches as _};
use openclaw_domain::scratch::{Bounds, KeptFile, Reason};
use openclaw_sandbox::files::Workspace;
use openclaw_sandbox::process::{Native, Options};
use openclaw_sandbox::scratch::Scratches;
use openclaw_testkit::contract;
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

#[tokio::test]
async fn scratches_on_disk_keep_the_contract() {
    contract::scratches::all(&Scene::new().scratches).await;
}

#[tokio::test]
async fn links_pipes_and_files_with_other_names_are_not_kept_and_are_named() {
    let scene = Scene::new();
    let scratch = scene.scratches.open(&id("t-1"), &AgentId::main(), Keeping::Destroy).await.unwrap();
    scratch.files.change(write("a/real.txt")).await.unwrap();
    scratch.files.change(write("run.sh")).await.unwrap();
    let folder = scene.folder.path().join("scratch/t-1");
    std::fs::write(scene.folder.path().join("secret"), "secret").unwrap();
    std::fs::hard_link(scene.folder.path().join("secret"), folder.join("hard")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("out")).unwrap();
    std::os::unix::fs::symlink("a", folder.join("in")).unwrap();
    fifo(&folder.join("pipe")).await;
    std::fs::set_permissions(folder.join("run.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let captured = scene.scratches.capture(&id("t-1"), &Bounds::default()).await.unwrap();
    let kept: Vec<_> = captured.files.iter().map(|file| (file.path(), file.is_executable())).collect();
    assert_eq!(kept, [("a/real.txt", false), ("run.sh", true)]);
    let named = ["hard", "in", "out", "pipe"].map(|name| (name.to_owned(), Reason::NoFile));
    assert_eq!((captured.left_out.count, &captured.left_out.examples[..]), (4, &named[..]));
}

/// Makes a pipe with a name.
async fn fifo(path: &std::path::Path) {
    let made = tokio::process::Command::new("mkfifo").arg(path).status().await.unwrap();
    assert!(made.success());
}

fn restored(files: &[(&str, bool)]) -> Restored {
    let file = |(path, is_executable): &(&str, bool)| KeptFile::new(path, *is_executable, "x".into()).unwrap();
    Restored { files: files.iter().map(file).collect(), remark: Some("put back".to_owned()) }
}

#[tokio::test]
async fn a_folder_cut_while_it_was_restored_is_made_anew() {
    let scene = Scene::new();
    // As a kill in the middle leaves it: some files, under a name of its own.
    std::fs::create_dir_all(scene.folder.path().join("scratch/t-1.part/old")).unwrap();
    std::fs::write(scene.folder.path().join("scratch/t-1.part/old/half"), "ha").unwrap();
    assert!(!scene.scratches.holds(&id("t-1")).await.unwrap(), "what is not whole is not there");
    let files = [("run.sh", true), ("b/c.txt", false)];
    assert!(scene.scratches.restore(&id("t-1"), Keeping::Keep, restored(&files)).await.unwrap());
    assert!(!scene.exists("t-1/old") && !scene.exists("t-1.part") && scene.exists("t-1/b/c.txt"));
    assert!(scene.exists("t-1.keep"), "a folder that is to stay stays");
    let mode = std::fs::metadata(scene.folder.path().join("scratch/t-1/run.sh")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o100, 0o100);
}

#[tokio::test]
async fn what_a_cut_restoring_left_is_listed_as_waste_and_removed_with_its_remark() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.folder.path().join("scratch/t-1.part/x")).unwrap();
    std::fs::write(scene.folder.path().join("scratch/t-1.remark"), "put back").unwrap();
    let listed = scene.scratches.list().await.unwrap();
    let shown: Vec<_> = listed.iter().map(|folder| (folder.instance.as_str(), folder.keeping)).collect();
    assert_eq!(shown, [("t-1", Keeping::Destroy)]);
    scene.scratches.close(&id("t-1"), Keeping::Destroy).await.unwrap();
    assert_eq!(std::fs::read_dir(scene.folder.path().join("scratch")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_restoring_that_fails_leaves_no_folder() {
    let scene = Scene::new();
    // A file cannot lie below a file: such a list can only come from a damaged record.
    let fault = scene.scratches.restore(&id("t-1"), Keeping::Destroy, restored(&[("a", false), ("a/b", false)])).await;
    assert!(fault.is_err());
    assert!(!scene.scratches.holds(&id("t-1")).await.unwrap());
    assert!(scene.scratches.restore(&id("t-1"), Keeping::Destroy, restored(&[("a", false)])).await.unwrap());
}

#[tokio::test]
async fn a_capture_says_whether_programs_run() {
    let scene = Scene::new();
    let scratch = scene.scratches.open(&id("t-1"), &AgentId::main(), Keeping::Destroy).await.unwrap();
    let moving = async || scene.scratches.capture(&id("t-1"), &Bounds::default()).await.unwrap().is_moving;
    assert!(!moving().await);
    let spawned = scratch.processes.spawn(command("echo on; while :; do sleep 9; done")).await.unwrap();
    tokio::time::timeout(PATIENCE, wait_for(scratch.processes.as_ref(), &spawned.id, "on\n")).await.unwrap();
    assert!(moving().await);
    tokio::time::timeout(PATIENCE, scratch.processes.kill(&spawned.id)).await.unwrap().unwrap();
    assert!(!moving().await);
}
