//! Large buffers, in which what clients send is put together, are given back by a thread of their own. To give tens of MiB back to the
//! system takes milliseconds, for which whoever let go of them would hold up everybody of its thread.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};
use std::thread;

use bytes::Bytes;

/// From which size on, in bytes. Less is given back at once.
const LARGE_BYTES: usize = 512 * 1024;
/// How much may wait for it, in bytes. Beyond that who lets go gives back: it comes faster than it can be done.
const WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;

static RECLAIMER: LazyLock<Reclaimer<Vec<u8>>> = LazyLock::new(|| Reclaimer::start(WAITING_BYTES_MAX));

/// A thread that drops what it is handed.
struct Reclaimer<T> {
    /// `None`: there is no thread.
    handed: Option<Sender<(T, usize)>>,
    /// What waits, in bytes.
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
}

impl<T: Send + 'static> Reclaimer<T> {
    fn start(waiting_max: usize) -> Self {
        let (handed, take) = channel::<(T, usize)>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let still_waiting = waiting.clone();
        let give_back = move || {
            for (value, bytes) in take {
                drop(value);
                still_waiting.fetch_sub(bytes, Ordering::Relaxed);
            }
        };
        let thread = thread::Builder::new().name("reclaim".to_owned()).spawn(give_back);
        let thread =
            thread.inspect_err(|error| tracing::warn!(%error, "large buffers are given back where they are let go of"));
        Self { handed: thread.is_ok().then_some(handed), waiting, waiting_max }
    }

    /// Drops `value` of so many `bytes`: here, if too much waits already.
    fn reclaim(&self, value: T, bytes: usize) {
        let has_room = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.waiting_max;
        match &self.handed {
            Some(handed) if has_room && handed.send((value, bytes)).is_ok() => {}
            _ => drop(self.waiting.fetch_sub(bytes, Ordering::Relaxed)),
        }
    }
}

/// A buffer of any size that grows, and is let go of cheaply.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// One that need not grow until there are so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// What is in it, not to change any more.
    pub fn freeze(mut self) -> Bytes {
        if self.is_large() { Bytes::from_owner(self) } else { Bytes::from(std::mem::take(&mut self.0)) }
    }

    fn is_large(&self) -> bool {
        self.0.capacity() >= LARGE_BYTES
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.is_large() {
            let buffer = std::mem::take(&mut self.0);
            let bytes = buffer.capacity();
            RECLAIMER.reclaim(buffer, bytes);
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;
    use std::thread::ThreadId;
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    /// Tells which thread drops it, once it may be dropped there.
    struct Value {
        dropped: Sender<ThreadId>,
        may_go: Receiver<()>,
    }

    impl Drop for Value {
        fn drop(&mut self) {
            self.dropped.send(thread::current().id()).unwrap();
            let _ = self.may_go.recv();
        }
    }

    #[test]
    fn another_thread_gives_back_until_too_much_waits_and_again_once_it_does_not() {
        let here = thread::current().id();
        let (dropped, drops) = channel();
        let value = || {
            let (go, may_go) = channel();
            (Value { dropped: dropped.clone(), may_go }, go)
        };
        let reclaimer = Reclaimer::start(100);
        let (slow, go_on) = value();
        reclaimer.reclaim(slow, 60);
        assert_ne!(drops.recv_timeout(SOON).unwrap(), here);
        // It is not done yet, and this one would be more than may wait.
        let (other, go) = value();
        drop(go);
        reclaimer.reclaim(other, 41);
        assert_eq!(drops.recv_timeout(SOON).unwrap(), here);
        let (fits, go) = value();
        drop(go);
        reclaimer.reclaim(fits, 40);
        drop(go_on);
        assert_ne!(drops.recv_timeout(SOON).unwrap(), here);
    }

    #[test]
    fn what_is_in_a_buffer_is_there_until_the_last_of_it_is_let_go_of() {
        for bytes in [0, 1, LARGE_BYTES - 1, LARGE_BYTES, 3 * LARGE_BYTES] {
            let content: Vec<u8> = (0..=255).cycle().take(bytes).collect();
            let mut buffer = Buffer::with_capacity(bytes);
            buffer.extend_from_slice(&content);
            let frozen = buffer.freeze();
            let part = frozen.slice(bytes / 2..);
            drop(frozen);
            assert!(part == content[bytes / 2..]);
        }
    }
}
