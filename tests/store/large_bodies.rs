//! Long bodies, which SQLite keeps in a table of their own: nobody who reads or deletes notices.

use bytes::Bytes;
use sqlx::{Connection, SqliteConnection};
use tutti::ids::{Seq, UserId};
use tutti::store::{Bodies, Deletion, Entry, EntryKind, HistoryQuery, NewEntry, RoomId, Store};

use crate::support::{
    Database, append, contract, edit, entry, everything, history, name, on_sqlite, one, placed, room,
};

/// The longest body that lies in its entry's row.
const INLINE: usize = 64 << 10;
/// At the limit, beyond it, and far beyond; each with bytes of its own.
const LENGTHS: [usize; 7] = [2, INLINE, INLINE + 1, 3, 300_000, 4, INLINE + 1];

fn bodies() -> Vec<Bytes> {
    LENGTHS.iter().enumerate().map(|(n, length)| vec![n as u8 + 1; *length].into()).collect()
}

async fn filled(store: &Store, called: &str) -> RoomId {
    let room = room(store, called).await;
    let entries = bodies().into_iter().map(|body| NewEntry { body, ..edit("") }).collect();
    placed(store, &append(room, entries)).await;
    room
}

async fn numbers(db: &Database, sql: &'static str) -> Vec<i64> {
    let mut connection = SqliteConnection::connect(&db.url).await.expect("the file opens");
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("the statement works")
}

contract! {
    async fn a_body_of_any_length_is_read_as_it_was_stored(db: &Database) {
        let store = db.store("main").await;
        let plan = filled(&store, "plan").await;
        placed(&store, &append(plan, vec![entry(EntryKind::Message, "bob", "hello")])).await;
        // Together with those of other rooms, and alone since one of them is bad.
        let other = room(&store, "other").await;
        let long = |author: &str| NewEntry { author: UserId::new(author), body: vec![9; INLINE + 1].into(), ..edit("") };
        let outcomes = store.append(vec![append(plan, vec![long("ada"), edit("x")]), append(other, vec![long("bob")])]).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        db.refuse_mallory().await;
        let outcome = one(&store, &append(plan, vec![long("mallory"), long("cleo")])).await.expect("it is tried one by one");
        assert_eq!(outcome.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);

        let mut expected = bodies();
        expected.extend(["hello".into(), vec![9; INLINE + 1].into(), "x".into(), vec![9; INLINE + 1].into()]);
        let found = history(&store, plan).await;
        assert_eq!(found.iter().filter_map(|entry| entry.body.clone()).collect::<Vec<_>>(), expected);
        let lengths = |entries: &[Entry]| entries.iter().map(|entry| entry.body_bytes as usize).collect::<Vec<_>>();
        let all: Vec<usize> = expected.iter().map(Bytes::len).collect();
        assert_eq!(lengths(&found), all);
        let query = HistoryQuery { bodies: Bodies::NotOfEdits, ..everything() };
        let found = store.history(plan, query).await.expect("an answer");
        assert_eq!((lengths(&found), found[4].body.clone(), found[7].body.clone()), (all.clone(), None, Some("hello".into())));
        let loaded = store.load(&name("plan")).await.expect("an answer").expect("it is there");
        let edits: Vec<_> = loaded.edits.into_iter().map(|(_, body)| body).collect();
        expected.remove(7);
        assert_eq!(edits, expected);
        let size = store.room_size(plan).await.expect("an answer");
        assert_eq!((size.entries, size.entry_bytes), ([10, 1, 0, 0], all.iter().sum::<usize>() as u64));
    }

    async fn long_bodies_are_deleted_one_at_a_time_and_go_with_their_entries(db: &Database) {
        let store = db.store("main").await;
        let plan = filled(&store, "plan").await;
        let kept = filled(&store, "kept").await;
        let by = UserId::new("root");
        store.delete_room(&name("plan"), (&by, "Root"), Deletion::Soft(1), 0).await.expect("it is deleted");
        while store.purge_part(plan, 10).await.expect("a part") {}
        assert_eq!(history(&store, kept).await.len(), LENGTHS.len());
        assert_eq!(history(&store, plan).await, []);
    }
}

#[test]
fn rule_37_no_row_of_a_timeline_is_long_so_that_others_are_stored_beside_it_as_fast() {
    on_sqlite(async |db: &Database| {
        let store = db.store("main").await;
        let plan = filled(&store, "plan").await;
        filled(&store, "kept").await;
        assert_eq!(numbers(db, "select max(length(body)) from entry").await, [INLINE as i64]);
        let large = "select length(body) from large_body order by room_id, seq";
        let expected: Vec<i64> =
            LENGTHS.iter().filter(|length| **length > INLINE).map(|length| *length as i64).collect();
        assert_eq!(numbers(db, large).await, [&expected[..], &expected].concat());
        let by = UserId::new("root");
        store.delete_room(&name("plan"), (&by, "Root"), Deletion::Soft(1), 0).await.expect("it is deleted");
        while store.purge_part(plan, 10).await.expect("a part") {}
        assert_eq!(numbers(db, large).await, expected);
    });
}

#[test]
fn long_bodies_of_an_earlier_release_are_moved() {
    on_sqlite(async |db: &Database| {
        let store = db.store("main").await;
        let plan = filled(&store, "plan").await;
        let before = history(&store, plan).await;
        store.shutdown();
        // As it was before.
        db.execute(
            "drop trigger large_body_goes; \
             update entry set body = (select body from large_body as large where large.room_id = entry.room_id and large.seq = entry.seq) \
               where body = x''; \
             drop table large_body; delete from _sqlx_migrations where version = 1001",
        )
        .await;
        assert_eq!(numbers(db, "select max(length(body)) from entry").await, [300_000]);
        let store = db.store("main").await;
        assert_eq!(history(&store, plan).await, before);
        assert_eq!(numbers(db, "select max(length(body)) from entry").await, [INLINE as i64]);
        assert_eq!(before[4].seq, Seq(5));
    });
}
