//! No path, link or race leads out of a workspace.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use openclaw_domain::ports::{FileChange, FileError, FileKind, Files as _, Walk};
use openclaw_sandbox::files::Workspace;
use openclaw_testkit::contract::files as contract;
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, RenameFlags};

const CANARY: &str = "canary";

/// A workspace `ws`, and beside it a folder `outside` with a file `canary`.
struct Scene {
    _folder: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
    workspace: Workspace,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("ws"), folder.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("canary"), CANARY).unwrap();
        let workspace = Workspace::open(&root).unwrap();
        Self { _folder: folder, root, outside, workspace }
    }

    async fn read(&self, path: &str) -> Result<Bytes, FileError> {
        self.workspace.read(path, 1000).await
    }

    async fn write(&self, path: &str, text: &'static str) -> Result<(), FileError> {
        let content = Bytes::from_static(text.as_bytes());
        self.workspace.change(FileChange::Write { path: path.to_owned(), content }).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.workspace.change(FileChange::Rename { from: from.to_owned(), to: to.to_owned() }).await
    }

    async fn remove(&self, path: &str) -> Result<(), FileError> {
        self.workspace.change(FileChange::Remove { path: path.to_owned() }).await
    }

    async fn paths(&self, path: &str, walk: Walk) -> Vec<String> {
        self.workspace.walk(path, &walk).await.unwrap().into_iter().map(|found| found.path).collect()
    }

    /// Checks that nothing outside was changed or added.
    fn check_outside(&self) {
        assert_eq!(fs::read_to_string(self.outside.join("canary")).unwrap(), CANARY);
        assert_eq!(fs::read_dir(&self.outside).unwrap().count(), 1);
    }

    /// Checks that no temporary file is left in the workspace.
    async fn check_tidy(&self) {
        let names = self.paths("", Walk { entries_max: 10_000, ..Walk::default() }).await;
        assert!(!names.iter().any(|name| name.contains(".tmp")), "{names:?}");
    }
}

fn is_outside<T: std::fmt::Debug>(result: Result<T, FileError>) -> bool {
    matches!(result, Err(FileError::Outside { .. }))
}

#[tokio::test]
async fn the_workspace_conforms_to_the_port() {
    contract::all(&Scene::new().workspace).await;
}

#[tokio::test]
async fn an_unconfined_workspace_conforms_but_for_confinement() {
    let folder = tempfile::tempdir().unwrap();
    let files = Workspace::unconfined(folder.path()).unwrap();
    contract::a_written_file_reads_back_and_can_be_replaced(&files).await;
    contract::an_absolute_path_below_the_root_is_accepted(&files).await;
    contract::the_size_limit_counts_whole_files(&files).await;
    contract::missing_and_wrong_kinds_are_told_apart(&files).await;
    contract::a_rename_refuses_to_overwrite(&files).await;
    contract::only_files_and_empty_folders_are_removed(&files).await;
    contract::a_walk_is_sorted_and_limited(&files).await;
    contract::a_walk_honours_globs_and_ignore_rules(&files).await;
}

#[tokio::test]
async fn an_unconfined_workspace_reaches_the_machine_but_no_special_files() {
    let scene = Scene::new();
    let files = Workspace::unconfined(&scene.root).unwrap();
    let canary = scene.outside.join("canary");
    assert_eq!(files.read(canary.to_str().unwrap(), 100).await.unwrap(), CANARY);
    assert_eq!(files.read("../outside/canary", 100).await.unwrap(), CANARY);
    assert!(matches!(files.read("/dev/zero", 100).await, Err(FileError::WrongKind { .. })));
    assert!(!files.read("/proc/self/status", 100_000).await.unwrap().is_empty());
    assert!(matches!(files.read("/proc/self/status", 10).await, Err(FileError::TooLarge { .. })));
    let target = scene.outside.join("new/file").to_str().unwrap().to_owned();
    files.change(FileChange::Write { path: target.clone(), content: Bytes::from_static(b"x") }).await.unwrap();
    assert_eq!(files.read(&target, 100).await.unwrap(), "x");
}

#[tokio::test]
async fn links_that_lead_out_are_refused_for_every_operation() {
    let scene = Scene::new();
    symlink("../outside", scene.root.join("folder")).unwrap();
    symlink("../outside/canary", scene.root.join("file")).unwrap();
    symlink(&scene.outside, scene.root.join("absolute")).unwrap();
    symlink("folder", scene.root.join("twice")).unwrap();
    symlink("../outside/new", scene.root.join("dangling")).unwrap();
    for path in ["folder/canary", "file", "absolute/canary", "twice/canary"] {
        // The control: without the workspace the path does lead out.
        assert_eq!(fs::read_to_string(scene.root.join(path)).unwrap(), CANARY, "{path}");
        assert!(is_outside(scene.read(path).await), "{path}");
        assert!(is_outside(scene.write(path, "x").await), "{path}");
        assert!(is_outside(scene.workspace.stat(path).await), "{path}");
    }
    for path in ["folder/canary", "absolute/canary", "twice/canary"] {
        assert!(is_outside(scene.remove(path).await), "{path}");
        assert!(is_outside(scene.rename(path, "here").await), "{path}");
    }
    scene.write("mine", "x").await.unwrap();
    for path in ["folder/new", "absolute/new", "twice/new", "folder/a/b/new", "absolute/a/b/new"] {
        assert!(is_outside(scene.write(path, "x").await), "{path}");
        assert!(is_outside(scene.rename("mine", path).await), "{path}");
    }
    assert!(is_outside(scene.write("dangling", "x").await));
    for path in ["folder", "absolute", "twice"] {
        assert!(is_outside(scene.workspace.walk(path, &Walk::default()).await), "{path}");
    }
    scene.check_outside();
    scene.check_tidy().await;
}

#[tokio::test]
async fn links_that_stay_inside_are_followed_and_kept() {
    let scene = Scene::new();
    scene.write("real/file", "old").await.unwrap();
    symlink("real", scene.root.join("folder")).unwrap();
    symlink("../real/file", scene.root.join("real/file-link")).unwrap();
    assert_eq!(scene.read("folder/file").await.unwrap(), "old");
    scene.write("real/file-link", "new").await.unwrap();
    scene.write("folder/other", "x").await.unwrap();
    assert_eq!(scene.read("real/file").await.unwrap(), "new");
    assert_eq!(scene.read("real/other").await.unwrap(), "x");
    assert!(fs::symlink_metadata(scene.root.join("real/file-link")).unwrap().is_symlink());
    assert_eq!(scene.workspace.stat("folder").await.unwrap().kind, FileKind::Folder);
    scene.remove("folder").await.unwrap();
    assert_eq!(scene.read("real/file").await.unwrap(), "new");
}

#[tokio::test]
async fn absolute_links_that_stay_inside_are_followed() {
    let scene = Scene::new();
    scene.write("real/file", "old").await.unwrap();
    symlink(scene.root.join("real"), scene.root.join("folder")).unwrap();
    symlink(scene.root.join("folder/file"), scene.root.join("file")).unwrap();
    symlink(scene.root.join("real/../folder"), scene.root.join("real/back")).unwrap();
    for path in ["folder/file", "file", "real/back/file", "real/back/back/file", "folder/../real/file"] {
        assert_eq!(scene.read(path).await.unwrap(), "old", "{path}");
    }
    scene.write("file", "new").await.unwrap();
    scene.write("folder/other", "x").await.unwrap();
    assert_eq!(scene.read("real/file").await.unwrap(), "new");
    assert_eq!(
        scene.paths("folder", Walk { depth_max: 1, ..Walk::default() }).await,
        ["folder/back", "folder/file", "folder/other"]
    );
    symlink(scene.root.join("../outside"), scene.root.join("out")).unwrap();
    assert!(is_outside(scene.read("out/canary").await));
}

#[tokio::test]
async fn links_in_a_loop_are_an_error() {
    let scene = Scene::new();
    symlink("b", scene.root.join("a")).unwrap();
    symlink("a", scene.root.join("b")).unwrap();
    assert!(matches!(scene.read("a").await, Err(FileError::Io { .. })));
    assert!(matches!(scene.write("a", "x").await, Err(FileError::Io { .. })));
}

#[tokio::test]
async fn magic_links_of_proc_are_refused() {
    let scene = Scene::new();
    for (name, target) in [("root", "/proc/self/root"), ("cwd", "/proc/self/cwd"), ("fd", "/dev/fd")] {
        symlink(target, scene.root.join(name)).unwrap();
    }
    for path in ["root/etc/passwd", "cwd/Cargo.toml", "fd/0"] {
        assert!(scene.read(path).await.is_err(), "{path}");
    }
    assert!(!fs::read(scene.root.join("root/etc/passwd")).unwrap().is_empty());
}

#[tokio::test]
async fn a_second_hard_link_is_not_read_and_a_write_leaves_it_alone() {
    let scene = Scene::new();
    fs::hard_link(scene.outside.join("canary"), scene.root.join("link")).unwrap();
    assert_eq!(fs::read_to_string(scene.root.join("link")).unwrap(), CANARY);
    assert!(matches!(scene.read("link").await, Err(FileError::WrongKind { .. })));
    scene.write("link", "mine").await.unwrap();
    assert_eq!(scene.read("link").await.unwrap(), "mine");
    scene.check_outside();
}

#[tokio::test]
async fn special_files_are_refused_without_waiting() {
    let scene = Scene::new();
    let pipe = scene.root.join("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _listener = UnixListener::bind(scene.root.join("socket")).unwrap();
    for path in ["pipe", "socket"] {
        assert_eq!(scene.workspace.stat(path).await.unwrap().kind, FileKind::Other, "{path}");
        assert!(matches!(scene.read(path).await, Err(FileError::WrongKind { .. })), "{path}");
        assert!(matches!(scene.write(path, "x").await, Err(FileError::WrongKind { .. })), "{path}");
    }
    scene.remove("pipe").await.unwrap();
}

#[tokio::test]
async fn a_pipe_named_like_an_ignore_file_does_not_hang_a_walk() {
    let scene = Scene::new();
    scene.write("a", "x").await.unwrap();
    let pipe = scene.root.join(".gitignore");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert_eq!(scene.paths("", Walk { respect_ignore: true, ..Walk::default() }).await, ["a"]);
}

#[tokio::test]
async fn an_ignore_file_that_links_out_is_not_read() {
    let scene = Scene::new();
    fs::write(scene.outside.join("canary"), "a\n").unwrap();
    scene.write("a", "x").await.unwrap();
    symlink("../outside/canary", scene.root.join(".gitignore")).unwrap();
    assert_eq!(scene.paths("", Walk { respect_ignore: true, ..Walk::default() }).await, ["a"]);
}

#[tokio::test]
async fn a_walk_lists_links_without_entering_them() {
    let scene = Scene::new();
    scene.write("a/b", "x").await.unwrap();
    symlink("../outside", scene.root.join("out")).unwrap();
    symlink("..", scene.root.join("a/loop")).unwrap();
    assert_eq!(scene.paths("", Walk::default()).await, ["a", "a/b", "a/loop", "out"]);
    let found = scene.workspace.walk("", &Walk::default()).await.unwrap();
    assert_eq!(found.last().map(|found| found.metadata.kind), Some(FileKind::Link));
}

#[tokio::test]
async fn ignore_rules_above_the_walked_folder_count() {
    let scene = Scene::new();
    scene.write(".gitignore", "*.log\n/src/skip/\n").await.unwrap();
    scene.write("src/.ignore", "!keep.log\n").await.unwrap();
    for path in ["src/a.log", "src/keep.log", "src/a.rs", "src/skip/b.rs", "src/in/skip/c.rs"] {
        scene.write(path, "x").await.unwrap();
    }
    let walk = Walk { respect_ignore: true, globs: vec!["*.*".to_owned()], ..Walk::default() };
    assert_eq!(scene.paths("src", walk).await, ["src/a.rs", "src/in/skip/c.rs", "src/keep.log"]);
}

#[tokio::test]
async fn a_negated_glob_excludes_and_a_bad_one_is_named() {
    let scene = Scene::new();
    for path in ["a.rs", "b.rs", "sub/c.rs"] {
        scene.write(path, "x").await.unwrap();
    }
    let globs = |globs: &[&str]| Walk { globs: globs.iter().map(|&glob| glob.to_owned()).collect(), ..Walk::default() };
    assert_eq!(scene.paths("", globs(&["*.rs", "!b.rs"])).await, ["a.rs", "sub/c.rs"]);
    assert_eq!(scene.paths("", globs(&["sub/*.rs"])).await, ["sub/c.rs"]);
    let got = scene.workspace.walk("", &globs(&["a[z-"])).await;
    assert!(matches!(&got, Err(FileError::Io { path, .. }) if path == "a[z-"), "{got:?}");
}

#[tokio::test]
async fn names_that_are_not_utf8_are_shown_escaped() {
    let scene = Scene::new();
    fs::write(scene.root.join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    fs::write(scene.root.join("two\nlines"), "x").unwrap();
    assert_eq!(scene.paths("", Walk::default()).await, ["caf\\xe9", "two\\nlines"]);
}

#[tokio::test]
async fn a_nul_or_a_home_sign_in_a_path_is_refused() {
    let scene = Scene::new();
    assert!(matches!(scene.write("~/a", "x").await, Err(FileError::WrongKind { .. })));
    assert!(scene.write("~a", "x").await.is_ok());
    assert!(matches!(scene.read("a\0b").await, Err(FileError::WrongKind { .. })));
    assert!(matches!(scene.write("a\0b", "x").await, Err(FileError::WrongKind { .. })));
}

#[tokio::test]
async fn permissions_survive_a_write_and_new_files_follow_the_umask() {
    let scene = Scene::new();
    scene.write("script", "old").await.unwrap();
    let probe = scene.root.join("probe");
    fs::OpenOptions::new().create_new(true).write(true).mode(0o777).open(&probe).unwrap();
    let umask = 0o777 & !fs::metadata(&probe).unwrap().mode();
    assert_eq!(fs::metadata(scene.root.join("script")).unwrap().mode() & 0o7777, 0o644 & !umask);
    fs::set_permissions(scene.root.join("script"), fs::Permissions::from_mode(0o751)).unwrap();
    scene.write("script", "new").await.unwrap();
    assert_eq!(fs::metadata(scene.root.join("script")).unwrap().mode() & 0o7777, 0o751);
}

#[tokio::test]
async fn the_workspace_itself_is_neither_removed_nor_moved() {
    let scene = Scene::new();
    let root = scene.root.to_str().unwrap().to_owned();
    for path in [".", "", "./", &root] {
        assert!(scene.remove(path).await.is_err(), "{path}");
        assert!(scene.rename(path, "x").await.is_err(), "{path}");
        assert!(scene.write(path, "x").await.is_err(), "{path}");
    }
    assert!(scene.root.is_dir());
}

#[tokio::test]
async fn a_workspace_that_was_removed_and_made_again_works() {
    let scene = Scene::new();
    scene.write("a", "x").await.unwrap();
    fs::remove_dir_all(&scene.root).unwrap();
    assert!(scene.read("a").await.is_err());
    fs::create_dir(&scene.root).unwrap();
    scene.write("b", "y").await.unwrap();
    assert_eq!(fs::read_to_string(scene.root.join("b")).unwrap(), "y");
}

#[tokio::test]
async fn readers_see_the_old_file_or_the_new_one() {
    let scene = Scene::new();
    let (old, new): (&'static str, &'static str) = ("old\n".repeat(5000).leak(), "new!\n".repeat(9000).leak());
    scene.write("file", old).await.unwrap();
    let path = scene.root.join("file");
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text == old || text == new, "{} bytes", text.len());
                seen += 1;
            }
            seen
        });
        let stop = StopOnDrop(&stop);
        futures_executor(async {
            for round in 0..100 {
                scene.write("file", if round % 2 == 0 { new } else { old }).await.unwrap();
            }
        });
        drop(stop);
        reader.join().unwrap()
    });
    assert!(seen > 0);
    scene.check_tidy().await;
}

/// Runs a future on a runtime of its own, from inside a plain thread scope.
fn futures_executor<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
        scope.spawn(run).join().unwrap()
    })
}

/// Stops a thread when the test ends, also by a failure.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Swaps two names for ever: a folder with `canary` in it, and a link to the folder outside.
fn swap(root: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let (folder, link) = (root.join("folder"), root.join("link"));
        rustix::fs::renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_swapped_for_a_link_never_leads_out() {
    let scene = Scene::new();
    scene.write("folder/canary", "inside").await.unwrap();
    symlink("../outside", scene.root.join("link")).unwrap();
    let stop = AtomicBool::new(false);
    let (mut inside, mut refused, mut control) = (0, 0, 0);
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        scope.spawn(|| swap(&scene.root, &stop));
        futures_executor(async {
            // Until both sides of the race were seen often, and the same race does lead
            // a plain read out: otherwise the test would show nothing.
            for _ in 0..200_000 {
                match scene.read("folder/canary").await {
                    Ok(text) => {
                        assert_ne!(text, CANARY);
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
                // A failed write is as good as one inside.
                drop(scene.write("folder/new", "mine").await);
                drop(scene.write("folder/deep/er/new", "mine").await);
                drop(scene.rename("folder/canary", "folder/moved").await);
                drop(scene.rename("folder/moved", "folder/canary").await);
                let names = scene.workspace.walk("", &Walk::default()).await.unwrap();
                assert!(names.iter().all(|found| found.path != "link/canary" || found.metadata.bytes == 6));
                let plain = fs::read_to_string(scene.root.join("folder/canary"));
                control += usize::from(plain.is_ok_and(|text| text == CANARY));
                if inside >= 50 && refused >= 50 && control >= 20 {
                    break;
                }
            }
        });
    });
    assert!(inside >= 50 && refused >= 50 && control >= 20, "{inside} {refused} {control}");
    scene.check_outside();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_composed_path_touches_what_is_outside(
        parts in prop::collection::vec(
            prop::sample::select(vec!["..", ".", "", "a", "in", "out", "abs", "canary", "outside", "ws", "\u{0}", "…", "%2e%2e", "a\\..\\.."]),
            0..8,
        ),
        is_absolute in any::<bool>(),
    ) {
        let scene = Scene::new();
        fs::create_dir(scene.root.join("a")).unwrap();
        symlink("a", scene.root.join("in")).unwrap();
        symlink("../outside", scene.root.join("out")).unwrap();
        symlink(&scene.outside, scene.root.join("abs")).unwrap();
        let joined = parts.join("/");
        let path = if is_absolute { format!("{}/{joined}", scene.root.display()) } else { joined };
        futures_executor(async {
            let read = scene.read(&path).await;
            assert!(read.is_err() || read.unwrap() != CANARY, "{path:?}");
            drop(scene.write("source", "x").await);
            drop(scene.rename("source", &path).await);
            drop(scene.rename(&path, "taken").await);
            drop(scene.write(&path, "x").await);
            drop(scene.remove(&path).await);
        });
        scene.check_outside();
    }
}
