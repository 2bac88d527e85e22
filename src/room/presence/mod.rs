//! Who is in a room and what they show of themselves, in one table for all protocols: JSON members see editors by user, editors see
//! JSON users as awareness states. Knows neither the document nor the timeline.

mod absent;
mod awareness;
mod batch;
mod elsewhere;
mod roster;
#[cfg(test)]
mod tests;
mod typing;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::io::Io;
use super::members::{Member, Members};
use super::messages::{AskAwareness, UpdateAwareness};
use crate::auth::{Action, allows};
use crate::bus::{AbsentUser, Part, RoomState, SharedState, SharedUser};
use crate::ids::{MemberId, UserId};
use crate::protocol::awareness::{Entry, chunks, decode, encode};
use crate::protocol::json::{ServerMessage, UserPresence};
use crate::protocol::{CloseCode, Dialect, EditorMessage};
use crate::rate::{Bucket, Rate};
use crate::wire::Frame;

use absent::Absent;
use awareness::{Announced, AwarenessError, AwarenessStates};
use batch::{AwarenessBatch, Crowd};
use elsewhere::{Others, ToTell, shared_state};
use roster::Roster;
use typing::Typing;

/// Changes are gathered so long, and then sent together.
const GATHER: Duration = Duration::from_millis(100);
/// How often a member may ask for all awareness: answers of this size.
const ANSWER_RATE: Rate = Rate { per_second: 64.0, burst: 512.0 };
const ANSWER_BYTES: usize = 16 * 1024;
/// How often [`Presence::sweep`] is to be called.
pub const SWEEP: Duration = Duration::from_secs(10);

/// The presence of one room.
pub struct Presence {
    awareness: AwarenessStates,
    /// Awareness that is sent in a moment.
    batch: AwarenessBatch,
    /// The users, while JSON members want to know.
    roster: Option<Box<Roster>>,
    typing: Typing,
    /// Those who ask for awareness too often, and are answered at the next sweep.
    put_off: HashSet<MemberId>,
    /// Who is on other servers.
    others: Others,
    /// Who has no socket any more, here or elsewhere, and may come back.
    absent: Absent,
    /// What other servers are to be told.
    to_tell: ToTell,
    /// When [`on_due`](Self::on_due) has something to do.
    due: Option<Instant>,
}

impl Presence {
    /// Of a room that starts at `now`, whose awareness states may hold `awareness_bytes_max`.
    pub fn new(awareness_bytes_max: usize, now: Instant) -> Self {
        Self {
            awareness: AwarenessStates::new(awareness_bytes_max, now),
            batch: AwarenessBatch::default(),
            roster: None,
            typing: Typing::default(),
            put_off: HashSet::new(),
            others: Others::default(),
            absent: Absent::default(),
            to_tell: ToTell::default(),
            due: None,
        }
    }

    /// A member came in.
    pub fn on_join(&mut self, id: MemberId, io: &mut Io) {
        if let Some(member) = io.members.get(id) {
            self.absent.remove(&member.user);
        }
        self.note(id, Roster::enter, io);
    }

    /// A member has another name.
    pub fn on_rename(&mut self, id: MemberId, io: &mut Io) {
        self.note(id, Roster::rename, io);
    }

    fn note(&mut self, id: MemberId, in_roster: fn(&mut Roster, &UserId, &Arc<str>), io: &mut Io) {
        let Some(member) = io.members.get(id) else { return };
        let (user, name) = (member.user.clone(), member.name.clone());
        if let Some(roster) = &mut self.roster {
            in_roster(roster, &user, &name);
        }
        self.update_placeholder(&user, io);
        self.tell_user(&user, false, io);
        self.plan(io.now);
    }

    /// A member has gone: for good, or it may come back.
    pub fn on_leave(&mut self, id: MemberId, gone: &Member, is_for_good: bool, io: &mut Io) {
        self.put_off.remove(&id);
        self.batch.leave(id);
        let removals = self.awareness.leave(id, io.now);
        self.batch.forget(&removals);
        broadcast_entries(&removals, None, io);
        let user = &gone.user;
        self.tell_states(&removals, io);
        if self.typing.stop(id).is_some() {
            self.broadcast_typing(user, &gone.name, false, io);
        }
        self.tell_user(user, is_for_good, io);
        self.note_departed(user, &gone.name, None, is_for_good, io);
        if let Some(roster) = &mut self.roster {
            roster.leave(user, is_for_good, io.now);
            let state = current_state(user, io.members, &self.awareness, &self.others);
            roster.set_state(user, state.as_ref());
        }
        if !io.members.speak(Dialect::Json) && self.roster.as_ref().is_some_and(|roster| roster.next_end().is_none()) {
            self.roster = None;
        }
        self.update_placeholder(user, io);
        self.plan(io.now);
    }

    /// A socket of a user has come or gone, here or on the server `at`.
    fn note_departed(&mut self, user: &UserId, name: &Arc<str>, at: Option<Uuid>, is_for_good: bool, io: &Io) {
        match self.is_here(user, io) || is_for_good {
            true => self.absent.remove(user),
            false => self.absent.add(user, name, io.now, at),
        }
    }

    fn is_here(&self, user: &UserId, io: &Io) -> bool {
        self.others.have(user) || io.members.have(user)
    }

    /// Whether somebody else than `user` announced a Yjs client first as their own, and has it or has left.
    pub fn is_anothers(&self, client: u64, user: &UserId) -> bool {
        self.awareness.typist(client).is_some_and(|typist| typist != user)
    }

    /// An editor announces awareness entries, or sends back what it was sent. Whether any is news.
    pub fn on_awareness(&mut self, message: UpdateAwareness, io: &mut Io) -> bool {
        let from = message.from;
        let Some(member) = io.credit(from, message.charge) else { return false };
        if !allows(member.access, Action::ShowPresence) {
            return false;
        }
        let entries = match decode(&message.entries) {
            Ok(entries) => entries,
            Err(error) => {
                io.close(from, CloseCode::EditRefused, error.to_string());
                return false;
            }
        };
        if member.own_client.is_none()
            && let [own] = &entries[..]
        {
            member.own_client = Some(own.client);
        }
        let user = member.user.clone();
        let change = self.awareness.take(from, &user, member.own_client, entries, io.now);
        if let Some(newest) = change.news.last() {
            self.on_editor_state(&user, newest.state.as_ref(), io);
        }
        self.tell_states(&change.news, io);
        let is_news = !change.news.is_empty();
        self.show(change.news, Some(from), io);
        send_entries(from, &change.dropped, io);
        send_raised(change.renew, io);
        if let Some(error) = change.refused {
            refuse_awareness(from, error, io);
        }
        is_news
    }

    /// Shows editors what has changed; gathered in a large room, and where a member shows more than can be seen.
    fn show(&mut self, news: Vec<Entry>, from: Option<MemberId>, io: &mut Io) {
        let news = self.batch.add(news, self.crowd(io), from, io.now);
        broadcast_entries(&news, from, io);
    }

    /// Shows JSON members what an editor has announced of itself.
    fn on_editor_state(&mut self, user: &UserId, state: Option<&Bytes>, io: &mut Io) {
        if let Some(roster) = &mut self.roster {
            let left = || current_state(user, io.members, &self.awareness, &self.others);
            roster.set_state(user, state.cloned().or_else(left).as_ref());
        }
        self.update_placeholder(user, io);
        self.plan(io.now);
    }

    /// An editor asks for all awareness states.
    pub fn on_ask_awareness(&mut self, ask: AskAwareness, io: &mut Io) {
        if io.credit(ask.from, ask.charge).is_none() {
            return;
        }
        if self.awareness.entries().len() == 0 {
            return io.send_message(ask.from, EditorMessage::Awareness(&encode([].iter())));
        }
        // As much as it would send in as many answers.
        let weight = 1 + self.awareness.bytes() / ANSWER_BYTES;
        let Some(member) = io.members.get_mut(ask.from) else { return };
        let asked = member.awareness_asked.get_or_insert_with(|| Bucket::new(ANSWER_RATE, io.now));
        match asked.take_many(weight, ANSWER_RATE, io.now) {
            Ok(()) => self.send_awareness(ask.from, io),
            // All that it has asked meanwhile is answered by one.
            Err(_) => drop(self.put_off.insert(ask.from)),
        }
    }

    /// Sends an editor all awareness states.
    pub fn send_awareness(&self, to: MemberId, io: &mut Io) {
        let entries: Vec<_> = self.awareness.entries().cloned().collect();
        send_entries(to, &entries, io);
    }

    /// A JSON member shows something of itself.
    pub fn on_state(&mut self, from: MemberId, state: Box<RawValue>, request_id: &Option<Box<str>>, io: &mut Io) {
        let Some(member) = io.permitted(from, Action::ShowPresence, request_id) else { return };
        let user = member.user.clone();
        let state = Bytes::from(Box::<str>::from(state).into_string());
        self.roster(io).set_state(&user, Some(&state));
        io.members.set_state(from, state);
        self.update_placeholder(&user, io);
        self.tell_user(&user, false, io);
        io.send_done(from, request_id);
        self.plan(io.now);
    }

    /// A JSON member types, or stops.
    pub fn on_typing(&mut self, from: MemberId, is_typing: bool, request_id: &Option<Box<str>>, io: &mut Io) {
        let Some(member) = io.permitted(from, Action::Signal, request_id) else { return };
        let (user, name) = (member.user.clone(), member.name.clone());
        let changed = match is_typing {
            true => self.typing.start(from, &user, io.now),
            false => self.typing.stop(from).is_some(),
        };
        if changed {
            self.broadcast_typing(&user, &name, is_typing, io);
        } else if is_typing && io.elsewhere.is_shared {
            // It goes on there, too.
            self.to_tell.add_typing(&user, &name, true, io.now);
        }
        io.send_done(from, request_id);
        self.plan(io.now);
    }

    /// The users who are connected, as a JSON member that joins is told.
    pub fn users(&mut self, io: &Io) -> Vec<UserPresence> {
        self.roster(io).members()
    }

    /// Sends a JSON member who is there and who of the others types; of them no more than are told by name.
    pub fn send_state(&mut self, to: MemberId, io: &mut Io) {
        let frame = self.roster(io).state_frame(io.name);
        io.send_joining(to, frame);
        self.plan(io.now);
        let Some(newcomer) = io.members.get(to) else { return };
        let mut typists = self.typing.typists();
        typists.remove(&newcomer.user);
        for (user, member) in typists.iter().take(io.settings.presence_users_max) {
            let Some(typist) = io.members.get(*member) else { continue };
            let frame = typing_frame(user, &typist.name, true, io);
            io.send(to, frame);
        }
        for (user, name) in self.others.typists().iter().take(io.settings.presence_users_max) {
            if !typists.contains_key(user) {
                let frame = typing_frame(user, name, true, io);
                io.send(to, frame);
            }
        }
    }

    /// The users, as JSON members know them; made when the first of those comes.
    fn roster(&mut self, io: &Io) -> &mut Roster {
        self.roster.get_or_insert_with(|| {
            let mut roster = Roster::new(io.settings.presence_grace, io.settings.presence_users_max);
            for member in io.members.iter() {
                roster.enter(&member.user, &member.name);
            }
            for (server, user) in self.others.users() {
                roster.set_elsewhere(server, &user.user, &user.name.as_str().into(), user.sockets, false, io.now);
                let state = user.state.as_ref().map(|state| Bytes::from(state.clone()));
                roster.set_state(&user.user, state.as_ref());
            }
            for (user, state) in self.awareness.states() {
                roster.set_state(user, Some(state));
            }
            for (user, name, gone) in self.absent.all() {
                roster.expect(user, name, gone, io.now);
            }
            roster.begin();
            Box::new(roster)
        })
    }

    /// Keeps the awareness state that stands in for a user who has JSON sockets only, so that editors see them.
    fn update_placeholder(&mut self, user: &UserId, io: &mut Io) {
        if !io.members.speak(Dialect::Json) && !self.awareness.has_placeholders() {
            return;
        }
        let placeholder = io.members.json_only(user).map(|(id, member)| (id, placeholder_state(user, member)));
        let news = self.awareness.set_placeholder(user, placeholder, rand::random::<u32>, io.now);
        self.tell_states(&news, io);
        self.show(news, None, io);
    }

    /// Forgets what nobody renews, and renews the states that stand in for users without an editor.
    pub fn sweep(&mut self, io: &mut Io) {
        self.absent.expire(io.settings.presence_grace, io.now);
        for member in std::mem::take(&mut self.put_off) {
            self.send_awareness(member, io);
        }
        let renewed = self.awareness.sweep(io.now);
        broadcast_entries(&renewed, None, io);
        self.tell_states(&renewed, io);
    }

    /// Finds out when presence and typing next do something by themselves.
    fn plan(&mut self, now: Instant) {
        let gathered = self.roster.as_ref().filter(|roster| roster.has_changed()).map(|_| now + GATHER);
        let ends = [
            self.typing.next_end(),
            self.others.next_end(),
            self.roster.as_ref().and_then(|roster| roster.next_end()),
            gathered,
        ];
        let due = ends.into_iter().flatten().min();
        // What is planned already is not put off.
        self.due = self.due.into_iter().chain(due).min();
    }

    /// When [`on_due`](Self::on_due) is to be called.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Sends what has changed, and ends what nobody renewed.
    pub fn on_due(&mut self, io: &mut Io) {
        self.due = None;
        for (id, user) in self.typing.expire(io.now) {
            let Some(name) = io.members.get(id).map(|member| member.name.clone()) else { continue };
            self.broadcast_typing(&user, &name, false, io);
        }
        for (user, name) in self.others.end_typing(None, io.now) {
            self.show_typing(&user, &name, false, io);
        }
        if let Some(roster) = &mut self.roster {
            roster.expire(io.now);
            if let Some(frame) = roster.diff_frame(io.name) {
                io.broadcast_json(&frame, None);
            }
        }
        self.plan(io.now);
    }

    /// Tells all other users here, and other servers, that a user types or has stopped.
    fn broadcast_typing(&mut self, user: &UserId, name: &str, typing: bool, io: &mut Io) {
        if io.elsewhere.is_shared {
            self.to_tell.add_typing(user, name, typing, io.now);
        }
        self.show_typing(user, name, typing, io);
    }

    /// Tells all other users here, unless the user goes on typing elsewhere, or does so already.
    fn show_typing(&self, user: &UserId, name: &str, typing: bool, io: &mut Io) {
        let (there, here) = (self.others.is_typing(user), self.typing.is_typing(user));
        let is_known = if typing { there && here } else { there || here };
        if !is_known {
            broadcast_typing(user, name, typing, io);
        }
    }

    fn tell_user(&mut self, user: &UserId, is_for_good: bool, io: &Io) {
        if io.elsewhere.is_shared {
            self.to_tell.add_user(user, is_for_good, io.now);
        }
    }

    fn tell_states(&mut self, states: &[Entry], io: &Io) {
        if io.elsewhere.is_shared {
            let announced = states.iter().map(|entry| self.awareness.as_announced(entry));
            self.to_tell.add_states(announced, io.now);
        }
    }

    /// Whether a user is in the room on another server.
    pub fn is_elsewhere(&self, user: &UserId) -> bool {
        self.others.have(user)
    }

    /// Whether anybody is.
    pub fn is_anybody_elsewhere(&self) -> bool {
        self.others.users().next().is_some()
    }

    /// When [`take_to_tell`](Self::take_to_tell) is to be called.
    pub fn to_tell_due(&self) -> Option<Instant> {
        self.to_tell.due()
    }

    /// Takes out what other servers are to be told, and whether it may be lost.
    pub fn take_to_tell(&mut self, members: &Members) -> (RoomState, bool) {
        self.to_tell.take(|user| shared_user(user, members))
    }

    /// Who is here and what they show, for a server that knows nothing of it.
    pub fn whole_state(&self, members: &Members) -> RoomState {
        let users = members.users().into_iter().map(|user| shared_user(&user.user, members)).collect();
        let states = self.awareness.own().map(shared_state).collect();
        let typists = self.typing.typists().into_iter();
        let typing = typists.filter_map(|(user, id)| Some((user, members.get(id)?.name.to_string(), true))).collect();
        RoomState { users, states, typing }
    }

    /// How many see what is shown here, on all servers.
    fn crowd(&self, io: &Io) -> Crowd {
        Crowd { members: io.members.count() + self.others.sockets(), servers: 1 + self.others.servers() }
    }

    /// A server tells a part of who is there and what they show; all of it, once it is complete.
    pub fn gather(&mut self, server: Uuid, part: Part, state: RoomState) -> Option<RoomState> {
        self.others.gather(server, part, state)
    }

    /// A server tells who is there and what they show: all of it, or what has changed.
    pub fn on_server_state(&mut self, server: Uuid, state: RoomState, is_all: bool, io: &mut Io) {
        self.take_state(server, state, if is_all { Scope::Whole } else { Scope::Change }, io);
    }

    fn take_state(&mut self, server: Uuid, state: RoomState, scope: Scope, io: &mut Io) {
        let RoomState { users, states, typing } = state;
        let mut news = Vec::new();
        if scope != Scope::Change {
            let there = states.iter().map(|state| state.client).collect();
            news = self.awareness.leave_elsewhere(server, &there, io.now);
            let gone = self.others.missing(server, &users);
            self.take_users(server, gone, scope, io);
        }
        let announced = |state: SharedState| {
            let SharedState { client, clock, user, state, is_placeholder } = state;
            Announced { entry: Entry { client, clock, state: state.map(Bytes::from) }, user, is_placeholder }
        };
        let states: Vec<Announced> = states.into_iter().map(announced).collect();
        let own = states.iter().filter(|state| !state.is_placeholder && state.entry.state.is_some());
        let owners: Vec<_> = own.map(|state| (state.user.clone(), state.entry.state.clone())).collect();
        let change = self.awareness.take_elsewhere(server, states, io.now);
        self.tell_states(&change.dropped, io);
        send_raised(change.renew, io);
        news.extend(change.news);
        self.take_users(server, users, Scope::Change, io);
        for (user, state) in owners {
            self.on_editor_state(&user, state.as_ref(), io);
        }
        // Servers gather what they tell.
        let news = self.batch.add(news, self.crowd(io), None, io.now);
        for chunk in chunks(&news) {
            io.broadcast_message(EditorMessage::Awareness(&chunk), None, &[]);
        }
        for (user, name, is_typing) in typing {
            let was_typing = self.typing.is_typing(&user);
            if self.others.take_typing(server, &user, &name, is_typing, io.now) && !was_typing {
                broadcast_typing(&user, &name, is_typing, io);
            }
        }
        self.plan(io.now);
    }

    /// Who has dropped and may come back, as a server is told that knows nothing of it.
    pub fn absent(&self, to: Uuid, now: Instant) -> Vec<AbsentUser> {
        self.absent.told(Some(to), now)
    }

    /// All who may come back elsewhere when this server stops; those who are here drop `within` that time.
    pub fn leaving(&self, members: &Members, within: Duration, now: Instant) -> Vec<AbsentUser> {
        let gone_ms = -i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let here = members.users().into_iter();
        let here = here.map(|user| AbsentUser { user: user.user, name: user.name.to_string(), gone_ms });
        here.chain(self.absent.told(None, now)).collect()
    }

    /// Of these users a server tells that they have dropped and may come back.
    pub fn on_absent(&mut self, users: Vec<AbsentUser>, io: &mut Io) {
        let since = |gone_ms: i64| {
            let time = Duration::from_millis(gone_ms.unsigned_abs());
            if gone_ms < 0 { io.now.checked_add(time) } else { io.now.checked_sub(time) }
        };
        let known = users.into_iter().filter_map(|user| Some((since(user.gone_ms)?, user)));
        for (gone, AbsentUser { user, name, .. }) in known.collect::<Vec<_>>() {
            if io.now.duration_since(gone) < io.settings.presence_grace && !self.is_here(&user, io) {
                let name = name.into();
                self.absent.add(&user, &name, gone, None);
                if let Some(roster) = &mut self.roster {
                    roster.expect(&user, &name, gone, io.now);
                }
            }
        }
        self.plan(io.now);
    }

    fn take_users(&mut self, server: Uuid, users: Vec<SharedUser>, scope: Scope, io: &mut Io) {
        for user in users {
            let was_there = self.others.take_user(server, &user);
            let SharedUser { user, name, sockets, is_for_good, .. } = user;
            let name = name.into();
            // When those have dropped who are only missing is known there, and not here: nobody is told.
            if (was_there || sockets > 0) && (scope != Scope::Whole || self.is_here(&user, io)) {
                self.note_departed(&user, &name, Some(server), is_for_good, io);
            }
            if let Some(roster) = &mut self.roster {
                roster.set_elsewhere(server, &user, &name, sockets, is_for_good, io.now);
                let state = current_state(&user, io.members, &self.awareness, &self.others);
                roster.set_state(&user, state.as_ref());
            }
        }
    }

    /// A server has gone, or the room does not live there any more: its users may come back here or elsewhere.
    pub fn on_server_left(&mut self, server: Uuid, io: &mut Io) {
        self.take_state(server, RoomState::default(), Scope::Gone, io);
        for (user, name) in self.others.end_typing(Some(server), io.now) {
            self.show_typing(&user, &name, false, io);
        }
        self.others.forget(server);
    }

    /// When [`send_batch`](Self::send_batch) is to be called.
    pub fn batch_due(&self) -> Option<Instant> {
        self.batch.due()
    }

    /// Sends what was gathered of awareness. Who announced it ignores it by its clock.
    pub fn send_batch(&mut self, io: &mut Io) {
        for chunk in chunks(&self.batch.take()) {
            io.broadcast_message(EditorMessage::Awareness(&chunk), None, &[]);
        }
    }
}

/// What a server's state tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// What has changed.
    Change,
    /// All that is there: what it leaves out has gone.
    Whole,
    /// Nothing: the server is gone, or the room does not live there any more.
    Gone,
}

fn broadcast_entries(entries: &[Entry], sender: Option<MemberId>, io: &mut Io) {
    if !entries.is_empty() {
        io.broadcast_message(EditorMessage::Awareness(&encode(entries.iter())), sender, &[]);
    }
}

/// Sends states to one member, in frames small enough for a reader to send back.
fn send_entries(to: MemberId, entries: &[Entry], io: &mut Io) {
    for chunk in chunks(entries) {
        io.send_joining_message(to, EditorMessage::Awareness(&chunk));
    }
}

/// Sends states with raised clocks to their owners, who take the clocks over.
fn send_raised(renew: Vec<(MemberId, Entry)>, io: &mut Io) {
    for (owner, raised) in renew {
        io.send_message(owner, EditorMessage::Awareness(&encode([&raised].into_iter())));
    }
}

fn refuse_awareness(from: MemberId, error: AwarenessError, io: &mut Io) {
    if error == AwarenessError::NotJson {
        // What no Yjs client sends.
        return io.close(from, CloseCode::EditRefused, error.to_string());
    }
    // The connection is still good for typing.
    let Some(member) = io.members.get(from) else { return };
    match member.editor().awareness_refused(&error.to_string()) {
        Some(frame) => io.send(from, frame),
        None => tracing::debug!(member.id = %from, %error, "awareness refused"),
    }
}

/// Tells all other users, and none of the user's own sockets: one may have begun to type and another ended it.
fn broadcast_typing(user: &UserId, name: &str, typing: bool, io: &mut Io) {
    let frame = typing_frame(user, name, typing, io);
    let own: Vec<MemberId> = io.members.of(Some(user)).into_iter().map(|(_, id)| id).collect();
    io.outbound.broadcast(Dialect::Json, &frame, None, &own);
}

fn typing_frame(user: &UserId, name: &str, typing: bool, io: &Io) -> Frame {
    ServerMessage::Typing { room: io.name, user, name, typing }.frame()
}

/// The awareness state of a user who has JSON sockets only.
fn placeholder_state(user: &UserId, member: &Member) -> Bytes {
    #[derive(Serialize)]
    struct Named<'a> {
        name: &'a str,
        id: &'a UserId,
    }
    #[derive(Serialize)]
    struct Placeholder<'a> {
        user: Named<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<&'a RawValue>,
    }
    let state = member.json().and_then(|json| json.state.as_ref());
    let state = state.and_then(|state| serde_json::from_slice(state).ok());
    let placeholder = Placeholder { user: Named { name: &member.name, id: user }, state };
    Bytes::from(serde_json::to_vec(&placeholder).unwrap_or_default())
}

/// What a user still shows of themselves, when one of their states has gone.
fn current_state(user: &UserId, members: &Members, awareness: &AwarenessStates, others: &Others) -> Option<Bytes> {
    let own = members.json_only(user).and_then(|(_, member)| member.json()?.state.clone());
    own.or_else(|| awareness.state_of(user).cloned())
        .or_else(|| others.state(user).map(|state| Bytes::from(state.clone())))
}

/// A user of this server as others are told.
fn shared_user(user: &UserId, members: &Members) -> SharedUser {
    let name = members.newest_of(user).map_or_else(String::new, |member| member.name.to_string());
    let state = members.json_only(user).and_then(|(_, member)| member.json()?.state.clone());
    let state = state.map(|state| String::from_utf8_lossy(&state).into_owned());
    SharedUser { user: user.clone(), name, sockets: members.count_of(user), state, is_for_good: false }
}
