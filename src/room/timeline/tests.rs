//! How JSON members come up to the present, what they are sent, and what is asked of the store for it.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::*;
use crate::auth::Access;
use crate::ids::{RoomName, UserId};
use crate::protocol::Dialect;
use crate::protocol::json::request::Event;
use crate::room::commit::NextCommit;
use crate::room::fanout::Sent;
use crate::room::testing::{TestRoom, json_types};
use crate::store::{EntryKind, RoomId};

struct Live {
    room: TestRoom,
    timeline: Timeline,
    presence: Presence,
    commit: Commit,
}

/// What the database tells of the room, where it ends.
fn row(head: u64) -> RoomRow {
    RoomRow {
        id: RoomId(1),
        name: RoomName::parse("docs/plan").unwrap(),
        head: Seq(head),
        created_at_ms: 0,
        updated_at_ms: 0,
        meta: None,
        horizon: Seq::ZERO,
        epoch: 0,
    }
}

impl Live {
    /// A room whose newest entry has seq 10.
    fn new() -> Self {
        let room = TestRoom::new();
        let mut timeline = Timeline::new(room.settings.say_rate, room.now);
        timeline.on_loaded(Seq(10));
        Self { timeline, presence: Presence::new(1 << 20, room.now), commit: room.commit(), room }
    }

    fn joins(&mut self, since: Option<u64>, wants_edits: bool) -> MemberId {
        let id = self.room.join(Dialect::Json, "ada", Access::Write);
        let join = JsonJoin { since: since.map(Seq), wants_edits, request_id: None, is_current: false };
        self.timeline.on_join(id, join, &mut self.presence, &self.commit, &mut self.room.io());
        id
    }

    fn told_head(&mut self, head: u64) -> bool {
        self.timeline.on_head(Ok(Some(row(head))), &mut self.presence, &mut self.commit, &mut self.room.io())
    }

    fn told_page(&mut self, to: MemberId, upto: u64, entries: Vec<Entry>) {
        let page = FoundPage { to, upto: Seq(upto), limit: 200, page: Ok(entries) };
        self.timeline.on_page(page, &mut self.presence, &self.commit, &mut self.room.io());
    }

    fn asks_for_more(&mut self, from: MemberId) {
        let more = ReplayMore { from, charge: 1 };
        self.timeline.on_more(more, &mut self.presence, &self.commit, &mut self.room.io());
    }

    fn commits(&mut self, kind: EntryKind, seq: u64) {
        let entry = NewEntry {
            kind,
            author: UserId::new("ada"),
            via: None,
            key: None,
            condition: None,
            body: Bytes::from_static(b"{\"type\":\"a.b\"}"),
        };
        let placed = Placed { seq: Seq(seq), at_ms: 0, is_new: true };
        self.timeline.on_committed(&entry, placed, &mut self.room.io());
    }

    /// The types of what was sent, and whether a member is in and has all.
    fn sent(&mut self) -> Vec<String> {
        let sent = self.room.sent();
        let mut told: Vec<_> = json_types(&sent).into_iter().map(|(kind, _)| kind).collect();
        told.extend(sent.iter().filter_map(|sent| match sent {
            Sent::Page { .. } => Some("page".to_owned()),
            Sent::Attached(_) => Some("live".to_owned()),
            Sent::CaughtUp(_) => Some("has all".to_owned()),
            Sent::Closed { .. } => Some("closed".to_owned()),
            _ => None,
        }));
        told
    }
}

fn entry(seq: u64) -> Entry {
    let body = Some(Bytes::from_static(b"{\"type\":\"a.b\"}"));
    Entry {
        seq: Seq(seq),
        kind: EntryKind::Event,
        author: UserId::new("ada"),
        via: None,
        at_ms: 0,
        key: None,
        body_bytes: 14,
        body,
    }
}

#[test]
fn who_comes_for_the_first_time_is_in_at_once() {
    let mut live = Live::new();
    live.joins(None, false);
    assert_eq!(live.sent(), ["room.joined", "presence.state", "live"]);
    assert!(live.timeline.take_lookups().is_empty());
}

#[test]
fn who_comes_back_is_in_once_the_store_has_told_that_nothing_is_missing() {
    let mut live = Live::new();
    live.joins(Some(10), false);
    assert_eq!(live.sent(), [""; 0]);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Head { .. }]));
    assert!(!live.told_head(10));
    assert_eq!(live.sent(), ["room.joined", "presence.state", "live"]);
}

#[test]
fn who_comes_back_is_in_at_once_where_the_store_was_asked_after_they_came() {
    let mut live = Live::new();
    live.timeline.learn_horizon(Some(&RoomRow { horizon: Seq(8), ..row(10) }));
    let recovered = |live: &mut Live, since| {
        let id = live.room.join(Dialect::Json, "ada", Access::Write);
        let join = JsonJoin { since: Some(Seq(since)), is_current: true, ..JsonJoin::default() };
        live.timeline.on_join(id, join, &mut live.presence, &live.commit, &mut live.room.io());
        assert!(live.timeline.take_lookups().is_empty());
        let joined = live.room.sent().into_iter().find_map(|sent| match sent {
            Sent::One { frame, .. } => serde_json::from_slice::<serde_json::Value>(frame.payload()).ok(),
            _ => None,
        });
        joined.unwrap()["recovered"] == true
    };
    // What was dropped is not told.
    assert_eq!([10, 8, 7].map(|since| recovered(&mut live, since)), [true, true, false]);
}

#[test]
fn who_lacks_entries_reads_them_page_by_page_and_is_live_behind_the_last_one() {
    let mut live = Live::new();
    let ada = live.joins(Some(7), false);
    live.told_head(10);
    assert_eq!(live.sent(), ["room.joined"]);
    live.timeline.take_lookups();
    live.asks_for_more(ada);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Page { upto: Seq(10), .. }]));
    // What is committed meanwhile is sent after the page, from memory.
    live.commits(EntryKind::Event, 11);
    live.sent();
    live.told_page(ada, 10, vec![entry(8), entry(9), entry(10)]);
    assert_eq!(live.sent(), ["presence.state", "page", "page", "live", "has all"]);
}

#[test]
fn who_comes_back_while_the_store_does_not_answer_is_in_and_not_told_to_have_all() {
    let mut live = Live::new();
    let ada = live.joins(Some(7), false);
    let error = StoreError::Slow;
    live.timeline.on_head(Err(error), &mut live.presence, &mut live.commit, &mut live.room.io());
    let sent = live.room.sent();
    let joined = sent.iter().find_map(|sent| match sent {
        Sent::One { to, frame } if *to == ada => serde_json::from_slice::<serde_json::Value>(frame.payload()).ok(),
        _ => None,
    });
    assert_eq!(joined.unwrap()["recovered"], false);
}

#[test]
fn a_page_that_cannot_be_read_ends_the_membership() {
    let mut live = Live::new();
    let ada = live.joins(Some(7), false);
    live.told_head(10);
    live.asks_for_more(ada);
    live.sent();
    let page = FoundPage { to: ada, upto: Seq(10), limit: 200, page: Err(StoreError::Slow) };
    live.timeline.on_page(page, &mut live.presence, &live.commit, &mut live.room.io());
    assert_eq!(live.sent(), ["closed"]);
}

#[test]
fn who_may_look_back_no_more_is_sent_no_edits_of_a_page_that_was_being_read() {
    let edit = |seq| Entry { kind: EntryKind::Edit, body: Some(Bytes::from_static(b"edit")), ..entry(seq) };
    // The bytes sent of a page, if the right was lost when the newest entry was this one.
    let sent = |lost_at: u64, entries| {
        let mut live = Live::new();
        let ada = live.joins(Some(7), true);
        live.told_head(10);
        live.timeline.take_lookups();
        live.asks_for_more(ada);
        assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Page { .. }]));
        live.room.sent();
        live.room.members.json_mut(ada).unwrap().edits_after = Seq(lost_at);
        live.told_page(ada, 10, entries);
        let pages = live.room.sent().into_iter();
        pages.map(|sent| if let Sent::Page { bytes, .. } = sent { bytes } else { 0 }).sum::<usize>()
    };
    let page = || vec![edit(8), entry(9), edit(10)];
    assert_eq!(sent(9, page()), sent(0, vec![entry(9), edit(10)]));
    assert!(sent(9, page()) < sent(0, page()));
    assert_eq!(sent(10, vec![edit(8)]), 0);
}

#[test]
fn two_members_read_at_once_and_the_third_after_one_of_them() {
    let mut live = Live::new();
    let members = [0; 3].map(|_| live.joins(Some(7), false));
    live.told_head(10);
    live.timeline.ask_head(&live.room.io());
    live.told_head(10);
    live.timeline.take_lookups();
    members.iter().for_each(|member| live.asks_for_more(*member));
    assert_eq!(live.timeline.take_lookups().len(), 2);
    live.told_page(members[0], 10, vec![entry(8)]);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Page { to, .. }] if to == members[2]));
}

#[test]
fn a_committed_entry_goes_to_all_and_an_edit_to_those_who_want_edits() {
    let mut live = Live::new();
    let ada = live.joins(None, true);
    live.joins(None, false);
    live.sent();
    live.commits(EntryKind::Event, 11);
    assert_eq!(json_types(&live.room.sent()), [("a.b".to_owned(), None)]);
    live.commits(EntryKind::Edit, 12);
    assert_eq!(json_types(&live.room.sent()), [("edit".to_owned(), Some(ada))]);
}

#[test]
fn what_is_published_waits_for_its_commit_and_is_refused_where_too_much_waits() {
    let mut live = Live::new();
    live.room.settings.unsaved_bytes_max = 1;
    live.commit = live.room.commit();
    let ada = live.joins(None, false);
    live.sent();
    let publish = |live: &mut Live| {
        let event = Event { kind: "a.b".into(), text: None, payload: None };
        let publication = Publication { event, key: None };
        live.timeline.on_publish(ada, publication, None, &mut live.commit, &mut live.room.io());
        live.sent()
    };
    assert_eq!(publish(&mut live), [""; 0]);
    assert_eq!(live.commit.uncommitted.entries(), 1);
    assert_eq!(publish(&mut live), ["error"]);
}

fn steps(version: u64) -> Steps {
    let value = || RawValue::from_string("1".to_owned()).unwrap();
    Steps { version, steps: vec![value()], client_id: value() }
}

#[test]
fn a_push_waits_for_the_version_and_one_behind_it_for_the_steps_that_it_lacks() {
    let mut live = Live::new();
    let ada = live.joins(None, false);
    live.sent();
    let push = |live: &mut Live, version| {
        live.timeline.on_push(ada, steps(version), None, &mut live.commit, &mut live.room.io());
    };
    push(&mut live, 5);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Version { .. }]));
    live.timeline.on_version(Ok(NewestSteps { version: 5, seq: Seq(9) }), &mut live.commit, &mut live.room.io());
    assert_eq!(live.commit.uncommitted.entries(), 1);
    push(&mut live, 5);
    assert!(live.timeline.take_lookups().is_empty(), "what it lacks is not committed");
    assert!(matches!(live.commit.next(live.room.now), NextCommit::Submit { .. }));
    live.commit.settle(vec![Ok(Placed { seq: Seq(11), at_ms: 0, is_new: true })]);
    live.timeline.send_missed_steps(ada, &mut live.commit, &mut live.room.io());
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Steps { since: 5, version: 6, .. }]));
    on_missed(ada, 6, Ok(Default::default()), &mut live.room.io());
    assert_eq!(live.sent(), ["edit.rejected"]);
}

#[test]
fn what_others_committed_before_the_rooms_own_append_is_read_before_that_counts() {
    let mut live = Live::new();
    let outcome = vec![Ok(Placed { seq: Seq(13), at_ms: 0, is_new: true })];
    live.timeline.hold(outcome.clone());
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Foreign { upto: Seq(12), .. }]));
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait, "it is being read");
    assert!(live.timeline.on_foreign(Seq(12), &[entry(11), entry(12)], &live.room.io()));
    live.commits(EntryKind::Event, 11);
    live.commits(EntryKind::Event, 12);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Settle(outcome));
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::LetIn);
}

#[test]
fn trap_03_an_own_commit_that_jumps_waits_for_what_the_bus_brings_before_it() {
    let mut live = Live::new();
    let outcome = vec![Ok(Placed { seq: Seq(13), at_ms: 0, is_new: true })];
    live.timeline.on_told(Seq(11), vec![entry(11)]);
    live.timeline.hold(outcome.clone());
    let ForeignStep::Take(next) = live.timeline.next_foreign(&live.commit) else { panic!("what has come goes on") };
    assert_eq!(next, [entry(11)]);
    live.commits(EntryKind::Event, 11);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Foreign { upto: Seq(12), .. }]));
    // What is read may hold what comes with the bus meanwhile.
    live.timeline.on_told(Seq(14), vec![entry(12), entry(14)]);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait, "one reading at a time");
    assert!(live.timeline.on_foreign(Seq(12), &[entry(12)], &live.room.io()));
    live.commits(EntryKind::Event, 12);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Settle(outcome));
    live.commits(EntryKind::Event, 13);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Take(vec![entry(14)]));
    live.commits(EntryKind::Event, 14);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::LetIn);
}

#[test]
fn trap_07_a_head_that_may_be_the_rooms_own_append_is_not_read_while_that_is_on_its_way() {
    let mut live = Live::new();
    let own = NewEntry {
        kind: EntryKind::Event,
        author: UserId::new("ada"),
        via: None,
        key: None,
        condition: None,
        body: Bytes::from_static(b"{}"),
    };
    live.commit.uncommitted.push(crate::room::commit::Pending::new(own, Vec::new()));
    assert!(matches!(live.commit.next(live.room.now), NextCommit::Submit { .. }));
    live.timeline.on_told(Seq(11), Vec::new());
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert!(live.timeline.take_lookups().is_empty());
    // What is another's, and comes next, need not wait.
    live.timeline.on_told(Seq(11), vec![entry(11)]);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Take(vec![entry(11)]));
}

#[test]
fn trap_16_of_two_gaps_one_is_read_and_what_that_brings_of_the_other_is_not_sent_twice() {
    let mut live = Live::new();
    live.timeline.on_told(Seq(13), vec![entry(13)]);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Foreign { upto: Seq(13), .. }]));
    // The second gap opens while the first is read.
    live.timeline.on_told(Seq(16), vec![entry(16)]);
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert!(live.timeline.take_lookups().is_empty(), "one reading at a time");
    // What is read holds what came with the bus.
    assert!(live.timeline.on_foreign(Seq(13), &[entry(11), entry(12), entry(13)], &live.room.io()));
    (11..=13).for_each(|seq| live.commits(EntryKind::Event, seq));
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Foreign { upto: Seq(16), .. }]));
    assert!(live.timeline.on_foreign(Seq(16), &[entry(14), entry(15), entry(16)], &live.room.io()));
    (14..=16).for_each(|seq| live.commits(EntryKind::Event, seq));
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::LetIn);
    assert!(live.timeline.take_lookups().is_empty());
}

#[test]
fn trap_17_what_cannot_be_read_is_given_up_by_the_databases_word_alone() {
    let mut live = Live::new();
    live.timeline.on_told(Seq(1 << 40), Vec::new());
    for _ in 0..3 {
        assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
        live.timeline.take_lookups();
        assert!(!live.timeline.on_foreign(Seq(1 << 40), &[], &live.room.io()));
        assert!(matches!(live.timeline.take_lookups()[..], [Lookup::Checked { .. }]));
        assert!(!live.timeline.on_checked(Seq(1 << 40), Err(StoreError::Slow), &live.room.io()), "not now");
        live.timeline.on_foreign_due();
    }
    assert!(live.timeline.on_checked(Seq(1 << 40), Ok(Some(row(10))), &live.room.io()));
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::LetIn, "it was forged");
    live.timeline.on_told(Seq(12), Vec::new());
    live.timeline.next_foreign(&live.commit);
    live.timeline.on_foreign(Seq(12), &[], &live.room.io());
    assert!(live.timeline.on_checked(Seq(12), Ok(Some(row(12))), &live.room.io()));
    assert_eq!(
        (live.timeline.next_foreign(&live.commit), live.timeline.head()),
        (ForeignStep::LetIn, Seq(12)),
        "it was deleted"
    );
}

#[test]
fn what_others_wrote_is_read_again_after_a_failure() {
    let mut live = Live::new();
    live.timeline.hold(vec![Ok(Placed { seq: Seq(12), at_ms: 0, is_new: true })]);
    live.timeline.next_foreign(&live.commit);
    live.timeline.take_lookups();
    live.timeline.on_foreign_unread(&StoreError::Slow, &mut live.presence, &live.commit, &mut live.room.io());
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert!(live.timeline.foreign_due().is_some());
    live.timeline.on_foreign_due();
    assert_eq!(live.timeline.next_foreign(&live.commit), ForeignStep::Wait);
    assert_eq!(live.timeline.take_lookups().len(), 1);
}
