//! What is sent again is stored once: appends by their id, entries by their key.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tutti::ids::Seq;
use tutti::store::{Append, Placed, Refused};

use crate::support::*;

contract! {
    async fn an_append_sent_again_is_stored_once_and_answered_alike(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let append = append(room, vec![edit("1"), edit("2")]);
        let first = placed(&store, &append).await;
        assert_eq!(placed(&store, &append).await, first);
        assert_gap_free(&store, room, 2).await;
    }

    async fn an_append_sent_again_after_other_servers_wrote_is_answered_alike(db: &Database) {
        let (store, other) = (db.store("s1").await, db.store("s2").await);
        let room = room(&store, "a").await;
        let append = append(room, vec![edit("1"), edit("2")]);
        let first = placed(&store, &append).await;
        placed(&other, &crate::support::append(room, vec![edit("3")])).await;
        assert_eq!(placed(&store, &append).await, first);
        assert_gap_free(&store, room, 3).await;
    }

    async fn trap_05_two_servers_of_one_name_each_get_their_own_answer_again(db: &Database) {
        let (store, other) = (db.store("main").await, db.store("main").await);
        let room = room(&store, "a").await;
        let (here, there) = (append(room, vec![edit("1")]), append(room, vec![edit("2")]));
        let first = placed(&store, &here).await;
        let second = placed(&other, &there).await;
        assert_eq!(placed(&store, &Append { is_repeated: true, ..here }).await, first);
        assert_eq!(placed(&other, &Append { is_repeated: true, ..there }).await, second);
        assert_gap_free(&store, room, 2).await;
    }

    async fn an_append_with_known_and_refused_entries_sent_again_is_answered_alike(db: &Database) {
        let store = db.store("s1").await;
        db.refuse_mallory().await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![keyed("ada", "k")])).await;
        let mixed = vec![keyed("ada", "k"), keyed("mallory", "m"), keyed("ada\0", "n"), edit("new")];
        let append = append(room, mixed);
        let first = one(&store, &append).await;
        let outcome = first.clone().expect("the append is stored");
        assert!(outcome[0].is_ok_and(|placed| placed.seq == Seq(1) && !placed.is_new));
        assert_eq!(outcome[1], Err(Refused::ByDatabase));
        assert_eq!(outcome[2], Err(Refused::Nul));
        assert!(outcome[3].is_ok_and(|placed| placed.seq == Seq(2) && placed.is_new));
        assert_eq!(one(&store, &append).await, first);
        assert_gap_free(&store, room, 2).await;
    }

    async fn only_the_appends_of_a_batch_that_were_stored_are_skipped_when_it_is_repeated(db: &Database) {
        let store = db.store("s1").await;
        let (a, b) = (room(&store, "a").await, room(&store, "b").await);
        let (first, second) = (append(a, vec![edit("1")]), append(b, vec![edit("1")]));
        let alone = one(&store, &first).await;
        let outcomes = store.append(vec![first, second]).await;
        assert_eq!(outcomes[0], alone);
        assert!(outcomes[1].is_ok());
        assert_gap_free(&store, a, 1).await;
        assert_gap_free(&store, b, 1).await;
    }

    async fn a_key_already_stored_gets_its_first_entrys_place(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let first = placed(&store, &append(room, vec![keyed("ada", "k")])).await[0];
        let again = placed(&store, &append(room, vec![edit("1"), keyed("ada", "k"), edit("2")])).await;
        assert_eq!(again[1], Placed { is_new: false, ..first });
        assert_eq!(seqs(&again), [2, 1, 3]);
        assert_gap_free(&store, room, 3).await;
    }

    async fn a_key_twice_in_one_append_is_one_entry(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let placed = placed(&store, &append(room, vec![keyed("ada", "k"), keyed("ada", "k"), edit("1")])).await;
        assert_eq!(seqs(&placed), [1, 1, 2]);
        assert_eq!(placed.iter().map(|placed| placed.is_new).collect::<Vec<_>>(), [true, false, true]);
        assert_gap_free(&store, room, 2).await;
    }

    async fn a_key_belongs_to_its_author_and_its_room(db: &Database) {
        let store = db.store("s1").await;
        let (a, b) = (room(&store, "a").await, room(&store, "b").await);
        let outcomes = store.append(vec![append(a, vec![keyed("ada", "k"), keyed("bob", "k")]), append(b, vec![keyed("ada", "k")])]);
        for (outcome, count) in outcomes.await.into_iter().zip([2, 1]) {
            let is_new = |entry: &Result<Placed, Refused>| entry.is_ok_and(|placed| placed.is_new);
            assert_eq!(outcome.expect("the append is stored").iter().filter(|entry| is_new(entry)).count(), count);
        }
    }

    async fn a_key_sent_by_two_servers_at_once_is_one_entry(db: &Database) {
        let (store, other) = (db.store("s1").await, db.store("s2").await);
        let room = room(&store, "a").await;
        for round in 0..20 {
            let entry = keyed("ada", &format!("k{round}"));
            let (here, there) = tokio::join!(
                insistently(&store, vec![append(room, vec![entry.clone()])]),
                insistently(&other, vec![append(room, vec![entry])]),
            );
            let (here, there) = (here[0][0], there[0][0]);
            assert_eq!((here.seq, here.at_ms), (there.seq, there.at_ms));
            assert!(here.is_new ^ there.is_new);
        }
        assert_gap_free(&store, room, 20).await;
    }
}

#[test]
fn an_append_sent_again_while_its_first_try_still_commits_is_stored_once() {
    on_postgres(async |db: &Database| {
        let settings = db.settings("s1");
        let server = settings.incarnation;
        let store = opened(settings).await;
        let room = room(&store, "a").await;
        let append = append(room, vec![edit("1")]);
        // The first try, all but committed: its server lost the connection and does not know.
        let mut first = PgConnection::connect(&db.url).await.expect("the database opens");
        let (id, append_id) = (room.0, append.id);
        let sql = format!(
            "begin; select from room where id = {id} for update; \
             insert into entry (room_id, seq, kind, author, at, body) values ({id}, 1, 1, 'ada', 5, '1'); \
             update room set head = 1 where id = {id}; \
             insert into last_append (room_id, server, append_id, first_seq, at) values ({id}, '{server}', '{append_id}', 1, 5)"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut first).await.expect("the statements work");

        let first_try_ends = async {
            let waiting = "select count(*) from pg_stat_activity \
                           where datname = current_database() and wait_event_type = 'Lock'";
            let mut observer = PgConnection::connect(&db.url).await.expect("the database opens");
            while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut observer).await.expect("an answer") == 0 {}
            sqlx::raw_sql("commit").execute(&mut first).await.expect("the commit works");
        };
        let (again, ()) = within_seconds(60, async { tokio::join!(placed(&store, &append), first_try_ends) }).await;
        assert_eq!(again, [Placed { seq: Seq(1), at_ms: 5, is_new: true }]);
        assert_gap_free(&store, room, 1).await;
    });
}
