//! How an entry tells that it restores: by its key.

use crate::entry_key::RESTORE;
use crate::ids::Seq;

/// The key of an entry that goes back to a seq, by the caller's own key for it, or else by the head that it was made for.
pub fn restore_key(to: Seq, head: Seq, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{RESTORE}{to}:key:{key}"),
        None => format!("{RESTORE}{to}:head:{head}"),
    }
}

/// The seq that an entry with this key goes back to, if it does.
pub(super) fn restored_to(key: Option<&str>) -> Option<Seq> {
    let (to, _) = key?.strip_prefix(RESTORE)?.split_once(':')?;
    to.parse().ok().map(Seq)
}
