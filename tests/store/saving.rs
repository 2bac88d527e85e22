//! Whether a store knows that it can save, and leaves no trace of finding out.

use sqlx::{Connection, PgConnection};
use tutti::store::{Store, StoreSettings};

use crate::support::*;

contract! {
    async fn asking_whether_entries_can_be_saved_leaves_nothing_behind(db: &Database) {
        let store = db.store("s1").await;
        assert_eq!(store.can_save().await, Ok(()));
        assert_eq!(store.rooms("", None, 10).await.expect("rooms are read"), []);
        let room = room(&store, "a").await;
        assert_eq!(seqs(&placed(&store, &append(room, vec![edit("1")])).await), [1]);
        // Another server may ask at the same time.
        let others = [db.store("s2").await, db.store("s3").await];
        let (second, third) = tokio::join!(others[0].can_save(), others[1].can_save());
        assert_eq!((second, third), (Ok(()), Ok(())));
        assert_eq!(store.rooms("", None, 10).await.expect("rooms are read").len(), 1);
        assert_gap_free(&store, room, 1).await;
    }

    async fn a_database_that_takes_no_entry_cannot_save_though_it_answers(db: &Database) {
        let store = db.store("s1").await;
        db.execute("alter table entry rename to elsewhere").await;
        assert!(store.can_save().await.is_err());
        assert_eq!(store.rooms("", None, 10).await.expect("rooms are read"), []);
        db.execute("alter table elsewhere rename to entry").await;
        can_save_soon(&store).await;
    }
}

#[test]
fn a_postgres_that_only_reads_cannot_save() {
    on_postgres(async |db: &Database| {
        let store = db.store("s1").await;
        assert_eq!(store.can_save().await, Ok(()));
        let database = db.url.rsplit('/').next().and_then(|rest| rest.split('?').next()).expect("a database's name");
        db.execute(&format!(
            "alter database {database} set default_transaction_read_only = on; select pg_terminate_backend(pid) \
             from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ))
        .await;
        saving_becomes(&store, false).await;
        assert_eq!(store.rooms("", None, 10).await.expect("rooms are read"), []);
        db.execute(&format!("begin read write; alter database {database} reset default_transaction_read_only; commit"))
            .await;
        // No session is ended: saving goes on with a new one after each failure.
        can_save_soon(&store).await;
    });
}

#[test]
fn a_role_that_may_only_select_cannot_save() {
    on_postgres(async |db: &Database| {
        db.store("owner").await;
        let role = format!("reader_{}", uuid::Uuid::new_v4().simple());
        db.execute(&format!(
            "create role {role} login password 'x'; grant select on all tables in schema public to {role}"
        ))
        .await;
        let (scheme, rest) = db.url.split_once("://").expect("a URL with a scheme");
        let (_, address) = rest.split_once('@').expect("a URL with a user");
        let url = format!("{scheme}://{role}:x@{address}");
        let answer = match Store::open(StoreSettings::new(&url, "s1")).await {
            Ok(store) => store.can_save().await,
            Err(error) => panic!("the role may connect: {error}"),
        };
        let mut owner = PgConnection::connect(&db.url).await.expect("the database opens");
        let drop = sqlx::AssertSqlSafe(format!("drop owned by {role}; drop role {role}"));
        sqlx::raw_sql(drop).execute(&mut owner).await.expect("the role is dropped");
        assert!(answer.expect_err("nothing can be saved").to_string().contains("permission denied"));
    });
}
