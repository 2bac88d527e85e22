//! What clients lack of the document, the answers to their Step1: encoded once for all who lack the same, in no more of the
//! thread's time than other rooms can spare, and with a bound on what is kept for peers who take it slowly.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{AsyncContext, Context, SpawnHandle};
use bytes::Bytes;

use crate::auth::{Action, allows};
use crate::ids::MemberId;
use crate::protocol::{CloseCode, Dialect};
use crate::rate::{Bucket, Rate};
use crate::room::fanout::relay::Counted;
use crate::room::messages::AskState;
use crate::room::room::{Phase, Room};
use crate::wire::Frame;

/// Seconds of its thread a second that a room may spend on encoding. One answer of a document of a million blocks takes up to a
/// tenth of a second, even if it is short, and whoever may read can ask.
const SHARE: Rate = Rate { per_second: 0.25, burst: 0.05 };
/// Shorter frames are not counted: each socket is owed one answer at a time, and its outbox bounds all else.
const LARGE_BYTES: usize = 64 * 1024;
/// So many different answers are kept for others who lack the same, beside the whole state, which always is.
const KEPT_MAX: usize = 16;
/// What somebody is told for whom the budget has no room.
pub const TOO_MANY_LARGE: &str = "too many clients are being sent large documents now, try again later";
/// The state vector of who has nothing.
const NOTHING: &[u8] = &[0];

/// What all rooms together may hold in large frames that are not shared by all who get them: what somebody lacks, states of a
/// document that are no longer the newest, copies for an address of one client's own. Until their peers have taken them.
#[derive(Debug)]
pub struct StateBudget {
    held: AtomicUsize,
    bytes_max: usize,
}

impl StateBudget {
    /// A budget of `bytes_max`, all free.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), bytes_max })
    }

    /// Counts a frame, if it is large, until nobody holds it any more. `None`: there is no room for it.
    pub fn count(self: &Arc<Self>, frame: Frame) -> Option<Frame> {
        if frame.plain_bytes() <= LARGE_BYTES {
            return Some(frame);
        }
        let hold = self.has_room_for(frame.plain_bytes()).then(|| self.hold(&frame))?;
        hold.count();
        Some(frame.guarded(hold))
    }

    /// For a frame that may be counted later.
    fn hold(self: &Arc<Self>, frame: &Frame) -> Arc<Hold> {
        Arc::new(Hold { bytes: frame.plain_bytes(), counts: AtomicBool::new(false), budget: self.clone() })
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.held.load(Ordering::Relaxed) + bytes <= self.bytes_max
    }
}

/// Takes from the budget, once it counts, until the last peer has the frame.
struct Hold {
    bytes: usize,
    counts: AtomicBool,
    budget: Arc<StateBudget>,
}

impl Hold {
    fn count(&self) {
        if !self.counts.swap(true, Ordering::Relaxed) {
            self.budget.held.fetch_add(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if *self.counts.get_mut() {
            self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// What somebody lacks: dialect, and the state vector of what it has.
type Lack = (Dialect, Bytes);

/// Answers that hold until the next edit. Peers get large ones guarded by their hold, the table has them as they are: so it knows
/// whether any peer is still taking one.
#[derive(Default)]
pub(in crate::room) struct States(HashMap<Lack, (Frame, Option<Arc<Hold>>)>);

impl States {
    fn get(&self, lack: &Lack) -> Option<Frame> {
        let (frame, hold) = self.0.get(lack)?;
        Some(hold.as_ref().map_or_else(|| frame.clone(), |hold| frame.guarded(hold.clone())))
    }

    /// Keeps an answer if it may serve others; `None` if the budget has no room for it.
    fn add(&mut self, lack: Lack, frame: Frame, budget: &Arc<StateBudget>) -> Option<Frame> {
        if frame.plain_bytes() <= LARGE_BYTES {
            let (dialect, known) = lack;
            if known == NOTHING || known.len() <= LARGE_BYTES && self.0.len() < KEPT_MAX {
                // A copy: as it came it holds the whole message that it is a part of.
                self.0.insert((dialect, Bytes::copy_from_slice(&known)), (frame.clone(), None));
            }
            return Some(frame);
        }
        if lack.1 != NOTHING {
            return budget.count(frame);
        }
        let hold = budget.has_room_for(0).then(|| budget.hold(&frame))?;
        let given = frame.guarded(hold.clone());
        self.0.insert(lack, (frame, Some(hold)));
        Some(given)
    }

    /// Forgets what no peer is taking: nobody may ask for it again. The rest is held in any case, and serves who asks next; forgotten,
    /// it would count, and the next one be refused for it.
    pub fn sweep(&mut self) {
        self.0.retain(|_, (_, hold)| hold.as_ref().is_some_and(|hold| Arc::strong_count(hold) > 1));
    }

    /// Forgets all: the document is another now. What peers have not taken counts from now on.
    pub fn clear(&mut self) {
        for (_, hold) in self.0.drain().filter_map(|(_, (frame, hold))| Some((frame, hold?))) {
            hold.count();
        }
    }
}

/// Who waits for an answer.
pub(in crate::room) struct Asks {
    /// At most one of each socket.
    waiting: Vec<AskState>,
    time: Bucket,
    timer: Option<SpawnHandle>,
}

impl Asks {
    pub fn new(now: Instant) -> Self {
        Self { waiting: Vec::new(), time: Bucket::new(SHARE, now), timer: None }
    }

    /// Nobody waits for `member` any more.
    pub fn forget(&mut self, member: MemberId) {
        self.waiting.retain(|ask| ask.from != member);
    }

    /// Hands out the timer, to be cancelled or because it has been with all others.
    pub fn take_timer(&mut self) -> Option<SpawnHandle> {
        self.timer.take()
    }

    /// Hands out all who wait.
    pub fn take(&mut self) -> Vec<AskState> {
        std::mem::take(&mut self.waiting)
    }
}

/// Why somebody gets no answer.
type Refused = (CloseCode, &'static str);

impl Room {
    /// Answers Step1 with Step2, now or when there is time. A Hocuspocus client who may write is asked back: it starts its count of
    /// what is not saved with each Step1.
    pub(in crate::room) fn ask_state(&mut self, ask: AskState, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get(ask.from) else { return };
        if member.dialect == Dialect::Hocuspocus && allows(member.access, Action::Edit) {
            self.ask(ask.from);
        }
        self.asks.waiting.push(ask);
        self.answer(ctx);
    }

    /// Answers all who wait, as far as there is time for it.
    pub(in crate::room) fn answer(&mut self, ctx: &mut Context<Self>) {
        while let Some(lack) = self.next_lack() {
            let kept = match &self.phase {
                Phase::Live(live) => live.states.get(&lack),
                Phase::Loading | Phase::Failed => None,
            };
            let now = Instant::now();
            let answer = match (kept, self.asks.time.wait(SHARE, now)) {
                (Some(frame), _) => Ok(Some(frame)),
                (None, Some(wait)) => return self.answer_later(wait, ctx),
                (None, None) => self.encode(lack.clone(), now),
            };
            self.answer_all(&lack, answer, ctx);
        }
    }

    /// What is to be encoded next. Those who have nothing come first, since one answer serves them all.
    fn next_lack(&self) -> Option<Lack> {
        let waiting = &self.asks.waiting;
        let ask = waiting.iter().find(|ask| ask.state_vector == NOTHING).or(waiting.first())?;
        let dialect = self.members.get(ask.from).map_or(Dialect::Json, |member| member.dialect);
        Some((dialect, ask.state_vector.clone()))
    }

    fn answer_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        if self.asks.timer.is_none() {
            self.asks.timer = Some(ctx.run_later(wait, |room, ctx| {
                room.asks.timer = None;
                room.answer(ctx);
                room.end_turn(ctx);
            }));
        }
    }

    fn encode(&mut self, lack: Lack, began: Instant) -> Result<Option<Frame>, Refused> {
        let Phase::Live(live) = &mut self.phase else {
            return Err((CloseCode::TryLater, "the room cannot be read now"));
        };
        let update =
            live.document.diff(&lack.1).map_err(|_| (CloseCode::EditRefused, "the state vector cannot be read"))?;
        let frame = lack.0.step2(update, &self.name);
        let now = Instant::now();
        self.asks.time.spend(now.duration_since(began).as_secs_f64(), SHARE, now);
        let Some(frame) = frame else { return Ok(None) };
        let (dialect, is_whole) = (lack.0, lack.1 == NOTHING);
        match live.states.add(lack, frame, &self.context.states) {
            Some(frame) => Ok(Some(frame)),
            None if is_whole => Err((CloseCode::TryLater, TOO_MANY_LARGE)),
            // More than it lacks does no harm, and is shared.
            None => {
                let whole = (dialect, Bytes::from_static(NOTHING));
                live.states.get(&whole).map_or_else(|| self.encode(whole, now), |frame| Ok(Some(frame)))
            }
        }
    }

    /// Answers those who lack the same.
    fn answer_all(&mut self, lack: &Lack, answer: Result<Option<Frame>, Refused>, ctx: &mut Context<Self>) {
        for ask in self.asks.take() {
            let Some(member) = self.members.get(ask.from) else { continue };
            if member.dialect != lack.0 || ask.state_vector != lack.1 {
                self.asks.waiting.push(ask);
                continue;
            }
            let (link, may_edit) = (member.link, allows(member.access, Action::Edit));
            self.outbound.credit(link, ask.from, ask.charge);
            match &answer {
                Ok(Some(frame)) => {
                    self.outbound.one(link, ask.from, frame.clone(), Counted::No);
                    if !may_edit {
                        self.judge_reader(ask.from, &ask.state_vector, frame.plain_bytes(), ctx);
                    }
                }
                Ok(None) => {}
                Err((code, reason)) => self.outbound.close(link, ask.from, *code, *reason),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_state_is_shared_however_many_ask_for_something_else() {
        let (budget, frame) = (StateBudget::new(0), Frame::binary(&[b"frame"]));
        let lack = |known: &[u8]| (Dialect::Yjs, Bytes::copy_from_slice(known));
        let mut states = States::default();
        for other in 1..=u8::MAX {
            states.add(lack(&[1, other, 1]), frame.clone(), &budget);
        }
        assert_eq!(states.0.len(), KEPT_MAX);
        states.add(lack(NOTHING), frame.clone(), &budget);
        assert_eq!(states.get(&lack(NOTHING)), Some(frame));
    }

    #[test]
    fn a_state_outlives_sweeps_for_as_long_as_a_peer_takes_it_and_counts_once_the_document_is_another() {
        let whole = (Dialect::Yjs, Bytes::from_static(NOTHING));
        let frame = Frame::binary(&[&vec![0; LARGE_BYTES + 1]]);
        let budget = StateBudget::new(frame.plain_bytes());
        let held = || budget.held.load(Ordering::Relaxed);
        let mut states = States::default();

        let first = states.add(whole.clone(), frame.clone(), &budget);
        let second = states.get(&whole);
        assert_eq!((&first, &second), (&Some(frame.clone()), &Some(frame.clone())));
        drop(first);
        states.sweep();
        assert_eq!((states.get(&whole), held()), (Some(frame.clone()), 0));
        states.clear();
        assert_eq!((states.get(&whole), held()), (None, frame.plain_bytes()));
        drop(second);
        assert_eq!(held(), 0);

        drop(states.add(whole.clone(), frame, &budget));
        states.sweep();
        assert_eq!(states.get(&whole), None);
    }
}
