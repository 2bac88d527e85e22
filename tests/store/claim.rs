//! One server at a time on an SQLite file.

use std::time::Duration;

use tutti::store::{Store, StoreError, StoreSettings};

use crate::support::*;

/// Settings that wait for nobody's end for long.
fn settings(db: &Database, server: &str) -> StoreSettings {
    StoreSettings { lock_timeout: Duration::from_millis(300), ..db.settings(server) }
}

fn refused(claimed: Result<(), StoreError>, says: &[&str]) {
    let Err(StoreError::Open(message)) = claimed else { panic!("{claimed:?}") };
    assert!(says.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_claim_ends_with_the_store() {
    on_sqlite(async |db: &Database| {
        let first = opened(settings(db, "s1")).await;
        assert_eq!(first.claim().await, Ok(()));
        first.shutdown();
        let second = opened(db.settings("s1")).await;
        assert_eq!(second.claim().await, Ok(()));
        drop(second);
        assert_eq!(opened(db.settings("s1")).await.claim().await, Ok(()));
    });
}

contract! {
    async fn who_does_not_claim_works_beside_who_does(db: &Database) {
        let server = opened(settings(db, "s1")).await;
        server.claim().await.expect("nobody else is there");
        let import = opened(settings(db, "import")).await;
        let room = room(&import, "a").await;
        placed(&import, &append(room, vec![edit("1")])).await;
        placed(&server, &append(room, vec![edit("2")])).await;
        assert_gap_free(&import, room, 2).await;
    }
}

#[test]
fn a_second_server_on_an_sqlite_file_is_refused_by_whatever_path_and_name() {
    on_sqlite(async |db: &Database| {
        let first = opened(settings(db, "s1")).await;
        first.claim().await.expect("nobody else is there");
        let path = db.url.trim_start_matches("sqlite://");
        let link = format!("{path}.link");
        std::os::unix::fs::symlink(path, &link).expect("a link");
        for (url, server) in [(db.url.clone(), "s1"), (db.url.clone(), "s2"), (format!("sqlite://{link}"), "s1")] {
            let second = opened(StoreSettings { url, ..settings(db, server) }).await;
            refused(second.claim().await, &["in use by another Tutti server", "tutti.db.lock", "stop that one"]);
        }
    });
}

#[test]
fn an_sqlite_file_is_not_migrated_under_a_running_server() {
    on_sqlite(async |db: &Database| {
        let server = Store::open(settings(db, "s1")).await.expect("the store opens");
        server.claim().await.expect("nobody else is there");
        let newer = Store::open(settings(db, "import")).await.expect("the store opens");
        refused(newer.migrate().await.map(drop), &["in use by another Tutti server"]);
        server.migrate().await.expect("its own migrations run");
        assert_eq!(newer.migrate().await, Ok(0), "nothing is to be done");
    });
}
