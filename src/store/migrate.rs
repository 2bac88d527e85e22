//! Which migrations a database still lacks, without needing the right to change it.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::error::StoreError;

/// sqlx's own name for its table.
const TABLE: &str = "_sqlx_migrations";

/// How many of `migrations` the database lacks; `table_exists` says whether it was ever migrated. A database that knows
/// more, or something else, than this program is an error.
pub(super) async fn pending(
    migrations: &Migrator,
    connection: &mut impl Migrate,
    table_exists: bool,
) -> Result<usize, StoreError> {
    if !table_exists {
        return Ok(migrations.iter().count());
    }
    if let Some(version) = connection.dirty_version(TABLE).await.map_err(error)? {
        return Err(error(MigrateError::Dirty(version)));
    }
    let applied = connection.list_applied_migrations(TABLE).await.map_err(error)?;
    for applied in &applied {
        match migrations.iter().find(|migration| migration.version == applied.version) {
            None => return Err(error(MigrateError::VersionMissing(applied.version))),
            Some(migration) if migration.checksum != applied.checksum => {
                return Err(error(MigrateError::VersionMismatch(applied.version)));
            }
            Some(_) => {}
        }
    }
    Ok(migrations.iter().count() - applied.len())
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
