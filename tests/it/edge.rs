//! What holds at the edge whatever is asked, and the table of it in docs/SECURITY.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::editor::Editor;
use crate::support::frame::{BINARY, CLOSE, TEXT, frame};
use crate::support::http::{get, post_text};
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::socket::{Socket, upgrade};
use crate::support::token::writer;

#[test]
fn rule_31_no_answer_tells_what_is_inside() {
    let server = Server::start();
    let token = writer("ada");
    let odd = ["%00", "%27%3B%20drop%20table", "%2e%2e", "a%2Fb", "%FF", "{}", "*", "9999999999999999999999"];
    let paths =
        ["rooms/X", "rooms/X/history", "rooms/X/document", "rooms/X/presence", "rooms?prefix=X", "rooms?after=X"];
    let parameters = ["", "?after=X", "?limit=X", "?format=X", "?root=X", "?kind=X", "?author=X"];
    let inside = [
        "sqlx",
        "SELECT",
        "select ",
        "src/",
        ".rs:",
        "panicked",
        "sqlite",
        "postgres",
        "/tmp",
        env!("CARGO_MANIFEST_DIR"),
        concat!("tutti/", env!("CARGO_PKG_VERSION")),
        "actix",
    ];
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

    // Nor what sockets say of bytes and texts that make no sense.
    let garbage: [&[u8]; 6] = [
        b"",
        b"\xff\xff\xff\xff\xff",
        b"\x00\x02\x05\xff\xff\xff\xff\xff",
        b"\x04room\x00\x02\x01\xff",
        b"\x01\x05\x01\x01\x01\x02{}",
        b"{\"type\":1}",
    ];
    for path in ["/yjs/room", "/hocuspocus", "/ws"] {
        for (bytes, opcode) in garbage.into_iter().flat_map(|bytes| [(bytes, BINARY), (bytes, TEXT)]) {
            let authorization = format!("Authorization: Bearer {token}");
            let mut socket = Socket::open(server.address, &upgrade(path, &[&authorization]), &[]);
            socket.send(&frame(opcode, bytes));
            socket.send(&frame(CLOSE, &1000u16.to_be_bytes()));
            while let Ok(said) = socket.next() {
                let text = String::from_utf8_lossy(&said.payload);
                for word in inside {
                    assert!(!text.contains(word), "{path} {bytes:x?}: {text}");
                }
            }
        }
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

#[test]
fn rule_34_what_is_depended_on_is_judged_before_it_comes_in_and_no_code_here_is_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    for package in ["Cargo.toml", "fuzz/Cargo.toml"] {
        assert!(read(package).contains("[lints.rust]\nunsafe_code = \"forbid\""), "{package}");
    }

    // What is judged, and how strictly.
    let deny = read("deny.toml");
    for line in [
        "yanked = \"deny\"",
        "wildcards = \"deny\"",
        "unknown-registry = \"deny\"",
        "unknown-git = \"deny\"",
        "all-features = true",
    ] {
        assert!(deny.lines().any(|found| found == line), "deny.toml: {line}");
    }
    let list = |name: &str, end: &str| deny.split_once(name).and_then(|(_, rest)| rest.split_once(end)).unwrap().0;
    // The one that is passed over says why, and the code does nothing that it is about.
    let passed_over: Vec<&str> = list("\nignore = [", "\n]").trim().lines().collect();
    assert!(passed_over.len() == 1 && passed_over[0].contains("\"RUSTSEC-2023-0071\", reason = \""), "{passed_over:?}");
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    for (file, source) in sources(&root.join("src")).into_iter().filter(|(file, _)| !is_test(file)) {
        for what in ["EncodingKey::from_rsa", "RsaPrivateKey"] {
            assert!(!source.contains(what), "{} has {what}", file.display());
        }
    }
    let licences: Vec<&str> = list("\nallow = [", "]").split('"').skip(1).step_by(2).collect();
    let asks_for_its_source =
        |licence: &&str| ["GPL", "MPL", "SSPL", "EUPL", "BUSL"].iter().any(|it| licence.contains(it));
    assert!(licences.contains(&"MIT") && !licences.iter().any(asks_for_its_source), "{licences:?}");
    let banned = list("\ndeny = [", "\n]").split("crate = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let banned: Vec<&str> = banned.collect();
    assert!(banned.contains(&"openssl"), "{banned:?}");
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"].map(read) {
        for name in &banned {
            assert!(!lock.contains(&format!("name = \"{name}\"\n")), "{name}");
        }
        let crates_io = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert!(lock.lines().filter(|line| line.starts_with("source")).all(|source| source == crates_io));
    }

    // And that it is, for each change: a step that fails fails the job.
    let workflow = read(".github/workflows/ci.yml");
    assert!(workflow.contains("  pull_request:\n") && !workflow.contains("continue-on-error"));
    let job = workflow.split_once("\n  supply-chain:\n").unwrap().1;
    let job = job.split_once("\n\n").unwrap().0;
    assert!(job.contains("uses: EmbarkStudios/cargo-deny-action@") && job.contains("command: check\n"), "{job}");
    assert!(job.contains("npm audit --package-lock-only --omit=dev)\n"), "{job}");
    let audited: BTreeSet<&str> =
        job.split_once("for folder in ").unwrap().1.split_once(';').unwrap().0.split(' ').collect();
    let mut shipped = BTreeSet::from(["static".to_owned()]);
    for example in fs::read_dir(root.join("examples")).unwrap().map(Result::unwrap) {
        if example.path().join("package-lock.json").exists() {
            shipped.insert(format!("examples/{}", example.file_name().to_str().unwrap()));
        }
    }
    assert_eq!(audited, shipped.iter().map(String::as_str).collect());
}

/// Every Rust file below `folder`, and what stands in it.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.extend((!path.ends_with("node_modules")).then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                found.push((path, source));
            }
        }
    }
    found
}

/// All tests that are named by a rule, by the rule's number.
fn tests_by_rule() -> BTreeMap<u32, BTreeSet<String>> {
    let mut all: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (_, source) in ["src", "tests"].into_iter().flat_map(|folder| sources(&root.join(folder))) {
        for line in source.lines() {
            let Some(name) = line.trim().strip_prefix("fn ").and_then(|rest| rest.split('(').next()) else { continue };
            let Some(rest) = name.strip_prefix("rule_") else { continue };
            let number = rest.split('_').next().and_then(|number| number.parse().ok()).expect("a rule has a number");
            all.entry(number).or_default().insert(name.to_owned());
        }
    }
    all
}

#[test]
fn each_rule_stands_in_the_table_with_tests_that_there_are() {
    let tests = tests_by_rule();
    let document = include_str!("../../docs/SECURITY.md");
    let settings = include_str!("../../src/config/options.rs");
    let mut rows = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let (Ok(number), [_, _, named, changed_by]) = (cells[0].parse::<u32>(), &cells[..]) {
            rows.insert(number, *named);
            for setting in changed_by.split('`').filter(|name| name.starts_with("TUTTI_")) {
                // One of them, or all that begin so.
                let name = setting.split('=').next().unwrap();
                let option = match name.strip_suffix('…') {
                    Some(beginning) => format!("env = \"{beginning}"),
                    None => format!("env = \"{name}\""),
                };
                assert!(settings.contains(&option), "rule {number}: there is no setting {setting}");
            }
        }
    }
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=41).collect::<Vec<_>>(), "the table has each rule once");
    for (number, named) in rows {
        let named: BTreeSet<String> =
            named.split('`').filter(|name| name.starts_with("rule_")).map(str::to_owned).collect();
        assert!(!named.is_empty(), "rule {number} names no test");
        assert_eq!(
            Some(&named),
            tests.get(&number),
            "rule {number}: the tests that are named, and those that there are"
        );
    }
}
