//! Rooms that become copies: nobody sees one before it is whole, and one that is not finished goes by itself.

use tutti::ids::{Seq, UserId};
use tutti::store::{
    CopyEnd, CopyPart, Deletion, EntryKind, FinishedCopy, Maker, NewEntry, RoomId, Store, StoreError, VersionRow,
};

use crate::support::{Database, append, contract, edit, entry, history, keyed, name, placed, room};

/// `plan` with an edit that was forwarded, a message with a key and an event.
async fn with_plan(store: &Store) -> RoomId {
    let plan = room(store, "plan").await;
    let forwarded = NewEntry { via: Some(UserId::new("bob")), ..edit("e") };
    placed(store, &append(plan, vec![forwarded, keyed("ada", "k")])).await;
    placed(store, &append(plan, vec![entry(EntryKind::Event, "eve", "{}")])).await;
    plan
}

fn finished(of: RoomId, head: u64, at_ms: i64) -> FinishedCopy {
    let by = (UserId::new("carol"), "Carol".to_owned());
    FinishedCopy { name: name("copy"), head: Seq(head), at_ms, of, with_past: true, by, bytes: 1_000, maker: None }
}

async fn fill(store: &Store, from: RoomId, now_ms: i64) -> RoomId {
    let copy = store.begin_copy(from, 0, now_ms).await.expect("an answer").expect("it begins");
    for entry in history(store, from).await {
        assert_eq!(store.fill_copy(copy, CopyPart::Entries(vec![entry]), now_ms).await, Ok(true));
    }
    copy
}

contract! {
    async fn a_copy_is_there_as_a_whole_with_its_last_part(db: &Database) {
        let store = db.store("main").await;
        let plan = with_plan(&store).await;
        for (seq, label) in [(1, "first"), (3, "third")] {
            let (author, meta) = (UserId::new("ada"), Some("7".to_owned()));
            store.add_version(plan, VersionRow { seq: Seq(seq), label: label.into(), author, at_ms: 5, meta }).await.expect("it is named");
        }
        for seq in [1, 3] {
            store.save_snapshot(plan, Seq(seq), format!("state {seq}").into(), 0).await.expect("it is saved");
        }
        let clients = vec![(1, UserId::new("ada")), (u64::MAX, UserId::new("bob"))];
        let copy = fill(&store, plan, 1_000).await;
        assert_eq!(store.fill_copy(copy, CopyPart::Clients(clients.clone()), 1_000).await, Ok(true));
        // Nobody sees it.
        let names = |rows: Vec<tutti::store::RoomRow>| rows.iter().map(|row| row.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(store.rooms("", None, 10).await.expect("rooms")), ["plan"]);
        assert_eq!(store.room(&name("copy")).await, Ok(None));
        let at_ms = history(&store, plan).await[2].at_ms;
        assert_eq!(store.finish_copy(copy, finished(plan, 3, at_ms), 7_000).await, Ok(CopyEnd::Done));
        assert_eq!(names(store.rooms("", None, 10).await.expect("rooms")), ["copy", "plan"]);
        assert_eq!(history(&store, copy).await, history(&store, plan).await);
        let row = store.room(&name("copy")).await.expect("an answer").expect("it is there");
        assert_eq!((row.id, row.head, row.created_at_ms, row.updated_at_ms), (copy, Seq(3), 7_000, at_ms));
        assert_eq!(store.versions(copy).await, store.versions(plan).await);
        let loaded = store.load(&name("copy")).await.expect("an answer").expect("it is there");
        assert_eq!((loaded.snapshot, loaded.edits), (Some((Seq(3), "state 3".into())), Vec::new()));
        let mut found = loaded.clients;
        found.sort();
        assert_eq!(found, clients);
        // It goes on, by its own keys, and is a room like any other.
        let again = placed(&store, &append(copy, vec![keyed("ada", "k"), edit("f")])).await;
        assert_eq!(again.iter().map(|placed| (placed.seq.0, placed.is_new)).collect::<Vec<_>>(), [(2, false), (4, true)]);
        assert_eq!(store.rooms_to_purge(i64::MAX, RoomId(0), 10).await, Ok(vec![]));
    }

    async fn a_copy_up_to_an_entry_has_versions_and_a_snapshot_up_to_there_only(db: &Database) {
        let store = db.store("main").await;
        let plan = with_plan(&store).await;
        for seq in [1, 3] {
            let row = VersionRow { seq: Seq(seq), label: "v".into(), author: UserId::new("ada"), at_ms: 5, meta: None };
            store.add_version(plan, row).await.expect("it is named");
        }
        store.save_snapshot(plan, Seq(3), "state".into(), 0).await.expect("it is saved");
        let copy = store.begin_copy(plan, 0, 1_000).await.expect("an answer").expect("it begins");
        let first = history(&store, plan).await.swap_remove(0);
        let at_ms = first.at_ms;
        store.fill_copy(copy, CopyPart::Entries(vec![first]), 1_000).await.expect("a part");
        assert_eq!(store.finish_copy(copy, finished(plan, 1, at_ms), 1_000).await, Ok(CopyEnd::Done));
        assert_eq!(store.versions(copy).await.expect("versions").len(), 1);
        assert_eq!(store.load(&name("copy")).await.expect("an answer").expect("it is there").snapshot, None);
    }

    async fn a_name_is_given_once_and_a_copy_that_gets_none_goes(db: &Database) {
        let store = db.store("main").await;
        let plan = with_plan(&store).await;
        let at_ms = history(&store, plan).await[2].at_ms;
        let (first, second) = (fill(&store, plan, 1_000).await, fill(&store, plan, 1_000).await);
        assert_eq!(store.finish_copy(first, finished(plan, 3, at_ms), 1_000).await, Ok(CopyEnd::Done));
        assert_eq!(store.finish_copy(second, finished(plan, 3, at_ms), 1_000).await, Ok(CopyEnd::Taken));
        let root = UserId::new("root");
        store.delete_room(&name("copy"), (&root, "Root"), Deletion::Soft(1 << 40), 2_000).await.expect("it is deleted");
        assert_eq!(store.finish_copy(second, finished(plan, 3, at_ms), 2_000).await, Ok(CopyEnd::Taken), "still taken");
        // Until its time has come it waits for its next part.
        assert_eq!(store.rooms_to_purge(2_000, RoomId(0), 10).await, Ok(vec![]));
        store.drop_copy(second).await.expect("it is let go");
        assert_eq!(store.rooms_to_purge(2_000, RoomId(0), 10).await, Ok(vec![second]));
        while store.purge_part(second, 2_000).await.expect("a part") {}
        assert_eq!(history(&store, second).await, []);
        let part = CopyPart::Entries(history(&store, plan).await);
        assert_eq!(store.fill_copy(second, part, 2_000).await, Ok(false));
        assert_eq!(store.finish_copy(second, finished(plan, 3, at_ms), 2_000).await, Ok(CopyEnd::Late));
        assert_eq!(store.deleted_rooms("tutti/", None, 10).await, Ok(vec![]), "its row has gone, too");
    }

    async fn that_a_name_is_taken_is_told_before_that_its_maker_makes_no_more_rooms(db: &Database) {
        let store = db.store("main").await;
        let plan = with_plan(&store).await;
        let at_ms = history(&store, plan).await[2].at_ms;
        let (first, second) = (fill(&store, plan, 1_000).await, fill(&store, plan, 1_000).await);
        let maker = Some(Maker { user: UserId::new("carol"), rooms_max: Some(1) });
        let called = |called: &str| FinishedCopy { name: name(called), maker: maker.clone(), ..finished(plan, 3, at_ms) };
        assert_eq!(store.finish_copy(first, called("copy"), 1_000).await, Ok(CopyEnd::Done));
        assert_eq!(store.finish_copy(second, called("copy"), 1_000).await, Ok(CopyEnd::Taken));
        assert_eq!(store.finish_copy(second, called("other"), 1_000).await, Ok(CopyEnd::TooMany));
    }

    async fn a_copy_that_gets_no_part_for_a_minute_goes_by_itself(db: &Database) {
        let store = db.store("main").await;
        let plan = with_plan(&store).await;
        let copy = fill(&store, plan, 1_000).await;
        assert_eq!(store.rooms_to_purge(60_999, RoomId(0), 10).await, Ok(vec![]));
        assert_eq!(store.rooms_to_purge(61_000, RoomId(0), 10).await, Ok(vec![copy]));
        // A part gives it another minute, unless it has begun to go.
        let clients = || CopyPart::Clients(vec![(7, UserId::new("ada"))]);
        assert_eq!(store.fill_copy(copy, clients(), 61_000).await, Ok(true));
        assert_eq!(store.rooms_to_purge(61_000, RoomId(0), 10).await, Ok(vec![]));
        assert_eq!(store.purge_part(copy, 121_000).await, Ok(true));
        assert_eq!(store.fill_copy(copy, clients(), 121_000).await, Ok(false));
    }

    async fn a_room_that_is_deleted_meanwhile_is_not_copied(db: &Database) {
        let store = db.store("main").await;
        let plan = with_plan(&store).await;
        let copy = fill(&store, plan, 1_000).await;
        let root = UserId::new("root");
        store.delete_room(&name("plan"), (&root, "Root"), Deletion::Soft(1 << 40), 2_000).await.expect("it is deleted");
        assert_eq!(store.finish_copy(copy, finished(plan, 3, 1), 2_000).await, Ok(CopyEnd::Deleted));
        assert_eq!(store.room(&name("copy")).await, Ok(None));
    }

    async fn entries_without_their_bodies_are_not_taken(db: &Database) {
        let store = db.store("main").await;
        let plan = with_plan(&store).await;
        let copy = store.begin_copy(plan, 0, 1_000).await.expect("an answer").expect("it begins");
        let mut entries = history(&store, plan).await;
        entries[1].body = None;
        let refused = store.fill_copy(copy, CopyPart::Entries(entries), 1_000).await;
        assert!(matches!(refused, Err(StoreError::Unexpected(_))), "{refused:?}");
        assert_eq!(history(&store, copy).await, []);
    }
}
