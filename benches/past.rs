//! How long looking back takes in a long timeline: a recorded session typed twice, 274,308 edits. `cargo bench --bench past`.
#![allow(clippy::print_stdout, clippy::expect_used)]

use std::io::Read;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tutti::document::{Blocks, ReadingBudget, View};
use tutti::history::{GAP_MS, Histories, When};
use tutti::ids::{RoomName, Seq, UserId};
use tutti::store::{Append, EntryKind, NewEntry, Store, StoreSettings};
use uuid::Uuid;
use yrs::{ClientID, Doc, OffsetKind, Options, Text, Transact};

/// How often the session is typed.
const TIMES: usize = 2;

#[derive(serde::Deserialize)]
struct Session {
    txns: Vec<Txn>,
}

#[derive(serde::Deserialize)]
struct Txn {
    patches: Vec<(u32, u32, String)>,
}

fn session() -> Session {
    let packed = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/seph-blog1.json.gz"));
    let mut json = String::new();
    flate2::read::GzDecoder::new(packed.expect("the recording")).read_to_string(&mut json).expect("JSON");
    serde_json::from_str(&json).expect("a session")
}

/// The edits of typing the session again and again, each time by another Yjs client into another root.
fn edits() -> Vec<Bytes> {
    let session = session();
    let mut edits = Vec::new();
    for time in 0..TIMES {
        let client = ClientID::new(1000 + time as u64);
        let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(client) });
        let text = doc.get_or_insert_text(format!("t{time}"));
        for txn in &session.txns {
            let mut transaction = doc.transact_mut();
            for (at, deleted, inserted) in &txn.patches {
                text.remove_range(&mut transaction, *at, *deleted);
                text.insert(&mut transaction, *at, inserted);
            }
            edits.push(transaction.encode_update_v1().into());
        }
    }
    edits
}

async fn fill(store: &Store, name: &RoomName, edits: &[Bytes]) {
    let room = store.ensure_room(name, None).await.expect("a room");
    let users = [UserId::new("alice"), UserId::new("bob")];
    for (n, chunk) in edits.chunks(2000).enumerate() {
        let author = users[n * 2000 / (edits.len() / TIMES + 1)].clone();
        let entry = |body: &Bytes| NewEntry {
            kind: EntryKind::Edit,
            author: author.clone(),
            via: None,
            condition: None,
            key: None,
            body: body.clone(),
        };
        let entries = chunk.iter().map(entry).collect();
        let append = Append {
            room,
            id: Uuid::new_v4(),
            is_repeated: false,
            after: None,
            epoch: None,
            entries,
            clients: Vec::new(),
        };
        store.append(vec![append]).await.remove(0).expect("stored");
    }
}

/// The shortest, median and longest of several runs.
fn shown(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{what:<56} {:>8.1} {:>8.1} {:>8.1} ms",
        ms(times[0]),
        ms(times[times.len() / 2]),
        ms(times[times.len() - 1])
    );
}

async fn state(histories: &Histories, name: &RoomName, seq: u64) -> Bytes {
    let open = histories.open(name).await.expect("a history").expect("a room");
    open.state(When::Seq(Seq(seq))).expect("a state").1.into()
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("tutti.db").display());
    let store = Store::open(StoreSettings::new(&url, "bench")).await.expect("a store");
    store.migrate().await.expect("migrated");
    let name = RoomName::parse("long").expect("a name");
    let edits = edits();
    fill(&store, &name, &edits).await;
    let last = edits.len() as u64;
    println!("{last} edits, {} bytes", edits.iter().map(Bytes::len).sum::<usize>());

    let started = Instant::now();
    Histories::new(store.clone()).build(&name).await.expect("built");
    println!("history made of the entries in {:.0} ms", started.elapsed().as_secs_f64() * 1000.0);
    let room = store.ensure_room(&name, None).await.expect("a room");
    let (mut after, mut stored) = (Seq::ZERO, 0);
    loop {
        let page = store.history_segments(room, after).await.expect("segments");
        let Some(segment) = page.last() else { break };
        after = segment.seq;
        stored += page.iter().map(|segment| segment.body.len()).sum::<usize>();
    }
    let mut document = Blocks::new(1 << 30, false);
    document.load(&edits);
    let histories = Histories::new(store.clone());
    let open = histories.open(&name).await.expect("a history").expect("a room");
    println!("stored {stored} bytes; in memory {} bytes, the document {}", open.held(), document.held());
    drop(open);

    let seqs: Vec<u64> = (1..=20).map(|n| last * n / 20).collect();
    println!("{:<56} {:>8} {:>8} {:>8}", "", "best", "median", "worst");
    let mut times = Vec::new();
    for seq in &seqs {
        let cold = Histories::new(store.clone());
        let started = Instant::now();
        state(&cold, &name, *seq).await;
        times.push(started.elapsed());
    }
    shown("a state as Yjs bytes, cold", times);
    let (mut bytes, mut text) = (Vec::new(), Vec::new());
    for seq in &seqs {
        let started = Instant::now();
        let state = state(&histories, &name, *seq).await;
        bytes.push(started.elapsed());
        let view = View::read(&state, ReadingBudget::default()).expect("a view");
        view.text(Some("t0")).expect("a text");
        text.push(started.elapsed());
    }
    shown("a state as Yjs bytes, warm", bytes);
    shown("a state as text, warm", text);
    let open = histories.open(&name).await.expect("a history").expect("a room");
    let authors = histories.authors(open.row.id).await.expect("authors");
    let (mut sessions, mut blame, mut diff, mut lines) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for seq in &seqs {
        let started = Instant::now();
        open.sessions(None, 100, GAP_MS, &authors).expect("sessions");
        sessions.push(started.elapsed());
        let started = Instant::now();
        open.blame(Some("t0"), When::Seq(Seq(*seq)), &authors).expect("blame");
        blame.push(started.elapsed());
        let moments = (When::Seq(Seq(last - seq)), When::Seq(Seq(*seq)));
        let started = Instant::now();
        open.diff(Some("t0"), moments, &authors).expect("differences");
        diff.push(started.elapsed());
        let started = Instant::now();
        open.unified_diff(Some("t0"), moments).expect("differences");
        lines.push(started.elapsed());
    }
    shown("sessions", sessions);
    shown("blame of one root", blame);
    shown("differences of one root", diff);
    shown("the same by lines", lines);
    let started = Instant::now();
    open.blame(Some("t0"), When::Seq(Seq(last)), &authors).expect("blame");
    shown("blame of one root, at the end", vec![started.elapsed()]);
}

fn main() {
    // `cargo test --all-targets` runs it, too, without what `cargo bench` adds.
    if std::env::args().any(|argument| argument == "--bench") {
        tokio::runtime::Runtime::new().expect("a runtime").block_on(measure());
    }
}
