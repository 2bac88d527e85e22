//! Erasing: what was written is nowhere any more, and nobody brings it back; all else is as it was.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tutti::document::{ErasedUnits, IdRange};
use tutti::history::Erasure;
use tutti::ids::{RoomName, UserId};
use tutti::store::{BegunErasure, Store, StoreSettings};
use yrs::{Doc, Text, Transact};

use crate::support::database::{Lock, execute, number};
use crate::support::editor::{Editor, ROOT, deleted_at};
use crate::support::eventually;
use crate::support::http::{Answer, ask, get, post_json};
use crate::support::json::Client;
use crate::support::message;
use crate::support::process::Process;
use crate::support::server::{Server, database_url};
use crate::support::token::{token, writer};

const PLAN: &str = "/api/v1/rooms/plan";
/// What bob has said, and nobody is to read again.
const SECRET: &str = "xylophone";
const BOBS: &str = r#"{"content":{"user":"bob"}}"#;

fn admin() -> String {
    token("root", &["*=admin"])
}

fn erase(address: SocketAddr, body: &Value) -> Answer {
    post_json(address, &format!("{PLAN}/erase"), Some(&admin()), body)
}

fn erase_bobs(address: SocketAddr) -> Value {
    let answer = erase(address, &json!({ "content": { "user": "bob" }, "dryRun": false }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn told(address: SocketAddr, path: &str) -> Answer {
    get(address, &format!("{PLAN}{path}"), Some(&writer("carol")))
}

fn text(address: SocketAddr, at: &str) -> String {
    told(address, &format!("/document?format=text{at}")).text().to_owned()
}

fn says(address: SocketAddr, user: &str, body: &Value) -> u64 {
    let answer = post_json(address, &format!("{PLAN}/messages"), Some(&writer(user)), body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["seq"].as_u64().unwrap()
}

/// Who is in a room that something was erased of comes back, with what was there before.
fn back(address: SocketAddr, mut editor: Editor, user: &str) -> Editor {
    editor.socket.closed();
    Editor::join_with(address, "plan", &writer(user), editor.leave())
}

/// Alice's `one `, bob's secret twice, of which alice deletes the first, her `two`, and what both have said: nine entries.
fn with_words(address: SocketAddr) -> (Editor, Editor) {
    let mut alice = Editor::join(address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut bob = Editor::join(address, "plan", &writer("bob"), 2);
    bob.until_text("one ");
    bob.saves(&format!("{SECRET} "));
    bob.saves(&format!("{SECRET}😀 "));
    alice.until_text(&format!("one {SECRET} {SECRET}😀 "));
    alice.socket.say(&message::update(&deleted_at(&alice.doc, 4, SECRET.len() as u32 + 1)));
    alice.barrier();
    bob.until_text(&format!("one {SECRET}😀 "));
    alice.saves("two");
    bob.until_text(&format!("one {SECRET}😀 two"));
    says(address, "bob", &json!({ "text": SECRET, "payload": { "word": SECRET } }));
    says(address, "alice", &json!({ "text": "hello" }));
    let thread = json!({ "type": "comment.created", "payload": { "text": SECRET, "quote": SECRET } });
    let thread = says(address, "bob", &thread);
    says(address, "alice", &json!({ "type": "comment.replied", "payload": { "thread": thread, "text": "reply" } }));
    (alice, bob)
}

/// The entries as a client is told them, edits with their bytes.
fn entries(address: SocketAddr) -> Vec<Value> {
    let head = told(address, "").json()["seq"].as_u64().unwrap();
    let mut client = Client::enter(address, &writer("carol"));
    client.say(json!({ "type": "room.join", "room": "plan", "edits": true, "since": 0 }));
    let mut entries = Vec::new();
    while entries.len() < head as usize {
        let next = client.next();
        assert_ne!(next["type"], "error", "{next}");
        if next["seq"].is_u64() && next["user"].is_string() {
            entries.push(next);
        }
    }
    entries
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// That nothing of a word is in the database's files, or told by anybody.
fn is_nowhere(address: SocketAddr, folder: &Path, word: &str) {
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with("tutti.db") || !has(&std::fs::read(&file).unwrap(), word), "{name}");
    }
    for entry in entries(address) {
        assert!(!entry.to_string().contains(word), "{entry}");
        let update = BASE64_STANDARD.decode(entry["update"].as_str().unwrap_or_default()).unwrap();
        assert!(!has(&update, word), "{entry}");
    }
    let head = told(address, "").json()["seq"].as_u64().unwrap();
    let at = (0..=head)
        .flat_map(|seq| ["text", "json", "xml", "yjs"].map(|format| format!("/document?format={format}&at={seq}")));
    let paths = [
        "/history",
        "/replay",
        "/blame",
        "/activity",
        "/comments",
        "/diff?from=0",
        "/diff?from=2&to=3",
        "/diff?from=0&format=text",
    ];
    for path in at.chain(paths.map(str::to_owned)) {
        let answer = told(address, &path);
        assert!(answer.status == 200 && !has(&answer.body, word), "{path}: {answer:?}");
    }
}

#[test]
fn trap_31_all_words_of_a_user_are_nowhere_any_more_and_nobody_brings_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&["--database-url", &database_url(folder.path())]);
    let address = server.address;
    let (alice, bob) = with_words(address);
    let was = told(address, "/blame").json();
    let seqs = |entries: &[Value]| -> Vec<_> {
        entries.iter().map(|entry| (entry["seq"].clone(), entry["user"].clone(), entry["timestamp"].clone())).collect()
    };
    let before = seqs(&entries(address));
    let away = bob.leave();
    let files = ["tutti.db", "tutti.db-wal"].map(|name| std::fs::read(folder.path().join(name)).unwrap_or_default());
    assert!(files.iter().any(|file| has(file, SECRET)));
    let told_of = erase_bobs(address);
    // Twice the word, a space behind each, and a surrogate pair; the second one lived.
    let expected = json!({
        "dryRun": false, "done": true, "units": 22, "characters": 22, "alive": 12, "entries": 2, "messages": 2, "quotes": 0, "seq": 10, "name": null
    });
    assert_eq!(told_of, expected);
    is_nowhere(address, folder.path(), SECRET);

    // The seqs are as they were, and so is what alice wrote; the deletion is the admin's.
    let after = entries(address);
    assert_eq!(seqs(&after)[..9], before[..]);
    assert_eq!(after[9]["user"], "root");
    // Who shows what was said is told to read it anew.
    let told_then = ["type", "user", "name", "payload"].map(|field| &after[10][field]);
    assert_eq!(told_then, [&json!("room.erased"), &json!("root"), &json!("root"), &json!({ "said": true })]);
    assert_eq!(after.len(), 11);
    assert_eq!(text(address, ""), "one two");
    let runs = |blame: &Value| -> Vec<_> {
        let runs = blame["runs"].as_array().unwrap().iter().filter(|run| run["by"] == "alice");
        runs.map(|run| (run["to"].as_u64().unwrap() - run["from"].as_u64().unwrap(), run["at"].clone())).collect()
    };
    let now = told(address, "/blame").json();
    assert_eq!(now["runs"][0]["to"], 7, "{now}");
    assert_eq!(runs(&was).iter().map(|(len, _)| len).sum::<u64>(), runs(&now).iter().map(|(len, _)| len).sum::<u64>());
    // What was said has its place.
    let message = &after[5];
    assert_eq!(
        (&message["type"], &message["text"], &message["erased"]),
        (&json!("chat.message"), &json!(""), &json!(true))
    );
    let threads = told(address, "/comments").json();
    let thread = &threads["threads"][0];
    assert_eq!(
        (&thread["text"], &thread["erased"], &thread["replies"][0]["text"]),
        (&json!(""), &json!(true), &json!("reply"))
    );

    // Both still have the words: neither brings them back, and they agree with who comes now.
    let mut alice = back(address, alice, "alice");
    alice.until_text("one two");
    let mut bob = Editor::join_with(address, "plan", &writer("bob"), away);
    bob.until_text("one two");
    bob.saves("!");
    alice.until_text("one two!");
    assert_eq!(Editor::join(address, "plan", &writer("dora"), 9).text(), "one two!");
    is_nowhere(address, folder.path(), SECRET);
    // Nothing of it is left to erase but what bob has written since.
    let left = erase(address, &json!({ "content": { "user": "bob" } })).json();
    assert_eq!((&left["units"], &left["entries"], &left["messages"]), (&json!(1), &json!(1), &json!(0)));
}

#[test]
fn an_erasure_is_a_dry_run_unless_it_says_otherwise() {
    let server = Server::start();
    let address = server.address;
    let (mut alice, _bob) = with_words(address);
    let told_of = erase(address, &serde_json::from_str(BOBS).unwrap());
    let expected = json!({
        "dryRun": true, "done": false, "units": 22, "characters": 22, "alive": 12, "entries": 2, "messages": 2, "quotes": 0, "seq": null, "name": null
    });
    assert_eq!((told_of.status, told_of.json()), (200, expected));
    assert_eq!(told(address, "").json()["seq"], 9);
    alice.saves("!");
    assert_eq!(text(address, ""), format!("one {SECRET}😀 two!"));
    // Of who has written nothing there is nothing to do.
    let nothing = erase(address, &json!({ "content": { "user": "nobody" }, "dryRun": false })).json();
    assert_eq!((&nothing["done"], &nothing["units"], &nothing["seq"]), (&json!(true), &json!(0), &json!(null)));
    assert_eq!(told(address, "").json()["seq"], 10);
}

#[test]
fn trap_32_text_that_is_visible_goes_from_all_who_are_in_and_past_states_do_not_show_it() {
    let server = Server::start();
    let address = server.address;
    let (alice, bob) = with_words(address);
    let mut json = Client::join(address, &writer("dora"), "plan");
    erase_bobs(address);
    // They see it go, and then come back to the room as it is stored now.
    for (mut editor, user) in [(alice, "alice"), (bob, "bob")] {
        editor.until_text("one two");
        let editor = back(address, editor, user);
        assert_eq!(editor.text(), "one two");
    }
    json.socket.closed();
    assert_eq!((text(address, "&at=2"), text(address, "&at=5")), ("one ".to_owned(), "one two".to_owned()));
}

#[test]
fn between_two_places_goes_all_that_lay_there_whoever_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&["--database-url", &database_url(folder.path())]);
    let address = server.address;
    with_words(address);
    // What lives there now ends where `two` begins.
    let to = 4 + SECRET.len() + 3;
    let told_of = erase(address, &json!({ "content": { "root": "t", "from": 4, "to": to }, "dryRun": false }));
    let told_of = told_of.json();
    assert_eq!((&told_of["units"], &told_of["alive"], &told_of["messages"]), (&json!(22), &json!(12), &json!(0)));
    assert_eq!((text(address, ""), text(address, "&at=3")), ("one two".to_owned(), "one ".to_owned()));
    assert!(entries(address)[5]["text"] == SECRET, "what was said stays");
    // Bob's comment was on it.
    assert_eq!((&told_of["quotes"], &entries(address)[10]["payload"]), (&json!(1), &json!({ "said": true })));
    // A place of the past: `one ` after the first entry.
    let told_of = erase(address, &json!({ "content": { "from": 0, "to": 3, "at": 1 }, "dryRun": false })).json();
    assert_eq!((&told_of["units"], &told_of["seq"]), (&json!(3), &json!(12)));
    assert_eq!((text(address, ""), text(address, "&at=1")), (" two".to_owned(), " ".to_owned()));
    assert_eq!(entries(address)[12]["payload"], json!({ "said": false }));
    // All that the root ever held.
    let told_of = erase(address, &json!({ "content": { "root": "t" }, "dryRun": false })).json();
    assert_eq!(told_of["units"], 4);
    assert_eq!(text(address, ""), "");
}

#[test]
fn what_others_quote_in_comments_goes_and_what_they_say_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&["--database-url", &database_url(folder.path())]);
    let address = server.address;
    with_words(address);
    let unit = |client: u64, clock: u64| json!({ "item": { "client": client, "clock": clock } });
    let of_bob = json!({ "from": unit(2, 10), "to": unit(2, 18) });
    let comment = |payload: Value| says(address, "alice", &json!({ "type": "comment.created", "payload": payload }));
    let theirs = comment(json!({ "text": "Is it one?", "quote": SECRET, "anchor": of_bob, "mood": 1.0 }));
    let own = json!({ "text": "Mine", "quote": "one", "anchor": { "from": unit(1, 0), "to": unit(1, 2) } });
    let ours = comment(own.clone());
    let unplaced = comment(json!({ "text": "So?", "quote": "a xylophone" }));
    let dry = erase(address, &serde_json::from_str(BOBS).unwrap()).json();
    assert_eq!((&dry["quotes"], &dry["messages"]), (&json!(2), &json!(2)));
    assert_eq!(erase_bobs(address)["quotes"], 2);
    is_nowhere(address, folder.path(), SECRET);
    let payload = |seq: u64| entries(address)[seq as usize - 1]["payload"].clone();
    assert_eq!(payload(theirs), json!({ "text": "Is it one?", "anchor": of_bob, "mood": 1.0 }));
    assert_eq!((payload(ours), payload(unplaced)), (own, json!({ "text": "So?" })));
    let threads = told(address, "/comments").json()["threads"].clone();
    let texts: Vec<&Value> = threads.as_array().unwrap().iter().map(|thread| &thread["text"]).collect();
    assert_eq!(texts, ["", "Is it one?", "Mine", "So?"]);
}

#[test]
fn what_is_moved_while_it_is_deleted_goes_too() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--metrics-bind", "127.0.0.1:0", "--log-level", "info"]);
    let (address, metrics) = (process.address, process.metrics_address());
    let (mut alice, _bob) = with_words(address);
    let mut dora = Editor::join(address, "plan", &writer("dora"), 9);
    // The deletion waits for the database; so does what she does who has not seen it.
    let lock = Lock::hold(&database_url(folder.path()));
    let erasing = std::thread::spawn(move || erase_bobs(address));
    eventually("the deletion waits", || (metric(metrics, "tutti_uncommitted_bytes") > 0).then_some(()));
    alice.socket.say(&message::update(&moved_to_the_end(&alice.doc, 4, SECRET)));
    dora.until_text(&format!("one 😀 two{SECRET}"));
    drop(lock);
    let told_of = erasing.join().unwrap();
    assert_eq!((&told_of["units"], &told_of["alive"], &told_of["done"]), (&json!(31), &json!(21), &json!(true)));
    assert_eq!(text(address, ""), "one two");
    is_nowhere(address, folder.path(), SECRET);
    let mut alice = back(address, alice, "alice");
    alice.until_text("one two");
    is_nowhere(address, folder.path(), SECRET);
}

/// What an editor does that moves a word, in one edit.
fn moved_to_the_end(doc: &Doc, at: u32, word: &str) -> Vec<u8> {
    let root = doc.get_or_insert_text(ROOT);
    let mut txn = doc.transact_mut();
    root.remove_range(&mut txn, at, word.len() as u32);
    root.push(&mut txn, word);
    txn.encode_update_v1()
}

#[test]
fn a_restore_brings_nothing_of_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&["--database-url", &database_url(folder.path())]);
    let address = server.address;
    with_words(address);
    let version =
        post_json(address, &format!("{PLAN}/versions"), Some(&writer("alice")), &json!({ "seq": 3, "label": "draft" }));
    assert_eq!(version.status, 201);
    erase_bobs(address);
    let restored = post_json(address, &format!("{PLAN}/restore"), Some(&writer("alice")), &json!({ "to": 3 })).json();
    assert_eq!((&restored["inserted"], &restored["deleted"]), (&json!(0), &json!(3)), "{restored}");
    assert_eq!(text(address, ""), "one ");
    is_nowhere(address, folder.path(), SECRET);
}

#[test]
fn what_was_restored_before_goes_with_what_it_stands_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&["--database-url", &database_url(folder.path())]);
    let address = server.address;
    with_words(address);
    // Alice brings back what she has deleted of bob's: the copy is of a Yjs client of the server's own.
    let restored = post_json(address, &format!("{PLAN}/restore"), Some(&writer("alice")), &json!({ "to": 3 })).json();
    assert_eq!(restored["inserted"], SECRET.len() + 1);
    assert_eq!(text(address, ""), format!("one {SECRET} {SECRET}😀 "));
    let told_of = erase_bobs(address);
    assert_eq!((&told_of["units"], &told_of["alive"]), (&json!(32), &json!(22)));
    assert_eq!(text(address, ""), "one ");
    is_nowhere(address, folder.path(), SECRET);
}

#[test]
fn packs_snapshots_and_what_is_kept_of_dropped_edits_are_rewritten_too() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(folder.path());
    {
        let server = Server::with(&["--database-url", &url]);
        let (mut alice, _bob) = with_words(server.address);
        // So much that a snapshot is worth it.
        alice.saves(&"a long text without a word in it ".repeat(10_000));
        eventually("there is a snapshot", || (number(&url, "select count(*) from snapshot") > 0).then_some(()));
    }
    execute(&url, "update entry set at = at - 86400000; update room set last_at = last_at - 86400000");
    let server = Server::with(&["--database-url", &url, "--compact-after", "1s"]);
    eventually("its edits are packed", || (number(&url, "select count(*) from pack") > 0).then_some(()));
    assert!(text(server.address, "").contains(SECRET));
    erase_bobs(server.address);
    is_nowhere(server.address, folder.path(), SECRET);
    assert!(number(&url, "select count(*) from pack") > 0, "they are packed still");
    drop(server);
    // As it is loaded anew.
    let server = Server::with(&["--database-url", &url, "--compact-after", "0s"]);
    is_nowhere(server.address, folder.path(), SECRET);
    assert!(Editor::join(server.address, "plan", &writer("dora"), 9).text().starts_with("one twoa long"));
}

#[test]
fn what_retention_has_kept_is_rewritten_too() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(folder.path());
    {
        let server = Server::with(&["--database-url", &url]);
        with_words(server.address);
        let named = post_json(
            server.address,
            &format!("{PLAN}/versions"),
            Some(&writer("alice")),
            &json!({ "seq": 3, "label": "draft" }),
        );
        assert_eq!(named.status, 201);
    }
    execute(&url, "update entry set at = at - 86400000 where seq <= 4");
    let server = Server::with(&["--database-url", &url, "--retention", "1h"]);
    let address = server.address;
    eventually("what is old is dropped", || (told(address, "").json()["firstSeq"] == 5).then_some(()));
    eventually("its rows are gone", || (number(&url, "select min(seq) from entry where kind = 1") == 5).then_some(()));
    assert_eq!(text(address, "&at=3"), format!("one {SECRET} {SECRET}😀 "));
    let told_of = erase_bobs(address);
    assert_eq!((&told_of["units"], &told_of["alive"]), (&json!(22), &json!(12)), "{told_of}");
    assert_eq!(
        (text(address, "&at=3"), text(address, "&at=4"), text(address, "")),
        ("one ".into(), "one ".into(), "one two".into())
    );
    let blame = told(address, "/blame").json();
    assert_eq!((&blame["runs"][0]["by"], &blame["runs"][0]["from"]), (&json!("alice"), &json!(0)), "{blame}");
    for file in ["tutti.db", "tutti.db-wal"].map(|name| folder.path().join(name)) {
        assert!(!has(&std::fs::read(file).unwrap_or_default(), SECRET));
    }
}

#[test]
fn a_user_who_is_made_anonymous_has_another_name_everywhere_and_the_words_stay() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(folder.path());
    let server = Server::with(&["--database-url", &url]);
    let address = server.address;
    let mut bob = Editor::join(address, "plan", &writer("bob-of-the-story"), 2);
    bob.saves("one ");
    says(address, "bob-of-the-story", &json!({ "text": "hello" }));
    let mut alice = Editor::join(address, "plan", &writer("alice"), 1);
    alice.saves("two");
    drop(bob);
    let dry = erase(address, &json!({ "anonymise": "bob-of-the-story" })).json();
    assert_eq!((&dry["entries"], &dry["messages"], &dry["name"]), (&json!(2), &json!(1), &json!(null)));
    let told_of = erase(address, &json!({ "anonymise": "bob-of-the-story", "dryRun": false })).json();
    let name = told_of["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("erased-") && told_of["done"] == true, "{told_of}");
    assert_eq!(text(address, ""), "one two");
    let blame = told(address, "/blame").json();
    assert_eq!((&blame["runs"][0]["by"], &blame["runs"][1]["by"]), (&json!(name), &json!("alice")), "{blame}");
    let message = &entries(address)[1];
    assert_eq!((&message["user"], &message["name"], &message["text"]), (&json!(name), &json!(name), &json!("hello")));
    is_nowhere(address, folder.path(), "bob-of-the-story");
    // Who is there by no name is not looked for again: nobody is put out for it, and nothing is written anew.
    alice = back(address, alice, "alice");
    for user in ["bob-of-the-story", "nobody"] {
        let told_of = erase(address, &json!({ "anonymise": user, "dryRun": false })).json();
        assert_eq!((&told_of["done"], &told_of["name"], &told_of["entries"]), (&json!(true), &json!(null), &json!(0)));
    }
    alice.saves("!");
}

/// As an erasure of bob's words was begun before a kill.
fn begin(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(StoreSettings::new(url, "a".to_owned())).await.unwrap();
        let row = store.room(&RoomName::parse("plan").unwrap()).await.unwrap().unwrap();
        let mut units = ErasedUnits::default();
        units.add(IdRange { client: 2, start: 0, end: 22 });
        let erasure = Erasure { units, said_by: Some((UserId::new("bob"), row.head)), ..Erasure::default() };
        let begun = store.begin_erasure(row.id, erasure.encode(), row.epoch, Some(row.head)).await.unwrap();
        assert!(matches!(begun, BegunErasure::Begun(_)), "{begun:?}");
        store.shutdown();
    });
}

/// A figure of a process.
fn metric(metrics: SocketAddr, name: &str) -> u64 {
    let text = get(metrics, "/metrics", None).text().to_owned();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    value.parse().unwrap()
}

#[test]
fn why_an_erasure_does_not_go_on_is_told_and_it_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(folder.path());
    {
        let server = Server::with(&["--database-url", &url]);
        with_words(server.address);
    }
    execute(&url, "update entry set at = at - 86400000; update room set last_at = last_at - 86400000");
    {
        let _server = Server::with(&["--database-url", &url, "--compact-after", "1s"]);
        eventually("its edits are packed", || (number(&url, "select count(*) from pack") > 0).then_some(()));
    }
    execute(&url, "create table whole as select * from pack; update pack set body = substr(body, 1, length(body) - 1)");
    begin(&url);
    let process = Process::start(folder.path(), &["--metrics-bind", "127.0.0.1:0"]);
    let (address, metrics) = (process.address, process.metrics_address());
    let path = format!("{PLAN}/erase");
    let state = || get(address, &path, Some(&admin())).json()["erasure"].clone();
    let failure = eventually("it is told", || Some(state()["failure"].clone()).filter(Value::is_object));
    assert!(failure["reason"].as_str().unwrap().contains("pack"), "{failure}");
    assert!(failure["at"].is_string(), "{failure}");
    assert_eq!((&state()["rewritten"], &state()["done"], &state()["upto"]), (&json!(false), &json!(0), &json!(9)));
    eventually("it is counted", || (metric(metrics, "tutti_erasures_failed") == 1).then_some(()));
    assert_eq!(metric(metrics, "tutti_erasures_pending"), 1);
    let by = |method, token: &str| ask(method, address, &path, Some(token));
    for method in ["GET", "DELETE"] {
        assert_eq!(by(method, &writer("alice")).error(), (403, "forbidden".into()));
    }
    for cancelled in [true, false] {
        assert_eq!(by("DELETE", &admin()).json(), json!({ "room": "plan", "cancelled": cancelled }));
        assert_eq!(state(), Value::Null);
    }
    for name in ["tutti_erasures_pending", "tutti_erasures_failed"] {
        eventually("none is left", || (metric(metrics, name) == 0).then_some(()));
    }
    // The room is as it was, and can be erased from once the pack is mended.
    execute(&url, "update pack set body = (select body from whole); drop table whole");
    assert_eq!(text(address, ""), format!("one {SECRET}😀 two"));
    Editor::join(address, "plan", &writer("dora"), 9).saves("!");
    erase_bobs(address);
    assert_eq!(state(), Value::Null);
    is_nowhere(address, folder.path(), SECRET);
}

#[test]
fn a_server_that_was_killed_in_between_is_followed_by_one_that_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(folder.path());
    {
        let server = Server::with(&["--database-url", &url]);
        with_words(server.address);
    }
    begin(&url);
    let process = Process::start(folder.path(), &[]);
    eventually("it is ended", || (number(&url, "select count(*) from erasure") == 0).then_some(()));
    is_nowhere(process.address, folder.path(), SECRET);
}

#[test]
fn while_something_is_erased_nothing_is_restored_copied_or_erased_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(folder.path());
    let server = Server::with(&["--database-url", &url]);
    let address = server.address;
    with_words(address);
    execute(&url, "update room set epoch = epoch + 1");
    let later = |answer: Answer| assert_eq!(answer.error(), (503, "try_later".into()));
    later(post_json(address, &format!("{PLAN}/restore"), Some(&writer("alice")), &json!({ "to": 1 })));
    later(post_json(address, &format!("{PLAN}/copy"), Some(&writer("alice")), &json!({ "to": "copy" })));
    later(erase(address, &json!({ "content": { "user": "bob" }, "dryRun": false })));
    // What is made of it is not kept.
    assert_eq!(told(address, "/blame").status, 200);
    assert_eq!(number(&url, "select count(*) from history"), 0);
    // Whoever was in is put out with the first append, and comes back.
    let mut dora = Editor::join(address, "plan", &writer("dora"), 9);
    dora.types("!");
    dora.socket.closed();
    let mut dora = Editor::join_with(address, "plan", &writer("dora"), dora.leave());
    dora.barrier();
    assert!(text(address, "").ends_with("two!"));
}

#[test]
fn what_nobody_can_mean_is_refused_and_only_an_admin_erases() {
    let server = Server::start();
    let address = server.address;
    with_words(address);
    for body in [
        json!({}),
        json!({ "content": {} }),
        json!({ "content": { "user": "bob" }, "anonymise": "bob" }),
        json!({ "content": { "user": "bob", "root": "t" } }),
        json!({ "content": { "root": "t", "from": 1 } }),
        json!({ "content": { "root": "t", "from": 3, "to": 2 } }),
        json!({ "content": { "root": "t", "from": 0, "to": 1_000 } }),
        json!({ "content": { "root": "t", "at": 3 } }),
        json!({ "content": { "user": "" } }),
        json!({ "anonymise": "b\u{0}b" }),
        json!({ "content": { "user": "bob" }, "dryrun": false }),
    ] {
        assert_eq!(erase(address, &body).error(), (400, "invalid_body".into()), "{body}");
    }
    let body = json!({ "content": { "root": "other" } });
    assert_eq!(erase(address, &body).error(), (404, "root_not_found".into()));
    let body = json!({ "content": { "from": 0, "to": 1, "at": 99 } });
    assert_eq!(erase(address, &body).error(), (404, "seq_not_found".into()));
    let body: Value = serde_json::from_str(BOBS).unwrap();
    let by = |token: &str| post_json(address, &format!("{PLAN}/erase"), Some(token), &body).error();
    assert_eq!(by(&writer("alice")), (403, "forbidden".into()));
    let nobody = post_json(address, "/api/v1/rooms/none/erase", Some(&admin()), &body).error();
    assert_eq!(nobody, (404, "room_not_found".into()));
}

#[test]
fn a_user_who_has_pushed_steps_is_told_that_they_stay() {
    let server = Server::start();
    let mut bob = Client::join(server.address, &writer("bob"), "plan");
    let pushed = bob
        .ask(json!({ "type": "edit.push", "room": "plan", "version": 0, "steps": [{ "say": SECRET }], "clientId": 1 }));
    assert_eq!(pushed["type"], "saved", "{pushed}");
    let answer = erase(server.address, &json!({ "content": { "user": "bob" }, "dryRun": false }));
    assert_eq!(answer.error(), (409, "steps_stay".into()));
    // The name goes all the same.
    let told_of = erase(server.address, &json!({ "anonymise": "bob", "dryRun": false })).json();
    assert_eq!((&told_of["entries"], &told_of["done"]), (&json!(1), &json!(true)));
    let entry = &told(server.address, "/history?kind=step").json()["entries"][0];
    assert_eq!((&entry["author"], &entry["body"]["name"]), (&told_of["name"], &told_of["name"]));
    assert_eq!(entry["body"]["steps"], json!([{ "say": SECRET }]));
}
