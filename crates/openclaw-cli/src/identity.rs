//! The device key of this installation, kept at `<state>/identity/device.json`
//! readable by its owner only. Made on first use.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use openclaw_client::Identity;

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;

/// Returns where the key is kept.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("identity").join("device.json")
}

/// Returns this installation's key, made if there is none.
pub(crate) fn load_or_create(cx: &Cx<'_>) -> Result<Identity, Failure> {
    let path = path(&cx.home.state_dir);
    match std::fs::read_to_string(&path) {
        Ok(text) => Identity::parse(&text).map_err(|error| {
            Failure::new(Exit::Failed, "IDENTITY", format!("cannot use the device key: {error}"))
                .at_file(cx.shown(&path))
                .next(format!("{} doctor", cx.program()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(cx, &path),
        Err(error) => Err(Failure::file("read", &path, &error)),
    }
}

fn create(cx: &Cx<'_>, path: &Path) -> Result<Identity, Failure> {
    let identity = Identity::generate().map_err(|error| {
        Failure::new(Exit::Failed, "IDENTITY", format!("cannot make a device key: {error}")).next("openclaw doctor")
    })?;
    write_private(path, &identity.to_text(cx.now_ms())).map_err(|error| Failure::file("write", path, &error))?;
    Ok(identity)
}

/// Writes a file only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().ok_or_else(|| std::io::Error::other("the path has no folder"))?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // The mode above is subject to the umask; this one is not.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _already_gone = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::write_private;

    #[test]
    fn private_files_are_readable_by_their_owner_only_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.json");
        write_private(&path, "one").unwrap();
        write_private(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
