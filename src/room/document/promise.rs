//! The promise about edits, tested without actors: whatever the store does, once it is well everything typed is stored, everybody is
//! told so, and nobody was told before.
//!
//! The model has clients of both protocols, whose edits build on each other as those of one Yjs client do, and a room that takes them
//! as `editing.rs` does, with the real queue, the real list of who lacks something and the real count of Hocuspocus.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::missing::{MissingEdits, MissingPart};
use crate::budget::ByteBudget;
use crate::ids::{MemberId, Seq, UserId};
use crate::protocol::hocuspocus::{Age, SyncCount};
use crate::protocol::{Dialect, EditKind, yjs};
use crate::room::commit::{Pending, Uncommitted};
use crate::room::members::{Acknowledgement, Receipt};
use crate::store::{EntryKind, NewEntry, Placed, RoomId};

/// What the room keeps uncommitted; edits have a tenth of it to three times as much.
const ROOM_BYTES: usize = 4_000;
/// What all rooms keep.
const ALL_BYTES: usize = 6_000;
const CLIENTS: usize = 4;

/// What a client sends. Its edits are numbered by clocks.
#[derive(Debug, Clone, Copy)]
enum Up {
    Step1,
    Edit { kind: EditKind, start: usize, end: usize, deletes: bool },
    Barrier { typed: usize },
}

/// What the room sends.
#[derive(Debug, Clone, Copy)]
enum Down {
    /// What the room has of the client.
    Step1(usize),
    Barrier,
    Saved,
}

struct Client {
    id: MemberId,
    dialect: Dialect,
    /// The size of each edit.
    typed: Vec<usize>,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    /// How many edits were typed before each barrier that has not come back.
    barriers: VecDeque<usize>,
    /// A Hocuspocus provider's own count.
    unsynced: u64,
    /// So many of its next answers are incomplete.
    incomplete: usize,
    // What the room knows of it:
    sync: SyncCount,
    /// Up to which clock edits have come, were applied and were stored.
    heard: usize,
    applied: usize,
    stored: usize,
}

impl Client {
    fn new(number: usize) -> Self {
        let dialect = if number.is_multiple_of(2) { Dialect::Yjs } else { Dialect::Hocuspocus };
        let up = if dialect == Dialect::Hocuspocus { VecDeque::from([Up::Step1]) } else { VecDeque::new() };
        Self {
            id: MemberId(number as u64),
            dialect,
            typed: Vec::new(),
            up,
            down: VecDeque::new(),
            barriers: VecDeque::new(),
            unsynced: u64::from(dialect == Dialect::Hocuspocus),
            incomplete: 0,
            sync: SyncCount::default(),
            heard: 0,
            applied: 0,
            stored: 0,
        }
    }

    fn types(&mut self, bytes: usize, deletes: bool) {
        let start = self.typed.len();
        self.typed.push(bytes);
        self.unsynced += 1;
        self.up.push_back(Up::Edit { kind: EditKind::Update, start, end: start + 1, deletes });
    }

    fn asks_whether_all_is_saved(&mut self) {
        let typed = self.typed.len();
        self.barriers.push_back(typed);
        self.up.push_back(Up::Barrier { typed });
    }

    fn takes(&mut self, message: Down) {
        match message {
            Down::Step1(known) => {
                let is_incomplete = self.incomplete > 0 && known < self.typed.len();
                self.incomplete -= usize::from(is_incomplete);
                let start = known + usize::from(is_incomplete);
                let end = self.typed.len();
                self.up.push_back(Up::Edit { kind: EditKind::Step2, start, end, deletes: false });
            }
            Down::Barrier => {
                let typed = self.barriers.pop_front().expect("no barrier comes back that was not sent");
                assert!(self.stored >= typed, "{typed} edits are said to be saved, {} are", self.stored);
            }
            Down::Saved => {
                self.unsynced = self.unsynced.checked_sub(1).expect("no status too many");
                assert!(self.unsynced > 0 || self.stored >= self.heard, "saved are {} of {}", self.stored, self.heard);
            }
        }
    }

    fn is_content(&self) -> bool {
        let is_told = match self.dialect {
            Dialect::Hocuspocus => self.unsynced == 0,
            _ => self.barriers.is_empty(),
        };
        is_told && self.stored == self.typed.len()
    }
}

/// What happens to the room.
struct Model {
    clients: Vec<Client>,
    uncommitted: Uncommitted,
    missing: MissingEdits,
    /// Of each uncommitted entry: whose it is and its last clock.
    entries: VecDeque<(usize, usize)>,
    /// Another room, on the same budget.
    other: Uncommitted,
    /// Whether edits are refused for now, as those of members who may only read until they may write.
    is_closed: bool,
    now: Instant,
    asks: usize,
}

fn entry(bytes: usize) -> NewEntry {
    NewEntry {
        kind: EntryKind::Edit,
        author: UserId::new("ada"),
        via: None,
        key: None,
        condition: None,
        body: Bytes::from(vec![0; bytes]),
    }
}

fn commit(queue: &mut Uncommitted) -> usize {
    queue.next_append(RoomId(1), Seq::ZERO, || Uuid::from_u128(1));
    queue.repeat(RoomId(1)).map_or(0, |append| append.entries.len())
}

const PLACED: Placed = Placed { seq: Seq(1), at_ms: 0, is_new: true };

impl Model {
    fn new() -> Self {
        let budget = ByteBudget::new(ALL_BYTES, None);
        let queue = || Uncommitted::new(ROOM_BYTES, &budget, 10, 2 * ROOM_BYTES);
        Self {
            clients: (0..CLIENTS).map(Client::new).collect(),
            uncommitted: queue(),
            missing: MissingEdits::default(),
            entries: VecDeque::new(),
            other: queue(),
            is_closed: false,
            now: Instant::now(),
            asks: 0,
        }
    }

    fn hears(&mut self, from: usize) {
        let Some(message) = self.clients[from].up.pop_front() else { return };
        match message {
            Up::Step1 => {
                self.clients[from].sync.restart();
                self.ask(from);
            }
            Up::Edit { kind, start, end, deletes } => self.edit(from, kind, start, end, deletes),
            Up::Barrier { typed } => {
                self.clients[from].heard = self.clients[from].heard.max(typed);
                self.edit(from, EditKind::Update, 0, 0, false);
            }
        }
        self.end_turn();
    }

    /// As `LiveDocument::on_edit`.
    fn edit(&mut self, from: usize, kind: EditKind, start: usize, end: usize, deletes: bool) {
        let client = &mut self.clients[from];
        client.heard = client.heard.max(end);
        let (id, is_counted) = (client.id, client.dialect == Dialect::Hocuspocus);
        if is_counted {
            match kind {
                EditKind::Update => client.sync.update(Age::Newer),
                EditKind::Step2 => client.sync.step2(),
            }
        }
        let brings_nothing = end <= client.applied;
        if self.is_closed && !brings_nothing {
            if is_counted {
                client.sync.refuse(1);
            }
            self.missing.lost(id, kind);
            return;
        }
        let messages = u64::from(is_counted);
        let bytes: usize = client.typed[start.min(end)..end].iter().sum();
        if !self.uncommitted.has_room() && !brings_nothing {
            return self.missing.put_off(id, kind, bytes, messages);
        }
        if start > client.applied {
            let clocks: &[_] = if deletes { &[] } else { &[(id.0, end as u32)] };
            return self.missing.gap(id, kind, clocks, messages, self.now);
        }
        let news: usize = client.typed[client.applied.min(end)..end].iter().sum();
        client.applied = client.applied.max(end);
        let taken = match (is_counted, kind) {
            (false, _) => None,
            (true, EditKind::Update) => Some(1),
            (true, EditKind::Step2) => Some(client.sync.taken_step2()),
        };
        let mut receipts: Vec<Receipt> = taken.map(Receipt::Status).into_iter().collect();
        if !brings_nothing {
            let acknowledgements = receipts.drain(..).map(|receipt| Acknowledgement { to: id, receipt }).collect();
            self.uncommitted.push(Pending::new(entry(news), acknowledgements));
            self.entries.push_back((from, end));
        }
        let answered = if kind == EditKind::Step2 { self.missing.answered(id) } else { None };
        self.acknowledge_part(from, answered);
        if end == 0 && kind == EditKind::Update && !is_counted {
            receipts.extend(self.missing.hold(id, yjs::barrier()).map(Receipt::Echo));
        }
        for receipt in receipts {
            self.acknowledge_when_settled(from, receipt);
        }
    }

    fn acknowledge_part(&mut self, of: usize, part: Option<MissingPart>) {
        for receipt in part.into_iter().flat_map(MissingPart::into_receipts) {
            self.acknowledge_when_settled(of, receipt);
        }
    }

    fn acknowledge_when_settled(&mut self, to: usize, receipt: Receipt) {
        if let Some(settled) = self.uncommitted.when_settled(Acknowledgement { to: MemberId(to as u64), receipt }) {
            self.acknowledge(settled);
        }
    }

    fn acknowledge(&mut self, Acknowledgement { to, receipt }: Acknowledgement) {
        let client = &mut self.clients[to.0 as usize];
        match receipt {
            Receipt::Status(messages) => {
                let due = client.sync.committed(messages);
                client.down.extend((0..due).map(|_| Down::Saved));
            }
            _ => client.down.push_back(Down::Barrier),
        }
    }

    fn ask(&mut self, who: usize) {
        self.missing.asked(MemberId(who as u64), self.now);
        let client = &mut self.clients[who];
        client.down.push_back(Down::Step1(client.applied));
        self.asks += 1;
    }

    fn ask_all(&mut self) {
        (0..CLIENTS).for_each(|client| self.ask(client));
    }

    fn end_turn(&mut self) {
        if !self.is_closed {
            for member in self.missing.take_due(self.uncommitted.room_left(), self.now) {
                self.ask(member.0 as usize);
            }
        }
    }

    /// The store commits what is in flight.
    fn commits(&mut self) {
        let count = commit(&mut self.uncommitted);
        for (mut pending, _) in self.uncommitted.settle(vec![Ok(PLACED); count]) {
            let (client, clock) = self.entries.pop_front().expect("an entry for each pending");
            self.clients[client].stored = clock;
            pending.part(true);
            pending.acknowledgements.into_iter().for_each(|acknowledgement| self.acknowledge(acknowledgement));
        }
        let clients = &self.clients;
        let has_reached = |clocks: &[(u64, u32)]| {
            clocks.iter().all(|(client, clock)| clients[*client as usize].applied >= *clock as usize)
        };
        for (member, part) in self.missing.reached(has_reached) {
            self.acknowledge_part(member.0 as usize, Some(part));
        }
        self.end_turn();
    }

    fn happens(&mut self, event: &Event) {
        match *event {
            Event::Types { who, bytes, deletes } => self.clients[who].types(bytes, deletes),
            Event::Loses { who, bytes } if self.clients[who].dialect == Dialect::Yjs => {
                // What follows tells that something is missing.
                self.clients[who].types(bytes, false);
                self.clients[who].up.pop_back();
                self.clients[who].types(bytes, false);
            }
            Event::Loses { .. } => {}
            Event::AsksWhetherSaved { who } if self.clients[who].dialect == Dialect::Yjs => {
                self.clients[who].asks_whether_all_is_saved();
            }
            Event::AsksWhetherSaved { .. } => {}
            Event::AnswersIncompletely { who } => self.clients[who].incomplete += 1,
            Event::Up { who, count } => (0..count).for_each(|_| self.hears(who)),
            Event::Down { who, count } => {
                for _ in 0..count {
                    if let Some(message) = self.clients[who].down.pop_front() {
                        self.clients[who].takes(message);
                    }
                }
            }
            Event::Commits => self.commits(),
            Event::OtherRoom { bytes } => {
                if self.other.has_room() {
                    self.other.push(Pending::new(entry(bytes), Vec::new()));
                }
            }
            Event::OtherRoomCommits => {
                let count = commit(&mut self.other);
                self.other.settle(vec![Ok(PLACED); count]);
            }
            Event::Closes => self.is_closed = true,
            Event::Opens => self.opens(),
            Event::Time { ms } => {
                self.now += Duration::from_millis(ms);
                self.end_turn();
            }
        }
    }

    fn opens(&mut self) {
        if std::mem::take(&mut self.is_closed) {
            self.ask_all();
            self.end_turn();
        }
    }

    /// Everything is well from now on. How many rounds it takes until all is stored and everybody knows.
    fn recovers(&mut self) -> usize {
        self.opens();
        for client in &mut self.clients {
            if client.dialect == Dialect::Yjs {
                client.asks_whether_all_is_saved();
            }
        }
        for round in 0..500 {
            if self.missing.is_empty() && self.clients.iter().all(Client::is_content) {
                return round;
            }
            for who in 0..CLIENTS {
                self.happens(&Event::Down { who, count: self.clients[who].down.len() });
                self.happens(&Event::Up { who, count: self.clients[who].up.len() });
            }
            self.happens(&Event::OtherRoomCommits);
            self.happens(&Event::Commits);
            self.happens(&Event::Time { ms: 1_000 });
        }
        let waiting: Vec<_> =
            self.clients.iter().filter(|client| !client.is_content()).map(|client| client.id).collect();
        panic!("{waiting:?} are forgotten: {:?}", self.missing);
    }
}

#[derive(Debug, Clone)]
enum Event {
    Types { who: usize, bytes: usize, deletes: bool },
    Loses { who: usize, bytes: usize },
    AsksWhetherSaved { who: usize },
    AnswersIncompletely { who: usize },
    Up { who: usize, count: usize },
    Down { who: usize, count: usize },
    Commits,
    OtherRoom { bytes: usize },
    OtherRoomCommits,
    Closes,
    Opens,
    Time { ms: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let bytes = ROOM_BYTES / 10..3 * ROOM_BYTES;
    let who = 0..CLIENTS;
    prop_oneof![
        8 => (who.clone(), bytes.clone(), any::<bool>()).prop_map(|(who, bytes, deletes)| Event::Types { who, bytes, deletes }),
        6 => (who.clone(), 1..40usize).prop_map(|(who, bytes)| Event::Types { who, bytes, deletes: false }),
        1 => (who.clone(), bytes.clone()).prop_map(|(who, bytes)| Event::Loses { who, bytes }),
        4 => who.clone().prop_map(|who| Event::AsksWhetherSaved { who }),
        1 => who.clone().prop_map(|who| Event::AnswersIncompletely { who }),
        12 => (who.clone(), 1..4usize).prop_map(|(who, count)| Event::Up { who, count }),
        12 => (who, 1..4usize).prop_map(|(who, count)| Event::Down { who, count }),
        6 => Just(Event::Commits),
        2 => bytes.prop_map(|bytes| Event::OtherRoom { bytes }),
        2 => Just(Event::OtherRoomCommits),
        1 => Just(Event::Closes),
        2 => Just(Event::Opens),
        2 => (0..40_000u64).prop_map(|ms| Event::Time { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn once_the_store_is_well_everything_typed_is_stored_and_everybody_is_told(
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut model = Model::new();
        for event in &events {
            model.happens(event);
        }
        let asked = model.asks;
        model.recovers();
        // Each answer that finds no room, or does not help, costs one question more.
        let bound = 4 * (events.len() + CLIENTS);
        prop_assert!(model.asks - asked <= bound, "asked {} times", model.asks - asked);
    }
}
