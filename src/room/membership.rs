//! What members ask of a room besides editing: to come in and leave, who is there.

use std::time::Instant;

use crate::auth::{Action, allows};
use crate::ids::MemberId;
use crate::protocol::awareness::Entry;
use crate::protocol::hocuspocus::SyncCount;
use crate::protocol::{CloseCode, Dialect, EditKind, Word, awareness, yjs};
use crate::room::document::refusals::Logged;
use crate::room::document::saved_questions::Questions;
use crate::room::fanout::relay::Counted;
use crate::room::members::Member;
use crate::room::messages::{AskAwareness, Awareness, Join, Leave, Renew};
use crate::room::presence::awareness::PresenceError;
use crate::room::room::{Phase, Room};
use actix::Context;

impl Room {
    /// Adds a member and sends it the joining state.
    pub(super) fn join(&mut self, join: Join, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Failed) {
            return self.refuse(&join);
        }
        let link = self.outbound.link(&join.relay);
        let Join { lease, member: id, dialect, user, name, access, json: join_json, .. } = join;
        tracing::debug!(room.name = %self.name, member.id = %id, user.id = %user, "joined");
        // A reader has nothing to give, and its answer could be longer than it may send.
        let is_asked = dialect == Dialect::Yjs && allows(access, Action::Edit);
        let member = Member {
            link,
            dialect,
            user,
            name,
            access,
            own_client: None,
            sync: SyncCount::default(),
            began_with: None,
            logged: Logged::default(),
            questions: Questions::new(is_asked),
            json: join_json.is_some().then(Box::default),
        };
        self.members.insert(id, member);
        self.entered(id, ctx);
        match (dialect, join_json) {
            (Dialect::Json, join) => self.join_json(id, *join.unwrap_or_default(), ctx),
            (dialect, _) => {
                self.outbound.attach(link, id, dialect);
                if is_asked {
                    self.ask(id);
                }
                self.outbound.let_in(link, id);
                self.show_presence(id);
            }
        }
        drop(lease);
    }

    /// Removes a member, and shows that it left.
    pub(super) fn leave(&mut self, Leave { from, is_for_good }: Leave, ctx: &mut Context<Self>) {
        if let Some(member) = self.members.remove(from) {
            tracing::debug!(room.name = %self.name, member.id = %from, user.id = %member.user, "left");
            self.outbound.detach(member.link, from);
            self.asks.forget(from);
            self.lacks.forget(from);
            let removals = self.presence.leave(from, Instant::now());
            if !removals.is_empty() {
                self.say_to_all(Word::Awareness(&awareness::encode(removals.iter())), None, &[]);
            }
            self.gone(from, &member, is_for_good, ctx);
        }
        self.arm_idle(ctx);
    }

    /// Lets a member do what its renewed token allows, and calls it as that does.
    pub(super) fn renew(&mut self, Renew { member: id, access, name }: Renew, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(id) else { return };
        let (could_edit, may_edit) = (allows(member.access, Action::Edit), allows(access, Action::Edit));
        let dialect = member.dialect;
        member.access = access;
        if !may_edit && let Some(lack) = self.lacks.forget(id) {
            // It is not asked any more, and its count stays above zero.
            member.sync.refuse(lack.messages());
        }
        if member.name != name {
            member.name = name;
            self.renamed(id, ctx);
        }
        if may_edit && !could_edit && dialect != Dialect::Json {
            // What was refused meanwhile.
            self.lacks.lost(id, EditKind::Update);
            self.ask(id);
        }
    }

    /// Shows what is news of a member's awareness entries.
    pub(super) fn awareness(&mut self, message: Awareness, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(message.from) else {
            return;
        };
        let (from, link) = (message.from, member.link);
        self.outbound.credit(link, from, message.charge);
        if !allows(member.access, Action::ShowPresence) {
            return;
        }
        let entries = match awareness::decode(&message.entries) {
            Ok(entries) => entries,
            Err(error) => {
                return self.outbound.close(link, from, CloseCode::EditRefused, error.to_string());
            }
        };
        if member.own_client.is_none()
            && let [own] = &entries[..]
        {
            member.own_client = Some(own.client);
        }
        match self.presence.take(from, &member.user, member.own_client, entries, Instant::now()) {
            Ok(change) => {
                let user = member.user.clone();
                if let Some(newest) = change.news.last() {
                    self.show_awareness(&user, newest.state.as_ref(), ctx);
                }
                self.show_announced(from, change.news, ctx);
                self.show_entries(from, &change.dropped);
                for (owner, raised) in change.renew {
                    let raised = awareness::encode([&raised].into_iter());
                    self.say_to(owner, Word::Awareness(&raised), Counted::Yes);
                }
            }
            // What no Yjs client sends.
            Err(error @ PresenceError::NotJson) => {
                self.outbound.close(link, from, CloseCode::EditRefused, error.to_string());
            }
            // The connection is still good for typing.
            Err(error) if member.dialect == Dialect::Yjs => {
                self.outbound.one(link, from, yjs::denied(&error.to_string()), Counted::Yes);
            }
            // Here nothing but its own document would hear of it.
            Err(error) => tracing::debug!(room.name = %self.name, member.id = %from, %error, "awareness refused"),
        }
    }

    /// Answers with all awareness states.
    pub(super) fn ask_awareness(&mut self, ask: AskAwareness) {
        let Some(member) = self.members.get(ask.from) else {
            return;
        };
        self.outbound.credit(member.link, ask.from, ask.charge);
        if self.presence.entries().len() == 0 {
            let nobody = awareness::encode([].iter());
            return self.say_to(ask.from, Word::Awareness(&nobody), Counted::Yes);
        }
        self.show_presence(ask.from);
    }

    /// Sends all states to one member.
    fn show_presence(&mut self, to: MemberId) {
        if self.members.get(to).is_none_or(|member| member.dialect == Dialect::Json) {
            return;
        }
        let entries: Vec<_> = self.presence.entries().cloned().collect();
        self.show_entries(to, &entries);
    }

    /// Sends states to one member, in frames small enough for a reader to send back.
    fn show_entries(&mut self, to: MemberId, entries: &[Entry]) {
        for chunk in awareness::chunks(entries) {
            self.say_to(to, Word::Awareness(&chunk), Counted::Yes);
        }
    }
}
