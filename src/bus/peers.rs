//! The other servers, as far as this one has heard of them: whether they live, by what comes from them at this server's own clock, and
//! whether something of theirs is missing. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::frame::Inbound;
use super::message::About;
use super::rooms::{Digest, TheirRooms};
use crate::store::ServerRow;

/// A server that is silent for so long, on the bus and in the database, is dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(8);
/// Longest time that counts as one between two looks into the database, which are 2 s apart.
const LOOK_WITHIN: Duration = Duration::from_secs(4);
/// How often one server is asked to tell everything again, at first; twice as long is waited each time that it has to be asked once more.
const WANT_EVERY: Duration = Duration::from_millis(500);
/// The longest wait for that.
const WANT_EVERY_MAX: Duration = Duration::from_secs(8);

/// Another server.
#[derive(Debug)]
pub struct Peer {
    /// For people.
    pub about: About,
    /// When something of it came last, by the bus or by the database.
    heard: Instant,
    /// What comes to all.
    pub to_all: Inbound,
    /// What comes to this server.
    pub own: Inbound,
    /// The rooms that live on it.
    pub rooms: TheirRooms,
    /// Whether it has told those.
    pub has_told_rooms: bool,
    /// When it was asked last to tell everything again, and how long after that it may be asked once more.
    wanted: Option<(Instant, Duration)>,
    /// Whether that has been put off.
    is_want_owed: bool,
    /// Whether what it said last did not fit what this server knows: what lies between may be on its way.
    is_doubted: bool,
}

/// The other servers.
#[derive(Debug, Default)]
pub struct Peers {
    peers: HashMap<Uuid, Peer>,
    /// The beats of servers in the database, when they changed last, and whether they ever did.
    beats: HashMap<Uuid, (i64, Instant, bool)>,
    /// When those were read last.
    looked: Option<Instant>,
    asked_who: HashMap<Uuid, Instant>,
}

impl Peer {
    fn new(about: About, now: Instant) -> Self {
        Self {
            about,
            heard: now,
            to_all: Inbound::default(),
            own: Inbound::default(),
            rooms: TheirRooms::default(),
            has_told_rooms: false,
            wanted: None,
            is_want_owed: false,
            is_doubted: false,
        }
    }

    /// Something of it has come.
    pub fn hear(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
    }

    /// It says what it has; whether something is missing here. Once may be by chance: by the next time it has arrived.
    pub fn compare(&mut self, rooms: Digest, sent: u64) -> bool {
        let fits = self.rooms.are(rooms) && self.own.last() >= sent;
        !fits && std::mem::replace(&mut self.is_doubted, true) || {
            self.is_doubted &= !fits;
            false
        }
    }

    /// Whether to ask it now to tell everything again; if not, it is [owed](Peers::owed). All of it may be much, and come because there
    /// was too much already.
    pub fn may_want(&mut self, now: Instant) -> bool {
        let wait = match self.wanted {
            Some((at, wait)) if now.duration_since(at) < wait => {
                self.is_want_owed = true;
                return false;
            }
            Some((at, wait)) if now.duration_since(at) < 2 * WANT_EVERY_MAX => (2 * wait).min(WANT_EVERY_MAX),
            _ => WANT_EVERY,
        };
        (self.wanted, self.is_want_owed) = (Some((now, wait)), false);
        true
    }
}

impl Peers {
    /// A server says hello: it is known from now on, and what was known of its texts is forgotten. Whether it is new.
    pub fn greet(&mut self, server: Uuid, about: About, now: Instant) -> bool {
        let before = self.peers.remove(&server);
        let is_new = before.is_none();
        let (rooms, has_told_rooms) = before.map(|peer| (peer.rooms, peer.has_told_rooms)).unwrap_or_default();
        self.peers.insert(server, Peer { rooms, has_told_rooms, ..Peer::new(about, now) });
        is_new
    }

    /// A server that is known.
    pub fn get_mut(&mut self, server: Uuid) -> Option<&mut Peer> {
        self.peers.get_mut(&server)
    }

    /// Whether an unknown server is to be asked who it is.
    pub fn may_ask_who(&mut self, server: Uuid, now: Instant) -> bool {
        self.asked_who.retain(|_, asked| now.duration_since(*asked) < DEAD_AFTER);
        let may = self.asked_who.get(&server).is_none_or(|asked| now.duration_since(*asked) >= WANT_EVERY);
        if may {
            self.asked_who.insert(server, now);
        }
        may
    }

    /// Removes a server.
    pub fn remove(&mut self, server: Uuid) -> Option<Peer> {
        self.beats.remove(&server);
        self.peers.remove(&server)
    }

    /// The database told who was seen in it. Whether one lives there that has not been heard on the bus.
    pub fn on_rows(&mut self, rows: &[ServerRow], now: Instant) -> bool {
        self.beats.retain(|server, _| rows.iter().any(|row| row.incarnation == *server));
        // A beat came at some time after the look before, perhaps just after it. Where that look is long ago, since the database was slow,
        // nobody counts as gone before the next one.
        let before = self.looked.replace(now).unwrap_or(now);
        let at_least = now.checked_sub(LOOK_WITHIN).map_or(before, |latest| before.max(latest));
        for row in rows {
            let (beats, changed, is_alive) = self.beats.entry(row.incarnation).or_insert((row.beats, now, false));
            if *beats != row.beats {
                (*beats, *changed, *is_alive) = (row.beats, now, true);
                if let Some(peer) = self.peers.get_mut(&row.incarnation) {
                    peer.hear(at_least);
                }
            }
        }
        self.has_unheard(now)
    }

    /// Whether a server lives in the database that has not been heard on the bus.
    pub fn has_unheard(&self, now: Instant) -> bool {
        let lives =
            |&(_, changed, is_alive): &(i64, Instant, bool)| is_alive && now.duration_since(changed) < DEAD_AFTER;
        self.beats.iter().any(|(server, beats)| lives(beats) && !self.peers.contains_key(server))
    }

    /// Those that are to be asked now to tell everything again, which was put off.
    pub fn owed(&self, now: Instant) -> Vec<Uuid> {
        let is_due =
            |peer: &Peer| peer.is_want_owed && peer.wanted.is_none_or(|(at, wait)| now.duration_since(at) >= wait);
        self.all().filter(|(_, peer)| is_due(peer)).map(|(server, _)| server).collect()
    }

    /// Those that have been silent for too long.
    pub fn dead(&self, now: Instant) -> Vec<Uuid> {
        let is_dead = |peer: &Peer| now.duration_since(peer.heard) >= DEAD_AFTER;
        self.peers.iter().filter(|(_, peer)| is_dead(peer)).map(|(server, _)| *server).collect()
    }

    /// This server did not run for a while: nobody's silence counts.
    pub fn forgive(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            peer.heard = now;
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (Uuid, &Peer)> {
        self.peers.iter().map(|(server, peer)| (*server, peer))
    }

    /// Where a room of that hash lives, too.
    pub fn with_room(&self, hash: u64) -> Vec<Uuid> {
        self.all().filter(|(_, peer)| peer.rooms.have(hash)).map(|(server, _)| server).collect()
    }

    /// Whether a room of that hash lives elsewhere, too.
    pub fn have_room(&self, hash: u64) -> bool {
        self.peers.values().any(|peer| peer.rooms.have(hash))
    }

    /// How many of these are known, and their rooms.
    pub fn count_met(&self, servers: &[Uuid]) -> usize {
        servers.iter().filter(|server| self.peers.get(server).is_some_and(|peer| peer.has_told_rooms)).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);

    fn row(beats: i64) -> ServerRow {
        ServerRow { incarnation: A, label: "a".into(), version: "1".into(), beats, is_recent: true }
    }

    #[test]
    fn trap_34_a_server_is_dead_once_neither_bus_nor_database_has_told_of_it_by_the_local_clock() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        assert!(peers.greet(A, About::default(), start) && !peers.greet(A, About::default(), start));
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(!peers.on_rows(&[row(1)], later(1)));
        assert!(peers.dead(later(7)).is_empty());
        assert_eq!(peers.dead(later(8)), [A]);
        peers.on_rows(&[row(1)], later(6));
        peers.on_rows(&[row(2)], later(8));
        assert!(peers.dead(later(13)).is_empty(), "it lives in the database");
        peers.on_rows(&[row(2)], later(13));
        assert_eq!(peers.dead(later(14)), [A], "it may have ended just after it was looked at 6 s after the start");
        peers.on_rows(&[row(3)], later(24));
        assert!(peers.dead(later(27)).is_empty(), "it lives, though nobody could look for long");
        assert_eq!(peers.dead(later(28)), [A]);
        peers.forgive(later(28));
        assert!(peers.dead(later(29)).is_empty(), "it was this server that did not run");
        peers.remove(A);
        assert!(peers.is_empty() && !peers.on_rows(&[row(3)], later(30)), "a row that stands still is nobody");
        assert!(peers.on_rows(&[row(4)], later(31)), "one that moves is somebody who was not heard");
        assert!(!peers.has_unheard(later(42)));
    }

    #[test]
    fn what_does_not_fit_twice_is_missing() {
        let mut peer = Peer::new(About::default(), Instant::now());
        let rooms = Digest::of(&[7]);
        assert!(!peer.compare(rooms, 0));
        assert!(peer.compare(rooms, 0));
        peer.rooms.begin(&[7]);
        assert!(!peer.compare(rooms, 0) && !peer.compare(rooms, 1) && peer.compare(rooms, 1));
    }

    #[test]
    fn a_server_that_has_to_be_asked_again_and_again_is_asked_less_and_less_often() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        peers.greet(A, About::default(), start);
        let later = |ms| start + Duration::from_millis(ms);
        let mut asked = Vec::new();
        for ms in (0..40_000).step_by(100) {
            if peers.get_mut(A).unwrap().may_want(later(ms)) {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [0, 500, 1_500, 3_500, 7_500, 15_500, 23_500, 31_500, 39_500]);
        assert!(peers.owed(later(40_000)).is_empty());
        assert_eq!(peers.owed(later(47_500)), [A]);
        assert!(peers.get_mut(A).unwrap().may_want(later(60_000)), "after a long peace it is as at first");
        assert!(peers.owed(later(70_000)).is_empty() && peers.get_mut(A).unwrap().may_want(later(60_500)));
    }

    #[test]
    fn who_is_unknown_is_asked_now_and_then() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        assert!(peers.may_ask_who(A, now) && !peers.may_ask_who(A, now));
        assert!(peers.may_ask_who(A, now + WANT_EVERY));
    }
}
