//! Where a history begins, once what was before is dropped: which states there still are, and whose the text is that stands for text
//! that is gone.

use super::authors::Credit;
use crate::document::IdRange;
use crate::ids::{Seq, UserId};
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};

/// What is known of the time before a history begins.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Moments {
    /// The seq at which it begins.
    pub seq: Seq,
    /// When the last edit until then was committed, in Unix milliseconds.
    pub last_ms: i64,
    /// Seqs before, ascending, whose states are kept, too.
    pub versions: Vec<Seq>,
    /// Whose is what is kept, also where it stands for text that is gone or erased. By client and clock.
    pub moved: Vec<Moved>,
}

/// Units of which it is known whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    pub to: IdRange,
    pub credit: Credit,
    /// The newest edit of them, and when that was.
    pub seq: Seq,
    pub at_ms: i64,
    /// The same of the oldest one: by that they go on with what stands before them, or do not.
    pub first: (Seq, i64),
}

impl Moved {
    /// What of it lies within a range.
    pub fn clipped(self, range: IdRange) -> Self {
        let (start, end) = (self.to.start.max(range.start), self.to.end.min(range.end));
        let first = if start == self.to.start { self.first } else { (self.seq, self.at_ms) };
        Self { to: IdRange { start, end, ..self.to }, first, ..self }
    }

    /// Writes all of them behind `out`, but for their oldest edits.
    pub fn put_all(all: &[Self], out: &mut Vec<u8>) {
        put_var_uint(out, all.len() as u64);
        for Self { to, credit, seq, at_ms, .. } in all {
            put_var_uint(out, to.client);
            put_var_uint(out, to.start.into());
            put_var_uint(out, to.len().into());
            put_buf(out, credit.by.as_str().as_bytes());
            put_var_uint(out, credit.via.is_some().into());
            credit.via.iter().for_each(|via| put_buf(out, via.as_str().as_bytes()));
            put_var_uint(out, seq.0);
            put_var_uint(out, at_ms.max(&0).unsigned_abs());
        }
    }

    /// Reads what [`put_all`](Self::put_all) wrote: all of each is taken to be of one edit.
    pub fn read_all(input: &mut Input<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut all = Vec::new();
        for _ in 0..input.count(7)? {
            let (client, start) = (input.var_uint()?, input.var_u32()?);
            let end = start.checked_add(input.var_u32()?).ok_or(DecodeError::NumberTooLarge)?;
            let by = UserId::new(input.text()?);
            let via = if input.var_uint()? == 0 { None } else { Some(UserId::new(input.text()?)) };
            let (seq, at_ms) = (Seq(input.var_uint()?), input.var_uint()?.cast_signed());
            let first = (seq, at_ms);
            all.push(Self { to: IdRange { client, start, end }, credit: Credit { by, via }, seq, at_ms, first });
        }
        Ok(all)
    }

    /// Writes the oldest edits of all of them behind `out`.
    pub fn put_firsts(all: &[Self], out: &mut Vec<u8>) {
        for Self { seq, at_ms, first, .. } in all {
            put_var_uint(out, seq.0.saturating_sub(first.0.0));
            put_var_uint(out, at_ms.saturating_sub(first.1).max(0).unsigned_abs());
        }
    }

    /// Reads what [`put_firsts`](Self::put_firsts) wrote of as many.
    pub fn read_firsts(all: &mut [Self], input: &mut Input<'_>) -> Result<(), DecodeError> {
        for Self { seq, at_ms, first, .. } in all {
            let seq = seq.0.checked_sub(input.var_uint()?).ok_or(DecodeError::NumberTooLarge)?;
            *first = (Seq(seq), *at_ms - input.var_uint()?.cast_signed());
        }
        Ok(())
    }
}

impl Moments {
    /// What is known of a range, clipped to it.
    pub fn moved_in(&self, range: IdRange) -> impl Iterator<Item = Moved> {
        let first = self.moved.partition_point(|moved| (moved.to.client, moved.to.end) <= (range.client, range.start));
        let is_within = move |moved: &&Moved| (moved.to.client, moved.to.start) < (range.client, range.end);
        self.moved[first..].iter().take_while(is_within).map(move |moved| moved.clone().clipped(range))
    }

    /// Whether the state after the entry at `seq` can be told.
    pub fn has(&self, seq: Seq) -> bool {
        seq >= self.seq || self.versions.binary_search(&seq).is_ok()
    }
}
