//! Histories of rooms on either database: segments are made of entries, read back, and made again where they are damaged.

use std::time::Duration;

use bytes::Bytes;
use tutti::archive;
use tutti::document::{ReadingBudget, View};
use tutti::history::{Histories, HistoryError, When};
use tutti::ids::{Seq, UserId};
use tutti::store::{EntryKind, HistorySegment, NewEntry, RoomId, Store, VERSIONS_MAX, VersionChange, VersionRow};
use yrs::{ClientID, Doc, OffsetKind, Options, Text, Transact};

use crate::support::*;

/// Edits that end a segment, also once they are packed, and some more.
const EDITS: usize = 8_200;

contract! {
    async fn any_past_state_is_read_from_segments_and_from_entries_alike(db: &Database) {
        let store = db.store("s1").await;
        let room = typed(&store, EDITS).await;
        let histories = Histories::new(store.clone());
        // Made of the entries, kept in memory, and read back from what was stored.
        for histories in [&histories, &histories, &Histories::new(store.clone())] {
            for seq in [0, 1, 2, 1_000, 6_143, 6_144, 6_145, EDITS as u64] {
                assert_eq!(text(histories, When::Seq(Seq(seq))).await, (Seq(seq), "x".repeat(seq as usize)));
            }
        }
        let spans = |segments: Vec<HistorySegment>| segments.iter().map(|one| (one.after, one.seq)).collect::<Vec<_>>();
        assert_eq!(spans(store.history_segments(room, Seq::ZERO).await.expect("works")), [(Seq(0), Seq(6_144))]);
        assert_eq!(spans(store.history_segments(room, Seq(6_144)).await.expect("works")), []);
        let after_head = histories.open(&name("room")).await.expect("works").expect("there").seq(When::Seq(Seq(EDITS as u64 + 1)));
        assert!(matches!(after_head, Err(HistoryError::AfterHead(Seq(head))) if head == EDITS as u64), "{after_head:?}");
        assert!(histories.open(&name("nothing")).await.expect("works").is_none());
    }

    async fn a_time_means_the_last_edit_until_then(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "room").await;
        let doc = document();
        for (n, at) in [(1, 1_000), (2, 2_000), (3, 2_000), (4, 5_000)] {
            placed(&store, &append(room, vec![edit_of(keystroke(&doc, n - 1))])).await;
            db.execute(&format!("update entry set at = {at} where seq = {n}")).await;
        }
        placed(&store, &append(room, vec![entry(EntryKind::Message, "ada", "{}")])).await;
        let histories = Histories::new(store.clone());
        for (at, seq) in [(0, 0), (999, 0), (1_000, 1), (1_999, 1), (2_000, 3), (4_999, 3), (5_000, 4), (i64::MAX, 4)] {
            assert_eq!(text(&histories, When::TimeMs(at)).await, (Seq(seq), "x".repeat(seq as usize)), "{at}");
        }
        // A message changes nothing.
        assert_eq!(text(&histories, When::Seq(Seq(5))).await, (Seq(5), "xxxx".to_owned()));
    }

    async fn what_is_committed_later_is_read_too(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "room").await;
        let (doc, histories) = (document(), Histories::new(store.clone()));
        for n in 0..3 {
            placed(&store, &append(room, vec![edit_of(keystroke(&doc, n))])).await;
            let seq = Seq(u64::from(n) + 1);
            assert_eq!(text(&histories, When::Seq(seq)).await, (seq, "x".repeat(n as usize + 1)));
        }
    }

    async fn a_damaged_segment_is_made_again(db: &Database) {
        let store = db.store("s1").await;
        let room = typed(&store, EDITS).await;
        let histories = Histories::new(store.clone());
        histories.build(&name("room")).await.expect("works");
        let good = store.history_segments(room, Seq::ZERO).await.expect("works");
        for damage in [Bytes::new(), good[0].body.slice(..good[0].body.len() / 2), Bytes::from(vec![1; 40])] {
            store.forget_history_segments(room, Seq::ZERO).await.expect("works");
            let segment = HistorySegment { body: damage, ..good[0].clone() };
            assert_eq!(store.save_history_segment(room, segment, 0).await, Ok(true));
            let anew = Histories::new(store.clone());
            assert_eq!(text(&anew, When::Seq(Seq(6_160))).await, (Seq(6_160), "x".repeat(6_160)));
            assert_eq!(store.history_segments(room, Seq::ZERO).await.expect("works"), good);
        }
    }

    async fn the_past_reads_the_same_once_its_edits_are_packed_and_their_times_are_kept_there_alone(db: &Database) {
        let store = db.store("s1").await;
        let room = typed(&store, EDITS).await;
        db.execute("update entry set at = 1700000000000 + seq * 217, author = case when seq % 7 = 0 then 'bob' else 'ada' end").await;
        Histories::new(store.clone()).build(&name("room")).await.expect("works");
        let before = told(&store).await;
        let has_times = async || {
            let segments = store.history_segments(room, Seq::ZERO).await.expect("works");
            segments.iter().map(|segment| segment.times.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(has_times().await, [true]);
        archive::pack_once(&store, i64::MAX, Duration::from_secs(60)).await.expect("works");
        assert_eq!(has_times().await, [false]);
        assert_eq!(told(&store).await, before);
        // Made again of packs, it has none either.
        store.forget_history_segments(room, Seq::ZERO).await.expect("works");
        assert_eq!(told(&store).await, before);
        assert_eq!(has_times().await, [false]);
        assert_eq!(told(&store).await, before);
    }

    async fn trap_30_moments_are_found_among_equal_times_and_over_years_also_of_packed_edits(db: &Database) {
        let store = db.store("s1").await;
        typed(&store, EDITS).await;
        // Three thousand at once, and each behind them a year after the one before.
        let sql = "update entry set at = case when seq <= 1000 then seq when seq <= 4000 then 5000 \
                   else 5000 + (seq - 4000) * 31536000000 end";
        db.execute(sql).await;
        let year = 31_536_000_000;
        let found = async || {
            let histories = Histories::new(store.clone());
            let mut seqs = Vec::new();
            for at_ms in [0, 1, 999, 1_000, 4_999, 5_000, 5_001, year + 4_999, year + 5_000, 50 * year + 5_000, i64::MAX] {
                seqs.push(text(&histories, When::TimeMs(at_ms)).await.0.0);
            }
            seqs
        };
        let expected = [0, 1, 999, 1_000, 1_000, 4_000, 4_000, 4_000, 4_001, 4_050, EDITS as u64];
        assert_eq!(found().await, expected);
        archive::pack_once(&store, i64::MAX, Duration::from_secs(60)).await.expect("works");
        assert_eq!(found().await, expected);
    }

    async fn a_damaged_pack_costs_a_segment_no_more_than_its_times(db: &Database) {
        let store = db.store("s1").await;
        typed(&store, 12_288).await;
        Histories::new(store.clone()).build(&name("room")).await.expect("works");
        archive::pack_once(&store, i64::MAX, Duration::from_secs(60)).await.expect("works");
        db.execute("update pack set body = substr(body, 1, length(body) - 1)").await;
        let histories = Histories::new(store.clone());
        assert_eq!(text(&histories, When::Seq(Seq(1_000))).await, (Seq(1_000), "x".repeat(1_000)));
    }

    async fn of_two_segments_after_one_seq_the_first_stays(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "room").await;
        let segment = |seq, body| HistorySegment { after: Seq(3), seq: Seq(seq), body: Bytes::from_static(body), times: None };
        assert_eq!(store.save_history_segment(room, segment(7, b"one"), 0).await, Ok(true));
        assert_eq!(store.save_history_segment(room, segment(8, b"two"), 0).await, Ok(false));
        assert_eq!(store.history_segments(room, Seq::ZERO).await, Ok(vec![segment(7, b"one")]));
    }

    async fn versions_are_added_changed_and_removed(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "room").await;
        let version = |seq, label: &str, meta: Option<&str>| VersionRow {
            seq: Seq(seq),
            label: label.to_owned(),
            author: UserId::new("ada"),
            at_ms: 7,
            meta: meta.map(str::to_owned),
        };
        let (old, new) = (version(1, "old", Some("{}")), version(2, "new", None));
        assert_eq!(store.add_version(room, old.clone()).await, Ok(VersionChange::Done));
        assert_eq!(store.add_version(room, new.clone()).await, Ok(VersionChange::Done));
        assert_eq!(store.add_version(room, version(1, "old", None)).await, Ok(VersionChange::Taken));
        assert_eq!(store.versions(room).await, Ok(vec![new.clone(), old]));
        assert_eq!(store.change_version(room, "old", version(1, "older", None)).await, Ok(VersionChange::Done));
        assert_eq!(store.change_version(room, "old", version(1, "x", None)).await, Ok(VersionChange::Missing));
        assert_eq!(store.add_version(room, version(1, "x", None)).await, Ok(VersionChange::Done));
        assert_eq!(store.change_version(room, "x", version(1, "older", None)).await, Ok(VersionChange::Taken));
        assert_eq!(store.remove_version(room, Seq(1), "x").await, Ok(VersionChange::Done));
        assert_eq!(store.remove_version(room, Seq(1), "x").await, Ok(VersionChange::Missing));
        assert_eq!(store.versions(room).await, Ok(vec![new, version(1, "older", None)]));
    }

    async fn a_room_has_so_many_versions_and_no_more(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "room").await;
        let rows: Vec<String> = (1..VERSIONS_MAX).map(|n| format!("({}, {n}, 'v', 'ada', 1)", room.0)).collect();
        db.execute(&format!("insert into version (room_id, seq, label, author, at) values {}", rows.join(","))).await;
        let version = |label: &str| VersionRow {
            seq: Seq(1),
            label: label.to_owned(),
            author: UserId::new("ada"),
            at_ms: 7,
            meta: None,
        };
        assert_eq!(store.add_version(room, version("last")).await, Ok(VersionChange::Done));
        assert_eq!(store.add_version(room, version("one more")).await, Ok(VersionChange::Full));
        assert_eq!(store.add_version(room, version("last")).await, Ok(VersionChange::Taken));
    }

    async fn rooms_that_lack_segments_are_found(db: &Database) {
        let store = db.store("s1").await;
        let long = typed(&store, 10).await;
        let short = room(&store, "short").await;
        placed(&store, &append(short, vec![edit("x")])).await;
        let last = store.last_room().await.expect("works");
        let behind = |entries| store.rooms_behind((RoomId(0), last), entries);
        assert_eq!(behind(5).await, Ok(vec![(long, name("room"))]));
        assert_eq!(behind(11).await, Ok(vec![]));
        let segment = HistorySegment { after: Seq(0), seq: Seq(6), body: Bytes::new(), times: None };
        store.save_history_segment(long, segment, 0).await.expect("works");
        assert_eq!(behind(5).await, Ok(vec![]));
        assert_eq!(behind(4).await, Ok(vec![(long, name("room"))]));
        assert_eq!(store.rooms_behind((last, RoomId(last.0 + 1)), 1).await, Ok(vec![]));
        // Of a long one more may be missing.
        let segment = HistorySegment { after: Seq(6), seq: Seq(641), body: Bytes::new(), times: None };
        store.save_history_segment(long, segment, 0).await.expect("works");
        for (head, found) in [(650, vec![]), (651, vec![(long, name("room"))])] {
            db.execute(&format!("update room set head = {head} where id = {}", long.0)).await;
            assert_eq!(behind(5).await, Ok(found), "{head}");
        }
    }
}

fn document() -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(7)) })
}

/// The edit of typing one letter.
fn keystroke(doc: &Doc, at: u32) -> Vec<u8> {
    let text = doc.get_or_insert_text("t");
    let mut txn = doc.transact_mut();
    text.insert(&mut txn, at, "x");
    txn.encode_update_v1()
}

fn edit_of(update: Vec<u8>) -> NewEntry {
    NewEntry {
        kind: EntryKind::Edit,
        author: UserId::new("ada"),
        via: None,
        key: None,
        condition: None,
        body: update.into(),
    }
}

/// A room into which so many letters were typed.
async fn typed(store: &Store, letters: usize) -> RoomId {
    let room = room(store, "room").await;
    let doc = document();
    let edits: Vec<_> = (0..letters as u32).map(|at| edit_of(keystroke(&doc, at))).collect();
    for edits in edits.chunks(1_000) {
        placed(store, &append(room, edits.to_vec())).await;
    }
    room
}

/// All that is told of the room's past, by who has read nothing of it yet.
async fn told(store: &Store) -> Vec<String> {
    let histories = Histories::new(store.clone());
    let mut told = Vec::new();
    for when in
        [When::Seq(Seq(0)), When::Seq(Seq(1_023)), When::TimeMs(1_700_000_217_100), When::Seq(Seq(EDITS as u64))]
    {
        told.push(format!("{:?}", text(&histories, when).await));
        let open = histories.open(&name("room")).await.expect("works").expect("there");
        let authors = histories.authors(open.row.id).await.expect("works");
        told.push(format!("{:?}", open.blame(Some("t"), when, &authors).map(|(seq, blame)| (seq, blame.runs))));
        told.push(format!("{:?}", open.diff(Some("t"), (When::Seq(Seq(50)), when), &authors)));
    }
    let open = histories.open(&name("room")).await.expect("works").expect("there");
    let authors = histories.authors(open.row.id).await.expect("works");
    told.push(format!("{:?}", open.sessions(None, 100, 200, &authors)));
    told
}

/// The room's text at a moment, and the seq of that.
async fn text(histories: &Histories, when: When) -> (Seq, String) {
    let open = histories.open(&name("room")).await.expect("works").expect("there");
    let (seq, state) = open.state(when).expect("works");
    let view = View::read(&Bytes::from(state), ReadingBudget::default()).expect("works");
    (seq, view.text(None).expect("works"))
}
