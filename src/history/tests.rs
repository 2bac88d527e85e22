//! Histories of many small things: what they cost grows with them, and no faster.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

use super::restore_key::restore_key;
use super::{Authors, BlameRun, Change, Difference, History, HistoryError, RestorePlan, Undone, What};
use crate::document::{ReadingBudget, View, ViewError};
use crate::ids::{Seq, UserId};
use crate::protocol::lib0::{put_buf, put_var_uint};
use crate::store::{Entry, EntryKind};

/// What is quadratic takes many times as much of a processor.
const DEADLINE: Duration = Duration::from_secs(60);
const LETTERS: u32 = 50_000;
/// Longer than any session goes on.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Judged by the time that its thread has on a processor: that is the same on a busy machine.
fn within_deadline(test: impl FnOnce() + Send + 'static) {
    let (began, begins) = mpsc::channel();
    let test = std::thread::spawn(move || {
        began.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
        test();
    });
    let spent = Path::new("/proc").join(begins.recv().unwrap()).join("schedstat");
    // There is no such file any more once the thread has ended.
    while let Ok(spent) = std::fs::read_to_string(&spent) {
        let spent_ns = spent.split(' ').next().and_then(|spent| spent.parse().ok()).unwrap();
        assert!(Duration::from_nanos(spent_ns) < DEADLINE, "it costs more than it is long");
        std::thread::sleep(Duration::from_millis(20));
    }
    test.join().unwrap();
}

/// Text of a client from a clock on, behind a unit of a client or at the front of the root `t`.
pub(super) fn typed(client: u64, clock: u32, behind: Option<(u64, u32)>, text: &str) -> Vec<u8> {
    let mut update = Vec::new();
    [1, 1, client, clock.into()].into_iter().for_each(|number| put_var_uint(&mut update, number));
    match behind {
        Some((client, clock)) => {
            update.push(0x84);
            put_var_uint(&mut update, client);
            put_var_uint(&mut update, clock.into());
        }
        None => {
            update.extend([4, 1]);
            put_buf(&mut update, b"t");
        }
    }
    put_buf(&mut update, text.as_bytes());
    update
}

/// Text of a client from a clock on, between a unit of client 1 and the next one.
pub(super) fn between(client: u64, clock: u32, left: u64, text: &str) -> Vec<u8> {
    let mut update = Vec::new();
    [1, 1, client, clock.into()].into_iter().for_each(|number| put_var_uint(&mut update, number));
    update.push(0xc4);
    [1, left, 1, left + 1].into_iter().for_each(|number| put_var_uint(&mut update, number));
    put_buf(&mut update, text.as_bytes());
    update
}

/// Ends an update by what it deletes.
pub(super) fn deleting(mut update: Vec<u8>, client: u64, start: u32, len: u32) -> Vec<u8> {
    [1, client, 1, start.into(), len.into()].into_iter().for_each(|number| put_var_uint(&mut update, number));
    update
}

pub(super) fn whole(mut update: Vec<u8>) -> Vec<u8> {
    update.push(0);
    update
}

pub(super) fn enter(history: &mut History, author: &str, key: Option<String>, body: impl Into<Bytes>) -> Seq {
    let (seq, body) = (Seq(history.upto().0 + 1), body.into());
    history.push(Entry {
        seq,
        kind: EntryKind::Edit,
        author: UserId::new(author),
        via: None,
        at_ms: seq.0.cast_signed() * 100,
        key,
        body_bytes: body.len() as u64,
        body: Some(body),
    });
    seq
}

/// Ada's letters, by one edit.
fn of_letters() -> History {
    let mut history = History::default();
    let text: String = (0..LETTERS).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    enter(&mut history, "ada", None, whole(typed(1, 0, None, &text)));
    history
}

pub(super) fn authors() -> Authors {
    Authors::new(vec![(1, UserId::new("ada")), (2, UserId::new("bob"))])
}

fn runs(history: &History, seq: Seq) -> Vec<(u64, u64, String)> {
    let run = |run: BlameRun| (run.from, run.to, run.credit.by.to_string());
    history.blame(Some("t"), seq, &authors()).unwrap().runs.into_iter().map(run).collect()
}

fn changes(history: &History, from: Seq, to: Seq) -> (u64, u64) {
    let told = history.diff(Some("t"), from, to, &authors()).unwrap();
    let (mut inserted, mut deleted) = (0, 0);
    for op in told.changes.ops {
        let (count, what) = match op {
            Difference::Insert { what, .. } => (&mut inserted, what),
            Difference::Delete { what, .. } => (&mut deleted, what),
            _ => continue,
        };
        let What::Text(text) = what else { panic!("{what:?}") };
        *count += text.encode_utf16().count() as u64;
    }
    (inserted, deleted)
}

/// What differs in a text, told shortly.
fn told(history: &History, from: Seq, to: Seq) -> Vec<String> {
    let change = |change: &Change| format!("{} {}", change.credit.by, change.seq());
    let text = |what: &What| if let What::Text(text) = what { text.clone() } else { format!("{what:?}") };
    let ops = history.diff(None, from, to, &authors()).unwrap().changes.ops;
    let op = |op: &Difference| match op {
        Difference::Retain { len, format: None } => format!("={len}"),
        Difference::Insert { what, change: by, .. } => format!("+{} {}", text(what), change(by)),
        Difference::Delete { what, change: by } => format!("-{} {}", text(what), change(by)),
        other => format!("{other:?}"),
    };
    ops.iter().map(op).collect()
}

pub(super) fn text(history: &History, seq: Seq) -> String {
    let state = Bytes::from(history.state_at(seq).unwrap());
    View::read(&state, ReadingBudget::default()).unwrap().text(Some("t")).unwrap()
}

/// Goes back, by an entry.
pub(super) fn restore(history: &mut History, to: Seq, by: Option<&str>) -> Undone {
    let RestorePlan { update, undone } =
        history.restore(to, history.upto(), by.map(UserId::new).as_ref(), &authors()).unwrap();
    let key = restore_key(to, history.upto(), None);
    enter(history, "carol", Some(key), update.unwrap());
    undone
}

#[test]
fn a_text_that_is_deleted_letter_by_letter_costs_what_it_is_long() {
    within_deadline(|| {
        let mut history = of_letters();
        for at in (0..LETTERS).rev() {
            enter(&mut history, "bob", None, deleting(vec![0], 1, at, 1));
        }
        let (head, half) = (history.upto(), Seq(u64::from(LETTERS / 2) + 1));
        assert_eq!(runs(&history, head), []);
        assert_eq!(runs(&history, half), [(0, u64::from(LETTERS / 2), "ada".to_owned())]);
        assert_eq!(changes(&history, Seq(1), head), (0, LETTERS.into()));
        assert_eq!(changes(&history, head, Seq(1)), (LETTERS.into(), 0));
        let undone = restore(&mut history, Seq(1), None);
        assert_eq!(undone, Undone { inserted: LETTERS.into(), deleted: 0 });
        assert_eq!(runs(&history, history.upto()), [(0, LETTERS.into(), "ada".to_owned())]);
    });
}

#[test]
fn each_second_letter_is_gone_and_comes_back() {
    within_deadline(|| {
        let mut history = of_letters();
        for at in (1..LETTERS).step_by(2) {
            enter(&mut history, "bob", None, deleting(vec![0], 1, at, 1));
        }
        let half = history.upto();
        let was = text(&history, half);
        for at in (0..LETTERS).step_by(2) {
            enter(&mut history, "bob", None, deleting(vec![0], 1, at, 1));
        }
        let undone = restore(&mut history, half, None);
        assert_eq!(undone, Undone { inserted: (LETTERS / 2).into(), deleted: 0 });
        let head = history.upto();
        assert_eq!(text(&history, head), was);
        assert_eq!(runs(&history, head), [(0, (LETTERS / 2).into(), "ada".to_owned())]);
        let undone = restore(&mut history, Seq(1), Some("bob"));
        assert_eq!(undone.inserted, u64::from(LETTERS));
    });
}

#[test]
fn edits_that_wait_for_another_cost_nothing_until_it_comes() {
    within_deadline(|| {
        let mut history = History::in_segments_of(LETTERS as usize * 4);
        for at in (1..LETTERS).rev() {
            enter(&mut history, "ada", None, whole(typed(1, at, Some((1, at - 1)), "a")));
        }
        // Bob goes on meanwhile, in another text; carol deletes what is not there yet.
        for at in 0..LETTERS {
            let behind = (at > 0).then(|| (2, at - 1));
            enter(&mut history, "bob", None, whole(typed(2, at, behind, "b")));
        }
        enter(&mut history, "carol", None, deleting(vec![0], 1, LETTERS - 2, 2));
        assert_eq!(text(&history, history.upto()).len(), LETTERS as usize);
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "a")));
        assert_eq!(text(&history, history.upto()).len(), 2 * LETTERS as usize - 2);
        assert_eq!(text(&history, Seq(history.upto().0 - 1)).len(), LETTERS as usize);
    });
}

#[test]
fn edits_that_wait_are_there_after_a_restart() {
    let mut history = History::in_segments_of(2);
    enter(&mut history, "ada", None, whole(typed(1, 2, Some((1, 1)), "c")));
    enter(&mut history, "ada", None, whole(typed(1, 1, Some((1, 0)), "b")));
    enter(&mut history, "bob", None, deleting(vec![0], 1, 2, 1));
    enter(&mut history, "bob", None, whole(typed(2, 0, None, "x")));
    let mut again = History::in_segments_of(2);
    history.take_unsaved().iter().for_each(|segment| again.take_segment(segment, &[]).unwrap());
    again.settle().unwrap();
    for history in [&mut history, &mut again] {
        let last = enter(history, "ada", None, whole(typed(1, 0, None, "a")));
        let (before, after) = (text(history, Seq(4)), text(history, last));
        assert_eq!((&before[..], after.len(), after.contains("ab")), ("x", 3, true), "{after}");
    }
}

#[test]
fn each_letter_is_written_anew_and_stays_whose_it_was() {
    within_deadline(|| {
        let mut history = of_letters();
        // Each edit deletes a letter and inserts the same one before the others.
        for at in 0..LETTERS {
            let letter = char::from(b'a' + (at % 26) as u8).to_string();
            let behind = if at == 0 { None } else { Some((2, at - 1)) };
            enter(&mut history, "bob", None, deleting(typed(2, at, behind, &letter), 1, at, 1));
        }
        let head = history.upto();
        assert_eq!(text(&history, head), text(&history, Seq(1)));
        assert_eq!(runs(&history, head), [(0, LETTERS.into(), "ada".to_owned())]);
        assert_eq!(changes(&history, Seq(1), head), (LETTERS.into(), LETTERS.into()));
        assert_eq!(history.restore(Seq(1), history.upto(), None, &authors()).unwrap().update, None);
    });
}

#[test]
fn text_that_moved_in_part_is_found_or_blame_says_that_it_was_not_looked_for() {
    let mut history = History::default();
    enter(&mut history, "ada", None, whole(typed(1, 0, None, "written by one")));
    // As an editor does where somebody presses Enter: the end goes, and comes back elsewhere.
    enter(&mut history, "bob", None, deleting(typed(2, 0, Some((1, 13)), "\nby one"), 1, 8, 6));
    let head = history.upto();
    let compared = "by one".len() + "\nby one".len();
    for (max, is_partial) in [(None, false), (Some(compared), false), (Some(compared - 1), true)] {
        history.compared_max = max;
        let blame = history.blame(None, head, &authors()).unwrap();
        assert_eq!((blame.is_partial, blame.runs.len()), (is_partial, if is_partial { 2 } else { 3 }), "{max:?}");
        assert_eq!(history.replay(None, &authors()).unwrap().is_partial, is_partial);
    }
}

#[test]
fn a_letter_of_each_of_many_clients_is_whose_it_is() {
    within_deadline(|| {
        let mut history = History::default();
        let mut behind = None;
        for client in 1_u64..=u64::from(LETTERS / 5) {
            enter(&mut history, &format!("user{client}"), None, whole(typed(client + 10, 0, behind, "x")));
            behind = Some((client + 10, 0));
        }
        let head = history.upto();
        let runs = runs(&history, head);
        assert_eq!(runs.len() as u64, head.0);
        assert_eq!(runs.last().unwrap(), &(head.0 - 1, head.0, format!("user{head}")));
        assert_eq!(changes(&history, Seq(head.0 / 2), head), (head.0 - head.0 / 2, 0));
        assert_eq!(restore(&mut history, Seq::ZERO, None), Undone { inserted: 0, deleted: head.0 });
    });
}

#[test]
fn a_history_of_many_restores_is_read_once() {
    within_deadline(|| {
        let mut history = History::default();
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "what there was")));
        for at in 0..2_000 {
            enter(&mut history, "bob", None, whole(typed(2, at, None, "!")));
        }
        for _ in 0..60 {
            restore(&mut history, Seq(1), None);
            let RestorePlan { update, .. } = history.restore(Seq(2001), history.upto(), None, &authors()).unwrap();
            let key = restore_key(Seq(2001), history.upto(), None);
            enter(&mut history, "carol", Some(key), update.unwrap());
        }
        let told = runs(&history, history.upto());
        assert_eq!(told, [(0, 14, "ada".to_owned()), (14, 2014, "bob".to_owned())]);
    });
}

#[test]
fn a_history_that_costs_more_than_may_be_spent_is_refused() {
    let mut history = of_letters();
    let is_too_costly = |result: Result<(), HistoryError>| match result {
        Err(HistoryError::View(ViewError::TooCostly)) => true,
        Err(error) => panic!("{error}"),
        Ok(()) => false,
    };
    let mut spend = |steps: u64, bytes: usize| {
        history.budget = ReadingBudget { steps, bytes };
        [
            history.blame(Some("t"), Seq(1), &authors()).map(drop),
            history.diff(Some("t"), Seq(0), Seq(1), &authors()).map(drop),
            history.restore(Seq(0), history.upto(), Some(&UserId::new("ada")), &authors()).map(drop),
        ]
        .map(is_too_costly)
    };
    let (steps, bytes) = (u64::from(LETTERS) + 100, 1 << 20);
    assert_eq!(spend(steps, bytes), [false; 3]);
    assert_eq!(spend(u64::from(LETTERS), bytes)[..2], [true; 2]);
    assert_eq!(spend(steps, 2 * LETTERS as usize)[..2], [true; 2]);
    assert_eq!(spend(1, bytes), [true; 3]);
}

#[test]
fn deletions_of_one_author_are_one_until_it_pauses() {
    let mut history = History::default();
    enter(&mut history, "ada", None, whole(typed(1, 0, None, "abcd")));
    enter(&mut history, "bob", None, deleting(vec![0], 1, 0, 1));
    let last = enter(&mut history, "bob", None, deleting(vec![0], 1, 1, 1));
    assert_eq!(told(&history, Seq(1), last), ["-ab bob 3", "=2"]);
    let later = Entry {
        seq: Seq(4),
        kind: EntryKind::Edit,
        author: UserId::new("bob"),
        via: None,
        at_ms: DAY_MS,
        key: None,
        body_bytes: 0,
        body: Some(deleting(vec![0], 1, 2, 1).into()),
    };
    history.push(later);
    assert_eq!(told(&history, Seq(1), Seq(4)), ["-ab bob 3", "-c bob 4", "=1"]);
}

#[test]
fn trap_4_a_step2_with_one_new_letter_and_all_old_deletions_is_credited_with_the_letter() {
    let mut history = History::default();
    enter(&mut history, "ada", None, whole(typed(1, 0, None, "abcd")));
    let first = enter(&mut history, "bob", None, deleting(vec![0], 1, 1, 2));
    // Carol was away, and brings back what she knows.
    let step2 = enter(&mut history, "carol", None, deleting(typed(3, 0, Some((1, 3)), "!"), 1, 1, 2));
    assert_eq!((first, step2), (Seq(2), Seq(3)));
    assert_eq!(told(&history, Seq(1), step2), ["=1", "-bc bob 2", "=1", "+! carol 3"]);
    // Only the letter is taken back.
    let plan = history.restore(Seq(1), history.upto(), Some(&UserId::new("carol")), &authors()).unwrap();
    assert_eq!(plan.undone, Undone { inserted: 0, deleted: 1 });
}

#[test]
fn trap_5_text_of_a_client_that_never_came_itself_is_its_senders() {
    let mut history = History::default();
    // Bob's page types under a client that another tab of his had.
    enter(&mut history, "bob", None, whole(typed(77, 0, None, "offline")));
    assert_eq!(runs(&history, Seq(1)), [(0, 7, "bob".to_owned())]);
}

#[test]
fn trap_7_a_client_that_came_first_in_anothers_step2_is_its_users_once_that_is_known() {
    let mut history = History::default();
    enter(&mut history, "bob", None, whole(typed(1, 0, None, "early ")));
    enter(&mut history, "ada", None, whole(typed(1, 6, Some((1, 5)), "late")));
    // Ada's client is bound to her: all of it is hers, and bob is told to have sent some.
    let told = history.blame(None, Seq(2), &authors()).unwrap().runs;
    let told: Vec<_> =
        told.iter().map(|run| (run.from, run.to, run.credit.by.as_str(), run.credit.via.as_ref())).collect();
    let bob = UserId::new("bob");
    assert_eq!(told, [(0, 6, "ada", Some(&bob)), (6, 10, "ada", None)]);
    for _ in 0..2 {
        assert_eq!(history.blame(None, Seq(1), &authors()).unwrap().runs[0].credit.by, UserId::new("ada"));
    }
}

#[test]
fn trap_19_offsets_are_utf_16_units_also_beside_pairs_line_ends_and_combining_marks() {
    let mut history = History::default();
    // Six units: a pair, CR, LF, a letter and its accent.
    enter(&mut history, "ada", None, whole(typed(1, 0, None, "😀\r\ne\u{301}")));
    // Bob goes between the pair and the line's end, between CR and LF, and between letter and accent.
    for (at, behind) in [1, 2, 4].into_iter().enumerate() {
        enter(&mut history, "bob", None, whole(between(2, at as u32, behind, "ß")));
    }
    let head = history.upto();
    assert_eq!(text(&history, head), "😀ß\rß\neß\u{301}");
    let whose = |from, to, who: &str| (from, to, who.to_owned());
    let told =
        [(0, 2, "ada"), (2, 3, "bob"), (3, 4, "ada"), (4, 5, "bob"), (5, 7, "ada"), (7, 8, "bob"), (8, 9, "ada")];
    assert_eq!(runs(&history, head), told.map(|(from, to, who)| whose(from, to, who)));
    let lens: Vec<_> = self::told(&history, Seq(1), head).into_iter().filter(|op| op.starts_with('=')).collect();
    assert_eq!(lens, ["=2", "=1", "=2", "=1"]);
    // One that goes into the pair leaves two halves for good.
    enter(&mut history, "bob", None, whole(between(2, 3, 0, "|")));
    assert_eq!(history.blame(None, history.upto(), &authors()).unwrap().runs.last().unwrap().to, 10);
    assert_eq!(self::told(&history, head, history.upto())[..2], ["=1", "+| bob 5"]);
}

#[test]
fn trap_20_a_difference_shows_no_text_that_was_at_neither() {
    let mut history = History::default();
    enter(&mut history, "ada", None, whole(typed(1, 0, None, "ac")));
    // What came and went between the two.
    enter(&mut history, "bob", None, whole(typed(2, 0, Some((1, 1)), "passing")));
    enter(&mut history, "bob", None, deleting(typed(2, 7, Some((2, 6)), "stays"), 2, 0, 7));
    for format in [history.diff(None, Seq(1), Seq(3), &authors()), history.diff(None, Seq(3), Seq(1), &authors())] {
        assert!(!format!("{format:?}").contains("passing"));
    }
    let told = history.unified_diff(None, (Seq(1), "a"), (Seq(3), "b")).unwrap();
    assert!(!told.contains("passing") && told.contains("+acstays"), "{told}");
}

#[test]
fn trap_21_differences_backwards_of_nothing_and_across_a_restore() {
    let mut history = History::default();
    enter(&mut history, "ada", None, whole(typed(1, 0, None, "one two")));
    let gone = enter(&mut history, "bob", None, deleting(vec![0], 1, 0, 4));
    restore(&mut history, Seq(1), None);
    let head = history.upto();
    assert_eq!(changes(&history, Seq(1), head), (4, 4), "what comes back has other ids");
    assert_eq!(history.unified_diff(None, (Seq(1), "a"), (head, "b")).unwrap(), "", "and reads the same");
    assert_eq!(changes(&history, gone, head), (4, 0));
    assert_eq!(changes(&history, head, gone), (0, 4));
    for seq in 1..=head.0 {
        assert_eq!(changes(&history, Seq(seq), Seq(seq)), (0, 0), "{seq}");
        let all = text(&history, head).len() as u64;
        assert_eq!(changes(&history, Seq::ZERO, head), (all, 0), "{seq}");
    }
}

#[test]
fn trap_16_what_was_deleted_at_once_comes_back_as_one_block_and_going_back_again_is_the_state_before() {
    let mut history = of_letters();
    let gone = enter(&mut history, "bob", None, deleting(vec![0], 1, 0, LETTERS));
    let RestorePlan { update, .. } = history.restore(Seq(1), history.upto(), None, &authors()).unwrap();
    assert!(update.unwrap().len() < LETTERS as usize + 100);
    restore(&mut history, Seq(1), None);
    assert_eq!(text(&history, history.upto()), text(&history, Seq(1)));
    let RestorePlan { update, undone } = history.restore(gone, history.upto(), None, &authors()).unwrap();
    assert_eq!(undone, Undone { inserted: 0, deleted: LETTERS.into() });
    assert!(update.unwrap().len() < 100);
}
