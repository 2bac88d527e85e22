//! Old edits become packs, and nobody who reads notices.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tutti::archive;
use tutti::ids::{Seq, UserId};
use tutti::store::{
    Bodies, CopyEnd, CopyPart, Deletion, Dropping, ENTRY_OVERHEAD_BYTES, Entry, EntryKind, FinishedCopy, HistoryQuery,
    Kept, Kinds, Loaded, NewEntry, Packed, Page, RoomId, RoomSize, Store, StoreError,
};
use yrs::{ClientID, Doc, Options, Text, Transact};

use crate::support::{Database, append, contract, edit, entry, everything, history, keyed, name, one, placed, room};

/// Older than any entry of a test is not, and all are.
const NONE_OLD: i64 = 0;
const ALL_OLD: i64 = i64::MAX;

/// Updates of somebody who types.
fn typed(client: u64, count: usize) -> Vec<Bytes> {
    let doc = Doc::with_options(Options::with_client_id(ClientID::new(client)));
    let text = doc.get_or_insert_text("t");
    let update = |n: usize| {
        let mut transaction = doc.transact_mut();
        match n % 7 {
            6 => text.remove_range(&mut transaction, (n / 3) as u32, 1),
            _ => text.insert(&mut transaction, (n / 2) as u32, &n.to_string()),
        }
        transaction.encode_update_v1().into()
    };
    (0..count).map(update).collect()
}

fn edit_of(author: &str, via: Option<&str>, body: Bytes) -> NewEntry {
    NewEntry { author: UserId::new(author), via: via.map(UserId::new), body, ..edit("") }
}

/// Stores updates of one user, so many at once.
async fn stored(store: &Store, room: RoomId, updates: &[Bytes], at_once: usize) {
    for part in updates.chunks(at_once) {
        let entries = part.iter().map(|body| edit_of("ada", None, body.clone())).collect();
        placed(store, &append(room, entries)).await;
    }
}

async fn bodies(store: &Store, room: RoomId) -> Vec<Bytes> {
    history(store, room).await.into_iter().filter_map(|entry| entry.body).collect()
}

/// A room in which everything happens: several people, some of whom forward, messages, events, steps, edits with keys, edits that
/// are none, long ones.
async fn busy_room(store: &Store, called: &str, edits: usize) -> RoomId {
    let room = room(store, called).await;
    for (n, body) in typed(77, edits).into_iter().enumerate() {
        let author = ["ada", "bob", "cleo"][n % 3];
        let via = (n % 11 == 0).then_some("relay");
        let mut entries = vec![edit_of(author, via, body)];
        match n % 50 {
            7 => entries.push(entry(EntryKind::Message, author, "hello")),
            13 => entries.push(entry(EntryKind::Event, "bob", r#"{"type":"x"}"#)),
            19 => entries.push(NewEntry { key: Some(format!("k{n}")), ..edit("keyed") }),
            23 => entries.push(entry(EntryKind::Step, "ada", "step")),
            29 => entries.push(edit("no update at all")),
            31 => entries.push(edit_of("dora", None, vec![7; 70_000].into())),
            _ => {}
        }
        placed(store, &append(room, entries)).await;
    }
    room
}

/// All that can be asked about a room.
#[derive(Debug, PartialEq)]
struct Answers {
    loaded: Option<Loaded>,
    pages: BTreeMap<String, Vec<Entry>>,
    size: RoomSize,
    but_edits: u64,
}

async fn answers(store: &Store, called: &str, room: RoomId) -> Answers {
    let mut pages = BTreeMap::new();
    let kinds = [Kinds::All, Kinds::Only(EntryKind::Edit), Kinds::Only(EntryKind::Message), Kinds::NotEdits];
    for kinds in kinds {
        for page in [Page::Oldest, Page::Newest] {
            for author in [None, Some("bob"), Some("dora"), Some("nobody")] {
                for (after, before) in
                    [(None, None), (Some(20), None), (None, Some(90)), (Some(33), Some(36)), (Some(35), Some(36))]
                {
                    for (limit, bodies) in [(u32::MAX, Bodies::All), (17, Bodies::All), (1, Bodies::NotOfEdits)] {
                        let query = HistoryQuery {
                            after: after.map(Seq),
                            before: before.map(Seq),
                            kinds,
                            author: author.map(UserId::new),
                            limit,
                            page,
                            bodies,
                        };
                        let key = format!("{query:?}");
                        pages.insert(key, store.history(room, query).await.expect("a page"));
                    }
                }
            }
        }
    }
    Answers {
        loaded: store.load(&name(called)).await.expect("the room is read"),
        pages,
        size: store.room_size(room).await.expect("a size"),
        but_edits: store.count_but_edits(room, Seq::ZERO, 1_000_000).await.expect("a count"),
    }
}

/// Packs what can be packed; how many edits.
async fn pack_all(store: &Store, room: RoomId, old_ms: i64) -> usize {
    let mut entries = 0;
    loop {
        let packed = store.pack_next(room, old_ms).await.expect("packed");
        entries += packed.entries;
        if !packed.is_more {
            return entries;
        }
    }
}

contract! {
    async fn what_is_dropped_goes_out_of_packs_and_the_rest_of_them_stays(db: &Database) {
        let store = db.store("main").await;
        let room = busy_room(&store, "plan", 300).await;
        let before = store.history(room, everything()).await.expect("a page");
        assert!(pack_all(&store, room, ALL_OLD).await > 200);
        // In the middle of a pack.
        let to = Seq(before.len() as u64 / 2);
        let kept = Some(Kept { state: "state".into(), base: "base".into() });
        let dropping = Dropping { from: (Seq::ZERO, 0), to, versions: Vec::new(), kept };
        assert_eq!(store.raise_horizon(room, dropping).await, Ok(true));
        let mut parts = 0;
        while store.drop_part(room).await.expect("a part") {
            parts += 1;
            assert!(parts < 100, "it ends");
        }
        let stays = |entry: &&Entry| entry.seq > to || matches!(entry.kind, EntryKind::Event | EntryKind::Step);
        let expected: Vec<Entry> = before.iter().filter(stays).cloned().collect();
        for _ in 0..2 {
            assert_eq!(store.remaining(room, everything()).await.expect("a page"), expected);
            pack_all(&store, room, ALL_OLD).await;
        }
        let after = HistoryQuery { after: Some(to), ..everything() };
        assert_eq!(store.history(room, after).await.expect("a page").len() as u64, before.len() as u64 - to.0);
    }

    async fn trap_22_every_answer_is_the_same_before_and_after_packing(db: &Database) {
        let store = db.store("s1").await;
        let room = busy_room(&store, "busy", 150).await;
        store.save_snapshot(room, Seq(40), Bytes::from_static(b"state"), 0).await.expect("an answer");
        let before = answers(&store, "busy", room).await;
        let packed = pack_all(&store, room, ALL_OLD).await;
        assert_eq!(packed, 150 + 3, "all edits but those with keys and the long ones");
        assert_eq!(answers(&store, "busy", room).await, before);
        db.execute("delete from entry where kind = 1 and key is null and length(body) between 1 and 60000").await;
        assert_eq!(answers(&store, "busy", room).await, before, "no row of a packed edit is read");
    }

    async fn a_copy_of_what_is_packed_has_every_entry_and_is_counted_alike(db: &Database) {
        let store = db.store("s1").await;
        let room = busy_room(&store, "busy", 60).await;
        pack_all(&store, room, ALL_OLD).await;
        let entries = history(&store, room).await;
        let last = entries.last().cloned().expect("there are some");
        let copy = store.begin_copy(room, 0, 1_000).await.expect("an answer").expect("it begins");
        assert_eq!(store.fill_copy(copy, CopyPart::Entries(entries.clone()), 1_000).await, Ok(true));
        let bytes = store.counted_bytes(room).await.expect("it is counted");
        let (head, at_ms, by) = (last.seq, last.at_ms, (UserId::new("carol"), "Carol".to_owned()));
        let finished = FinishedCopy { name: name("copy"), head, at_ms, of: room, with_past: true, by, bytes, maker: None };
        assert_eq!(store.finish_copy(copy, finished, 1_000).await, Ok(CopyEnd::Done));
        assert_eq!(history(&store, copy).await, entries);
        let all: usize = entries.iter().map(|entry| entry.body_bytes as usize + ENTRY_OVERHEAD_BYTES as usize).sum();
        assert_eq!(bytes as usize, all);
    }

    async fn what_is_young_stays_as_it_came(db: &Database) {
        let store = db.store("s1").await;
        let room = busy_room(&store, "busy", 60).await;
        assert_eq!(store.pack_next(room, NONE_OLD).await, Ok(Packed::default()));
        assert_eq!(store.rooms_to_pack((RoomId(0), room), NONE_OLD).await, Ok(vec![]));
        assert_eq!(history(&store, room).await.len(), 60 + 7);
    }

    async fn trap_25_a_key_that_is_sent_again_after_packing_is_stored_once(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "keys").await;
        let keyed_edit = NewEntry { kind: EntryKind::Edit, ..keyed("ada", "k") };
        let first = placed(&store, &append(room, vec![edit("a"), keyed_edit.clone(), edit("b")])).await;
        assert_eq!(pack_all(&store, room, ALL_OLD).await, 2);
        let again = placed(&store, &append(room, vec![keyed_edit])).await;
        assert_eq!((again[0].seq, again[0].is_new), (first[1].seq, false));
    }

    async fn a_pack_that_is_not_full_is_made_anew_with_what_comes(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "slow").await;
        let updates = typed(5, 900);
        for part in updates.chunks(100) {
            stored(&store, room, part, 100).await;
            assert!(pack_all(&store, room, ALL_OLD).await >= 100);
        }
        assert_eq!(bodies(&store, room).await, updates);
        // There is one: with the next one gone, nothing is left.
        let sql = "delete from pack where (select count(*) from pack) = 1";
        db.execute(sql).await;
        assert_eq!(history(&store, room).await, []);
    }

    async fn a_long_timeline_becomes_many_packs_each_read_by_itself(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "long").await;
        let updates = typed(5, 9_000);
        stored(&store, room, &updates, 1_000).await;
        // While somebody writes, a pack is made in parts, and anew with each.
        assert!(pack_all(&store, room, ALL_OLD).await >= 9_000);
        assert!(db.blobs("select body from entry").await.is_empty());
        assert_eq!(db.blobs("select body from pack").await.len(), 3);
        assert_eq!(bodies(&store, room).await, updates);
        let newest = HistoryQuery { page: Page::Newest, limit: 5_000, ..everything() };
        let page = store.history(room, newest).await.expect("an answer");
        assert_eq!((page[0].seq, page.last().expect("an answer").seq, page.len()), (Seq(4_001), Seq(9_000), 5_000));
        let middle = HistoryQuery { page: Page::Newest, limit: 3, before: Some(Seq(4_098)), ..everything() };
        let seqs: Vec<u64> = store.history(room, middle).await.expect("an answer").iter().map(|entry| entry.seq.0).collect();
        assert_eq!(seqs, [4_095, 4_096, 4_097]);
    }

    async fn trap_24_entries_are_read_once_each_while_they_become_packs_and_others_come(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "moving").await;
        let updates = typed(5, 3_000);
        let typing = stored(&store, room, &updates, 30);
        let packing = async {
            loop {
                store.pack_next(room, ALL_OLD).await.expect("packed");
                let entries = history(&store, room).await;
                let seqs: Vec<u64> = entries.iter().map(|entry| entry.seq.0).collect();
                assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
                if seqs.len() == updates.len() {
                    return;
                }
            }
        };
        futures_util::future::join(typing, packing).await;
        pack_all(&store, room, ALL_OLD).await;
        assert_eq!(bodies(&store, room).await, updates);
    }

    async fn trap_29_rooms_are_packed_when_they_are_quiet_or_long_and_then_left_alone(db: &Database) {
        let store = db.store("s1").await;
        let (short, long) = (room(&store, "short").await, room(&store, "long").await);
        placed(&store, &append(short, vec![edit("a"), keyed("ada", "k")])).await;
        placed(&store, &append(long, (0..300).map(|_| edit("a")).collect())).await;
        let all = (RoomId(0), RoomId(i64::MAX));
        assert_eq!(store.rooms_to_pack(all, ALL_OLD).await, Ok(vec![short, long]));
        // Nobody knows yet whether anything in it is old.
        assert_eq!(store.rooms_to_pack(all, NONE_OLD).await, Ok(vec![long]));
        for room in [short, long] {
            pack_all(&store, room, ALL_OLD).await;
        }
        assert_eq!(store.rooms_to_pack(all, ALL_OLD).await, Ok(vec![]));
        placed(&store, &append(short, vec![edit("b")])).await;
        assert_eq!(store.rooms_to_pack(all, ALL_OLD).await, Ok(vec![short]));
    }

    async fn trap_23_a_pack_that_cannot_be_saved_takes_no_row(db: &Database) {
        let store = db.store("s1").await;
        let room = busy_room(&store, "busy", 40).await;
        let before = history(&store, room).await;
        db.execute("alter table pack_user rename to pack_user_away").await;
        assert!(store.pack_next(room, ALL_OLD).await.is_err());
        db.execute("alter table pack_user_away rename to pack_user").await;
        assert_eq!(history(&store, room).await, before);
        assert_eq!(pack_all(&store, room, ALL_OLD).await, 41);
        assert_eq!(history(&store, room).await, before);
    }

    async fn trap_28_a_damaged_pack_is_named_and_costs_what_is_in_it(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "damaged").await;
        stored(&store, room, &typed(5, 6_000), 1_000).await;
        pack_all(&store, room, ALL_OLD).await;
        placed(&store, &append(room, vec![edit("row")])).await;
        store.save_snapshot(room, Seq(4_096), Bytes::from_static(b"state"), 0).await.expect("an answer");
        db.execute("update pack set body = substr(body, 1, length(body) - 1) where first_seq = 1").await;

        let damaged = StoreError::DamagedPack { room: room.0, first: Seq(1), last: Seq(4_096) };
        assert_eq!(store.history(room, everything()).await, Err(damaged.clone()));
        assert!(damaged.to_string().contains("edits 1 to 4096"), "{damaged}");
        let newest = HistoryQuery { page: Page::Newest, ..everything() };
        assert_eq!(store.history(room, newest).await.expect("an answer").len(), 6_001 - 4_096, "the others are read");
        let loaded = store.load(&name("damaged")).await.expect("an answer").expect("an answer");
        assert_eq!(loaded.edits.len(), 6_001 - 4_096, "the snapshot stands for what is lost");
        db.execute("delete from snapshot").await;
        assert_eq!(store.load(&name("damaged")).await.map(drop), Err(damaged), "no document without what is lost");
    }

    async fn packs_of_a_deleted_room_go_with_it_and_none_are_made(db: &Database) {
        let store = db.store("s1").await;
        let room = busy_room(&store, "gone", 60).await;
        pack_all(&store, room, ALL_OLD).await;
        placed(&store, &append(room, vec![edit("one more")])).await;
        let hard = Deletion::Hard { frees_name: true };
        store.delete_room(&name("gone"), (&UserId::new("ada"), "Ada"), hard, 5).await.expect("an answer");
        assert_eq!(store.pack_next(room, ALL_OLD).await, Ok(Packed::default()));
        while store.purge_part(room, 10).await.expect("an answer") {}
        for table in ["pack", "pack_user", "packing", "entry"] {
            let left = format!("insert into packing_lease (server, until) select null, 0 from {table}");
            assert!(db.try_execute(&left).await.is_ok(), "rows are left in {table}, which this makes lines of, and none may be empty");
        }
    }

    async fn one_server_packs_at_a_time(db: &Database) {
        let (one, other) = (db.store("s1").await, db.store("s2").await);
        let long = std::time::Duration::from_secs(60);
        assert_eq!(one.lease_packing(long).await, Ok(true));
        assert_eq!(other.lease_packing(long).await, Ok(false));
        assert_eq!(one.lease_packing(std::time::Duration::ZERO).await, Ok(true), "renewed, to end now");
        db.execute("update packing_lease set until = until - 1").await;
        assert_eq!(other.lease_packing(long).await, Ok(true));
    }

    async fn who_packs_a_long_room_asks_for_the_lease_before_each_pack_and_stops_without(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "long").await;
        let updates = typed(5, 9_000);
        stored(&store, room, &updates, 1_000).await;
        // Another server has it as soon as there is a pack.
        db.with_the_first_row_of("pack", "update packing_lease set server = 's2', until = 9000000000000").await;
        for _ in 0..2 {
            archive::pack_once(&store, ALL_OLD, Duration::from_secs(60)).await.expect("an answer");
            assert_eq!(store.rooms_to_pack((RoomId(0), RoomId(i64::MAX)), ALL_OLD).await, Ok(vec![room]));
            let only = "insert into packing_lease (server, until) select null, 0 where (select count(*) from pack) <> 1";
            assert!(db.try_execute(only).await.is_ok(), "there is one pack");
        }
        db.execute("update packing_lease set until = 0").await;
        archive::pack_once(&store, ALL_OLD, Duration::from_secs(60)).await.expect("an answer");
        assert_eq!(bodies(&store, room).await, updates);
    }

    async fn trap_27_what_packing_saves_is_saved_on_disk(db: &Database) {
        let store = db.store("s1").await;
        let fill = async |called: &str| {
            let room = room(&store, called).await;
            stored(&store, room, &typed(5, 8_000), 1_000).await;
        };
        fill("first").await;
        let before = db.bytes_on_disk().await;
        archive::pack_once(&store, ALL_OLD, Duration::from_secs(60)).await.expect("an answer");
        let after = db.bytes_on_disk().await;
        // An SQLite file is shorter; what autovacuum frees on Postgres is used for what comes.
        fill("second").await;
        archive::pack_once(&store, ALL_OLD, Duration::from_secs(60)).await.expect("an answer");
        let twice = db.bytes_on_disk().await;
        assert!(after.max(twice) < before + before / 8, "{before}, {after}, {twice}");
        if db.url.starts_with("sqlite") {
            assert!(after < before / 2, "{before}, {after}");
        }
    }

    async fn trap_23_two_that_pack_one_room_at_once_lose_and_double_nothing(db: &Database) {
        let (one, other) = (db.store("s1").await, db.store("s2").await);
        let room = room(&one, "both").await;
        let updates = typed(5, 2_000);
        let typing = async {
            for part in updates.chunks(20) {
                let entries = part.iter().map(|body| edit_of("ada", None, body.clone())).collect();
                placed(&one, &append(room, entries)).await;
            }
        };
        let packing = async |store: &Store| {
            while history(store, room).await.len() < updates.len() {
                // Who comes second finds that something else is stored than it has packed, and changes nothing.
                let _ = store.pack_next(room, ALL_OLD).await;
            }
        };
        futures_util::future::join3(typing, packing(&one), packing(&other)).await;
        pack_all(&one, room, ALL_OLD).await;
        let bodies: Vec<Bytes> = history(&other, room).await.into_iter().filter_map(|entry| entry.body).collect();
        assert_eq!(bodies, updates);
    }

    async fn a_program_that_knows_no_packs_is_kept_away_from_the_first_one_on(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "first").await;
        let is_marked = "insert into packing_lease (server, until) select null, 0 from _sqlx_migrations where version = 1020";
        assert!(db.try_execute(is_marked).await.is_ok(), "not before");
        placed(&store, &append(room, vec![edit("a")])).await;
        assert_eq!(pack_all(&store, room, ALL_OLD).await, 1);
        assert!(db.try_execute(is_marked).await.is_err(), "recorded");
        assert_eq!(store.pending_migrations().await, Ok(0));
        assert_eq!(db.store("s2").await.migrate().await, Ok(0));
    }

    async fn appending_goes_on_where_the_last_entries_are_packed(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "on").await;
        placed(&store, &append(room, vec![edit("a"), edit("b")])).await;
        pack_all(&store, room, ALL_OLD).await;
        let outcome = one(&store, &append(room, vec![edit("c")])).await.expect("an answer");
        assert_eq!(outcome[0].expect("an answer").seq, Seq(3));
        assert_eq!(history(&store, room).await.len(), 3);
    }
}
