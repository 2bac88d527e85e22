//! How servers find, miss and leave each other: by what comes with the bus and stands in the database, at this server's own clock.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use uuid::Uuid;

use super::cluster::{Cluster, ECHO_WITHIN, Status, text};
use super::message::Message;
use super::rooms::hash;
use super::transport::Channel;
use crate::ids::RoomName;
use crate::metrics;
use crate::store::{RoomRow, ServerRow};

/// How long a server that starts waits to know the others that were seen lately.
const MEET_WITHIN: Duration = Duration::from_secs(3);
/// And if none of them answers: then all of them are gone, most likely.
const ANSWER_TO_HELLO: Duration = Duration::from_secs(1);
/// Between two looks whether they have answered.
const MEET_LOOK: Duration = Duration::from_millis(10);

impl Cluster {
    /// Waits until this server knows those of the others that were seen a moment ago, and which rooms live there; not for long, for they
    /// may be gone.
    pub(super) async fn meet(&self, rows: &[ServerRow]) {
        let recent = rows.iter().filter(|row| row.is_recent);
        let servers: Vec<Uuid> = recent.map(|row| row.incarnation).collect();
        if servers.is_empty() {
            return;
        }
        {
            let mut state = self.lock();
            state.is_meeting = true;
            if state.is_connected {
                state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
            }
        }
        self.wake.notify_one();
        let began = Instant::now();
        let met = loop {
            let met = self.lock().peers.count_met(&servers);
            let within = if met == 0 { ANSWER_TO_HELLO } else { MEET_WITHIN };
            if met == servers.len() || began.elapsed() >= within {
                break met;
            }
            sleep(MEET_LOOK).await;
        };
        self.lock().is_meeting = false;
        tracing::info!(servers.seen = servers.len(), servers.met = met, "met the other servers");
    }

    /// The server stops: its users may come back on another one. Done once the others are on the way to know; they hear nothing of it
    /// from then on.
    pub async fn say_bye(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        if self.is_alone() {
            return;
        }
        {
            let mut state = self.lock();
            state.tell_all_peers(&Message::Bye);
            state.outgoing.close();
        }
        self.flush().await;
    }

    /// The bus is there, or there again: the others are told everything anew, and tell it.
    pub(super) fn on_connected(&self, now: Instant) {
        let mut state = self.lock();
        state.is_connected = true;
        state.echo = Some(now);
        state.outgoing.drop_signals();
        let shared = match state.peers.is_empty() && !state.has_unheard && !state.is_meeting {
            true => Vec::new(),
            false => {
                state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
                let peers: Vec<Uuid> = state.peers.all().map(|(server, _)| server).collect();
                for server in &peers {
                    state.tell_rooms(*server);
                    state.outgoing.push(Channel::Server(*server), &text(&Message::Want));
                }
                let shared = |server| state.shared_with(server).into_iter().map(move |room| (server, room));
                peers.into_iter().flat_map(shared).collect()
            }
        };
        self.update(&mut state, now);
        drop(state);
        for (server, room) in shared {
            self.to_rooms(|deliver| deliver.entered(&room, server));
        }
        self.look_now();
        self.wake.notify_one();
    }

    /// The bus is away.
    pub(super) fn on_disconnected(&self, now: Instant) {
        let mut state = self.lock();
        state.is_connected = false;
        state.outgoing.drop_signals();
        self.update(&mut state, now);
        drop(state);
        metrics::BUS_GAPS.inc();
        self.look_now();
    }

    /// Whether this server has not heard itself for too long.
    pub(super) fn is_deaf(&self, now: Instant) -> bool {
        let state = self.lock();
        !state.peers.is_empty() && state.echo.is_some_and(|echo| now.duration_since(echo) > ECHO_WITHIN)
    }

    /// The database told who was seen in it.
    pub(super) fn on_rows(&self, rows: &[ServerRow], now: Instant) {
        let mut state = self.lock();
        let had_unheard = state.has_unheard;
        state.has_unheard = state.peers.on_rows(rows, now);
        if state.has_unheard && state.is_connected {
            // One of us does not know of the other.
            state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
        }
        state.are_heads_due |= state.has_unheard && !had_unheard;
        self.update(&mut state, now);
        drop(state);
        self.wake.notify_one();
    }

    /// Looks for the dead, and tells the others that this server lives. To be called every second; every other time it tells.
    pub(super) fn tick(&self, now: Instant, is_beat: bool) {
        let mut deliveries = Vec::new();
        let mut state = self.lock();
        let was_frozen = state.tick.is_some_and(|tick| now.duration_since(tick) > Duration::from_secs(4));
        state.tick = Some(now);
        if was_frozen {
            state.peers.forgive(now);
            state.echo = Some(now);
            state.are_heads_due = true;
            let peers: Vec<Uuid> = state.peers.all().map(|(server, _)| server).collect();
            state.outgoing.drop_signals();
            state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
            for server in peers {
                state.outgoing.push(Channel::Server(server), &text(&Message::Want));
            }
        }
        for server in state.peers.owed(now) {
            state.want(server, now);
        }
        for server in state.peers.dead(now) {
            tracing::warn!(server.incarnation = %server, "a server is silent and counts as gone");
            let rooms = state.remove(server);
            state.are_heads_due = true;
            deliveries.push((server, rooms));
        }
        if is_beat && !state.peers.is_empty() && state.is_connected {
            let (rooms, sent) = (state.own.digest(), state.outgoing.numbers());
            let beat = Message::Beat { about: self.about.clone(), rooms, sent };
            state.outgoing.push(Channel::All, &text(&beat));
        }
        self.update(&mut state, now);
        let is_due = state.are_heads_due;
        drop(state);
        self.wake.notify_one();
        for (server, rooms) in deliveries {
            for room in rooms {
                self.to_rooms(|deliver| deliver.left(&room, server));
            }
        }
        if is_due {
            self.look.notify_one();
        }
    }

    /// The rooms whose heads are to be read now: those that live elsewhere too, or all where that is not sure.
    pub(super) fn rooms_to_look_at(&self) -> Vec<RoomName> {
        let mut state = self.lock();
        state.are_heads_due = false;
        let is_sure = self.status() == Status::Ok && !state.has_unheard;
        let is_wanted = |room: &&RoomName| !is_sure || state.peers.have_room(hash(room));
        match self.is_alone() {
            true => Vec::new(),
            false => state.own.names().filter(is_wanted).cloned().collect(),
        }
    }

    /// The database told where a room's timeline ends.
    pub(super) fn on_head(&self, row: &RoomRow) {
        self.to_rooms(|deliver| deliver.head(row));
    }

    /// The database told that a room was deleted.
    pub(super) fn on_deleted(&self, row: &RoomRow) {
        self.to_rooms(|deliver| deliver.deleted(row));
    }

    /// The database told that there is no room of a name: it has no entry yet, or was deleted and its name is free.
    pub(super) fn on_missing(&self, room: &RoomName) {
        self.to_rooms(|deliver| deliver.missing(room));
    }
}
