//! Who has used up a turn and has more to do gets in line with all others of its thread that have. Each time the thread has looked for
//! what has come meanwhile, one of them goes on: of each payer in turn, and of one payer the first. So whoever has little to do waits for
//! one turn of those at most, however many they are, and whoever has much to do for one of each payer.
//!
//! A task that wakes itself would not do: tokio runs up to 61 turns of those that are awake before it looks at sockets and clocks again.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::task::Waker;

use tokio::task::yield_now;

use crate::budget::Payer;
use crate::metrics;

thread_local! {
    static LINE: RefCell<Line> = RefCell::default();
}

/// Those of a thread who are in line.
#[derive(Default)]
struct Line {
    /// Whose turn is next. Each once.
    payers: VecDeque<Payer>,
    /// Of each of those who wait, none of them without any.
    waiting: HashMap<Payer, VecDeque<Weak<Waiting>>>,
    is_moving: bool,
}

impl Line {
    fn add(&mut self, payer: Payer, waiting: Weak<Waiting>) {
        let of_payer = self.waiting.entry(payer).or_default();
        if of_payer.is_empty() {
            self.payers.push_back(payer);
        }
        of_payer.push_back(waiting);
    }

    /// Takes out who goes on next. `None`: nobody waits.
    fn next(&mut self) -> Option<Rc<Waiting>> {
        loop {
            let payer = self.payers.pop_front()?;
            let of_payer = self.waiting.get_mut(&payer)?;
            let next = std::iter::from_fn(|| of_payer.pop_front()).find_map(|waiting| Weak::upgrade(&waiting));
            match of_payer.is_empty() {
                true => drop(self.waiting.remove(&payer)),
                false => self.payers.push_back(payer),
            }
            if next.is_some() {
                return next;
            }
        }
    }
}

/// A place in line, given up when it is dropped.
#[derive(Debug)]
pub struct Place(Rc<Waiting>);

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    is_next: Cell<bool>,
}

impl Place {
    /// Gets in line under the name of `payer`; `waker` is woken when it is this one's turn. To be called by a task of the thread's executor.
    pub fn take(payer: Payer, waker: &Waker) -> Self {
        metrics::TURNS_PUT_OFF.inc();
        let waiting = Rc::new(Waiting { waker: waker.clone(), is_next: Cell::new(false) });
        let has_to_move = LINE.with_borrow_mut(|line| {
            line.add(payer, Rc::downgrade(&waiting));
            !std::mem::replace(&mut line.is_moving, true)
        });
        if has_to_move {
            actix_rt::spawn(move_on(Moving));
        }
        Self(waiting)
    }

    /// Whether it is this one's turn.
    pub fn is_next(&self) -> bool {
        self.0.is_next.get()
    }
}

/// Has one after another go on until nobody is in line.
async fn move_on(_moving: Moving) {
    loop {
        // Not before sockets and clocks have been looked at.
        yield_now().await;
        let Some(next) = LINE.with_borrow_mut(Line::next) else { return };
        next.is_next.set(true);
        next.waker.wake_by_ref();
    }
}

/// Whoever comes next has the line move again, also where this ended with its executor.
struct Moving;

impl Drop for Moving {
    fn drop(&mut self) {
        LINE.with_borrow_mut(|line| *line = Line::default());
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::task::Poll;

    use tokio::io::AsyncReadExt;

    use super::*;

    type Log = Rc<RefCell<Vec<&'static str>>>;

    /// Has more to do for so many turns, and notes each.
    fn busy(name: &'static str, turns: usize, log: &Log) -> actix_rt::task::JoinHandle<()> {
        let log = log.clone();
        actix_rt::spawn(async move {
            for _ in 0..turns {
                let mut place = None;
                poll_fn(|cx| {
                    let place = place.get_or_insert_with(|| Place::take(Payer::of(name), cx.waker()));
                    if place.is_next() { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                log.borrow_mut().push(name);
            }
        })
    }

    #[test]
    fn those_in_line_go_on_one_after_another() {
        actix_rt::System::new().block_on(async {
            let log = Log::default();
            for task in ["a", "b", "c"].map(|name| busy(name, 2, &log)) {
                task.await.unwrap();
            }
            assert_eq!(*log.borrow(), ["a", "b", "c", "a", "b", "c"]);
        });
    }

    #[test]
    fn whoever_has_much_to_do_waits_for_one_turn_of_each_payer_however_many_that_one_has_in_line() {
        actix_rt::System::new().block_on(async {
            let log = Log::default();
            let mallory: Vec<_> = (0..100).map(|_| busy("mallory", 1, &log)).collect();
            busy("ada", 3, &log).await.unwrap();
            assert_eq!(*log.borrow(), ["mallory", "ada", "mallory", "ada", "mallory", "ada"]);
            for task in mallory {
                task.await.unwrap();
            }
            assert_eq!(log.borrow().len(), 103);
        });
    }

    #[test]
    fn who_hears_something_goes_on_after_one_turn_of_those_in_line_however_many_they_are() {
        actix_rt::System::new().block_on(async {
            let log = Log::default();
            let (mut theirs, ours) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
            let heard = log.clone();
            actix_rt::spawn(async move {
                while ours.read_u8().await.is_ok() {
                    heard.borrow_mut().push("heard");
                }
            });
            let _busy: Vec<_> = (0..100).map(|_| busy("busy", 3, &log)).collect();
            for _ in 0..10 {
                theirs.write_all(&[0]).unwrap();
                let said = log.borrow().len();
                while !log.borrow()[said..].contains(&"heard") {
                    // As the line moves, after each look at what has come.
                    yield_now().await;
                }
                let turns = log.borrow()[said..].iter().filter(|what| **what == "busy").count();
                assert!(turns <= 2, "{turns}");
            }
        });
    }

    #[test]
    fn a_place_that_was_given_up_holds_nobody_up_and_a_line_moves_again_with_the_next_executor() {
        let nobody = || Place::take(Payer::of("nobody"), Waker::noop());
        actix_rt::System::new().block_on(async {
            let _left_behind = nobody();
        });
        actix_rt::System::new().block_on(async {
            let log = Log::default();
            let given_up = nobody();
            let task = busy("a", 1, &log);
            drop(given_up);
            task.await.unwrap();
            assert_eq!(*log.borrow(), ["a"]);
        });
    }
}
