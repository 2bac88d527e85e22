//! Edits of one room in columns, compressed, and back to the byte. A pack holds what the edits' rows hold: seq, author, who sent it,
//! time and body.
//!
//! Typing is regular once like lies beside like: clocks count on, origins are where the last letter was. So an update is walked along
//! its grammar ([`grammar`]), and each number goes into the column of its meaning, as the distance from what was expected there. The
//! same walk puts it together again. What the grammar does not know, or what is not written in the shortest way, is kept as it is.
//! Nothing that is read from a body has any meaning here: whatever it is, it comes back.

mod codec;
mod column;
mod columns;
mod edit;
mod expect;
mod grammar;
mod join;
mod split;
#[cfg(test)]
mod tests;

pub use codec::{decode, decode_times, decode_update, encode, encode_update};
pub use column::{put_column, take_column};
pub use edit::{Bodies, Damaged, PACK_BYTES_MAX, PACK_ENTRIES_MAX, PACKED_BODY_BYTES_MAX, PackedEdit};
