//! Who comes in while other servers are about: what they have acknowledged before is here first. So the database is asked where the
//! timeline ends, one question for all who have come by then, and a room that has just begun waits a moment for what other servers tell of
//! who is there. What arrivals say meanwhile waits with them, bounded by their credit.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::messages::{FromMember, Join};
use crate::ids::{MemberId, Seq};

/// How long other servers have to tell who is there.
const TELL_WITHIN: Duration = Duration::from_secs(1);

/// Those who wait to come in.
#[derive(Default)]
pub(super) struct Arrivals {
    /// What they say, for whom the question is on its way or answered.
    asked: Vec<FromMember>,
    /// What those say who have come since.
    later: Vec<FromMember>,
    /// Whether each of them has come since.
    members: HashMap<MemberId, bool>,
    is_asking: bool,
    /// Where the timeline ended when it was asked.
    target: Option<Seq>,
    /// Whether it was asked after they came, and not told before or guessed.
    is_current: bool,
    /// The servers that have not told yet who is there.
    untold: HashSet<Uuid>,
    until: Option<Instant>,
}

impl Arrivals {
    /// Waits, but not for long, for these servers to tell who is there.
    pub fn await_servers(&mut self, servers: HashSet<Uuid>, now: Instant) {
        self.until = (!servers.is_empty()).then(|| now + TELL_WITHIN);
        self.untold = servers;
    }

    /// A server has told who is there, or does not live any more.
    pub fn on_told(&mut self, server: Uuid) {
        self.untold.remove(&server);
    }

    /// Whether a member waits.
    pub fn are_waiting(&self, member: MemberId) -> bool {
        self.members.contains_key(&member)
    }

    /// Keeps what a member says until it is in; `member` is set when it comes.
    pub fn keep(&mut self, from: MemberId, message: FromMember) {
        let is_later = *self.members.entry(from).or_insert(self.is_asking || self.target.is_some());
        if is_later { &mut self.later } else { &mut self.asked }.push(message);
    }

    /// Keeps what was said before it was known where the timeline ends, which it is now.
    pub fn keep_all(&mut self, messages: Vec<(MemberId, FromMember)>, head: Seq) {
        self.members.extend(messages.iter().map(|(member, _)| (*member, false)));
        self.asked.extend(messages.into_iter().map(|(_, message)| message));
        // Whoever comes next is asked for where nobody waits yet.
        if !self.asked.is_empty() {
            (self.target, self.is_current) = (Some(head), false);
        }
    }

    /// Whether the database is to be asked now.
    pub fn ask(&mut self) -> bool {
        let is_due = !self.is_asking && self.target.is_none() && !self.asked.is_empty();
        self.is_asking |= is_due;
        is_due
    }

    /// The database told where the timeline ends; `None`: it could not, and nobody waits for that.
    pub fn on_head(&mut self, head: Option<Seq>) {
        self.is_asking = false;
        (self.target, self.is_current) = (Some(head.unwrap_or(Seq::ZERO)), head.is_some());
    }

    /// What those say who may come in now, with the room at `head`.
    pub fn take(&mut self, head: Seq, now: Instant) -> Vec<FromMember> {
        let is_told = self.untold.is_empty() || self.until.is_none_or(|until| until <= now);
        if !is_told || self.target.is_none_or(|target| head < target) {
            return Vec::new();
        }
        self.until = None;
        self.untold.clear();
        self.target = None;
        self.members.retain(|_, is_later| std::mem::take(is_later));
        let mut asked = std::mem::replace(&mut self.asked, std::mem::take(&mut self.later));
        for message in &mut asked {
            if let FromMember::Join(Join { json: Some(json), .. }) = message {
                json.is_current = self.is_current;
            }
        }
        asked
    }

    /// Takes out what all of them say: nobody comes in.
    pub fn take_all(&mut self) -> Vec<FromMember> {
        let Self { asked, later, .. } = std::mem::take(self);
        asked.into_iter().chain(later).collect()
    }

    /// Lets everybody in whatever is missing: it cannot be read now.
    pub fn give_up(&mut self) {
        if self.target.is_some() {
            (self.target, self.is_current) = (Some(Seq::ZERO), false);
        }
    }

    /// When [`take`](Self::take) may have something by the clock alone.
    pub fn due(&self) -> Option<Instant> {
        self.until.filter(|_| !self.asked.is_empty())
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.later.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Access, Rights};
    use crate::ids::{RoomName, UserId};
    use crate::protocol::Dialect;
    use crate::room::fanout::{LocalRelay, Relays, Seat};
    use crate::room::messages::{JsonJoin, Leave};
    use crate::room::slots::RoomSlots;

    fn says(member: u64) -> FromMember {
        FromMember::Leave(Leave { from: MemberId(member), is_for_good: false })
    }

    fn whose(messages: Vec<FromMember>) -> Vec<u64> {
        let of = |message: FromMember| match message {
            FromMember::Leave(Leave { from, .. }) => from.0,
            _ => 0,
        };
        messages.into_iter().map(of).collect()
    }

    #[test]
    fn trap_14_who_comes_is_in_once_all_is_there_that_was_committed_before() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        arrivals.keep(MemberId(1), says(1));
        assert!(arrivals.ask() && !arrivals.ask());
        arrivals.keep(MemberId(1), says(1));
        // What is committed after the question is not in its answer.
        arrivals.keep(MemberId(2), says(2));
        arrivals.on_head(Some(Seq(7)));
        assert!(whose(arrivals.take(Seq(6), now)).is_empty());
        assert_eq!(whose(arrivals.take(Seq(7), now)), [1, 1]);
        assert!(!arrivals.are_waiting(MemberId(1)) && arrivals.are_waiting(MemberId(2)));
        assert!(whose(arrivals.take(Seq(9), now)).is_empty());
        assert!(arrivals.ask());
        arrivals.on_head(None);
        assert_eq!(whose(arrivals.take(Seq(0), now)), [2]);
        assert!(arrivals.is_empty());
    }

    #[test]
    fn trap_31_a_room_that_begins_waits_for_what_others_tell_but_not_for_long() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        arrivals.await_servers([a, b].into(), now);
        arrivals.keep_all(vec![(MemberId(1), says(1))], Seq(7));
        arrivals.on_told(a);
        assert!(whose(arrivals.take(Seq(7), now)).is_empty());
        assert_eq!(arrivals.due(), Some(now + TELL_WITHIN));
        assert_eq!(whose(arrivals.take(Seq(7), now + TELL_WITHIN)), [1]);
        assert_eq!(arrivals.due(), None);
    }

    #[test]
    fn who_comes_first_to_a_room_that_was_begun_by_nobody_who_waits_is_asked_for() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        arrivals.await_servers([Uuid::from_u128(1)].into(), now);
        // By a request, say.
        arrivals.keep_all(Vec::new(), Seq(7));
        assert!(whose(arrivals.take(Seq(7), now)).is_empty());
        let later = now + TELL_WITHIN;
        arrivals.keep(MemberId(1), says(1));
        assert!(arrivals.ask());
        arrivals.on_head(Some(Seq(8)));
        assert!(whose(arrivals.take(Seq(7), later)).is_empty());
        assert_eq!(whose(arrivals.take(Seq(8), later)), [1]);
    }

    /// Who comes back to a room.
    fn comes_back(member: u64) -> FromMember {
        let slots = RoomSlots::<u8>::default();
        let lease = slots.lookup(&RoomName::parse("r").unwrap(), |_| true, |_| 0).guard;
        FromMember::Join(Join {
            lease,
            seat: Seat::new(MemberId(member), LocalRelay::current(&Relays::default()).handle()),
            dialect: Dialect::Json,
            json: Some(Box::new(JsonJoin { since: Some(Seq(7)), ..JsonJoin::default() })),
            user: UserId::new("ada"),
            name: "Ada".into(),
            rights: Rights { access: Access::Write, looks_back: true },
        })
    }

    fn are_current(messages: Vec<FromMember>) -> Vec<bool> {
        let is_current = |message: &FromMember| {
            if let FromMember::Join(Join { json: Some(json), .. }) = message { json.is_current } else { false }
        };
        messages.iter().map(is_current).collect()
    }

    #[test]
    fn for_who_comes_back_the_database_is_not_asked_again_where_it_has_told_after_they_came() {
        actix_rt::System::new().block_on(async {
            let (mut arrivals, now) = (Arrivals::default(), Instant::now());
            let mut answered = |answer, gives_up| {
                arrivals.keep(MemberId(1), comes_back(1));
                assert!(arrivals.ask());
                arrivals.on_head(answer);
                if gives_up {
                    arrivals.give_up();
                }
                are_current(arrivals.take(Seq(7), now))
            };
            assert_eq!(answered(Some(Seq(7)), false), [true]);
            assert_eq!(answered(None, false), [false]);
            assert_eq!(answered(Some(Seq(8)), true), [false]);
            // The room was read while they came.
            arrivals.keep_all(vec![(MemberId(2), comes_back(2))], Seq(7));
            assert_eq!(are_current(arrivals.take(Seq(7), now)), [false]);
        });
    }

    #[test]
    fn what_cannot_be_read_keeps_nobody_out() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        arrivals.keep(MemberId(1), says(1));
        arrivals.ask();
        arrivals.on_head(Some(Seq(7)));
        arrivals.give_up();
        assert_eq!(whose(arrivals.take(Seq(3), now)), [1]);
    }
}
