//! Keys of entries. A user has one space of them in a room, so each kind of entry has keys of its own: what a caller names one never
//! meets what it names another, nor what the server names its own.

/// Longest key that a caller may give, in bytes.
pub const CALLER_KEY_BYTES_MAX: usize = 256;
/// Longest key of an entry, in bytes: a caller's with its prefix. Keys are indexed, and Postgres cannot index long texts.
pub const KEY_BYTES_MAX: usize = CALLER_KEY_BYTES_MAX + 16;

/// Begins the key of a document write.
const DOCUMENT: &str = "document:";
/// Begins the key of an edit that goes back.
pub const RESTORE: &str = "restore:";
/// Begins the key of the event that tells of one.
const RESTORED: &str = "restored:";
/// Begins the key of the event that tells of an erasure.
const ERASED: &str = "erased:";
/// Begins the key of a message that a caller gave a key like the others.
const MESSAGE: &str = "message:";

/// The key of a message that a caller named `key`.
pub fn of_message(key: String) -> String {
    let is_taken = [DOCUMENT, RESTORE, RESTORED, ERASED, MESSAGE].iter().any(|prefix| key.starts_with(prefix));
    if is_taken { format!("{MESSAGE}{key}") } else { key }
}

/// The key of a document write that a caller named `key`.
pub fn of_document_write(key: &str) -> String {
    format!("{DOCUMENT}{key}")
}

/// The key of the event that tells of the restore with this key.
pub fn of_restored(restore: &str) -> String {
    format!("{RESTORED}{restore}")
}

/// The key of the event that tells of the erasure that ended with this epoch of the room.
pub fn of_erased(epoch: i64) -> String {
    format!("{ERASED}{epoch}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_of_different_kinds_and_of_different_callers_names_never_meet(
            names in proptest::collection::hash_set("((document|restore|restored|erased|message):){0,3}(0:)?[a-b]{0,2}", 2..9),
        ) {
            let all: Vec<String> = names
                .iter()
                .flat_map(|name| {
                    let restore = format!("{RESTORE}{name}");
                    [of_message(name.clone()), of_document_write(name), of_restored(&restore), restore]
                })
                .collect();
            let distinct: std::collections::HashSet<_> = all.iter().collect();
            prop_assert_eq!(distinct.len(), all.len());
            prop_assert!(all.iter().all(|key| key.len() <= KEY_BYTES_MAX));
        }
    }

    #[test]
    fn the_longest_key_of_a_caller_is_a_key_of_the_store() {
        let longest = |prefix: &str| format!("{prefix}{}", "k".repeat(CALLER_KEY_BYTES_MAX - prefix.len()));
        assert!(of_document_write(&longest("")).len() <= KEY_BYTES_MAX);
        assert!([DOCUMENT, MESSAGE, ""].iter().all(|prefix| of_message(longest(prefix)).len() <= KEY_BYTES_MAX));
    }
}
