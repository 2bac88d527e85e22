//! Going back: the edit that undoes what came after a seq, of everybody or of one author.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::authors::Authors;
use super::content::Content;
use super::error::HistoryError;
use super::past::History;
use super::undo::{Undo, Undone};
use super::units::Units;
use crate::document::{Clocks, IdRange, Meter, View};
use crate::ids::{Seq, UserId};

/// Yjs clients have ids of 32 bits.
const CLIENT_BITS: u64 = 0xffff_ffff;

/// How to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The edit; `None` if there is nothing to undo.
    pub update: Option<Bytes>,
    /// What it does.
    pub undone: Undone,
}

impl History {
    /// The edit that brings all roots of the document after the entry at `from` to what they held after the one at `to`; with `by` only
    /// what that user did between them is undone. The same bytes whoever asks, and nothing if it was done already.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn restore(
        &self,
        to: Seq,
        from: Seq,
        by: Option<&UserId>,
        authors: &Authors,
    ) -> Result<RestorePlan, HistoryError> {
        let budget = self.budget;
        let now = Bytes::from(self.state_with_deleted(from)?);
        let now = View::read(&now, budget)?;
        let wanted = match by {
            None => {
                let then = Bytes::from(self.state_with_deleted(to)?);
                let then = View::read(&then, budget)?;
                if Content::of(&then).is(&Content::of(&now)) {
                    return Ok(RestorePlan { update: None, undone: Undone::default() });
                }
                Units::alive(&then)
            }
            Some(user) => self.without_work((to, from), user, &now, authors, &mut Meter::new(budget))?,
        };
        let (update, undone) = Undo::new(&wanted, self.new_client(to, from, by)?).all(&now);
        Ok(RestorePlan { update, undone })
    }

    /// What there would be without what a user inserted and deleted after a seq and until another.
    fn without_work(
        &self,
        (to, from): (Seq, Seq),
        user: &UserId,
        now: &View,
        authors: &Authors,
        meter: &mut Meter,
    ) -> Result<Units, HistoryError> {
        let (mut inserted, mut deleted) = (Units::default(), Units::default());
        self.read_metered(from, meter, |edit, meter| {
            if edit.seq <= to {
                return Ok(());
            }
            meter.hold::<IdRange>(edit.inserted.len() + edit.deleted.len())?;
            if edit.restored.is_some_and(|restored| restored <= to) {
                // What was gone then is back already, or stays where it is.
                deleted = Units::default();
            }
            let own = edit.inserted.iter().filter(|range| authors.of_inserted(range, &edit).0 == user);
            own.for_each(|range| inserted.add(*range));
            if edit.author == user {
                edit.deleted.iter().for_each(|range| deleted.add(*range));
            }
            Ok(())
        })?;
        inserted.settle();
        deleted.settle();
        let mut wanted = Units::alive(now);
        // What was dropped cannot come back.
        deleted = deleted.without(&Units::without_content(now));
        wanted.extend(&deleted);
        Ok(wanted.without(&inserted))
    }

    /// A Yjs client that the document does not know, the same for the same question.
    fn new_client(&self, to: Seq, from: Seq, by: Option<&UserId>) -> Result<u64, HistoryError> {
        let clocks: Clocks = self.read(from, |_| {})?;
        let mut hash = Sha256::new();
        hash.update(to.0.to_be_bytes());
        hash.update(from.0.to_be_bytes());
        hash.update(by.map_or("", UserId::as_str));
        let hash = hash.finalize();
        let mut client = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) & CLIENT_BITS;
        while clocks.get(client) > 0 {
            client = (client + 1) & CLIENT_BITS;
        }
        Ok(client)
    }
}
