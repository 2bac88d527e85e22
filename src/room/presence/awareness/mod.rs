//! The awareness states of a room: which are news, whose they are, and what to say when their owner goes. Pure but for the time
//! that callers hand in.
//!
//! Every y-websocket client sends every remote state back (PROTOCOL.md, "AwarenessStates amplification"), so most entries are dropped by
//! their clock, before anything is parsed. A state belongs to the user who brought it; nobody else can change or remove it.
//!
//! Peers remember the clock of a state beyond its removal and ignore the same clock when it comes again. So the state of whoever
//! may be back is shown with a raised clock, and its owner is sent the same: y-protocols takes the clock over and sees nothing else
//! change. An owner who has changed its state meanwhile ignores that, and comes with a clock of its own.

mod departed;
mod elsewhere;
mod placeholders;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::budget::{ByteBudget, HeldBytes, Payer};
use crate::ids::{MemberId, UserId};
use crate::protocol::awareness::Entry;
use crate::protocol::json::check::is_too_deep;
use crate::protocol::json::limits::DEPTH_MAX;
use departed::{Departed, DepartedClients};
pub use elsewhere::Announced;
use table::{State, StateTable};

/// Clients renew a state every 15 s, and drop one that was not renewed for this long.
const RENEWED_WITHIN: Duration = Duration::from_secs(30);
/// Clients that were in a room before the server restarted come back to it within this time.
const RETURN_WITHIN: Duration = Duration::from_secs(60);
/// How often an owner is sent a raised clock that it does not take over, for it changes its state all the time.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How soon an owner sends back the state with a raised clock that it was sent.
const SENT_BACK_WITHIN: Duration = Duration::from_secs(5);
/// With more states than this, one that returns waits for the others' next renewal instead of having all announced anew.
const ANNOUNCE_MAX: usize = 64;
/// Longest state, in bytes. Every client sends every state back, readers too, so it must fit into a reader's message.
const STATE_BYTES_MAX: usize = 32 * 1024;
/// Most states that one member may have; an editor has one.
const STATES_PER_SOCKET_MAX: usize = 32;
/// How far a clock may be that is heard first, and how much further than what is known of the client a later one. Clients add one with each
/// change; whoever came near the last number that JavaScript can count to would leave none to those who go on from there.
const FIRST_CLOCK_MAX: u64 = 1 << 40;
const CLOCK_STEP_MAX: u64 = 1 << 24;

impl State {
    /// What is remembered of it; its removal has this clock.
    fn departed(&self, clock: u64, at: Instant) -> Departed {
        let owner = self.former.as_ref().unwrap_or(&self.user).clone();
        Departed { clock, at, server: self.server, owner, typist: self.typist.clone() }
    }
}

/// Why awareness entries are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AwarenessError {
    /// Other clients would fail on it.
    #[error("an awareness state must be JSON")]
    NotJson,
    /// Other clients would fail on it, too.
    #[error("an awareness state is at most {DEPTH_MAX} levels deep")]
    TooDeep,
    /// Longer than [`STATE_BYTES_MAX`].
    #[error("an awareness state has at most {STATE_BYTES_MAX} bytes")]
    TooLarge,
    /// More than [`STATES_PER_SOCKET_MAX`].
    #[error("one connection may announce at most {STATES_PER_SOCKET_MAX} awareness states")]
    TooMany,
    /// Further than clients come by adding one with each change.
    #[error("the clock of an awareness state goes up by one with each change")]
    Clock,
    /// As many bytes as others may have as well.
    #[error("the awareness states of this room, or yours, hold as much as they may; show less")]
    NoRoom,
}

/// What a message changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// To show to all others.
    pub news: Vec<Entry>,
    /// To show to the sender alone: what it has dropped while it was away.
    pub dropped: Vec<Entry>,
    /// States with raised clocks for their owners, each for its own member only: see the module's documentation.
    pub renew: Vec<(MemberId, Entry)>,
    /// Why the first one that was refused was; all others are taken.
    pub refused: Option<AwarenessError>,
}

/// Who sends a message.
struct Sender<'a> {
    member: MemberId,
    user: &'a UserId,
    own_client: Option<u64>,
    /// How many states it has; counted once a message.
    states: Option<usize>,
}

/// The awareness states of one room.
#[derive(Debug)]
pub struct AwarenessStates {
    states: StateTable,
    /// What all states hold, under the names of their users.
    budget: Arc<ByteBudget>,
    departed: DepartedClients,
    started: Instant,
}

impl AwarenessStates {
    /// The empty table of a room that starts at `now`, whose states may hold `bytes_max`.
    pub fn new(bytes_max: usize, now: Instant) -> Self {
        let budget = ByteBudget::new(bytes_max, None);
        let (states, departed) = (StateTable::default(), DepartedClients::default());
        Self { states, budget, departed, started: now }
    }

    /// Takes entries that `member` of `user` sent, each by itself; `own_client` is the client that it announced first.
    pub fn take(
        &mut self,
        member: MemberId,
        user: &UserId,
        own_client: Option<u64>,
        entries: Vec<Entry>,
        now: Instant,
    ) -> Change {
        let mut change = Change::default();
        let mut sender = Sender { member, user, own_client, states: None };
        for entry in entries {
            let client = entry.client;
            let is_own = own_client == Some(client);
            let left = if is_own && entry.state.is_some() {
                self.come_over(client, user, now).or_else(|| self.give_back(client, user, now))
            } else {
                None
            };
            let is_taken_over = self.states.get(client).is_some_and(|state| is_own && state.member != member);
            if let Err(error) = self.take_entry(&mut sender, entry, now, &mut change) {
                change.refused.get_or_insert(error);
                // It is here now, and shows nothing.
                change.news.extend(left);
                continue;
            }
            if is_taken_over && self.states.get(client).is_some_and(|state| state.member == member) {
                // It dropped the others' states when it lost its connection, however fast it came back.
                self.raise_unheard(client, now, &mut change);
            }
        }
        change
    }

    /// Takes one entry, whole or not at all.
    fn take_entry(
        &mut self,
        sender: &mut Sender,
        mut entry: Entry,
        now: Instant,
        change: &mut Change,
    ) -> Result<(), AwarenessError> {
        let (client, is_own) = (entry.client, sender.own_client == Some(entry.client));
        let Some(state) = self.states.get_mut(client) else {
            return self.announced(sender, is_own, entry, now, change);
        };
        if is_own && entry.state.is_some() && !state.is_placeholder {
            // Another may have passed its state on before.
            state.typist.get_or_insert_with(|| sender.user.clone());
        }
        if state.user != *sender.user || state.is_placeholder {
            return Ok(());
        }
        check_clock(&entry, state.entry.clock)?;
        match &entry.state {
            None if entry.clock >= if is_own { state.heard } else { state.entry.clock } => {
                let entry = Entry { clock: entry.clock.max(state.entry.clock), ..entry };
                let departed = state.departed(entry.clock, now);
                self.states.remove(client);
                self.departed.remember(client, departed);
                change.news.push(entry);
            }
            // The owner has taken the raised clock over, and sends back what it was sent. Later it would be a renewal.
            Some(json)
                if is_own
                    && entry.clock == state.entry.clock
                    && state.entry.state.as_ref() == Some(json)
                    && now.duration_since(state.renewed) < SENT_BACK_WITHIN =>
            {
                state.heard = entry.clock;
                self.states.give(client, sender.member);
            }
            Some(json) if entry.clock > if is_own { state.heard } else { state.entry.clock } => {
                let json = accept(json)?;
                hold(&mut state.held, json.len())?;
                entry.state = Some(json);
                state.renewed = now;
                state.heard = entry.clock;
                let raised = Entry { clock: entry.clock.max(state.entry.clock + 1), ..entry };
                let is_told = state.told.is_some_and(|told| now.duration_since(told) < TELL_EVERY);
                if raised.clock > state.heard && !is_told {
                    // Sent before the owner took the raised clock over.
                    state.told = Some(now);
                    change.renew.push((sender.member, raised.clone()));
                }
                state.entry = raised.clone();
                if is_own {
                    self.states.give(client, sender.member);
                }
                change.news.push(raised);
            }
            // The same client came back while its old member had not ended: that one's end must not remove the state.
            Some(_) if is_own && entry.clock == state.heard => self.states.give(client, sender.member),
            _ => {}
        }
        Ok(())
    }

    /// Takes an entry of a client that has no state, which its owner sent or another.
    fn announced(
        &mut self,
        sender: &mut Sender,
        is_own: bool,
        mut entry: Entry,
        now: Instant,
        change: &mut Change,
    ) -> Result<(), AwarenessError> {
        let Some(json) = &entry.state else { return Ok(()) };
        let departed = self.departed.get(entry.client);
        let is_known = departed.is_some_and(|departed| entry.clock <= departed.clock);
        if is_known && !is_own {
            // A peer sends back what it has not yet heard to be gone.
            return Ok(());
        }
        check_clock(&entry, departed.map_or(0, |departed| departed.clock))?;
        let json = accept(json)?;
        let states = sender.states.get_or_insert_with(|| self.count(sender.member));
        if *states >= STATES_PER_SOCKET_MAX {
            return Err(AwarenessError::TooMany);
        }
        let mut held = self.budget.hold_for(Payer::of(sender.user), 0);
        hold(&mut held, json.len())?;
        *states += 1;
        let departed = self.departed.take(entry.client);
        if is_own && let Some(departed) = &departed {
            self.raise_unheard(entry.client, departed.at, change);
        }
        entry.state = Some(json);
        let heard = entry.clock;
        let may_be_back = is_known || (departed.is_none() && now.duration_since(self.started) < RETURN_WITHIN);
        let member = sender.member;
        if is_own && may_be_back {
            entry.clock = departed.as_ref().map_or(entry.clock, |departed| departed.clock.max(entry.clock)) + 1;
            change.renew.push((member, entry.clone()));
        }
        let (user, told) = (sender.user.clone(), may_be_back.then_some(now));
        let known = departed.as_ref().and_then(|departed| departed.typist.clone());
        let typist = known.or_else(|| is_own.then(|| user.clone()));
        let former = departed.and_then(|departed| departed.former_to(&user));
        let (server, renewed, is_placeholder) = (None, now, false);
        let state = State {
            entry: entry.clone(),
            heard,
            member,
            server,
            user,
            former,
            typist,
            renewed,
            held,
            told,
            is_placeholder,
        };
        self.states.insert(state);
        change.news.push(entry);
        Ok(())
    }

    /// Ends the state of a client that another has announced while `user` was away, whose it is. What to show if they show nothing.
    fn give_back(&mut self, client: u64, user: &UserId, now: Instant) -> Option<Entry> {
        self.states.get(client).filter(|state| state.former.as_ref() == Some(user))?;
        self.remove(client, now)
    }

    /// Raises the clocks of the states that have not changed since `client` left: it dropped them then, but remembers their clocks.
    fn raise_unheard(&mut self, client: u64, since: Instant, change: &mut Change) {
        if self.states.len() > ANNOUNCE_MAX {
            return;
        }
        for state in self.states.all_mut().filter(|state| state.entry.client != client && state.renewed <= since) {
            state.entry.clock += 1;
            change.dropped.push(state.entry.clone());
            if !state.is_placeholder && state.server.is_none() {
                change.renew.push((state.member, state.entry.clone()));
            }
        }
    }

    /// Whose states there are, but for those that stand in for someone.
    pub fn states(&self) -> impl Iterator<Item = (&UserId, &Bytes)> {
        let own = self.states.all().filter(|state| !state.is_placeholder);
        own.filter_map(|state| Some((&state.user, state.entry.state.as_ref()?)))
    }

    /// Who announced a client first as their own, to this server, and has it or has left.
    pub fn typist(&self, client: u64) -> Option<&UserId> {
        match self.states.get(client) {
            Some(state) => state.typist.as_ref(),
            None => self.departed.get(client)?.typist.as_ref(),
        }
    }

    /// What a user has announced and shows.
    pub fn state_of(&self, user: &UserId) -> Option<&Bytes> {
        self.states.of_user(user).find_map(|state| state.entry.state.as_ref())
    }

    /// Removes what `member` announced; the removals to show to all others, with raised clocks so that they count.
    pub fn leave(&mut self, member: MemberId, now: Instant) -> Vec<Entry> {
        let gone: Vec<u64> = self.states.of_member(member).collect();
        let mut removals = Vec::with_capacity(gone.len());
        for client in gone {
            removals.extend(self.remove(client, now));
        }
        removals
    }

    fn remove(&mut self, client: u64, now: Instant) -> Option<Entry> {
        let state = self.states.remove(client)?;
        let clock = state.entry.clock + 1;
        self.departed.remember(client, state.departed(clock, now));
        Some(Entry { client, clock, state: None })
    }

    /// Forgets what its owners no longer renew, as peers do by themselves, and renews what stands in for users without an editor;
    /// that is to show to all editors.
    pub fn sweep(&mut self, now: Instant) -> Vec<Entry> {
        self.expire(now);
        self.renew_placeholders(now)
    }

    /// Those that stand in are the server's own to renew, however late it comes to that.
    fn expire(&mut self, now: Instant) {
        let is_old = |state: &State| {
            (!state.is_placeholder || state.server.is_some()) && now.duration_since(state.renewed) > RENEWED_WITHIN
        };
        let old = self.states.all().filter(|state| is_old(state)).map(|state| state.entry.client);
        let old: Vec<u64> = old.collect();
        for client in old {
            if let Some(state) = self.states.remove(client) {
                self.departed.remember(client, state.departed(state.entry.clock, now));
            }
        }
    }

    /// All known states.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.states.all().map(|state| &state.entry)
    }

    /// What all states hold.
    pub fn bytes(&self) -> usize {
        self.budget.held()
    }

    fn count(&self, member: MemberId) -> usize {
        self.states.of_member(member).count()
    }
}

/// Checks how far an entry's clock is beyond what is known of its client.
fn check_clock(entry: &Entry, known: u64) -> Result<(), AwarenessError> {
    let is_likely = entry.clock <= FIRST_CLOCK_MAX.max(known.saturating_add(CLOCK_STEP_MAX));
    is_likely.then_some(()).ok_or(AwarenessError::Clock)
}

/// The state, if it may be shown. A copy: as it came it holds the whole message that it is a part of.
fn accept(json: &Bytes) -> Result<Bytes, AwarenessError> {
    if json.len() > STATE_BYTES_MAX {
        return Err(AwarenessError::TooLarge);
    }
    let raw: &RawValue = serde_json::from_slice(json).map_err(|_| AwarenessError::NotJson)?;
    if is_too_deep(raw.get()) {
        return Err(AwarenessError::TooDeep);
    }
    Ok(Bytes::copy_from_slice(json))
}

/// Has a state hold `bytes`, if its user does not have more than others could have then.
fn hold(held: &mut HeldBytes, bytes: usize) -> Result<(), AwarenessError> {
    match bytes.checked_sub(held.bytes()) {
        Some(more) if more > 0 => held.try_add_fairly(more).then_some(()).ok_or(AwarenessError::NoRoom),
        _ => {
            held.set(bytes);
            Ok(())
        }
    }
}
