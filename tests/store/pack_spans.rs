//! Packs of a room follow each other, whatever was taken out of between them, and no edit is left behind.

use tutti::ids::{Seq, UserId};
use tutti::store::{
    CopyEnd, CopyPart, Dropping, ENTRY_OVERHEAD_BYTES, FinishedCopy, HistoryQuery, NewEntry, Page, RoomId, Store,
};

use crate::support::{Database, append, contract, edit, everything, history, name, placed, room};

async fn filled(store: &Store, room: RoomId, count: u64, body_bytes: usize) {
    let mut left = count;
    while left > 0 {
        let entries =
            (0..left.min(500)).map(|n| NewEntry { body: vec![7; body_bytes + n as usize % 2].into(), ..edit("") });
        placed(store, &append(room, entries.collect())).await;
        left -= left.min(500);
    }
}

async fn pack_all(store: &Store, room: RoomId) -> usize {
    let mut entries = 0;
    for _ in 0..1_000 {
        let packed = store.pack_next(room, i64::MAX).await.expect("packed");
        entries += packed.entries;
        if !packed.is_more {
            return entries;
        }
    }
    panic!("it does not end");
}

async fn drop_to(store: &Store, room: RoomId, to: u64) -> u32 {
    let dropping = Dropping { from: (Seq::ZERO, 0), to: Seq(to), versions: Vec::new(), kept: None };
    assert_eq!(store.raise_horizon(room, dropping).await, Ok(true));
    let mut parts = 0;
    while store.drop_part(room).await.expect("a part") {
        parts += 1;
        assert!(parts < 100, "it does not end");
    }
    parts
}

/// All seqs behind one, as somebody reads them who goes on from page to page in either direction.
async fn walked(store: &Store, room: RoomId, horizon: u64, head: u64, page: Page) -> Vec<u64> {
    let (mut after, mut before, mut seqs) = (horizon, head + 1, Vec::new());
    loop {
        let (from, upto) = (Some(Seq(after)), Some(Seq(before)));
        let query = HistoryQuery { after: from, before: upto, limit: 700, page, ..everything() };
        let entries = store.history(room, query).await.expect("a page");
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { break };
        match page {
            Page::Oldest => after = last.seq.0,
            Page::Newest => before = first.seq.0,
        }
        let found: Vec<u64> = entries.iter().map(|entry| entry.seq.0).collect();
        match page {
            Page::Oldest => seqs.extend(found),
            Page::Newest => seqs = [found, seqs].concat(),
        }
    }
    seqs
}

async fn is_whole(store: &Store, room: RoomId, horizon: u64, head: u64) {
    let all: Vec<u64> = (horizon + 1..=head).collect();
    assert_eq!(walked(store, room, horizon, head, Page::Oldest).await, all);
    assert_eq!(walked(store, room, horizon, head, Page::Newest).await, all);
}

contract! {
    async fn what_is_packed_after_some_was_dropped_leaves_every_page_whole(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "plan").await;
        filled(&store, room, 9_000, 3).await;
        assert!(pack_all(&store, room).await >= 9_000);
        assert!(db.blobs("select body from entry").await.is_empty());
        drop_to(&store, room, 2_000).await;
        is_whole(&store, room, 2_000, 9_000).await;
        filled(&store, room, 50, 3).await;
        pack_all(&store, room).await;
        is_whole(&store, room, 2_000, 9_050).await;
        filled(&store, room, 300, 3).await;
        assert!(pack_all(&store, room).await >= 300);
        is_whole(&store, room, 2_000, 9_350).await;
    }

    async fn rows_before_packs_are_packed_up_to_them_and_then_those_behind(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "plan").await;
        filled(&store, room, 9_000, 3).await;
        db.execute("create table kept as select * from entry").await;
        assert!(pack_all(&store, room).await >= 9_000);
        assert!(db.blobs("select body from entry").await.is_empty());
        // The second of three packs is made rows again.
        for sql in [
            "delete from pack where first_seq = 4097",
            "delete from pack_user where seq = 8192",
            "insert into entry select * from kept where seq > 4096 and seq <= 8192",
            "update packing set upto = 4096",
        ] {
            db.execute(sql).await;
        }
        filled(&store, room, 300, 3).await;
        is_whole(&store, room, 0, 9_300).await;
        assert!(pack_all(&store, room).await >= 4_096 + 300);
        is_whole(&store, room, 0, 9_300).await;
        db.execute("delete from entry").await;
        is_whole(&store, room, 0, 9_300).await;
    }

    async fn packs_before_the_horizon_go_at_once_and_are_taken_off_the_count(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "plan").await;
        filled(&store, room, 9_000, 3).await;
        pack_all(&store, room).await;
        store.counted_bytes(room).await.expect("it is counted");
        assert_eq!(drop_to(&store, room, 8_500).await, 1);
        is_whole(&store, room, 8_500, 9_000).await;
        let after = HistoryQuery { after: Some(Seq(8_500)), ..everything() };
        let left = store.history(room, after).await.expect("a page");
        let bytes: u64 = left.iter().map(|entry| entry.body_bytes + ENTRY_OVERHEAD_BYTES).sum();
        assert_eq!(store.counted_bytes(room).await, Ok(bytes));
        db.execute("delete from entry").await;
        is_whole(&store, room, 8_500, 9_000).await;
    }

    async fn a_pack_that_cannot_be_read_and_lies_before_the_horizon_goes_all_the_same(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "plan").await;
        filled(&store, room, 5_000, 3).await;
        pack_all(&store, room).await;
        db.execute("update pack set body = substr(body, 1, length(body) - 1) where first_seq = 1").await;
        drop_to(&store, room, 4_500).await;
        is_whole(&store, room, 4_500, 5_000).await;
    }

    async fn long_edits_fill_packs_and_none_is_left(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "long").await;
        filled(&store, room, 2_000, 1_100).await;
        assert!(pack_all(&store, room).await >= 2_000);
        assert_eq!(store.rooms_to_pack((RoomId(0), RoomId(i64::MAX)), i64::MAX).await, Ok(vec![]));
        is_whole(&store, room, 0, 2_000).await;
    }

    async fn long_names_fill_packs_and_none_is_left(db: &Database) {
        let store = db.store("s1").await;
        let room = room(&store, "names").await;
        let by = |n: usize| NewEntry { author: UserId::new(format!("{n:0>200}")), ..edit("body") };
        placed(&store, &append(room, (0..1_400).map(by).collect())).await;
        for more in 1..4 {
            pack_all(&store, room).await;
            assert_eq!(store.rooms_to_pack((RoomId(0), RoomId(i64::MAX)), i64::MAX).await, Ok(vec![]));
            is_whole(&store, room, 0, 1_400 + (more - 1) * 300).await;
            placed(&store, &append(room, (0..300).map(by).collect())).await;
        }
    }

    async fn what_goes_out_of_a_copy_is_taken_off_whoever_made_it(db: &Database) {
        let store = db.store("s1").await;
        let of = room(&store, "of").await;
        filled(&store, of, 20, 3).await;
        let entries = history(&store, of).await;
        let copy = store.begin_copy(of, 0, 1_000).await.expect("an answer").expect("it begins");
        assert_eq!(store.fill_copy(copy, CopyPart::Entries(entries.clone()), 1_000).await, Ok(true));
        let bytes = store.counted_bytes(of).await.expect("it is counted");
        let by = UserId::new("carol");
        let finished = FinishedCopy {
            name: name("copy"),
            head: Seq(20),
            at_ms: entries[19].at_ms,
            of,
            with_past: true,
            by: (by.clone(), "Carol".to_owned()),
            bytes,
            maker: None,
        };
        assert_eq!(store.finish_copy(copy, finished, 1_000).await, Ok(CopyEnd::Done));
        placed(&store, &append(copy, vec![edit("own")])).await;
        store.counted_bytes(copy).await.expect("it is counted");
        drop_to(&store, copy, 15).await;
        let left: u64 = entries[15..].iter().map(|entry| entry.body_bytes + ENTRY_OVERHEAD_BYTES).sum();
        let own = 3 + ENTRY_OVERHEAD_BYTES;
        assert_eq!(store.counted_bytes(copy).await, Ok(left + own));
        // Its author's own go first.
        let author = entries[0].author.clone();
        let used = store.usage_of(vec![by, author], 0).await.expect("works");
        assert_eq!(used.iter().map(|used| used.bytes).collect::<Vec<_>>(), [left + own, bytes]);
    }
}
