//! Servers of a cluster that talk to each other without a bus between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Cluster, Deliver, Question, RoomMessage, RoomState};
use crate::ids::RoomName;
use crate::store::{RoomRow, ServerRow};

/// The rooms of a server, whose mailboxes may be full.
#[derive(Debug, Default)]
struct Rooms {
    are_full: AtomicBool,
    told: AtomicUsize,
    left: AtomicUsize,
}

impl Deliver for Rooms {
    fn room(&self, _: &RoomName, _: Uuid, _: RoomMessage) -> bool {
        self.told.fetch_add(1, Ordering::Relaxed);
        !self.are_full.load(Ordering::Relaxed)
    }
    fn entered(&self, _: &RoomName, _: Uuid) {}
    fn left(&self, _: &RoomName, _: Uuid) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }
    fn head(&self, _: &RoomRow) {}
    fn deleted(&self, _: &RoomRow) {}
    fn missing(&self, _: &RoomName) {}
    fn ask(&self, _: Uuid, _: u64, _: Question) {}
    fn revoked(&self) {}
}

fn name(text: &str) -> RoomName {
    RoomName::parse(text).unwrap()
}

fn change() -> RoomMessage {
    RoomMessage::Change(RoomState::default())
}

/// What one has to say now.
fn texts(of: &Cluster) -> Vec<String> {
    of.take_batch(1 << 20).texts.into_iter().map(|(_, text)| text).collect()
}

/// Brings what one says to the other; how many texts that were.
fn pass(from: &Cluster, to: &Cluster, now: Instant) -> usize {
    let texts = texts(from);
    texts.iter().for_each(|text| to.on_text(text, now));
    texts.len()
}

fn row(of: &Cluster, beats: i64) -> ServerRow {
    ServerRow { incarnation: of.me(), label: "s".into(), version: "1".into(), beats, is_recent: true }
}

/// Two servers that know each other, and the rooms of the first.
fn two(now: Instant) -> (Arc<Cluster>, Arc<Cluster>, Arc<Rooms>) {
    let rooms = Arc::new(Rooms::default());
    let [one, other] = [1, 2].map(|id| Cluster::new(Uuid::from_u128(id), "s".into(), true, Duration::from_secs(10)));
    one.deliver_to(rooms.clone());
    [&one, &other].iter().for_each(|cluster| cluster.on_connected(now));
    (1..=2).for_each(|beats| other.on_rows(&[row(&one, beats)], now));
    for _ in 0..3 {
        pass(&other, &one, now);
        pass(&one, &other, now);
    }
    (one, other, rooms)
}

#[test]
fn what_finds_no_room_in_the_mailboxes_is_asked_for_again_and_less_and_less_often() {
    let start = Instant::now();
    let later = |ms| start + Duration::from_millis(ms);
    let (one, other, rooms) = two(start);
    let room = name("r");
    one.begin(&room);
    pass(&one, &other, start);
    let tells = |at| {
        other.tell(&room, change());
        assert_eq!(pass(&other, &one, at), 1);
        texts(&one).len()
    };
    assert_eq!(tells(later(20_000)), 0);
    rooms.are_full.store(true, Ordering::Relaxed);
    assert_eq!(tells(later(30_000)), 1, "it is asked to tell everything again");
    assert_eq!(tells(later(30_100)), 0, "not at once");
    one.tick(later(30_400), false);
    assert_eq!(texts(&one).len(), 0);
    one.tick(later(30_600), false);
    assert_eq!(texts(&one).len(), 1, "what was put off is done");
    assert_eq!(tells(later(31_200)), 0, "twice as long is waited each time");
    rooms.are_full.store(false, Ordering::Relaxed);
    one.tick(later(31_700), false);
    assert_eq!(texts(&one).len(), 1);
    one.tick(later(33_000), false);
    assert_eq!(texts(&one).len(), 0);
}

#[test]
fn what_is_committed_at_once_goes_on_its_way_at_once_and_only_where_its_rooms_live() {
    let start = Instant::now();
    let (one, other, rooms) = two(start);
    let names: Vec<RoomName> = (0..50).map(|n| name(&format!("r{n}"))).collect();
    names[..20].iter().for_each(|room| drop(one.begin(room)));
    pass(&one, &other, start);
    other.tell_committed(names.iter().map(|room| (room.clone(), change())).collect());
    assert_eq!(pass(&other, &one, start), 1);
    assert_eq!(rooms.told.load(Ordering::Relaxed), 20);
    other.tell_committed(names[20..].iter().map(|room| (room.clone(), change())).collect());
    assert!(!other.has_batch());
}

#[test]
fn trap_19_of_rooms_that_have_ended_nothing_is_left_here_or_there() {
    let start = Instant::now();
    let (one, other, rooms) = two(start);
    for round in 0..10 {
        let names: Vec<RoomName> = (0..1_000).map(|n| name(&format!("{round}/{n}"))).collect();
        for room in &names {
            one.begin(room);
            other.begin(room);
        }
        pass(&one, &other, start);
        pass(&other, &one, start);
        assert!(names.iter().all(|room| one.is_shared(room)));
        for room in &names {
            other.end(room);
        }
        pass(&other, &one, start);
        assert!(!names.iter().any(|room| one.is_shared(room)));
        names.iter().for_each(|room| one.end(room));
        pass(&one, &other, start);
    }
    assert_eq!(rooms.left.load(Ordering::Relaxed), 10_000);
    assert_eq!((one.count_rooms(), other.count_rooms()), ((0, 0), (0, 0)));
}

#[test]
fn trap_27_what_a_dead_server_said_is_not_heard_when_it_comes_late() {
    let start = Instant::now();
    let (one, other, rooms) = two(start);
    let room = name("r");
    one.begin(&room);
    pass(&one, &other, start);
    other.tell(&room, change());
    let late = texts(&other);
    let after = start + Duration::from_secs(9);
    (0..9).for_each(|second| one.tick(start + Duration::from_secs(second + 1), false));
    assert!(one.is_alone());
    texts(&one);
    late.iter().for_each(|text| one.on_text(text, after));
    assert_eq!((rooms.told.load(Ordering::Relaxed), one.is_alone()), (0, true));
    // It is asked who it is: if it lives after all, it is taken back, and tells everything anew.
    assert_eq!(pass(&one, &other, after), 1);
    pass(&other, &one, after);
    assert!(!one.is_alone());
    other.tell(&room, change());
    pass(&other, &one, after);
    assert_eq!(rooms.told.load(Ordering::Relaxed), 1);
}
