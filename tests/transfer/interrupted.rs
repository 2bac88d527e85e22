//! An import that is killed half-way.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use tutti::ids::Seq;

use crate::documents::{Typed, write};
use crate::run::{command, rooms, text, tutti};
use crate::support::{Database, contract};

const DOCUMENTS: u64 = 400;

contract! {
    async fn killed_half_way_it_goes_on_and_stores_nothing_twice(db: &Database) {
        let folder = tempdir().unwrap();
        for number in 0..DOCUMENTS {
            write(folder.path(), &format!("in/{number}.yjs"), Typed::new(&[&format!("document {number}")]).state());
        }
        let store = db.store("test").await;
        let mut killed = command(db, folder.path(), &["import", "in"]);
        let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while rooms(&store).await.len() < 20 {
            assert!(started.elapsed() < Duration::from_secs(30), "it imports");
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        let there = rooms(&store).await.iter().filter(|(_, head)| *head == Seq(1)).count() as u64;
        assert!((19..DOCUMENTS).contains(&there), "{there}");

        let said = tutti(db, folder.path(), &["import", "in"]).good();
        // Postgres may have committed one more after its client was gone.
        let skipped = said.count("skipped: already there");
        assert!((there..=there + 1).contains(&skipped), "{skipped} of {there}");
        assert_eq!(said.count("imported"), DOCUMENTS - skipped);
        let rooms = rooms(&store).await;
        assert_eq!(rooms.len() as u64, DOCUMENTS);
        for (room, head) in rooms {
            assert_eq!((head, text(&store, &room).await), (Seq(1), format!("document {room}")));
        }
    }
}
