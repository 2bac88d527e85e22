//! What is not imported, and what is said of it.

use std::fs;

use tempfile::tempdir;
use tutti::ids::Seq;

use crate::documents::{Typed, write};
use crate::run::{rooms, text, tutti};
use crate::support::{Database, contract, on_sqlite};

contract! {
    async fn a_bad_document_is_refused_with_its_reason_and_the_others_are_imported(db: &Database) {
        let folder = tempdir().unwrap();
        let document = Typed::new(&["good ", "and ", "whole"]);
        write(folder.path(), "in/good.yjs", document.state());
        write(folder.path(), "in/garbage.yjs", b"\x05garbage");
        write(folder.path(), "in/v2.yjs", document.state_v2());
        write(folder.path(), "in/cut.yjs", &document.state()[..20]);
        write(folder.path(), "in/second-half.yjs", &document.updates[2]);
        write(folder.path(), "in/large.yjs", Typed::new(&[&"x".repeat(5000)]).state());
        write(folder.path(), "in/nothing.yjs", b"");
        write(folder.path(), "in/tutti/stats.yjs", document.state());
        let arguments = ["import", "in", "--document-bytes-max", "4096"];
        let said = tutti(db, folder.path(), &arguments).short_of(7);
        assert_eq!((said.count("imported"), said.count("refused")), (1, 7));
        for (name, reason) in [
            ("garbage", "this is not a Yjs update"),
            ("v2", "v2 encoding"),
            ("cut", "this is not a Yjs update"),
            ("second-half", "build on others that the source lacks"),
            ("large", "--document-bytes-max"),
            ("nothing", "the file is empty"),
            ("tutti/stats", "the server's own"),
        ] {
            let line = said.line("refused", name);
            assert!(line.contains(reason) && line.contains(&format!("in/{name}.yjs")), "{line}");
        }
        let store = db.store("test").await;
        assert_eq!(rooms(&store).await, [("good".to_owned(), Seq(1))]);
    }

    async fn a_name_that_no_room_can_have_is_refused_or_encoded_if_asked(db: &Database) {
        let folder = tempdir().unwrap();
        // As some file systems decompose it.
        write(folder.path(), "in/U\u{308}bersicht.yjs", Typed::new(&["a"]).state());
        write(folder.path(), "in/a+b.yjs", Typed::new(&["b"]).state());
        write(folder.path(), "in/plain.yjs", Typed::new(&["c"]).state());
        write(folder.path(), "in/会議/Übersicht.yjs", Typed::new(&["d"]).state());
        let said = tutti(db, folder.path(), &["import", "in"]).short_of(2);
        assert!(said.line("refused", "a+b").contains("--rename"));
        assert!(said.line("refused", "U\u{308}bersicht").contains("normalization form C"), "{}", said.out);
        let said = tutti(db, folder.path(), &["import", "in", "--rename"]).good();
        assert!(said.line("renamed", "a+b").ends_with(" to a~2Bb"), "{}", said.out);
        let store = db.store("test").await;
        assert_eq!(text(&store, "U~CC~88bersicht").await, "a");
        assert_eq!(text(&store, "a~2Bb").await, "b");
        assert_eq!(text(&store, "会議/Übersicht").await, "d");
        assert_eq!(text(&store, "plain").await, "c");
    }

    async fn two_documents_of_one_name_are_not_merged(db: &Database) {
        let folder = tempdir().unwrap();
        write(folder.path(), "in/a.bin", Typed::new(&["first"]).state());
        write(folder.path(), "in/a.yjs", Typed::new(&["second"]).state());
        let said = tutti(db, folder.path(), &["import", "in"]).short_of(1);
        assert!(said.line("refused", "a").contains("in/a.yjs"), "{}", said.out);
        assert_eq!(text(&db.store("test").await, "a").await, "first");
    }
}

/// A folder of something else: a few are named, the rest is not tried, and no database is made for them.
#[test]
fn where_nothing_is_a_yjs_document_the_import_ends_early_and_makes_no_tables() {
    on_sqlite(async |db: &Database| {
        let folder = tempdir().unwrap();
        for number in 0..40 {
            write(folder.path(), &format!("in/photo-{number:02}.bin"), b"\x89PNG\r\n\x1a\n with nothing of Yjs in it");
        }
        let said = tutti(db, folder.path(), &["import", "in"]);
        assert_eq!((said.code, said.out.matches("this is not a Yjs update").count()), (1, 20), "{}", said.out);
        assert!(said.complaints.contains("is this the right source"), "{}", said.complaints);
        let said = tutti(db, folder.path(), &["export", "*", "--to", "out"]);
        assert!(said.code == 1 && said.complaints.contains("there is no file"), "{}", said.complaints);
        // With one good document among them, all the others are named.
        write(folder.path(), "in/a-good-one.bin", Typed::new(&["good"]).state());
        let said = tutti(db, folder.path(), &["import", "in"]).short_of(40);
        assert_eq!((said.count("imported"), said.count("refused")), (1, 40));
    });
}

/// What is wrong with the whole is said before anything is imported.
#[test]
fn a_source_or_prefix_that_cannot_be_is_named() {
    on_sqlite(async |db: &Database| {
        let folder = tempdir().unwrap();
        write(folder.path(), "notes.txt", "no database");
        write(folder.path(), "broken/CURRENT", "MANIFEST-000001\n");
        write(folder.path(), "texts/notes.txt", "no document");
        let hocuspocus = ["--from", "hocuspocus-sqlite"];
        for (source, from, reason) in [
            ("nowhere", &[][..], "No such file"),
            ("nowhere", &hocuspocus, "No such file"),
            ("notes.txt", &hocuspocus, "not a database"),
            ("texts", &hocuspocus, "it is a folder"),
            ("broken", &[], "MANIFEST"),
            ("texts", &["--from", "y-leveldb"], "it has no file CURRENT"),
            ("texts", &[], "it holds no document; skipped 1 file"),
            ("texts", &["--from", "y-sweet"], "it holds no document; skipped 1 file"),
        ] {
            let said = tutti(db, folder.path(), &[&["import", source], from].concat());
            let is_said = said.complaints.contains(source) && said.complaints.contains(reason);
            assert!(said.code == 1 && is_said, "{source} {from:?}: {}", said.complaints);
            assert_eq!(said.out, "");
        }
        let said = tutti(db, folder.path(), &["import", "notes.txt", "--prefix", "/"]);
        assert!(said.code == 2 && said.complaints.contains("--prefix"), "{}", said.complaints);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    });
}
