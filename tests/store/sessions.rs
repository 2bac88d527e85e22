//! A session is used again only after its own data was at fault: whatever else went wrong, the next append has a new one.

use tutti::store::{Store, StoreError};

use crate::support::*;

/// Ends the store's sessions, as a restart of the database does.
const END_SESSIONS: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
     where datname = current_database() and application_name = 'tutti'";

#[test]
fn a_writer_in_a_read_only_session_leaves_it_when_new_ones_may_write() {
    on_postgres(async |db: &Database| {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("1")])).await;

        let read_only = |sql: &str| format!("do $$ begin execute format('{sql}', current_database()); end $$");
        db.execute(&read_only("alter database %I set default_transaction_read_only = on")).await;
        // Read-only itself, but it writes nothing.
        db.execute(END_SESSIONS).await;
        let append = append(room, vec![edit("2")]);
        for _ in 0..3 {
            assert!(matches!(one(&store, &append).await, Err(StoreError::Unavailable(_))));
        }
        // A reader of such a session, too, has to come to one that may make a room.
        assert!(store.ensure_room(&name("b"), None).await.is_err());
        db.execute(&format!(
            "set transaction_read_only = off; {}",
            read_only("alter database %I reset default_transaction_read_only")
        ))
        .await;
        assert_eq!(seqs(&placed(&store, &append).await), [2], "at once, and in the order it came");
        assert!(store.ensure_room(&name("b"), None).await.is_ok());
        assert_gap_free(&store, room, 2).await;
    });
}

/// The backend that wrote the newest entry.
async fn backend(store: &Store, room: tutti::store::RoomId) -> Vec<u8> {
    placed(store, &append(room, vec![entry(tutti::store::EntryKind::Edit, "backend", "x")])).await;
    let newest = history(store, room).await.pop().expect("an entry");
    newest.body.expect("a body").to_vec()
}

#[test]
fn a_session_is_left_after_every_error_but_those_of_the_data() {
    // Class by class (PostgreSQL manual, appendix A); the last is of none.
    let of_data = ["22000", "22P02", "23514", "23505", "54000", "P0001"];
    let of_others = [
        "08006", "0A000", "20000", "21000", "24000", "25000", "25006", "25P02", "26000", "28000", "2BP01", "34000",
        "40001", "40P01", "42501", "42601", "42P01", "42P05", "53100", "53200", "53300", "54001", "55000", "55P03",
        "57014", "57P01", "57P03", "58030", "F0000", "HV000", "XX000", "XX001", "QQ123",
    ];
    on_postgres(async |db: &Database| {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        // The author names the error; an entry of "backend" is made to say who wrote it.
        db.execute(
            "create table answered (code text primary key); \
             create function answer() returns trigger language plpgsql as $$ begin \
               if new.author = 'backend' then new.body = convert_to(pg_backend_pid()::text, 'UTF8'); end if; \
               if new.author like 'error %' then raise exception using errcode = substr(new.author, 7); end if; \
               return new; end $$; \
             create trigger answer before insert on entry for each row execute function answer()",
        )
        .await;
        for (codes, is_left) in [(of_data.as_slice(), false), (of_others.as_slice(), true)] {
            for code in codes {
                let before = backend(&store, room).await;
                let author: &'static str = format!("error {code}").leak();
                let outcome = one(&store, &append(room, vec![entry(tutti::store::EntryKind::Edit, author, "x")])).await;
                assert_eq!(outcome.is_err(), is_left, "{code}: {outcome:?}");
                assert_eq!(backend(&store, room).await != before, is_left, "{code}");
            }
        }
    });
}
