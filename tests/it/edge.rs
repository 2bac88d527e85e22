//! What holds at the edge whatever is asked, and the table of it in docs/SECURITY.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::editor::Editor;
use crate::support::http::{get, post_text};
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::token::writer;

#[test]
fn rule_31_no_answer_tells_what_is_inside() {
    let server = Server::start();
    let token = writer("ada");
    let odd = ["%00", "%27%3B%20drop%20table", "%2e%2e", "a%2Fb", "%FF", "{}", "*", "9999999999999999999999"];
    let paths =
        ["rooms/X", "rooms/X/history", "rooms/X/document", "rooms/X/presence", "rooms?prefix=X", "rooms?after=X"];
    let parameters = ["", "?after=X", "?limit=X", "?format=X", "?root=X", "?kind=X", "?author=X"];
    let inside = ["sqlx", "SELECT", "select ", "src/", ".rs:", "panicked", "sqlite", "postgres", "/work", "/tmp"];
    let mut answers = Vec::new();
    for odd in odd {
        for path in paths {
            for parameter in parameters.iter().filter(|parameter| parameter.is_empty() || !path.contains('?')) {
                let path = format!("/api/v1/{path}{parameter}").replace('X', odd);
                answers.push((path.clone(), get(server.address, &path, Some(&token))));
            }
        }
        for path in ["/api/v1/rooms/room/messages", "/api/v1/rooms/room/document", "/api/v1/revocations", "/demo/token"]
        {
            answers.push((format!("{path} {odd}"), post_text(server.address, path, Some(&token), odd)));
        }
    }
    for (what, answer) in answers {
        assert!(answer.status < 500, "{what}: {answer:?}");
        let text = String::from_utf8_lossy(&answer.body);
        for word in inside {
            assert!(!text.contains(word), "{what}: {text}");
        }
        assert_eq!((answer.header("server"), answer.header("x-powered-by")), (None, None), "{what}");
    }
}

#[test]
fn rule_32_metrics_are_elsewhere_and_as_many_whatever_the_rooms_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--metrics-bind", "127.0.0.1:0"]);
    let metrics = process.metrics_address();
    let series = || {
        let text = get(metrics, "/metrics", None);
        text.text()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let before = series();
    for number in 0..50 {
        Editor::join(process.address, &format!("room-{number}"), &writer(&format!("user-{number}")), 1).saves("x");
    }
    assert_eq!(series(), before);
    assert_eq!(get(process.address, "/metrics", Some(&writer("ada"))).status, 404);
}

/// All tests that are named by a rule, by the rule's number.
fn tests_by_rule() -> BTreeMap<u32, BTreeSet<String>> {
    let mut all: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                for line in fs::read_to_string(&path).unwrap().lines() {
                    let Some(name) = line.trim().strip_prefix("fn ").and_then(|rest| rest.split('(').next()) else {
                        continue;
                    };
                    let Some(rest) = name.strip_prefix("rule_") else { continue };
                    let number =
                        rest.split('_').next().and_then(|number| number.parse().ok()).expect("a rule has a number");
                    all.entry(number).or_default().insert(name.to_owned());
                }
            }
        }
    }
    all
}

#[test]
fn each_rule_stands_in_the_table_with_tests_that_there_are() {
    let tests = tests_by_rule();
    let document = include_str!("../../docs/SECURITY.md");
    let mut rows = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let (Ok(number), [_, _, named, _]) = (cells[0].parse::<u32>(), &cells[..]) {
            rows.insert(number, *named);
        }
    }
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=41).collect::<Vec<_>>(), "the table has each rule once");
    for (number, named) in rows {
        let named: Vec<&str> = named.split('`').filter(|name| name.starts_with("rule_")).collect();
        // What is no matter of a test says so.
        assert!(!named.is_empty() || number == 34, "rule {number} names no test");
        for name in named {
            let known = tests.get(&number).is_some_and(|tests| tests.contains(name));
            assert!(known, "rule {number}: there is no test {name}");
        }
    }
}
