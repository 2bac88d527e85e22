//! What a room does with an edit: check, apply, show to the others at once, keep for the journal. Its author hears after the commit.

use std::time::Instant;

use actix::{ActorContext, Context};
use bytes::Bytes;

use super::counting::{count, lost, taken};
use super::members::Lack;
use super::messages::{Edit, EditKind};
use super::relay::Counted;
use super::room::{BREAKS_MAX, BREAKS_WITHIN, Phase, Room};
use super::uncommitted::{Acknowledgement, Pending, Receipt};
use crate::auth::{Action, allows};
use crate::ids::MemberId;
use crate::metrics;
use crate::protocol::{CloseCode, Dialect, Word, hocuspocus, yjs};
use crate::replica::{Applied, Clocks, News, Refusal};
use crate::store::{Kind, NewEntry, Placed};

/// What a reader is told of its edit.
const READ_ONLY: &str = "this room is read-only for you";
/// Clocks that are remembered of a member's incomplete edits; with more, only its Step2 tells that all is there.
const LACKING_CLOCKS_MAX: usize = 64;

impl Room {
    /// Applies an edit, or refuses it; see PROTOCOL.md for what its sender hears.
    pub(super) fn edit(&mut self, edit: Edit, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(edit.from) else {
            return;
        };
        let link = member.link;
        self.outbound.credit(link, edit.from, edit.charge);
        let Phase::Live(live) = &mut self.phase else { return lost(member, edit.kind) };
        count(member, &edit, &live.replica);
        if !allows(member.access, Action::Edit) {
            // A reader answers our Step1 with what it has; only what it really adds is denied.
            let is_answer = edit.kind == EditKind::Step2 && live.replica.has_blocks_of(&edit.update);
            return if is_answer { self.nothing_new(&edit, ctx) } else { self.deny(edit.from, READ_ONLY) };
        }
        if self.is_closed_for_writing {
            let reason = "this room is closed for writing after repeated faults; an operator must open it";
            return self.deny(edit.from, reason);
        }
        if !self.uncommitted.has_room_for(edit.update.len()) {
            let lack = member.lack.get_or_insert_default();
            lack.needs_step2 = true;
            lack.counted += u64::from(member.dialect == Dialect::Hocuspocus);
            return;
        }
        match live.replica.apply(&edit.update) {
            Ok(applied) => self.applied(&edit, applied, ctx),
            Err(Refusal::Broken) => self.broken(edit.from, link, ctx),
            Err(refusal) => {
                let code = match refusal {
                    Refusal::TooLarge { .. } => CloseCode::EditTooLarge,
                    _ => CloseCode::EditRefused,
                };
                self.refuse_for_ever(edit.from, code, &refusal);
            }
        }
    }

    /// Tells a reader, by what its Step1 says that it has, whether it typed what is not taken. It is not asked for that: its answer
    /// would hold all deletions of the document and may be longer than a reader may send.
    pub(super) fn judge_reader(&mut self, from: MemberId, state_vector: &Bytes, ctx: &mut Context<Self>) {
        let Phase::Live(live) = &self.phase else { return };
        let is_ahead = Clocks::read(state_vector).is_ok_and(|clocks| !live.replica.has_all_of(&clocks));
        let Some(member) = self.members.get_mut(from) else { return };
        if member.dialect == Dialect::Hocuspocus {
            // Stands for the Step2 that would have come.
            member.sync.step2();
        }
        if is_ahead {
            return self.deny(from, READ_ONLY);
        }
        if member.dialect == Dialect::Hocuspocus {
            let messages = member.sync.taken_step2();
            self.acknowledge_when_settled(from, Receipt::Status(messages), ctx);
        }
    }

    /// Tells a member that its edit is not taken. It goes on reading.
    fn deny(&mut self, from: MemberId, reason: &str) {
        let Some(member) = self.members.get_mut(from) else { return };
        let frame = match member.dialect {
            Dialect::Hocuspocus => {
                member.sync.refuse();
                hocuspocus::sync_status(self.name.as_str(), false)
            }
            _ => yjs::denied(reason),
        };
        self.outbound.one(member.link, from, frame, Counted::Yes);
    }

    /// Tells a member that its edit will never be taken. All later typing of that client would build on it: y-websocket, which has
    /// no word for that, is closed for good.
    pub(super) fn refuse_for_ever(&mut self, from: MemberId, code: CloseCode, refusal: &dyn std::error::Error) {
        metrics::EDITS_REFUSED.inc();
        let Some(member) = self.members.get(from) else { return };
        match member.dialect {
            Dialect::Hocuspocus => self.deny(from, ""),
            _ => self.outbound.close(member.link, from, code, refusal.to_string()),
        }
    }

    fn applied(&mut self, edit: &Edit, Applied { news, lacking }: Applied, ctx: &mut Context<Self>) {
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
        for receipt in filled.into_iter().flat_map(|lack| lack.into_receipts()) {
            self.acknowledge_when_settled(edit.from, receipt, ctx);
        }
        if is_complete && !has_news {
            self.nothing_new(edit, ctx);
        }
    }

    /// Acknowledges what the document has already, once all of it is committed.
    fn nothing_new(&mut self, edit: &Edit, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(edit.from) else { return };
        let receipt = match (member.dialect, edit.kind) {
            (Dialect::Hocuspocus, kind) => Receipt::Status(taken(&mut member.sync, kind)),
            (_, EditKind::Update) => Receipt::Echo(yjs::update(&edit.update)),
            // A client's answer by habit; nobody waits for a word on it.
            (_, EditKind::Step2) => return,
        };
        match (&mut member.lack, receipt) {
            (Some(lack), Receipt::Echo(frame)) => lack.hold(frame),
            (_, receipt) => self.acknowledge_when_settled(edit.from, receipt, ctx),
        }
    }

    /// Notes what is missing before an edit, and asks its sender for it, once until that is answered.
    fn note_lack(&mut self, edit: &Edit, clocks: Vec<(u64, u32)>) {
        let Some(member) = self.members.get_mut(edit.from) else { return };
        let lack = member.lack.get_or_insert_default();
        lack.counted += u64::from(member.dialect == Dialect::Hocuspocus);
        lack.needs_step2 |= clocks.is_empty() || lack.clocks.len() + clocks.len() > LACKING_CLOCKS_MAX;
        if !lack.needs_step2 {
            lack.clocks.extend(clocks);
        }
        // An incomplete answer asks again with the next edit, not at once: it could go on for ever.
        let is_answer = edit.kind == EditKind::Step2;
        let was_asked = std::mem::replace(&mut lack.is_asked, !is_answer);
        if !was_asked && !is_answer {
            self.ask(edit.from);
        }
    }

    /// What the sender of a complete edit had lacked, if that has filled it.
    fn take_filled_lack(&mut self, edit: &Edit) -> Option<Lack> {
        let Phase::Live(live) = &self.phase else { return None };
        let member = self.members.get_mut(edit.from)?;
        let is_filled = |lack: &mut Box<Lack>| {
            edit.kind == EditKind::Step2 || (!lack.needs_step2 && live.replica.has_reached(&lack.clocks))
        };
        member.lack.take_if(is_filled).map(|lack| *lack)
    }

    /// Shows an edit to the others at once, and keeps it for the journal. Its author hears after the commit, also where another
    /// forwards it.
    fn show_and_keep(&mut self, news: News, edit: &Edit, is_complete: bool) {
        let Phase::Live(live) = &mut self.phase else { return };
        let Some(member) = self.members.get_mut(edit.from) else {
            return;
        };
        live.states.clear();
        let messages = if is_complete { taken(&mut member.sync, edit.kind) } else { 0 };
        let Some(member) = self.members.get(edit.from) else {
            return;
        };
        let is_own = news.clients.iter().all(|client| member.own_client == Some(*client));
        let owners = if is_own { Vec::new() } else { self.members.owners(&news.clients, edit.from) };

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
        // What is missing comes again with the sender's Step2, and is acknowledged with that.
        let sender = is_complete.then_some((edit.from, member.dialect));
        let shown = self.say_to_all(Word::Update(&news.update), Some(edit.from), &owners);
        // No larger than needed, which is one nearly always: each edit that waits has such a list.
        let mut acknowledgements = Vec::with_capacity(owners.len() + usize::from(is_complete));
        let waiting = owners.into_iter().map(|owner| (owner, Dialect::Yjs)).chain(sender);
        let receipt = |dialect| match dialect {
            Dialect::Yjs => shown.clone().map(Receipt::Echo),
            _ => Some(Receipt::Status(messages)),
        };
        acknowledgements
            .extend(waiting.filter_map(|(to, dialect)| Some(Acknowledgement { to, receipt: receipt(dialect)? })));
        let entry = NewEntry { kind: Kind::Edit, author, key: None, body: news.update };
        self.uncommitted.push(Pending { clients, ..Pending::new(entry, acknowledgements) });
    }

    /// Acknowledges once all that is uncommitted now is committed.
    fn acknowledge_when_settled(&mut self, to: MemberId, receipt: Receipt, ctx: &mut Context<Self>) {
        if let Some(settled) = self.uncommitted.when_settled(Acknowledgement { to, receipt }) {
            self.acknowledge(settled, None, ctx);
        }
    }

    /// Tells an author that what it sent is committed, where that is if it is an entry of its own.
    pub(super) fn acknowledge(
        &mut self,
        Acknowledgement { to, receipt }: Acknowledgement,
        placed: Option<Placed>,
        ctx: &mut Context<Self>,
    ) {
        if let Receipt::Shown(frame) = receipt {
            // Also when its author has left.
            return self.outbound.all(Dialect::Hocuspocus, &frame, Some(to), &[]);
        }
        let Some(member) = self.members.get_mut(to) else { return };
        match receipt {
            Receipt::Shown(_) => {}
            Receipt::Echo(frame) => self.outbound.one(member.link, to, frame, Counted::Yes),
            Receipt::Saved { request_id, version } => {
                if let Some(placed) = placed {
                    self.saved(to, request_id.as_deref(), version, placed);
                }
            }
            Receipt::Rejected => self.reject(to, ctx),
            Receipt::Status(messages) => {
                for _ in 0..member.sync.committed(messages) {
                    let frame = hocuspocus::sync_status(self.name.as_str(), true);
                    self.outbound.one(member.link, to, frame, Counted::Yes);
                }
            }
        }
    }

    /// The CRDT library failed on an edit: its sender is closed for good, the replica is abandoned and the room loads again.
    fn broken(&mut self, from: MemberId, link: usize, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.breaks.retain(|at| now.duration_since(*at) < BREAKS_WITHIN);
        self.breaks.push(now);
        metrics::ROOM_RESTARTS.inc();
        if self.breaks.len() >= BREAKS_MAX && !self.is_closed_for_writing {
            self.is_closed_for_writing = true;
            metrics::ROOMS_CLOSED_FOR_WRITING.inc();
        }
        tracing::error!(room.name = %self.name, closed_for_writing = self.is_closed_for_writing, "an edit broke the document's replica, the room restarts");
        self.outbound.close(link, from, CloseCode::EditRefused, Refusal::Broken.to_string());
        self.outbound.flush();
        self.is_restarting = true;
        self.phase = Phase::Loading;
        ctx.stop();
    }
}
