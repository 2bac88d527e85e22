//! The migrations in this program, and which of them a database still lacks, without needing the right to change it.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::error::StoreError;
use super::packing::PACKED_MIGRATION;

/// sqlx's own name for its table.
const TABLE: &str = "_sqlx_migrations";

/// Migrations from here on are only for programs that know them; those before add what an older program can do without, so that it
/// runs beside a newer one.
const INCOMPATIBLE: i64 = 1000;

/// PostgreSQL's insufficient_privilege.
const DENIED: &str = "42501";

/// A `LazyLock` of the migrations of a folder, by version and file; a test compares the list with the folder. The macro of sqlx
/// would find them by itself, but compiles sqlx and SQLite twice to do so.
macro_rules! migrations {
    ($folder:literal: $($version:literal $file:literal),+) => {
        std::sync::LazyLock::new(|| {
            $crate::store::migrate::migrator(&[
                $(($version, $file, include_str!(concat!("../../migrations/", $folder, "/", $file, ".sql")))),+
            ])
        })
    };
}
pub(super) use migrations;

/// The migrations with these versions, files and texts.
pub(super) fn migrator(files: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, file, sql): &(i64, &'static str, &'static str)| {
        let description = file.split_once('_').map_or(file, |(_, name)| name).replace('_', " ");
        Migration::new(version, description.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    let migrations = files.iter().map(migration).collect();
    Migrator { migrations: Cow::Owned(migrations), ignore_missing: true, ..Migrator::DEFAULT }
}

/// Those of `migrations` that the database lacks; `table_exists` says whether it was ever migrated. A database that knows
/// more, or something else, than this program is an error.
pub(super) async fn pending<'m>(
    migrations: &'m Migrator,
    connection: &mut impl Migrate,
    table_exists: bool,
) -> Result<Vec<&'m Migration>, StoreError> {
    if !table_exists {
        return Ok(migrations.iter().collect());
    }
    if let Some(version) = connection.dirty_version(TABLE).await.map_err(unreadable)? {
        return Err(error(MigrateError::Dirty(version)));
    }
    let applied = connection.list_applied_migrations(TABLE).await.map_err(unreadable)?;
    for applied in &applied {
        match migrations.iter().find(|migration| migration.version == applied.version) {
            // A newer program's, which this one can do without.
            None if applied.version < INCOMPATIBLE || applied.version == PACKED_MIGRATION => {}
            None => return Err(error(MigrateError::VersionMissing(applied.version))),
            Some(migration) if migration.checksum != applied.checksum => {
                return Err(error(MigrateError::VersionMismatch(applied.version)));
            }
            Some(_) => {}
        }
    }
    let is_applied = |migration: &&Migration| applied.iter().any(|applied| applied.version == migration.version);
    Ok(migrations.iter().filter(|migration| !is_applied(migration)).collect())
}

/// Says what to do about `pending` migrations that cannot be, as the database's `role`.
pub(super) fn failed(error: MigrateError, pending: &[&Migration], role: &str) -> StoreError {
    if !is_denied(&error) {
        return self::error(error);
    }
    let names: Vec<_> =
        pending.iter().map(|migration| format!("{} ({})", migration.version, migration.description)).collect();
    StoreError::Migration(format!(
        "the database lacks the migrations {}, and role {role:?} may not make them: run `tutti migrate` as the role that owns the tables",
        names.join(", ")
    ))
}

/// Says what to do where it cannot be read which migrations there were.
fn unreadable(error: MigrateError) -> StoreError {
    match is_denied(&error) {
        true => StoreError::Migration(format!(
            "this role of the database may not read the table {TABLE}: grant it select on all tables of Tutti"
        )),
        false => self::error(error),
    }
}

fn is_denied(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == DENIED)
}

/// Says what to do about a migration that cannot be.
pub(super) fn error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => StoreError::Migration(format!(
            "the database is newer than this program (it has migration {version}): run the newer program"
        )),
        MigrateError::VersionMismatch(version) => StoreError::Migration(format!(
            "migration {version} in the database is not the one of this program: was the database made by another build?"
        )),
        MigrateError::Execute(error) => error.into(),
        error => StoreError::Migration(format!("the database could not be migrated: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As sqlx itself reads the folder: versions, names and checksums, which databases hold.
    #[test]
    fn each_file_of_the_folders_is_in_the_program_as_sqlx_reads_it() {
        for (folder, listed) in
            [("postgres", &*super::super::postgres::MIGRATIONS), ("sqlite", &*super::super::sqlite::MIGRATIONS)]
        {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let read = actix_rt::System::new().block_on(Migrator::new(path)).unwrap();
            let facts = |migrator: &Migrator| {
                let fact = |m: &Migration| (m.version, m.description.to_string(), m.checksum.to_vec(), m.no_tx);
                migrator.iter().map(fact).collect::<Vec<_>>()
            };
            assert_eq!(facts(listed), facts(&read), "{folder}");
        }
    }
}
