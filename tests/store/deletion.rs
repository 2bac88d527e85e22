//! Deleted rooms: nothing is stored in them, by whatever way it comes; what is in them goes part by part; names stay taken.

use tutti::ids::{Seq, UserId};
use tutti::store::{
    DeletedRoom, Deletion, HistorySegment, NewEntry, Remains, RoomId, Store, StoreError, Undeletion, WebhookRow,
};

use crate::support::{Database, append, contract, edit, insistently, keyed, name, one, placed, room};

const KEPT_MS: i64 = 1_000;

async fn deletes(store: &Store, how: Deletion, now_ms: i64) -> Option<DeletedRoom> {
    let by = UserId::new("root");
    store.delete_room(&name("plan"), (&by, "Root"), how, now_ms).await.expect("the room is deleted")
}

/// Purges to the end; in how many parts.
async fn purged(store: &Store, now_ms: i64) -> usize {
    let mut parts = 0;
    for room in store.rooms_to_purge(now_ms, RoomId(0), 10).await.expect("rooms") {
        while store.purge_part(room, now_ms).await.expect("a part") {
            parts += 1;
        }
    }
    parts
}

fn webhook() -> WebhookRow {
    WebhookRow {
        id: "w".into(),
        url: "https://app.example.com/".into(),
        secret: "whsec_".into(),
        events: "[\"*\"]".into(),
        rooms: "*".into(),
        content: None,
        root: None,
        is_paused: false,
        created_at_ms: 0,
    }
}

contract! {
    async fn nothing_is_stored_in_a_deleted_room_or_read_of_it_until_that_is_taken_back(db: &Database) {
        let store = db.store("main").await;
        let id = room(&store, "plan").await;
        let stored = append(id, vec![edit("a")]);
        assert_eq!(placed(&store, &stored).await[0].seq, Seq(1));
        let deleted = deletes(&store, Deletion::Soft(KEPT_MS), 5_000).await.expect("there is one");
        assert_eq!((deleted.row.head, deleted.at_ms, deleted.purge_at_ms), (Seq(1), 5_000, 6_000));
        assert_eq!((deleted.by.as_str(), deleted.remains), ("root", Remains::All));
        let gone = StoreError::RoomDeleted;
        // By the short way, by the long one, together with others, and repeated.
        assert_eq!(one(&store, &append(id, vec![edit("b")])).await, Err(gone.clone()));
        assert_eq!(one(&store, &append(id, vec![keyed("ada", "k")])).await, Err(gone.clone()));
        let other = room(&store, "other").await;
        let outcomes = store.append(vec![append(id, vec![edit("b")]), append(other, vec![edit("b")])]).await;
        assert_eq!(outcomes[0], Err(gone.clone()));
        assert!(outcomes[1].is_ok(), "{outcomes:?}");
        assert_eq!(store.append_aside(append(id, vec![edit("b")])).await, Err(gone.clone()));
        assert_eq!(store.append_shared(vec![append(id, vec![edit("b")])]).await, [Err(gone.clone())]);
        assert_eq!(one(&store, &stored).await, Err(gone.clone()));
        assert_eq!(store.ensure_room(&name("plan"), None).await, Err(gone.clone()));
        assert_eq!(store.room(&name("plan")).await, Err(gone.clone()));
        assert_eq!(store.load(&name("plan")).await.map(drop), Err(gone.clone()));
        store.save_snapshot(id, Seq(1), "state".into(), 0).await.expect("an answer");
        let segment = HistorySegment { after: Seq(0), seq: Seq(1), body: "body".into(), times: None };
        assert_eq!(store.save_history_segment(id, segment, 0).await, Ok(false));
        let listed = store.rooms("", None, 10).await.expect("an answer");
        assert_eq!(listed.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["other"]);
        let deleted_rooms = store.deleted_rooms("", None, 10).await.expect("an answer");
        assert_eq!(deleted_rooms, std::slice::from_ref(&deleted));
        // Once more changes nothing.
        assert_eq!(deletes(&store, Deletion::Soft(KEPT_MS), 5_500).await, Some(deleted));
        assert_eq!(purged(&store, 5_999).await, 0);
        assert_eq!(store.undelete_room(&name("plan")).await, Ok(Undeletion::Done));
        let loaded = store.load(&name("plan")).await.expect("an answer").expect("it is there");
        assert_eq!((loaded.snapshot, loaded.edits.len()), (None, 1));
        assert_eq!(placed(&store, &append(id, vec![edit("b")])).await[0].seq, Seq(2));
        assert_eq!(store.undelete_room(&name("nobody")).await, Ok(Undeletion::Missing));
        assert_eq!(store.delete_room(&name("nobody"), (&UserId::new("root"), "Root"), Deletion::Soft(1), 0).await, Ok(None));
    }

    async fn what_is_in_a_room_goes_part_by_part_and_its_name_stays_until_it_is_freed(db: &Database) {
        let store = db.store("main").await;
        let id = room(&store, "plan").await;
        for _ in 0..3 {
            let mut many = append(id, (0..400).map(|_| edit("a")).collect());
            many.clients = (0..400).map(|client| (client, UserId::new("ada"))).collect();
            insistently(&store, vec![many]).await;
        }
        store.save_snapshot(id, Seq(1_200), "state".into(), 0).await.expect("an answer");
        let segment = HistorySegment { after: Seq(0), seq: Seq(1_200), body: "body".into(), times: None };
        assert_eq!(store.save_history_segment(id, segment, 0).await, Ok(true));
        deletes(&store, Deletion::Soft(KEPT_MS), 5_000).await;
        assert!(store.rooms_to_purge(5_999, RoomId(0), 10).await.expect("an answer").is_empty());
        assert_eq!(store.rooms_to_purge(6_000, RoomId(0), 10).await, Ok(vec![id]));
        assert_eq!(store.rooms_to_purge(6_000, id, 10).await, Ok(vec![]), "those behind one that cannot be emptied");
        assert_eq!(store.purge_part(id, 5_999).await, Ok(false), "it is not time");
        assert_eq!(store.purge_part(id, 6_000).await, Ok(true));
        // Half of it is gone.
        assert_eq!(store.undelete_room(&name("plan")).await, Ok(Undeletion::Late));
        assert_eq!(store.deleted_room(&name("plan")).await.expect("an answer").expect("an answer").remains, Remains::Some);
        assert!(purged(&store, 6_000).await >= 4);
        for table in ["entry", "snapshot", "client", "history", "version", "last_append"] {
            db.execute(&format!(
                "insert into version (room_id, seq, label, author, at) select {}, 1, 'left in {table}', '', 0 \
                 where exists (select 1 from {table})",
                id.0
            ))
            .await;
        }
        assert_eq!(store.versions(id).await, Ok(vec![]));
        assert_eq!(store.deleted_room(&name("plan")).await.expect("an answer").expect("an answer").remains, Remains::Name);
        assert_eq!(store.undelete_room(&name("plan")).await, Ok(Undeletion::Late));
        assert_eq!(store.ensure_room(&name("plan"), None).await, Err(StoreError::RoomDeleted));
        assert_eq!(one(&store, &append(id, vec![edit("b")])).await, Err(StoreError::RoomDeleted));

        deletes(&store, Deletion::Hard { frees_name: true }, 7_000).await;
        purged(&store, 7_000).await;
        assert_eq!(store.deleted_room(&name("plan")).await, Ok(None));
        // An append to the old room that was still on its way does not come into the new one.
        let new = room(&store, "plan").await;
        assert_ne!(new, id);
        assert_eq!(one(&store, &append(id, vec![edit("b")])).await, Err(StoreError::NoSuchRoom));
        assert_eq!(placed(&store, &append(new, vec![edit("c")])).await[0].seq, Seq(1));
    }

    async fn of_large_entries_so_many_go_in_one_part_as_a_statement_has_time_for(db: &Database) {
        const MIB: usize = 1 << 20;
        let store = db.store("main").await;
        let id = room(&store, "plan").await;
        // In one part: 1 + 7; 1; 9, which alone is more than a part has; 8, to the byte; 1.
        for bytes in [MIB, 7 * MIB, 1, 9 * MIB, 8 * MIB, 1] {
            insistently(&store, vec![append(id, vec![NewEntry { body: vec![0; bytes].into(), ..edit("") }])]).await;
        }
        deletes(&store, Deletion::Hard { frees_name: false }, 5_000).await;
        for left in [4, 3, 2, 1, 0] {
            assert_eq!(store.purge_part(id, 5_000).await, Ok(true));
            db.execute(&format!(
                "insert into version (room_id, seq, label, author, at) select {}, 1, 'not {left}', '', 0 \
                 where {left} <> (select count(*) from entry)",
                id.0
            ))
            .await;
        }
        assert_eq!(store.versions(id).await, Ok(vec![]));
    }

    async fn a_room_that_is_deleted_for_good_cannot_be_taken_back(db: &Database) {
        let store = db.store("main").await;
        let id = room(&store, "plan").await;
        placed(&store, &append(id, vec![edit("a")])).await;
        let deleted = deletes(&store, Deletion::Hard { frees_name: false }, 5_000).await.expect("an answer");
        assert_eq!((deleted.remains, deleted.purge_at_ms), (Remains::Some, 5_000));
        assert_eq!(store.undelete_room(&name("plan")).await, Ok(Undeletion::Late));
        purged(&store, 5_000).await;
        assert_eq!(store.deleted_room(&name("plan")).await.expect("an answer").expect("an answer").remains, Remains::Name);
    }

    async fn a_deletion_is_told_once_in_its_own_transaction(db: &Database) {
        let store = db.store("main").await;
        room(&store, "plan").await;
        deletes(&store, Deletion::Soft(KEPT_MS), 4_000).await;
        assert_eq!(store.room_events(10).await, Ok(vec![]), "nobody is to be told");
        store.undelete_room(&name("plan")).await.expect("an answer");
        assert_eq!(store.add_webhook(webhook()).await, Ok(true));
        deletes(&store, Deletion::Soft(KEPT_MS), 5_000).await;
        deletes(&store, Deletion::Hard { frees_name: true }, 5_500).await;
        purged(&store, 5_500).await;
        let events = store.room_events(10).await.expect("an answer");
        let told: Vec<_> = events.iter().map(|event| (&*event.room, &*event.kind, event.at_ms)).collect();
        assert_eq!(told, [("plan", "room.deleted", 5_000)]);
        assert_eq!(events[0].body.as_deref(), Some(r#"{"name":"Root","user":"root"}"#));
    }

    async fn appends_and_a_deletion_at_once_have_an_order(db: &Database) {
        let store = db.store("main").await;
        let id = room(&store, "plan").await;
        placed(&store, &append(id, vec![edit("a")])).await;
        let typing = async {
            let mut last = Seq(1);
            loop {
                match one(&store, &append(id, vec![edit("b")])).await {
                    Ok(outcome) => last = outcome[0].expect("it is placed").seq,
                    Err(StoreError::RoomDeleted) => return last,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let deleting = async {
            tokio::task::yield_now().await;
            deletes(&store, Deletion::Soft(KEPT_MS), 5_000).await.expect("there is one").row.head
        };
        let (last, head) = tokio::join!(typing, deleting);
        assert_eq!(last, head, "all that was acknowledged was there when it was deleted, and no more");
    }
}
