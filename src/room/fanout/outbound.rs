//! What a room's turn shows to whom, gathered by relay, and the credit that goes back to senders. Pure but for the sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::relay::{Counted, FanOut, RelayHandle, RoomDied, Turn, TurnItem};
use crate::ids::MemberId;
use crate::protocol::{CloseCode, Dialect};
use crate::room::RoomKey;
use crate::wire::{Frame, Run};

/// While a relay has more than this of a room in its mailbox, the room gives nobody credit: senders stop reading, so what
/// waits there is bounded by their credit.
const RELAY_BEHIND_BYTES: usize = 4 << 20;
/// What an item costs in a mailbox beside its frame, about.
const ITEM_BYTES: usize = 64;

/// The way from a room to one relay.
struct Link {
    relay: RelayHandle,
    items: Vec<TurnItem>,
    bytes: usize,
    in_flight: Arc<AtomicUsize>,
}

/// A room's outgoing side.
pub struct Outbound {
    room: RoomKey,
    links: Vec<Link>,
    /// Credit not given back yet: link, member, bytes.
    owed: Vec<(usize, MemberId, usize)>,
}

impl Outbound {
    /// For the room of `key`.
    pub fn new(key: RoomKey) -> Self {
        Self { room: key, links: Vec::new(), owed: Vec::new() }
    }

    /// The link to a relay, made at first use. There are as many as room threads.
    pub fn link(&mut self, relay: &RelayHandle) -> usize {
        match self.links.iter().position(|link| link.relay.id == relay.id) {
            Some(link) => link,
            None => {
                let relay = relay.clone();
                self.links.push(Link { relay, items: Vec::new(), bytes: 0, in_flight: Arc::default() });
                self.links.len() - 1
            }
        }
    }

    fn push(&mut self, link: usize, item: TurnItem, bytes: usize) {
        let link = &mut self.links[link];
        link.items.push(item);
        link.bytes += bytes + ITEM_BYTES;
    }

    /// Lets frames for all of its dialect reach a member from here on.
    pub fn attach(&mut self, link: usize, to: MemberId, dialect: Dialect) {
        self.push(link, TurnItem::Attach(to, dialect), 0);
    }

    /// Ends that.
    pub fn detach(&mut self, link: usize, to: MemberId) {
        self.push(link, TurnItem::Detach(to), 0);
    }

    /// Sends a frame to all attached members of a dialect, but its sender and those who made it.
    pub fn broadcast(&mut self, dialect: Dialect, frame: &Frame, sender: Option<MemberId>, owners: &[MemberId]) {
        for link in 0..self.links.len() {
            let fan_out = FanOut { dialect, frame: frame.clone(), sender, owners: owners.into() };
            let item = TurnItem::All(fan_out);
            self.push(link, item, frame.plain_bytes());
        }
    }

    /// Sends a frame to one member.
    pub fn send(&mut self, link: usize, to: MemberId, frame: Frame, counted: Counted) {
        let bytes = frame.plain_bytes();
        self.push(link, TurnItem::One { to, frame, counted }, bytes);
    }

    /// Sends frames to one member, as one answer that it has asked for.
    pub fn page(&mut self, link: usize, to: MemberId, frames: Vec<Frame>) {
        let run = Run::new(frames);
        let bytes = run.plain_bytes();
        self.push(link, TurnItem::Page { to, run }, bytes);
    }

    /// Tells a member's outlet that it is in.
    pub fn let_in(&mut self, link: usize, to: MemberId) {
        self.push(link, TurnItem::LetIn(to), 0);
    }

    /// Tells a member's outlet that it has all that was there when it asked.
    pub fn caught_up(&mut self, link: usize, to: MemberId) {
        self.push(link, TurnItem::CaughtUp(to), 0);
    }

    /// Lets a member's next answer have so many bytes more than its other messages.
    pub fn expect_answer(&mut self, link: usize, from: MemberId, bytes: usize) {
        self.push(link, TurnItem::ExpectAnswer { from, bytes }, 0);
    }

    /// Ends a membership.
    pub fn close(&mut self, link: usize, to: MemberId, code: CloseCode, reason: impl Into<String>) {
        self.push(link, TurnItem::Close { to, code, reason: reason.into() }, 0);
    }

    /// Owes a member the credit for `bytes` that the room has handled.
    pub fn credit(&mut self, link: usize, to: MemberId, bytes: usize) {
        match self.owed.last_mut() {
            Some((_, last, owed)) if *last == to => *owed += bytes,
            _ => self.owed.push((link, to, bytes)),
        }
    }

    /// Whether nothing is to be told to anybody.
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty() && self.links.iter().all(|link| link.items.is_empty())
    }

    /// Whether credit is kept back, until a relay has caught up or the room is sent less.
    pub fn is_behind(&self) -> bool {
        !self.owed.is_empty()
    }

    /// How many bytes the turn has gathered for its fullest relay.
    pub fn turn_bytes(&self) -> usize {
        self.links.iter().map(|link| link.bytes).max().unwrap_or(0)
    }

    /// Ends the turn: one message to each relay that has something to do. Credit is kept back unless it `may_give_credit`.
    pub fn flush(&mut self, may_give_credit: bool) {
        let waiting = |link: &Link| link.in_flight.load(Ordering::Relaxed);
        if may_give_credit && self.links.iter().all(|link| waiting(link) <= RELAY_BEHIND_BYTES) {
            for (link, to, bytes) in std::mem::take(&mut self.owed) {
                self.push(link, TurnItem::Credit { to, bytes }, 0);
            }
        }
        for link in &mut self.links {
            if link.items.is_empty() {
                continue;
            }
            let bytes = std::mem::take(&mut link.bytes);
            link.in_flight.fetch_add(bytes, Ordering::Relaxed);
            link.relay.addr.do_send(Turn {
                room: self.room,
                items: std::mem::take(&mut link.items),
                in_flight: link.in_flight.clone(),
                bytes,
            });
        }
    }

    /// Tells all relays that the room has died with these members, each behind its link; and those who have left, and were owed credit.
    pub fn died(&mut self, members: Vec<(usize, MemberId)>) {
        let owed = std::mem::take(&mut self.owed).into_iter().map(|(link, member, _)| (link, member));
        let mut lost = vec![Vec::new(); self.links.len()];
        for (link, member) in members.into_iter().chain(owed) {
            if let Some(lost) = lost.get_mut(link) {
                lost.push(member);
            }
        }
        for (link, members) in self.links.iter().zip(lost) {
            link.relay.addr.do_send(RoomDied { room: self.room, members });
        }
    }
}

/// What went out, as tests look at it.
#[cfg(test)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// To all of a dialect but some.
    All { dialect: Dialect, frame: Frame, but: Vec<MemberId> },
    /// To one member.
    One { to: MemberId, frame: Frame },
    /// Frames of the past, to one member.
    Page { to: MemberId, bytes: usize },
    /// Live frames reach a member from here on.
    Attached(MemberId),
    /// A member is let in.
    LetIn(MemberId),
    /// A member has all of the past.
    CaughtUp(MemberId),
    /// A membership is ended.
    Closed { to: MemberId, code: CloseCode },
}

#[cfg(test)]
impl Outbound {
    /// With a link to a relay that nobody runs.
    pub fn unconnected() -> Self {
        use actix::{AsyncContext, Context};
        let relay = RelayHandle { id: 0, addr: Context::new().address() };
        let mut outbound = Self::new(RoomKey(1));
        outbound.link(&relay);
        outbound
    }

    /// Takes out what was to be sent. Credit is left out.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        let items = self.links.iter_mut().flat_map(|link| std::mem::take(&mut link.items));
        let sent = items.filter_map(|item| {
            Some(match item {
                TurnItem::All(FanOut { dialect, frame, sender, owners }) => {
                    Sent::All { dialect, frame, but: sender.into_iter().chain(owners).collect() }
                }
                TurnItem::One { to, frame, .. } => Sent::One { to, frame },
                TurnItem::Page { to, run } => Sent::Page { to, bytes: run.plain_bytes() },
                TurnItem::Attach(member, _) => Sent::Attached(member),
                TurnItem::LetIn(to) => Sent::LetIn(to),
                TurnItem::CaughtUp(to) => Sent::CaughtUp(to),
                TurnItem::Close { to, code, .. } => Sent::Closed { to, code },
                TurnItem::Detach(_) | TurnItem::ExpectAnswer { .. } | TurnItem::Credit { .. } => return None,
            })
        });
        sent.collect()
    }
}
