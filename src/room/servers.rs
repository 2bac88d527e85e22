//! What other servers tell a room, and the database of them: entries that were committed elsewhere, who is there.

use std::time::{Duration, Instant};

use actix::{Context, Handler};
use uuid::Uuid;

use super::messages::{FromMember, FromServer, HandOver};
use super::room::{Parts, Phase, Room};
use super::signals;
use super::timers::Timer;
use crate::bus::{AbsentUser, Part, RoomMessage};
use crate::ids::{MemberId, Seq};
use crate::store::{Entry, RoomId, RoomRow, StoreError};

/// So many users who may come back are told with one message.
const ABSENT_EACH: usize = 500;
/// Until the database is asked again which row is the room's.
const ASK_ROW_AGAIN: Duration = Duration::from_secs(1);

/// Which member's message it is, if it is one's.
pub(super) fn sender(message: &FromMember) -> Option<MemberId> {
    Some(match message {
        FromMember::WriteDocument(_) | FromMember::Post(_) => return None,
        FromMember::Join(join) => join.seat.member(),
        FromMember::Edit(edit) => edit.from,
        FromMember::RefuseLongEdit(edit) => edit.from,
        FromMember::AskState(ask) => ask.from,
        FromMember::AskSaved(ask) => ask.from,
        FromMember::UpdateAwareness(awareness) => awareness.from,
        FromMember::AskAwareness(ask) => ask.from,
        FromMember::StartCount(start) => start.from,
        FromMember::BroadcastStateless(stateless) => stateless.from,
        FromMember::Renew(renew) => renew.member,
        FromMember::Say(say) => say.from,
        FromMember::ReplayMore(more) => more.from,
        FromMember::BroadcastBinary(binary) => binary.from,
        FromMember::Leave(leave) => leave.from,
    })
}

impl Handler<FromServer> for Room {
    type Result = ();

    fn handle(&mut self, message: FromServer, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Deleted | Phase::Ended) {
            return;
        }
        self.in_span(|room| {
            room.on_server(message, ctx);
            room.count_message(ctx);
        });
    }
}

impl Handler<HandOver> for Room {
    type Result = ();

    fn handle(&mut self, HandOver { within }: HandOver, _: &mut Context<Self>) {
        for users in self.presence.leaving(&self.members, within, Instant::now()).chunks(ABSENT_EACH) {
            self.context.cluster.tell_everywhere(&self.name, absent(users, false));
        }
    }
}

fn absent(users: &[AbsentUser], is_to_one: bool) -> RoomMessage {
    RoomMessage::Absent { users: users.to_vec(), is_to_one }
}

impl Room {
    fn on_server(&mut self, message: FromServer, ctx: &mut Context<Self>) {
        if self.commit.row().is_none() && self.unplaced.holds(&message) {
            match self.phase {
                // It is committed, and read when the room is loaded after all.
                Phase::Failed => return,
                Phase::Loading => return self.unplaced.keep(message),
                _ => {
                    self.unplaced.keep(message);
                    return self.ask_whose_row(ctx);
                }
            }
        }
        match message {
            FromServer::Told { say: RoomMessage::Entries { row, .. }, .. } | FromServer::Head(RoomId(row), ..)
                if self.commit.row().is_some_and(|known| known != RoomId(row)) =>
            {
                self.on_other_row_told(ctx);
            }
            FromServer::Told { say: RoomMessage::Entries { row, head, at, entries, clients }, .. } => {
                self.context.store.hear(&[(RoomId(row), head, at)]);
                let entries: Option<Vec<Entry>> = entries.into_iter().map(|entry| entry.into_entry()).collect();
                self.timeline.on_told(head, entries.unwrap_or_default());
                if let Phase::Live(document) = &mut self.phase {
                    document.learn_authors(clients);
                }
                self.catch_up(ctx);
            }
            FromServer::Told { say: RoomMessage::Deleted { row }, .. } => {
                self.on_deletion_told(row.map(RoomId), ctx);
            }
            FromServer::Told { say: RoomMessage::Erased { row, epoch }, .. } => {
                self.on_epoch_told(RoomId(row), epoch, ctx);
            }
            FromServer::Told { from, say: RoomMessage::State { head, state, part }, .. } => {
                let Some(state) = self.presence.gather(from, part, state) else { return };
                self.arrivals.on_told(from);
                self.hold_with(from);
                let Parts { presence, mut io, .. } = self.parts();
                presence.on_server_state(from, state, true, &mut io);
                self.timeline.on_told(head, Vec::new());
                self.catch_up(ctx);
            }
            FromServer::Told { from, say: RoomMessage::Change(state), .. } => {
                let Parts { presence, mut io, .. } = self.parts();
                presence.on_server_state(from, state, false, &mut io);
            }
            FromServer::Told { say: RoomMessage::Absent { users, .. }, .. } => {
                let Parts { presence, mut io, .. } = self.parts();
                presence.on_absent(users, &mut io);
            }
            FromServer::Told { say: RoomMessage::Signal(signal), .. } => {
                signals::on_foreign_signal(signal, &mut self.parts().io);
            }
            FromServer::Entered(by) => {
                self.hold_with(by);
                // First: who waits there for this server's word is told of all at once.
                for users in self.presence.absent(by, Instant::now()).chunks(ABSENT_EACH) {
                    self.context.cluster.tell_one(&self.name, by, absent(users, true));
                }
                let (head, parts) = (self.timeline.head(), self.presence.whole_state(&self.members).whole_or_parts());
                let count = parts.len();
                for (number, state) in (1..).zip(parts) {
                    let say = RoomMessage::State { head, state, part: Part { number, count } };
                    self.context.cluster.tell_one(&self.name, by, say);
                }
            }
            FromServer::Left(by) => {
                self.arrivals.on_told(by);
                self.holders.remove(&by);
                self.elsewhere.is_shared = !self.holders.is_empty();
                let Parts { presence, mut io, .. } = self.parts();
                presence.on_server_left(by, &mut io);
            }
            FromServer::Deleted(row) => self.on_deletion_told(Some(row), ctx),
            FromServer::Missing => self.on_row_missed(ctx),
            FromServer::Head(_, head, epoch) => {
                if self.commit.epoch() < epoch && !matches!(self.phase, Phase::Loading) {
                    return self.end_stale(ctx);
                }
                self.timeline.on_told(head, Vec::new());
                self.catch_up(ctx);
            }
        }
        self.let_arrivals_in(ctx);
    }

    /// Asks the database which row is the room's, of which others tell.
    pub(super) fn ask_whose_row(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Live(_)) || !self.unplaced.ask() {
            return;
        }
        let then = |room: &mut Self, found: Result<Option<RoomRow>, StoreError>, ctx: &mut Context<Self>| {
            match found {
                Err(StoreError::RoomDeleted) => room.found_deleted(ctx),
                Ok(row) => {
                    room.commit.found_row(row.map(|row| row.id));
                    room.place_told(ctx);
                }
                Err(error) => {
                    tracing::warn!(%error, "it is not known whose entries another server tells of");
                    room.unplaced.on_unanswered();
                    room.arm(Timer::Row, ASK_ROW_AGAIN, ctx);
                }
            }
            room.end_turn(ctx);
        };
        self.spawn(self.ask_for_row(), then, ctx);
    }

    /// Handles what others told while it was not known which row is the room's.
    pub(super) fn place_told(&mut self, ctx: &mut Context<Self>) {
        for message in self.unplaced.take(self.commit.row().is_some()) {
            // One of them may end the room.
            if matches!(self.phase, Phase::Live(_)) {
                self.on_server(message, ctx);
            }
        }
    }

    /// The room lives on that server, too.
    fn hold_with(&mut self, server: Uuid) {
        self.holders.insert(server);
        self.elsewhere.is_shared = true;
    }

    /// Tells the other servers who is here, as far as that has changed.
    pub(super) fn tell_presence(&mut self) {
        let (state, may_be_lost) = self.presence.take_to_tell(&self.members);
        if state.is_empty() || !self.elsewhere.is_shared {
            return;
        }
        for say in state.parts().into_iter().map(RoomMessage::Change) {
            match may_be_lost {
                true => self.context.cluster.signal(&self.name, say),
                false => self.context.cluster.tell(&self.name, say),
            }
        }
    }

    /// Tells the other servers what was said in this turn.
    pub(super) fn tell_signals(&mut self) {
        for signal in self.elsewhere.take_signals() {
            self.context.cluster.signal(&self.name, RoomMessage::Signal(signal));
        }
    }

    /// Whether a member's message waits until the room has all that was acknowledged elsewhere before the member came.
    pub(super) fn holds(&self, message: &FromMember) -> bool {
        let is_arriving = matches!(message, FromMember::Join(_)) && !self.context.cluster.is_alone();
        matches!(self.phase, Phase::Live(_))
            && (is_arriving || sender(message).is_some_and(|member| self.arrivals.are_waiting(member)))
    }

    /// Asks the database where the timeline ends, for those who have come.
    pub(super) fn ask_for_arrivals(&mut self, ctx: &mut Context<Self>) {
        if !self.arrivals.ask() {
            return;
        }
        let (store, name, permits) =
            (self.context.store.clone(), self.name.clone(), self.context.reading_permits.clone());
        let asking = async move {
            // Permits are given for as long as the server runs.
            let _permit = permits.acquire().await;
            store.room(&name).await
        };
        let then = |room: &mut Self, row: Result<Option<RoomRow>, StoreError>, ctx: &mut Context<Self>| {
            let head = match row {
                Err(StoreError::RoomDeleted) => {
                    room.found_deleted(ctx);
                    return room.end_turn(ctx);
                }
                Ok(row) => {
                    room.commit.found_row(row.as_ref().map(|row| row.id));
                    room.timeline.learn_horizon(row.as_ref());
                    Some(row.map_or(Seq::ZERO, |row| row.head))
                }
                Err(error) => {
                    tracing::warn!(%error, "it is not known whether the room is up to date");
                    None
                }
            };
            room.arrivals.on_head(head);
            room.timeline.on_told(head.unwrap_or(Seq::ZERO), Vec::new());
            room.catch_up(ctx);
            room.let_arrivals_in(ctx);
            room.end_turn(ctx);
        };
        self.spawn(asking, then, ctx);
    }

    /// Lets those in who may come in now.
    pub(super) fn let_arrivals_in(&mut self, ctx: &mut Context<Self>) {
        if self.arrivals.is_empty() || !matches!(self.phase, Phase::Live(_)) {
            return;
        }
        let head = self.timeline.head();
        for message in self.arrivals.take(head, std::time::Instant::now()) {
            self.on_member(message, ctx);
        }
        self.ask_for_arrivals(ctx);
    }

    /// The other parts are told what came from the others' servers.
    pub(super) fn on_foreign_unread(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        let Parts { presence, timeline, commit, mut io } = self.parts();
        timeline.on_foreign_unread(error, presence, commit, &mut io);
        self.arrivals.give_up();
        self.let_arrivals_in(ctx);
    }
}
