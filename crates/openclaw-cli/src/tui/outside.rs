//! The line being typed, edited in the person's own editor. The text goes into a file
//! only its owner can read, which is removed afterwards; the editor has the terminal
//! for itself meanwhile.

use std::path::Path;
use std::time::Duration;

use crate::backend::Backend;
use crate::failure::Failure;
use crate::identity::write_private;
use crate::tui::editor::TEXT_BYTES_MAX;

/// Longest time an editor may stay open.
const OPEN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// Has a text edited; returns what it became.
    pub(crate) async fn edit(&self, folder: &Path, text: &str) -> Result<String, NotEdited> {
        let editor = self.editor.ok_or(NotEdited::NoEditor)?;
        let path = folder.join(format!("message-{}.md", uuid::Uuid::new_v4().simple()));
        let (place, words) = (path.clone(), text.to_owned());
        within(move || write_private(&place, &words)).await?;
        let ended = self.start(editor, &path).await;
        let place = path.clone();
        let edited = within(move || read(&place)).await;
        // What cannot be removed is still its owner's alone.
        let _left_over = within(move || std::fs::remove_file(path)).await;
        ended?;
        let edited = edited?;
        // Editors end the last line; the message does not.
        Ok(edited.strip_suffix('\n').unwrap_or(&edited).to_owned())
    }

    /// The shell splits the command, as everybody else who starts an editor does it, and
    /// gives it the terminal in place of our streams.
    async fn start(&self, editor: &str, path: &Path) -> Result<(), NotEdited> {
        let script = format!("exec </dev/tty >/dev/tty 2>/dev/tty; {editor} \"$@\"");
        let arguments = ["-c".to_owned(), script, "sh".to_owned(), path.display().to_string()];
        let failed = |failure: Failure| NotEdited::Failed(failure.message);
        let output = self.backend.run_program("/bin/sh", &arguments, OPEN_MAX).await.map_err(failed)?;
        match output.code {
            Some(0) => Ok(()),
            Some(code) => Err(NotEdited::Failed(format!("{editor} ended with {code}"))),
            None => Err(NotEdited::Failed(format!("{editor} was stopped"))),
        }
    }
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
