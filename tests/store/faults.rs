//! Faults: a bad entry harms only itself, a stuck room only itself, and a database that is gone loses nothing.

use std::time::Duration;

use bytes::Bytes;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tutti::ids::Seq;
use tutti::store::{KEY_BYTES_MAX, NewEntry, Refused, StoreError, StoreSettings};

use crate::network::{Direction, Network};
use crate::support::*;

contract! {
    async fn an_entry_that_cannot_be_stored_is_refused_alone(db: &Database) {
        let store = opened(StoreSettings { entry_bytes_max: 10, ..db.settings("s1") }).await;
        let (a, b) = (room(&store, "a").await, room(&store, "b").await);
        let entries = vec![
            edit("1"),
            entry(tutti::store::EntryKind::Edit, "ada\0", "x"),
            keyed("ada", "k\0"),
            keyed("ada", &"k".repeat(KEY_BYTES_MAX + 1)),
            keyed("ada", &"k".repeat(KEY_BYTES_MAX)),
            edit("12345678901"),
            edit("1234567890"),
            NewEntry { body: Bytes::from_static(b"\0"), ..edit("") },
        ];
        let outcomes = store.append(vec![append(a, entries), append(b, vec![edit("x")])]).await;
        let first = outcomes[0].as_ref().expect("the append is stored");
        let told: Vec<_> = first.iter().map(|entry| entry.map(|placed| placed.seq.0)).collect();
        let too_large = Refused::TooLarge { max: 10 };
        let expected =
            [Ok(1), Err(Refused::Nul), Err(Refused::Nul), Err(Refused::KeyTooLong), Ok(2), Err(too_large), Ok(3), Ok(4)];
        assert_eq!(told, expected);
        assert!(outcomes[1].is_ok());
        assert_gap_free(&store, a, 4).await;
    }

    async fn an_entry_that_only_the_database_refuses_spends_no_seq_and_harms_nobody(db: &Database) {
        let store = db.store("s1").await;
        db.refuse_mallory().await;
        let (a, b, c) = (room(&store, "a").await, room(&store, "b").await, room(&store, "c").await);
        let bad = append(b, vec![keyed("ada", "k"), keyed("mallory", "k"), keyed("mallory", "k"), keyed("ada", "k"), edit("3")]);
        let batch = vec![append(a, vec![edit("1")]), bad.clone(), append(c, vec![edit("1")])];
        let outcomes = store.append(batch).await;
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
        let told: Vec<_> =
            outcomes[1].as_ref().expect("stored").iter().map(|entry| entry.map(|placed| placed.seq.0)).collect();
        assert_eq!(told, [Ok(1), Err(Refused::ByDatabase), Err(Refused::ByDatabase), Ok(1), Ok(2)]);
        assert_eq!(one(&store, &bad).await, outcomes[1]);
        for (room, count) in [(a, 1), (b, 2), (c, 1)] {
            assert_gap_free(&store, room, count).await;
        }
    }

    async fn a_database_that_was_not_migrated_stores_nothing_and_refuses_no_entry(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        db.execute("alter table entry rename to elsewhere").await;
        let append = append(room, vec![edit("x")]);
        assert!(matches!(one(&store, &append).await, Err(StoreError::Unavailable(_))));
        db.execute("alter table elsewhere rename to entry").await;
        assert_eq!(seqs(&placed(&store, &append).await), [1]);
    }
}

/// Settings that give up soon, yet not so soon that a busy machine is taken for a fault.
fn hasty(settings: StoreSettings) -> StoreSettings {
    let second = Duration::from_secs(1);
    StoreSettings { connect_timeout: second, lock_timeout: second / 4, statement_timeout: 2 * second, ..settings }
}

#[test]
fn an_sqlite_file_locked_for_too_long_is_unavailable_and_then_works_again() {
    on_sqlite(async |db: &Database| {
        let store = opened(hasty(db.settings("s1"))).await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("1")])).await;
        let append = append(room, vec![edit("2")]);

        let mut other = SqliteConnection::connect(&db.url).await.expect("the file opens");
        sqlx::raw_sql("begin immediate").execute(&mut other).await.expect("the lock is free");
        assert!(matches!(one(&store, &append).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.ensure_room(&name("b"), None).await, Err(StoreError::Unavailable(_))));
        assert_eq!(history(&store, room).await.len(), 1, "readers do not wait for writers");

        sqlx::raw_sql("rollback").execute(&mut other).await.expect("the lock is given back");
        assert_eq!(seqs(&placed(&store, &append).await), [2]);
    });
}

#[test]
fn a_room_locked_for_too_long_does_not_hold_up_the_others() {
    on_postgres(async |db: &Database| {
        let store = opened(hasty(db.settings("s1"))).await;
        let (a, b) = (room(&store, "a").await, room(&store, "b").await);
        let batch = vec![append(a, vec![edit("1")]), append(b, vec![edit("1")])];

        let mut other = PgConnection::connect(&db.url).await.expect("the database opens");
        let lock = "begin; select from room where name = 'a' for update";
        sqlx::raw_sql(lock).execute(&mut other).await.expect("the lock is free");
        let outcomes = store.append(batch.clone()).await;
        assert!(matches!(outcomes[0], Err(StoreError::Unavailable(_))), "{outcomes:?}");
        assert!(outcomes[1].is_ok());

        sqlx::raw_sql("rollback").execute(&mut other).await.expect("the lock is given back");
        let again = store.append(batch).await;
        assert!(again[0].is_ok());
        assert_eq!(again[1], outcomes[1]);
    });
}

/// A store that reaches its database through a network that can fail.
async fn proxied(db: &Database) -> (tutti::store::Store, Network) {
    let (scheme, rest) = db.url.split_once("://").expect("a URL with a scheme");
    let (user, address) = rest.split_once('@').expect("a URL with a user");
    let (host, database) = address.split_once('/').expect("a URL with a database");
    let network = Network::to(host);
    let url = format!("{scheme}://{user}@{}/{database}", network.address());
    (opened(hasty(StoreSettings::new(url, "s1"))).await, network)
}

#[test]
fn a_postgres_that_goes_away_is_unavailable_and_then_works_again() {
    on_postgres(async |db: &Database| {
        let (store, network) = proxied(db).await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("1")])).await;
        let append = append(room, vec![edit("2")]);
        network.cut();
        assert!(matches!(one(&store, &append).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.load(&name("a")).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.can_save().await, Err(StoreError::Unavailable(_))));
        network.restore();
        assert_eq!(seqs(&insistently(&store, vec![append]).await[0]), [2]);
        can_save_soon(&store).await;
    });
}

#[test]
fn a_connection_that_died_while_idle_is_replaced_without_a_word() {
    on_postgres(async |db: &Database| {
        let (store, network) = proxied(db).await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("1")])).await;
        network.cut();
        network.restore();
        assert_eq!(seqs(&placed(&store, &append(room, vec![edit("2")])).await), [2]);
    });
}

#[test]
fn a_network_gone_silent_is_given_up_in_time() {
    on_postgres(async |db: &Database| {
        let (store, network) = proxied(db).await;
        let room = room(&store, "a").await;
        let append = append(room, vec![edit("1")]);
        network.lose(Direction::Up);
        network.lose(Direction::Down);
        let gone = within_seconds(60, async { (one(&store, &append).await, store.load(&name("a")).await) }).await;
        assert!(matches!(gone, (Err(StoreError::Unavailable(_)), Err(StoreError::Unavailable(_)))));
        network.cut();
        network.restore();
        assert_eq!(insistently(&store, vec![append]).await[0][0].seq, Seq(1));
    });
}

#[test]
fn a_commit_whose_answer_is_lost_is_stored_once() {
    on_postgres(async |db: &Database| {
        let (store, network) = proxied(db).await;
        let room = room(&store, "a").await;
        let append = append(room, vec![edit("1"), edit("2")]);
        network.cut_after(b"commit\0");
        assert!(matches!(one(&store, &append).await, Err(StoreError::Unavailable(_))));
        network.restore();
        let direct = db.store("observer").await;
        within_seconds(60, async { while history(&direct, room).await.is_empty() {} }).await;
        assert_eq!(seqs(&placed(&store, &append).await), [1, 2]);
        assert_gap_free(&direct, room, 2).await;
    });
}
