//! `tutti room` and `tutti tail`, as operators use them on a server that runs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::network::Network;
use crate::support::DEADLINE;
use crate::support::editor::Editor;
use crate::support::http::{get, post_json};
use crate::support::process::Process;
use crate::support::token::{SECRET, token, writer};

struct Operator {
    server: Process,
    folder: tempfile::TempDir,
}

impl Operator {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { server: Process::start(folder.path(), &[]), folder }
    }

    /// A document with one edit, then a message.
    fn with_plan() -> Self {
        let own = Self::start();
        Editor::join(own.server.address, "docs/plan", &writer("alice"), 1).saves("one ");
        own.says("docs/plan", "hello");
        own
    }

    fn says(&self, room: &str, text: &str) {
        let path = format!("/api/v1/rooms/{}/messages", room.replace('/', "%2F"));
        let answer = post_json(self.server.address, &path, Some(&writer("bob")), &json!({ "text": text }));
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), &format!("http://{}", self.server.address), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that succeeds.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!((output.status.code(), complaints(&output)), (Some(0), String::new()), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command complains of that fails with this exit code.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", complaints(&output));
        complaints(&output)
    }
}

fn command(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command.env_clear().current_dir(folder).args(arguments).stdin(Stdio::null());
    command.env("TUTTI_URL", url).env("TUTTI_JWT_SECRET", SECRET);
    command
}

fn complaints(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A `tutti tail` that runs; killed when dropped.
struct Tail {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Tail {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line")
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rooms_are_listed_by_name_prefix_and_change_with_their_sizes() {
    let own = Operator::with_plan();
    own.says("general", "hi");
    own.says("docs/old", "hi");
    own.says("docs/plan", "again");
    let names = |arguments: &[&str]| -> Vec<String> {
        let listed = own.does(&[&["room", "ls"], arguments].concat());
        listed.lines().map(|line| line.rsplit("  ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["docs/old", "docs/plan", "general"]);
    assert_eq!(names(&["docs/"]), ["docs/old", "docs/plan"]);
    assert_eq!(names(&["--sort", "updated", "--limit", "1"]), ["docs/plan"]);
    assert_eq!(names(&["nothing/"]), [""; 0]);
    let sized: Value = serde_json::from_str(own.does(&["room", "ls", "docs/plan", "--size", "--json"]).trim()).unwrap();
    assert_eq!((&sized["seq"], &sized["size"]["edits"], &sized["size"]["messages"]), (&json!(3), &json!(1), &json!(2)));
    let line = own.does(&["room", "ls", "docs/plan", "--size"]);
    let bytes = line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap();
    assert_eq!(Some(bytes), sized["size"]["entryBytes"].as_u64(), "{line}");
}

#[test]
fn a_room_is_shown_with_who_is_in_it() {
    let own = Operator::with_plan();
    let _alice = Editor::join(own.server.address, "docs/plan", &writer("alice"), 2);
    let shown = own.does(&["room", "show", "docs/plan"]);
    for part in ["docs/plan", "seq       2", "1 edits, 1 messages, 0 events, 0 steps", "alice (1 sockets)", "admin"] {
        assert!(shown.contains(part), "{part:?}: {shown}");
    }
    let shown: Value = serde_json::from_str(&own.does(&["room", "show", "docs/plan", "--json"])).unwrap();
    assert_eq!((&shown["seq"], &shown["users"][0]["user"]), (&json!(2), &json!("alice")));
    let complaint = own.fails(1, &["room", "show", "nothing"]);
    assert!(complaint.contains("there is no such room"), "{complaint}");
}

#[test]
fn a_document_is_printed_as_it_is_and_as_it_was() {
    let own = Operator::with_plan();
    Editor::join(own.server.address, "docs/plan", &writer("alice"), 2).saves("two");
    assert_eq!(own.does(&["room", "cat", "docs/plan"]), "one two");
    assert_eq!(own.does(&["room", "cat", "docs/plan", "--at", "1"]), "one ");
    assert_eq!(own.does(&["room", "cat", "docs/plan", "--format", "json"]), r#"{"t":"one two"}"#);
    let update = own.run(&["room", "cat", "docs/plan", "--format", "update"]).stdout;
    let path = "/api/v1/rooms/docs%2Fplan/document?format=yjs";
    assert_eq!(update, get(own.server.address, path, Some(&token("root", &["*=admin"]))).body);
    let complaint = own.fails(1, &["room", "cat", "docs/plan", "--root", "other"]);
    assert!(complaint.contains("root type"), "{complaint}");
}

#[test]
fn a_room_is_deleted_once_that_is_meant() {
    let own = Operator::with_plan();
    let complaint = own.fails(2, &["room", "rm", "docs/plan"]);
    assert!(complaint.contains("--yes"), "{complaint}");
    assert!(own.fails(2, &["room", "rm", "docs/plan", "--yes", "--free"]).contains("--hard"));
    let told = own.does(&["room", "rm", "docs/plan", "--yes"]);
    assert!(told.starts_with("docs/plan is deleted: it can be taken back until 20"), "{told}");
    assert!(own.does(&["room", "ls", "--deleted"]).contains("by tutti-cli, all left  docs/plan"));
    let told = own.does(&["room", "rm", "docs/plan", "--yes", "--hard", "--free"]);
    assert_eq!(told, "docs/plan is deleted: its name is free\n");
    own.says("general", "hi");
    let output = own.run(&["room", "rm", "nothing", "general", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaints(&output).contains("nothing: there is no such room"), "{}", complaints(&output));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("general is deleted"));
}

#[test]
fn a_room_is_copied_with_or_without_its_past() {
    let own = Operator::with_plan();
    let told = own.does(&["room", "cp", "docs/plan", "docs/copy"]);
    assert_eq!(told, "docs/copy has the document of docs/plan up to 2\n");
    assert_eq!(own.does(&["room", "cat", "docs/copy"]), "one ");
    let told = own.does(&["room", "cp", "docs/plan", "docs/first", "--at", "1", "--history"]);
    assert_eq!(told, "docs/first has the timeline of docs/plan up to 1\n");
    let complaint = own.fails(1, &["room", "cp", "docs/plan", "docs/copy"]);
    assert!(complaint.contains("there is a room of that name already"), "{complaint}");
}

#[test]
fn a_timeline_is_followed_over_lost_connections() {
    let own = Operator::with_plan();
    let network = Network::to(own.server.address.to_string());
    let url = format!("http://{}", network.address());
    let tail = Tail::start(command(own.folder.path(), &url, &["tail", "docs/plan", "--lines", "1"]));
    assert!(tail.next().ends_with("message  bob  hello"));
    own.says("docs/plan", "line\nbreak \u{1b}[31m");
    assert!(tail.next().ends_with("bob  line\u{fffd}break \u{fffd}[31m"), "a terminal obeys nothing of it");
    network.cut();
    own.says("docs/plan", "meanwhile");
    own.says("docs/plan", "and more");
    network.restore();
    assert!(tail.next().ends_with("bob  meanwhile"));
    assert!(tail.next().ends_with("bob  and more"));
    network.drop_connections();
    own.says("docs/plan", "back");
    assert!(tail.next().ends_with("bob  back"));
}

#[test]
fn a_timeline_is_printed_to_its_end_and_by_kind() {
    let own = Operator::with_plan();
    own.says("docs/plan", "more");
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let printed = own.does(&[&["tail", "docs/plan", "--no-follow", "--json"], arguments].concat());
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let seqs =
        |arguments: &[&str]| lines(arguments).iter().map(|entry| entry["seq"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(seqs(&[]), [1, 2, 3]);
    assert_eq!(seqs(&["--lines", "2"]), [2, 3]);
    assert_eq!(seqs(&["--lines", "0"]), [0; 0]);
    assert_eq!(seqs(&["--after", "1"]), [2, 3]);
    assert_eq!(seqs(&["--kind", "edit"]), [1]);
    assert_eq!(lines(&["-n", "1"])[0]["body"]["text"], "more");
    let complaint = own.fails(1, &["tail", "nothing"]);
    assert!(complaint.contains("there is no such room"), "{complaint}");
}

#[test]
fn a_command_says_what_to_do_where_it_cannot_ask() {
    let own = Operator::with_plan();
    let nobody = command(own.folder.path(), "http://127.0.0.1:1", &["room", "ls"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(complaints(&nobody).contains("no server answers at http://127.0.0.1:1"), "{}", complaints(&nobody));
    assert!(complaints(&nobody).contains("--url (TUTTI_URL)"));
    let wrong = own.fails(1, &["room", "ls", "--token", "abc"]);
    assert!(wrong.contains("not a JSON Web Token"), "{wrong}");
    let limited = token("eve", &["general=read"]);
    assert!(own.fails(1, &["room", "show", "docs/plan", "--token", &limited]).contains("no such room"));
    assert_eq!(own.does(&["room", "ls", "--token", &limited]), "");
    // Without a key there is no token to make.
    let mut keyless = own.command(&["room", "ls", "--database-url", "sqlite://elsewhere.db"]);
    let output = keyless.env_remove("TUTTI_JWT_SECRET").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(complaints(&output).contains("or give a token with --token (TUTTI_TOKEN)"), "{}", complaints(&output));
    for url in ["127.0.0.1:8080", "ftp://a", "http://user@a", "http://a?b"] {
        let complaint = own.fails(2, &["room", "ls", "--url", url]);
        assert!(complaint.contains("--url (TUTTI_URL): it takes the URL of a server"), "{complaint}");
    }
    assert!(own.fails(2, &["room", "show", "a//b"]).contains("a room name"));
}

#[test]
fn whoever_reads_no_further_makes_no_error() {
    let own = Operator::with_plan();
    let mut child =
        own.command(&["room", "ls", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed before anything is printed, most likely; in any case before the end is read.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), complaints(&output)), (Some(0), String::new()));
}
