//! Several servers on one database: conditions under the room's lock, the short way of an append in rooms that others write to, and
//! the servers' own rows.

use std::time::Duration;

use tutti::ids::{Seq, UserId};
use tutti::store::{Append, Condition, EntryKind, NewEntry, Refused, Store, StoreError};

use crate::support::*;

fn step(newest: u64) -> NewEntry {
    NewEntry { condition: Some(Condition::NewestStep(Seq(newest))), ..entry(EntryKind::Step, "ada", "{}") }
}

fn at_head(head: u64) -> NewEntry {
    NewEntry { condition: Some(Condition::Head(Seq(head))), ..edit("x") }
}

async fn results(store: &Store, append: &Append) -> Vec<Result<u64, Refused>> {
    let outcome = one(store, append).await.expect("the append is stored");
    outcome.into_iter().map(|placed| placed.map(|placed| placed.seq.0)).collect()
}

async fn head(store: &Store, room: &str) -> Seq {
    store.room(&name(room)).await.expect("an answer").expect("a room").head
}

contract! {
    async fn an_entry_is_stored_at_the_head_it_names_and_refused_at_any_other(db: &Database) {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let room = room(&store, "a").await;
        assert_eq!(results(&store, &append(room, vec![at_head(1)])).await, [Err(Refused::Stale)]);
        assert_eq!(results(&store, &append(room, vec![at_head(0)])).await, [Ok(1)]);
        // By the short way, whose connection knows the head.
        assert_eq!(results(&store, &append(room, vec![at_head(1)])).await, [Ok(2)]);
        placed(&other, &append(room, vec![edit("3")])).await;
        assert_eq!(results(&store, &append(room, vec![at_head(2)])).await, [Err(Refused::Stale)]);
        assert_gap_free(&store, room, 3).await;
    }

    async fn an_entry_that_may_only_be_a_repetition_is_placed_with_its_first_one_or_not_at_all(db: &Database) {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let room = room(&store, "a").await;
        let keyed = |body| NewEntry { key: Some("k".to_owned()), ..entry(EntryKind::Message, "ada", body) };
        let repeated = || NewEntry { condition: Some(Condition::Known), ..keyed("") };
        assert_eq!(results(&store, &append(room, vec![repeated()])).await, [Err(Refused::Stale)]);
        assert_eq!(results(&store, &append(room, vec![edit("1"), keyed("{}")])).await, [Ok(1), Ok(2)]);
        assert_eq!(results(&other, &append(room, vec![repeated()])).await, [Ok(2)]);
        let again = append(room, vec![repeated(), edit("3")]);
        assert_eq!(results(&store, &again).await, [Ok(2), Ok(3)]);
        assert_eq!(results(&store, &Append { is_repeated: true, ..again }).await, [Ok(2), Ok(3)]);
        assert_gap_free(&store, room, 3).await;
    }

    async fn a_refused_condition_is_answered_alike_when_it_is_sent_again(db: &Database) {
        let store = db.store("a").await;
        let room = room(&store, "a").await;
        let append = append(room, vec![at_head(7), edit("1")]);
        assert_eq!(results(&store, &append).await, [Err(Refused::Stale), Ok(1)]);
        assert_eq!(results(&store, &Append { is_repeated: true, ..append }).await, [Err(Refused::Stale), Ok(1)]);
    }

    async fn what_was_made_before_others_wrote_is_not_stored_and_may_be_sent_anew(db: &Database) {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let room = room(&store, "a").await;
        let made_after = |seq| Append { after: Some(Seq(seq)), ..append(room, vec![edit("x")]) };
        assert_eq!(results(&store, &made_after(0)).await, [Ok(1)]);
        // By the short way, whose connection knows the head.
        let lost = made_after(1);
        assert_eq!(results(&store, &lost).await, [Ok(2)]);
        assert_eq!(one(&store, &made_after(1)).await, Err(StoreError::Moved(Seq(2))));
        placed(&other, &append(room, vec![edit("3")])).await;
        assert_eq!(one(&store, &made_after(2)).await, Err(StoreError::Moved(Seq(3))));
        // What was stored is answered when it is sent again, whatever others have written.
        assert_eq!(results(&store, &Append { is_repeated: true, ..lost }).await, [Ok(2)]);
        assert_eq!(results(&store, &made_after(3)).await, [Ok(4)]);
        assert_gap_free(&store, room, 4).await;
    }

    async fn a_room_that_others_wrote_to_hinders_no_other_of_its_batch(db: &Database) {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let (moved, still) = (room(&store, "moved").await, room(&store, "still").await);
        for _ in 0..2 {
            let (first, second) = (head(&store, "moved").await, head(&store, "still").await);
            placed(&other, &append(moved, vec![edit("x")])).await;
            let outcomes = store
                .append(vec![
                    Append { after: Some(first), ..append(moved, vec![edit("y")]) },
                    Append { after: Some(second), ..append(still, vec![edit("y")]) },
                ])
                .await;
            assert_eq!(outcomes[0], Err(StoreError::Moved(Seq(first.0 + 1))));
            assert!(outcomes[1].is_ok(), "{outcomes:?}");
        }
        assert_gap_free(&store, moved, 2).await;
        assert_gap_free(&store, still, 2).await;
    }

    async fn trap_04_of_steps_that_two_servers_push_at_one_version_one_is_stored(db: &Database) {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let room = room(&store, "a").await;
        let mut newest = 0;
        for _ in 0..30 {
            let [here, there] = [append(room, vec![step(newest)]), append(room, vec![step(newest), step(newest)])];
            let (here, there) = tokio::join!(results(&store, &here), results(&other, &there));
            let is_here = here[0].is_ok();
            let (taken, refused) = if is_here { (here, there) } else { (there, here) };
            assert!(taken.iter().all(Result::is_ok) && refused.iter().all(|step| *step == Err(Refused::Stale)));
            newest = taken.last().and_then(|last| last.ok()).expect("a step was stored");
            // Other entries change nothing about the steps.
            newest = if is_here { newest } else { placed(&store, &append(room, vec![edit("x")])).await; newest };
        }
    }

    async fn rows_of_servers_that_are_long_gone_are_deleted(db: &Database) {
        let (gone, store) = (db.store("gone").await, db.store("here").await);
        let room = room(&store, "a").await;
        placed(&gone, &append(room, vec![edit("1")])).await;
        db.execute("update last_append set at = at - 90000000").await;
        placed(&store, &append(room, vec![edit("2")])).await;
        assert!(!store.sweep_servers().await.expect("swept"), "that was all");
        let left = "insert into room (name, last_at, created_at) select 'left', count(*), 0 from last_append";
        db.execute(left).await;
        let row = store.room(&name("left")).await.expect("an answer").expect("a room");
        assert_eq!(row.updated_at_ms, 1, "this server's row alone");
    }

    async fn what_long_gone_servers_have_left_is_deleted_part_by_part_and_own_rows_stay(db: &Database) {
        let store = db.store("here").await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("1")])).await;
        // As earlier versions wrote them, too: by the server's name.
        let rows = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 10001) \
                    insert into last_append (room_id, server, append_id, first_seq, at) \
                    select room_id, 'server-' || i, append_id, 1, at from last_append, n";
        db.execute(rows).await;
        db.execute("update last_append set at = at - 90000000").await;
        assert!(store.sweep_servers().await.expect("swept"), "there is more");
        assert!(!store.sweep_servers().await.expect("swept"), "that was all");
        let left = "insert into room (name, last_at, created_at) select 'left', count(*), 0 from last_append";
        db.execute(left).await;
        let row = store.room(&name("left")).await.expect("an answer").expect("a room");
        assert_eq!(row.updated_at_ms, 1, "this server's row alone, however old");
    }
}

#[test]
fn a_room_that_is_heard_of_is_appended_to_by_the_short_way_and_never_twice() {
    on_postgres(async |db: &Database| {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("1")])).await;
        let theirs = placed(&other, &append(room, vec![edit("2")])).await[0];
        store.hear(&[(room, theirs.seq, theirs.at_ms)]);
        let lost = append(room, vec![edit("3")]);
        assert_eq!(seqs(&placed(&store, &lost).await), [3]);
        // Heard from a look at the database, the own append included, and then repeated.
        store.hear(&[(room, Seq(3), theirs.at_ms + 1_000)]);
        assert_eq!(seqs(&placed(&store, &Append { is_repeated: true, ..lost }).await), [3]);
        assert_gap_free(&store, room, 3).await;
    });
}

#[test]
fn trap_08_a_bad_entry_in_a_shared_room_hinders_neither_its_batch_nor_other_servers() {
    on_postgres(async |db: &Database| {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let (shared, own) = (room(&store, "shared").await, room(&store, "own").await);
        db.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin \
               if new.body = 'bad'::bytea then raise exception 'bad'; end if; return new; end $$; \
             create trigger refuse before insert on entry for each row execute function refuse()",
        )
        .await;
        for round in 1..=5 {
            let bad = append(shared, vec![edit("1"), edit("bad"), edit("2")]);
            let here = store.append_shared(vec![bad, append(own, vec![edit("x")])]);
            let there = other.append_shared(vec![append(shared, vec![edit("3")])]);
            let (here, there) = within_seconds(20, async { tokio::join!(here, there) }).await;
            let [Ok(bad), Ok(good)] = &here[..] else { panic!("{here:?}") };
            assert!(bad[0].is_ok() && bad[1] == Err(Refused::ByDatabase) && bad[2].is_ok(), "{bad:?}");
            assert!(good[0].is_ok() && there[0].as_ref().is_ok_and(|there| there[0].is_ok()), "{there:?}");
            assert_gap_free(&store, shared, 3 * round).await;
            assert_gap_free(&store, own, round).await;
        }
    });
}

#[test]
fn trap_09_a_room_that_others_write_to_does_not_make_the_other_rooms_forgotten() {
    on_postgres(async |db: &Database| {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let (shared, own) = (room(&store, "shared").await, room(&store, "own").await);
        let both = || vec![append(shared, vec![edit("x")]), append(own, vec![edit("x")])];
        store.append(both()).await;
        for round in 1..=5 {
            placed(&other, &append(shared, vec![edit("x")])).await;
            let outcomes = store.append(both()).await;
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            assert_gap_free(&store, own, 1 + round).await;
        }
        assert_gap_free(&store, shared, 11).await;
    });
}

#[test]
fn a_shared_room_whose_lock_is_held_keeps_the_others_waiting_for_nothing() {
    on_postgres(async |db: &Database| {
        let store = opened(db.settings("a")).await;
        let (shared, own) = (room(&store, "shared").await, room(&store, "own").await);
        let (open, close) = (format!("begin; select from room where id = {} for update", shared.0), "rollback");
        let mut holder = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url).await.expect("connects");
        sqlx::raw_sql(sqlx::AssertSqlSafe(open)).execute(&mut holder).await.expect("locks");
        let waiting = store.append_shared(vec![append(shared, vec![edit("1")])]);
        let mut waiting = Box::pin(waiting);
        let locked = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
        assert!(locked.is_err(), "the lock is held");
        within_seconds(20, placed(&store, &append(own, vec![edit("1")]))).await;
        sqlx::raw_sql(close).execute(&mut holder).await.expect("unlocks");
        assert!(within_seconds(20, waiting).await[0].is_ok());
    });
}

#[test]
fn servers_see_each_others_beats_and_one_that_stops_is_gone() {
    on_postgres(async |db: &Database| {
        let settings = db.settings("a");
        let a = settings.incarnation;
        let (first, second) = (opened(settings).await, db.store("b").await);
        assert_eq!(first.beat("1.0").await, Ok(vec![]));
        let seen = second.beat("1.1").await.expect("an answer");
        assert_eq!((seen.len(), seen[0].incarnation, &*seen[0].label, &*seen[0].version), (1, a, "a", "1.0"));
        assert_eq!(first.beat("1.0").await.map(|seen| seen.len()), Ok(1));
        assert!(second.beat("1.1").await.expect("an answer")[0].beats > seen[0].beats);
        first.sign_off().await.expect("signed off");
        assert_eq!(second.beat("1.1").await, Ok(vec![]));
        let cluster = first.cluster().await.expect("an answer");
        assert!(cluster.is_some() && cluster == second.cluster().await.expect("an answer"));
    });
}

#[test]
fn whose_clients_are_is_told_as_they_were_bound_first() {
    on_postgres(async |db: &Database| {
        let (store, other) = (db.store("a").await, db.store("b").await);
        let room = room(&store, "a").await;
        let bound = |user: &str| vec![(u64::MAX, UserId::new(user)), (7, UserId::new(user))];
        placed(&store, &Append { clients: bound("ada"), ..append(room, vec![edit("1")]) }).await;
        placed(&other, &Append { clients: bound("bob"), ..append(room, vec![edit("2")]) }).await;
        assert_eq!(other.clients(room, vec![7, 8]).await, Ok(vec![(7, UserId::new("ada"))]));
        assert_eq!(store.heads(vec![name("a")]).await.expect("an answer")[0].0.head, Seq(2));
    });
}
