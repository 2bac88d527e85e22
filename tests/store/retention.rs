//! What is not kept for ever: the horizon is raised together with what stays, and the rows before it go part by part.

use bytes::Bytes;
use tutti::ids::{Seq, UserId};
use tutti::store::{
    Deletion, Dropping, EntryKind, HistoryQuery, HistorySegment, Kept, Kinds, NewEntry, Page, RoomId, Store,
    StoreError, VersionRow,
};

use crate::support::*;
use crate::timeline::found;

/// An edit, a message, an event, a step, and again, up to `count`.
async fn filled(store: &Store, count: usize) -> RoomId {
    let id = room(store, "plan").await;
    let kinds = [EntryKind::Edit, EntryKind::Message, EntryKind::Event, EntryKind::Step];
    let entries = (0..count).map(|at| entry(kinds[at % 4], "ada", "body"));
    placed(store, &append(id, entries.collect())).await;
    id
}

fn dropping(from: u64, to: u64) -> Dropping {
    let kept = Some(Kept { state: Bytes::from(format!("state {to}")), base: Bytes::from(format!("base {to}")) });
    Dropping { from: (Seq(from), 0), to: Seq(to), versions: Vec::new(), kept }
}

fn version(seq: u64) -> VersionRow {
    VersionRow { seq: Seq(seq), label: "v".into(), author: UserId::new("ada"), at_ms: 0, meta: None }
}

async fn kinds(store: &Store, room: RoomId) -> Vec<(u64, EntryKind)> {
    let page = store.remaining(room, everything()).await.expect("a page");
    page.into_iter().map(|entry| (entry.seq.0, entry.kind)).collect()
}

contract! {
    async fn what_lies_before_the_horizon_is_told_to_nobody_and_goes_but_for_events_and_steps(db: &Database) {
        let store = db.store("main").await;
        let id = filled(&store, 9).await;
        for seq in [2, 4, 8] {
            store.save_snapshot(id, Seq(seq), Bytes::from(format!("old {seq}")), 0).await.expect("it is saved");
        }
        let segment = |after: u64, seq: u64| HistorySegment { after: Seq(after), seq: Seq(seq), body: "body".into(), times: None };
        assert_eq!(store.save_history_segment(id, segment(0, 4), 0).await, Ok(true));
        assert_eq!(store.raise_horizon(id, dropping(0, 6)).await, Ok(true));
        let row = store.room(&name("plan")).await.expect("an answer").expect("it is there");
        assert_eq!((row.horizon, row.head, store.horizon(id).await), (Seq(6), Seq(9), Ok(Seq(6))));
        assert_eq!(store.base(id).await, Ok(Some((Seq(6), "base 6".into()))));
        assert_eq!(store.snapshot_at(id, Seq(6)).await, Ok(Some("state 6".into())));
        assert_eq!(store.snapshot_at(id, Seq(4)).await, Ok(None));
        let loaded = store.load(&name("plan")).await.expect("an answer").expect("it is there");
        assert_eq!((loaded.snapshot, loaded.edits.len()), (Some((Seq(8), "old 8".into())), 1));
        // What others make of what they have read before is not kept.
        assert_eq!(store.history_segments(id, Seq(0)).await, Ok(vec![]));
        assert_eq!(store.save_history_segment(id, segment(4, 8), 0).await, Ok(false));
        assert_eq!(store.save_history_segment(id, segment(6, 8), 0).await, Ok(true));
        store.save_snapshot(id, Seq(5), "old 5".into(), 0).await.expect("an answer");
        assert_eq!(store.snapshot_at(id, Seq(5)).await, Ok(None));

        let dropped = Err(StoreError::Dropped(Seq(7)));
        let after = |seq: u64| HistoryQuery { after: Some(Seq(seq)), ..everything() };
        assert_eq!(store.history(id, everything()).await, dropped);
        assert_eq!(store.history(id, after(5)).await, dropped);
        assert_eq!(found(&store, id, after(6)).await, [7, 8, 9]);
        let backwards = |seq: u64| HistoryQuery { before: Some(Seq(seq)), page: Page::Newest, ..everything() };
        assert_eq!(store.history(id, backwards(6)).await, dropped);
        assert!(store.history(id, backwards(7)).await.is_ok());
        let events = HistoryQuery { kinds: Kinds::Only(EntryKind::Event), ..everything() };
        assert_eq!(found(&store, id, events).await, [3, 7]);

        assert_eq!(store.drop_part(id).await, Ok(true));
        assert_eq!(store.drop_part(id).await, Ok(false));
        let (event, step) = (EntryKind::Event, EntryKind::Step);
        let left = [(3, event), (4, step), (7, event), (8, step), (9, EntryKind::Edit)];
        assert_eq!(kinds(&store, id).await, left);
        assert_eq!(store.drop_part(id).await, Ok(false));
        assert_eq!(placed(&store, &append(id, vec![edit("more")])).await[0].seq, Seq(10));
    }

    async fn a_horizon_is_raised_only_of_a_room_that_is_as_it_was(db: &Database) {
        let store = db.store("main").await;
        let id = filled(&store, 8).await;
        let named = Dropping { versions: vec![Seq(2)], ..dropping(0, 4) };
        assert_eq!(store.raise_horizon(id, named.clone()).await, Ok(false), "there is no such version");
        store.add_version(id, version(2)).await.expect("it is added");
        assert_eq!(store.raise_horizon(id, dropping(0, 4)).await, Ok(false), "somebody has named a seq meanwhile");
        assert_eq!(store.raise_horizon(id, named.clone()).await, Ok(true));
        assert_eq!(store.raise_horizon(id, named).await, Ok(false), "it is raised already");
        assert_eq!(store.raise_horizon(RoomId(77), dropping(0, 4)).await, Ok(false));
        let by = UserId::new("root");
        store.delete_room(&name("plan"), (&by, "Root"), Deletion::Soft(1_000), 0).await.expect("it is deleted");
        let further = Dropping { versions: vec![Seq(2)], ..dropping(4, 6) };
        assert_eq!(store.raise_horizon(id, further).await, Ok(false));
        assert_eq!(store.drop_part(id).await, Ok(false));
    }

    async fn rows_go_in_parts_and_a_key_that_went_with_them_is_free(db: &Database) {
        let store = db.store("main").await;
        let id = room(&store, "plan").await;
        placed(&store, &append(id, vec![keyed("ada", "k")])).await;
        for _ in 0..3 {
            placed(&store, &append(id, vec![entry(EntryKind::Message, "ada", "hello"); 400])).await;
        }
        assert_eq!(placed(&store, &append(id, vec![keyed("ada", "k")])).await[0].seq, Seq(1));
        assert_eq!(store.raise_horizon(id, Dropping { kept: None, ..dropping(0, 1_201) }).await, Ok(true));
        assert_eq!(store.base(id).await, Ok(None));
        let mut left = Vec::new();
        while store.drop_part(id).await.expect("a part") {
            left.push(kinds(&store, id).await.len());
        }
        assert_eq!(left, [701, 201, 0]);
        let again = placed(&store, &append(id, vec![keyed("ada", "k")])).await[0];
        assert_eq!((again.seq, again.is_new), (Seq(1_202), true));
    }

    async fn long_rows_go_one_by_one(db: &Database) {
        let store = db.store("main").await;
        let id = room(&store, "plan").await;
        let long = || NewEntry { body: Bytes::from(vec![7; 5 << 20]), ..edit("") };
        for _ in 0..2 {
            placed(&store, &append(id, vec![long()])).await;
        }
        assert_eq!(store.raise_horizon(id, dropping(0, 2)).await, Ok(true));
        assert_eq!(store.drop_part(id).await, Ok(true));
        assert_eq!(kinds(&store, id).await, [(2, EntryKind::Edit)]);
        assert_eq!(store.drop_part(id).await, Ok(true));
        assert_eq!(store.drop_part(id).await, Ok(false));
    }

    async fn rooms_with_old_entries_are_found_and_those_where_rows_are_left(db: &Database) {
        let store = db.store("main").await;
        assert_eq!(store.aging_rooms((RoomId(0), RoomId(1_000))).await, Ok(vec![]));
        let id = filled(&store, 4).await;
        room(&store, "empty").await;
        let oldest = store.history(id, everything()).await.expect("a page")[0].at_ms;
        let told = async || {
            let rooms = store.aging_rooms((RoomId(0), RoomId(1_000))).await.expect("rooms");
            rooms.into_iter().map(|room| (room.id, room.oldest_ms, room.has_dropped_rows)).collect::<Vec<_>>()
        };
        assert_eq!(told().await, [(id, Some(oldest), false)]);
        assert_eq!(store.raise_horizon(id, dropping(0, 4)).await, Ok(true));
        assert_eq!(told().await, [(id, None, true)]);
        while store.drop_part(id).await.expect("a part") {}
        assert_eq!(told().await, []);
    }

    async fn one_server_at_a_time_has_a_lease(db: &Database) {
        let (one, other) = (db.store("one").await, db.store("other").await);
        assert_eq!(one.lease("sweep", 1_000, 2_000).await, Ok(true));
        assert_eq!(other.lease("sweep", 2_000, 3_000).await, Ok(false));
        assert_eq!(other.lease("other work", 2_000, 3_000).await, Ok(true));
        assert_eq!(one.lease("sweep", 2_000, 2_500).await, Ok(true));
        assert_eq!(other.lease("sweep", 2_501, 3_000).await, Ok(true));
        assert_eq!(one.lease("sweep", 2_501, 3_000).await, Ok(false));
    }

    async fn what_stays_goes_with_the_room(db: &Database) {
        let store = db.store("main").await;
        let id = filled(&store, 4).await;
        assert_eq!(store.raise_horizon(id, dropping(0, 2)).await, Ok(true));
        let by = UserId::new("root");
        let hard = Deletion::Hard { frees_name: false };
        store.delete_room(&name("plan"), (&by, "Root"), hard, 0).await.expect("it is deleted");
        while store.purge_part(id, 1).await.expect("a part") {}
        assert_eq!(store.base(id).await, Ok(None));
    }
}
