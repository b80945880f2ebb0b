//! What was typed and not sent, and what was sent before, kept for the next start.
//! Files are readable by the owner only; a file that cannot be read or written is
//! as if there were none.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::editor::{HISTORY_MAX, TEXT_BYTES_MAX};

/// Largest file read back.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Draft {
    /// The line being typed.
    pub(crate) line: String,
    /// Messages that wait for a turn to end.
    pub(crate) queue: Vec<String>,
    /// Conversation both belong to.
    pub(crate) session: String,
    /// Messages sent before, oldest first.
    pub(crate) history: Vec<String>,
}

/// Returns where it is kept.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("tui").join("draft.json")
}

/// Reads it back.
pub(crate) fn load(path: &Path) -> Draft {
    let is_small = fs::metadata(path).is_ok_and(|about| about.len() <= FILE_BYTES_MAX);
    let text = is_small.then(|| fs::read_to_string(path).ok()).flatten().unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Writes it, whole or not at all.
pub(crate) fn save(path: &Path, draft: &Draft) -> std::io::Result<()> {
    let mut draft = draft.clone();
    draft.history.retain(|text| text.len() < TEXT_BYTES_MAX / 64);
    let over = draft.history.len().saturating_sub(HISTORY_MAX);
    draft.history.drain(..over);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(serde_json::to_string(&draft)?.as_bytes())?;
    drop(file);
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_typed_comes_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        assert_eq!(load(&path), Draft::default());
        let draft = Draft {
            line: "half".to_owned(),
            queue: vec!["next".to_owned()],
            session: "agent:main:main".to_owned(),
            history: vec!["old".to_owned()],
        };
        save(&path, &draft).unwrap();
        assert_eq!(load(&path), draft);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{broken").unwrap();
        assert_eq!(load(&path), Draft::default());
    }
}
