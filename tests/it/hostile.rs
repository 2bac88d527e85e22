//! Writers who keep to no rule: what they send is refused in the protocol's words or kept without harm, and nobody else notices.
//!
//! The bytes are written by hand, for no Yjs client makes them, and nothing but the server reads them here.

use std::net::SocketAddr;
use std::ops::Range;
use std::process::Command;

use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::frame::{BINARY, CLOSE};
use crate::support::http::get;
use crate::support::message::{self, BARRIER, Message, QUERY, STEP1_EMPTY, put_buf, put_number};
use crate::support::process::Process;
use crate::support::provider::{Provider, REFUSED, SAVED, WRITER};
use crate::support::server::{Server, database_url};
use crate::support::socket::Socket;
use crate::support::token::{reader, writer};

/// What the document of each room may hold.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;
/// Deletions may add a sixteenth to that, and a document has room for one message of the largest size.
const HELD_MAX: usize = DOCUMENT_BYTES_MAX + DOCUMENT_BYTES_MAX / 16 + 1024;

/// What the bystanders type meanwhile, and the room's own beginning.
const SLACK: usize = 16 << 10;

/// One block of an update, from where it stands to its content.
type Block = Vec<u8>;

/// Where a block says that it lies.
#[derive(Clone, Copy)]
enum At {
    /// In the list of a root.
    Root,
    /// At a key of a root.
    Key(u32),
    /// In the type of another block.
    Parent(u64, u32),
    /// Behind another unit.
    Behind(u64, u32),
}

fn block(kind: u8, at: At, content: &[u8]) -> Block {
    let mut out = Vec::new();
    match at {
        At::Root => out.extend_from_slice(&[kind, 1, 1, b'h']),
        At::Key(key) => {
            out.extend_from_slice(&[kind | 0x20, 1, 1, b'h']);
            put_buf(&mut out, key.to_string().as_bytes());
        }
        At::Parent(client, clock) => {
            out.extend_from_slice(&[kind, 0]);
            put_number(&mut out, client);
            put_number(&mut out, clock.into());
        }
        At::Behind(client, clock) => {
            out.push(kind | 0x80);
            put_number(&mut out, client);
            put_number(&mut out, clock.into());
        }
    }
    out.extend_from_slice(content);
    out
}

fn text(at: At, text: &str) -> Block {
    let mut content = Vec::new();
    put_buf(&mut content, text.as_bytes());
    block(4, at, &content)
}

/// Plain values, `each` of them as encoded.
fn values(at: At, count: usize, each: &[u8]) -> Block {
    let mut content = Vec::new();
    put_number(&mut content, count as u64);
    content.extend(each.iter().copied().cycle().take(count * each.len()));
    block(8, at, &content)
}

/// An update of sections (client, first clock, blocks) and deletions (client, ranges of clock and length).
fn update(sections: &[(u64, u32, Vec<Block>)], deletions: &[(u64, Vec<(u32, u32)>)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, sections.len() as u64);
    for (client, clock, blocks) in sections {
        put_number(&mut out, blocks.len() as u64);
        put_number(&mut out, *client);
        put_number(&mut out, (*clock).into());
        blocks.iter().for_each(|block| out.extend_from_slice(block));
    }
    put_number(&mut out, deletions.len() as u64);
    for (client, ranges) in deletions {
        put_number(&mut out, *client);
        put_number(&mut out, ranges.len() as u64);
        for (clock, len) in ranges {
            put_number(&mut out, (*clock).into());
            put_number(&mut out, (*len).into());
        }
    }
    out
}

/// A letter each of many Yjs clients, or a collected unit each.
fn clients(clients: Range<u64>, block: &Block) -> Vec<u8> {
    let sections: Vec<_> = clients.map(|client| ((1 << 21) + client, 0, vec![block.clone()])).collect();
    update(&sections, &[])
}

/// A text of `count` letters by client 11, and another letter by client 12 behind each of those named.
fn inserted(count: u32, clocks: impl Iterator<Item = u32>) -> Vec<u8> {
    let letters = text(At::Root, &"a".repeat(count as usize));
    update(&[(11, 0, vec![letters]), (12, 0, clocks.map(|clock| text(At::Behind(11, clock), "b")).collect())], &[])
}

/// What becomes of the last of a writer's edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its sender is closed with this code.
    Refused(u16),
    /// The document holds at most so many bytes for each that was sent.
    Kept(usize),
}

use Fate::{Kept, Refused};

/// Another room, where somebody works.
struct Bystander(Editor);

impl Bystander {
    fn all(address: SocketAddr) -> Vec<Self> {
        // Enough that each room thread has some.
        let join = |number| Editor::join(address, &format!("bystander-{number}"), &writer("bea"), 1);
        (0..8).map(join).map(Self).collect()
    }

    fn saves(&mut self) {
        self.0.saves("x");
    }
}

/// A server in a process of its own, with people in other rooms.
struct Attacked {
    process: Process,
    metrics: SocketAddr,
    bystanders: Vec<Bystander>,
    folder: tempfile::TempDir,
}

impl Attacked {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes_max = DOCUMENT_BYTES_MAX.to_string();
        let options = ["--document-bytes-max", &bytes_max, "--room-idle-ms", "50", "--metrics-bind", "127.0.0.1:0"];
        let process = Process::start(folder.path(), &options);
        let (metrics, mut bystanders) = (process.metrics_address(), Bystander::all(process.address));
        bystanders.iter_mut().for_each(Bystander::saves);
        Self { process, metrics, bystanders, folder }
    }

    fn metric(&self, name: &str) -> usize {
        let metrics = get(self.metrics, "/metrics", None);
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        value.parse().unwrap()
    }

    /// Sends a writer's edits while others work, and looks what has become of the room, the others and the memory.
    fn suffers(&mut self, what: &str, edits: &[Vec<u8>], fate: Fate) {
        let (address, room) = (self.process.address, what.replace(' ', "-"));
        let mut alice = Socket::yjs(address, &room, &writer("alice"));
        alice.say(message::UPDATE_HI);
        alice.until("the echo", |heard| is_echo(heard, &message::UPDATE_HI[3..]));
        let before = self.metric("tutti_documents_bytes");
        let mut mallory = Socket::yjs(address, &room, &writer("mallory"));
        edits.iter().for_each(|edit| mallory.say(&message::update(edit)));
        mallory.say(BARRIER);
        self.bystanders.iter_mut().for_each(Bystander::saves);
        let heard = loop {
            let frame = mallory.frame();
            match frame.opcode {
                CLOSE => break Some(frame.close().0),
                BINARY if frame.payload == BARRIER => break None,
                _ => {}
            }
        };
        let held = self.metric("tutti_documents_bytes");
        match fate {
            Refused(code) => {
                assert_eq!(heard, Some(code), "{what}");
                let others: usize = edits.iter().rev().skip(1).map(Vec::len).sum();
                assert!(held <= before + 10 * others + SLACK, "{what}: {before} bytes became {held}");
            }
            Kept(factor) => {
                assert_eq!(heard, None, "{what}");
                let sent: usize = edits.iter().map(Vec::len).sum();
                assert!(held <= before + factor * sent + SLACK, "{what}: {sent} bytes became {}", held - before);
            }
        }
        assert!(held <= HELD_MAX + before, "{what}: {held} bytes");
        // The room goes on.
        let more = update(&[(1, 2, vec![text(At::Behind(1, 1), "!")])], &[]);
        alice.say(&message::update(&more));
        alice.until("the echo", |heard| is_echo(heard, &more));
        let state = self.state(&room);
        drop((alice, mallory));
        let rooms = self.bystanders.len();
        eventually("the room has left memory", || (self.metric("tutti_rooms") <= rooms).then_some(()));
        assert!(self.state(&room) == state, "{what}: a room loads to what it was");
        for (format, statuses) in [("yjs", &[200][..]), ("text", &[200, 400, 422, 503]), ("json", &[200, 422, 503])] {
            let path = format!("/api/v1/rooms/{room}/document?format={format}");
            let answer = get(address, &path, Some(&writer("alice")));
            assert!(statuses.contains(&answer.status), "{what}: {format} {} {}", answer.status, answer.text());
            assert!(
                answer.status != 200 || format != "yjs" || answer.body == state,
                "{what}: what is read is what is live"
            );
        }
        self.bystanders.iter_mut().for_each(Bystander::saves);
    }

    /// What somebody gets who has nothing.
    fn state(&self, room: &str) -> Vec<u8> {
        let mut socket = Socket::yjs(self.process.address, room, &writer("reader"));
        socket.say(STEP1_EMPTY);
        let heard = socket.until("the document", |heard| matches!(heard, Message::Step2(_)));
        let Message::Step2(state) = heard else { unreachable!("until said so") };
        state
    }
}

impl Drop for Attacked {
    /// All that was stored can be written out.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let out = self.folder.path().join("out");
        let mut export = Command::new(env!("CARGO_BIN_EXE_tutti"));
        export.env_clear().args(["export", "*", "--database-url", &database_url(self.folder.path()), "--to"]).arg(&out);
        // Text and JSON of what is quadratic to integrate take a minute, and are refused by REST above.
        export.args(["--format", "yjs", "--format", "timeline"]);
        let exported = export.output().unwrap();
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    }
}

fn is_echo(heard: &Message, edit: &[u8]) -> bool {
    matches!(heard, Message::Update(update) if update == edit)
}

#[test]
fn blocks_that_overlap_what_is_known_are_cut_before_anything_else() {
    let mut attacked = Attacked::start();
    // A mark and an array; four units that claim to start before them, inside the array, by a key; the end of all three.
    let one = update(&[(900, 0, vec![block(6, At::Root, b"\x01b\x04true"), block(7, At::Behind(900, 0), &[0])])], &[]);
    let inside = [&[0x24, 0], &[0x84, 7, 1, 1, b'l'][..], "\u{8}😀😀".as_bytes()].concat();
    let own = update(&[(900, 0, vec![inside.clone()])], &[(900, vec![(1, 3)])]);
    attacked.suffers("an overlap in a type of its own", &[one.clone(), own], Refused(4422));
    // The same in another's type, where it cannot be told from what a client may have sent in one piece.
    let letters = update(&[(901, 0, vec![text(At::Root, "ab")])], &[]);
    let others = update(&[(901, 0, vec![inside])], &[(900, vec![(1, 1)]), (901, vec![(1, 3)])]);
    let touch = update(&[(902, 0, vec![text(At::Behind(901, 1), "x")])], &[]);
    attacked.suffers("an overlap in a type of others", &[one, letters, others, touch], Kept(40));
}

#[test]
fn rule_35_deletions_that_cannot_be_read_again_are_refused() {
    let mut attacked = Attacked::start();
    let brick = [1, 1, 3, 0, 0, 4, 2, 2, 1, 0, 2, 2, 0].to_vec();
    attacked.suffers("deletions of one client twice", &[brick], Refused(4422));
    let letter = update(&[(71, 0, vec![text(At::Root, "a")])], &[]);
    let end = update(&[], &[(71, vec![(0, 1)])]);
    let inside = update(&[(72, 0, vec![text(At::Parent(71, 0), "b")])], &[]);
    attacked.suffers("a letter in a deleted letter", &[letter, end, inside], Kept(40));
}

#[test]
fn rule_30_a_letter_in_a_letter_is_refused_however_often_it_comes() {
    let mut attacked = Attacked::start();
    for client in 50..54 {
        let poison = update(&[(client, 0, vec![text(At::Root, "a"), text(At::Parent(client, 0), "b")])], &[]);
        attacked.suffers("a letter in a letter", &[poison], Refused(4422));
    }
}

#[test]
fn rule_25_edits_that_are_quadratic_to_integrate_cost_what_they_are_long() {
    let mut attacked = Attacked::start();
    let n = 50_000;
    attacked.suffers("inserts behind each letter", &[inserted(n, 0..n)], Kept(12));
    attacked.suffers("inserts behind each letter from the end", &[inserted(n, (0..n).rev())], Kept(12));
    let same_key = update(&[(11, 0, vec![values(At::Key(7), 1, &[126]); n as usize])], &[]);
    attacked.suffers("one key set without an origin", &[same_key], Kept(12));
    let letters = vec![text(At::Root, &"a".repeat(2 * n as usize))];
    let holes = (0..n).rev().map(|clock| (2 * clock, 1)).collect();
    attacked.suffers(
        "every other letter deleted from the end",
        &[update(&[(11, 0, letters)], &[(11, holes)])],
        Kept(12),
    );
}

#[test]
fn deletions_that_name_the_same_over_and_over_cost_what_they_are_long() {
    let mut attacked = Attacked::start();
    let n = 50_000;
    let letters = update(&[(11, 0, vec![text(At::Root, &"a".repeat(2 * n as usize))])], &[]);
    let holes = update(&[], &[(11, (0..n).map(|clock| (2 * clock, 1)).collect())]);
    let all = update(&[], &[(11, vec![(0, 2 * n); n as usize])]);
    attacked.suffers("all deleted many times", &[letters, holes, all], Kept(4));
}

#[test]
fn a_reader_who_claims_deletions_over_and_over_costs_what_they_are_long() {
    let mut attacked = Attacked::start();
    let mut alice = Socket::yjs(attacked.process.address, "marks", &writer("alice"));
    let n = 100_000;
    let mark = |clock: u32| block(6, if clock == 0 { At::Root } else { At::Behind(11, clock - 1) }, b"\x01b\x04true");
    let marks = update(&[(11, 0, (0..n).map(mark).collect())], &[]);
    alice.say(&message::update(&marks));
    alice.until("the echo", |heard| is_echo(heard, &marks));
    // Marks that change nothing may be deleted by whoever reads.
    let mut bob = Socket::yjs(attacked.process.address, "marks", &reader("bob"));
    bob.say(&message::step2(&update(&[], &[(11, vec![(0, n); 12_000])])));
    bob.say(QUERY);
    attacked.bystanders.iter_mut().for_each(Bystander::saves);
    bob.until("the room's answer", |heard| matches!(heard, Message::Awareness(_)));
}

#[test]
fn rule_25_few_bytes_do_not_become_many() {
    let mut attacked = Attacked::start();
    let bytes = 1 << 18;
    let one = |block: Block| vec![update(&[(11, 0, vec![block])], &[])];
    attacked.suffers("empty maps", &one(values(At::Root, bytes / 2, &[118, 0])), Kept(2));
    attacked.suffers("empty arrays", &one(values(At::Root, bytes / 2, &[117, 0])), Kept(2));
    attacked.suffers("maps with one key", &one(values(At::Root, bytes / 4, &[118, 1, 0, 126])), Kept(2));
    attacked.suffers("nulls", &one(values(At::Root, bytes, &[126])), Kept(2));
    let many =
        |count: u32, block: &dyn Fn(u32) -> Block| vec![update(&[(11, 0, (0..count).map(block).collect())], &[])];
    let behind = |clock: u32| if clock == 0 { At::Root } else { At::Behind(11, clock - 1) };
    let beside = |clock: u32| if clock == 0 { At::Root } else { At::Behind(11, 0) };
    attacked.suffers("shared types", &many(50_000, &|clock| block(7, behind(clock), &[1])), Kept(10));
    attacked.suffers("deleted units that join", &many(50_000, &|clock| block(1, behind(clock), &[1])), Kept(1));
    attacked.suffers("deleted units that do not", &many(50_000, &|clock| block(1, beside(clock), &[1])), Kept(12));
    attacked.suffers("collected units", &many(100_000, &|_| vec![0, 1]), Kept(1));
    attacked.suffers("keys", &many(50_000, &|clock| values(At::Key(clock), 1, &[126])), Kept(16));
    // More of each than the document may hold.
    attacked.suffers("too many shared types", &many(300_000, &|clock| block(7, behind(clock), &[1])), Refused(4413));
    attacked.suffers("too many keys", &many(300_000, &|clock| values(At::Key(clock), 1, &[126])), Refused(4413));
}

#[test]
fn yjs_clients_come_few_at_a_time_and_cost_a_constant_each() {
    let mut attacked = Attacked::start();
    let letter = text(At::Root, "a");
    attacked.suffers("more Yjs clients than one edit may bring", &[clients(0..300_000, &vec![0, 1])], Refused(4422));
    let edits: Vec<_> = (0..5).map(|edit| clients(4000 * edit..4000 * (edit + 1), &letter)).collect();
    attacked.suffers("Yjs clients of a letter", &edits, Kept(36));
    let edits: Vec<_> = (0..5).map(|edit| clients(4000 * edit..4000 * (edit + 1), &vec![0, 1])).collect();
    attacked.suffers("Yjs clients of a collected unit", &edits, Kept(64));
}

#[test]
fn a_hocuspocus_client_is_told_that_its_edit_is_not_saved_and_stays() {
    let server = Server::start();
    let mut mallory = Provider::open(server.address, "room", &writer("mallory"), WRITER);
    let poison = update(&[(50, 0, vec![text(At::Root, "a"), text(At::Parent(50, 0), "b")])], &[]);
    mallory.say("room", &message::update(&poison));
    mallory.until("room", REFUSED);
    let good = update(&[(51, 0, vec![text(At::Root, "a")])], &[]);
    mallory.say("room", &message::update(&good));
    mallory.until("room", SAVED);
}
