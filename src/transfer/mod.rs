//! Documents in from other servers' storage, rooms out into files, and one room looked at: `tutti import`, `tutti export` and
//! `tutti room repair`. Works on the store by itself, whether or not a server runs beside it; knows no actors and no sockets.
//!
//! [`source`] reads what others wrote, [`name`] finds a room's name for it, [`import`] merges it into the room by the checks of a live
//! edit. [`export`] writes rooms out, [`timeline`] one room's entries, [`index`] remembers which rooms are written. [`repair`]
//! tells what of a room is damaged. [`console`] is what a person sees of it, [`database`] what they work on.

mod console;
mod database;
mod error;
mod export;
mod import;
mod index;
mod name;
mod repair;
mod source;
mod timeline;

use std::io::{self, Write};

pub use error::TransferError;
pub use export::Exported;
pub use import::Imported;

use crate::config::{ExportConfig, ImportConfig, RepairConfig};
use console::Console;

/// Takes documents into rooms. What was refused, and the sum at the end, goes to `out`; progress to the standard error output. Blocks.
pub fn import(config: &ImportConfig, out: &mut dyn Write) -> Result<Imported, TransferError> {
    runtime()?.block_on(import::run(config, &mut Console::new(out, "documents")))
}

/// Writes rooms out into files. What failed, and the sum at the end, goes to `out`; progress to the standard error output. Blocks.
pub fn export(config: &ExportConfig, out: &mut dyn Write) -> Result<Exported, TransferError> {
    runtime()?.block_on(export::run(config, &mut Console::new(out, "rooms")))
}

/// Tells on `out` what is wrong with a room's document as it is stored, and makes a new snapshot if it was asked to; whether anything
/// is wrong in the end. Blocks.
pub fn repair(config: &RepairConfig, out: &mut dyn Write) -> Result<bool, TransferError> {
    runtime()?.block_on(repair::run(config, out))
}

/// Nothing here is done at once: the store has threads of its own, and documents are taken one after another.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
