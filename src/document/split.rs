//! Updates that were written one behind another, told apart.

use bytes::Bytes;

use super::Refusal;
use super::scan::{scan, scan_first};
use crate::protocol::lib0::Input;

/// The updates (v1) in `bytes`, in order: each behind its length, as lib0's `writeVarUint8Array` writes it, or right behind each
/// other. One update alone is a list of one. Shares the bytes.
///
/// # Errors
/// Bytes that are neither, to the last one.
pub fn split_updates(bytes: &Bytes) -> Result<Vec<Bytes>, Refusal> {
    // An update's first byte counts clients. Taken for a length, what follows would have to be an update, too.
    measured(bytes).or_else(|_| adjoining(bytes))
}

fn measured(bytes: &Bytes) -> Result<Vec<Bytes>, Refusal> {
    let mut input = Input::new(bytes);
    let mut updates = Vec::new();
    while !input.is_empty() {
        let update = input.buf()?;
        scan(&update)?;
        updates.push(update);
    }
    Ok(updates)
}

fn adjoining(bytes: &Bytes) -> Result<Vec<Bytes>, Refusal> {
    let mut rest = bytes.clone();
    let mut updates = Vec::new();
    while !rest.is_empty() {
        let end = scan_first(&rest)?.end;
        updates.push(rest.split_to(end));
    }
    Ok(updates)
}
