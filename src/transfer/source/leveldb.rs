//! A LevelDB database, read in the order of its keys; damage is noticed. Knows nothing of what is in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use rusty_leveldb::{DB, DBIterator, LdbIterator, Options};

use super::checked::Damage;
use super::overlay::Overlay;

/// What a database is that the library cannot read.
pub(super) const DAMAGED: &str = "the LevelDB database is damaged; y-leveldb may still read what is left of it";

/// A key and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

pub(super) struct LevelDb {
    // Before the database, which it reads from.
    iterator: DBIterator,
    _database: DB,
    damage: Damage,
}

impl LevelDb {
    /// Opens the folder as it is; changes nothing in it.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let damage = Damage::default();
        let overlay =
            Overlay::new(damage.clone()).map_err(|error| format!("no scratch folder can be made: {error}"))?;
        let options = Options {
            env: Rc::new(Box::new(overlay)),
            create_if_missing: false,
            paranoid_checks: true,
            reuse_logs: false,
            reuse_manifest: false,
            ..Options::default()
        };
        let opened = guarded(|| {
            let mut database = DB::open(folder, options).map_err(|error| error.to_string())?;
            let iterator = database.new_iter().map_err(|error| error.to_string())?;
            Ok(Self { iterator, _database: database, damage: damage.clone() })
        });
        if damage.take() { Err(DAMAGED.to_owned()) } else { opened }
    }

    /// Whether something was stepped over since this was asked last, since it cannot be read.
    pub fn take_damage(&self) -> bool {
        self.damage.take()
    }

    /// The first entry whose key is `key` or comes after it.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Entry>, String> {
        guarded(|| {
            self.iterator.seek(key);
            Ok(self.current())
        })
    }

    /// The entry after the last one.
    pub fn next(&mut self) -> Result<Option<Entry>, String> {
        guarded(|| {
            self.iterator.advance();
            Ok(self.current())
        })
    }

    fn current(&self) -> Option<Entry> {
        self.iterator.current().map(|(key, value)| (key.to_vec(), value.to_vec()))
    }
}

/// The library panics on some damage.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(DAMAGED.to_owned()))
}
