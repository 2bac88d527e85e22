//! Questions that cost much: so many are worked on at once, and of each caller fewer. Who asks for much waits for itself, and the
//! next one who asks waits for one question of each of the others at most. And what is done to one room by one request at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::ids::{RoomName, UserId};

/// Callers that are remembered before those who ask nothing are forgotten.
const SWEEP_AT: usize = 256;
/// Questions of one caller that wait.
const WAITING_MAX: usize = 64;

/// Who takes turns.
pub struct Turns {
    all: Arc<Semaphore>,
    each_max: usize,
    callers: Mutex<HashMap<UserId, Arc<Caller>>>,
}

struct Caller {
    turns: Arc<Semaphore>,
    asking: AtomicUsize,
}

/// A question that is worked on, until this is dropped.
pub struct Turn {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _asking: Asking,
}

/// A question, waiting or worked on.
struct Asking(Arc<Caller>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// `max` at once, of one caller `each_max`.
    pub fn new(max: usize, each_max: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(max)), each_max, callers: Mutex::default() }
    }

    /// Waits for `user`'s next turn. `None`: too many of that user wait already.
    pub async fn take(&self, user: &UserId) -> Option<Turn> {
        let asking = self.ask(user)?;
        // First the caller's own, so that each caller has few in the queue for all.
        let own = asking.0.turns.clone().acquire_owned().await.ok()?;
        let all = self.all.clone().acquire_owned().await.ok()?;
        Some(Turn { _all: all, _own: own, _asking: asking })
    }

    fn ask(&self, user: &UserId) -> Option<Asking> {
        // Nothing panics while it is locked.
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= SWEEP_AT && callers.len() == callers.capacity() {
            callers.retain(|_, caller| caller.asking.load(Ordering::Relaxed) > 0);
        }
        let caller = callers.entry(user.clone()).or_insert_with(|| {
            Arc::new(Caller { turns: Arc::new(Semaphore::new(self.each_max)), asking: AtomicUsize::new(0) })
        });
        if caller.asking.load(Ordering::Relaxed) >= WAITING_MAX {
            return None;
        }
        caller.asking.fetch_add(1, Ordering::Relaxed);
        Some(Asking(caller.clone()))
    }
}

/// Who does something to a room: one at a time, of all rooms some, and each caller to one room.
pub struct RoomTurns {
    callers: Turns,
    rooms: Mutex<HashMap<RoomName, Weak<tokio::sync::Mutex<()>>>>,
}

/// A turn, until this is dropped.
pub struct RoomTurn {
    _room: OwnedMutexGuard<()>,
    _turn: Turn,
}

impl RoomTurns {
    /// `max` at once.
    pub fn new(max: usize) -> Self {
        Self { callers: Turns::new(max, 1), rooms: Mutex::default() }
    }

    /// Waits for `user`'s next turn, and then for the room's. `None`: too many of that user wait already.
    pub async fn take(&self, user: &UserId, room: &RoomName) -> Option<RoomTurn> {
        let asking = self.callers.ask(user)?;
        let own = asking.0.turns.clone().acquire_owned().await.ok()?;
        let lock = self.lock(room).lock_owned().await;
        // Last, so that who waits for a room takes no turn from who does not.
        let all = self.callers.all.clone().acquire_owned().await.ok()?;
        Some(RoomTurn { _room: lock, _turn: Turn { _all: all, _own: own, _asking: asking } })
    }

    fn lock(&self, room: &RoomName) -> Arc<tokio::sync::Mutex<()>> {
        // Nothing panics while it is locked.
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = rooms.get(room).and_then(Weak::upgrade) {
            return own;
        }
        if rooms.len() >= SWEEP_AT && rooms.len() == rooms.capacity() {
            rooms.retain(|_, own| own.strong_count() > 0);
        }
        let own = Arc::default();
        rooms.insert(room.clone(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn rule_36_of_one_caller_few_questions_are_worked_on_and_others_come_next() {
        let (turns, ada, bob) = (Turns::new(2, 1), UserId::new("ada"), UserId::new("bob"));
        let first = turns.take(&ada).now_or_never().unwrap();
        let mut waiting: Vec<_> = (0..WAITING_MAX + 3).map(|_| Box::pin(turns.take(&ada))).collect();
        let answers: Vec<_> = waiting.iter_mut().map(|turn| turn.now_or_never()).collect();
        assert!(answers[..WAITING_MAX - 1].iter().all(Option::is_none), "they wait");
        assert!(answers[WAITING_MAX - 1..].iter().all(|answer| matches!(answer, Some(None))), "they are too many");
        assert!(turns.take(&bob).now_or_never().unwrap().is_some());
        drop(first);
        assert!(waiting[0].as_mut().now_or_never().flatten().is_some());
    }

    #[test]
    fn of_one_room_one_turn_is_taken_and_other_rooms_go_on_as_far_as_there_are_turns() {
        let room = |name: &str| RoomName::parse(name).unwrap();
        let (turns, a, b, c) = (RoomTurns::new(2), room("a"), room("b"), room("c"));
        let [ada, bob, carol] = ["ada", "bob", "carol"].map(UserId::new);
        let first = turns.take(&ada, &a).now_or_never().flatten().unwrap();
        let mut again = Box::pin(turns.take(&bob, &a));
        assert!(again.as_mut().now_or_never().is_none(), "the same room waits");
        let other = turns.take(&carol, &b).now_or_never().flatten().unwrap();
        assert!(turns.take(&UserId::new("dave"), &c).now_or_never().is_none(), "there are two turns");
        drop(other);
        drop(first);
        assert!(again.now_or_never().flatten().is_some());
        for number in 0..3 * SWEEP_AT {
            drop(turns.take(&ada, &room(&format!("room{number}"))).now_or_never().flatten().unwrap());
        }
        assert!(turns.rooms.lock().unwrap().len() <= 2 * SWEEP_AT, "rooms are forgotten");
    }

    #[test]
    fn one_caller_takes_one_rooms_turn_however_many_rooms_there_are() {
        let room = |number: usize| RoomName::parse(&format!("room{number}")).unwrap();
        let (turns, ada, bob) = (RoomTurns::new(2), UserId::new("ada"), UserId::new("bob"));
        let first = turns.take(&ada, &room(0)).now_or_never().flatten().unwrap();
        let rooms: Vec<_> = (1..WAITING_MAX + 3).map(room).collect();
        let mut waiting: Vec<_> = rooms.iter().map(|room| Box::pin(turns.take(&ada, room))).collect();
        let answers: Vec<_> = waiting.iter_mut().map(|turn| turn.now_or_never()).collect();
        assert!(answers[..WAITING_MAX - 1].iter().all(Option::is_none), "they wait");
        assert!(answers[WAITING_MAX - 1..].iter().all(|answer| matches!(answer, Some(None))), "they are too many");
        // Nor do the rooms wait that hers would be next.
        assert!(turns.take(&bob, &rooms[0]).now_or_never().flatten().is_some());
        drop(first);
        assert!(waiting[0].as_mut().now_or_never().flatten().is_some());
    }
}
