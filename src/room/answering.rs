//! What members ask of a room besides editing: to come in and leave, the document, who is there.

use std::time::Instant;

use actix::Context;
use bytes::Bytes;

use super::members::Member;
use super::messages::{AskAwareness, AskState, Awareness, Join, Leave};
use super::presence::PresenceError;
use super::relay::Counted;
use super::room::{Early, Phase, Room};
use crate::auth::{Action, allows};
use crate::ids::SocketId;
use crate::protocol::{CloseCode, awareness, yjs};

/// States gathered in one frame, in bytes; one more may be added.
const PRESENCE_FRAME_BYTES: usize = 16 * 1024;
/// What an entry has beside its state, about.
const ENTRY_BYTES: usize = 24;

impl Room {
    /// Adds a member and sends it the joining state.
    pub(super) fn join(&mut self, join: Join) {
        if matches!(self.phase, Phase::Failed) {
            return self.refuse(&join);
        }
        let Phase::Live(live) = &mut self.phase else {
            return self.early.push(Early::Join(join));
        };
        let link = self.outbound.link(&join.relay);
        let Join { lease, socket, user, name, access, .. } = join;
        tracing::debug!(room.name = %self.name, socket.id = %socket, user.id = %user, "joined");
        self.outbound.attach(link, socket);
        let step1 = yjs::step1(&live.replica.state_vector());
        self.outbound.one(link, socket, step1, Counted::Yes);
        self.show_presence(link, socket);
        let member = Member { link, user, name, access, own_client: None, lack: None };
        self.members.insert(socket, member);
        drop(lease);
    }

    /// Removes a member, and shows that it left.
    pub(super) fn leave(&mut self, Leave { socket }: Leave, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Loading) {
            // Behind what it sent before: that is still its edit.
            return self.early.push(Early::Leave(Leave { socket }));
        }
        if let Some(member) = self.members.remove(socket) {
            tracing::debug!(room.name = %self.name, socket.id = %socket, user.id = %member.user, "left");
            self.outbound.detach(member.link, socket);
            let removals = self.presence.leave(socket, Instant::now());
            if !removals.is_empty() {
                self.outbound.all(yjs::awareness(&awareness::encode(removals.iter())));
            }
        }
        self.arm_idle(ctx);
    }

    /// Answers Step1 with Step2.
    pub(super) fn ask_state(&mut self, ask: AskState) {
        if matches!(self.phase, Phase::Loading) {
            return self.early.push(Early::AskState(ask));
        }
        let Some(member) = self.members.get(ask.socket) else {
            return;
        };
        self.outbound.credit(member.link, ask.socket, ask.charge);
        let Phase::Live(live) = &mut self.phase else { return };
        let is_whole = ask.state_vector[..] == [0];
        let cached = live.state.clone().filter(|_| is_whole);
        let answer = match cached {
            Some(frame) => Ok(frame),
            None => live.replica.diff(&ask.state_vector).map(|update| yjs::step2(&update)),
        };
        match answer {
            Ok(frame) => {
                if is_whole {
                    live.state = Some(frame.clone());
                }
                self.outbound.one(member.link, ask.socket, frame, Counted::No);
            }
            Err(error) => self.outbound.close(member.link, ask.socket, CloseCode::EditRefused, error.to_string()),
        }
    }

    /// Shows what is news of a member's awareness entries.
    pub(super) fn awareness(&mut self, message: Awareness) {
        if matches!(self.phase, Phase::Loading) {
            return self.early.push(Early::Awareness(message));
        }
        let Some(member) = self.members.get_mut(message.socket) else {
            return;
        };
        let (socket, link) = (message.socket, member.link);
        self.outbound.credit(link, socket, message.charge);
        if !allows(member.access, Action::ShowPresence) {
            return;
        }
        let entries = match awareness::decode(&message.entries) {
            Ok(entries) => entries,
            Err(error) => {
                return self.outbound.close(link, socket, CloseCode::EditRefused, error.to_string());
            }
        };
        if member.own_client.is_none()
            && let [own] = &entries[..]
        {
            member.own_client = Some(own.client);
        }
        match self.presence.take(socket, &member.user, member.own_client, entries, Instant::now()) {
            Ok(change) => {
                if !change.news.is_empty() {
                    let frame = yjs::awareness(&awareness::encode(change.news.iter()));
                    self.outbound.all_but(frame, socket, &[]);
                }
                for (owner, removal) in change.renew {
                    if let Some(member) = self.members.get(owner) {
                        let frame = yjs::awareness(&awareness::encode([&removal].into_iter()));
                        self.outbound.one(member.link, owner, frame, Counted::Yes);
                    }
                }
            }
            // What no Yjs client sends.
            Err(error @ PresenceError::NotJson) => {
                self.outbound.close(link, socket, CloseCode::EditRefused, error.to_string());
            }
            // The connection is still good for typing.
            Err(error) => self.outbound.one(link, socket, yjs::denied(&error.to_string()), Counted::Yes),
        }
    }

    /// Answers with all awareness states.
    pub(super) fn ask_awareness(&mut self, ask: AskAwareness) {
        if matches!(self.phase, Phase::Loading) {
            return self.early.push(Early::AskAwareness(ask));
        }
        let Some(member) = self.members.get(ask.socket) else {
            return;
        };
        self.outbound.credit(member.link, ask.socket, ask.charge);
        let link = member.link;
        if self.presence.entries().len() == 0 {
            let nobody = yjs::awareness(&awareness::encode([].iter()));
            return self.outbound.one(link, ask.socket, nobody, Counted::Yes);
        }
        self.show_presence(link, ask.socket);
    }

    /// Sends all states to one socket, in frames small enough for a reader to send back.
    fn show_presence(&mut self, link: usize, socket: SocketId) {
        let entries: Vec<_> = self.presence.entries().collect();
        let mut bytes = 0;
        let chunks = entries.chunk_by(|_, next| {
            bytes += next.state.as_ref().map_or(0, Bytes::len) + ENTRY_BYTES;
            let fits = bytes <= PRESENCE_FRAME_BYTES;
            if !fits {
                bytes = 0;
            }
            fits
        });
        for chunk in chunks {
            let frame = yjs::awareness(&awareness::encode(chunk.iter().copied()));
            self.outbound.one(link, socket, frame, Counted::Yes);
        }
    }
}
