use openclaw_testkit::MemoryFiles;

use super::*;

async fn ensure(files: &MemoryFiles) -> Vec<&'static str> {
    ensure_workspace(files, &Prompting::default()).await.unwrap()
}

#[tokio::test]
async fn a_new_workspace_gets_its_first_files_once() {
    let files = MemoryFiles::default();
    assert_eq!(ensure(&files).await, ["AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md", "BOOTSTRAP.md"]);
    assert!(files.text("AGENTS.md").unwrap().contains("How to work here"));
    assert!(ensure(&files).await.is_empty());
}

#[tokio::test]
async fn nothing_is_made_in_a_workspace_that_is_in_use() {
    let files = MemoryFiles::new([("SOUL.md", "mine")]);
    assert!(ensure(&files).await.is_empty());
    assert_eq!(files.paths(), ["SOUL.md"]);
    assert_eq!(files.text("SOUL.md").as_deref(), Some("mine"));
}

#[tokio::test]
async fn skipping_is_respected() {
    let files = MemoryFiles::default();
    let skip = Prompting { skip_bootstrap: true, ..Prompting::default() };
    assert!(ensure_workspace(&files, &skip).await.unwrap().is_empty());
    let some = Prompting { skip_files: vec!["SOUL.md".into()], ..Prompting::default() };
    let made = ensure_workspace(&files, &some).await.unwrap();
    assert_eq!(made, ["AGENTS.md", "IDENTITY.md", "USER.md", "BOOTSTRAP.md"]);
}

#[tokio::test]
async fn the_first_conversation_ends_when_a_profile_file_changed() {
    let files = MemoryFiles::default();
    ensure(&files).await;
    ensure(&files).await;
    assert!(files.text("BOOTSTRAP.md").is_some());
    files.put("USER.md", "# The owner\n- Name: Li");
    ensure(&files).await;
    assert!(files.text("BOOTSTRAP.md").is_none());
}

#[tokio::test]
async fn a_bootstrap_file_of_the_owners_own_stays() {
    let files = MemoryFiles::default();
    ensure(&files).await;
    files.put("BOOTSTRAP.md", "my own");
    files.put("USER.md", "changed");
    ensure(&files).await;
    assert_eq!(files.text("BOOTSTRAP.md").as_deref(), Some("my own"));
}

#[tokio::test]
async fn a_full_disk_is_a_fault_with_the_next_step() {
    let files = MemoryFiles::default();
    files.fail_next_change(FileError::Io { path: "AGENTS.md".into(), message: "no space left on device".into() });
    let fault = ensure_workspace(&files, &Prompting::default()).await.unwrap_err();
    assert_eq!(fault.message, "cannot prepare AGENTS.md in the workspace: AGENTS.md: no space left on device");
    assert!(fault.hint.is_some());
}
