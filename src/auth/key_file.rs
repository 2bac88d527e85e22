//! The key that the server makes for itself when none is configured: random, in a file that only its owner reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::config::{SECRET_BYTES_MAX, Secret};

/// Bytes of randomness in a made key.
const KEY_BYTES: usize = 32;

/// Why the key file cannot be used. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("the key file {} cannot be read ({source}); let this user read it, or set TUTTI_JWT_SECRET", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is none, and it must not be made here: a token of a new key opens no server.
    #[error(
        "there is no key at {}; start the server first, which makes one, or name the server's database with --database-url, or its secret with --jwt-secret (TUTTI_JWT_SECRET)",
        path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("the key file {} cannot be made ({source}); make its folder writable, or set TUTTI_JWT_SECRET", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner can read it.
    #[error("the key file {path} can be read by others; run: chmod 600 '{path}'", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It does not hold a secret.
    #[error("the key file {} does not hold a key; delete it to get a new one (old tokens end), or restore it", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// The secret in the file; if there is no file, a new one, which is then kept there. Of several servers that start at
/// once, one makes the file and all use it.
pub(super) fn load_or_create(path: &Path) -> Result<Secret, KeyFileError> {
    if let Some(secret) = load(path)? {
        return Ok(secret);
    }
    create(path).map_err(|source| KeyFileError::Create { path: path.to_owned(), source })?;
    load(path)?.ok_or_else(|| KeyFileError::Read { path: path.to_owned(), source: io::ErrorKind::NotFound.into() })
}

/// The secret in the file; makes none.
pub(super) fn load_existing(path: &Path) -> Result<Secret, KeyFileError> {
    load(path)?
        .ok_or_else(|| KeyFileError::Missing { path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) })
}

fn load(path: &Path) -> Result<Option<Secret>, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if is_exposed(&file).map_err(failed)? {
        return Err(KeyFileError::Exposed { path: path.to_owned() });
    }
    let mut text = Vec::new();
    file.take(SECRET_BYTES_MAX as u64).read_to_end(&mut text).map_err(failed)?;
    let secret = std::str::from_utf8(&text).ok().and_then(|text| Secret::parse(text.trim()).ok());
    secret.map(Some).ok_or_else(|| KeyFileError::Content { path: path.to_owned() })
}

/// Writes a whole file under another name and links it to its place: the place never holds half a key, and never
/// loses the key of another process.
fn create(path: &Path) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{:016x}", rand::random::<u64>()));
    let unfinished = PathBuf::from(unfinished);
    let written = write_key(&unfinished).and_then(|()| match fs::hard_link(&unfinished, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }
}

fn write_key(path: &Path) -> io::Result<()> {
    let key = hex::encode(rand::random::<[u8; KEY_BYTES]>());
    let mut file = owner_only().write(true).create_new(true).open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

#[cfg(unix)]
fn owner_only() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn owner_only() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(not(unix))]
fn is_exposed(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_read_again_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tutti.db.key");
        let made = load_or_create(&path).unwrap();
        assert_eq!(made.expose().len(), KEY_BYTES * 2);
        assert_eq!(load_or_create(&path).unwrap(), made);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_ne!(load_or_create(&folder.path().join("other.key")).unwrap(), made);
    }

    #[test]
    fn servers_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tutti.db.key");
        let keys: Vec<Secret> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| load_or_create(&path).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tutti.db.key");
        load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load_or_create(&path), Err(KeyFileError::Exposed { .. })));
    }

    #[test]
    fn a_file_that_holds_no_key_and_a_folder_that_is_missing_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for content in ["", "changeme", "\u{0}"] {
            let path = folder.path().join("bad.key");
            let _ = fs::remove_file(&path);
            owner_only().write(true).create_new(true).open(&path).unwrap().write_all(content.as_bytes()).unwrap();
            assert!(matches!(load_or_create(&path), Err(KeyFileError::Content { .. })), "{content:?}");
        }
        let error = load_or_create(&folder.path().join("missing/tutti.key")).unwrap_err();
        assert!(matches!(&error, KeyFileError::Create { .. }) && error.to_string().contains("TUTTI_JWT_SECRET"));
    }
}
