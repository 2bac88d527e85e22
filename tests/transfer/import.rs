//! Documents into rooms.

use std::fs;

use tempfile::tempdir;
use tutti::ids::Seq;
use tutti::store::EntryKind;

use crate::documents::{Typed, mixed, untouched, write};
use crate::run::{entries, json, rooms, text, tutti};
use crate::support::{Database, contract};

contract! {
    async fn state_files_become_rooms_called_like_their_paths(db: &Database) {
        let folder = tempdir().unwrap();
        let (plan, notes) = (Typed::new(&["the ", "plan"]), Typed::new(&["notes"]));
        write(folder.path(), "old/docs/plan.yjs", plan.state());
        write(folder.path(), "old/notes.2024.bin", notes.state());
        write(folder.path(), "old/any name", mixed());
        write(folder.path(), "old/untouched.yjs", untouched());
        write(folder.path(), "old/plan.txt", "the plan");
        write(folder.path(), "old/.DS_Store", "of the file system");
        write(folder.path(), "old/.dotted.yjs", notes.state());

        let said = tutti(db, folder.path(), &["import", "old", "--prefix", "team/"]).good();
        assert_eq!((said.count("imported"), said.count("skipped: nothing was ever written")), (4, 1));
        assert!(said.out.contains("skipped 2 files"), "{}", said.out);

        let store = db.store("test").await;
        let made = ["team/.dotted", "team/any name", "team/docs/plan", "team/notes.2024"].map(|name| (name.to_owned(), Seq(1)));
        assert_eq!(rooms(&store).await, made);
        assert_eq!(text(&store, "team/docs/plan").await, "the plan");
        assert_eq!(text(&store, "team/notes.2024").await, "notes");
        let mixed = json(&store, "team/any name").await;
        assert_eq!((&mixed["content"], &mixed["page"]), (&"Stück 🎻 für alle".into(), &"<p>in XML</p>".into()));
        let entries = entries(&store, "team/docs/plan").await;
        assert_eq!((entries[0].kind, entries[0].author.as_str()), (EntryKind::Edit, "import"));
    }

    async fn done_again_nothing_is_stored_twice(db: &Database) {
        let folder = tempdir().unwrap();
        write(folder.path(), "a.yjs", Typed::new(&["a"]).state());
        write(folder.path(), "b.yjs", mixed());
        tutti(db, folder.path(), &["import", "a.yjs", "b.yjs"]).good();
        let said = tutti(db, folder.path(), &["import", "a.yjs", "b.yjs"]).good();
        assert_eq!((said.count("imported"), said.count("skipped: already there")), (0, 2));
        let store = db.store("test").await;
        assert_eq!(rooms(&store).await, [("a".to_owned(), Seq(1)), ("b".to_owned(), Seq(1))]);
    }

    async fn a_source_that_has_grown_adds_what_is_new(db: &Database) {
        let folder = tempdir().unwrap();
        let mut document = Typed::new(&["first ", "import"]);
        write(folder.path(), "a.yjs", document.state());
        tutti(db, folder.path(), &["import", "a.yjs"]).good();
        document.type_more(", and the last");
        write(folder.path(), "a.yjs", document.state());
        let said = tutti(db, folder.path(), &["import", "a.yjs"]).good();
        assert_eq!((said.count("imported"), said.count("  merged into rooms that had entries")), (1, 1));
        let store = db.store("test").await;
        assert_eq!(text(&store, "a").await, "first import, and the last");
        let entries = entries(&store, "a").await;
        assert!(entries.len() == 2 && entries[1].body_bytes < document.state().len() as u64 + 10);
    }

    async fn updates_one_behind_another_in_a_file_are_one_document(db: &Database) {
        let folder = tempdir().unwrap();
        let document = Typed::new(&["one ", "after ", "another"]);
        let measured: Vec<u8> =
            document.updates.iter().flat_map(|update| [&[update.len() as u8][..], update].concat()).collect();
        write(folder.path(), "log/adjoining.log", document.updates.concat());
        write(folder.path(), "log/measured.log", measured);
        write(folder.path(), "log/state.log", document.state());
        tutti(db, folder.path(), &["import", "log", "--from", "update-files"]).good();
        let store = db.store("test").await;
        for room in ["adjoining", "measured", "state"] {
            assert_eq!(text(&store, room).await, document.text(), "{room}");
            assert_eq!(entries(&store, room).await.len(), 1);
        }
    }

    async fn updates_in_a_folder_are_one_document_whatever_their_order(db: &Database) {
        let folder = tempdir().unwrap();
        let words: Vec<String> = (0..25).map(|number| format!("{number} ")).collect();
        let document = Typed::new(&words.iter().map(String::as_str).collect::<Vec<_>>());
        for (number, update) in document.updates.iter().enumerate() {
            // 1, 10, 11, 2: not the order in which they were made.
            write(folder.path(), &format!("updates/docs/plan/{number}.bin"), update);
        }
        write(folder.path(), "updates/docs/other/1", Typed::new(&["other"]).state());
        let said = tutti(db, folder.path(), &["import", "updates", "--from", "update-folders"]).good();
        assert_eq!(said.count("imported"), 2);
        let store = db.store("test").await;
        assert_eq!(text(&store, "docs/plan").await, document.text());
        assert_eq!(text(&store, "docs/other").await, "other");
    }

    async fn a_hocuspocus_database_is_known_by_its_looks_and_left_as_it_is(db: &Database) {
        let folder = tempdir().unwrap();
        let file = folder.path().join("hocuspocus.sqlite");
        let foreign = format!("sqlite://{}?mode=rwc", file.display());
        let (plan, mixed) = (Typed::new(&["plan"]).state(), mixed());
        let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&foreign).await.unwrap();
        let table = "create table documents (name varchar(255) not null, data blob not null, unique (name))";
        sqlx::query(table).execute(&mut connection).await.unwrap();
        for (name, data) in [("docs/plan", &plan), ("mixed", &mixed), ("untouched", &untouched())] {
            let insert = sqlx::query("insert into documents values ($1, $2)").bind(name).bind(data);
            insert.execute(&mut connection).await.unwrap();
        }
        sqlx::Connection::close(connection).await.unwrap();
        let before = fs::read(&file).unwrap();
        let said = tutti(db, folder.path(), &["import", "hocuspocus.sqlite"]).good();
        assert_eq!((said.count("imported"), said.count("skipped: nothing was ever written")), (2, 1));
        assert_eq!(fs::read(&file).unwrap(), before);
        let store = db.store("test").await;
        assert_eq!(text(&store, "docs/plan").await, "plan");
        assert_eq!(json(&store, "mixed").await["meta"]["title"], "Plan");
    }

    async fn a_large_document_gets_a_snapshot_and_a_small_one_does_not(db: &Database) {
        let folder = tempdir().unwrap();
        write(folder.path(), "large.yjs", Typed::new(&[&"large ".repeat(50_000)]).state());
        write(folder.path(), "small.yjs", Typed::new(&["small"]).state());
        tutti(db, folder.path(), &["import", "."]).good();
        let store = db.store("test").await;
        for (room, seq) in [("large", Some(Seq(1))), ("small", None)] {
            let loaded = store.load(&crate::support::name(room)).await.unwrap().unwrap();
            assert_eq!(loaded.snapshot.map(|(seq, _)| seq), seq, "{room}");
        }
        assert_eq!(text(&store, "large").await.len(), 300_000);
    }

    async fn a_dry_run_says_what_would_be_and_stores_nothing(db: &Database) {
        let folder = tempdir().unwrap();
        write(folder.path(), "in/a.yjs", Typed::new(&["a"]).state());
        write(folder.path(), "in/b.yjs", b"no document");
        let said = tutti(db, folder.path(), &["import", "in", "--dry-run"]).short_of(1);
        assert_eq!((said.count("would be imported"), said.count("refused")), (1, 1));
        // Not even tables; an SQLite file would have to be there to be looked at.
        if let Some(file) = db.url.strip_prefix("sqlite://") {
            assert!(!fs::exists(file).unwrap());
        }
        let store = db.store("test").await;
        assert_eq!(rooms(&store).await, []);
        drop(store);
        tutti(db, folder.path(), &["import", "in/a.yjs"]).good();
        let said = tutti(db, folder.path(), &["import", "in", "--dry-run"]).short_of(1);
        assert_eq!((said.count("would be imported"), said.count("skipped: already there")), (0, 1));
    }
}
