//! What a server hears of the others: each text is taken in its order, and what it says is delivered once nothing is locked.

use std::collections::HashSet;
use std::sync::Once;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::cluster::{Cluster, State, text};
use super::frame::{self, Taken};
use super::message::{self, Message, Question, RoomMessage, Rooms};
use super::transport::Channel;
use crate::ids::RoomName;
use crate::metrics;

/// What is to be delivered once the state is not locked any more.
#[derive(Default)]
struct Deliveries(Vec<Delivery>);

enum Delivery {
    Room(RoomName, RoomMessage),
    Entered(RoomName),
    Left(RoomName),
    Ask(u64, Question),
    Revoked,
}

/// So many messages are passed over.
fn heard_unknown(count: usize) {
    static TOLD: Once = Once::new();
    metrics::BUS_MESSAGES_UNKNOWN.inc_by(count as u64);
    TOLD.call_once(|| {
        tracing::info!(
            "another server says what this release does not know; the database is asked in its place (told once)"
        );
    });
}

impl Cluster {
    /// A text has come.
    pub(super) fn on_text(&self, text: &str, now: Instant) {
        metrics::BUS_TEXTS_RECEIVED.inc();
        let Some(frame) = frame::read(text) else {
            heard_unknown(1);
            return self.look_now();
        };
        if frame.from == self.me {
            return self.on_echo(frame.is_to_all, now);
        }
        if self.is_leaving() {
            return;
        }
        let from = frame.from;
        let mut state = self.lock();
        let was_late = state.tick.is_some_and(|tick| now.duration_since(tick) > Duration::from_secs(4));
        let mut is_gap = false;
        let body = match state.peers.get_mut(from) {
            Some(peer) => {
                peer.hear(now);
                let inbound = if frame.is_to_all { &mut peer.to_all } else { &mut peer.own };
                let (taken, gap) = inbound.take(&frame);
                is_gap = gap;
                match taken {
                    Taken::Whole(body) => body,
                    Taken::Repeated | Taken::Part => String::new(),
                }
            }
            None if frame.parts == 1 => frame.body.to_owned(),
            None => String::new(),
        };
        if is_gap {
            metrics::BUS_GAPS.inc();
            state.want(from, now);
        }
        let (messages, unknown) = if body.is_empty() { Default::default() } else { message::read(&body) };
        if unknown > 0 {
            heard_unknown(unknown);
            state.are_heads_due = true;
        }
        let mut deliveries = Deliveries::default();
        for message in messages {
            // What was said while this server did not run is old.
            let is_old = was_late && matches!(&message, Message::Room { say: RoomMessage::Signal(_), .. });
            if !is_old {
                self.on_message(from, frame.is_to_all, message, &mut state, &mut deliveries, now);
            }
        }
        self.update(&mut state, now);
        let is_due = state.are_heads_due;
        let has_batch = !state.outgoing.is_empty();
        drop(state);
        if has_batch {
            self.wake.notify_one();
        }
        self.hand_out(from, deliveries, now);
        if is_due {
            self.look.notify_one();
        }
    }

    fn on_echo(&self, is_to_all: bool, now: Instant) {
        if is_to_all {
            let mut state = self.lock();
            state.echo = Some(now);
            self.update(&mut state, now);
        }
    }

    fn on_message(
        &self,
        from: Uuid,
        is_to_all: bool,
        message: Message,
        state: &mut State,
        deliveries: &mut Deliveries,
        now: Instant,
    ) {
        if let Message::Hello(about) = message {
            let is_new = state.peers.greet(from, about.clone(), now);
            if is_new {
                tracing::info!(server.label = about.label, server.version = about.version, server.incarnation = %from, "another server");
                state.has_unheard = state.peers.has_unheard(now);
                // From here on this server's own word is to come back.
                state.echo = Some(now);
            }
            if is_to_all {
                state.outgoing.push(Channel::Server(from), &text(&Message::Hello(self.about.clone())));
                state.outgoing.push(Channel::Server(from), &text(&Message::Want));
            }
            if is_to_all || is_new {
                state.tell_kept(from, now);
                state.tell_rooms(from);
                deliveries.0.extend(state.shared_with(from).into_iter().map(Delivery::Entered));
            }
            state.are_heads_due = true;
            return;
        }
        if state.peers.get_mut(from).is_none() {
            match message {
                Message::Who => {}
                _ if state.peers.may_ask_who(from, now) => {
                    state.outgoing.push(Channel::Server(from), &text(&Message::Who));
                    return;
                }
                _ => return,
            }
        }
        match message {
            Message::Beat { about, rooms, sent } => {
                let sent = sent.into_iter().find(|(server, _)| *server == self.me).map_or(0, |(_, number)| number);
                let Some(peer) = state.peers.get_mut(from) else { return };
                peer.about = about;
                if peer.compare(rooms, sent) {
                    metrics::BUS_GAPS.inc();
                    state.want(from, now);
                }
            }
            Message::Rooms(Rooms { is_anew, begun, ended }) => {
                state.on_rooms(from, is_anew, &begun, &ended, deliveries)
            }
            Message::Want => {
                state.tell_rooms(from);
                deliveries.0.extend(state.shared_with(from).into_iter().map(Delivery::Entered));
            }
            Message::Who => {
                state.outgoing.push(Channel::Server(from), &text(&Message::Hello(self.about.clone())));
                state.tell_rooms(from);
                deliveries.0.extend(state.shared_with(from).into_iter().map(Delivery::Entered));
            }
            Message::Bye => {
                tracing::info!(server.incarnation = %from, "a server stops");
                deliveries.0.extend(state.remove(from).into_iter().map(Delivery::Left));
            }
            Message::Room { room, say } => {
                match &say {
                    // The room may begin here in a moment.
                    RoomMessage::Absent { users, is_to_one: false } => state.kept.add(&room, users, now),
                    RoomMessage::State { state: told, .. } | RoomMessage::Change(told) => {
                        for user in told.users.iter().filter(|user| user.is_for_good) {
                            state.kept.remove(&room, &user.user);
                        }
                    }
                    _ => {}
                }
                deliveries.0.push(Delivery::Room(room, say));
            }
            Message::Ask { id, question } => deliveries.0.push(Delivery::Ask(id, question)),
            Message::Answer { id, answer } => self.questions.answer(id, from, answer),
            Message::Revoked => deliveries.0.push(Delivery::Revoked),
            Message::Hello(_) => {}
        }
    }

    fn hand_out(&self, from: Uuid, deliveries: Deliveries, now: Instant) {
        let mut is_all_known = true;
        for delivery in deliveries.0 {
            self.to_rooms(|deliver| match delivery {
                Delivery::Room(room, say) => is_all_known &= deliver.room(&room, from, say),
                Delivery::Entered(room) => deliver.entered(&room, from),
                Delivery::Left(room) => deliver.left(&room, from),
                Delivery::Ask(id, question) => deliver.ask(from, id, question),
                Delivery::Revoked => deliver.revoked(),
            });
        }
        if !is_all_known {
            metrics::BUS_GAPS.inc();
            self.lock().want(from, now);
            self.wake.notify_one();
        }
    }
}

impl State {
    fn on_rooms(&mut self, from: Uuid, is_anew: bool, begun: &[u64], ended: &[u64], deliveries: &mut Deliveries) {
        let Some(peer) = self.peers.get_mut(from) else { return };
        let mut left: HashSet<u64> = ended.iter().copied().collect();
        if is_anew {
            left.extend(peer.rooms.all());
            peer.rooms.clear();
            peer.has_told_rooms = true;
        }
        for hash in begun {
            left.remove(hash);
        }
        peer.rooms.begin(begun);
        peer.rooms.end(ended);
        let here = |hash: &u64| self.own.of(*hash).iter().cloned();
        deliveries.0.extend(left.iter().flat_map(here).map(Delivery::Left));
        deliveries.0.extend(begun.iter().flat_map(here).map(Delivery::Entered));
    }
}
