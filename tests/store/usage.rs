//! What rooms and users have on disk: counted with each append where that is asked for, and later where it is not.

use tutti::ids::{Seq, UserId};
use tutti::store::{
    CopyEnd, CopyPart, Deletion, ENTRY_OVERHEAD_BYTES, FinishedCopy, NewEntry, RoomId, Store, StoreSettings,
};

use crate::support::{Database, append, contract, edit, history, keyed, name, opened, placed, room, stored_of};

const EACH: u64 = ENTRY_OVERHEAD_BYTES;

/// A server that counts, and one that does not: it has no quotas, or is of an older version.
async fn servers(db: &Database) -> (Store, Store) {
    let counting = StoreSettings { counts_usage: true, ..db.settings("counting") };
    (opened(counting).await, db.store("other").await)
}

fn of(author: &str, via: Option<&str>, bytes: usize) -> NewEntry {
    let (author, via) = (UserId::new(author), via.map(UserId::new));
    NewEntry { author, via, body: vec![0; bytes].into(), ..edit("") }
}

async fn to_count(store: &Store) -> Vec<RoomId> {
    store.rooms_to_count((RoomId(0), RoomId(i64::MAX)), 10).await.expect("works")
}

contract! {
    async fn appends_count_by_room_and_by_who_sent_it(db: &Database) {
        let (store, _) = servers(db).await;
        let (first, second) = (room(&store, "a").await, room(&store, "b").await);
        assert_eq!(store.stored_bytes(first).await, Ok(0));
        // By the long way, which looks first, then by the short one, with keys that are known, and entry by entry.
        placed(&store, &append(first, vec![of("ada", None, 100), of("ada", Some("bob"), 1_000)])).await;
        placed(&store, &append(first, vec![of("ada", None, 10)])).await;
        placed(&store, &append(second, vec![of("ada", None, 1_000_000), keyed("bob", "k")])).await;
        placed(&store, &append(second, vec![keyed("bob", "k")])).await;
        db.refuse_mallory().await;
        store.append(vec![append(second, vec![of("mallory", None, 7), of("bob", None, 9)])]).await;
        assert_eq!(store.stored_bytes(first).await, Ok(1_110 + 3 * EACH));
        assert_eq!(store.stored_bytes(second).await, Ok(1_000_014 + 3 * EACH));
        let expected = [1_000_110 + 3 * EACH, 1_014 + 3 * EACH, 0, 0];
        assert_eq!(stored_of(&store, &["ada", "bob", "mallory", "nobody"]).await, expected);
        assert_eq!(to_count(&store).await, []);
        assert_eq!(store.count_part(first).await, Ok(false));
    }

    async fn what_others_stored_is_counted_later_and_once(db: &Database) {
        let (counting, other) = servers(db).await;
        let plan = room(&other, "plan").await;
        placed(&other, &append(plan, vec![of("ada", None, 100), of("bob", None, 10)])).await;
        assert_eq!((to_count(&counting).await, counting.stored_bytes(plan).await), (vec![plan], Ok(0)));
        // Behind what is not counted nothing is.
        placed(&counting, &append(plan, vec![of("ada", None, 1)])).await;
        assert_eq!(stored_of(&counting, &["ada", "bob"]).await, [0, 0]);
        assert_eq!(counting.counted_bytes(plan).await, Ok(111 + 3 * EACH));
        assert_eq!(stored_of(&counting, &["ada", "bob"]).await, [101 + 2 * EACH, 10 + EACH]);
        // From then on appends count, until somebody who does not is between them.
        placed(&counting, &append(plan, vec![of("ada", None, 1_000)])).await;
        assert_eq!((to_count(&counting).await, counting.stored_bytes(plan).await), (vec![], Ok(1_111 + 4 * EACH)));
        placed(&other, &append(plan, vec![of("bob", None, 5)])).await;
        placed(&counting, &append(plan, vec![of("ada", None, 6)])).await;
        assert_eq!((to_count(&counting).await, counting.stored_bytes(plan).await), (vec![plan], Ok(1_111 + 4 * EACH)));
        let (one, two) = (counting.clone(), other.clone());
        let both = futures_util::future::join(one.counted_bytes(plan), two.counted_bytes(plan)).await;
        assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
        assert_eq!(counting.counted_bytes(plan).await, Ok(1_122 + 6 * EACH));
        assert_eq!(to_count(&counting).await, []);
    }

    async fn a_long_timeline_is_counted_in_parts_each_of_which_stays(db: &Database) {
        let (counting, other) = servers(db).await;
        let plan = room(&other, "plan").await;
        for _ in 0..6 {
            placed(&other, &append(plan, vec![of("ada", None, 1); 1_000])).await;
        }
        assert_eq!(counting.count_part(plan).await, Ok(true));
        assert_eq!(counting.stored_bytes(plan).await, Ok(5_000 * (1 + EACH)));
        assert_eq!(counting.count_part(plan).await, Ok(true));
        assert_eq!(counting.count_part(plan).await, Ok(false));
        assert_eq!(counting.stored_bytes(plan).await, Ok(6_000 * (1 + EACH)));
        assert_eq!(counting.count_part(RoomId(i64::MAX)).await, Ok(false));
    }

    async fn nobody_has_what_is_in_a_deleted_room(db: &Database) {
        let (store, _) = servers(db).await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, vec![of("ada", None, 100)])).await;
        let root = UserId::new("root");
        store.delete_room(&name("plan"), (&root, "Root"), Deletion::Soft(1_000), 5_000).await.expect("it is deleted");
        assert_eq!(stored_of(&store, &["ada"]).await, [0]);
        store.undelete_room(&name("plan")).await.expect("it is back");
        assert_eq!(stored_of(&store, &["ada"]).await, [100 + EACH]);
        store.delete_room(&name("plan"), (&root, "Root"), Deletion::Hard { frees_name: false }, 5_000).await.expect("works");
        while store.purge_part(plan, 5_000).await.expect("a part") {}
        assert_eq!((stored_of(&store, &["ada"]).await, store.stored_bytes(plan).await), (vec![0], Ok(0)));
        assert_eq!(to_count(&store).await, []);
    }

    async fn a_copy_is_its_makers_also_where_nobody_counts(db: &Database) {
        let (counting, other) = servers(db).await;
        let plan = room(&other, "plan").await;
        placed(&other, &append(plan, vec![of("ada", None, 100)])).await;
        let copy = other.begin_copy(plan, 0, 1_000).await.expect("an answer").expect("it begins");
        other.fill_copy(copy, CopyPart::Entries(history(&other, plan).await), 1_000).await.expect("a part");
        let by = (UserId::new("carol"), "Carol".to_owned());
        let bytes = 100 + EACH;
        let finished = FinishedCopy { name: name("copy"), head: Seq(1), at_ms: 5, of: plan, with_past: true, by, bytes, maker: None };
        assert_eq!(other.finish_copy(copy, finished, 1_000).await, Ok(CopyEnd::Done));
        assert_eq!(to_count(&counting).await, [plan]);
        counting.counted_bytes(plan).await.expect("it is counted");
        assert_eq!(stored_of(&counting, &["ada", "carol"]).await, [bytes, bytes]);
        placed(&counting, &append(copy, vec![of("ada", None, 100)])).await;
        assert_eq!(stored_of(&counting, &["ada", "carol"]).await, [2 * bytes, bytes]);
    }
}
