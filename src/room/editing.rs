//! What a room does with an edit: check, apply, show to the others at once, keep for the journal. Its author hears after the commit.

use std::time::Instant;

use actix::{ActorContext, Context};
use bytes::Bytes;

use super::messages::{Edit, EditKind};
use super::relay::Counted;
use super::room::{BREAKS_MAX, BREAKS_WITHIN, Early, Phase, Room};
use super::uncommitted::Acknowledgement;
use crate::auth::{Action, allows};
use crate::ids::SocketId;
use crate::protocol::lib0::EMPTY_UPDATE;
use crate::protocol::{CloseCode, yjs};
use crate::replica::{News, Refusal};
use crate::store::{Kind, NewEntry};

/// An edit whose frame is larger comes back as an empty Update: its echo could fill its author's outbox.
const ECHO_BYTES_MAX: usize = 64 * 1024;

/// What tells an author that the edit in `frame` is committed.
fn echo(frame: Bytes) -> Bytes {
    if frame.len() <= ECHO_BYTES_MAX {
        frame
    } else {
        yjs::update(EMPTY_UPDATE)
    }
}

impl Room {
    /// Applies an edit, or refuses it; see PROTOCOL.md for what its sender hears.
    pub(super) fn edit(&mut self, edit: Edit, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Loading) {
            return self.early.push(Early::Edit(edit));
        }
        let Some(member) = self.members.get_mut(edit.socket) else {
            return;
        };
        let link = member.link;
        self.outbound.credit(link, edit.socket, edit.charge);
        let Phase::Live(live) = &mut self.phase else { return };
        if !allows(member.access, Action::Edit) {
            // A reader answers our Step1 with what it has; only what it really adds is denied.
            if edit.kind == EditKind::Update || !live.replica.has_blocks_of(&edit.update) {
                self.outbound.one(
                    link,
                    edit.socket,
                    yjs::denied("this room is read-only for you"),
                    Counted::Yes,
                );
            }
            return;
        }
        if self.is_closed_for_writing {
            let reason = "this room is closed for writing after repeated faults; an operator must open it";
            return self.outbound.one(link, edit.socket, yjs::denied(reason), Counted::Yes);
        }
        if !self.uncommitted.has_room_for(edit.update.len()) {
            member.is_lacking = true;
            return;
        }
        match live.replica.apply(&edit.update) {
            Ok(applied) => {
                if !applied.is_complete {
                    let step1 = yjs::step1(&live.replica.state_vector());
                    self.outbound.one(link, edit.socket, step1, Counted::Yes);
                }
                match applied.news {
                    Some(news) => self.show_and_keep(news, &edit, applied.is_complete),
                    // A Step2 without news is a client's answer by habit; nobody waits for a word on it.
                    None if applied.is_complete && edit.kind == EditKind::Update => {
                        let echo = Acknowledgement {
                            socket: edit.socket,
                            frame: echo(yjs::update(&edit.update)),
                        };
                        if let Some(echo) = self.uncommitted.when_settled(echo) {
                            self.acknowledge(echo);
                        }
                    }
                    None => {}
                }
            }
            Err(Refusal::Broken) => self.broken(edit.socket, link, ctx),
            Err(refusal) => {
                let code = match refusal {
                    Refusal::TooLarge { .. } => CloseCode::EditTooLarge,
                    _ => CloseCode::EditRefused,
                };
                self.outbound.close(link, edit.socket, code, refusal.to_string());
            }
        }
    }

    /// Shows an edit to the others at once, and keeps it for the journal. Its author hears after the commit.
    fn show_and_keep(&mut self, news: News, edit: &Edit, is_complete: bool) {
        let Phase::Live(live) = &mut self.phase else { return };
        let Some(member) = self.members.get(edit.socket) else {
            return;
        };
        live.state = None;
        let frame = yjs::update(&news.update);
        self.outbound.all(frame.clone(), Some(edit.socket));

        let known: Vec<_> = news.clients.iter().map(|client| live.authors.get(client)).collect();
        let author = match known.first() {
            Some(Some(first)) if known.iter().all(|author| *author == Some(first)) => (*first).clone(),
            _ => member.user.clone(),
        };
        let mut clients = Vec::new();
        for client in news.clients {
            live.authors.entry(client).or_insert_with(|| {
                clients.push((client, member.user.clone()));
                member.user.clone()
            });
        }
        let entry = NewEntry {
            kind: Kind::Edit,
            author,
            key: None,
            body: news.update,
        };
        // What is missing comes again with the sender's Step2, and is acknowledged with that.
        let echo = is_complete.then(|| Acknowledgement {
            socket: edit.socket,
            frame: echo(frame),
        });
        self.uncommitted.push(entry, clients, echo);
    }

    /// Tells an author that its edit is committed.
    pub(super) fn acknowledge(&mut self, Acknowledgement { socket, frame }: Acknowledgement) {
        if let Some(member) = self.members.get(socket) {
            self.outbound.one(member.link, socket, frame, Counted::Yes);
        }
    }

    /// The CRDT library failed on an edit: its sender is closed for good, the replica is abandoned and the room loads again.
    fn broken(&mut self, socket: SocketId, link: usize, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.breaks.retain(|at| now.duration_since(*at) < BREAKS_WITHIN);
        self.breaks.push(now);
        self.is_closed_for_writing |= self.breaks.len() >= BREAKS_MAX;
        tracing::error!(room.name = %self.name, closed_for_writing = self.is_closed_for_writing, "an edit broke the document's replica, the room restarts");
        self.outbound
            .close(link, socket, CloseCode::EditRefused, Refusal::Broken.to_string());
        self.outbound.flush();
        self.is_restarting = true;
        self.phase = Phase::Loading;
        ctx.stop();
    }
}
