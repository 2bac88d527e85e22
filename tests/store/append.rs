//! Appending: one gap-free order a room, whoever writes.

use std::collections::BTreeSet;

use tutti::ids::Seq;
use tutti::store::{Append, EntryKind, RoomId, Store, StoreError};

use crate::support::*;

contract! {
    async fn entries_get_the_seqs_after_the_head_in_order(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        assert_eq!(seqs(&placed(&store, &append(room, vec![edit("1"), edit("2")])).await), [1, 2]);
        assert_eq!(seqs(&placed(&store, &append(room, vec![edit("3")])).await), [3]);
        let bodies: Vec<_> = history(&store, room).await.into_iter().filter_map(|entry| entry.body).collect();
        assert_eq!(bodies, ["1", "2", "3"]);
    }

    async fn a_placed_entry_is_read_back_as_it_was_answered(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let entry = keyed("Ådä 🦀", "k1");
        let placed = placed(&store, &append(room, vec![entry.clone()])).await[0];
        let found = history(&store, room).await.remove(0);
        assert!(placed.is_new);
        assert_eq!((found.seq, found.at_ms), (placed.seq, placed.at_ms));
        assert_eq!((found.kind, found.author, found.key), (EntryKind::Message, entry.author, entry.key));
        assert_eq!((found.body_bytes, found.body), (5, Some(entry.body)));
    }

    async fn one_batch_stores_many_rooms_and_answers_in_its_own_order(db: &Database) {
        let store = db.store("s1").await;
        let mut appends = Vec::new();
        for index in 0..50 {
            let room = room(&store, &format!("r{index}")).await;
            appends.push(append(room, vec![edit("x"); index % 4]));
        }
        appends.reverse();
        let outcomes = store.append(appends.clone()).await;
        for (append, outcome) in appends.iter().zip(outcomes) {
            let outcome = outcome.expect("the append is stored");
            assert_eq!(outcome.len(), append.entries.len());
            assert_gap_free(&store, append.room, append.entries.len() as u64).await;
        }
    }

    async fn servers_that_write_to_the_same_rooms_make_one_gap_free_order(db: &Database) {
        const SERVERS: usize = 4;
        const BATCHES: usize = 40;
        let first = db.store("s0").await;
        let (a, b) = (room(&first, "a").await, room(&first, "b").await);
        let mut writers = Vec::new();
        for server in 0..SERVERS {
            let store = db.store(&format!("s{server}")).await;
            // Some name the rooms in one order, some in the other: nobody may block nobody.
            let rooms = if server % 2 == 0 { [a, b] } else { [b, a] };
            writers.push(write_batches(store, rooms, BATCHES));
        }
        let answered = within_seconds(240, futures_util::future::join_all(writers)).await;

        let count = (SERVERS * BATCHES * 2) as u64;
        for room in [a, b] {
            assert_gap_free(&first, room, count).await;
            let of_room = |(at, seq): &(RoomId, Seq)| (*at == room).then_some(seq.0);
            let told: BTreeSet<u64> = answered.iter().flatten().filter_map(of_room).collect();
            assert_eq!(told, (1..=count).collect());
        }
    }

    async fn time_never_goes_back_within_a_room(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let tomorrow = placed(&store, &append(room, vec![edit("1")])).await[0].at_ms + 86_400_000;
        db.execute(&format!("update room set last_at = {tomorrow}")).await;
        assert_eq!(placed(&store, &append(room, vec![edit("2")])).await[0].at_ms, tomorrow);
        assert_eq!(placed(&store, &append(room, vec![edit("3")])).await[0].at_ms, tomorrow);
        assert_gap_free(&store, room, 3).await;
    }

    async fn an_append_to_a_room_that_does_not_exist_fails_alone(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let lost = append(RoomId(room.0 + 1), vec![edit("x")]);
        let outcomes = store.append(vec![lost, append(room, vec![edit("x")])]).await;
        assert_eq!(outcomes[0], Err(StoreError::NoSuchRoom));
        assert!(outcomes[1].is_ok());
    }

    async fn a_rooms_second_append_in_one_batch_is_not_tried(db: &Database) {
        let store = db.store("s1").await;
        let (a, b) = (room(&store, "a").await, room(&store, "b").await);
        let batch = [a, a, b].map(|room| append(room, vec![edit("x")]));
        let outcomes = store.append(batch.to_vec()).await;
        assert_eq!(outcomes[1], Err(StoreError::RoomRepeated));
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
        assert_gap_free(&store, a, 1).await;
        assert_gap_free(&store, b, 1).await;
    }

    async fn an_empty_batch_has_no_outcomes(db: &Database) {
        assert_eq!(db.store("s1").await.append(Vec::new()).await, []);
    }

    async fn a_batch_at_the_journals_bound_is_stored(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let placed = placed(&store, &append(room, vec![edit("x"); 2_000])).await;
        assert_eq!(seqs(&placed), (1..=2_000).collect::<Vec<_>>());
        assert_gap_free(&store, room, 2_000).await;
    }
}

async fn write_batches(store: Store, rooms: [RoomId; 2], batches: usize) -> Vec<(RoomId, Seq)> {
    let mut answered = Vec::new();
    for _ in 0..batches {
        let batch: Vec<Append> = rooms.iter().map(|&room| append(room, vec![edit("x"); 2])).collect();
        for (room, placed) in rooms.iter().zip(insistently(&store, batch).await) {
            answered.extend(placed.into_iter().map(|placed| (*room, placed.seq)));
        }
    }
    answered
}

#[test]
fn commits_are_durable_in_postgres_whatever_the_databases_default() {
    on_postgres(async |db: &Database| {
        drop(db.store("s1").await);
        db.execute(
            "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$; \
             alter table entry add check (current_setting('synchronous_commit') = 'on')",
        )
        .await;
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("x")])).await;
    });
}

#[test]
fn commits_are_durable_in_sqlite() {
    on_sqlite(async |db: &Database| {
        let store = db.store("s1").await;
        // 2 is FULL: in WAL mode each commit is synced.
        db.execute(
            "create trigger durable before insert on entry \
             when (select synchronous from pragma_synchronous) <> 2 \
             or (select journal_mode from pragma_journal_mode) <> 'wal' \
             begin select raise(abort, 'not durable'); end",
        )
        .await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("x")])).await;
    });
}
