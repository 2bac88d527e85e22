//! Presence and typing in one table for all protocols: JSON members see editors by user, editors see JSON users as awareness states.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{AsyncContext, Context};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::auth::Action;
use crate::ids::{MemberId, UserId};
use crate::protocol::json::ServerMessage;
use crate::protocol::{Dialect, Word, awareness};
use crate::room::fanout::relay::Counted;
use crate::room::members::{Member, Members};
use crate::room::presence::awareness::Presence;
use crate::room::presence::roster::Roster;
use crate::room::room::Room;
use crate::wire::Frame;

/// Changes are gathered so long, and then told together.
const GATHER: Duration = Duration::from_millis(100);

impl Room {
    /// The users, as JSON members know them; made when the first of those comes.
    pub(in crate::room) fn roster(&mut self) -> &mut Roster {
        let settings = &self.context.settings;
        let (members, presence) = (&self.members, &self.presence);
        self.roster.get_or_insert_with(|| {
            let mut roster = Roster::new(settings.presence_grace, settings.presence_users_max);
            for member in members.iter() {
                roster.enter(&member.user, &member.name);
            }
            for (user, state) in presence.states() {
                roster.show(user, Some(state));
            }
            Box::new(roster)
        })
    }

    /// Notes that a member came in.
    pub(in crate::room) fn entered(&mut self, id: MemberId, ctx: &mut Context<Self>) {
        self.note(id, Roster::enter, ctx);
    }

    /// Notes that a member has another name.
    pub(in crate::room) fn renamed(&mut self, id: MemberId, ctx: &mut Context<Self>) {
        self.note(id, Roster::rename, ctx);
    }

    fn note(&mut self, id: MemberId, in_roster: fn(&mut Roster, &UserId, &Arc<str>), ctx: &mut Context<Self>) {
        let Some(member) = self.members.get(id) else { return };
        let (user, name) = (member.user.clone(), member.name.clone());
        if let Some(roster) = &mut self.roster {
            in_roster(roster, &user, &name);
        }
        self.stand_in(&user);
        self.arm_people(ctx);
    }

    /// Notes that a member has gone: for good, or it may come back.
    pub(in crate::room) fn gone(&mut self, id: MemberId, gone: &Member, is_for_good: bool, ctx: &mut Context<Self>) {
        let user = &gone.user;
        if self.typing.stop(id).is_some() {
            self.show_typing(user, &gone.name, false);
        }
        if let Some(roster) = &mut self.roster {
            roster.leave(user, is_for_good, Instant::now());
            roster.show(user, shown_by(user, &self.members, &self.presence).as_ref());
        }
        if !self.members.speak(Dialect::Json) && self.roster.as_ref().is_some_and(|roster| roster.next_end().is_none())
        {
            self.roster = None;
        }
        self.stand_in(user);
        self.arm_people(ctx);
    }

    /// A JSON member shows something of itself.
    pub(in crate::room) fn show_state(
        &mut self,
        from: MemberId,
        state: Box<RawValue>,
        request_id: &Option<Box<str>>,
        ctx: &mut Context<Self>,
    ) {
        let Some(member) = self.may(from, Action::ShowPresence, request_id) else { return };
        let user = member.user.clone();
        let state = Bytes::from(Box::<str>::from(state).into_string());
        self.roster().show(&user, Some(&state));
        if let Some(json) = self.members.get_mut(from).and_then(|member| member.json.as_mut()) {
            json.state = Some(state);
        }
        self.stand_in(&user);
        self.done(from, request_id);
        self.arm_people(ctx);
    }

    /// Shows JSON members what an editor has announced of itself.
    pub(in crate::room) fn show_awareness(&mut self, user: &UserId, state: Option<&Bytes>, ctx: &mut Context<Self>) {
        if let Some(roster) = &mut self.roster {
            let left = || shown_by(user, &self.members, &self.presence);
            roster.show(user, state.cloned().or_else(left).as_ref());
        }
        self.stand_in(user);
        self.arm_people(ctx);
    }

    /// A JSON member types, or stops.
    pub(in crate::room) fn type_on(
        &mut self,
        from: MemberId,
        is_typing: bool,
        request_id: &Option<Box<str>>,
        ctx: &mut Context<Self>,
    ) {
        let Some(member) = self.may(from, Action::Signal, request_id) else { return };
        let (user, name) = (member.user.clone(), member.name.clone());
        let changed = match is_typing {
            true => self.typing.start(from, &user, Instant::now()),
            false => self.typing.stop(from).is_some(),
        };
        if changed {
            self.show_typing(&user, &name, is_typing);
        }
        self.done(from, request_id);
        self.arm_people(ctx);
    }

    /// Tells a newcomer who of the others types, in rooms that are not too large for names.
    pub(in crate::room) fn tell_typists(&mut self, to: MemberId) {
        let Some(newcomer) = self.members.get(to) else { return };
        let mut typists = self.typing.typists();
        typists.remove(&newcomer.user);
        let link = newcomer.link;
        for (user, member) in typists.iter().take(self.context.settings.presence_users_max) {
            let Some(typist) = self.members.get(*member) else { continue };
            let frame = self.typing_frame(user, &typist.name, true);
            self.outbound.one(link, to, frame, Counted::Yes);
        }
    }

    /// Tells all other users, and none of the user's own sockets: one may have begun to type and another ended it.
    fn show_typing(&mut self, user: &UserId, name: &str, typing: bool) {
        let frame = self.typing_frame(user, name, typing);
        let own: Vec<MemberId> = self.members.of(Some(user)).into_iter().map(|(_, id)| id).collect();
        self.outbound.all(Dialect::Json, &frame, None, &own);
    }

    fn typing_frame(&self, user: &UserId, name: &str, typing: bool) -> Frame {
        ServerMessage::Typing { room: &self.name, user, name, typing }.frame()
    }

    /// Keeps the awareness state that stands in for a user who has JSON sockets only, so that editors see them.
    fn stand_in(&mut self, user: &UserId) {
        if !self.members.speak(Dialect::Json) && !self.presence.has_stand_ins() {
            return;
        }
        let stand_in = self.members.json_only(user).map(|(id, member)| {
            #[derive(Serialize)]
            struct Shown<'a> {
                name: &'a str,
                id: &'a UserId,
            }
            #[derive(Serialize)]
            struct State<'a> {
                user: Shown<'a>,
                #[serde(skip_serializing_if = "Option::is_none")]
                state: Option<&'a RawValue>,
            }
            let state = member.json.as_ref().and_then(|json| json.state.as_ref());
            let state = state.and_then(|state| serde_json::from_slice(state).ok());
            let state = State { user: Shown { name: &member.name, id: user }, state };
            (id, Bytes::from(serde_json::to_vec(&state).unwrap_or_default()))
        });
        let news = self.presence.stand_in(user, stand_in, rand::random::<u32>, Instant::now());
        if !news.is_empty() {
            self.say_to_all(Word::Awareness(&awareness::encode(news.iter())), None, &[]);
        }
    }

    /// Arms the timer for what presence and typing do by themselves.
    fn arm_people(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let gathered = self.roster.as_ref().filter(|roster| roster.has_changed()).map(|_| now + GATHER);
        let ends = [self.typing.next_end(), self.roster.as_ref().and_then(|roster| roster.next_end()), gathered];
        let Some(due) = ends.into_iter().flatten().min() else { return };
        if self.people_timer.as_ref().is_some_and(|(armed, _)| *armed <= due) {
            return;
        }
        if let Some((_, timer)) = self.people_timer.take() {
            ctx.cancel_future(timer);
        }
        let timer = ctx.run_later(due.saturating_duration_since(now), |room, ctx| {
            room.people_timer = None;
            room.tell_people();
            room.arm_people(ctx);
            room.end_turn(ctx);
        });
        self.people_timer = Some((due, timer));
    }

    fn tell_people(&mut self) {
        let now = Instant::now();
        for (id, user) in self.typing.expire(now) {
            let Some(name) = self.members.get(id).map(|member| member.name.clone()) else { continue };
            self.show_typing(&user, &name, false);
        }
        let Some(roster) = &mut self.roster else { return };
        roster.expire(now);
        if let Some(frame) = roster.diff_frame(&self.name) {
            self.outbound.all(Dialect::Json, &frame, None, &[]);
        }
    }
}

/// What a user still shows of themselves, when one of their states has gone.
fn shown_by(user: &UserId, members: &Members, presence: &Presence) -> Option<Bytes> {
    let own = members.json_only(user).and_then(|(_, member)| member.json.as_ref()?.state.clone());
    own.or_else(|| presence.states().find(|(owner, _)| *owner == user).map(|(_, state)| state.clone()))
}
