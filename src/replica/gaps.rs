//! Cuts off what stands in an update after a gap: blocks whose client's earlier blocks neither the update nor the document has.
//!
//! yrs puts such a block into the document at once where the block builds on nothing in the gap, and leaves nothing pending. The
//! document would then hold what its state vector does not tell, and what encoding what was added leaves out.

use bytes::Bytes;

use super::scan::Scan;
use crate::protocol::lib0::put_var_uint;

/// The update without what follows gaps, its deletions kept; `None` if it has no gaps. Each block stands for itself in the v1
/// encoding, so the bytes of the others stay as they are.
pub(crate) fn cut(update: &Bytes, scan: &Scan) -> Option<Bytes> {
    if !scan.sections.iter().any(|section| section.is_cut) {
        return None;
    }
    let joined = || scan.sections.iter().filter(|section| section.joined_blocks > 0);
    let mut out = Vec::with_capacity(update.len());
    put_var_uint(&mut out, joined().count() as u64);
    for section in joined() {
        put_var_uint(&mut out, section.joined_blocks as u64);
        put_var_uint(&mut out, section.client);
        put_var_uint(&mut out, section.start.into());
        out.extend_from_slice(&update[section.joined.clone()]);
    }
    out.extend_from_slice(&update[scan.deletions_at..]);
    Some(out.into())
}
