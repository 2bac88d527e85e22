//! Migrations: counted, run once, and understood to be wrong when they are.

use sqlx::{Connection, PgConnection, SqliteConnection};
use tutti::store::{Store, StoreError, StoreSettings};
use uuid::Uuid;

use crate::support::*;

contract! {
    async fn migrations_are_pending_until_they_have_run(db: &Database) {
        let store = Store::open(db.settings("s1")).await.expect("the store opens");
        let pending = store.pending_migrations().await.expect("the store answers");
        assert!(pending > 0);
        assert!(store.can_save().await.is_err());
        assert_eq!(store.migrate().await, Ok(pending));
        assert_eq!(store.pending_migrations().await, Ok(0));
        assert_eq!(store.migrate().await, Ok(0));
        can_save_soon(&store).await;
    }

    async fn a_database_newer_than_the_program_is_not_touched(db: &Database) {
        let store = db.store("s1").await;
        db.execute("insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                    select 9999, 'from the future', success, checksum, 0 from _sqlx_migrations limit 1").await;
        let error = store.pending_migrations().await.expect_err("the database is newer");
        assert!(matches!(&error, StoreError::Migration(message) if message.contains("newer")), "{error}");
        assert_eq!(store.migrate().await, Err(error));
    }

    async fn trap_35_a_program_runs_on_the_database_of_a_newer_one_that_only_adds(db: &Database) {
        let store = db.store("s1").await;
        db.execute("insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                    select 999, 'from the future', success, checksum, 0 from _sqlx_migrations limit 1").await;
        assert_eq!(store.pending_migrations().await, Ok(0));
        let older = db.store("s2").await;
        let room = room(&older, "a").await;
        placed(&older, &append(room, vec![edit("x")])).await;
    }

    async fn a_migration_that_was_edited_is_noticed(db: &Database) {
        let store = db.store("s1").await;
        db.execute("update _sqlx_migrations set checksum = '\\x00'").await;
        assert!(matches!(store.migrate().await, Err(StoreError::Migration(_))));
    }
}

#[test]
fn a_new_file_has_no_page_with_nothing_in_it() {
    on_sqlite(async |db: &Database| {
        db.store("s1").await;
        let mut connection = SqliteConnection::connect(&db.url).await.expect("the file opens");
        let query = sqlx::query_scalar("select freelist_count from pragma_freelist_count");
        let unused: i64 = query.fetch_one(&mut connection).await.expect("it is told");
        assert_eq!(unused, 0);
    });
}

#[test]
fn servers_that_start_together_migrate_once() {
    on_postgres(async |db: &Database| {
        let open = || async { Store::open(db.settings("s1")).await.expect("the store opens") };
        let stores = [open().await, open().await, open().await];
        let migrated = futures_util::future::join_all(stores.iter().map(Store::migrate)).await;
        assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
    });
}

/// Runs `case` with the URL of a new role that owns nothing.
async fn as_role(db: &Database, case: impl AsyncFnOnce(&str, &str)) {
    let role = format!("tutti_test_{}", Uuid::new_v4().simple());
    db.execute(&format!("create role {role} login; revoke create on schema public from public")).await;
    let (scheme, rest) = db.url.split_once("://").expect("a URL with a scheme");
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    case(&role, &format!("{scheme}://{role}@{host}")).await;
    db.execute(&format!("drop owned by {role}; drop role {role}")).await;
}

#[test]
fn rule_33_a_role_without_the_right_to_make_tables_can_serve() {
    on_postgres(async |db: &Database| {
        drop(db.store("owner").await);
        as_role(db, async |role, url| {
            db.execute(&format!("grant select, insert, update on all tables in schema public to {role}")).await;
            let store = opened(StoreSettings { url: url.to_owned(), ..db.settings("s1") }).await;
            let room = room(&store, "a").await;
            placed(&store, &append(room, vec![keyed("ada", "k")])).await;
            assert_eq!(store.load(&name("a")).await.map(|loaded| loaded.is_some()), Ok(true));
            let mut connection = PgConnection::connect(url).await.expect("the role may connect");
            assert!(sqlx::raw_sql("create table forbidden ()").execute(&mut connection).await.is_err());
        })
        .await;
    });
}

#[test]
fn a_role_that_may_not_migrate_hears_which_migrations_are_pending() {
    on_postgres(async |db: &Database| {
        let migrated = async |url: &str| {
            let store = Store::open(StoreSettings { url: url.to_owned(), ..db.settings("s1") }).await;
            let error = store.expect("the store opens").migrate().await.expect_err("it may not");
            assert!(matches!(error, StoreError::Migration(_)), "{error:?}");
            error.to_string()
        };
        as_role(db, async |role, url| {
            let nothing = migrated(url).await;
            for part in ["1 (timeline)", "2 (entries but edits)", "3 (steps)", role, "tutti migrate"] {
                assert!(nothing.contains(part), "{nothing}");
            }
            drop(db.store("owner").await);
            let unreadable = migrated(url).await;
            assert!(unreadable.contains("grant it select"), "{unreadable}");
            db.execute(&format!("grant select on all tables in schema public to {role}")).await;
            db.execute("delete from _sqlx_migrations where version = 3").await;
            let one = migrated(url).await;
            assert!(one.contains("3 (steps)") && !one.contains("1 (timeline)"), "{one}");
        })
        .await;
    });
}
