//! One live document: applies edits, tells what they added, and answers what a peer lacks.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{ClientID, Doc, IdSet, OffsetKind, Options, ReadTxn, StateVector, Transact, Update, WriteTxn};

use super::clocks::Clocks;
use super::gaps;
use super::joined::Joined;
use super::nesting::{Nesting, Run};
use super::scan::{Scan, ScanError, scan};
use crate::protocol::DecodeError;

/// What an edit added to the document.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    /// The update to store and to show, v1 encoding: what the edit added, no more.
    pub update: Bytes,
    /// Yjs clients whose typing is in it.
    pub clients: Vec<u64>,
}

/// What became of an edit that was not refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it added; `None` if the document had all of it.
    pub news: Option<News>,
    /// `None` if all of it is in the document. Otherwise what came before it is missing, and the document must reach these
    /// clocks (Yjs client, clock) to have it all; none named, if only its sender's Step2 can tell. Ask the sender by Step1.
    pub lacking: Option<Vec<(u64, u32)>>,
}

/// Why an edit is not in the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It would harm the document or cannot be read. The document is as before.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// yrs cannot read it. The document is as before.
    #[error("the edit cannot be read")]
    Undecodable,
    /// The document would grow past its limit. The document is as before.
    #[error("the document would be larger than {limit} bytes")]
    TooLarge {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// The CRDT library failed half-way: this replica must be abandoned and loaded again.
    #[error("the edit broke the document's replica")]
    Broken,
}

/// The server's copy of one document.
pub struct Replica {
    doc: Doc,
    nesting: Nesting,
    /// At least the size of the encoded state, in bytes: measured now and then, raised by each edit.
    state_bytes: usize,
    measured_bytes: usize,
    /// Whether something was deleted since the size was measured.
    may_have_shrunk: bool,
    state_bytes_max: usize,
}

impl Replica {
    /// The document of a snapshot and the edits after it, in order; empty if there are none.
    ///
    /// # Errors
    /// What is stored was applied once, so a refusal means damaged storage, or an older release with weaker rules.
    pub fn load(snapshot: Option<&Bytes>, edits: &[Bytes], state_bytes_max: usize) -> Result<Self, Refusal> {
        let options = Options {
            offset_kind: OffsetKind::Utf16,
            // It would delete formatting marks by itself, in edits that nobody made and nobody hears of.
            cleanup_formatting: false,
            ..Options::default()
        };
        let mut replica = Self {
            doc: Doc::with_options(options),
            nesting: Nesting::default(),
            state_bytes: 0,
            measured_bytes: 0,
            may_have_shrunk: false,
            state_bytes_max,
        };
        replica.load_all(snapshot.into_iter().chain(edits))?;
        Ok(replica)
    }

    /// Applies all in one transaction, small ones joined: much cheaper than one each.
    fn load_all<'a>(&mut self, updates: impl Iterator<Item = &'a Bytes>) -> Result<(), Refusal> {
        let doc = &self.doc;
        let nesting = &mut self.nesting;
        let state_bytes = &mut self.state_bytes;
        guarded(move || {
            let mut txn = ManuallyDrop::new(doc.transact_mut());
            let mut apply = |update: &[u8]| {
                let decoded = Update::decode_v1(update).map_err(|_| Refusal::Undecodable)?;
                txn.apply_update(decoded).map_err(|_| Refusal::Broken)
            };
            let mut joined = Joined::default();
            for update in updates {
                let scan = scan(update, nesting)?;
                if Joined::fits(update, &scan, nesting) {
                    joined.push(update, &scan).map_err(|_| Refusal::Undecodable)?;
                } else {
                    joined.take().map_or(Ok(()), |all| apply(&all))?;
                    apply(update)?;
                }
                for section in scan.sections {
                    nesting.extend(section.client, &section.runs);
                }
                *state_bytes += update.len();
            }
            joined.take().map_or(Ok(()), |all| apply(&all))?;
            if txn.has_missing_updates() {
                return Err(Refusal::Broken);
            }
            txn.commit();
            drop(ManuallyDrop::into_inner(txn));
            Ok(())
        })
    }

    /// Applies an edit. After [`Refusal::Broken`] the replica must not be used again.
    pub fn apply(&mut self, update: &Bytes) -> Result<Applied, Refusal> {
        let scan = scan(update, &self.nesting)?;
        self.check_size(update.len())?;
        let doc = &self.doc;
        let is_all_new = self.is_all_new(&scan);
        let cut = gaps::cut(update, &scan);
        let joining = cut.as_ref().unwrap_or(update);
        let decoded = guarded(|| Update::decode_v1(joining).map_err(|_| Refusal::Undecodable))
            .map_err(|_| Refusal::Undecodable)?;
        let (news, reached) = guarded(|| {
            // Left open where yrs fails: dropping a transaction commits it, which may fail again.
            let mut txn = ManuallyDrop::new(doc.transact_mut());
            // Nothing in a normal build; tests make it panic on their poison.
            fail::fail_point!("replica-apply", update.windows(8).any(|part| part == b"(poison)"), |_| Err(
                Refusal::Broken
            ));
            txn.apply_update(decoded).map_err(|_| Refusal::Broken)?;
            let is_complete = txn.prune_pending().is_none() && cut.is_none();
            let news = match txn.has_changes() {
                false => None,
                true if is_complete && is_all_new => Some(update.clone()),
                true => Some(txn.encode_update_v1().into()),
            };
            let reached = (!is_complete).then(|| txn.state_vector());
            txn.commit();
            drop(ManuallyDrop::into_inner(txn));
            Ok((news, reached))
        })?;
        self.may_have_shrunk |= scan.has_deletions && news.is_some();
        let mut clients = Vec::new();
        let mut lacking = Vec::new();
        for section in scan.sections {
            let known = self.nesting.clock(section.client);
            let end = reached.as_ref().map_or(section.end, |state| state.get(&ClientID::new(section.client)));
            if end < section.end {
                lacking.push((section.client, section.end));
            }
            if end <= known {
                continue;
            }
            clients.push(section.client);
            let reached = section.runs.iter().filter(|run| run.start < end);
            let runs: Vec<_> = reached.map(|run| Run { end: run.end.min(end), ..*run }).collect();
            self.nesting.extend(section.client, &runs);
        }
        let news = news.map(|update| {
            self.state_bytes += update.len();
            News { update, clients }
        });
        // Deletions of what is missing are dropped with it, so that reaching the clocks does not bring them.
        let lacking = reached.map(|_| if scan.has_deletions { Vec::new() } else { lacking });
        Ok(Applied { news, lacking })
    }

    /// Whether the document has reached all of these clocks, see [`Applied::lacking`].
    pub fn has_reached(&self, clocks: &[(u64, u32)]) -> bool {
        clocks.iter().all(|(client, clock)| self.nesting.clock(*client) >= *clock)
    }

    /// Whether the document has nothing of the update's blocks, so that the update itself is what it adds.
    fn is_all_new(&self, scan: &Scan) -> bool {
        let is_new = |client, start| self.nesting.clock(client) == start;
        !scan.sections.is_empty()
            && scan.sections.iter().all(|section| !section.has_gap && is_new(section.client, section.start))
    }

    /// Whether the document has all that an update brings, typing and deletions. Takes as long as encoding the document where the
    /// update deletes something.
    pub fn brings_nothing(&self, update: &Bytes) -> bool {
        let Ok(scan) = scan(update, &self.nesting) else { return false };
        let has_blocks = scan.sections.iter().all(|section| section.end <= self.nesting.clock(section.client));
        has_blocks && (!scan.has_deletions || self.has_deletions(&update.slice(scan.deletions_at..)))
    }

    fn has_deletions(&self, encoded: &Bytes) -> bool {
        let decoded = guarded(|| IdSet::decode_v1(encoded).map_err(|_| Refusal::Undecodable));
        decoded.is_ok_and(|deletions| deletions.diff(&self.doc.transact().snapshot().delete_set).is_empty())
    }

    /// Whether the document has all that was typed up to these clocks.
    pub fn has_all_of(&self, clocks: &Clocks) -> bool {
        clocks.iter().all(|(client, clock)| self.nesting.clock(client) >= clock)
    }

    /// Whether all that was typed in an update comes after these clocks; `None` if it only deletes, which has no clock. An update
    /// that cannot be read has nothing that comes before.
    pub fn begins_after(&self, clocks: &Clocks, update: &Bytes) -> Option<bool> {
        match scan(update, &self.nesting) {
            Ok(scan) if scan.sections.is_empty() => None,
            Ok(scan) => Some(scan.sections.iter().all(|section| section.start >= clocks.get(section.client))),
            Err(_) => Some(true),
        }
    }

    /// Refuses what would make the document too large. The size is measured again only where it can be other than assumed, so
    /// that a full document does not make every edit cost an encoding.
    fn check_size(&mut self, more: usize) -> Result<(), Refusal> {
        let limit = self.state_bytes_max;
        let is_stale = self.may_have_shrunk || self.state_bytes - self.measured_bytes >= limit / 16;
        if self.state_bytes + more > limit && is_stale {
            self.state_bytes = self.state().len();
            self.measured_bytes = self.state_bytes;
            self.may_have_shrunk = false;
        }
        if self.state_bytes + more > limit { Err(Refusal::TooLarge { limit }) } else { Ok(()) }
    }

    /// The state vector, encoded: what a Step1 carries.
    pub fn state_vector(&self) -> Vec<u8> {
        self.doc.transact().state_vector().encode_v1()
    }

    /// The whole document as one update, v1 encoding.
    pub fn state(&self) -> Vec<u8> {
        self.doc.transact().encode_diff_v1(&StateVector::default())
    }

    /// What a peer with the encoded `state_vector` lacks, as an update in v1 encoding; with all deletions, as Yjs does.
    ///
    /// # Errors
    /// A state vector that cannot be read.
    pub fn diff(&self, state_vector: &Bytes) -> Result<Vec<u8>, DecodeError> {
        let known = Clocks::read(state_vector)?;
        guarded(|| Ok(self.doc.transact().encode_diff_v1(known.as_state_vector())))
            .map_err(|_| DecodeError::UnknownType)
    }

    /// The document, to be read by [`super::render`].
    pub(super) fn doc(&self) -> &Doc {
        &self.doc
    }
}

/// Runs `work` of the CRDT library; a panic in it becomes [`Refusal::Broken`].
fn guarded<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Refusal::Broken))
}
