//! What packing old edits saves and costs: a recorded session, 137,154 edits by twenty Yjs clients of five users, with times to the
//! millisecond. `cargo bench --bench packs`.
#![allow(clippy::print_stdout, clippy::expect_used)]

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tutti::archive::{self, Archive, DocumentRules};
use tutti::history::Histories;
use tutti::ids::{RoomName, Seq, UserId};
use tutti::store::{
    Append, Bodies, Entry, EntryKind, HistoryQuery, Kinds, NewEntry, Packed, Page, RoomId, Store, StoreSettings,
};
use uuid::Uuid;
use yrs::{ClientID, Doc, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update, updates::decoder::Decode};

/// Yjs clients that type one after another, as one person does who comes back.
const CLIENTS: usize = 20;
const USERS: [&str; 5] = ["ada", "bob", "cleo", "dora", "emil"];
/// While somebody types: edits a second, and how many are timed.
const TYPED_PER_S: u32 = 100;
const TYPED: usize = 3_000;
/// How often that is compared.
const PAIRS: usize = 2;
/// The recording is older.
const OLD_MS: i64 = 1_700_000_000_000;

#[derive(serde::Deserialize)]
struct Session {
    txns: Vec<Txn>,
}

#[derive(serde::Deserialize)]
struct Txn {
    time: String,
    patches: Vec<(u32, u32, String)>,
}

fn session() -> Session {
    let packed = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/seph-blog1.json.gz"));
    let mut json = String::new();
    flate2::read::GzDecoder::new(packed.expect("the recording")).read_to_string(&mut json).expect("JSON");
    serde_json::from_str(&json).expect("a session")
}

/// The edits of the session, with their times. The recording has seconds: milliseconds are made up, as evenly as real ones.
fn edits() -> Vec<(i64, Bytes)> {
    let session = session();
    let each = session.txns.len() / CLIENTS + 1;
    let mut state = Vec::new();
    let (mut edits, mut at_ms, mut seed) = (Vec::new(), 0, 1_u64);
    for (n, txns) in session.txns.chunks(each).enumerate() {
        let client = ClientID::new(1_000_003 * (n as u64 + 1) % (1 << 32));
        let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(client) });
        let text = doc.get_or_insert_text("t");
        if !state.is_empty() {
            let update = Update::decode_v1(&state).expect("a state");
            doc.transact_mut().apply_update(update).expect("applied");
        }
        for txn in txns {
            let mut transaction = doc.transact_mut();
            for (at, deleted, inserted) in &txn.patches {
                text.remove_range(&mut transaction, *at, *deleted);
                text.insert(&mut transaction, *at, inserted);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let time = time::OffsetDateTime::parse(&txn.time, &time::format_description::well_known::Rfc3339);
            let second = time.expect("a time").unix_timestamp() * 1_000;
            at_ms = (second + (seed >> 33) as i64 % 1_000).max(at_ms);
            edits.push((at_ms, transaction.encode_update_v1().into()));
        }
        state = doc.transact().encode_state_as_update_v1(&StateVector::default());
    }
    edits
}

fn entry(author: &str, body: Bytes) -> NewEntry {
    NewEntry { kind: EntryKind::Edit, author: UserId::new(author), via: None, condition: None, key: None, body }
}

async fn store(entries: Vec<NewEntry>, store: &Store, room: RoomId) {
    let append =
        Append { room, id: Uuid::new_v4(), is_repeated: false, after: None, epoch: None, entries, clients: Vec::new() };
    store.append(vec![append]).await.remove(0).expect("stored");
}

async fn fill(to: &Store, url: &str, room: RoomId, edits: &[(i64, Bytes)]) {
    let each = edits.len() / USERS.len() + 1;
    for (n, chunk) in edits.chunks(2_000).enumerate() {
        let entries = chunk.iter().map(|(_, body)| entry(USERS[n * 2_000 / each], body.clone())).collect();
        store(entries, to, room).await;
    }
    let mut connection = SqliteConnection::connect(url).await.expect("the file");
    let mut transaction = connection.begin().await.expect("begun");
    for (seq, (at_ms, _)) in (1_i64..).zip(edits) {
        let query = sqlx::query("update entry set at = $1 where room_id = $2 and seq = $3");
        query.bind(at_ms).bind(room.0).bind(seq).execute(&mut *transaction).await.expect("set");
    }
    transaction.commit().await.expect("committed");
}

async fn all(store: &Store, room: RoomId) -> Vec<Entry> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let query = HistoryQuery {
            after,
            before: None,
            kinds: Kinds::All,
            author: None,
            limit: 10_000,
            page: Page::Oldest,
            bodies: Bodies::All,
        };
        let page = store.history(room, query).await.expect("a page");
        let Some(last) = page.last() else { return entries };
        after = Some(last.seq);
        entries.extend(page);
    }
}

/// A line of this process' status, in KiB.
fn status(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|found| found.strip_prefix(line)).expect("a line");
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

async fn bytes(url: &str, sql: &str) -> i64 {
    let mut connection = SqliteConnection::connect(url).await.expect("the file");
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.expect("a number")
}

/// Acknowledgements of somebody who types while something else goes on: median and 99th percentile, in milliseconds.
async fn typing(to: &Store, room: RoomId) -> (f64, f64) {
    let mut took = Vec::with_capacity(TYPED);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / TYPED_PER_S);
    for _ in 0..TYPED {
        ticks.tick().await;
        let begun = Instant::now();
        store(vec![entry("ada", Bytes::from_static(&[0, 0]))], to, room).await;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    took.sort_by(f64::total_cmp);
    (took[TYPED / 2], took[TYPED * 99 / 100])
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tutti.db");
    let url = format!("sqlite://{}", path.display());
    let to = Store::open(StoreSettings::new(&url, "bench")).await.expect("a store");
    to.migrate().await.expect("migrated");
    let name = RoomName::parse("blog").expect("a name");
    let room = to.ensure_room(&name, None).await.expect("a room");
    let edits = edits();
    fill(&to, &url, room, &edits).await;
    println!("{} edits, {} bytes", edits.len(), edits.iter().map(|(_, edit)| edit.len()).sum::<usize>());
    let rules = DocumentRules { bytes_max: 64 << 20, gc: true, gc_off_rooms: Vec::new() };
    let archive = Archive::new(to.clone(), rules);
    archive.save_snapshot(&name).await.expect("a snapshot");
    Histories::new(to.clone()).build(&name).await.expect("a history");
    let before = all(&to, room).await;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    to.checkpoint().await.expect("a checkpoint");
    println!("file before: {} bytes", size(&path));

    // The highest mark of memory begins anew.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let memory = status("VmRSS:");
    let begun = Instant::now();
    archive::pack_once(&to, i64::MAX, Duration::from_secs(60)).await.expect("packed");
    let took = begun.elapsed().as_secs_f64();
    let more = status("VmHWM:").saturating_sub(memory);
    println!(
        "packed in {took:.2} s, {:.0} edits/s, {:.1} MiB more memory",
        edits.len() as f64 / took,
        more as f64 / 1024.0
    );
    for (what, sql) in [
        ("packs", "select coalesce(sum(length(body)), 0) from pack"),
        ("history", "select coalesce(sum(length(body)), 0) from history"),
        ("snapshots", "select coalesce(sum(length(state)), 0) from snapshot"),
    ] {
        println!("{what}: {} bytes", bytes(&url, sql).await);
    }
    println!(
        "file: {} bytes, {} of its pages unused",
        size(&path),
        bytes(&url, "select freelist_count from pragma_freelist_count").await
    );

    let mut connection = SqliteConnection::connect(&url).await.expect("the file");
    let sql = "select name, sum(pgsize), sum(unused) from dbstat group by name order by 2 desc, name";
    let pages: Vec<(String, i64, i64)> = sqlx::query_as(sql).fetch_all(&mut connection).await.expect("sizes");
    let single = pages.iter().filter(|(_, bytes, _)| *bytes <= 4096).count();
    for (name, bytes, unused) in pages.iter().filter(|(_, bytes, _)| *bytes > 4096) {
        println!("  {name}: {bytes} bytes, {unused} of them unused");
    }
    println!("  {single} tables and indexes of one page each");

    let begun = Instant::now();
    let after = all(&to, room).await;
    println!("read again in {:.0} ms", begun.elapsed().as_secs_f64() * 1_000.0);
    assert!(after == before, "each entry is read as before");
    let begun = Instant::now();
    let query = HistoryQuery {
        after: Some(Seq(70_000)),
        before: None,
        kinds: Kinds::All,
        author: None,
        limit: 100,
        page: Page::Oldest,
        bodies: Bodies::All,
    };
    to.history(room, query).await.expect("a page");
    println!("a page of 100 in {:.1} ms", begun.elapsed().as_secs_f64() * 1_000.0);

    let live = to.ensure_room(&RoomName::parse("live").expect("a name"), None).await.expect("a room");
    let other = to.ensure_room(&RoomName::parse("other").expect("a name"), None).await.expect("a room");
    fill(&to, &url, other, &edits).await;
    let rows = "select count(*) from entry where room_id = (select id from room where name = 'other')";
    println!("somebody types {TYPED_PER_S} times a second, while nothing is packed and while others' edits are:");
    for _ in 0..PAIRS {
        let alone = typing(&to, live).await;
        let Packed { entries, held, .. } = to.pack_next(other, OLD_MS).await.expect("packed");
        let before = bytes(&url, rows).await;
        let packer = to.clone();
        let packing = tokio::spawn(async move { archive::pack_once(&packer, OLD_MS, Duration::from_secs(600)).await });
        let beside = typing(&to, live).await;
        packing.abort();
        let packed = before - bytes(&url, rows).await;
        println!(
            "  acknowledged after {:.1} ms, p99 {:.1} ms; {:.1} ms, p99 {:.1} ms beside {packed} edits: {:.2} times; \
             {entries} at once keep others from writing for {:.1} ms",
            alone.0,
            alone.1,
            beside.0,
            beside.1,
            beside.1 / alone.1,
            held.as_secs_f64() * 1_000.0
        );
    }
}

fn main() {
    // `cargo test --all-targets` runs it, too, without what `cargo bench` adds.
    if std::env::args().any(|argument| argument == "--bench") {
        tokio::runtime::Runtime::new().expect("a runtime").block_on(measure());
    }
}
