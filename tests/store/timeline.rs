//! Reading history: pages in both directions, filters, bounds.

use bytes::Bytes;
use tutti::ids::{Seq, UserId};
use tutti::store::{
    Bodies, COMMENT_BYTES_MAX, EntryKind, HISTORY_BYTES_MAX, HistoryQuery, Kinds, NewEntry, Page, Refused, RoomId,
    Store,
};

use crate::support::*;

/// No seqs.
const NONE: [u64; 0] = [];

contract! {
    async fn pages_forwards_and_backwards_meet_without_gap_or_overlap(db: &Database) {
        let (store, room) = filled(db).await;
        let mut after = Seq::ZERO;
        let mut forwards = Vec::new();
        loop {
            let page = found(&store, room, HistoryQuery { after: Some(after), limit: 4, ..everything() }).await;
            let Some(&last) = page.last() else { break };
            after = Seq(last);
            forwards.extend(page);
        }
        let mut before = None;
        let mut backwards = Vec::new();
        loop {
            let query = HistoryQuery { before, limit: 4, page: Page::Newest, ..everything() };
            let page = found(&store, room, query).await;
            let Some(&first) = page.first() else { break };
            before = Some(Seq(first));
            backwards.splice(0..0, page);
        }
        let all: Vec<u64> = (1..=10).collect();
        assert_eq!(forwards, all);
        assert_eq!(backwards, all);
    }

    async fn both_ends_of_a_range_are_exclusive_and_a_page_is_ascending(db: &Database) {
        let (store, room) = filled(db).await;
        let range = HistoryQuery { after: Some(Seq(3)), before: Some(Seq(8)), limit: 3, ..everything() };
        assert_eq!(found(&store, room, range.clone()).await, [4, 5, 6]);
        assert_eq!(found(&store, room, HistoryQuery { page: Page::Newest, ..range }).await, [5, 6, 7]);
    }

    async fn filters_by_kind_and_author_combine(db: &Database) {
        let (store, room) = filled(db).await;
        let messages = HistoryQuery { kinds: Kinds::Only(EntryKind::Message), ..everything() };
        assert_eq!(found(&store, room, messages.clone()).await, [2, 4, 6, 8, 10]);
        let not_edits = HistoryQuery { kinds: Kinds::NotEdits, after: Some(Seq(3)), limit: 2, ..everything() };
        assert_eq!(found(&store, room, not_edits.clone()).await, [4, 6]);
        assert_eq!(found(&store, room, HistoryQuery { page: Page::Newest, ..not_edits }).await, [8, 10]);
        let bobs = HistoryQuery { author: Some(UserId::new("bob")), ..everything() };
        assert_eq!(found(&store, room, bobs.clone()).await, [3, 6, 9]);
        let both = HistoryQuery { kinds: Kinds::Only(EntryKind::Message), ..bobs };
        assert_eq!(found(&store, room, both.clone()).await, [6]);
        assert_eq!(found(&store, room, HistoryQuery { page: Page::Newest, limit: 1, ..messages }).await, [10]);
        assert_eq!(found(&store, room, HistoryQuery { after: Some(Seq(6)), ..both }).await, NONE);
    }

    async fn who_sent_an_entry_is_told_where_that_is_not_its_author(db: &Database) {
        let store = db.store("s1").await;
        let room = store.ensure_room(&name("room"), None).await.expect("a room");
        let forwarded = NewEntry { via: Some(UserId::new("bob")), ..edit("1") };
        let refused = NewEntry { via: Some(UserId::new("\0")), ..edit("2") };
        let outcome = store.append(vec![append(room, vec![forwarded, refused, edit("3")])]).await.remove(0).expect("an append");
        assert_eq!(outcome[1], Err(Refused::Nul));
        let entries = store.history(room, everything()).await.expect("a history");
        let told: Vec<_> = entries.iter().map(|entry| entry.via.as_ref().map(UserId::as_str)).collect();
        assert_eq!(told, [Some("bob"), None]);
    }

    async fn steps_are_found_among_other_entries(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let kinds = [EntryKind::Step, EntryKind::Message, EntryKind::Edit, EntryKind::Step, EntryKind::Event, EntryKind::Step];
        placed(&store, &append(room, kinds.map(|kind| entry(kind, "ada", "body")).into())).await;
        let steps = HistoryQuery { kinds: Kinds::Only(EntryKind::Step), ..everything() };
        assert_eq!(found(&store, room, steps.clone()).await, [1, 4, 6]);
        assert_eq!(found(&store, room, HistoryQuery { page: Page::Newest, limit: 1, ..steps }).await, [6]);
    }

    async fn events_of_comments_are_found_among_other_entries_unless_they_are_too_long(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let comment = r#"{"type":"comment.created"}"#;
        let of_length = |bytes: usize| comment.to_owned() + &" ".repeat(bytes - comment.len());
        let (longest, longer) = (of_length(COMMENT_BYTES_MAX), of_length(COMMENT_BYTES_MAX + 1));
        let bodies = [(EntryKind::Event, comment), (EntryKind::Event, r#"{"type":"commen"#), (EntryKind::Message, comment), (EntryKind::Event, &longest), (EntryKind::Event, &longer), (EntryKind::Event, r#"{"type":"comments.x"#), (EntryKind::Event, "{\"type\":\"comment.\u{0}")];
        let with = |(kind, body): (EntryKind, &str)| NewEntry { body: Bytes::from(body.to_owned()), ..entry(kind, "ada", "") };
        placed(&store, &append(room, bodies.map(with).into())).await;
        let comments = HistoryQuery { kinds: Kinds::Comments, ..everything() };
        assert_eq!(found(&store, room, comments.clone()).await, [1, 4, 7]);
        assert_eq!(found(&store, room, HistoryQuery { page: Page::Newest, limit: 1, ..comments.clone() }).await, [7]);
        assert_eq!(found(&store, room, HistoryQuery { after: Some(Seq(1)), author: Some(UserId::new("ada")), limit: 1, ..comments.clone() }).await, [4]);
        assert_eq!(found(&store, room, HistoryQuery { author: Some(UserId::new("bob")), ..comments }).await, NONE);
    }

    async fn entries_but_edits_are_counted_up_to_a_limit(db: &Database) {
        let (store, room) = filled(db).await;
        for (after, limit, expected) in [(0, 100, 5), (0, 5, 5), (0, 4, 4), (4, 100, 3), (10, 100, 0), (0, 0, 0)] {
            let counted = store.count_but_edits(room, Seq(after), limit).await.expect("counted");
            assert_eq!(counted, expected, "after {after}, up to {limit}");
        }
    }

    async fn seqs_past_any_entry_and_rooms_that_are_not_there_give_empty_pages(db: &Database) {
        let (store, room) = filled(db).await;
        assert_eq!(found(&store, room, HistoryQuery { after: Some(Seq(u64::MAX)), ..everything() }).await, NONE);
        assert_eq!(found(&store, room, HistoryQuery { before: Some(Seq(u64::MAX)), ..everything() }).await.len(), 10);
        assert_eq!(found(&store, room, HistoryQuery { limit: 0, ..everything() }).await, NONE);
        assert_eq!(found(&store, RoomId(room.0 + 1), everything()).await, NONE);
    }

    async fn a_page_without_edits_bodies_still_tells_their_length(db: &Database) {
        let (store, room) = filled(db).await;
        let query = HistoryQuery { bodies: Bodies::NotOfEdits, limit: 2, ..everything() };
        let page = store.history(room, query).await.expect("the history is read");
        assert_eq!((page[0].kind, page[0].body_bytes, &page[0].body), (EntryKind::Edit, 4, &None));
        assert_eq!((page[1].kind, &page[1].body), (EntryKind::Message, &Some(Bytes::from_static(b"body"))));
    }

    async fn a_page_is_bounded_in_bytes_and_the_next_goes_on(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let half = Bytes::from(vec![b'x'; HISTORY_BYTES_MAX / 2]);
        let large = Bytes::from(vec![b'y'; HISTORY_BYTES_MAX + 1]);
        for body in [half.clone(), half.clone(), half, large] {
            placed(&store, &append(room, vec![NewEntry { body, ..edit("") }])).await;
        }
        assert_eq!(found(&store, room, everything()).await, [1, 2]);
        assert_eq!(found(&store, room, HistoryQuery { after: Some(Seq(2)), ..everything() }).await, [3]);
        assert_eq!(found(&store, room, HistoryQuery { after: Some(Seq(3)), ..everything() }).await, [4]);
        assert_eq!(found(&store, room, HistoryQuery { page: Page::Newest, ..everything() }).await, [4]);
        let without = HistoryQuery { bodies: Bodies::NotOfEdits, ..everything() };
        assert_eq!(found(&store, room, without).await, [1, 2, 3, 4]);
    }
}

/// Ten entries: the even ones are messages, the others edits; every third is bob's, the others ada's.
async fn filled(db: &Database) -> (Store, RoomId) {
    let store = db.store("s1").await;
    let room = room(&store, "a").await;
    let nth = |n: u64| {
        let kind = if n.is_multiple_of(2) { EntryKind::Message } else { EntryKind::Edit };
        entry(kind, if n.is_multiple_of(3) { "bob" } else { "ada" }, "body")
    };
    placed(&store, &append(room, (1..=10).map(nth).collect())).await;
    (store, room)
}

pub async fn found(store: &Store, room: RoomId, query: HistoryQuery) -> Vec<u64> {
    let entries = store.history(room, query).await.expect("the history is read");
    entries.iter().map(|entry| entry.seq.0).collect()
}
