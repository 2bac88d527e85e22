//! Rooms: made once, found by name and by prefix.

use tutti::ids::Seq;
use tutti::store::{RoomSize, Store};

use crate::support::*;

contract! {
    async fn a_room_is_made_once_however_many_ask_at_once(db: &Database) {
        let (store, other) = (db.store("s1").await, db.store("s2").await);
        let name = name("docs/plan");
        let asked = (0..20).map(|index| if index % 2 == 0 { &store } else { &other }).map(|store| store.ensure_room(&name, None));
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

    async fn rooms_are_listed_by_their_last_changes_with_what_is_kept_with_them(db: &Database) {
        let store = db.store("main").await;
        for text in ["a", "b", "c", "x"] {
            room(&store, text).await;
        }
        db.execute("update room set last_at = 5 where name in ('a', 'c'); update room set last_at = 7 where name = 'b'").await;
        assert_eq!(store.set_room_meta(&name("b"), Some("{\"k\":1}")).await, Ok(true));
        assert_eq!(store.set_room_meta(&name("nobody"), None).await, Ok(false));
        let heads = store.heads(vec![name("b"), name("nobody")]).await.expect("the store answers");
        let heads: Vec<_> = heads.iter().map(|(row, is_deleted)| (row.name.as_str(), &row.meta, *is_deleted)).collect();
        assert_eq!(heads, [("b", &None, false)], "whoever asks for heads, and often, is not sent the metadata");
        let page = async |prefix: &str, after: Option<(i64, &str)>, limit| {
            let after_name = after.map(|(_, text)| name(text));
            let after = after.map(|(at_ms, _)| at_ms).zip(after_name.as_ref());
            let rows = store.rooms_by_change(prefix, after, limit).await.expect("rooms");
            rows.into_iter().map(|row| (row.name.to_string(), row.meta)).collect::<Vec<_>>()
        };
        let told = |names: &[&str]| -> Vec<(String, Option<String>)> {
            let meta = |text: &str| (text == "b").then(|| "{\"k\":1}".to_owned());
            names.iter().map(|text| ((*text).to_owned(), meta(text))).collect()
        };
        assert_eq!(page("", None, 10).await, told(&["x", "b", "a", "c"]));
        assert_eq!(page("", None, 2).await, told(&["x", "b"]));
        assert_eq!(page("", Some((7, "b")), 1).await, told(&["a"]));
        assert_eq!(page("", Some((5, "a")), 10).await, told(&["c"]));
        assert_eq!(page("b", None, 10).await, told(&["b"]));
        let id = room(&store, "a").await;
        assert_eq!(store.room_size(id).await, Ok(RoomSize::default()));
        placed(&store, &append(id, vec![edit("abc"), keyed("ada", "k")])).await;
        store.save_snapshot(id, Seq(1), "state".into(), 0).await.expect("it is kept");
        let size = RoomSize { entries: [1, 1, 0, 0], entry_bytes: 8, derived_bytes: 5, versions: 0 };
        assert_eq!(store.room_size(id).await, Ok(size));
    }
}

async fn listed(store: &Store, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let after = after.map(name);
    let rooms = store.rooms(prefix, after.as_ref(), limit).await.expect("the rooms are listed");
    rooms.iter().map(|room| room.name.to_string()).collect()
}
