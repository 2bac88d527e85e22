//! One room's document, looked at and mended.

use std::fmt;
use std::io::Write;

use super::database::{open_as_it_is, rules};
use super::error::TransferError;
use crate::archive::{Archive, DamagedEdit, SnapshotFound};
use crate::config::RepairConfig;
use crate::protocol::json::rfc3339;

/// Says what is wrong with a room, and mends its snapshot if it was asked to; whether anything is wrong in the end.
pub(super) async fn run(config: &RepairConfig, out: &mut dyn Write) -> Result<bool, TransferError> {
    let store = open_as_it_is(&config.database, config.document_bytes_max).await?;
    let archive = Archive::new(store.clone(), rules(config.document_bytes_max, &config.gc));
    let examined = archive.examine(&config.room).await?.ok_or_else(|| TransferError::NoRoom(config.room.clone()))?;
    for edit in &examined.damaged {
        writeln!(out, "{edit}")?;
    }
    let mut is_snapshot_damaged = false;
    match &examined.snapshot {
        Some(snapshot) => {
            is_snapshot_damaged = snapshot.damage.is_some();
            writeln!(out, "{snapshot}")?;
        }
        None => writeln!(out, "no snapshot: all edits are read")?,
    }
    let damaged = examined.damaged.len();
    writeln!(out, "{} edits, {damaged} of them damaged", examined.edits)?;
    if config.is_rebuild {
        let (seq, bytes) = archive.rebuild(examined).await?;
        is_snapshot_damaged = false;
        writeln!(out, "a new snapshot at seq {}, {bytes} bytes, was made of all readable edits", seq.0)?;
    }
    tokio::task::spawn_blocking(move || store.shutdown()).await.map_err(std::io::Error::from)?;
    Ok(damaged > 0 || is_snapshot_damaged)
}

impl fmt::Display for DamagedEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, author, at_ms, bytes, reason } = self;
        write!(f, "damaged: entry {} of {author}, {}, {bytes} bytes: {reason}", seq.0, rfc3339(*at_ms))
    }
}

impl fmt::Display for SnapshotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, bytes, damage } = self;
        match damage {
            Some(reason) => write!(f, "damaged: the snapshot at seq {}, {bytes} bytes: {reason}", seq.0),
            None => write!(f, "the snapshot at seq {}, {bytes} bytes, is good", seq.0),
        }
    }
}
