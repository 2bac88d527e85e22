//! Rooms: made once, found by name and by prefix.

use tutti::ids::Seq;
use tutti::store::Store;

use crate::support::*;

contract! {
    async fn a_room_is_made_once_however_many_ask_at_once(db: &Database) {
        let (store, other) = (db.store("s1").await, db.store("s2").await);
        let name = name("docs/plan");
        let asked = (0..20).map(|index| if index % 2 == 0 { &store } else { &other }).map(|store| store.ensure_room(&name));
        let ids = futures_util::future::join_all(asked).await;
        assert!(ids.iter().all(|id| id.is_ok() && *id == ids[0]));
        assert_eq!(store.room(&name).await.map(|room| room.map(|room| Ok(room.id))), Ok(Some(ids[0].clone())));
    }

    async fn a_room_tells_its_head_and_its_times(db: &Database) {
        let store = db.store("s1").await;
        assert_eq!(store.room(&name("a")).await, Ok(None));
        let id = room(&store, "a").await;
        let made = store.room(&name("a")).await.expect("the store answers").expect("the room exists");
        assert_eq!((made.id, made.head, made.updated_at_ms), (id, Seq::ZERO, made.created_at_ms));
        let last = placed(&store, &append(id, vec![edit("1"), edit("2")])).await[1];
        let now = store.room(&name("a")).await.expect("the store answers").expect("the room exists");
        assert_eq!((now.head, now.updated_at_ms, now.created_at_ms), (Seq(2), last.at_ms, made.created_at_ms));
    }

    async fn rooms_are_listed_by_bytes_in_pages(db: &Database) {
        let store = db.store("s1").await;
        // Sorted by bytes; a language's order would be another.
        let sorted = ["A", "Z/b", "a", "a b", "a-b", "a.b", "a/b", "a0", "a:b", "a@b", "a_b", "b", "~"];
        for text in sorted.iter().rev() {
            room(&store, text).await;
        }
        assert_eq!(listed(&store, "", None, 100).await, sorted);
        let mut paged: Vec<String> = Vec::new();
        loop {
            let page = listed(&store, "", paged.last().map(String::as_str), 5).await;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 5);
            paged.extend(page);
        }
        assert_eq!(paged, sorted);
    }

    async fn a_prefix_is_taken_literally(db: &Database) {
        let store = db.store("s1").await;
        for text in ["docs", "docs/a", "docs/b", "docs_a", "docsXa", "Docs/a", "dot"] {
            room(&store, text).await;
        }
        assert_eq!(listed(&store, "docs", None, 9).await, ["docs", "docs/a", "docs/b", "docsXa", "docs_a"]);
        assert_eq!(listed(&store, "docs/", None, 9).await, ["docs/a", "docs/b"]);
        assert_eq!(listed(&store, "docs/", Some("docs/a"), 9).await, ["docs/b"]);
        assert_eq!(listed(&store, "docs_", None, 9).await, ["docs_a"]);
        for nothing in ["%", "docs%", "_ocs", "docs\0", "\u{10FFFF}", "';--"] {
            assert_eq!(listed(&store, nothing, None, 9).await, Vec::<String>::new(), "{nothing:?}");
        }
    }
}

async fn listed(store: &Store, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let after = after.map(name);
    let rooms = store.rooms(prefix, after.as_ref(), limit).await.expect("the rooms are listed");
    rooms.iter().map(|room| room.name.to_string()).collect()
}
