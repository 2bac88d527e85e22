//! What entries take on disk: their bodies, and [`ENTRY_OVERHEAD_BYTES`] each. A body's length is read without the body.

use super::entry::ENTRY_OVERHEAD_BYTES;
use crate::ids::UserId;

pub(super) fn room_sql() -> String {
    format!(
        "select cast(coalesce(sum(length(body) + {ENTRY_OVERHEAD_BYTES}), 0) as bigint) from entry where room_id = $1"
    )
}

/// By who sent them.
pub(super) fn users_sql() -> String {
    format!(
        "select coalesce(via, author), cast(sum(length(body) + {ENTRY_OVERHEAD_BYTES}) as bigint) from entry \
         where room_id > $1 and room_id <= $2 group by 1"
    )
}

pub(super) fn user((user, bytes): (String, i64)) -> (UserId, u64) {
    (UserId::new(user), bytes_column(bytes))
}

pub(super) fn bytes_column(bytes: i64) -> u64 {
    bytes.max(0).unsigned_abs()
}
