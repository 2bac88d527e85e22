//! Erasing: what was said is nowhere any more, however it is stored, whoever stops in the middle, and whoever goes on meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use tutti::ids::{Seq, UserId};
use tutti::layout::Unreadable;
use tutti::store::{
    Append, BegunErasure, CANCELLED_EPOCHS, CopyEnd, CopyPart, Deletion, Dropping, ENTRY_OVERHEAD_BYTES, Entry,
    EntryKind, ErasureProgress, ErasureRow, FinishedCopy, Found, HistoryQuery, HistorySegment, Kept, NewDelivery,
    NewEntry, Packed, QueueKey, Rewrite, Rewritten, RoomEvent, RoomId, Store, StoreError, StoreSettings, Undeletion,
    VersionRow, WebhookRow,
};

use crate::support::{
    Database, append, contract, edit, entry, everything, history, keyed, name, on_sqlite, one, opened, placed, room,
    stored_of,
};

/// What is to be erased, as it stands in bodies, and what comes in its place.
const SECRET: &str = "xyzzy-secret-plugh";
const NOTHING: &str = "******************";
const ALL_OLD: i64 = i64::MAX;

/// Erases [`SECRET`], and gives a user another name.
#[derive(Default)]
struct Erase {
    rename: Option<(UserId, UserId)>,
    /// In place of as many bytes, if others are to come.
    replacement: Option<&'static str>,
    /// What is to be told.
    notice: Option<&'static str>,
}

impl Erase {
    fn bytes(&self, body: &[u8]) -> Option<Bytes> {
        let at = body.windows(SECRET.len()).position(|window| window == SECRET.as_bytes())?;
        let (before, after) = (&body[..at], &body[at + SECRET.len()..]);
        let rest = self.bytes(after).unwrap_or_else(|| Bytes::copy_from_slice(after));
        Some([before, self.replacement.unwrap_or(NOTHING).as_bytes(), &rest].concat().into())
    }

    fn named(&self, user: &UserId) -> UserId {
        let new = self.rename.as_ref().filter(|(from, _)| from == user).map(|(_, to)| to);
        new.unwrap_or(user).clone()
    }
}

impl Rewrite for Erase {
    fn entry(&self, entry: &Entry) -> Result<Option<Rewritten>, String> {
        let was = entry.body.clone().ok_or("it has no body")?;
        if was == "unreadable" {
            return Err("it cannot be read".to_owned());
        }
        let new = Rewritten {
            body: self.bytes(&was).unwrap_or_else(|| was.clone()),
            author: self.named(&entry.author),
            via: entry.via.as_ref().map(|via| self.named(via)),
        };
        Ok(Some(new).filter(|new| (&new.body, &new.author, &new.via) != (&was, &entry.author, &entry.via)))
    }

    fn state(&self, state: &[u8]) -> Result<Option<Bytes>, String> {
        if state.starts_with(b"damaged") { Err("it cannot be read".to_owned()) } else { Ok(self.bytes(state)) }
    }

    fn base(&self, body: &[u8]) -> Result<Option<Bytes>, Unreadable<String>> {
        Ok(self.state(body)?)
    }

    fn rename(&self) -> Option<(&UserId, &UserId)> {
        self.rename.as_ref().map(|(from, to)| (from, to))
    }

    fn notice(&self) -> Bytes {
        Bytes::from_static(self.notice.unwrap_or_default().as_bytes())
    }
}

fn erase() -> Arc<dyn Rewrite> {
    Arc::new(Erase::default())
}

fn rename(from: &str, to: &str) -> Arc<dyn Rewrite> {
    Arc::new(Erase { rename: Some((UserId::new(from), UserId::new(to))), ..Erase::default() })
}

async fn begun(store: &Store, room: RoomId, epoch: i64) -> ErasureRow {
    match store.begin_erasure(room, "plan".into(), epoch, None).await {
        Ok(BegunErasure::Begun(row)) => row,
        begun => panic!("{begun:?}"),
    }
}

/// Does all parts, and ends the epoch; how many entries are others.
async fn go_on(store: &Store, row: &ErasureRow, rewrite: &Arc<dyn Rewrite>) -> Result<u64, StoreError> {
    let mut entries = 0;
    loop {
        let part = store.erase_part(row, rewrite.clone()).await?;
        entries += part.entries;
        if part.is_done && store.finish_erasure(row, rewrite.clone()).await? {
            return Ok(entries);
        }
    }
}

/// Erases from the first to the last.
async fn erased(store: &Store, room: RoomId, epoch: i64, rewrite: Arc<dyn Rewrite>) -> u64 {
    let row = begun(store, room, epoch).await;
    let entries = go_on(store, &row, &rewrite).await.expect("it is erased");
    assert_eq!(store.scrub().await, Ok(1));
    entries
}

fn said(kind: EntryKind, author: &str, body: String) -> NewEntry {
    NewEntry { body: body.into(), ..entry(kind, author, "") }
}

fn secret_edit(n: usize) -> NewEntry {
    said(EntryKind::Edit, "ada", format!("{n} {SECRET} {n}"))
}

fn segment(after: u64, seq: u64) -> HistorySegment {
    HistorySegment { after: Seq(after), seq: Seq(seq), body: format!("segment {SECRET}").into(), times: None }
}

async fn epoch(store: &Store, called: &str) -> i64 {
    store.room(&name(called)).await.expect("an answer").expect("there is one").epoch
}

async fn pack_all(store: &Store, room: RoomId) {
    while store.pack_next(room, ALL_OLD).await.expect("packed").is_more {}
}

fn webhook() -> WebhookRow {
    WebhookRow {
        id: "w".to_owned(),
        url: "https://app.example/hook".to_owned(),
        secret: "whsec_".to_owned(),
        events: r#"["*"]"#.to_owned(),
        rooms: "*".to_owned(),
        content: None,
        root: None,
        is_paused: true,
        created_at_ms: 5,
    }
}

/// A room that has the secret in everything that a room can have, in rows and in packs, between other rooms' entries.
async fn secretive_room(db: &Database, store: &Store) -> RoomId {
    let (plan, other) = (room(store, "plan").await, room(store, "other").await);
    for n in 0..300 {
        let kinds = [EntryKind::Edit, EntryKind::Message, EntryKind::Event, EntryKind::Step];
        let mut entries = vec![secret_edit(n), edit("nothing"), said(kinds[n % 4], "bob", format!("{n} {SECRET}"))];
        if n % 10 == 0 {
            entries.push(NewEntry { key: Some(format!("k{n}")), ..secret_edit(n) });
            entries.push(said(EntryKind::Edit, "cleo", SECRET.repeat(1_000 + n)));
        }
        placed(store, &append(plan, entries)).await;
        placed(store, &append(other, vec![edit("other"), said(EntryKind::Edit, "bob", "long ".repeat(n))])).await;
        if n == 100 {
            store.save_snapshot(plan, Seq(100), format!("state {SECRET}").into(), 0).await.expect("saved");
            let kept = Some(Kept { state: format!("state {SECRET}").into(), base: format!("base {SECRET}").into() });
            let dropping = Dropping { from: (Seq::ZERO, 0), to: Seq(90), versions: Vec::new(), kept };
            assert_eq!(store.raise_horizon(plan, dropping).await, Ok(true));
        }
        if n == 200 {
            pack_all(store, plan).await;
        }
    }
    // One that is compressed, and may be found as it is in pages that nobody uses.
    let long = Bytes::from(format!("{SECRET} {}", "state ".repeat(1_000)));
    store.save_snapshot(plan, Seq(900), long, 0).await.expect("saved");
    store.compress_snapshot(plan).await.expect("compressed");
    for after in [90, 500] {
        assert_eq!(store.save_history_segment(plan, segment(after, after + 10), 0).await, Ok(true));
    }
    assert!(found(db, store, plan).await.len() >= 4, "{:?}", found(db, store, plan).await);
    plan
}

/// Where the secret is found: in which columns of which tables, in what is packed, in what is compressed.
async fn found(db: &Database, store: &Store, room: RoomId) -> Vec<String> {
    let mut found = db.columns_with(SECRET).await;
    let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    for body in db.blobs("select body from pack").await {
        let edits = tutti::pack::decode(&body).expect("a pack");
        found.extend(edits.iter().filter(|edit| holds(&edit.body)).map(|edit| format!("packed {}", edit.seq)));
    }
    let loaded = store.load(&name("plan")).await.expect("an answer");
    found.extend(
        loaded.and_then(|loaded| loaded.snapshot).filter(|(_, state)| holds(state)).map(|_| "state".to_owned()),
    );
    let entries = store.remaining(room, everything()).await.expect("a page");
    found.extend(
        entries.iter().filter(|entry| holds(entry.body.as_ref().expect("bodies"))).map(|entry| format!("{entry:?}")),
    );
    found
}

/// What has to stay of entries, whatever is erased.
fn without_secret(entries: Vec<Entry>) -> Vec<Entry> {
    let erase = Erase::default();
    let rewritten = |mut entry: Entry| {
        let body = entry.body.take().expect("bodies");
        entry.body = Some(erase.bytes(&body).unwrap_or(body));
        entry
    };
    entries.into_iter().map(rewritten).collect()
}

async fn remaining(store: &Store, room: RoomId) -> Vec<Entry> {
    store.remaining(room, everything()).await.expect("a page")
}

contract! {
    async fn what_is_erased_is_nowhere_and_all_else_is_as_it_was(db: &Database) {
        let store = opened(StoreSettings { counts_usage: true, ..db.settings("main") }).await;
        let plan = secretive_room(db, &store).await;
        let (before, other) = (remaining(&store, plan).await, history(&store, room(&store, "other").await).await);
        let size = store.room_size(plan).await.expect("a size");
        let used = store.stored_bytes(plan).await.expect("counted");
        assert!(erased(&store, plan, 0, erase()).await > 500);
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
        assert_eq!(remaining(&store, plan).await, without_secret(before.clone()));
        assert_eq!(history(&store, room(&store, "other").await).await, other);
        // As long as before.
        let after = store.room_size(plan).await.expect("a size");
        assert_eq!((after.entries, after.entry_bytes), (size.entries, size.entry_bytes));
        assert_eq!(store.stored_bytes(plan).await, Ok(used));
        assert_eq!(store.history_segments(plan, Seq(90)).await, Ok(vec![]));
        assert_eq!(store.base(plan).await, Ok(Some((Seq(90), format!("base {NOTHING}").into()))));
        assert_eq!(store.snapshot_at(plan, Seq(90)).await, Ok(Some(format!("state {NOTHING}").into())));
        assert_eq!(epoch(&store, "plan").await, 2);
        assert_eq!(store.pending_erasures(RoomId(0), 10).await, Ok(vec![]));
        // And all goes on from there.
        pack_all(&store, plan).await;
        while store.drop_part(plan).await.expect("a part") {}
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
        assert_eq!(erased(&store, plan, 2, erase()).await, 0, "there is nothing more");
    }

    async fn an_erasure_begins_once_in_a_room_as_it_was_read(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, vec![secret_edit(1), secret_edit(2)])).await;
        assert_eq!(store.begin_erasure(RoomId(99), "p".into(), 0, None).await, Ok(BegunErasure::Gone));
        assert_eq!(store.begin_erasure(plan, "p".into(), 1, None).await, Ok(BegunErasure::Renewed));
        for newest in [Seq(1), Seq(3)] {
            assert_eq!(store.begin_erasure(plan, "p".into(), 0, Some(newest)).await, Ok(BegunErasure::Changed));
        }
        assert_eq!(store.erasure(plan).await, Ok(None));
        let row = match store.begin_erasure(plan, "plan".into(), 0, Some(Seq(2))).await {
            Ok(BegunErasure::Begun(row)) => row,
            begun => panic!("{begun:?}"),
        };
        let expected = ErasureRow {
            room: plan,
            name: name("plan"),
            plan: "plan".into(),
            upto: Seq(2),
            done: Seq::ZERO,
            epoch: 1,
            is_rewritten: false,
            failure: None,
        };
        assert_eq!(row, expected);
        assert!(store.room(&name("plan")).await.expect("an answer").expect("a room").is_being_erased());
        for epoch in [0, 1, 2] {
            assert_eq!(store.begin_erasure(plan, "p".into(), epoch, None).await, Ok(BegunErasure::Busy));
        }
        assert_eq!(store.erasure(plan).await, Ok(Some(expected.clone())));
        assert_eq!(store.pending_erasures(RoomId(0), 10).await, Ok(vec![expected.clone()]));
        assert_eq!(store.pending_erasures(RoomId(0), 0).await, Ok(vec![]));
        assert_eq!(store.scrub().await, Ok(0), "it is not rewritten");
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(2));
        let rewritten = ErasureRow { plan: Bytes::new(), done: Seq(2), epoch: 2, is_rewritten: true, ..expected };
        assert_eq!(store.erasure(plan).await, Ok(Some(rewritten.clone())), "until it is scrubbed");
        assert_eq!(store.begin_erasure(plan, "p".into(), 2, None).await, Ok(BegunErasure::Busy));
        // Whoever goes on with it finds nothing to do.
        assert_eq!(go_on(&store, &rewritten, &erase()).await, Ok(0));
        assert_eq!(go_on(&store, &row, &erase()).await, Err(StoreError::Renewed));
        assert_eq!((store.scrub().await, store.erasure(plan).await), (Ok(1), Ok(None)));
        let deletion = Deletion::Soft(1_000);
        store.delete_room(&name("plan"), (&UserId::new("root"), "Root"), deletion, 5).await.expect("it is deleted");
        assert_eq!(store.begin_erasure(plan, "p".into(), 2, None).await, Ok(BegunErasure::Gone));
    }

    async fn nothing_is_kept_of_what_was_read_in_another_epoch_or_while_something_is_erased(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, (0..300).map(|_| edit("a")).collect())).await;
        let loaded = store.load(&name("plan")).await.expect("an answer").expect("a room");
        assert_eq!(loaded.epoch, 0);
        let kept = async |epoch| {
            let kept = Some(Kept { state: "state".into(), base: "base".into() });
            let dropping = Dropping { from: (Seq::ZERO, epoch), to: Seq(2), versions: Vec::new(), kept };
            store.save_snapshot(plan, Seq(2), "state".into(), epoch).await.expect("an answer");
            (
                store.snapshot_at(plan, Seq(2)).await.expect("an answer").is_some(),
                store.save_history_segment(plan, segment(1, 2), epoch).await.expect("an answer"),
                store.begin_copy(plan, epoch, 1_000).await.expect("an answer").is_some(),
                store.raise_horizon(plan, dropping).await.expect("an answer"),
            )
        };
        let refused = (false, false, false, false);
        let all = (RoomId(0), plan);
        let row = begun(&store, plan, 0).await;
        assert_eq!(kept(0).await, refused, "read before");
        assert_eq!(kept(1).await, refused, "read meanwhile");
        assert_eq!(store.pack_next(plan, ALL_OLD).await, Ok(Packed::default()));
        assert_eq!(store.rooms_to_pack(all, ALL_OLD).await, Ok(vec![]));
        assert_eq!(store.rooms_behind(all, 1).await, Ok(vec![]));
        assert_eq!(store.aging_rooms(all).await, Ok(vec![]));
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(0));
        assert_eq!(kept(0).await, refused, "read before the erasure");
        assert_eq!(kept(1).await, refused, "read before it ended");
        assert_eq!(store.rooms_to_pack(all, ALL_OLD).await, Ok(vec![plan]));
        assert_eq!(store.rooms_behind(all, 1).await.expect("an answer").len(), 1);
        assert_eq!(store.aging_rooms(all).await.expect("an answer").len(), 1);
        assert_eq!(kept(2).await, (true, true, true, true));
        assert!(store.pack_next(plan, ALL_OLD).await.expect("packed").entries > 0);
        assert_eq!(store.load(&name("plan")).await.expect("an answer").expect("a room").epoch, 2);
    }

    async fn a_copy_that_is_being_made_goes_before_the_erasure_ends(db: &Database) {
        let store = db.store("main").await;
        let (plan, other) = (room(&store, "plan").await, room(&store, "other").await);
        placed(&store, &append(plan, (0..700).map(secret_edit).collect())).await;
        placed(&store, &append(other, vec![edit("a")])).await;
        let part = CopyPart::Entries(history(&store, plan).await);
        let begun_copy = async |of| store.begin_copy(of, 0, 1_000).await.expect("an answer").expect("it begins");
        let (copy, whole, of_other) = (begun_copy(plan).await, begun_copy(plan).await, begun_copy(other).await);
        assert_eq!(store.fill_copy(copy, part.clone(), 1_000).await, Ok(true));
        assert_eq!(store.fill_copy(whole, part.clone(), 1_000).await, Ok(true));
        let finished = |called: &str, of| {
            let by = (UserId::new("carol"), "Carol".to_owned());
            FinishedCopy { name: name(called), head: Seq(700), at_ms: 5, of, with_past: true, by, bytes: 1, maker: None }
        };
        assert_eq!(store.finish_copy(whole, finished("whole", plan), 1_000).await, Ok(CopyEnd::Done));
        let row = begun(&store, plan, 0).await;
        assert_eq!(store.fill_copy(copy, part.clone(), 1_000).await, Ok(false));
        assert_eq!(store.finish_copy(copy, finished("copy", plan), 1_000).await, Ok(CopyEnd::Late));
        store.drop_copy(copy).await.expect("an answer");
        go_on(&store, &row, &erase()).await.expect("it is erased");
        assert_eq!(found(db, &store, plan).await.len(), 1, "what was a room by then is another room: {:?}", db.columns_with(SECRET).await);
        assert_eq!(history(&store, whole).await.len(), 700);
        assert_eq!(store.finish_copy(of_other, finished("copy", other), 1_000).await, Ok(CopyEnd::Done));
        assert_eq!(store.begin_copy(plan, 2, 1_000).await.map(|copy| copy.is_some()), Ok(true));
    }

    async fn an_append_of_another_epoch_is_not_stored_by_either_way_and_a_repeated_one_is_answered_as_before(db: &Database) {
        let store = db.store("main").await;
        let (plan, other) = (room(&store, "plan").await, room(&store, "other").await);
        let of = |epoch| Append { epoch: Some(epoch), ..append(plan, vec![edit("a")]) };
        let first = of(0);
        // By the long way, then by the short one.
        placed(&store, &first).await;
        let last = of(0);
        let stored = placed(&store, &last).await;
        let row = begun(&store, plan, 0).await;
        // Both its own connection's and another's, to which the room is new.
        for again in [&last, &Append { is_repeated: true, ..last.clone() }] {
            assert_eq!(placed(&store, again).await, stored);
        }
        for server in [&store, &db.store("another").await] {
            let outcomes = server.append(vec![of(0), append(other, vec![edit("b")])]).await;
            assert_eq!(outcomes[0], Err(StoreError::Renewed));
            assert!(outcomes[1].is_ok(), "the others do not mind");
        }
        placed(&store, &of(1)).await;
        placed(&store, &of(1)).await;
        placed(&store, &append(plan, vec![edit("whenever")])).await;
        assert_eq!(one(&store, &of(0)).await, Err(StoreError::Renewed));
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(0));
        assert_eq!(one(&store, &of(1)).await, Err(StoreError::Renewed));
        assert_eq!(one(&store, &Append { after: Some(Seq::ZERO), ..of(1) }).await, Err(StoreError::Renewed));
        placed(&store, &of(2)).await;
        assert_eq!(history(&store, plan).await.len(), 6);
    }

    async fn a_part_has_so_many_rows_and_bytes_or_a_single_pack(db: &Database) {
        const MIB: usize = 1 << 20;
        let store = db.store("main").await;
        let rows = room(&store, "rows").await;
        placed(&store, &append(rows, (0..1_001).map(secret_edit).collect())).await;
        let row = begun(&store, rows, 0).await;
        for (entries, is_done, done) in [(500, false, 500), (500, false, 1_000), (1, true, 1_001), (0, true, 1_001)] {
            assert_eq!(store.erase_part(&row, erase()).await, Ok(ErasureProgress { entries, is_done }));
            assert_eq!(store.erasure(rows).await.expect("an answer").expect("it is there").done, Seq(done));
        }
        let large = room(&store, "large").await;
        // In one part: 1 + 7; 1; 9, which alone is more than a part has; 8, to the byte; 1.
        for bytes in [MIB, 7 * MIB, 20, 9 * MIB, 8 * MIB, 20] {
            let mut body = vec![b' '; bytes];
            body[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
            placed(&store, &append(large, vec![NewEntry { body: body.into(), ..edit("") }])).await;
        }
        let row = begun(&store, large, 0).await;
        for (entries, is_done) in [(2, false), (1, false), (1, false), (1, false), (1, true)] {
            assert_eq!(store.erase_part(&row, erase()).await, Ok(ErasureProgress { entries, is_done }));
        }
        let packed = room(&store, "packed").await;
        for _ in 0..5 {
            placed(&store, &append(packed, (0..1_000).map(secret_edit).collect())).await;
        }
        pack_all(&store, packed).await;
        placed(&store, &append(packed, vec![secret_edit(1)])).await;
        let row = begun(&store, packed, 0).await;
        for (entries, is_done) in [(4_096, false), (904, false), (1, true)] {
            assert_eq!(store.erase_part(&row, erase()).await, Ok(ErasureProgress { entries, is_done }));
        }
    }

    async fn what_came_since_is_rewritten_with_the_end_unless_it_is_much(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, vec![secret_edit(1)])).await;
        let row = begun(&store, plan, 0).await;
        assert_eq!(store.erase_part(&row, erase()).await, Ok(ErasureProgress { entries: 1, is_done: true }));
        placed(&store, &append(plan, (0..501).map(secret_edit).collect())).await;
        assert_eq!(store.finish_erasure(&row, erase()).await, Ok(false));
        assert_eq!(store.erase_part(&row, erase()).await, Ok(ErasureProgress { entries: 1, is_done: true }));
        placed(&store, &append(plan, (0..500).map(secret_edit).collect())).await;
        assert_eq!(store.finish_erasure(&row, erase()).await, Ok(true));
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
        assert_eq!(history(&store, plan).await.len(), 1_002);
        // Later ones are nobody's business.
        placed(&store, &append(plan, vec![secret_edit(7)])).await;
        assert_eq!(store.scrub().await, Ok(1));
        assert_eq!(history(&store, plan).await[1_002].body, Some(format!("7 {SECRET} 7").into()));
    }

    async fn an_erasure_tells_why_it_does_not_go_on_until_it_does(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, (0..600).map(secret_edit).collect())).await;
        assert_eq!(store.count_erasures().await, Ok((0, 0)));
        let row = begun(&store, plan, 0).await;
        let failure = async || store.erasure(plan).await.expect("an answer").expect("it is there").failure;
        assert_eq!((failure().await, store.count_erasures().await), (None, Ok((1, 0))));
        let note = async || store.note_erasure_failure(plan, "it is damaged".to_owned(), 7).await.expect("noted");
        note().await;
        assert_eq!(failure().await, Some(("it is damaged".to_owned(), 7)));
        assert_eq!(store.count_erasures().await, Ok((1, 1)));
        store.erase_part(&row, erase()).await.expect("a part");
        assert_eq!((failure().await, store.count_erasures().await), (None, Ok((1, 0))));
        note().await;
        go_on(&store, &row, &erase()).await.expect("it is erased");
        assert_eq!(failure().await, None);
        note().await;
        assert_eq!(store.scrub().await, Ok(1));
        assert_eq!(store.count_erasures().await, Ok((0, 0)));
        note().await;
        assert_eq!(store.count_erasures().await, Ok((0, 0)), "there is nothing to note it of");
    }

    async fn what_is_to_be_told_of_an_erasure_is_kept_until_it_is_told_and_then_it_ends(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, vec![secret_edit(1)])).await;
        let row = begun(&store, plan, 0).await;
        store.end_erasure_notice(plan).await.expect("works");
        let plan_of = async || store.erasure(plan).await.expect("an answer").map(|row| row.plan);
        assert_eq!(plan_of().await, Some("plan".into()), "it is not rewritten");
        let telling: Arc<dyn Rewrite> = Arc::new(Erase { notice: Some("told"), ..Erase::default() });
        assert_eq!(go_on(&store, &row, &telling).await, Ok(1));
        assert_eq!((plan_of().await, store.scrub().await), (Some("told".into()), Ok(0)));
        store.end_erasure_notice(plan).await.expect("works");
        assert_eq!((plan_of().await, store.scrub().await), (Some(Bytes::new()), Ok(1)));
        assert_eq!(plan_of().await, None);
    }

    async fn an_erasure_that_is_cancelled_leaves_the_rest_as_it_is(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, (0..600).map(secret_edit).collect())).await;
        assert_eq!(store.cancel_erasure(plan, 0).await, Ok(false));
        let row = begun(&store, plan, 0).await;
        store.erase_part(&row, erase()).await.expect("a part");
        for epoch in [0, 2] {
            assert_eq!(store.cancel_erasure(plan, epoch).await, Ok(false));
        }
        assert_eq!(store.cancel_erasure(plan, 1).await, Ok(true));
        assert_eq!((store.erasure(plan).await, epoch(&store, "plan").await), (Ok(None), 1 + CANCELLED_EPOCHS));
        // Whoever goes on with it finds that it is over, and whoever was there reads anew.
        assert_eq!(go_on(&store, &row, &erase()).await, Err(StoreError::Renewed));
        let of = |epoch| Append { epoch: Some(epoch), ..append(plan, vec![edit("a")]) };
        assert_eq!(one(&store, &of(1)).await, Err(StoreError::Renewed));
        placed(&store, &of(1 + CANCELLED_EPOCHS)).await;
        let with_secret = async || {
            let has = |entry: &Entry| entry.body.as_ref().is_some_and(|body| Erase::default().bytes(body).is_some());
            history(&store, plan).await.iter().filter(|entry| has(entry)).count()
        };
        assert_eq!(with_secret().await, 100);
        pack_all(&store, plan).await;
        let row = begun(&store, plan, 1 + CANCELLED_EPOCHS).await;
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(100));
        assert_eq!(store.cancel_erasure(plan, row.epoch + 1).await, Ok(false), "all is rewritten");
        assert_eq!(store.scrub().await, Ok(1));
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
    }

    async fn nothing_ends_before_all_packs_are_rewritten(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, (0..300).map(secret_edit).collect())).await;
        pack_all(&store, plan).await;
        let row = begun(&store, plan, 0).await;
        assert_eq!(store.finish_erasure(&row, erase()).await, Ok(false));
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(300));
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
    }

    async fn users_have_as_much_as_is_left_of_what_they_said(db: &Database) {
        let counting = opened(StoreSettings { counts_usage: true, ..db.settings("counting") }).await;
        let not_counting = db.store("other").await;
        for (called, is_packed) in [("rows", false), ("packs", true)] {
            for replacement in ["", "a much longer text than the one that was there"] {
                let called = format!("{called} {}", replacement.len());
                let plan = room(&counting, &called).await;
                let via = |n| NewEntry { via: Some(UserId::new("relay")), ..secret_edit(n) };
                placed(&counting, &append(plan, (0..300).map(secret_edit).chain((0..30).map(via)).collect())).await;
                if is_packed {
                    pack_all(&counting, plan).await;
                }
                // Not counted yet, and counted once it is erased.
                placed(&not_counting, &append(plan, (0..30).map(secret_edit).collect())).await;
                let erase = Arc::new(Erase { replacement: Some(replacement), ..Erase::default() });
                let row = begun(&counting, plan, 0).await;
                assert_eq!(counting.count_part(plan).await, Ok(false), "not now");
                let erase: Arc<dyn Rewrite> = erase;
                assert_eq!(go_on(&counting, &row, &erase).await, Ok(360));
                assert_eq!(counting.scrub().await, Ok(1));
                let bytes = counting.counted_bytes(plan).await.expect("counted");
                let entries = history(&counting, plan).await;
                let expected: u64 = entries.iter().map(|entry| entry.body_bytes + ENTRY_OVERHEAD_BYTES).sum();
                assert_eq!(bytes, expected, "{called}");
                let of_relay: u64 = entries.iter().filter(|entry| entry.via.is_some()).map(|entry| entry.body_bytes + ENTRY_OVERHEAD_BYTES).sum();
                let deletion = Deletion::Soft(1_000);
                let used = stored_of(&counting, &["relay", "ada"]).await;
                assert_eq!(used, [of_relay, expected - of_relay]);
                counting.delete_room(&name(&called), (&UserId::new("root"), "Root"), deletion, 5).await.expect("works");
            }
        }
    }

    async fn a_user_gets_another_name_in_all_that_names_them(db: &Database) {
        let store = opened(StoreSettings { counts_usage: true, ..db.settings("main") }).await;
        let (plan, other) = (room(&store, "plan").await, room(&store, "other").await);
        let mallory = "mallory-the-user";
        assert_eq!(store.add_webhook(webhook()).await, Ok(true));
        let told = |called: &str, user: &str, shown: &str| RoomEvent {
            id: 0,
            room: called.to_owned(),
            kind: "presence.joined".to_owned(),
            at_ms: 5,
            body: Some(format!(r#"{{"user":"{user}","name":"{shown}"}}"#)),
        };
        let events = vec![told("plan", mallory, "Mallory M."), told("plan", "bob", "Bob"), told("other", mallory, "Mallory M.")];
        store.add_room_events(events.clone()).await.expect("works");
        for room in [plan, other] {
            let by = |author: &str, via: Option<&str>| {
                NewEntry { author: UserId::new(author), via: via.map(UserId::new), ..edit("words") }
            };
            let entries = || vec![by(mallory, None), by("bob", Some(mallory)), by(mallory, Some("bob")), by("bob", None)];
            let clients = (1..=501).map(|client| (client, UserId::new(mallory))).chain([(900, UserId::new("bob"))]);
            placed(&store, &Append { clients: clients.collect(), ..append(room, entries()) }).await;
            pack_all(&store, room).await;
            placed(&store, &append(room, entries())).await;
            placed(&store, &append(room, vec![keyed(mallory, "k"), keyed("bob", "k")])).await;
            let version = |label: &str, author: &str| VersionRow {
                seq: Seq(1),
                label: label.to_owned(),
                author: UserId::new(author),
                at_ms: 5,
                meta: None,
            };
            store.add_version(room, version("one", mallory)).await.expect("works");
            store.add_version(room, version("two", "bob")).await.expect("works");
        }
        db.execute(&format!("update room set made_by = '{mallory}'")).await;
        let (size, of_other) = (store.room_size(plan).await, history(&store, other).await);
        let used = stored_of(&store, &[mallory, "bob"]).await;
        let before = history(&store, plan).await;
        assert_eq!(erased(&store, plan, 0, rename(mallory, "nobody-7")).await, 7);

        let is = |user: &UserId| if user.as_str() == mallory { UserId::new("nobody-7") } else { user.clone() };
        let expected: Vec<Entry> = before
            .into_iter()
            .map(|entry| Entry { author: is(&entry.author), via: entry.via.as_ref().map(is), ..entry })
            .collect();
        assert_eq!(history(&store, plan).await, expected);
        let of_author = |author: &str| HistoryQuery { author: Some(UserId::new(author)), ..everything() };
        assert_eq!(store.history(plan, of_author(mallory)).await, Ok(vec![]));
        assert_eq!(store.history(plan, of_author("nobody-7")).await.expect("a page").len(), 5);
        let clients = store.all_clients(plan).await.expect("works");
        assert_eq!(clients.iter().filter(|(_, user)| user.as_str() == "nobody-7").count(), 501);
        assert!(clients.contains(&(900, UserId::new("bob"))) && clients.len() == 502);
        let authors: Vec<UserId> = store.versions(plan).await.expect("works").into_iter().map(|row| row.author).collect();
        assert_eq!(authors, [UserId::new("nobody-7"), UserId::new("bob")]);
        let told: Vec<_> = store.room_events(10).await.expect("works").into_iter().map(|event| event.body).collect();
        let renamed = Some(r#"{"name":"nobody-7","user":"nobody-7"}"#.to_owned());
        assert_eq!(told, [renamed, events[1].body.clone(), events[2].body.clone()]);
        // Nobody else's is touched, and it all counts as before.
        assert_eq!(store.room_size(plan).await, size);
        assert_eq!(history(&store, other).await, of_other);
        let now = stored_of(&store, &[mallory, "bob", "nobody-7"]).await;
        assert_eq!((now[0] + now[2], now[1]), (used[0], used[1]));
        assert_eq!(now[0], now[2], "both rooms had the same");
        let used = store.usage_of(vec![UserId::new(mallory), UserId::new("nobody-7")], 10).await.expect("works");
        assert_eq!(used.iter().map(|used| used.rooms).collect::<Vec<_>>(), [1, 1]);
        db.execute("delete from webhook_event where room = 'other'").await;
        let deletion = Deletion::Hard { frees_name: true };
        store.delete_room(&name("other"), (&UserId::new("root"), "Root"), deletion, 5).await.expect("it is deleted");
        while store.purge_part(other, 5).await.expect("a part") {}
        assert_eq!(db.columns_with(mallory).await, Vec::<String>::new());
        assert_eq!(db.columns_with("Mallory M.").await, Vec::<String>::new());
    }

    async fn what_was_read_to_be_told_before_a_user_got_another_name_is_told_by_that(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, vec![edit("words")])).await;
        assert_eq!(store.add_webhook(webhook()).await, Ok(true));
        let body = |user: &str| Some(format!(r#"{{"name":"{user}","user":"{user}"}}"#));
        let (room, kind) = ("plan".to_owned(), "presence.left".to_owned());
        let event = RoomEvent { id: 0, room: room.clone(), kind: kind.clone(), at_ms: 5, body: body("mallory") };
        store.add_room_events(vec![event]).await.expect("works");
        let read = store.room_events(10).await.expect("an event").remove(0);
        assert_eq!(erased(&store, plan, 0, rename("mallory", "nobody-7")).await, 0);
        let queue = QueueKey { webhook: webhook().id, room, kind };
        let delivery = || {
            let (queue, hold) = (queue.clone(), std::time::Duration::from_secs(60));
            NewDelivery { id: "msg".to_owned(), queue, after: None, seq: None, at_ms: 5, hold }
        };
        assert_eq!(store.enqueue(Found::Event(read.id), vec![delivery()]).await, Ok(true));
        assert_eq!(store.enqueue(Found::Event(read.id), vec![delivery()]).await, Ok(false), "it is in its queue");
        let waiting = store.deliveries(&queue.webhook, None, None, 10).await.expect("a log");
        assert_eq!(waiting.into_iter().map(|delivery| delivery.body).collect::<Vec<_>>(), [body("nobody-7")]);
        assert_eq!(store.room_events(10).await, Ok(vec![]));
    }

    async fn whoever_stops_in_the_middle_another_server_goes_on(db: &Database) {
        let rewrite = rename("ada", "nobody-7");
        let plan = secretive_room(db, &db.store("first").await).await;
        let (before, versions) = (remaining(&db.store("first").await, plan).await, "version");
        begun(&db.store("first").await, plan, 0).await;
        let mut steps = 0;
        // Each server does one part, and is gone.
        loop {
            let store = db.store("next").await;
            let row = store.pending_erasures(RoomId(0), 1).await.expect("an answer").remove(0);
            steps += 1;
            if store.erase_part(&row, rewrite.clone()).await.expect("a part").is_done {
                break;
            }
        }
        assert!(steps >= 3, "{steps}");
        // The end stops before each of its transactions.
        for table in ["history", "snapshot", "base", "client", "webhook_event", "webhook_delivery", "room_usage", versions] {
            let store = db.store("next").await;
            let row = store.pending_erasures(RoomId(0), 1).await.expect("an answer").remove(0);
            db.execute(&format!("alter table {table} rename to away")).await;
            assert!(store.finish_erasure(&row, rewrite.clone()).await.is_err(), "{table}");
            db.execute(&format!("alter table away rename to {table}")).await;
            assert_eq!(epoch(&store, "plan").await, 1);
        }
        let store = db.store("next").await;
        let row = store.pending_erasures(RoomId(0), 1).await.expect("an answer").remove(0);
        assert_eq!(store.finish_erasure(&row, rewrite.clone()).await, Ok(true));
        let store = db.store("last").await;
        let row = store.pending_erasures(RoomId(0), 1).await.expect("an answer").remove(0);
        assert_eq!((row.is_rewritten, go_on(&store, &row, &rewrite).await), (true, Ok(0)));
        assert_eq!(store.scrub().await, Ok(1));
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
        let named = |entry: Entry| match entry.author.as_str() {
            "ada" => Entry { author: UserId::new("nobody-7"), ..entry },
            _ => entry,
        };
        assert_eq!(remaining(&store, plan).await, without_secret(before.into_iter().map(named).collect()));
    }

    async fn others_write_pack_drop_and_save_meanwhile_and_two_servers_erase(db: &Database) {
        let store = db.store("main").await;
        let plan = secretive_room(db, &store).await;
        let before = remaining(&store, plan).await;
        let row = begun(&store, plan, 0).await;
        let another = db.store("another").await;
        let erasing = async |store: &Store| match go_on(store, &row, &erase()).await {
            Ok(_) | Err(StoreError::Renewed) => {}
            Err(error) => panic!("{error}"),
        };
        let typing = async {
            for n in 0..200 {
                placed(&store, &append(plan, vec![secret_edit(n), edit("typed")])).await;
                store.save_snapshot(plan, Seq(900), format!("state {SECRET}").into(), n as i64 % 2).await.expect("works");
                store.save_history_segment(plan, segment(90 + n as u64, 800), n as i64 % 2).await.expect("works");
                if epoch(&store, "plan").await == 2 {
                    return n + 1;
                }
            }
            200
        };
        let dropping = async {
            while another.drop_part(plan).await.expect("a part") {
                pack_all(&another, plan).await;
                another.compress_snapshot(plan).await.expect("works");
            }
        };
        let (_, _, typed, ()) = tokio::join!(erasing(&store), erasing(&another), typing, dropping);
        assert_eq!(store.scrub().await, Ok(1));
        let after = remaining(&store, plan).await;
        let stays = |entry: &&Entry| entry.seq > Seq(90) || matches!(entry.kind, EntryKind::Event | EntryKind::Step);
        let expected: Vec<Entry> = without_secret(before).iter().filter(stays).cloned().collect();
        assert_eq!(after[..expected.len()], expected);
        assert_eq!(after.len(), expected.len() + 2 * typed, "all that was typed is there");
        // What was typed after the end stays as it is.
        assert_eq!(erased(&store, plan, 2, erase()).await as usize, after.iter().filter(|entry| entry.body.as_ref().is_some_and(|body| body.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()))).count());
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
    }

    async fn an_erasure_goes_on_in_a_room_that_can_be_taken_back_and_goes_with_one_that_cannot(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, (0..600).map(secret_edit).collect())).await;
        let row = begun(&store, plan, 0).await;
        let root = UserId::new("root");
        let delete = async |deletion| store.delete_room(&name("plan"), (&root, "Root"), deletion, 5).await;
        delete(Deletion::Soft(1_000)).await.expect("it is deleted");
        assert_eq!(store.pending_erasures(RoomId(0), 10).await.expect("an answer").len(), 1);
        assert_eq!(store.pending_erasures(plan, 10).await, Ok(vec![]), "behind it");
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(600));
        assert_eq!(store.scrub().await, Ok(1));
        assert_eq!(store.undelete_room(&name("plan")).await, Ok(Undeletion::Done));
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());

        placed(&store, &append(plan, (0..600).map(secret_edit).collect())).await;
        let row = begun(&store, plan, 2).await;
        store.erase_part(&row, erase()).await.expect("a part");
        delete(Deletion::Hard { frees_name: true }).await.expect("it is deleted");
        assert_eq!(store.pending_erasures(RoomId(0), 10).await, Ok(vec![]));
        assert_eq!(store.erase_part(&row, erase()).await, Err(StoreError::RoomDeleted));
        assert_eq!(store.finish_erasure(&row, erase()).await, Err(StoreError::RoomDeleted));
        while store.purge_part(plan, 5).await.expect("a part") {}
        assert_eq!(store.erase_part(&row, erase()).await, Err(StoreError::Renewed));
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
    }

    async fn whether_a_room_names_a_user_is_found_in_all_that_names_any(db: &Database) {
        let store = opened(StoreSettings { counts_usage: true, ..db.settings("main") }).await;
        let (plan, other) = (room(&store, "plan").await, room(&store, "other").await);
        let by = |author: &str, via: Option<&str>| NewEntry { author: UserId::new(author), via: via.map(UserId::new), ..edit("words") };
        let clients = vec![(1, UserId::new("cleo"))];
        placed(&store, &Append { clients, ..append(plan, vec![by("ada", None), by("ada", Some("bob"))]) }).await;
        let row = VersionRow { seq: Seq(1), label: "one".to_owned(), author: UserId::new("dora"), at_ms: 5, meta: None };
        store.add_version(plan, row).await.expect("works");
        for _ in 0..2 {
            for (user, is_named) in [("ada", true), ("bob", true), ("cleo", true), ("dora", true), ("eve", false)] {
                assert_eq!(store.is_named(plan, &UserId::new(user)).await, Ok(is_named), "{user}");
                assert_eq!(store.is_named(other, &UserId::new(user)).await, Ok(false));
            }
            pack_all(&store, plan).await;
        }
    }

    async fn what_cannot_be_read_is_told_and_what_stands_for_nothing_goes(db: &Database) {
        let store = db.store("main").await;
        let plan = room(&store, "plan").await;
        placed(&store, &append(plan, (0..300).map(secret_edit).collect())).await;
        store.save_snapshot(plan, Seq(300), "damaged".into(), 0).await.expect("works");
        pack_all(&store, plan).await;
        placed(&store, &append(plan, vec![secret_edit(1), edit("unreadable")])).await;
        let row = begun(&store, plan, 0).await;
        db.execute("create table whole as select * from pack").await;
        db.execute("update pack set body = substr(body, 1, length(body) - 1)").await;
        let damaged = StoreError::DamagedPack { room: plan.0, first: Seq(1), last: Seq(300) };
        assert_eq!(store.erase_part(&row, erase()).await, Err(damaged));
        db.execute("update pack set body = (select body from whole); drop table whole").await;
        assert_eq!(store.erase_part(&row, erase()).await, Ok(ErasureProgress { entries: 300, is_done: false }));
        let unreadable = StoreError::Unexpected("the entry 302 cannot be erased from: it cannot be read".to_owned());
        assert_eq!(store.erase_part(&row, erase()).await, Err(unreadable));
        assert_eq!(found(db, &store, plan).await.len(), 2, "nothing of its part is written");
        let blob = |text| if db.is_sqlite() { format!("cast('{text}' as blob)") } else { format!("'{text}'::bytea") };
        db.execute(&format!("update entry set body = {} where seq = 302", blob("readable"))).await;
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(1));
        assert_eq!(store.snapshot_at(plan, Seq(300)).await, Ok(None));
        assert_eq!(store.scrub().await, Ok(1));

        let kept = Some(Kept { state: "damaged".into(), base: "damaged".into() });
        let dropping = Dropping { from: (Seq::ZERO, 2), to: Seq(2), versions: Vec::new(), kept };
        assert_eq!(store.raise_horizon(plan, dropping).await, Ok(true));
        let row = begun(&store, plan, 2).await;
        assert!(matches!(go_on(&store, &row, &erase()).await, Err(StoreError::Unexpected(_))));
        db.execute(&format!("update snapshot set state = {}", blob("state"))).await;
        assert!(matches!(go_on(&store, &row, &erase()).await, Err(StoreError::Unexpected(_))));
        db.execute(&format!("update base set body = {}", blob("base"))).await;
        assert_eq!(go_on(&store, &row, &erase()).await, Ok(0));
    }

    async fn one_scrub_ends_all_that_are_finished(db: &Database) {
        let store = db.store("main").await;
        assert_eq!(store.scrub().await, Ok(0));
        for called in ["a", "b", "c"] {
            let plan = room(&store, called).await;
            placed(&store, &append(plan, vec![secret_edit(1)])).await;
            let row = begun(&store, plan, 0).await;
            if called != "c" {
                go_on(&store, &row, &erase()).await.expect("it is erased");
            }
        }
        assert_eq!(store.scrub().await, Ok(2));
        let pending = store.pending_erasures(RoomId(0), 10).await.expect("an answer");
        assert_eq!(pending.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["c"]);
    }
}

/// Whether the file or its log has it.
fn file_has(db: &Database, text: &str) -> bool {
    let path = db.url.strip_prefix("sqlite://").expect("a file");
    let has = |path: String| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    has(path.to_owned()) || has(format!("{path}-wal"))
}

#[test]
fn an_sqlite_file_and_its_log_have_nothing_of_what_was_erased_while_the_server_runs() {
    on_sqlite(async |db: &Database| {
        let store = db.store("main").await;
        let plan = secretive_room(db, &store).await;
        assert!(file_has(db, SECRET));
        let row = begun(&store, plan, 0).await;
        go_on(&store, &row, &erase()).await.expect("it is erased");
        assert_eq!(found(db, &store, plan).await, Vec::<String>::new());
        assert!(file_has(db, SECRET), "what was rewritten is still in unused parts of the file");
        assert_eq!(store.scrub().await, Ok(1));
        assert!(!file_has(db, SECRET));
        let log = std::fs::metadata(format!("{}-wal", db.url.strip_prefix("sqlite://").expect("a file")));
        assert!(log.expect("the server runs").len() < 100_000, "only that it has ended");
        // It goes on with the file as it is now.
        placed(&store, &append(plan, vec![edit("more")])).await;
        pack_all(&store, plan).await;
        assert!(!file_has(db, SECRET));
    });
}

#[test]
fn a_scrub_waits_for_those_who_read_what_the_log_has_and_others_go_on() {
    use sqlx::{Connection, SqliteConnection};
    on_sqlite(async |db: &Database| {
        let store = db.store("main").await;
        let (plan, other) = (room(&store, "plan").await, room(&store, "other").await);
        placed(&store, &append(plan, (0..100).map(secret_edit).collect())).await;
        let mut reader = SqliteConnection::connect(&db.url).await.expect("the file opens");
        sqlx::raw_sql("begin; select count(*) from entry").execute(&mut reader).await.expect("it reads");
        let row = begun(&store, plan, 0).await;
        go_on(&store, &row, &erase()).await.expect("it is erased");
        let scrubbing = tokio::spawn({
            let store = store.clone();
            async move { store.scrub().await }
        });
        for _ in 0..20 {
            placed(&store, &append(other, vec![edit("meanwhile")])).await;
        }
        assert!(!scrubbing.is_finished() && file_has(db, SECRET), "the reader still needs it");
        sqlx::raw_sql("commit").execute(&mut reader).await.expect("it has read");
        assert_eq!(scrubbing.await.expect("it ends"), Ok(1));
        assert!(!file_has(db, SECRET));
        assert_eq!(history(&store, other).await.len(), 20);
    });
}
