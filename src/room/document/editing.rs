//! What a room does with an edit: check, apply, show to the others at once, keep for the journal. Its author hears after the commit.

use std::time::Instant;

use actix::{AsyncContext, Context};
use bytes::Bytes;

use crate::auth::{Action, allows};
use crate::document::{Applied, Clocks, News};
use crate::ids::MemberId;
use crate::metrics;
use crate::protocol::{Dialect, EditKind, Word, hocuspocus, yjs};
use crate::room::commit::uncommitted::{Acknowledgement, Pending, Receipt};
use crate::room::document::missing::Lack;
use crate::room::document::refusals::Denial;
use crate::room::document::sync_count::{count, count_unread, taken};
use crate::room::fanout::relay::Counted;
use crate::room::messages::{Edit, LongEdit};
use crate::room::room::{Phase, Room};
use crate::store::{Kind, NewEntry, Placed};

/// The update that adds nothing: a barrier.
const NOTHING: &[u8] = &[0, 0];

impl Room {
    /// Applies an edit, or refuses it; see PROTOCOL.md for what its sender hears.
    pub(in crate::room) fn edit(&mut self, edit: Edit, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(edit.from) else {
            return;
        };
        let link = member.link;
        self.outbound.credit(link, edit.from, edit.charge);
        // Members are let in once the room is loaded.
        let Phase::Live(live) = &mut self.phase else { return };
        count(member, &edit);
        if !allows(member.access, Action::Edit) {
            // A reader answers our Step1 with what it has, and tells what its Yjs deleted by integrating: only what it adds is denied.
            let may_be_nothing = match edit.kind {
                EditKind::Step2 => true,
                EditKind::Update => edit.update != NOTHING && edit.update.first() == Some(&0),
            };
            let adds_nothing = may_be_nothing && live.document.brings_nothing_of_its_own(&edit.update);
            return if adds_nothing { self.nothing_new(&edit, ctx) } else { self.deny(edit.from, Denial::ReadOnly) };
        }
        let is_full = !self.uncommitted.has_room();
        if is_full && live.document.brings_nothing(&edit.update) {
            return self.applied(&edit, Applied { news: None, lacking: None }, ctx);
        }
        let messages = u64::from(member.dialect == Dialect::Hocuspocus);
        if is_full {
            return self.lacks.put_off(edit.from, edit.kind, edit.update.len(), messages);
        }
        match live.document.apply(&edit.update) {
            Ok(applied) => self.applied(&edit, applied, ctx),
            Err(refusal) => {
                self.lacks.refused(edit.from, edit.kind, Instant::now());
                self.refuse_for_ever(edit.from, Denial::from(&refusal), &refusal);
            }
        }
    }

    /// Refuses an edit that was too long to be looked at.
    pub(in crate::room) fn long_edit(&mut self, LongEdit { from, kind, charge }: LongEdit) {
        let Some(member) = self.members.get_mut(from) else { return };
        self.outbound.credit(member.link, from, charge);
        count_unread(member, kind);
        metrics::EDITS_REFUSED.inc();
        let denial = if allows(member.access, Action::Edit) { Denial::TooLong } else { Denial::ReadOnly };
        self.lacks.refused(from, kind, Instant::now());
        self.deny(from, denial);
    }

    /// Finds out whether a reader that sent Step1, and was answered with `answer_bytes`, has changed what it may not change. What it
    /// typed shows in its state vector. What it deleted does not, so it is asked: its answer has all deletions that ours had, and may
    /// be as much longer than a reader's messages.
    pub(in crate::room) fn judge_reader(
        &mut self,
        from: MemberId,
        state_vector: &Bytes,
        answer_bytes: usize,
        ctx: &mut Context<Self>,
    ) {
        let Phase::Live(live) = &self.phase else { return };
        let Ok(clocks) = Clocks::read(state_vector) else { return };
        let Some(member) = self.members.get_mut(from) else { return };
        if live.document.has_all_of(&clocks) && !clocks.is_empty() {
            self.outbound.expect_answer(member.link, from, answer_bytes);
            return self.ask(from);
        }
        // Stands for the Step2 that would have come.
        let is_ahead = !clocks.is_empty();
        let is_counted = member.dialect == Dialect::Hocuspocus;
        if is_counted {
            member.sync.step2();
        }
        if is_ahead {
            return self.deny(from, Denial::ReadOnly);
        }
        if is_counted {
            let messages = member.sync.taken_step2();
            self.acknowledge_when_settled(from, Receipt::Status(messages), ctx);
        }
    }

    fn applied(&mut self, edit: &Edit, Applied { news, lacking }: Applied, ctx: &mut Context<Self>) {
        let is_complete = lacking.is_none();
        let has_news = news.is_some();
        if let Some(news) = news {
            self.show_and_keep(news, edit, is_complete);
        }
        if let Some(clocks) = lacking {
            let Some(member) = self.members.get(edit.from) else { return };
            let messages = u64::from(member.dialect == Dialect::Hocuspocus);
            return self.lacks.gap(edit.from, edit.kind, &clocks, messages, Instant::now());
        }
        if edit.kind == EditKind::Step2
            && let Some(lack) = self.lacks.answered(edit.from)
        {
            self.acknowledge_lack(edit.from, lack, ctx);
        }
        if !has_news {
            self.nothing_new(edit, ctx);
        }
    }

    /// Acknowledges what waited for a lack that is filled now.
    fn acknowledge_lack(&mut self, of: MemberId, lack: Lack, ctx: &mut Context<Self>) {
        for receipt in lack.into_receipts() {
            self.acknowledge_when_settled(of, receipt, ctx);
        }
    }

    /// Acknowledges what waited for clocks that the document has reached.
    pub(in crate::room) fn acknowledge_reached(&mut self, ctx: &mut Context<Self>) {
        let Phase::Live(live) = &self.phase else { return };
        for (member, lack) in self.lacks.reached(|clocks| live.document.has_reached(clocks)) {
            self.acknowledge_lack(member, lack, ctx);
        }
    }

    /// Asks those for whom it is time for what is lacking of them, and looks again when it may be time for others.
    pub(in crate::room) fn ask_lacking(&mut self, ctx: &mut Context<Self>) {
        if self.lacks.is_empty() || !matches!(self.phase, Phase::Live(_)) {
            return;
        }
        let now = Instant::now();
        for member in self.lacks.take_due(self.uncommitted.room_left(), now) {
            self.ask(member);
        }
        let due = self.lacks.next_due(now);
        if self.lacks_timer.map(|(due, _)| due) == due {
            return;
        }
        if let Some((_, timer)) = self.lacks_timer.take() {
            ctx.cancel_future(timer);
        }
        self.lacks_timer = due.map(|due| {
            let wait = due.saturating_duration_since(now);
            let timer = ctx.run_later(wait, |room, ctx| {
                room.lacks_timer = None;
                room.end_turn(ctx);
            });
            (due, timer)
        });
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
        let receipt = match receipt {
            Receipt::Echo(frame) => self.lacks.hold(edit.from, frame).map(Receipt::Echo),
            receipt => Some(receipt),
        };
        if let Some(receipt) = receipt {
            self.acknowledge_when_settled(edit.from, receipt, ctx);
        }
    }

    /// Shows an edit to the others at once, and keeps it for the journal. Its author hears after the commit, also where another
    /// forwards it.
    fn show_and_keep(&mut self, news: News, edit: &Edit, is_complete: bool) {
        let Phase::Live(live) = &mut self.phase else { return };
        let Some(member) = self.members.get_mut(edit.from) else {
            return;
        };
        live.states.clear();
        live.held.set(live.document.held());
        if live.held.is_over() {
            self.directory.end_idle();
        }
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
    pub(in crate::room) fn acknowledge_when_settled(
        &mut self,
        to: MemberId,
        receipt: Receipt,
        ctx: &mut Context<Self>,
    ) {
        if let Some(settled) = self.uncommitted.when_settled(Acknowledgement { to, receipt }) {
            self.acknowledge(settled, None, ctx);
        }
    }

    /// Tells an author that what it sent is committed, where that is if it is an entry of its own.
    pub(in crate::room) fn acknowledge(
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
            Receipt::Answer(question) => self.answer_saved(to, &question),
            Receipt::Status(messages) => {
                for _ in 0..member.sync.committed(messages) {
                    let frame = hocuspocus::sync_status(self.name.as_str(), true);
                    self.outbound.one(member.link, to, frame, Counted::Yes);
                }
            }
        }
    }
}
