//! The line being typed, edited in the person's own editor. The text goes into a file
//! only its owner can read, which is removed afterwards; the editor has the terminal
//! for itself meanwhile. When the program is told to end, the editor is told to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::Backend;
use crate::failure::Failure;
use crate::identity::write_private;
use crate::tui::editor::TEXT_BYTES_MAX;

/// Longest time an editor may stay open.
const OPEN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an editor that was told to end may take to put the terminal in order.
const END_MAX: Duration = Duration::from_secs(3);

/// The person's editor, and what starts it.
#[derive(Clone, Copy)]
pub(crate) struct Outside<'a> {
    pub(crate) backend: &'a dyn Backend,
    /// `VISUAL`, else `EDITOR`: a command as a shell reads it.
    pub(crate) editor: Option<&'a str>,
}

/// Why the text is as it was.
#[derive(Debug)]
pub(crate) enum NotEdited {
    NoEditor,
    Failed(String),
}

impl Outside<'_> {
    /// Has a text edited; returns what it became, or `None` when `stop` came first: then
    /// the editor has been ended too.
    pub(crate) async fn edit(
        &self,
        folder: &Path,
        text: &str,
        stop: impl Future<Output = ()>,
    ) -> Option<Result<String, NotEdited>> {
        let Some(editor) = self.editor else { return Some(Err(NotEdited::NoEditor)) };
        let name = format!("message-{}", uuid::Uuid::new_v4().simple());
        let files = Files { text: folder.join(format!("{name}.md")), pid: folder.join(format!("{name}.pid")) };
        let (place, words) = (files.text.clone(), text.to_owned());
        if let Err(failed) = within(move || write_private(&place, &words)).await {
            return Some(Err(failed));
        }
        let ended = self.start(editor, &files, stop).await;
        let edited = within(move || files.take()).await;
        Some(match ended? {
            // Editors end the last line; the message does not.
            Ok(()) => edited.map(|edited| edited.strip_suffix('\n').unwrap_or(&edited).to_owned()),
            Err(failed) => Err(failed),
        })
    }

    /// The shell splits the command, as everybody else who starts an editor does it, and
    /// gives it the terminal in place of our streams. Where it can, it becomes the editor,
    /// so that the process it names is the one to end.
    async fn start(
        &self,
        editor: &str,
        files: &Files,
        stop: impl Future<Output = ()>,
    ) -> Option<Result<(), NotEdited>> {
        let become_it = if is_plain(editor) { "exec " } else { "" };
        let script = format!(
            "echo \"$$\" >\"$2\"; exec </dev/tty >/dev/tty 2>/dev/tty; set -- \"$1\"; {become_it}{editor} \"$@\""
        );
        let places = [&files.text, &files.pid].map(|path| path.display().to_string());
        let arguments = [["-c".to_owned(), script, "sh".to_owned()].as_slice(), &places].concat();
        let run = self.backend.run_program("/bin/sh", &arguments, OPEN_MAX);
        tokio::pin!(run);
        let output = tokio::select! {
            output = &mut run => output,
            () = stop => {
                let place = files.pid.clone();
                // One that cannot be named is killed when what runs it is dropped.
                let _told = within(move || end(&place)).await;
                let _put_in_order = tokio::time::timeout(END_MAX, run).await;
                return None;
            }
        };
        let failed = |failure: Failure| NotEdited::Failed(failure.message);
        Some(output.map_err(failed).and_then(|output| match output.code {
            Some(0) => Ok(()),
            Some(code) => Err(NotEdited::Failed(format!("{editor} ended with {code}"))),
            None => Err(NotEdited::Failed(format!("{editor} was stopped"))),
        }))
    }
}

/// What an edited text leaves on disk while the editor is open.
struct Files {
    text: PathBuf,
    /// Says which process the editor is.
    pid: PathBuf,
}

impl Files {
    /// Reads the text and removes both; what cannot be removed is still its owner's alone.
    fn take(&self) -> std::io::Result<String> {
        let edited = read(&self.text);
        for path in [&self.text, &self.pid] {
            let _left_over = std::fs::remove_file(path);
        }
        edited
    }
}

/// Tells whether a command is one program with its arguments, which a shell can become.
fn is_plain(editor: &str) -> bool {
    let first = editor.split_whitespace().next().unwrap_or_default();
    !first.contains('=') && !editor.contains([';', '&', '|', '<', '>', '(', ')', '{', '}', '`', '\n'])
}

/// Tells an editor, and what a shell that did not become it has started, to end.
fn end(place: &Path) -> std::io::Result<()> {
    let text = std::fs::read_to_string(place)?;
    let pid = text.trim();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for pid in children.split_whitespace().chain([pid]) {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            // One that is gone already needs no signal.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
    Ok(())
}

/// Works with files away from the thread that draws.
async fn within<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, NotEdited> {
    let joined = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
    joined.and_then(|result| result).map_err(|error| NotEdited::Failed(error.to_string()))
}

fn read(path: &Path) -> std::io::Result<String> {
    let size = path.metadata()?.len();
    if size > TEXT_BYTES_MAX as u64 {
        let what = format!("the text is larger than {TEXT_BYTES_MAX} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn a_shell_becomes_an_editor_only_where_the_line_is_one_program() {
        assert!(is_plain("vim") && is_plain("code --wait") && is_plain("/bin/sh \"/a b/edit.sh\""));
        assert!(!is_plain("LANG=C vim") && !is_plain("cd /tmp; vim") && !is_plain("vim && true"));
    }
}
