//! Loading a room: the newest snapshot, the edits after it, and who brought which client.

use bytes::Bytes;
use tutti::ids::{Seq, UserId};
use tutti::store::{Append, EntryKind, Loaded, RoomId, Store};

use crate::support::*;

fn edits(expected: &[(u64, &'static str)]) -> Vec<(Seq, Bytes)> {
    expected.iter().map(|(seq, body)| (Seq(*seq), Bytes::from_static(body.as_bytes()))).collect()
}

contract! {
    async fn a_room_that_was_never_made_does_not_load(db: &Database) {
        assert_eq!(db.store("s1").await.load(&name("a")).await, Ok(None));
    }

    async fn a_new_room_loads_empty(db: &Database) {
        let store = db.store("s1").await;
        let id = room(&store, "a").await;
        let empty = Loaded { id, head: Seq::ZERO, epoch: 0, snapshot: None, edits: Vec::new(), clients: Vec::new() };
        assert_eq!(loaded(&store).await, empty);
    }

    async fn without_a_snapshot_all_edits_load_in_order_and_nothing_else(db: &Database) {
        let store = db.store("s1").await;
        fill(&store, room(&store, "a").await).await;
        let loaded = loaded(&store).await;
        assert_eq!(loaded.head, Seq(6));
        assert_eq!(loaded.snapshot, None);
        assert_eq!(loaded.edits, edits(&[(1, "e1"), (3, "e3"), (6, "e6")]));
    }

    async fn with_snapshots_the_newest_and_the_edits_after_it_load(db: &Database) {
        let store = db.store("s1").await;
        let id = room(&store, "a").await;
        fill(&store, id).await;
        for seq in [4, 1] {
            let state = Bytes::from(format!("state at {seq}"));
            assert_eq!(store.save_snapshot(id, Seq(seq), state, 0).await, Ok(()));
        }
        let loaded = loaded(&store).await;
        assert_eq!(loaded.head, Seq(6));
        assert_eq!(loaded.snapshot, Some((Seq(4), Bytes::from_static(b"state at 4"))));
        assert_eq!(loaded.edits, edits(&[(6, "e6")]));
        assert_gap_free(&store, id, 6).await;
    }

    async fn a_snapshot_of_the_same_seq_takes_the_place_of_the_one_that_is_there(db: &Database) {
        let store = db.store("s1").await;
        let id = room(&store, "a").await;
        fill(&store, id).await;
        for state in ["damaged", "state"] {
            assert_eq!(store.save_snapshot(id, Seq(6), state.into(), 0).await, Ok(()));
        }
        let loaded = loaded(&store).await;
        assert_eq!((loaded.snapshot, loaded.edits), (Some((Seq(6), "state".into())), Vec::new()));
    }

    async fn a_compressed_snapshot_loads_as_it_was_and_a_new_one_takes_its_place(db: &Database) {
        let store = db.store("s1").await;
        let id = room(&store, "a").await;
        fill(&store, id).await;
        let state = Bytes::from("state ".repeat(1_000));
        assert_eq!(store.save_snapshot(id, Seq(4), "older".into(), 0).await, Ok(()));
        assert_eq!(store.save_snapshot(id, Seq(6), state.clone(), 0).await, Ok(()));
        let size = store.room_size(id).await.expect("an answer").derived_bytes;
        assert_eq!(size, state.len() as u64, "the older one is gone");
        for _ in 0..2 {
            assert_eq!(store.compress_snapshot(id).await, Ok(()));
            assert_eq!(loaded(&store).await.snapshot, Some((Seq(6), state.clone())));
        }
        assert!(store.room_size(id).await.expect("an answer").derived_bytes * 10 < size);
        assert_eq!(store.save_snapshot(id, Seq(6), "new".into(), 0).await, Ok(()));
        assert_eq!(loaded(&store).await.snapshot, Some((Seq(6), "new".into())));
    }

    async fn a_client_id_of_any_size_stays_with_who_brought_it_first(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let bind = |clients: &[(u64, &str)]| {
            let clients = clients.iter().map(|&(client, user)| (client, UserId::new(user))).collect();
            Append { clients, ..append(room, Vec::new()) }
        };
        placed(&store, &bind(&[(1, "ada"), (u64::MAX, "bob"), (1 << 53, "bob")])).await;
        placed(&store, &bind(&[(1, "mallory"), (2, "eve"), (2, "mallory"), (3, "nul\0")])).await;
        let mut clients = loaded(&store).await.clients;
        clients.sort();
        let expected = [(1, "ada"), (2, "eve"), (1 << 53, "bob"), (u64::MAX, "bob")];
        assert_eq!(clients, expected.map(|(client, user)| (client, UserId::new(user))));
    }

    async fn a_room_loaded_while_others_write_is_whole_at_its_head(db: &Database) {
        let (store, writer) = (db.store("s1").await, db.store("s2").await);
        let id = room(&store, "a").await;
        let write = async {
            for _ in 0..50 {
                insistently(&writer, vec![append(id, vec![edit("x"); 3])]).await;
            }
        };
        let read = async {
            while loaded(&store).await.head < Seq(150) {
                let loaded = loaded(&store).await;
                assert_eq!(loaded.edits.len() as u64, loaded.head.0);
            }
        };
        within_seconds(240, async { tokio::join!(write, read) }).await;
    }
}

async fn loaded(store: &Store) -> Loaded {
    store.load(&name("a")).await.expect("the store answers").expect("the room exists")
}

async fn fill(store: &Store, room: RoomId) {
    let other = |kind| entry(kind, "ada", "not an edit");
    let entries = vec![
        edit("e1"),
        other(EntryKind::Message),
        edit("e3"),
        other(EntryKind::Event),
        other(EntryKind::Step),
        edit("e6"),
    ];
    assert_eq!(placed(store, &append(room, entries)).await.len(), 6);
}
