//! One append in flight, and what comes next.

use bytes::Bytes;

use super::*;
use crate::ids::{Seq, UserId};
use crate::room::testing::TestRoom;
use crate::store::{EntryKind, NewEntry};

fn entry() -> Pending {
    let entry = NewEntry {
        kind: EntryKind::Message,
        author: UserId::new("ada"),
        via: None,
        key: None,
        condition: None,
        body: Bytes::from_static(b"{}"),
    };
    Pending::new(entry, Vec::new())
}

fn submitted(next: NextCommit) -> Uuid {
    match next {
        NextCommit::Submit { append, .. } => append.id,
        next => panic!("{next:?} is no append"),
    }
}

const PLACED: Placed = Placed { seq: Seq(1), at_ms: 0, is_new: true };

#[test]
fn a_room_gets_its_row_before_its_first_append_and_nothing_is_sent_meanwhile() {
    let (room, now) = (TestRoom::new(), Instant::now());
    let mut commit = room.new_commit();
    assert!(matches!(commit.next(now), NextCommit::Nothing));
    commit.uncommitted.push(entry());
    assert!(matches!(commit.next(now), NextCommit::MakeRow(_)));
    assert!(matches!(commit.next(now), NextCommit::Nothing));
    submitted(commit.on_row(RoomId(7), now));
    assert_eq!(commit.row(), Some(RoomId(7)));
}

#[test]
fn an_append_that_failed_is_sent_again_under_the_same_id_and_no_other_before_it_is_settled() {
    let (room, now) = (TestRoom::new(), Instant::now());
    let mut commit = room.commit();
    commit.uncommitted.push(entry());
    let id = submitted(commit.next(now));
    commit.uncommitted.push(entry());
    assert!(matches!(commit.next(now), NextCommit::Nothing));
    commit.on_failed(&StoreError::Slow);
    assert!(matches!(commit.next(now), NextCommit::Nothing), "the next attempt is waited for");
    assert_eq!(submitted(commit.retry(now)), id);
    assert_eq!(commit.settle(vec![Ok(PLACED)]).len(), 1);
    assert_ne!(submitted(commit.next(now)), id);
}

#[test]
fn under_load_few_entries_wait_for_more() {
    let (room, now) = (TestRoom::new(), Instant::now());
    let mut commit = room.commit();
    let mut held = 0;
    for _ in 0..20 {
        commit.uncommitted.push(entry());
        match commit.next(now) {
            NextCommit::Hold(wait) => {
                held += 1;
                submitted(commit.next(now + wait));
            }
            next => {
                submitted(next);
            }
        }
        commit.settle(vec![Ok(PLACED)]);
    }
    assert!(held > 0);
    (0..ENTRIES_WORTH_A_COMMIT).for_each(|_| commit.uncommitted.push(entry()));
    submitted(commit.next(now + COMMIT_EVERY));
}
