//! What other processes wrote to the room's timeline: noticed when the database gives a seq that is not the next one, or tells a later
//! head to who comes back; then read, and sent in its place, before anything after it.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;

use super::lookups::Lookup;
use super::recent::Recent;
use crate::ids::{MemberId, RoomName, Seq};
use crate::room::commit::{Backoff, Commit, Uncommitted};
use crate::room::messages::JsonJoin;
use crate::store::{Bodies, Entry, HistoryQuery, Kinds, Page, Placed, Refused};

/// Entries read at once.
const PAGE_ENTRIES: u32 = 200;

/// Most bytes of entries that wait for those before them; others are read again.
const INBOX_BYTES_MAX: usize = 1 << 20;
/// What such an entry costs beside its body, about.
const ENTRY_BYTES: usize = 128;

/// What became of the room's own append.
pub type AppendOutcome = Vec<Result<Placed, Refused>>;

/// How far the room knows that others have written.
#[derive(Debug, Default)]
pub struct Foreign {
    /// The greatest seq that the database has told of.
    known: Seq,
    /// The outcome of the room's own append, while what was committed before it is read.
    held: Option<AppendOutcome>,
    /// What waits to be stored is sent once this is read.
    reading_first: Option<Seq>,
    /// What came with the bus, and does not follow yet what is known.
    inbox: Inbox,
    is_reading: bool,
    /// When to read again what could not be read.
    retry: Option<Instant>,
    backoff: Backoff,
    /// Who comes back, until it is known where the timeline ends.
    coming: Vec<(MemberId, JsonJoin)>,
    /// For so many of them it is known, and read now.
    told: usize,
    /// For so many of them, those included, it is asked now.
    asked: Option<usize>,
}

/// Entries of other servers that came with the bus.
#[derive(Debug, Default)]
struct Inbox {
    entries: BTreeMap<Seq, Entry>,
    bytes: usize,
}

fn cost(entry: &Entry) -> usize {
    ENTRY_BYTES + entry.body.as_ref().map_or(0, Bytes::len)
}

impl Inbox {
    fn add(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if self.bytes + cost(&entry) > INBOX_BYTES_MAX {
                return;
            }
            self.bytes += cost(&entry);
            if let Some(before) = self.entries.insert(entry.seq, entry) {
                self.bytes -= cost(&before);
            }
        }
    }

    /// Those that follow `head` one behind another, as far as `upto`.
    fn take_next(&mut self, head: Seq, upto: Seq) -> Vec<Entry> {
        let mut next = Vec::new();
        let mut last = head;
        while let Some(first) = self.entries.first_entry() {
            let seq = *first.key();
            if seq.0 > last.0 + 1 || seq > upto {
                break;
            }
            let entry = first.remove();
            self.bytes -= cost(&entry);
            if seq > last {
                last = seq;
                next.push(entry);
            }
        }
        next
    }
}

/// What is to be done so that all that is known to be committed is sent.
#[derive(Debug, PartialEq, Eq)]
pub enum ForeignStep {
    /// Nothing now: something is read, or the append in flight awaited.
    Wait,
    /// Send these, which others committed next.
    Take(Vec<Entry>),
    /// Handle the outcome of the room's own append: all before it is sent.
    Settle(AppendOutcome),
    /// Let those in who come back, see [`Foreign::take_told`].
    LetIn,
}

impl Foreign {
    /// A JSON member comes back: the database tells where the timeline ends, for others may have gone on with it.
    pub fn come_back(&mut self, id: MemberId, join: JsonJoin, room: &RoomName, lookups: &mut Vec<Lookup>) {
        self.coming.push((id, join));
        self.ask_head(room, lookups);
    }

    /// Asks for all who have come by now; who comes meanwhile is asked for next.
    pub fn ask_head(&mut self, room: &RoomName, lookups: &mut Vec<Lookup>) {
        if self.asked.is_none() && self.coming.len() > self.told {
            self.asked = Some(self.coming.len());
            lookups.push(Lookup::Head { room: room.clone() });
        }
    }

    /// The database told where the timeline ends, or could not.
    pub fn on_head(&mut self, head: Option<Seq>) {
        self.told = self.asked.take().unwrap_or(self.told);
        self.known = self.known.max(head.unwrap_or(Seq::ZERO));
    }

    /// Another server, or the database, told that the timeline goes on to there.
    pub fn hear(&mut self, head: Seq) {
        self.known = self.known.max(head);
    }

    /// Whether the timeline is known to go on behind `head`.
    pub fn is_behind(&self, head: Seq) -> bool {
        head < self.known
    }

    /// Whether what waits is sent only once all is read that is known to be committed. Where others commit faster than it is read, not
    /// for ever: it is overtaken each time all is read that was known before, and more is known.
    pub fn must_read_first(&mut self, head: Seq, is_wanted: bool, uncommitted: &mut Uncommitted) -> bool {
        if !self.is_behind(head) || !is_wanted {
            self.reading_first = None;
            return false;
        }
        if self.reading_first.is_some_and(|upto| upto <= head) {
            self.reading_first = None;
            uncommitted.be_overtaken();
        }
        self.reading_first.get_or_insert(self.known);
        !uncommitted.is_overtaken_for_long()
    }

    /// Another server told what it committed.
    pub fn receive(&mut self, entries: Vec<Entry>) {
        self.inbox.add(entries);
    }

    /// The database told that the timeline ends there, and that what comes after it was a mistake.
    pub fn unlearn(&mut self, head: Seq) {
        self.known = self.known.min(head);
    }

    /// The room's own append has an outcome, which counts after what others committed before it.
    pub fn hold(&mut self, outcome: AppendOutcome) {
        self.held = Some(outcome);
    }

    /// What to do next until all that is known to be committed is sent. What is the room's own it cannot tell while its append is in
    /// flight.
    pub fn next(&mut self, recent: &Recent, commit: &Commit, lookups: &mut Vec<Lookup>) -> ForeignStep {
        if self.is_reading {
            return ForeignStep::Wait;
        }
        let upto = self.held.as_deref().map_or(self.known, last_before);
        let next = self.inbox.take_next(recent.head(), upto);
        if !next.is_empty() {
            return ForeignStep::Take(next);
        }
        if self.held.is_none() && commit.uncommitted.is_in_flight() {
            return ForeignStep::Wait;
        }
        if let (true, Some(row)) = (recent.head() < upto, commit.row()) {
            self.is_reading = true;
            let query = HistoryQuery {
                after: Some(recent.head()),
                before: Some(Seq(upto.0 + 1)),
                kinds: Kinds::All,
                author: None,
                limit: PAGE_ENTRIES,
                page: Page::Oldest,
                bodies: Bodies::All,
            };
            lookups.push(Lookup::Foreign { row, query, upto });
            return ForeignStep::Wait;
        }
        self.held.take().map_or(ForeignStep::LetIn, ForeignStep::Settle)
    }

    /// What others wrote is read.
    pub fn on_read(&mut self) {
        self.is_reading = false;
        self.backoff.reset();
    }

    /// What others wrote could not be read. Nothing of the room's own is sent before, so this has to work some time.
    pub fn on_unread(&mut self, now: Instant) {
        self.retry = Some(now + self.backoff.next());
    }

    /// When [`on_due`](Self::on_due) is to be called.
    pub fn due(&self) -> Option<Instant> {
        self.retry
    }

    /// It is time to read again.
    pub fn on_due(&mut self) {
        self.retry = None;
        self.is_reading = false;
    }

    /// How many are waited for that come back, and are told what is known now.
    pub fn told(&self) -> usize {
        self.told
    }

    /// Takes out those who come back, and can be told what they lack or that this is not known.
    pub fn take_told(&mut self) -> Vec<(MemberId, JsonJoin)> {
        let told = std::mem::take(&mut self.told);
        self.asked = self.asked.map(|asked| asked - told);
        self.coming.drain(..told).collect()
    }
}

/// The last seq that is somebody else's, as far as the outcome of an append tells.
fn last_before(outcome: &[Result<Placed, Refused>]) -> Seq {
    let placed = || outcome.iter().flatten();
    match placed().find(|placed| placed.is_new) {
        Some(first) => Seq(first.seq.0 - 1),
        // All keys were known: their entries are there.
        None => placed().map(|placed| placed.seq).max().unwrap_or(Seq::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, bytes: usize) -> Entry {
        let (author, body) = (crate::ids::UserId::new("ada"), Some(Bytes::from(vec![0; bytes])));
        let kind = crate::store::EntryKind::Edit;
        Entry { seq: Seq(seq), kind, author, via: None, at_ms: 0, key: None, body_bytes: bytes as u64, body }
    }

    #[test]
    fn trap_11_what_comes_with_the_bus_goes_on_in_order_whatever_order_it_comes_in() {
        let mut inbox = Inbox::default();
        let mut next = |add: &[u64], head, upto| {
            inbox.add(add.iter().map(|seq| entry(*seq, 1)).collect());
            inbox.take_next(Seq(head), Seq(upto)).iter().map(|entry| entry.seq.0).collect::<Vec<_>>()
        };
        assert!(next(&[7, 6], 4, 9).is_empty());
        assert_eq!(next(&[5, 5, 3], 4, 6), [5, 6]);
        assert_eq!(next(&[9, 6], 6, 9), [7]);
        assert_eq!(next(&[], 8, 9), [9]);
        assert_eq!((inbox.entries.len(), inbox.bytes), (0, 0));
    }

    #[test]
    fn what_waits_for_those_before_it_is_bounded() {
        let mut inbox = Inbox::default();
        inbox.add((2..100).map(|seq| entry(seq, INBOX_BYTES_MAX / 10)).collect());
        assert!(inbox.bytes <= INBOX_BYTES_MAX && inbox.entries.len() == 9, "{}", inbox.bytes);
    }

    #[test]
    fn what_waits_is_not_kept_for_ever_by_others_who_commit_faster_than_it_is_read() {
        let budget = crate::budget::ByteBudget::new(1 << 20, None);
        let mut uncommitted = Uncommitted::new(1 << 20, &budget, 10, 1 << 20);
        let mut foreign = Foreign::default();
        assert!(!foreign.must_read_first(Seq(0), true, &mut uncommitted), "all is read");
        foreign.hear(Seq(5));
        assert!(!foreign.must_read_first(Seq(0), false, &mut uncommitted));
        // Each time what was known is read, and more is known.
        let mut reads = 0;
        for head in 0.. {
            foreign.hear(Seq(head + 5));
            if !foreign.must_read_first(Seq(head), true, &mut uncommitted) {
                break;
            }
            reads += 1;
        }
        assert_eq!(reads, 15);
        assert!(uncommitted.is_overtaken_for_long());
        // However long what was known from the first takes to be read.
        let (mut foreign, mut uncommitted) = (Foreign::default(), Uncommitted::new(1 << 20, &budget, 10, 1 << 20));
        foreign.hear(Seq(10_000));
        assert!((0..10_000).all(|head| foreign.must_read_first(Seq(head), true, &mut uncommitted)));
        assert!(!foreign.must_read_first(Seq(10_000), true, &mut uncommitted));
        assert!(!uncommitted.is_overtaken_for_long());
    }

    #[test]
    fn what_comes_before_ones_own_entries_is_somebody_elses() {
        let placed = |seq, is_new| Ok(Placed { seq: Seq(seq), at_ms: 0, is_new });
        assert_eq!(last_before(&[placed(5, true), placed(6, true)]), Seq(4));
        assert_eq!(last_before(&[placed(3, false), Err(Refused::Nul), placed(6, true)]), Seq(5));
        assert_eq!(last_before(&[placed(3, false), placed(9, false)]), Seq(9));
        assert_eq!(last_before(&[Err(Refused::Nul)]), Seq::ZERO);
        assert_eq!(last_before(&[]), Seq::ZERO);
    }

    #[test]
    fn who_comes_back_while_others_are_let_in_is_let_in_once_the_database_has_told() {
        let (mut foreign, mut lookups) = (Foreign::default(), Vec::new());
        let room = RoomName::parse("r").unwrap();
        let ids = |told: Vec<(MemberId, JsonJoin)>| told.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        foreign.come_back(MemberId(1), JsonJoin::default(), &room, &mut lookups);
        foreign.on_head(Some(Seq(7)));
        // What the first lacks is read still when the second one comes.
        foreign.come_back(MemberId(2), JsonJoin::default(), &room, &mut lookups);
        assert_eq!(lookups.len(), 2);
        assert_eq!(ids(foreign.take_told()), [MemberId(1)]);
        foreign.on_head(Some(Seq(7)));
        assert_eq!(ids(foreign.take_told()), [MemberId(2)]);
        assert_eq!(ids(foreign.take_told()), []);
    }
}
