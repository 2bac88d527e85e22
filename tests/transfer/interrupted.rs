//! An import that is killed half-way.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use tutti::ids::Seq;
use tutti::store::Store;

use crate::documents::{Typed, write};
use crate::run::{command, rooms_below, text, tutti};
use crate::support::{Database, contract};

const DOCUMENTS: u64 = 400;

/// How often an import may be over before it is killed.
const ATTEMPTS: u32 = 20;

contract! {
    async fn killed_half_way_it_goes_on_and_stores_nothing_twice(db: &Database) {
        let folder = tempdir().unwrap();
        for number in 0..DOCUMENTS {
            write(folder.path(), &format!("in/{number}.yjs"), Typed::new(&[&format!("document {number}")]).state());
        }
        let store = db.store("test").await;
        let mut attempts = (0..ATTEMPTS).map(|attempt| format!("attempt-{attempt}/"));
        let (prefix, there) = loop {
            let prefix = attempts.next().expect("an import is killed before its end");
            let there = killed(db, folder.path(), &store, &prefix).await;
            if there < DOCUMENTS {
                break (prefix, there);
            }
        };
        assert!(there >= 19, "{there}");

        let said = tutti(db, folder.path(), &["import", "in", "--prefix", &prefix]).good();
        // Postgres may have committed one more after its client was gone.
        let skipped = said.count("skipped: already there");
        assert!((there..=there + 1).contains(&skipped), "{skipped} of {there}");
        assert_eq!(said.count("imported"), DOCUMENTS - skipped);
        let rooms = rooms_below(&store, &prefix).await;
        assert_eq!(rooms.len() as u64, DOCUMENTS);
        for (room, head) in rooms {
            let document = format!("document {}", room.trim_start_matches(&prefix));
            assert_eq!((head, text(&store, &room).await), (Seq(1), document));
        }
    }
}

/// Kills an import once it has made some rooms below `prefix`; how many it has filled.
async fn killed(db: &Database, folder: &Path, store: &Store, prefix: &str) -> u64 {
    let mut import = command(db, folder, &["import", "in", "--prefix", prefix]);
    let mut import = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while rooms_below(store, prefix).await.len() < 20 {
        assert!(started.elapsed() < Duration::from_secs(120), "it imports");
    }
    import.kill().unwrap();
    import.wait().unwrap();
    rooms_below(store, prefix).await.iter().filter(|(_, head)| *head == Seq(1)).count() as u64
}
