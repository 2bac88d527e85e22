//! How members come in, leave, and go on with a renewed token.

use actix::Context;

use super::members::{ClientState, LoggedRefusals, Member};
use super::messages::{Join, Leave, Renew};
use super::room::{Parts, Phase, Room};
use crate::auth::{Action, Rights, allows};
use crate::ids::UserId;
use crate::protocol::Dialect;

impl Room {
    /// Adds a member and sends it the joining state.
    pub(super) fn on_join(&mut self, join: Join) {
        if !matches!(self.phase, Phase::Live(_)) {
            return self.refuse_join(join);
        }
        self.had_members = true;
        self.tell_of(&join.user.clone(), &join.name.clone(), true);
        let Some((document, Parts { presence, timeline, commit, mut io })) = self.live() else { return };
        let io = &mut io;
        let Join { lease, seat, dialect, user, name, rights: Rights { access, looks_back }, json } = join;
        let (id, link) = (seat.member(), io.outbound.link(seat.relay()));
        tracing::debug!(member.id = %id, user.id = %user, "joined");
        let may_edit = allows(access, Action::Edit);
        if may_edit {
            commit.expect(&user);
        }
        let client = ClientState::new(dialect, may_edit);
        let logged = LoggedRefusals::default();
        let (own_client, awareness_asked) = (None, None);
        let member = Member { link, client, user, name, access, looks_back, own_client, awareness_asked, logged };
        // A reader has nothing to give, and its answer could be longer than it may send.
        let is_asked = may_edit && member.editor().is_asked_on_join();
        io.members.insert(id, member);
        seat.decide();
        presence.on_join(id, io);
        if dialect == Dialect::Json {
            timeline.on_join(id, *json.unwrap_or_default(), presence, commit, io);
        } else {
            io.outbound.attach(link, id, dialect);
            if is_asked {
                document.send_step1(id, io);
            }
            io.outbound.let_in(link, id);
            presence.send_awareness(id, io);
        }
        drop(lease);
    }

    /// Removes a member, and shows that it left.
    pub(super) fn on_leave(&mut self, Leave { from, is_for_good }: Leave, ctx: &mut Context<Self>) {
        if let Some((document, Parts { presence, mut io, .. })) = self.live()
            && let Some(member) = io.members.remove(from)
        {
            tracing::debug!(member.id = %from, user.id = %member.user, "left");
            io.outbound.detach(member.link, from);
            document.on_leave(from, member.link, &mut io);
            presence.on_leave(from, &member, is_for_good, &mut io);
            self.tell_of(&member.user, &member.name, false);
        }
        self.arm_idle(ctx);
    }

    /// Tells the application's back end of a user who comes with the first socket or has gone with the last one.
    fn tell_of(&self, user: &UserId, name: &str, is_here: bool) {
        if !self.members.have(user) && !self.presence.is_elsewhere(user) {
            self.context.back_end.events.tell_presence(&self.name, user, name, is_here);
        }
    }

    /// Lets a member do what its renewed token allows, and calls it as that does.
    pub(super) fn on_renew(&mut self, Renew { member: id, rights, name }: Renew) {
        let Some((document, Parts { presence, timeline, mut io, .. })) = self.live() else { return };
        let Rights { access, looks_back } = rights;
        let Some(member) = io.members.get_mut(id) else { return };
        let (could_edit, may_edit) = (allows(member.access, Action::Edit), allows(access, Action::Edit));
        (member.access, member.looks_back) = (access, looks_back);
        if let Some(json) = member.json_mut().filter(|_| !looks_back) {
            json.edits_after = timeline.head().max(json.edits_after);
        }
        if member.name != name {
            member.name = name;
            presence.on_rename(id, &mut io);
        }
        document.on_renew(id, could_edit, may_edit, &mut io);
    }
}
