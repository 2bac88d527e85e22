//! An append that takes the database too long keeps nobody else waiting, and what is long only in sum is stored.

use std::time::Duration;

use tutti::ids::UserId;
use tutti::store::{Append, CLIENTS_AT_ONCE, EntryKind, Store, StoreError, StoreSettings};

use crate::support::*;

/// A store that soon gives a statement up, yet not so soon that a busy machine is taken for a slow statement.
async fn hasty(db: &Database) -> Store {
    opened(StoreSettings { statement_timeout: Duration::from_secs(2), ..db.settings("s1") }).await
}

/// An append that binds so many clients.
fn with_clients(append: Append, count: usize) -> Append {
    // Spread as real ids are.
    let client = |index: u64| (index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11, UserId::new("ada"));
    Append { clients: (0..count as u64).map(client).collect(), ..append }
}

contract! {
    async fn clients_of_an_append_are_bound_however_many_there_are(db: &Database) {
        let store = db.store("s1").await;
        for (name, count) in [("a", CLIENTS_AT_ONCE), ("b", CLIENTS_AT_ONCE + 1), ("c", 3 * CLIENTS_AT_ONCE)] {
            let room = room(&store, name).await;
            // Twice: where the room's head is known, and where not.
            for seq in 1..=2 {
                let append = with_clients(append(room, vec![edit("x")]), count);
                assert_eq!(seqs(&placed(&store, &append).await), [seq]);
            }
            let loaded = store.load(&crate::support::name(name)).await.expect("it loads").expect("it is there");
            assert_eq!(loaded.clients.len(), count);
        }
        let room = room(&store, "d").await;
        let aside = with_clients(append(room, vec![edit("x")]), 10 * CLIENTS_AT_ONCE);
        let first = store.append_aside(aside.clone()).await;
        assert!(first.is_ok(), "{first:?}");
        assert_eq!(store.append_aside(aside.clone()).await, first, "sent again");
        assert_eq!(one(&store, &aside).await, first, "sent again with others");
        assert_gap_free(&store, room, 1).await;
    }
}

#[test]
fn an_append_whose_clients_take_longer_than_a_statement_may_is_stored_while_others_are() {
    on_postgres(async |db: &Database| {
        let store = hasty(db).await;
        let (many, other) = (room(&store, "many").await, room(&store, "other").await);
        // Each takes a moment, all of them much longer than a statement may: 5 s.
        db.execute(
            "create function dawdle() returns trigger language plpgsql as $$ begin \
               if new.client_id % 4096 = 0 then perform pg_sleep(0.1); end if; return new; end $$; \
             create trigger dawdle before insert on client for each row execute function dawdle()",
        )
        .await;
        let clients = (0..50 * CLIENTS_AT_ONCE as u64).map(|client| (client, UserId::new("ada"))).collect();
        let large = Append { clients, ..append(many, vec![edit("x")]) };
        let aside = tokio::spawn({
            let store = store.clone();
            async move { store.append_aside(large).await }
        });
        let mut others = 0;
        // As many as one page of a history has room for.
        while !aside.is_finished() && others < 1000 {
            insistently(&store, vec![append(other, vec![edit("x")])]).await;
            others += 1;
        }
        let outcome = aside.await.expect("it ends");
        assert!(outcome.is_ok(), "{outcome:?}");
        assert!(others > 10, "{others}");
        assert_gap_free(&store, other, others).await;
        // Reading so many may take longer than that store waits.
        let loaded = db.store("s2").await.load(&name("many")).await.expect("it loads").expect("it is there");
        assert_eq!(loaded.clients.len(), 50 * CLIENTS_AT_ONCE);
    });
}

#[test]
fn clients_are_bound_with_their_entry_or_not_at_all() {
    on_postgres(async |db: &Database| {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        db.execute(
            "create function fail() returns trigger language plpgsql as $$ begin \
               if new.author = 'lost' then raise exception using errcode = '58030'; end if; return new; end $$; \
             create trigger fail before insert on entry for each row execute function fail()",
        )
        .await;
        let lost = append(room, vec![entry(EntryKind::Edit, "lost", "x")]);
        assert!(one(&store, &with_clients(lost, 3 * CLIENTS_AT_ONCE)).await.is_err());
        assert_eq!(store.load(&name("a")).await.expect("it loads").expect("it is there").clients, []);
    });
}

#[test]
fn an_append_that_takes_too_long_fails_alone_and_is_not_stored() {
    on_postgres(async |db: &Database| {
        let store = hasty(db).await;
        db.execute(
            "create function sleep() returns trigger language plpgsql as $$ begin \
               if new.author = 'slow' then perform pg_sleep(30); end if; return new; end $$; \
             create trigger sleep before insert on entry for each row execute function sleep()",
        )
        .await;
        let (a, b, c) = (room(&store, "a").await, room(&store, "b").await, room(&store, "c").await);
        let slow = append(b, vec![entry(EntryKind::Edit, "slow", "much longer than the others")]);
        // Twice: where the rooms' heads are not known, and where they are.
        for count in 1..=2 {
            let batch = vec![append(a, vec![edit("x")]), slow.clone(), append(c, vec![edit("x")])];
            let outcomes = store.append(batch).await;
            assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
            assert_eq!(outcomes[1], Err(StoreError::Slow));
            assert_gap_free(&store, a, count).await;
        }
        assert_eq!(one(&store, &slow).await, Err(StoreError::Slow));
        assert_eq!(store.append_aside(slow.clone()).await, Err(StoreError::Slow));
        db.execute("drop trigger sleep on entry").await;
        assert_eq!(seqs(&placed(&store, &slow).await), [1]);
    });
}
