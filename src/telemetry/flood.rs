//! Lines of one kind, which are those of one place in the source, as many as can be read: clients must not fill a disk by what the log
//! says of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::metrics;
use crate::rate::{Bucket, Rate};

/// Lines of one kind.
const RATE: Rate = Rate { per_second: 500.0, burst: 10_000.0 };

/// Lets no more lines pass.
#[derive(Default)]
pub(super) struct FloodGuard(Mutex<HashMap<Identifier, Kind>>);

struct Kind {
    bucket: Bucket,
    dropped: u64,
}

impl FloodGuard {
    /// Whether a line passes; and how many of its kind did not since the last one that did, if that is to be told.
    fn pass(&self, kind: Identifier, now: Instant) -> (bool, u64) {
        // Nothing panics while it is locked.
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // There are as many as the source has places that log.
        let kind = kinds.entry(kind).or_insert_with(|| Kind { bucket: Bucket::new(RATE, now), dropped: 0 });
        match kind.bucket.take(RATE, now) {
            Ok(()) => (true, std::mem::take(&mut kind.dropped)),
            Err(_) => {
                kind.dropped += 1;
                (false, 0)
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for FloodGuard {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let (passes, dropped) = self.pass(event.metadata().callsite(), Instant::now());
        if !passes {
            metrics::LOG_LINES_DROPPED.inc();
        }
        if dropped > 0 {
            tracing::warn!(
                lines = dropped,
                kind = event.metadata().name(),
                "log lines of one kind were dropped: they were too many"
            );
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Notes the kinds of all lines.
    #[derive(Clone, Default)]
    struct Kinds(Arc<Mutex<Vec<Identifier>>>);

    impl<S: Subscriber> Layer<S> for Kinds {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().callsite());
        }
    }

    #[test]
    fn rule_40_of_one_kind_of_line_as_many_pass_as_can_be_read_and_others_pass() {
        let kinds = Kinds::default();
        let subscriber = tracing_subscriber::registry().with(FloodGuard::default()).with(kinds.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..2 * RATE.burst as usize {
                tracing::info!(number, "bad token");
            }
            tracing::info!("something else");
        });
        let kinds = kinds.0.lock().unwrap();
        let of_first = kinds.iter().filter(|kind| **kind == kinds[0]).count();
        assert!(of_first >= RATE.burst as usize && of_first < 2 * RATE.burst as usize, "{of_first}");
        assert_eq!(kinds.len(), of_first + 1);
    }

    #[test]
    fn what_did_not_pass_is_told_with_the_next_that_does() {
        let kinds = Kinds::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(kinds.clone()), || tracing::info!("one"));
        let (guard, now, kind) = (FloodGuard::default(), Instant::now(), kinds.0.lock().unwrap()[0].clone());
        let passed = (0..RATE.burst as usize + 7).filter(|_| guard.pass(kind.clone(), now).0).count();
        assert_eq!(passed, RATE.burst as usize);
        assert_eq!(guard.pass(kind.clone(), now + Duration::from_secs(1)), (true, 7));
        assert_eq!(guard.pass(kind, now + Duration::from_secs(1)), (true, 0));
    }
}
