//! What the supervisor that started the process hears: that it serves, that its threads still work, that it stops. For systemd, by
//! the socket in NOTIFY_SOCKET; without one nobody is told.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use actix::ArbiterHandle;
use sd_notify::NotifyState;

/// It serves now.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// It is about to stop.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// As long as all of `threads` answer, tells it so, twice as often as the supervisor demands, if it does.
pub(super) fn watch(threads: Vec<ArbiterHandle>) {
    let Some(every) = sd_notify::watchdog_enabled().map(|limit| limit / 2) else { return };
    let watch = move || {
        loop {
            let asked = Instant::now();
            match answer(&threads, every) {
                Answer::All => tell(NotifyState::Watchdog),
                Answer::NotAll => {
                    tracing::error!("a thread has not answered for {every:?}; the supervisor may end the process")
                }
                Answer::Ended => return,
            }
            thread::sleep(every.saturating_sub(asked.elapsed()));
        }
    };
    if let Err(error) = thread::Builder::new().name("watchdog".to_owned()).spawn(watch) {
        tracing::error!(%error, "nobody tells the supervisor that the process works");
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    All,
    NotAll,
    /// A thread has ended: the process stops.
    Ended,
}

/// Whether all of `threads` do what they are asked within `patience`.
fn answer(threads: &[ArbiterHandle], patience: Duration) -> Answer {
    let (done, is_done) = mpsc::channel();
    for thread in threads {
        let done = done.clone();
        let is_asked = thread.spawn_fn(move || {
            // It may come too late, when nobody waits any more.
            let _ = done.send(());
        });
        if !is_asked {
            return Answer::Ended;
        }
    }
    let deadline = Instant::now() + patience;
    let is_in_time = |_| is_done.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok();
    match threads.iter().all(is_in_time) {
        true => Answer::All,
        false => Answer::NotAll,
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the supervisor cannot be told how the server does");
    }
}

#[cfg(test)]
mod tests {
    use actix::{Arbiter, System};

    use super::*;

    #[test]
    fn threads_answer_only_if_none_of_them_is_stuck() {
        let _system = System::new();
        let arbiters = [Arbiter::new(), Arbiter::new()];
        let threads: Vec<ArbiterHandle> = arbiters.iter().map(Arbiter::handle).collect();
        let patience = Duration::from_secs(60);
        assert_eq!(answer(&threads, patience), Answer::All);

        let (release, is_released) = mpsc::channel::<()>();
        threads[1].spawn_fn(move || assert!(is_released.recv().is_err()));
        assert_eq!(answer(&threads, Duration::from_millis(50)), Answer::NotAll);
        drop(release);
        assert_eq!(answer(&threads, patience), Answer::All);

        let [first, second] = arbiters;
        first.stop();
        assert!(first.join().is_ok());
        assert_eq!(answer(&threads, patience), Answer::Ended);
        second.stop();
        assert!(second.join().is_ok());
    }
}
