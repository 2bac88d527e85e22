//! Old edits that several servers pack.

use std::process::Command;

use super::{By, Servers};
use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::http::get;
use crate::support::token::writer;

/// Longer than the shortest lease to pack, in milliseconds.
const LEASE_MS: i64 = 500;

fn signal(servers: &Servers, index: usize, signal: &str) {
    let id = servers.id(index).to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

#[test]
fn a_server_that_stands_still_for_longer_than_its_lease_and_goes_on_packs_nothing_twice() {
    let servers = Servers::with(By::Postgres, "packing_stopped", 2, &["--compact-after", "1s"]);
    let mut editors = [0, 1].map(|index| Editor::join(servers.at(index), "plan", &writer("ada"), index as u64 + 1));
    let lease = || servers.database.number("select until from packing_lease");
    let mut typed = 0;
    for round in 0..6 {
        let (stopped, running) = (round % 2, 1 - round % 2);
        signal(&servers, stopped, "-STOP");
        let before = lease();
        // Until the other one has the lease; or not, if this one was stopped while it held the row.
        for _ in 0..150 {
            editors[running].saves("x");
            typed += 1;
            if lease() > before + LEASE_MS {
                break;
            }
        }
        signal(&servers, stopped, "-CONT");
        let text = "x".repeat(typed);
        editors[stopped].until_text(&text);
    }
    let rows = || servers.database.number("select count(*) from entry where kind = 1");
    eventually("all edits are packed", || (rows() == 0).then_some(()));
    let sum = "select cast(coalesce(sum(entries), 0) as bigint) from pack_user";
    assert_eq!(servers.database.number(sum), typed as i64);
    for index in [0, 1] {
        let path = "/api/v1/rooms/plan/history?limit=1000";
        let told = get(servers.at(index), path, Some(&writer("eve"))).json();
        let seqs: Vec<u64> =
            told["entries"].as_array().unwrap().iter().filter_map(|entry| entry["seq"].as_u64()).collect();
        assert_eq!(seqs, (1..=typed as u64).collect::<Vec<_>>());
        let past = format!("/api/v1/rooms/plan/document?format=text&at={}", typed / 2);
        assert_eq!(get(servers.at(index), &past, Some(&writer("eve"))).text(), "x".repeat(typed / 2));
    }
}
