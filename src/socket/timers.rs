//! The timers of an actor: at most one a key.

use std::time::Duration;

use actix::{Actor, AsyncContext, Context, SpawnHandle};

/// The timers of an actor by key. To set a key's timer again is to replace it.
#[derive(Debug)]
pub struct KeyedTimers<K>(Vec<(K, SpawnHandle)>);

impl<K: PartialEq> KeyedTimers<K> {
    /// None yet.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Does `then` after `wait`.
    pub fn set<A: Actor<Context = Context<A>>>(
        &mut self,
        key: K,
        wait: Duration,
        ctx: &mut Context<A>,
        then: impl FnOnce(&mut A, &mut Context<A>) + 'static,
    ) {
        self.cancel(&key, ctx);
        self.0.push((key, ctx.run_later(wait, then)));
    }

    /// Cancels a key's timer, if it is set. To cancel one that has fired does nothing.
    pub fn cancel<A: Actor<Context = Context<A>>>(&mut self, key: &K, ctx: &mut Context<A>) {
        if let Some(at) = self.0.iter().position(|(set, _)| set == key) {
            ctx.cancel_future(self.0.swap_remove(at).1);
        }
    }

    /// Cancels all.
    pub fn cancel_all<A: Actor<Context = Context<A>>>(&mut self, ctx: &mut Context<A>) {
        for (_, timer) in self.0.drain(..) {
            ctx.cancel_future(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[derive(PartialEq)]
    enum Key {
        First,
        Second,
    }

    struct Counter {
        timers: KeyedTimers<Key>,
        fired: Vec<u32>,
        done: Option<tokio::sync::oneshot::Sender<Vec<u32>>>,
    }

    impl Actor for Counter {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Context<Self>) {
            self.timers.set(Key::First, SOON, ctx, |counter, _| counter.fired.push(1));
            self.timers.set(Key::First, SOON, ctx, |counter, _| counter.fired.push(2));
            self.timers.set(Key::Second, SOON, ctx, |counter, _| counter.fired.push(3));
            self.timers.cancel(&Key::Second, ctx);
            ctx.run_later(SOON * 20, |counter, ctx| {
                counter.timers.set(Key::First, SOON, ctx, |counter, _| counter.fired.push(4));
                counter.timers.set(Key::Second, SOON, ctx, |counter, _| counter.fired.push(5));
                counter.timers.cancel_all(ctx);
                ctx.run_later(SOON * 20, |counter, _| {
                    let fired = std::mem::take(&mut counter.fired);
                    counter.done.take().unwrap().send(fired).unwrap();
                });
            });
        }
    }

    #[test]
    fn a_timer_fires_once_unless_it_is_replaced_or_cancelled() {
        let fired = actix_rt::System::new().block_on(async {
            let (done, fired) = tokio::sync::oneshot::channel();
            Counter { timers: KeyedTimers::new(), fired: Vec::new(), done: Some(done) }.start();
            fired.await.unwrap()
        });
        assert_eq!(fired, [2]);
    }
}
