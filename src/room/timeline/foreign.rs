//! What other processes wrote to the room's timeline: noticed when the database gives a seq that is not the next one, or tells a later
//! head to who comes back; then read, and shown in its place, before anything after it.

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};

use crate::archive::weight;
use crate::ids::{MemberId, Seq};
use crate::protocol::Word;
use crate::room::members::Reading;
use crate::room::messages::JsonJoin;
use crate::room::room::{Phase, Room};
use crate::store::{
    Bodies, Entry, HistoryQuery, Kind, Kinds, NewEntry, Page, Placed, Refused, RoomId, RoomRow, StoreError,
};

/// Entries read at once.
const PAGE_ENTRIES: u32 = 200;

/// How far the room knows that others have written.
#[derive(Debug, Default)]
pub(in crate::room) struct Foreign {
    /// The greatest seq that the database has told of.
    known: Seq,
    /// The outcome of the room's own append, while what was committed before it is read.
    held: Option<Vec<Result<Placed, Refused>>>,
    is_reading: bool,
    /// Who comes back, until it is known where the timeline ends.
    coming: Vec<(MemberId, JsonJoin)>,
    /// For so many of them it is known, and read now.
    told: usize,
    is_asking: bool,
}

impl Room {
    /// Lets a JSON member that comes back in once the database has told where the timeline ends: others may have gone on with it.
    pub(in crate::room) fn come_back(&mut self, id: MemberId, join: JsonJoin, ctx: &mut Context<Self>) {
        let Some(json) = self.members.get_mut(id).and_then(|member| member.json.as_mut()) else { return };
        json.reading = Some(Reading::Head);
        self.foreign.coming.push((id, join));
        self.ask_head(ctx);
    }

    /// Asks for all who have come by now; who comes meanwhile is asked for next.
    fn ask_head(&mut self, ctx: &mut Context<Self>) {
        if self.foreign.is_asking || self.foreign.coming.len() == self.foreign.told {
            return;
        }
        self.foreign.is_asking = true;
        let asked = self.foreign.coming.len();
        let (store, name, permits) =
            (self.context.store.clone(), self.name.clone(), self.context.reading_permits.clone());
        let asking = async move {
            let _permit = permits.acquire().await;
            store.room(&name).await
        };
        ctx.spawn(asking.into_actor(self).map(move |answer, room, ctx| {
            room.foreign.is_asking = false;
            room.told_head(answer, asked, ctx);
            room.ask_head(ctx);
            room.end_turn(ctx);
        }));
    }

    fn told_head(&mut self, answer: Result<Option<RoomRow>, StoreError>, asked: usize, ctx: &mut Context<Self>) {
        match answer {
            Ok(row) => {
                let head = row.as_ref().map_or(Seq::ZERO, |row| row.head);
                self.row = self.row.or(row.map(|row| row.id));
                self.foreign.told = asked;
                self.foreign.known = self.foreign.known.max(head);
                match self.timeline.head < head {
                    true => self.catch_up_with_others(ctx),
                    false => self.let_in_who_came(Self::enter_json, ctx),
                }
            }
            Err(error) => {
                self.foreign.told = asked;
                self.cannot_catch_up(&error, ctx);
            }
        }
    }

    /// Takes the outcome of the room's own append, after what others committed before it.
    pub(in crate::room) fn take_outcome(&mut self, outcome: Vec<Result<Placed, Refused>>, ctx: &mut Context<Self>) {
        self.foreign.held = Some(outcome);
        self.catch_up_with_others(ctx);
    }

    /// Goes on until all that is known to be committed is shown. What is the room's own it cannot tell while its append is in flight.
    fn catch_up_with_others(&mut self, ctx: &mut Context<Self>) {
        if self.foreign.is_reading || self.is_released {
            return;
        }
        let upto = match &self.foreign.held {
            Some(outcome) => last_before(outcome),
            None if self.uncommitted.is_in_flight() => return,
            None => self.foreign.known,
        };
        if let (true, Some(row)) = (self.timeline.head < upto, self.row) {
            return self.read_others(row, upto, ctx);
        }
        if let Some(outcome) = self.foreign.held.take() {
            self.take_settled(outcome, ctx);
            return self.catch_up_with_others(ctx);
        }
        self.let_in_who_came(Self::enter_json, ctx);
    }

    fn read_others(&mut self, row: RoomId, upto: Seq, ctx: &mut Context<Self>) {
        let query = HistoryQuery {
            after: Some(self.timeline.head),
            before: Some(Seq(upto.0 + 1)),
            kinds: Kinds::All,
            author: None,
            limit: PAGE_ENTRIES,
            page: Page::Oldest,
            bodies: Bodies::All,
        };
        self.foreign.is_reading = true;
        let store = self.context.store.clone();
        let reading = async move { store.history(row, query).await };
        ctx.spawn(reading.into_actor(self).map(move |page, room, ctx| {
            room.foreign.is_reading = false;
            match page {
                Ok(page) => {
                    tracing::info!(room.name = %room.name, entries = page.len(), "another process wrote to the room");
                    if page.is_empty() {
                        // The entries are gone, which the database never does by itself: nobody is told that it has all of them.
                        room.timeline.jump(upto);
                    }
                    page.iter().for_each(|entry| room.show_foreign(entry, ctx));
                    room.catch_up_with_others(ctx);
                }
                Err(error) => room.read_others_later(&error, ctx),
            }
            room.end_turn(ctx);
        }));
    }

    /// Nothing of the room's own is shown before, so this has to work some time; who comes back need not wait for it.
    fn read_others_later(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        self.cannot_catch_up(error, ctx);
        let wait = self.next_retry();
        self.foreign.is_reading = true;
        ctx.run_later(wait, |room, ctx| {
            room.foreign.is_reading = false;
            room.catch_up_with_others(ctx);
            room.end_turn(ctx);
        });
    }

    /// Shows an entry of another process to all, and takes it into the document.
    fn show_foreign(&mut self, entry: &Entry, ctx: &mut Context<Self>) {
        let body = entry.body.clone().unwrap_or_default();
        let placed = Placed { seq: entry.seq, at_ms: entry.at_ms, is_new: true };
        match entry.kind {
            Kind::Edit => self.take_foreign_edit(&body, ctx),
            Kind::Step => self.forget_version(),
            Kind::Message | Kind::Event => {}
        }
        self.committed(&NewEntry { kind: entry.kind, author: entry.author.clone(), key: None, body }, placed);
    }

    fn take_foreign_edit(&mut self, update: &bytes::Bytes, ctx: &mut Context<Self>) {
        self.say_to_all(Word::Update(update), None, &[]);
        self.lengthen_tail(weight(update), ctx);
        let Phase::Live(live) = &mut self.phase else { return };
        live.states.clear();
        if let Err(reason) = live.document.take_stored(update) {
            tracing::error!(room.name = %self.name, reason, "an edit of another process cannot be taken");
        }
        live.held.set(live.document.held());
        self.acknowledge_reached(ctx);
    }

    /// Who comes back while the database cannot tell is let in, but not told that it has everything. Also while the append in flight
    /// may have been committed or not.
    pub(in crate::room) fn cannot_catch_up(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        if self.foreign.told > 0 {
            tracing::warn!(room.name = %self.name, %error, "the timeline's end is not known");
        }
        self.let_in_who_came(|room, id, join, _| room.enter_unsure(id, join), ctx);
    }

    fn let_in_who_came(
        &mut self,
        enter: impl Fn(&mut Self, MemberId, JsonJoin, &mut Context<Self>),
        ctx: &mut Context<Self>,
    ) {
        let told = std::mem::take(&mut self.foreign.told);
        for (id, join) in self.foreign.coming.drain(..told).collect::<Vec<_>>() {
            let Some(json) = self.members.get_mut(id).and_then(|member| member.json.as_mut()) else { continue };
            json.reading = None;
            let is_asking = std::mem::take(&mut json.is_asking);
            enter(self, id, join, ctx);
            if is_asking {
                self.more(id, ctx);
            }
        }
    }
}

/// The last seq that is somebody else's, as far as the outcome of an append tells.
fn last_before(outcome: &[Result<Placed, Refused>]) -> Seq {
    let placed = || outcome.iter().flatten();
    match placed().find(|placed| placed.is_new) {
        Some(first) => Seq(first.seq.0 - 1),
        // All keys were known: their entries are there.
        None => placed().map(|placed| placed.seq).max().unwrap_or(Seq::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_ones_own_entries_is_somebody_elses() {
        let placed = |seq, is_new| Ok(Placed { seq: Seq(seq), at_ms: 0, is_new });
        assert_eq!(last_before(&[placed(5, true), placed(6, true)]), Seq(4));
        assert_eq!(last_before(&[placed(3, false), Err(Refused::Nul), placed(6, true)]), Seq(5));
        assert_eq!(last_before(&[placed(3, false), placed(9, false)]), Seq(9));
        assert_eq!(last_before(&[Err(Refused::Nul)]), Seq::ZERO);
        assert_eq!(last_before(&[]), Seq::ZERO);
    }
}
