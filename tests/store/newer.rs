//! What a newer release has stored is whole: a server that does not know its layout leaves it as it is, reads from the timeline what it
//! can, and says of the rest that it cannot; nothing that is erased outlasts its erasure in it.

use std::time::Duration;

use bytes::Bytes;
use tutti::archive::{self, Archive, ArchiveError, DocumentRules};
use tutti::config::serve_config;
use tutti::document::{ReadingBudget, View};
use tutti::history::{self, Histories, HistoryError, Sweeper, When};
use tutti::ids::{Seq, UserId};
use tutti::layout::Stored;
use tutti::store::{
    Append, BegunErasure, EntryKind, HistorySegment, NewEntry, RevocationRow, RevokedKind, RoomId, Store, StoreError,
};
use yrs::{ClientID, Doc, Options, Text, Transact};

use crate::support::*;

const SECRET: &str = "xyzzy-secret-plugh";
/// So many edits, and so long ones, that some of them are a segment.
const EDITS: u64 = 36;
const EDIT_BYTES: usize = 40 << 10;
/// Edits up to here are dropped: one of them is Bob's.
const HORIZON: Seq = Seq(5);

/// Something stored that gets a greater number, and what cannot be done then.
struct Case {
    stored: Stored,
    table: &'static str,
    column: &'static str,
    /// Which rows, and how they are read.
    rows: &'static str,
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
        rows: "true",
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
        rows: "seq > 5",
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
        rows: "seq = 5",
        read: "select state from snapshot where seq = 5",
        refused: &[],
        holds_up_retention: false,
        holds_up_erasure: true,
    },
    Case {
        stored: Stored::Snapshot,
        table: "snapshot",
        column: "state",
        rows: "true",
        read: "select state from snapshot order by seq",
        refused: &["document"],
        holds_up_retention: false,
        holds_up_erasure: true,
    },
    Case {
        stored: Stored::Segment,
        table: "history",
        column: "body",
        rows: "true",
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
        rows: "true",
        read: "select body from base",
        refused: &["past"],
        holds_up_retention: true,
        holds_up_erasure: true,
    },
    Case {
        stored: Stored::Erasure,
        table: "erasure",
        column: "plan",
        rows: "true",
        read: "select plan from erasure",
        refused: &[],
        holds_up_retention: false,
        holds_up_erasure: true,
    },
];

impl Case {
    /// Gives what is stored the number that is so much greater than the newest one that is known.
    async fn raise(&self, db: &Database, by: u8) {
        let Self { stored, table, column, rows, .. } = self;
        let number = stored.newest() + by;
        let set = match db.is_sqlite() {
            true => format!("cast(x'{number:02x}' || substr({column}, 2) as blob)"),
            false => format!("set_byte({column}, 0, {number})"),
        };
        db.execute(&format!("update {table} set {column} = {set} where {rows}")).await;
    }

    async fn rows(&self, db: &Database) -> Vec<Vec<u8>> {
        db.blobs(self.read).await
    }

    async fn is_left_as_it_is(&self, db: &Database) {
        let (store, id) = full_room(db).await;
        let whole = told(&store).await;
        assert!(whole.iter().all(|(_, answer)| answer.as_ref().is_some_and(|answer| answer.contains(SECRET))));
        self.raise(db, 1).await;
        let rows = self.rows(db).await;
        assert_eq!(rows.is_empty(), self.stored == Stored::Erasure);

        let expected: Vec<_> = whole
            .iter()
            .map(|(what, answer)| (*what, answer.clone().filter(|_| !self.refused.contains(what))))
            .collect();
        for _ in 0..2 {
            assert!(told(&store).await == expected, "{:?} of {:?}", self.stored, self.refused);
            keep_up(&store, id).await;
            assert!(self.rows(db).await == rows, "{:?}", self.stored);
        }

        let raised = if self.holds_up_retention { HORIZON } else { Seq(10) };
        sweep(&store, 10).await;
        assert_eq!(store.horizon(id).await, Ok(raised), "{:?}", self.stored);
        if self.holds_up_retention {
            assert!(self.rows(db).await == rows, "{:?}", self.stored);
            // Here is a server of that release.
            self.raise(db, 0).await;
            assert!(told(&store).await == whole, "{:?}", self.stored);
        } else {
            let (_, document) = &told(&store).await[0];
            assert!(*document == whole[0].1, "{:?}", self.stored);
        }
    }

    async fn holds_nothing_that_is_erased(&self, db: &Database) {
        let (store, id) = full_room(db).await;
        let open = Histories::new(store.clone()).open(&name("plan")).await.expect("works").expect("there");
        let authors = Histories::new(store.clone()).authors(id).await.expect("works");
        let words = open.words_of(&UserId::new("bob"), &[], &authors).expect("works");
        let deletion = NewEntry { body: words.deletion.expect("they live"), ..edit("") };
        placed(&store, &append(id, vec![deletion])).await;
        let begun = store.begin_erasure(id, words.erasure.encode(), open.row.epoch, None).await;
        assert!(matches!(begun, Ok(BegunErasure::Begun(_))), "{begun:?}");
        self.raise(db, 1).await;
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
            // Here is a server of that release.
            self.raise(db, 0).await;
        }
        assert!(erase(&store, id).await.expect("it is erased"));
        assert_eq!(self.rows(db).await.iter().filter(|row| rows.contains(row)).count(), 0, "{:?}", self.stored);
        assert_eq!(db.columns_with(SECRET).await, [""; 0], "{:?}", self.stored);
        for (what, answer) in told(&store).await {
            assert!(!answer.expect("an answer").contains(SECRET), "{what} of {:?}", self.stored);
        }
    }
}

#[test]
fn each_layout_has_a_case() {
    let has_case = |stored: &Stored| CASES.iter().any(|case| case.stored == *stored);
    let others: Vec<_> = Stored::ALL.into_iter().filter(|stored| !has_case(stored)).collect();
    // They have tests of their own.
    assert_eq!(others, [Stored::Entry, Stored::Revocation]);
}

mod sqlite {
    use super::*;

    #[test]
    fn what_is_of_a_newer_layout_is_left_as_it_is() {
        CASES.iter().for_each(|case| on_sqlite(async |db: &Database| case.is_left_as_it_is(db).await));
    }

    #[test]
    fn what_is_of_a_newer_layout_holds_nothing_that_is_erased() {
        CASES.iter().for_each(|case| on_sqlite(async |db: &Database| case.holds_nothing_that_is_erased(db).await));
    }
}

mod postgres {
    use super::*;

    #[test]
    fn what_is_of_a_newer_layout_is_left_as_it_is() {
        CASES.iter().for_each(|case| on_postgres(async |db: &Database| case.is_left_as_it_is(db).await));
    }

    #[test]
    fn what_is_of_a_newer_layout_holds_nothing_that_is_erased() {
        CASES.iter().for_each(|case| on_postgres(async |db: &Database| case.holds_nothing_that_is_erased(db).await));
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

/// A room with all that can be stored of one: entries in packs, what stays of dropped ones, snapshots that are compressed, segments.
async fn full_room(db: &Database) -> (Store, RoomId) {
    let store = db.store("s1").await;
    let id = room(&store, "plan").await;
    let typists = [(7, "ada"), (8, "bob")].map(|(client, user)| {
        let doc = Doc::with_options(Options::with_client_id(ClientID::new(client)));
        (doc, client, UserId::new(user))
    });
    for n in 0..EDITS {
        let (doc, client, user) = &typists[usize::from(n % 3 == 2)];
        let text = doc.get_or_insert_text("t");
        let mut txn = doc.transact_mut();
        let words = if user.as_str() == "bob" { SECRET } else { "words" };
        text.insert(&mut txn, 0, &format!("{words} {n} {}", "x".repeat(EDIT_BYTES)));
        let entry = NewEntry { author: user.clone(), body: txn.encode_update_v1().into(), ..edit("") };
        let append = Append { clients: vec![(*client, user.clone())], ..append(id, vec![entry]) };
        placed(&store, &append).await;
    }
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
    (store, id)
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

/// What is told of the room by who knows nothing of it yet; `None`: that a newer release has stored it.
async fn told(store: &Store) -> Vec<(&'static str, Option<String>)> {
    let document = match archive(store).read(&name("plan")).await {
        Ok(stored) => Some(text(stored.expect("there").document.state())),
        Err(ArchiveError::Store(StoreError::Newer(_))) => None,
        Err(error) => panic!("{error}"),
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
            Some(format!("{moments:?} {blame:?}"))
        }
        Err(error) if error.is_newer() => None,
        Err(error) => panic!("{error}"),
    };
    let room = store.room(&name("plan")).await.expect("works").expect("there");
    let timeline = match store.remaining(room.id, everything()).await {
        Ok(page) => {
            Some(page.iter().map(|entry| String::from_utf8_lossy(entry.body.as_ref().expect("bodies"))).collect())
        }
        Err(StoreError::Newer(_)) => None,
        Err(error) => panic!("{error}"),
    };
    vec![("document", document), ("past", past), ("timeline", timeline)]
}
