//! A store of y-sweet; `testdata/` says how it was made.

use std::path::Path;

use crate::documents::write;
use crate::run::{rooms, text, tutti};
use crate::support::{Database, contract};

contract! {
    async fn the_documents_of_y_sweet_become_rooms_called_like_their_folders(db: &Database) {
        let folder = tempfile::tempdir().unwrap();
        let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transfer/testdata/y-sweet");
        let said = tutti(db, folder.path(), &["import", store.to_str().unwrap()]).good();
        assert_eq!((said.count("imported"), said.count("skipped: nothing was ever written")), (2, 1));
        let store = db.store("test").await;
        for room in ["merged", "with-updates"] {
            assert_eq!(text(&store, room).await, "into y-sweet, änd 🎻");
        }
        assert_eq!(rooms(&store).await.len(), 2);
    }

    async fn a_file_that_is_none_of_y_sweets_is_refused(db: &Database) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "in/a/data.ysweet", b"garbage");
        write(folder.path(), "in/b/data.ysweet", u64::MAX.to_le_bytes());
        write(folder.path(), "in/c/data.ysweet", [1u64.to_le_bytes(), 0u64.to_le_bytes(), 0u64.to_le_bytes()].concat());
        let said = tutti(db, folder.path(), &["import", "in"]).short_of(3);
        for (name, reason) in [("a", "too early"), ("b", "too early"), ("c", "no document")] {
            assert!(said.line("refused", name).contains(reason), "{}", said.out);
        }
        assert_eq!(rooms(&db.store("test").await).await.len(), 0);
    }
}
