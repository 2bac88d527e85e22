//! Rooms into files, and back.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;
use tutti::ids::{Seq, UserId};
use tutti::store::{EntryKind, NewEntry};

use crate::documents::{Typed, mixed, write};
use crate::run::{document, entries, json, past, rooms, tutti};
use crate::support::{
    Database, another_postgres, another_sqlite, append, contract, edit, entry, keyed, on_sqlite, placed, room,
};

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

fn lines(folder: &Path, file: &str) -> Vec<Value> {
    read(folder, file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

contract! {
    async fn what_is_exported_and_imported_again_is_the_same(db: &Database) {
        let folder = tempdir().unwrap();
        write(folder.path(), "in/docs/a.yjs", Typed::new(&["a ", "b ", "c"]).state());
        write(folder.path(), "in/docs/a/deeper.yjs", mixed());
        tutti(db, folder.path(), &["import", "in"]).good();
        let said = tutti(db, folder.path(), &["export", "*", "--to", "out"]).good();
        assert_eq!((said.count("written"), said.count("  of these without a text")), (2, 1));
        assert_eq!(read(folder.path(), "out/docs/a.txt"), "a b c");
        assert_eq!(lines(folder.path(), "out/docs/a.json"), [serde_json::json!({"content": "a b c"})]);

        let again = ["import", "out", "--prefix", "again/"];
        let said = tutti(db, folder.path(), &again).good();
        assert_eq!(said.count("imported"), 2);
        let store = db.store("test").await;
        for room in ["docs/a", "docs/a/deeper"] {
            let copy = format!("again/{room}");
            assert_eq!(json(&store, &copy).await, json(&store, room).await);
            assert_eq!(document(&store, &copy).await.state(), document(&store, room).await.state());
        }
    }

    async fn the_timeline_has_every_entry_of_every_kind(db: &Database) {
        let folder = tempdir().unwrap();
        let store = db.store("test").await;
        let chat = room(&store, "chat").await;
        let event = entry(EntryKind::Event, "cyd", "{\"name\":\n\"done\"}");
        let mut body = edit("");
        body.body = Typed::new(&["typed"]).state().into();
        placed(&store, &append(chat, vec![body, keyed("bob", "k1"), event, entry(EntryKind::Step, "ada", "no json")])).await;
        let many: Vec<_> = (0..1500).map(|_| entry(EntryKind::Message, "bob", "\"again\"")).collect();
        placed(&store, &append(chat, many)).await;

        tutti(db, folder.path(), &["export", "chat", "--to", "out", "--format", "timeline"]).good();
        let lines = lines(folder.path(), "out/chat.jsonl");
        let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (1..=1504).collect::<Vec<_>>());
        let kinds: Vec<&str> = lines[..4].iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["edit", "message", "event", "step"]);
        assert_eq!(lines[1]["author"], "bob");
        assert_eq!((&lines[1]["key"], lines[1].get("body")), (&"k1".into(), None));
        assert_eq!(lines[2]["body"], serde_json::json!({"name": "done"}));
        assert!(lines[0]["base64"].is_string() && lines[3]["base64"].is_string());
        assert!(!fs::exists(folder.path().join("out/chat.yjs")).unwrap());
        assert_eq!(entries(&store, "chat").await.len(), 1504);
    }

    async fn a_room_with_messages_only_has_a_timeline_and_no_document(db: &Database) {
        let folder = tempdir().unwrap();
        let store = db.store("test").await;
        let chat = room(&store, "chat").await;
        placed(&store, &append(chat, vec![entry(EntryKind::Message, "bob", "\"hello\"")])).await;
        tutti(db, folder.path(), &["export", "chat", "--to", "out"]).good();
        let mut files: Vec<_> = fs::read_dir(folder.path().join("out")).unwrap().map(|f| f.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["chat.jsonl", "rooms+seqs.jsonl"]);
    }

    async fn done_again_only_what_has_changed_is_written(db: &Database) {
        let folder = tempdir().unwrap();
        let mut grown = Typed::new(&["first"]);
        write(folder.path(), "in/a.yjs", grown.state());
        write(folder.path(), "in/b.yjs", mixed());
        tutti(db, folder.path(), &["import", "in"]).good();
        tutti(db, folder.path(), &["export", "*", "--to", "out"]).good();
        grown.type_more(" and last");
        write(folder.path(), "in/a.yjs", grown.state());
        tutti(db, folder.path(), &["import", "in"]).good();
        let said = tutti(db, folder.path(), &["export", "*", "--to", "out"]).good();
        assert_eq!((said.count("written"), said.count("skipped: unchanged since")), (1, 1));
        assert_eq!(read(folder.path(), "out/a.txt"), "first and last");
        let said = tutti(db, folder.path(), &["export", "*", "--to", "out", "--root", "content"]).good();
        assert_eq!((said.count("written"), said.count("  of these without a text")), (2, 0));
        assert_eq!(read(folder.path(), "out/b.txt"), "Stück 🎻 für alle");
    }

    async fn trap_22_what_is_packed_is_exported_as_before_and_imported_again(db: &Database) {
        let folder = tempdir().unwrap();
        let store = db.store("test").await;
        let plan = room(&store, "plan").await;
        let mut typed = Typed::new(&[]);
        (0..300).for_each(|word| typed.type_more(&format!("{word} ")));
        let by = |n: usize| if n < 100 { "ada" } else { "bob" };
        let typed_edit = |(n, body): (usize, &Vec<u8>)| NewEntry {
            author: UserId::new(by(n)),
            body: body.clone().into(),
            ..edit("")
        };
        let mut all: Vec<NewEntry> = typed.updates.iter().enumerate().map(typed_edit).collect();
        all.insert(200, keyed("cyd", "k1"));
        placed(&store, &append(plan, all)).await;
        let was = entries(&store, "plan").await;
        tutti(db, folder.path(), &["export", "plan", "--to", "before"]).good();

        while store.pack_next(plan, i64::MAX).await.unwrap().is_more {}
        assert_eq!(db.blobs("select body from pack").await.len(), 1);
        assert_eq!(db.blobs("select body from entry").await.len(), 1, "the message is a row still");
        assert_eq!(entries(&store, "plan").await, was);
        tutti(db, folder.path(), &["export", "plan", "--to", "after"]).good();
        for file in ["plan.yjs", "plan.txt", "plan.json", "plan.jsonl"] {
            let [before, after] = ["before", "after"].map(|to| fs::read(folder.path().join(to).join(file)).unwrap());
            assert!(before == after && !before.is_empty(), "{file}");
        }
        assert_eq!((read(folder.path(), "after/plan.txt"), lines(folder.path(), "after/plan.jsonl").len()), (typed.text(), 301));

        // Into a database of each kind; on one without Postgres, of the one kind.
        let mut others = vec![another_sqlite()];
        if !db.is_sqlite() {
            others.push(another_postgres().await);
        }
        for other in others {
            tutti(&other, folder.path(), &["import", "after"]).good();
            let copy = other.store("test").await;
            assert_eq!(document(&copy, "plan").await.state(), document(&store, "plan").await.state());
            // Its history is of what was imported, with the same text at its end.
            let [own, first] = [past(&copy, "plan").await, past(&store, "plan").await];
            assert_eq!((own.last(), own.len()), (first.last(), 2));
            tutti(&other, folder.path(), &["export", "plan", "--to", "again", "--format", "yjs"]).good();
            assert!(fs::read(folder.path().join("again/plan.yjs")).unwrap() == fs::read(folder.path().join("before/plan.yjs")).unwrap());
            fs::remove_dir_all(folder.path().join("again")).unwrap();
        }
        // And every state of the one that is packed is told.
        let states = past(&store, "plan").await;
        assert_eq!((states.len(), states[1].as_str(), states[3].as_str()), (302, "0 ", "0 1 2 "));
        assert_eq!((&states[200], &states[301]), (&states[201], &typed.text()));
    }

    async fn patterns_choose_the_rooms_and_each_is_written_once(db: &Database) {
        let folder = tempdir().unwrap();
        for name in ["docs/a", "docs/b/c", "notes/a", "other"] {
            write(folder.path(), &format!("in/{name}.yjs"), Typed::new(&[name]).state());
        }
        tutti(db, folder.path(), &["import", "in"]).good();
        let said = tutti(db, folder.path(), &["export", "docs/*", "*/a", "--to", "out", "--format", "text"]);
        assert_eq!(said.good().count("written"), 3);
        assert_eq!(read(folder.path(), "out/docs/b/c.txt"), "docs/b/c");
        assert_eq!(read(folder.path(), "out/notes/a.txt"), "notes/a");
        assert!(!fs::exists(folder.path().join("out/other.txt")).unwrap());
        assert_eq!(rooms(&db.store("test").await).await.len(), 4);
    }
}

/// The folder has a file of its own beside those of the rooms.
#[test]
fn a_room_called_rooms_is_a_room_like_any_other() {
    on_sqlite(async |db: &Database| {
        let folder = tempdir().unwrap();
        for name in ["a", "rooms", "rooms.jsonl/b"] {
            write(folder.path(), &format!("in/{name}.yjs"), Typed::new(&[name]).state());
        }
        tutti(db, folder.path(), &["import", "in"]).good();
        let to_states = ["export", "*", "--to", "out", "--format", "yjs"];
        assert_eq!(tutti(db, folder.path(), &to_states).good().count("written"), 3);
        assert_eq!(tutti(db, folder.path(), &to_states).good().count("skipped: unchanged since"), 3);
        tutti(db, folder.path(), &["export", "rooms", "--to", "lines"]).good();
        tutti(db, folder.path(), &["export", "a", "--to", "lines"]).good();
        assert_eq!(read(folder.path(), "lines/rooms.jsonl").lines().count(), 1);
        assert_eq!(tutti(db, folder.path(), &["export", "rooms", "--to", "lines"]).good().count("written"), 0);
    });
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    on_sqlite(async |db: &Database| {
        let folder = tempdir().unwrap();
        write(folder.path(), "in/a.yjs", Typed::new(&["a"]).state());
        tutti(db, folder.path(), &["import", "in"]).good();
        let said = tutti(db, folder.path(), &["export", "*", "--to", "in/a.yjs"]);
        assert!(said.code == 1 && said.complaints.contains("in/a.yjs"), "{}", said.complaints);
    });
}

/// A room's file may need a name that another room's folder has.
#[test]
fn a_room_that_cannot_be_written_is_named_and_the_others_are_written() {
    on_sqlite(async |db: &Database| {
        let folder = tempdir().unwrap();
        write(folder.path(), "in/a.yjs", Typed::new(&["a"]).state());
        write(folder.path(), "in/b.yjs", Typed::new(&["b"]).state());
        tutti(db, folder.path(), &["import", "in"]).good();
        fs::create_dir_all(folder.path().join("out/a.yjs/b")).unwrap();
        let said = tutti(db, folder.path(), &["export", "*", "--to", "out"]).short_of(1);
        assert!(said.line("failed", "a").contains("out/a.yjs"), "{}", said.out);
        assert_eq!(read(folder.path(), "out/b.txt"), "b");
        assert_eq!(rooms(&db.store("test").await).await[0], ("a".to_owned(), Seq(1)));
    });
}

#[test]
fn without_a_database_or_with_a_pattern_that_fits_no_room_nothing_is_written() {
    on_sqlite(async |db: &Database| {
        let folder = tempdir().unwrap();
        let said = tutti(db, folder.path(), &["export", "*", "--to", "out"]);
        assert!(said.code == 1 && said.complaints.contains("there is no file /"), "{}", said.complaints);
        let said = tutti(db, folder.path(), &["export", "a+*", "--to", "out"]);
        assert!(said.code == 1 && said.complaints.contains("room pattern"), "{}", said.complaints);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_pattern_that_matches_no_room_is_named_and_fails_and_the_others_are_written() {
    on_sqlite(async |db: &Database| {
        let folder = tempdir().unwrap();
        write(folder.path(), "in/docs/a.yjs", Typed::new(&["a"]).state());
        tutti(db, folder.path(), &["import", "in"]).good();
        let said =
            tutti(db, folder.path(), &["export", "docs/*", "dcos/*", "docs/a", "--to", "out", "--format", "text"]);
        assert_eq!((said.code, read(folder.path(), "out/docs/a.txt").as_str()), (1, "a"));
        assert!(said.out.contains("no room matches \"dcos/*\""), "{}", said.out);
        assert!(said.complaints.contains("1 pattern(s) matched no room"), "{}", said.complaints);
        // One whose rooms another pattern has written has matched.
        tutti(db, folder.path(), &["export", "docs/*", "docs/a", "--to", "out"]).good();
    });
}
