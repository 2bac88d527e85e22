//! A folder that is read and never changed: what the LevelDB library writes when it opens a database goes to a scratch folder, and is
//! found there first.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusty_leveldb::env::{Env, FileLock, Logger, RandomAccess};
use rusty_leveldb::{Result, Status, StatusCode};
use tempfile::TempDir;

use super::checked::{Damage, Sequence, Table};

pub(super) struct Overlay {
    scratch: TempDir,
    damage: Damage,
}

impl Overlay {
    /// Notes in `damage` what cannot be read in the database itself.
    pub fn new(damage: Damage) -> io::Result<Self> {
        Ok(Self { scratch: tempfile::tempdir()?, damage })
    }

    /// Where `path` is if it was written. All files of a database are in one folder.
    fn written(&self, path: &Path) -> PathBuf {
        self.scratch.path().join(path.file_name().unwrap_or_default())
    }

    fn found(&self, path: &Path) -> PathBuf {
        let written = self.written(path);
        if written.exists() { written } else { path.to_owned() }
    }

    /// Opens a file, and says whether it is one that was written here.
    fn open(&self, path: &Path) -> io::Result<(File, bool)> {
        let found = self.found(path);
        Ok((File::open(&found)?, found != path))
    }

    fn write(&self, path: &Path, options: &mut fs::OpenOptions) -> Result<Box<dyn Write>> {
        let file = options.create(true).open(self.written(path)).map_err(|error| status(path, &error))?;
        Ok(Box::new(file))
    }
}

fn status(path: &Path, error: &io::Error) -> Status {
    let code = match error.kind() {
        io::ErrorKind::NotFound => StatusCode::NotFound,
        _ => StatusCode::IOError,
    };
    Status::new(code, &format!("{}: {error}", path.display()))
}

impl Env for Overlay {
    fn open_sequential_file(&self, path: &Path) -> Result<Box<dyn Read>> {
        let open = || match self.open(path)? {
            (file, true) => Ok(Box::new(file) as Box<dyn Read>),
            (file, false) => Ok(Box::new(Sequence::new(file, self.damage.clone())?) as Box<dyn Read>),
        };
        open().map_err(|error| status(path, &error))
    }

    fn open_random_access_file(&self, path: &Path) -> Result<Box<dyn RandomAccess>> {
        let open = || match self.open(path)? {
            (file, true) => Ok(Box::new(file) as Box<dyn RandomAccess>),
            (file, false) => Ok(Box::new(Table::new(file, self.damage.clone())?) as Box<dyn RandomAccess>),
        };
        open().map_err(|error| status(path, &error))
    }

    fn open_writable_file(&self, path: &Path) -> Result<Box<dyn Write>> {
        self.write(path, File::options().write(true).truncate(true))
    }

    fn open_appendable_file(&self, path: &Path) -> Result<Box<dyn Write>> {
        // Only a log is ever appended to, and the library is told not to reuse the one that is there.
        self.write(path, File::options().append(true))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.found(path).exists())
    }

    fn children(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut names: Vec<PathBuf> = Vec::new();
        for folder in [path, self.scratch.path()] {
            for entry in fs::read_dir(folder).map_err(|error| status(folder, &error))? {
                names.push(entry.map_err(|error| status(folder, &error))?.file_name().into());
            }
        }
        // The library reads a name as text, and a database has no others.
        names.retain(|name| name.to_str().is_some());
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn size_of(&self, path: &Path) -> Result<usize> {
        let metadata = fs::metadata(self.found(path)).map_err(|error| status(path, &error))?;
        Ok(metadata.len() as usize)
    }

    fn delete(&self, path: &Path) -> Result<()> {
        match fs::remove_file(self.written(path)) {
            // It lies in the database itself, which stays as it is.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(|error| status(path, &error)),
        }
    }

    fn mkdir(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn rmdir(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn rename(&self, old: &Path, new: &Path) -> Result<()> {
        fs::rename(self.written(old), self.written(new)).map_err(|error| status(old, &error))
    }

    /// Nothing is written that others could see, so nobody is locked out.
    fn lock(&self, path: &Path) -> Result<FileLock> {
        Ok(FileLock { id: path.display().to_string() })
    }

    fn unlock(&self, _: FileLock) -> Result<()> {
        Ok(())
    }

    fn new_logger(&self, _: &Path) -> Result<Logger> {
        Ok(Logger::new(Box::new(io::sink())))
    }

    fn micros(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
    }

    fn sleep_for(&self, micros: u32) {
        std::thread::sleep(Duration::from_micros(micros.into()));
    }
}
