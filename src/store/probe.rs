//! Whether entries can be saved now: asked of the database by saving one and taking it back, seldom, and once for all who ask.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::error::StoreError;

/// How long an answer holds: a good one, and a bad one.
const GOOD_FOR: Duration = Duration::from_secs(5);
const BAD_FOR: Duration = Duration::from_secs(1);

/// The newest answer. Whoever asks while the database is being asked waits for that answer.
#[derive(Default)]
pub(super) struct Probe {
    newest: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

impl Probe {
    /// The answer of a moment ago, or that of `ask`.
    pub async fn answer(&self, ask: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
        let mut newest = self.newest.lock().await;
        if let Some((at, answer)) = &*newest
            && at.elapsed() < if answer.is_ok() { GOOD_FOR } else { BAD_FOR }
        {
            return answer.clone();
        }
        let answer = ask.await;
        *newest = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    fn unavailable() -> Result<(), StoreError> {
        Err(StoreError::Unavailable("full".into()))
    }

    #[tokio::test]
    async fn the_database_is_asked_once_for_all_who_ask() {
        for answer in [Ok(()), unavailable()] {
            let (probe, asked) = (Probe::default(), Cell::new(0));
            let ask = || async {
                tokio::task::yield_now().await;
                asked.set(asked.get() + 1);
                answer.clone()
            };
            let answers = join_all((0..100).map(|_| probe.answer(ask()))).await;
            assert!(answers.iter().all(|given| *given == answer));
            assert_eq!(asked.get(), 1);
        }
    }
}
