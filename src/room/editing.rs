//! What a room does with an edit: check, apply, show to the others at once, keep for the journal. Its author hears after the commit.

use std::time::Instant;

use actix::{ActorContext, Context};
use bytes::Bytes;

use super::members::Lack;
use super::messages::{Edit, EditKind};
use super::relay::Counted;
use super::room::{BREAKS_MAX, BREAKS_WITHIN, Early, Phase, Room};
use super::uncommitted::Acknowledgement;
use crate::auth::{Action, allows};
use crate::ids::SocketId;
use crate::metrics;
use crate::protocol::{CloseCode, yjs};
use crate::replica::{Applied, News, Refusal};
use crate::store::{Kind, NewEntry};

/// A larger echo does not count against its author's outbox, which it could fill. The socket reads nothing more until its peer has
/// taken it, so that such echoes do not pile up.
const COUNTED_ECHO_BYTES_MAX: usize = 64 * 1024;
/// Clocks that are remembered of a member's incomplete edits; with more, only its Step2 tells that all is there.
const LACKING_CLOCKS_MAX: usize = 64;

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
                self.outbound.one(link, edit.socket, yjs::denied("this room is read-only for you"), Counted::Yes);
            }
            return;
        }
        if self.is_closed_for_writing {
            let reason = "this room is closed for writing after repeated faults; an operator must open it";
            return self.outbound.one(link, edit.socket, yjs::denied(reason), Counted::Yes);
        }
        if !self.uncommitted.has_room_for(edit.update.len()) {
            member.lack.get_or_insert_default().needs_step2 = true;
            return;
        }
        match live.replica.apply(&edit.update) {
            Ok(applied) => self.applied(&edit, applied),
            Err(Refusal::Broken) => self.broken(edit.socket, link, ctx),
            Err(refusal) => {
                let code = match refusal {
                    Refusal::TooLarge { .. } => CloseCode::EditTooLarge,
                    _ => CloseCode::EditRefused,
                };
                metrics::EDITS_REFUSED.inc();
                self.outbound.close(link, edit.socket, code, refusal.to_string());
            }
        }
    }

    fn applied(&mut self, edit: &Edit, Applied { news, lacking }: Applied) {
        let is_complete = lacking.is_none();
        let has_news = news.is_some();
        if let Some(news) = news {
            self.show_and_keep(news, edit, is_complete);
        }
        let filled = match lacking {
            Some(clocks) => {
                self.note_lack(edit, clocks);
                None
            }
            None => self.take_filled_lack(edit),
        };
        for frame in filled.into_iter().flat_map(|lack| lack.into_echoes()) {
            self.acknowledge_when_settled(edit.socket, frame);
        }
        // A Step2 without news is a client's answer by habit; nobody waits for a word on it.
        if is_complete && !has_news && edit.kind == EditKind::Update {
            let frame = yjs::update(&edit.update);
            match self.members.get_mut(edit.socket).and_then(|member| member.lack.as_mut()) {
                Some(lack) => lack.hold(frame),
                None => self.acknowledge_when_settled(edit.socket, frame),
            }
        }
    }

    /// Notes what is missing before an edit, and asks its sender for it, once until that is answered.
    fn note_lack(&mut self, edit: &Edit, clocks: Vec<(u64, u32)>) {
        let Phase::Live(live) = &self.phase else { return };
        let Some(member) = self.members.get_mut(edit.socket) else { return };
        let lack = member.lack.get_or_insert_default();
        lack.needs_step2 |= clocks.is_empty() || lack.clocks.len() + clocks.len() > LACKING_CLOCKS_MAX;
        if !lack.needs_step2 {
            lack.clocks.extend(clocks);
        }
        // An incomplete answer asks again with the next edit, not at once: it could go on for ever.
        let is_answer = edit.kind == EditKind::Step2;
        if !lack.is_asked && !is_answer {
            self.outbound.one(member.link, edit.socket, yjs::step1(&live.replica.state_vector()), Counted::Yes);
        }
        lack.is_asked = !is_answer;
    }

    /// What the sender of a complete edit had lacked, if that has filled it.
    fn take_filled_lack(&mut self, edit: &Edit) -> Option<Lack> {
        let Phase::Live(live) = &self.phase else { return None };
        let member = self.members.get_mut(edit.socket)?;
        let is_filled = |lack: &mut Box<Lack>| {
            edit.kind == EditKind::Step2 || (!lack.needs_step2 && live.replica.has_reached(&lack.clocks))
        };
        member.lack.take_if(is_filled).map(|lack| *lack)
    }

    /// Shows an edit to the others at once, and keeps it for the journal. Its author hears after the commit, also where another
    /// forwards it.
    fn show_and_keep(&mut self, news: News, edit: &Edit, is_complete: bool) {
        let Phase::Live(live) = &mut self.phase else { return };
        let Some(member) = self.members.get(edit.socket) else {
            return;
        };
        live.state = None;
        let frame = yjs::update(&news.update);
        let is_own = news.clients.iter().all(|client| member.own_client == Some(*client));
        let owners = if is_own { Vec::new() } else { self.members.owners(&news.clients, edit.socket) };
        self.outbound.all_but(frame.clone(), edit.socket, &owners);

        let known: Vec<_> = news.clients.iter().map(|client| live.authors.get(client)).collect();
        let author = match known.first() {
            Some(Some(first)) if known.iter().all(|author| *author == Some(first)) => (*first).clone(),
            _ => member.user.clone(),
        };
        let mut clients = Vec::new();
        for client in news.clients.iter().copied() {
            // What a Step2 brings of others may come from anyone who saw it; the name waits for its typist.
            if edit.kind == EditKind::Update || member.own_client == Some(client) {
                live.authors.entry(client).or_insert_with(|| {
                    clients.push((client, member.user.clone()));
                    member.user.clone()
                });
            }
        }
        let entry = NewEntry { kind: Kind::Edit, author, key: None, body: news.update };
        // What is missing comes again with the sender's Step2, and is acknowledged with that.
        let sender = is_complete.then_some(edit.socket);
        let echoes = owners.into_iter().chain(sender).map(|socket| Acknowledgement { socket, frame: frame.clone() });
        self.uncommitted.push(entry, clients, echoes.collect());
    }

    /// Sends an author a frame once all that is uncommitted now is committed.
    fn acknowledge_when_settled(&mut self, socket: SocketId, frame: Bytes) {
        if let Some(settled) = self.uncommitted.when_settled(Acknowledgement { socket, frame }) {
            self.acknowledge(settled);
        }
    }

    /// Tells an author that its edit is committed.
    pub(super) fn acknowledge(&mut self, Acknowledgement { socket, frame }: Acknowledgement) {
        if let Some(member) = self.members.get(socket) {
            let counted = if frame.len() <= COUNTED_ECHO_BYTES_MAX { Counted::Yes } else { Counted::No };
            self.outbound.one(member.link, socket, frame, counted);
        }
    }

    /// The CRDT library failed on an edit: its sender is closed for good, the replica is abandoned and the room loads again.
    fn broken(&mut self, socket: SocketId, link: usize, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.breaks.retain(|at| now.duration_since(*at) < BREAKS_WITHIN);
        self.breaks.push(now);
        metrics::ROOM_RESTARTS.inc();
        if self.breaks.len() >= BREAKS_MAX && !self.is_closed_for_writing {
            self.is_closed_for_writing = true;
            metrics::ROOMS_CLOSED_FOR_WRITING.inc();
        }
        tracing::error!(room.name = %self.name, closed_for_writing = self.is_closed_for_writing, "an edit broke the document's replica, the room restarts");
        self.outbound.close(link, socket, CloseCode::EditRefused, Refusal::Broken.to_string());
        self.outbound.flush();
        self.is_restarting = true;
        self.phase = Phase::Loading;
        ctx.stop();
    }
}
