//! Documents that are being sent: who asks for what somebody is being sent already gets the same bytes, so that slow readers of one
//! document hold it once. Nothing is kept that nobody is being sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::document::Format;
use crate::ids::Seq;
use crate::store::{RoomId, is_being_erased};

/// Shorter ones are made anew each time.
const SHARED_BYTES_MIN: usize = 64 * 1024;

/// What is rendered: of which state of a room, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RenderingKey {
    /// The room's row.
    pub room: RoomId,
    /// The last entry that is in it.
    pub head: Seq,
    /// The room's epoch.
    pub epoch: i64,
    pub format: Format,
    pub root: Option<String>,
    /// Whether with the content of what is deleted, if that is kept.
    pub looks_back: bool,
}

/// Renderings that are being sent.
#[derive(Default)]
pub struct Renderings(Mutex<HashMap<RenderingKey, Weak<Bytes>>>);

/// A rendering, for as long as some of it is to be sent.
struct Shared(Arc<Bytes>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Renderings {
    /// Whether there are none, so that nothing need be found out to ask for one.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The same, if it is being sent.
    pub fn get(&self, key: &RenderingKey) -> Option<Bytes> {
        self.lock().get(key).and_then(Weak::upgrade).map(|body| Bytes::from_owner(Shared(body)))
    }

    /// Gives `body` to others, too, for as long as it is being sent. What is read while something is erased is nobody else's.
    pub fn share(&self, key: RenderingKey, body: Bytes) -> Bytes {
        if body.len() < SHARED_BYTES_MIN || is_being_erased(key.epoch) {
            return body;
        }
        let body = Arc::new(body);
        self.lock().insert(key, Arc::downgrade(&body));
        Bytes::from_owner(Shared(body))
    }

    /// Those that somebody is being sent.
    fn lock(&self) -> MutexGuard<'_, HashMap<RenderingKey, Weak<Bytes>>> {
        // Nothing panics while it is locked.
        let mut renderings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        renderings.retain(|_, body| body.strong_count() > 0);
        renderings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RenderingKey {
        let (room, head, epoch) = (RoomId(1), Seq(7), 2);
        RenderingKey { room, head, epoch, format: Format::Json, root: None, looks_back: false }
    }

    #[test]
    fn who_asks_for_what_is_being_sent_gets_the_same_bytes_until_nobody_is_sent_them() {
        let renderings = Renderings::default();
        let mut first = renderings.share(key(), vec![7; SHARED_BYTES_MIN].into());
        let second = renderings.get(&key()).unwrap();
        assert_eq!(second.as_ptr(), first.as_ptr());
        // A part of it is enough.
        drop((first.split_to(100), second));
        assert_eq!(renderings.get(&key()).unwrap().len(), SHARED_BYTES_MIN);
        drop(first);
        assert!(renderings.is_empty() && renderings.get(&key()).is_none());
    }

    #[test]
    fn another_state_or_another_form_of_it_is_not_the_same_and_what_is_being_erased_is_nobody_elses() {
        let renderings = Renderings::default();
        let body = || Bytes::from(vec![7; SHARED_BYTES_MIN]);
        let _held = renderings.share(key(), body());
        let others = [
            RenderingKey { room: RoomId(2), ..key() },
            RenderingKey { head: Seq(8), ..key() },
            RenderingKey { epoch: 4, ..key() },
            RenderingKey { format: Format::Text, ..key() },
            RenderingKey { root: Some("root".into()), ..key() },
            RenderingKey { looks_back: true, ..key() },
        ];
        assert!(others.iter().all(|other| renderings.get(other).is_none()));
        let erased = RenderingKey { epoch: 3, ..key() };
        let _erased = renderings.share(erased.clone(), body());
        assert!(renderings.get(&erased).is_none());
        let short = RenderingKey { head: Seq(9), ..key() };
        let _short = renderings.share(short.clone(), Bytes::from_static(b"short"));
        assert!(renderings.get(&short).is_none());
    }
}
