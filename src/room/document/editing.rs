//! What becomes of an edit: it is checked and applied, the others are sent it at once, and it is kept for the journal. Its author
//! hears after the commit.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;

use super::LiveDocument;
use super::acknowledgements::acknowledge_when_settled;
use super::missing::MissingPart;
use super::origin::{AnnouncedByAnother, EditOrigin, Source};
use super::refusals::{log_refusal, refuse, refuse_for_good};
use super::writing::SEED_USER;
use crate::archive::weight;
use crate::auth::{Access, Action, allows};
use crate::budget::Payer;
use crate::document::{Applied, Clocks, News, Refusal};
use crate::ids::{MemberId, UserId};
use crate::metrics;
use crate::protocol::{EditKind, EditorMessage};
use crate::room::commit::{Behind, Commit, Dropped, Pending};
use crate::room::io::Io;
use crate::room::members::{Acknowledgement, EditRefusal, Receipt};
use crate::room::messages::{Edit, RefuseLongEdit, StartCount};
use crate::room::quotas::Sender;
use crate::store::{EntryKind, NewEntry};

/// The update that adds nothing: a barrier.
const NOTHING: &[u8] = &[0, 0];

/// What became of an edit that was not refused.
#[derive(Debug, PartialEq, Eq)]
pub struct TakenEdit {
    /// Whether it brought anything new.
    pub has_news: bool,
    /// What the document must reach to have all of it, if it is not complete.
    pub missing: Option<Vec<(u64, u32)>>,
}

impl LiveDocument {
    /// Takes a member's edit, or refuses it; see PROTOCOL.md for what its sender hears.
    pub fn on_edit(&mut self, edit: Edit, announced: AnnouncedByAnother<'_>, commit: &mut Commit, io: &mut Io) {
        let (from, is_step2) = (edit.from, edit.kind == EditKind::Step2);
        self.take_from_member(edit, announced, commit, io);
        if is_step2 {
            self.on_step2_handled(from, commit, io);
        }
    }

    fn take_from_member(
        &mut self,
        Edit { from, update, kind, charge }: Edit,
        announced: AnnouncedByAnother<'_>,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        let Some(member) = io.credit(from, charge) else { return };
        let own_client = member.own_client;
        member.editor_mut().on_edit(kind, &update, own_client);
        if !allows(member.access, Action::Edit) {
            // A reader answers our Step1 with what it has, and tells what its Yjs deleted by integrating: only what it adds is refused.
            let may_be_nothing = match kind {
                EditKind::Step2 => true,
                EditKind::Update => update != NOTHING && update.first() == Some(&0),
            };
            return match may_be_nothing && self.blocks.brings_nothing_of_its_own(&update) {
                true => self.acknowledge_known(from, kind, &update, commit, io),
                false => refuse(from, EditRefusal::ReadOnly, io),
            };
        }
        let messages = member.editor().messages_per_edit();
        let sender = Sender { user: &member.user, access: member.access };
        if let Err(denied) = commit.admit(sender, update.len())
            && !self.blocks.brings_nothing(&update)
        {
            metrics::STORING_DENIED.inc();
            self.missing.refused(from, kind, io.now);
            return refuse_for_good(from, denied.into(), &denied, io);
        }
        if !commit.uncommitted.has_room() {
            if !self.blocks.brings_nothing(&update) {
                return self.missing.put_off(from, kind, update.len(), messages);
            }
            let taken = TakenEdit { has_news: false, missing: None };
            return self.on_taken(from, kind, &update, taken, commit, io);
        }
        let source = Source { origin: EditOrigin::Member(from), kind, announced };
        match self.take(&source, &update, commit, io) {
            Ok(taken) => self.on_taken(from, kind, &update, taken, commit, io),
            Err(Refusal::OfAnother { lacking }) => self.ask_for_anothers(from, kind, &lacking, io),
            Err(refusal) => {
                self.missing.refused(from, kind, io.now);
                refuse_for_good(from, EditRefusal::from(&refusal), &refusal, io);
            }
        }
    }

    /// Applies an edit, whoever it is of. What is new is sent to the others and kept for the journal.
    pub fn take(
        &mut self,
        source: &Source<'_>,
        update: &Bytes,
        commit: &mut Commit,
        io: &mut Io,
    ) -> Result<TakenEdit, Refusal> {
        let sender =
            source.origin.sender().filter(|_| source.kind == EditKind::Update).and_then(|id| io.members.get(id));
        let bound = sender.filter(|member| member.access < Access::Admin).map(|member| &member.user);
        let authors = &self.authors;
        let may_write = |client| bound.is_none_or(|user| !is_anothers(authors, source, client, user));
        let Applied { news, lacking } = self.blocks.apply_of(update, may_write)?;
        let has_news = news.is_some();
        if let Some(news) = news {
            self.broadcast_and_keep(news, source, lacking.is_none(), commit, io);
        }
        Ok(TakenEdit { has_news, missing: lacking })
    }

    /// A member's Update went on with another's Yjs client. Nothing of it is taken: whoever pretends to be that client would take the
    /// clocks of what the other typed while away. Who only forwards it gives it back when asked by Step1.
    fn ask_for_anothers(&mut self, from: MemberId, kind: EditKind, lacking: &[(u64, u32)], io: &mut Io) {
        metrics::EDITS_OF_OTHERS.inc();
        log_refusal(from, EditRefusal::OfAnother, EditRefusal::OfAnother.reason(), io);
        let Some(member) = io.members.get(from) else { return };
        self.missing.gap(from, kind, lacking, member.editor().messages_per_edit(), io.now);
    }

    fn on_taken(
        &mut self,
        from: MemberId,
        kind: EditKind,
        update: &Bytes,
        taken: TakenEdit,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        if let Some(clocks) = taken.missing {
            let Some(member) = io.members.get(from) else { return };
            return self.missing.gap(from, kind, &clocks, member.editor().messages_per_edit(), io.now);
        }
        if kind == EditKind::Step2
            && let Some(part) = self.missing.answered(from)
        {
            acknowledge_part(from, part, commit, io);
        }
        if !taken.has_news {
            self.acknowledge_known(from, kind, update, commit, io);
        }
    }

    /// Acknowledges what the document has already, once all of it is committed.
    fn acknowledge_known(&mut self, from: MemberId, kind: EditKind, update: &Bytes, commit: &mut Commit, io: &mut Io) {
        let Some(member) = io.members.get_mut(from) else { return };
        let receipt = match member.editor_mut().receipt_for_known(kind, update) {
            Some(Receipt::Echo(frame)) => self.missing.hold(from, frame).map(Receipt::Echo),
            receipt => receipt,
        };
        if let Some(receipt) = receipt {
            acknowledge_when_settled(from, receipt, commit, io);
        }
    }

    /// Sends an edit to the others at once, and keeps it for the journal. Its author hears after the commit, also where another
    /// forwards it.
    pub(super) fn broadcast_and_keep(
        &mut self,
        news: News,
        source: &Source<'_>,
        is_complete: bool,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        self.on_changed();
        let (sender, kind) = (source.origin.sender(), source.kind);
        let (user, own_client) = match &source.origin {
            EditOrigin::Server { user } => (user, None),
            EditOrigin::Member(id) => {
                let Some(member) = io.members.get(*id) else { return };
                (&member.user, member.own_client)
            }
        };
        let (author, clients) = self.attribute(&news.clients, user, source, own_client);
        let via = (author != *user).then(|| user.clone());
        let is_own = news.clients.iter().all(|client| own_client == Some(*client));
        let owners = if is_own { Vec::new() } else { io.members.owners(&news.clients, sender) };
        let echo = io.broadcast_message(EditorMessage::Update(&news.update), sender, &owners);
        // What is missing comes again with the sender's Step2, and is acknowledged with that.
        let waiting = sender.filter(|_| is_complete);
        // No larger than needed, which is one nearly always: each edit that waits has such a list.
        let mut acknowledgements = Vec::with_capacity(owners.len() + usize::from(waiting.is_some()));
        for to in owners.into_iter().chain(waiting) {
            let editor = io.members.get_mut(to).map(|member| member.editor_mut());
            let receipt = editor.and_then(|editor| editor.receipt(kind, echo.clone()));
            acknowledgements.extend(receipt.map(|receipt| Acknowledgement { to, receipt }));
        }
        let entry = NewEntry { kind: EntryKind::Edit, author, via, key: None, condition: None, body: news.update };
        commit.uncommitted.push(Pending { clients, ..Pending::new(entry, acknowledgements) });
    }

    /// Whose an edit is that `user` brought, and the Yjs clients that are theirs from now on.
    fn attribute(
        &mut self,
        brought: &[u64],
        user: &UserId,
        source: &Source<'_>,
        own_client: Option<u64>,
    ) -> (UserId, Vec<(u64, UserId)>) {
        let known: Vec<_> = brought.iter().map(|client| self.authors.get(client)).collect();
        let author = match known.first() {
            Some(Some(first)) if known.iter().all(|author| *author == Some(first)) => (*first).clone(),
            _ => user.clone(),
        };
        let mut clients = Vec::new();
        for client in brought.iter().copied() {
            // What a Step2 brings of others may come from anyone who saw it; the name waits for its typist.
            let is_brought = source.kind == EditKind::Update || own_client == Some(client);
            if is_brought && !is_anothers(&self.authors, source, client, user) {
                self.authors.entry(client).or_insert_with(|| {
                    clients.push((client, user.clone()));
                    user.clone()
                });
            }
        }
        (author, clients)
    }

    /// Refuses an edit that was too long to be looked at.
    pub fn on_long_edit(&mut self, RefuseLongEdit { from, kind, charge }: RefuseLongEdit, io: &mut Io) {
        let Some(member) = io.credit(from, charge) else { return };
        member.editor_mut().on_unread_edit(kind);
        metrics::EDITS_REFUSED.inc();
        let may_edit = allows(member.access, Action::Edit);
        self.missing.refused(from, kind, io.now);
        refuse(from, if may_edit { EditRefusal::TooLong } else { EditRefusal::ReadOnly }, io);
    }

    /// A Hocuspocus client has sent Step1: it starts its count of what is not saved anew.
    pub fn on_start_count(&mut self, StartCount { from, state_vector, charge }: StartCount, io: &mut Io) {
        let Some(member) = io.credit(from, charge) else { return };
        // What the last one kept is free before this one is asked for.
        member.editor_mut().on_step1(None);
        let payer = allows(member.access, Action::Edit).then(|| Payer::of(&member.user));
        // A state vector that cannot be read ends the document when it is answered.
        let had = Clocks::read(&state_vector).ok().and_then(|clocks| self.states.keep(&clocks, payer));
        member.editor_mut().on_step1(had);
    }

    /// Finds out whether a reader that sent Step1, and was replied to with `reply_bytes`, has changed what it may not change. What it
    /// typed shows in its state vector. What it deleted does not, so it is asked: its answer has all deletions that ours had, and may
    /// be as much longer than a reader's messages.
    pub(super) fn judge_reader(
        &mut self,
        from: MemberId,
        state_vector: &Bytes,
        reply_bytes: usize,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        let Ok(clocks) = Clocks::read(state_vector) else { return };
        let Some(member) = io.members.get_mut(from) else { return };
        if self.blocks.has_all_of(&clocks) && !clocks.is_empty() {
            io.outbound.expect_answer(member.link, from, reply_bytes);
            return self.send_step1(from, io);
        }
        // Stands for the Step2 that would have come. Only a client that counts its messages waits for a word on it.
        member.editor_mut().on_unread_edit(EditKind::Step2);
        if !clocks.is_empty() {
            return refuse(from, EditRefusal::ReadOnly, io);
        }
        if let Some(receipt) = member.editor_mut().receipt_for_known(EditKind::Step2, state_vector) {
            acknowledge_when_settled(from, receipt, commit, io);
        }
    }

    /// Takes an edit that is committed and was not shown: another server's, or the server's own; the clients in it of whom it is not known whose they are.
    pub fn on_foreign_edit(&mut self, update: &Bytes, commit: &mut Commit, io: &mut Io) -> Vec<u64> {
        io.broadcast_message(EditorMessage::Update(update), None, &[]);
        self.snapshots.lengthen(weight(update));
        let clients = match self.blocks.take_stored(update) {
            Ok(clients) => {
                if !commit.uncommitted.is_empty() {
                    self.elsewhere.add(update);
                }
                clients
            }
            Err(reason) => {
                tracing::error!(reason, "a committed edit cannot be taken");
                Default::default()
            }
        };
        self.on_changed();
        self.acknowledge_reached(commit, io);
        clients.into_iter().filter(|client| !self.authors.contains_key(client)).collect()
    }

    /// Drops what waits to be stored and others have stored; who hears of it now. Nothing changes while an append is in flight, which
    /// may have to be repeated as it is.
    pub fn drop_known(&mut self, commit: &mut Commit) -> Behind {
        if self.elsewhere.is_empty() || commit.uncommitted.is_in_flight() {
            return Behind::default();
        }
        let known = std::mem::take(&mut self.elsewhere);
        let Dropped { settled, clients } = commit.uncommitted.keep_rest(|body| known.rest_of(body));
        for client in clients {
            // It is bound with what is typed next, if it is not bound there.
            self.authors.remove(&client);
        }
        settled
    }

    /// Learns whose Yjs clients are, as far as that is not known.
    pub fn learn_authors(&mut self, clients: Vec<(u64, UserId)>) {
        for (client, user) in clients {
            self.authors.entry(client).or_insert(user);
        }
    }

    /// Acknowledges what waited for clocks that the document has reached.
    pub fn acknowledge_reached(&mut self, commit: &mut Commit, io: &mut Io) {
        for (member, part) in self.missing.reached(|clocks| self.blocks.has_reached(clocks)) {
            acknowledge_part(member, part, commit, io);
        }
    }

    /// Asks those for whom it is time for what is missing of them.
    pub fn ask_for_missing(&mut self, commit: &Commit, io: &mut Io) {
        if self.missing.is_empty() {
            return;
        }
        for member in self.missing.take_due(commit.uncommitted.room_left(), io.now) {
            self.send_step1(member, io);
        }
    }

    /// When [`ask_for_missing`](Self::ask_for_missing) may have something to do by the clock alone.
    pub fn missing_due(&self, now: Instant) -> Option<Instant> {
        self.missing.next_due(now)
    }

    /// A member may do something else from now on than before.
    pub fn on_renew(&mut self, id: MemberId, could_edit: bool, may_edit: bool, io: &mut Io) {
        let Some(member) = io.members.get_mut(id) else { return };
        let is_editor = member.json().is_none();
        if !may_edit && let Some(part) = self.missing.forget(id) {
            // It is not asked any more, and its count stays above zero.
            member.editor_mut().on_messages_refused(part.messages());
        }
        if may_edit && !could_edit && is_editor {
            // What was refused meanwhile.
            self.missing.lost(id, EditKind::Update);
            self.send_step1(id, io);
        }
    }

    /// A member has left, whom `link` reached.
    pub fn on_leave(&mut self, id: MemberId, link: usize, io: &mut Io) {
        for ask in self.queue.forget(id) {
            io.outbound.credit(link, id, ask.charge);
        }
        self.missing.forget(id);
    }
}

/// Whether a Yjs client is not this user's: another brought it first or, before anybody has, announced it. A seed has the clients of
/// people who may still be there, and it is not known who.
fn is_anothers(authors: &HashMap<u64, UserId>, source: &Source<'_>, client: u64, user: &UserId) -> bool {
    authors
        .get(&client)
        .map_or_else(|| (source.announced)(client, user), |owner| owner != user && owner.as_str() != SEED_USER)
}

/// Acknowledges what waited for a missing part that is there now.
fn acknowledge_part(of: MemberId, part: MissingPart, commit: &mut Commit, io: &mut Io) {
    for receipt in part.into_receipts() {
        acknowledge_when_settled(of, receipt, commit, io);
    }
}
