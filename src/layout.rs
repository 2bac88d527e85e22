//! The layouts of what is stored for this program alone: each begins with a number that says which. A number that a newer release has
//! brought is no damage: what has it is whole, and left as it is. What it stands for is read from the timeline or, where it is not there,
//! answered by servers of that release. So a release reads a layout that only the next one writes; see CONTRIBUTING.md.
//!
//! Damage makes greater numbers, too. So a newer release is believed only where a checksum over the number and all behind it follows it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::metrics;

/// A layout's number, and the checksum behind it.
pub const HEAD_BYTES: usize = 5;

/// What tells whether bytes, which lie in several places, are as they were written.
pub fn checksum(parts: &[&[u8]]) -> u32 {
    let mut crc = flate2::Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

/// What is stored with a number that says in which layout, or of which kind it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stored {
    /// Edits in columns, which stand for their rows.
    Pack,
    /// A document's state that is compressed: a pack of one edit.
    Snapshot,
    /// A stretch of a room's history, or the times of its edits.
    Segment,
    /// What stays of dropped edits.
    Base,
    /// What is to be erased of a room.
    Erasure,
    /// A row of the timeline, by its kind.
    Entry,
    /// Who is not let in any more, by its kind.
    Revocation,
}

impl Stored {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Pack, Self::Snapshot, Self::Segment, Self::Base, Self::Erasure, Self::Entry, Self::Revocation];

    /// The greatest number that this release knows. Of layouts it is the one that it writes.
    pub const fn newest(self) -> u8 {
        match self {
            Self::Pack | Self::Snapshot => 1,
            Self::Erasure | Self::Revocation => 2,
            Self::Base => 3,
            Self::Segment | Self::Entry => 4,
        }
    }

    /// What it is called in the log.
    const fn name(self) -> &'static str {
        match self {
            Self::Pack => "a pack of edits",
            Self::Snapshot => "a snapshot",
            Self::Segment => "a part of a room's history",
            Self::Base => "what stays of dropped edits",
            Self::Erasure => "what is to be erased",
            Self::Entry => "an entry",
            Self::Revocation => "a revocation",
        }
    }

    /// Why something stored cannot be read that does not begin with a number that this release reads: a newer release has written it, as
    /// its number and the checksum of that and of all behind it say, which is told in the log and counted; or it is damaged.
    pub fn unreadable<D>(self, stored: &[u8], damage: D) -> Unreadable<D> {
        match stored.split_first_chunk::<HEAD_BYTES>() {
            Some((&[number, ref sum @ ..], behind))
                if number > self.newest() && *sum == checksum(&[&[number], behind]).to_le_bytes() =>
            {
                Unreadable::Newer(self.newer(number.into()))
            }
            _ => Unreadable::Damaged(damage),
        }
    }

    /// A number that is greater than those that are known: once told in the log, and counted.
    pub fn newer(self, number: i64) -> Newer {
        static TOLD: Mutex<BTreeSet<Newer>> = Mutex::new(BTreeSet::new());
        /// More are not told: whoever writes such numbers is no release.
        const TOLD_MAX: usize = 64;
        let newer = Newer { stored: self, number };
        metrics::NEWER_FORMATS_MET.inc();
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && told.insert(newer) {
            tracing::warn!(
                "{newer}, and left as it is: a server of that release reads it; this one does without where it can (told once)"
            );
        }
        newer
    }
}

/// Something that a newer release than this one has stored. It is whole, and to be left as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub struct Newer {
    /// What it is.
    pub stored: Stored,
    /// The number of its layout or kind.
    pub number: i64,
}

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, number } = self;
        let word = if matches!(stored, Stored::Entry | Stored::Revocation) { "kind" } else { "layout" };
        let newest = stored.newest();
        write!(
            f,
            "{} is of {word} {number}, which a newer release has brought (this one knows {newest})",
            stored.name()
        )
    }
}

/// Why something stored cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable<D> {
    /// A newer release reads it.
    #[error(transparent)]
    Newer(Newer),
    /// Nobody does.
    #[error("{0}")]
    Damaged(D),
}

impl<D> Unreadable<D> {
    /// With another word for damage.
    pub fn map<E>(self, damage: impl FnOnce(D) -> E) -> Unreadable<E> {
        match self {
            Self::Newer(newer) => Unreadable::Newer(newer),
            Self::Damaged(own) => Unreadable::Damaged(damage(own)),
        }
    }
}

impl<D> From<D> for Unreadable<D> {
    fn from(damage: D) -> Self {
        Self::Damaged(damage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a newer release writes it.
    fn sealed(number: u8, behind: &[u8]) -> Vec<u8> {
        [&[number], &checksum(&[&[number], behind]).to_le_bytes()[..], behind].concat()
    }

    #[test]
    fn a_greater_number_is_a_newer_release_s_if_a_checksum_has_it_and_damage_if_not() {
        for stored in Stored::ALL {
            let newest = stored.newest();
            for number in 0..=u8::MAX {
                let whole = sealed(number, b"whole");
                let newer = Newer { stored, number: number.into() };
                let expected = if number > newest { Unreadable::Newer(newer) } else { Unreadable::Damaged(()) };
                assert_eq!(stored.unreadable(&whole, ()), expected, "{number}");
                for bit in 0..whole.len() * 8 {
                    let mut damaged = whole.clone();
                    damaged[bit / 8] ^= 1 << (bit % 8);
                    assert_eq!(stored.unreadable(&damaged, ()), Unreadable::Damaged(()), "bit {bit} of {number}");
                }
                for len in 0..whole.len() {
                    assert_eq!(stored.unreadable(&whole[..len], ()), Unreadable::Damaged(()), "{len} of {number}");
                }
                // The checksum of a layout of today is of what is behind it alone: with any other number it is damaged.
                let sum = checksum(&[b"whole"]).to_le_bytes();
                let today = [&[number], &sum[..], b"whole"].concat();
                assert_eq!(stored.unreadable(&today, ()), Unreadable::Damaged(()), "{number}");
            }
        }
    }

    #[test]
    fn a_newer_layout_says_what_it_is_and_which_one_is_known() {
        let newer = Stored::Pack.newer(2);
        let told = "a pack of edits is of layout 2, which a newer release has brought (this one knows 1)";
        assert_eq!(newer.to_string(), told);
        assert_eq!(Unreadable::Newer::<u8>(newer).map(u16::from), Unreadable::Newer(newer));
        assert_eq!(Unreadable::Damaged(7_u8).map(u16::from), Unreadable::Damaged(7));
    }

    /// Each row of the table begins with what is stored, and has the number.
    #[test]
    fn the_table_of_formats_has_each_of_them_with_the_number_that_is_written() {
        let docs = include_str!("../docs/ARCHITECTURE.md");
        for stored in Stored::ALL {
            let row = format!("| `{stored:?}`, {} |", stored.newest());
            assert!(docs.lines().any(|line| line.starts_with(&row)), "no row {row:?} in docs/ARCHITECTURE.md");
        }
    }
}
