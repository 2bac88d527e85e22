//! Large buffers, in which what clients send is put together, are given back by a thread of their own. To give tens of MiB back to the system takes milliseconds, for which whoever let
//! go of them would hold up everybody of its thread.

use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use bytes::Bytes;

/// From which size on, in bytes. Less is given back at once.
const LARGE_BYTES: usize = 512 * 1024;
/// How much may wait for it, in bytes. Beyond that who lets go gives back: it comes faster than it can be done.
const WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What waits, in bytes.
static WAITING_BYTES: AtomicUsize = AtomicUsize::new(0);
/// `None`: there is no thread for it.
static GIVEN: LazyLock<Option<Sender<Vec<u8>>>> = LazyLock::new(|| {
    let (given, take) = channel::<Vec<u8>>();
    let give_back = move || {
        for buffer in take {
            let bytes = buffer.capacity();
            drop(buffer);
            WAITING_BYTES.fetch_sub(bytes, Ordering::Relaxed);
        }
    };
    let thread = thread::Builder::new().name("reclaim".to_owned()).spawn(give_back);
    thread.inspect_err(|error| tracing::warn!(%error, "large buffers are given back where they are let go of")).ok()?;
    Some(given)
});

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
        if is_large(&self.0) { Bytes::from_owner(self) } else { Bytes::from(std::mem::take(&mut self.0)) }
    }
}

fn is_large(buffer: &Vec<u8>) -> bool {
    buffer.capacity() >= LARGE_BYTES
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if is_large(&self.0) {
            give(std::mem::take(&mut self.0));
        }
    }
}

fn give(buffer: Vec<u8>) {
    let bytes = buffer.capacity();
    if WAITING_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes <= WAITING_BYTES_MAX
        && let Some(given) = &*GIVEN
        && given.send(buffer).is_ok()
    {
        return;
    }
    WAITING_BYTES.fetch_sub(bytes, Ordering::Relaxed);
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
    use super::*;

    #[test]
    fn what_is_in_a_buffer_is_there_until_it_is_let_go_of_and_then_its_room_is_given_back() {
        for bytes in [0, 1, LARGE_BYTES - 1, LARGE_BYTES, 3 * LARGE_BYTES] {
            let content: Vec<u8> = (0..=255).cycle().take(bytes).collect();
            let mut buffer = Buffer::with_capacity(bytes);
            buffer.extend_from_slice(&content);
            let frozen = buffer.freeze();
            let part = frozen.slice(bytes / 2..);
            drop(frozen);
            assert!(part == content[bytes / 2..]);
        }
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while WAITING_BYTES.load(Ordering::Relaxed) > 0 {
            assert!(std::time::Instant::now() < deadline, "large buffers still wait to be given back");
            thread::yield_now();
        }
    }

    #[test]
    fn who_lets_go_of_more_than_may_wait_gives_it_back() {
        let waiting = || WAITING_BYTES.load(Ordering::Relaxed);
        drop(Buffer(Vec::with_capacity(WAITING_BYTES_MAX + 1)));
        assert!(waiting() <= WAITING_BYTES_MAX);
    }
}
