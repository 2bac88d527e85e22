//! Which rooms live where, by hashes of their names: two of one hash are told too much, never too little. Pure.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::RoomName;

/// A room's hash, the same on all servers.
pub fn hash(room: &RoomName) -> u64 {
    let hash = Sha256::digest(room.as_str());
    hash.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Stands for a set of rooms, to compare it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    count: usize,
    sum: u64,
}

impl Digest {
    /// Of these rooms.
    pub fn of<'a>(hashes: impl IntoIterator<Item = &'a u64>) -> Self {
        hashes.into_iter().fold(Self::default(), |Self { count, sum }, hash| Self { count: count + 1, sum: sum ^ hash })
    }
}

/// The rooms that live on this server.
#[derive(Debug, Default)]
pub struct OwnRooms {
    by_hash: HashMap<u64, Vec<RoomName>>,
    digest: Digest,
}

impl OwnRooms {
    /// A room begins here; its hash, if none of that hash was here.
    pub fn begin(&mut self, room: &RoomName) -> Option<u64> {
        let hash = hash(room);
        let rooms = self.by_hash.entry(hash).or_default();
        rooms.push(room.clone());
        let is_first = rooms.len() == 1;
        self.change(hash, is_first, 1)
    }

    /// A room ends here; its hash, if no other of that hash is here.
    pub fn end(&mut self, room: &RoomName) -> Option<u64> {
        let hash = hash(room);
        let rooms = self.by_hash.get_mut(&hash)?;
        let at = rooms.iter().position(|other| other == room)?;
        rooms.swap_remove(at);
        let is_last = rooms.is_empty();
        if is_last {
            self.by_hash.remove(&hash);
        }
        self.change(hash, is_last, -1)
    }

    fn change(&mut self, hash: u64, is_change: bool, by: isize) -> Option<u64> {
        if !is_change {
            return None;
        }
        self.digest.count = self.digest.count.saturating_add_signed(by);
        self.digest.sum ^= hash;
        Some(hash)
    }

    /// Stands for all of them.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Their hashes.
    pub fn hashes(&self) -> impl Iterator<Item = &u64> {
        self.by_hash.keys()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &RoomName> {
        self.by_hash.values().flatten()
    }

    /// Those of a hash.
    pub fn of(&self, hash: u64) -> &[RoomName] {
        self.by_hash.get(&hash).map_or(&[], Vec::as_slice)
    }
}

/// The rooms that live on another server, as far as it has told.
#[derive(Debug, Default)]
pub struct TheirRooms(HashSet<u64>);

impl TheirRooms {
    /// They have begun.
    pub fn begin(&mut self, hashes: &[u64]) {
        self.0.extend(hashes);
    }

    /// They have ended.
    pub fn end(&mut self, hashes: &[u64]) {
        for hash in hashes {
            self.0.remove(hash);
        }
    }

    /// All are forgotten, for they are told anew.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether a room is among them.
    pub fn have(&self, hash: u64) -> bool {
        self.0.contains(&hash)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &u64> {
        self.0.iter()
    }

    /// Whether they are those.
    pub fn are(&self, digest: Digest) -> bool {
        self.0.len() == digest.count && Digest::of(&self.0) == digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RoomName {
        RoomName::parse(text).unwrap()
    }

    #[test]
    fn trap_37_names_that_no_subject_may_hold_have_hashes_of_their_own() {
        let names = ["a.b", "a b", ".x", "a..b", &"x".repeat(200), "a/b", "a"];
        let hashes: HashSet<u64> = names.iter().map(|text| hash(&name(text))).collect();
        assert_eq!(hashes.len(), names.len());
        assert_eq!(hash(&name("a")), 0xca97_8112_ca1b_bdca, "the same in every version");
    }

    #[test]
    fn what_a_server_has_told_is_what_it_has() {
        let (mut own, mut theirs) = (OwnRooms::default(), TheirRooms::default());
        for text in ["a", "b", "c"] {
            theirs.begin(&[own.begin(&name(text)).unwrap()]);
        }
        assert_eq!(own.begin(&name("a")), None, "a second life while the first one ends");
        assert!(theirs.are(own.digest()));
        assert_eq!(own.end(&name("a")), None);
        let gone = own.end(&name("a")).unwrap();
        assert!(!theirs.are(own.digest()));
        theirs.end(&[gone]);
        assert!(theirs.are(own.digest()) && !theirs.have(gone) && theirs.have(hash(&name("b"))));
        assert_eq!(own.end(&name("a")), None);
        assert_eq!((own.names().count(), own.of(gone)), (2, &[][..]));
    }
}
