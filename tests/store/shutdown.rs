//! The end of a store, on whatever thread it comes.

use std::future::poll_fn;
use std::task::Poll;

use tutti::store::{StoreError, StoreSettings};

use crate::support::*;

contract! {
    async fn a_store_that_was_shut_down_is_unavailable(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let append = append(room, vec![edit("x")]);
        placed(&store, &append).await;
        let clone = store.clone();
        std::thread::spawn(move || clone.shutdown()).join().expect("it ends");
        assert!(matches!(store.can_save().await, Err(StoreError::Unavailable(_))));
        assert!(matches!(one(&store, &append).await, Err(StoreError::Unavailable(_))));
        store.shutdown();
        assert_gap_free(&db.store("s1").await, room, 1).await;
    }

    async fn what_was_begun_before_the_shutdown_is_stored(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let clone = store.clone();
        let appended = tokio::spawn(async move { one(&clone, &append(room, vec![edit("x"); 500])).await });
        tokio::task::yield_now().await;
        let ended = store.clone();
        tokio::task::spawn_blocking(move || ended.shutdown()).await.expect("it ends");
        let outcome = appended.await.expect("the append ends");
        let count = outcome.map_or(0, |entries| entries.len() as u64);
        assert_gap_free(&db.store("s1").await, room, count).await;
    }

    async fn a_store_may_be_shut_down_or_dropped_on_an_executors_thread(db: &Database) {
        db.store("s1").await.shutdown();
        drop(db.store("s1").await);
    }

    async fn an_append_goes_on_when_its_caller_stops_waiting(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        let append = append(room, vec![edit("x")]);
        {
            let mut impatient = std::pin::pin!(one(&store, &append));
            let is_begun = poll_fn(|cx| Poll::Ready(impatient.as_mut().poll(cx).is_pending())).await;
            assert!(is_begun);
        }
        within_seconds(60, async { while history(&store, room).await.is_empty() {} }).await;
        assert_eq!(seqs(&placed(&store, &append).await), [1]);
    }
}

#[test]
fn a_shut_down_sqlite_store_leaves_one_file_and_its_empty_lock() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("tutti.db").display());
    block_on(async {
        let store = opened(StoreSettings::new(url, "s1")).await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("x")])).await;
        history(&store, room).await;
        store.shutdown();
    });
    let files = std::fs::read_dir(folder.path()).expect("the folder").map(|file| file.expect("a file").file_name());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert_eq!(files, ["tutti.db", "tutti.db.lock"]);
}
