//! What a newer release has stored is whole: a server that does not know its layout leaves it as it is, reads from the timeline what it
//! can, and says of the rest that it cannot; nothing that is erased outlasts its erasure in it.

use std::time::Duration;

use bytes::Bytes;
use tutti::archive::{self, Archive, ArchiveError, DocumentRules};
use tutti::config::serve_config;
use tutti::document::{ReadingBudget, View};
use tutti::history::{self, Histories, HistoryError, Sweeper, When};
use tutti::ids::{Seq, UserId};
use tutti::layout::{HEAD_BYTES, Stored, checksum};
use tutti::store::{
    Append, BegunErasure, EntryKind, HistorySegment, NewEntry, RevocationRow, RevokedKind, RoomEvent, RoomId, Store,
    StoreError,
};
use yrs::{ClientID, Doc, Options, Text, Transact};

use crate::support::*;

const SECRET: &str = "xyzzy-secret-plugh";
/// So many edits, and so long ones, that some of them are a segment.
const EDITS: u64 = 32;
const EDIT_BYTES: usize = 40 << 10;
/// Edits up to here are dropped: one of them is Bob's.
const HORIZON: Seq = Seq(5);

/// Something stored that gets a greater number, and what cannot be done then.
struct Case {
    stored: Stored,
    table: &'static str,
    column: &'static str,
    /// Which rows.
    read: &'static str,
    /// What of a room is refused. All else is answered as before.
    refused: &'static [&'static str],
    /// Whether what is too old is dropped, and what is to be erased is erased, by another server only.
    holds_up_retention: bool,
    holds_up_erasure: bool,
}

const CASES: [Case; 7] = [
    Case {
        stored: Stored::Pack,
        table: "pack",
        column: "body",
        read: "select body from pack order by seq",
        // The document is in the newest snapshot.
        refused: &["past", "timeline"],
        holds_up_retention: true,
        holds_up_erasure: true,
    },
    Case {
        stored: Stored::Snapshot,
        table: "snapshot",
        column: "state",
        read: "select state from snapshot where seq > 5",
        refused: &[],
        holds_up_retention: false,
        // It goes.
        holds_up_erasure: false,
    },
    // The one that stands for what was dropped.
    Case {
        stored: Stored::Snapshot,
        table: "snapshot",
        column: "state",
        read: "select state from snapshot where seq = 5",
        refused: &[],
        holds_up_retention: false,
        holds_up_erasure: true,
    },
    Case {
        stored: Stored::Snapshot,
        table: "snapshot",
        column: "state",
        read: "select state from snapshot order by seq",
        refused: &["document"],
        holds_up_retention: false,
        holds_up_erasure: true,
    },
    Case {
        stored: Stored::Segment,
        table: "history",
        column: "body",
        read: "select body from history order by after",
        refused: &[],
        holds_up_retention: false,
        // It goes.
        holds_up_erasure: false,
    },
    Case {
        stored: Stored::Base,
        table: "base",
        column: "body",
        read: "select body from base",
        refused: &["past"],
        holds_up_retention: true,
        holds_up_erasure: true,
    },
    Case {
        stored: Stored::Erasure,
        table: "erasure",
        column: "plan",
        read: "select plan from erasure",
        refused: &[],
        holds_up_retention: false,
        holds_up_erasure: true,
    },
];

impl Case {
    async fn rows(&self, db: &Database) -> Vec<Vec<u8>> {
        db.blobs(self.read).await
    }

    /// Has a newer release write what is stored, and gives both.
    async fn raise(&self, db: &Database) -> Vec<[Vec<u8>; 2]> {
        let number = [self.stored.newest() + 1];
        let raised = |row: Vec<u8>| {
            let behind = if self.stored == Stored::Erasure { &row[1..] } else { &row[HEAD_BYTES..] };
            let newer = [&number, &checksum(&[&number, behind]).to_le_bytes()[..], behind].concat();
            [row, newer]
        };
        let rows: Vec<_> = self.rows(db).await.into_iter().map(raised).collect();
        for [from, to] in &rows {
            db.replace(self.table, self.column, from, to).await;
        }
        rows
    }

    /// Here is a server of that release.
    async fn lower(&self, db: &Database, rows: &[[Vec<u8>; 2]]) {
        for [from, to] in rows {
            db.replace(self.table, self.column, to, from).await;
        }
    }

    async fn is_left_as_it_is(&self, db: &Database, whole: &Told) {
        let (store, id) = opened_room(db).await;
        let raised = self.raise(db).await;
        let rows = self.rows(db).await;
        assert_eq!(rows.is_empty(), self.stored == Stored::Erasure);

        let newer = |what: &str| if self.refused.contains(&what) { Err(Untold::Newer) } else { Ok(()) };
        let expected: Vec<_> =
            whole.iter().map(|(what, answer)| (*what, newer(what).and_then(|()| answer.clone()))).collect();
        for _ in 0..2 {
            assert!(told(&store).await == expected, "{:?} of {:?}", self.stored, self.refused);
            keep_up(&store, id).await;
            assert!(self.rows(db).await == rows, "{:?}", self.stored);
        }

        let horizon = if self.holds_up_retention { HORIZON } else { Seq(10) };
        sweep(&store, 10).await;
        assert_eq!(store.horizon(id).await, Ok(horizon), "{:?}", self.stored);
        if self.holds_up_retention {
            assert!(self.rows(db).await == rows, "{:?}", self.stored);
            self.lower(db, &raised).await;
            assert!(told(&store).await == *whole, "{:?}", self.stored);
        } else {
            let (_, document) = &told(&store).await[0];
            assert!(*document == whole[0].1, "{:?}", self.stored);
        }
    }

    async fn holds_nothing_that_is_erased(&self, db: &Database) {
        let (store, id) = opened_room(db).await;
        begin_erasure(&store, id).await;
        let raised = self.raise(db).await;
        let rows = self.rows(db).await;
        assert!(!rows.is_empty());

        if self.holds_up_erasure {
            for _ in 0..2 {
                let error = erase(&store, id).await.expect_err("it waits");
                assert!(error.is_newer(), "{error}");
                let row = store.erasure(id).await.expect("works").expect("it has not ended");
                assert!(!row.is_rewritten, "{:?}", self.stored);
                assert!(self.rows(db).await == rows, "{:?}", self.stored);
            }
            self.lower(db, &raised).await;
        }
        assert!(erase(&store, id).await.expect("it is erased"));
        assert_eq!(self.rows(db).await.iter().filter(|row| rows.contains(row)).count(), 0, "{:?}", self.stored);
        assert_eq!(db.columns_with(SECRET).await, [""; 0], "{:?}", self.stored);
        for (what, answer) in told(&store).await {
            assert!(!answer.expect("an answer").contains(SECRET), "{what} of {:?}", self.stored);
        }
    }

    /// What is told where a byte of what is stored is another one: the first one makes the number greater.
    async fn told_of_damage(&self, db: &Database, at: usize) -> Told {
        let (store, id) = opened_room(db).await;
        if self.stored == Stored::Erasure {
            begin_erasure(&store, id).await;
        }
        let mut damaged = Vec::new();
        for row in self.rows(db).await {
            let mut other = row.clone();
            other[at] ^= 0x40;
            db.replace(self.table, self.column, &row, &other).await;
            damaged.push(other);
        }
        assert!(!damaged.is_empty());
        let told = told(&store).await;
        if self.stored == Stored::Erasure {
            let is_newer = erase(&store, id).await.is_err_and(|error| error.is_newer());
            assert!(!is_newer, "nobody waits for another server");
        }
        // What can be made again is.
        if matches!(self.stored, Stored::Segment | Stored::Snapshot) && self.refused.is_empty() {
            Histories::new(store.clone()).build(&name("plan")).await.expect("works");
            archive(&store).save_snapshot(&name("plan")).await.expect("works");
            let left = self.rows(db).await.into_iter().filter(|row| damaged.contains(row)).count();
            assert_eq!(left, usize::from(self.read.contains("seq = 5")), "{:?}", self.stored);
        }
        told
    }
}

#[test]
fn each_layout_has_a_case() {
    let has_case = |stored: &Stored| CASES.iter().any(|case| case.stored == *stored);
    let others: Vec<_> = Stored::ALL.into_iter().filter(|stored| !has_case(stored)).collect();
    // They have tests of their own.
    assert_eq!(others, [Stored::Entry, Stored::Revocation]);
}

contract! {
    async fn a_newer_layout_is_left_as_it_is_but_for_what_is_erased_and_is_told_from_damage(db: &Database) {
        let whole = full_room(db).await;
        for case in &CASES {
            case.is_left_as_it_is(&db.copy().await, &whole).await;
            case.holds_nothing_that_is_erased(&db.copy().await).await;
            // A greater number that no checksum has is as damaged as a wrong checksum.
            let [number, checksum] = [case.told_of_damage(&db.copy().await, 0).await, case.told_of_damage(&db.copy().await, 1).await];
            assert!(number == checksum, "{:?} of {:?}", case.stored, case.refused);
            assert!(number.iter().all(|(_, answer)| *answer != Err(Untold::Newer)), "{:?}", case.stored);
        }
    }
}

/// As another release may have the table.
async fn without_kinds_checked(db: &Database, table: &str, sql: &str) {
    match db.is_sqlite() {
        true => db.execute(&format!("pragma ignore_check_constraints = on; {sql}")).await,
        false => db.execute(&format!("alter table {table} drop constraint {table}_kind_check; {sql}")).await,
    }
}

mod parts {
    use super::*;

    contract! {
        async fn the_times_of_a_newer_segment_stay_when_its_edits_are_packed(db: &Database) {
            let store = db.store("s1").await;
            let id = room(&store, "a").await;
            placed(&store, &append(id, vec![edit("e1"), edit("e2"), edit("e3")])).await;
            let (known, newer) = (Stored::Segment.newest(), Stored::Segment.newest() + 1);
            let segment = |seq: u64, body: u8, times: u8| HistorySegment {
                after: Seq(seq - 1),
                seq: Seq(seq),
                body: vec![body].into(),
                times: Some(vec![times].into()),
            };
            for segment in [segment(1, known, known), segment(2, newer, known), segment(3, known, newer)] {
                assert_eq!(store.save_history_segment(id, segment, 0).await, Ok(true));
            }
            pack(&store).await;
            let times = db.blobs("select times from history where times is not null order by after").await;
            assert_eq!(times, [[known], [newer]]);
        }

        async fn an_entry_of_a_newer_kind_is_not_told_as_anything_else_and_the_document_is_there(db: &Database) {
            let store = db.store("s1").await;
            let id = room(&store, "a").await;
            placed(&store, &append(id, vec![edit("e1"), entry(EntryKind::Message, "ada", "m2"), edit("e3")])).await;
            without_kinds_checked(db, "entry", "update entry set kind = 5 where seq = 2").await;
            assert!(matches!(store.history(id, everything()).await, Err(StoreError::Newer(newer)) if newer.number == 5));
            assert!(matches!(store.room_size(id).await, Err(StoreError::Newer(_))));
            let loaded = store.load(&name("a")).await.expect("works").expect("there");
            assert_eq!(loaded.edits, [(Seq(1), Bytes::from("e1")), (Seq(3), Bytes::from("e3"))]);
        }

        async fn of_events_that_no_server_sorts_the_newest_wait_and_more_of_those_that_are_told_for_certain(db: &Database) {
            let store = db.store("s1").await;
            db.execute(
                "insert into webhook (id, url, secret, events, rooms, content, created_at) \
                 values ('wh_later', 'https://app.example.com/', 'whsec_', '[]', '*', 'a later format', 0)",
            )
            .await;
            let kinds = ["room.deleted", "presence.left", "room.created", "room.deleted", "presence.joined", "room.empty"];
            let event = |kind: &str| RoomEvent { id: 0, room: "a".into(), kind: kind.into(), at_ms: 0, body: None };
            store.add_room_events(kinds.map(event).to_vec()).await.expect("works");
            for (best_effort, certain, dropped, left) in [(5, 6, 0, &kinds[..]), (1, 5, 3, &[kinds[2], kinds[3], kinds[5]]), (1, 5, 0, &[kinds[2], kinds[3], kinds[5]])] {
                assert_eq!(store.trim_room_events(best_effort, certain).await, Ok(dropped));
                let events = store.room_events(10).await.expect("works");
                assert_eq!(events.iter().map(|event| &*event.kind).collect::<Vec<_>>(), left);
            }
        }

        async fn beside_a_revocation_of_a_newer_kind_all_others_hold(db: &Database) {
            let store = db.store("s1").await;
            let row = |kind, subject: &str| RevocationRow { kind, subject: subject.to_owned(), at_s: 5, until_s: 9 };
            let known = [row(RevokedKind::User, "ada"), row(RevokedKind::Token, "t")];
            for row in [&known[0], &known[1], &row(RevokedKind::Token, "later")] {
                assert_eq!(store.revoke(row.clone()).await, Ok(()));
            }
            without_kinds_checked(db, "revocation", "update revocation set kind = 3 where subject = 'later'").await;
            assert_eq!(store.revocations(0, None, 10).await, Ok(known.to_vec()));
        }
    }
}

/// A room with all that can be stored of one, and what is told of it: entries in packs, what stays of dropped ones, snapshots that are compressed, segments.
async fn full_room(db: &Database) -> Told {
    let store = db.store("s1").await;
    let id = room(&store, "plan").await;
    let typists = [(7, "ada"), (8, "bob")].map(|(client, user)| {
        let doc = Doc::with_options(Options::with_client_id(ClientID::new(client)));
        (doc, client, UserId::new(user))
    });
    let edits = (0..EDITS).map(|n| {
        let (doc, _, user) = &typists[usize::from(n % 3 == 2)];
        let text = doc.get_or_insert_text("t");
        let mut txn = doc.transact_mut();
        let words = if user.as_str() == "bob" { SECRET } else { "words" };
        text.insert(&mut txn, 0, &format!("{words} {n} {}", "x".repeat(EDIT_BYTES)));
        NewEntry { author: user.clone(), body: txn.encode_update_v1().into(), ..edit("") }
    });
    let clients = typists.iter().map(|(_, client, user)| (*client, user.clone())).collect();
    placed(&store, &Append { clients, ..append(id, edits.collect()) }).await;
    db.execute("update entry set at = seq * 1000; update room set created_at = 0").await;
    sweep(&store, HORIZON.0).await;
    assert_eq!(store.horizon(id).await, Ok(HORIZON));
    Histories::new(store.clone()).build(&name("plan")).await.expect("works");
    store.compress_snapshot(id).await.expect("works");
    archive(&store).save_snapshot(&name("plan")).await.expect("works");
    pack(&store).await;
    for (sql, rows) in [
        ("select body from pack", 2),
        ("select body from history", 1),
        ("select state from snapshot where whole_bytes is not null", 2),
        ("select body from base", 1),
    ] {
        let found = db.blobs(sql).await.len();
        assert!(found >= rows, "{found} of {sql}");
    }
    // Others may pack and drop at once.
    db.execute("delete from lease; update packing_lease set until = 0").await;
    let whole = told(&store).await;
    assert!(whole.iter().all(|(_, answer)| answer.as_ref().is_ok_and(|answer| answer.contains(SECRET))));
    tokio::task::spawn_blocking(move || store.shutdown()).await.expect("it ends");
    whole
}

/// The room, for who knows nothing of it yet.
async fn opened_room(db: &Database) -> (Store, RoomId) {
    let store = db.store("s1").await;
    let room = store.room(&name("plan")).await.expect("works").expect("there");
    (store, room.id)
}

/// Has all words of Bob's erased from then on.
async fn begin_erasure(store: &Store, id: RoomId) {
    let open = Histories::new(store.clone()).open(&name("plan")).await.expect("works").expect("there");
    let authors = Histories::new(store.clone()).authors(id).await.expect("works");
    let words = open.words_of(&UserId::new("bob"), &[], &authors).expect("works");
    let deletion = NewEntry { body: words.deletion.expect("they live"), ..edit("") };
    placed(store, &append(id, vec![deletion])).await;
    let begun = store.begin_erasure(id, words.erasure.encode(), open.row.epoch, None).await;
    assert!(matches!(begun, Ok(BegunErasure::Begun(_))), "{begun:?}");
}

fn archive(store: &Store) -> Archive {
    Archive::new(store.clone(), DocumentRules { bytes_max: 64 << 20, gc: true, gc_off_rooms: Vec::new() })
}

/// Packs and compresses.
async fn pack(store: &Store) {
    archive::pack_once(store, i64::MAX, Duration::from_secs(60)).await.expect("works");
}

/// Drops entries up to a seq.
async fn sweep(store: &Store, upto: u64) {
    let config = serve_config(["--retention", "1s"]);
    let retention = config.expect("good options").store.retention;
    let mut sweeper = Sweeper::new(Histories::new(store.clone()), archive(store), store.clone(), retention);
    assert_eq!(sweeper.sweep(upto as i64 * 1000 + 1_500).await, Ok(true));
}

/// What a server does by itself, and what repairs.
async fn keep_up(store: &Store, id: RoomId) {
    pack(store).await;
    if let Err(error) = Histories::new(store.clone()).build(&name("plan")).await {
        assert!(error.is_newer(), "{error}");
    }
    let counted = store.counted_bytes(id).await;
    assert!(matches!(counted, Ok(_) | Err(StoreError::Newer(_))), "{counted:?}");
    let saved = archive(store).save_snapshot(&name("plan")).await;
    assert!(matches!(saved, Ok(_) | Err(ArchiveError::Store(StoreError::Newer(_)))), "{saved:?}");
}

async fn erase(store: &Store, id: RoomId) -> Result<bool, HistoryError> {
    let row = store.erasure(id).await.expect("works").expect("it has begun");
    let done = history::erase(store, &row, async || true).await?;
    store.scrub().await.expect("works");
    Ok(done)
}

fn text(state: impl Into<Bytes>) -> String {
    View::read(&state.into(), ReadingBudget::default()).expect("works").text(None).expect("works")
}

/// Why something is not told.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Untold {
    Newer,
    Damaged,
}

type Told = Vec<(&'static str, Result<String, Untold>)>;

impl Untold {
    fn why(is_newer: bool) -> Self {
        if is_newer { Self::Newer } else { Self::Damaged }
    }
}

/// What is told of the room by who knows nothing of it yet.
async fn told(store: &Store) -> Told {
    let document = match archive(store).read(&name("plan")).await {
        Ok(stored) => Ok(text(stored.expect("there").document.state())),
        Err(error) => Err(Untold::why(matches!(error, ArchiveError::Store(StoreError::Newer(_))))),
    };
    let past = match Histories::new(store.clone()).open(&name("plan")).await {
        Ok(open) => {
            let open = open.expect("there");
            let authors = Histories::new(store.clone()).authors(open.row.id).await.expect("works");
            let moments = [Some(HORIZON.0), Some(20), None].map(|seq| {
                let when = When::Seq(seq.map_or(open.row.head, Seq));
                // Before the horizon there may be nothing.
                format!("{:?}", open.state(when).map(|(seq, state)| (seq, text(state))))
            });
            let blame = open.blame(Some("t"), When::Seq(Seq(20)), &authors).map(|(seq, blame)| (seq, blame.runs));
            Ok(format!("{moments:?} {blame:?}"))
        }
        Err(error) => Err(Untold::why(error.is_newer())),
    };
    let room = store.room(&name("plan")).await.expect("works").expect("there");
    let timeline = match store.remaining(room.id, everything()).await {
        Ok(page) => {
            Ok(page.iter().map(|entry| String::from_utf8_lossy(entry.body.as_ref().expect("bodies"))).collect())
        }
        Err(error) => Err(Untold::why(matches!(error, StoreError::Newer(_)))),
    };
    vec![("document", document), ("past", past), ("timeline", timeline)]
}
