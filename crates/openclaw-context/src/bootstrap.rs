//! Gives a new workspace its first files.
//!
//! Only a workspace that has none of them is new; nothing is ever overwritten,
//! and a file the owner removed stays removed. `BOOTSTRAP.md` is taken away again
//! once one of the files it is about has changed.

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{FileChange, FileError, Files};

use crate::options::Prompting;

/// The first files: name and content.
const TEMPLATES: [(&str, &str); 4] = [
    ("AGENTS.md", include_str!("../templates/AGENTS.md")),
    ("SOUL.md", include_str!("../templates/SOUL.md")),
    ("IDENTITY.md", include_str!("../templates/IDENTITY.md")),
    ("USER.md", include_str!("../templates/USER.md")),
];

const BOOTSTRAP: (&str, &str) = ("BOOTSTRAP.md", include_str!("../templates/BOOTSTRAP.md"));

/// Largest file compared with its template.
const COMPARED_BYTES_MAX: u64 = 64 * 1024;

/// Makes the first files of a new workspace, or ends its first conversation.
/// Returns the names of files made.
///
/// # Errors
/// When the workspace cannot be read or written.
pub async fn ensure_workspace(files: &dyn Files, prompting: &Prompting) -> Result<Vec<&'static str>, Fault> {
    if prompting.skip_bootstrap {
        return Ok(Vec::new());
    }
    for (name, _) in TEMPLATES {
        if exists(files, name).await? {
            retire(files).await?;
            return Ok(Vec::new());
        }
    }
    let mut made = Vec::new();
    for (name, content) in TEMPLATES.into_iter().chain([BOOTSTRAP]) {
        if prompting.skip_files.iter().any(|it| it == name) || exists(files, name).await? {
            continue;
        }
        let change = FileChange::Write { path: name.to_owned(), content: content.as_bytes().to_vec().into() };
        files.change(change).await.map_err(|error| fault(name, &error))?;
        made.push(name);
    }
    Ok(made)
}

/// Removes `BOOTSTRAP.md` once it has done its work. One the owner wrote stays.
async fn retire(files: &dyn Files) -> Result<(), Fault> {
    if !is_template(files, BOOTSTRAP).await? {
        return Ok(());
    }
    for template in TEMPLATES {
        if exists(files, template.0).await? && !is_template(files, template).await? {
            let change = FileChange::Remove { path: BOOTSTRAP.0.to_owned() };
            return files.change(change).await.map_err(|error| fault(BOOTSTRAP.0, &error));
        }
    }
    Ok(())
}

async fn exists(files: &dyn Files, name: &str) -> Result<bool, Fault> {
    match files.stat(name).await {
        Ok(_) => Ok(true),
        Err(FileError::NotFound(_)) => Ok(false),
        Err(error) => Err(fault(name, &error)),
    }
}

async fn is_template(files: &dyn Files, (name, content): (&str, &str)) -> Result<bool, Fault> {
    match files.read(name, COMPARED_BYTES_MAX).await {
        Ok(bytes) => Ok(&bytes[..] == content.as_bytes()),
        Err(FileError::NotFound(_) | FileError::TooLarge { .. }) => Ok(false),
        Err(error) => Err(fault(name, &error)),
    }
}

fn fault(name: &str, error: &FileError) -> Fault {
    Fault::new(Kind::Config, format!("cannot prepare {name} in the workspace: {error}"))
        .hint("check that the workspace folder exists and is writable, or set agents.defaults.skipBootstrap")
}

#[cfg(test)]
mod tests;
