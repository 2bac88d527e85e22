//! What rooms and users may have on disk, and who may make rooms, and how many. The database counts; what users have in all rooms, on all
//! servers, is read again a few seconds after they were let store something, and what this server stores meanwhile is added. Whether a
//! user may make a room is asked once more in the transaction that makes it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::auth::Access;
use crate::config::RoomQuota;
use crate::ids::{RoomName, UserId};
use crate::store::{ENTRY_OVERHEAD_BYTES, Maker, NewEntry, Usage};

/// Users whose bytes are remembered. Of more, those are forgotten who have little, until they are read again.
const USERS_MAX: usize = 100_000;
/// Little is one part in so many of what a user may have.
const LITTLE_PART: u64 = 1_000;

/// Why nothing of a user is stored in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The room has as much as it may.
    #[error("the room has as much on disk as it may, nothing more is stored in it")]
    RoomFull,
    /// The user has.
    #[error("you have as much on disk as you may, nothing more of you is stored")]
    UserFull,
    /// There is no such room, and this one may not make it.
    #[error("there is no such room, and making one needs a token with admin access to it")]
    NoRoom,
    /// There is no such room, and the user has made as many as they may.
    #[error("there is no such room, and you have made as many rooms as you may")]
    TooManyRooms,
}

/// What is allowed, and what users have. By default everything is.
#[derive(Debug, Default)]
pub struct Quotas {
    /// Most bytes of rooms on disk.
    rooms: RoomQuota,
    /// Most bytes of a user on disk, in all rooms together; `None`: any number.
    pub user_bytes_max: Option<u64>,
    /// Most rooms that a user may have made without admin access; `None`: any number.
    pub user_rooms_max: Option<u64>,
    /// Whether only who has admin access may make a room.
    pub admins_make_rooms: bool,
    users: Mutex<HashMap<UserId, Own>>,
    /// There are users of whom nothing is known, or who may have fewer rooms than is known.
    unknown: Notify,
}

/// What a user has.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    bytes: u64,
    rooms: u64,
    /// Whether it is to be read: nothing is known, or something was to be stored since.
    is_due: bool,
}

/// A room, as far as that says what may be stored in it.
#[derive(Debug, Clone, Copy)]
pub struct RoomBytes {
    /// What it has on disk, or will have; `None` if it is not there yet.
    pub stored: Option<u64>,
    /// What it may have; `None`: any number.
    pub max: Option<u64>,
}

/// Who wants something stored.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'u> {
    /// Who it is.
    pub user: &'u UserId,
    /// What they may do in the room.
    pub access: Access,
}

impl Quotas {
    /// With these limits, while nobody has anything.
    pub fn new(
        rooms: RoomQuota,
        user_bytes_max: Option<u64>,
        user_rooms_max: Option<u64>,
        admins_make_rooms: bool,
    ) -> Self {
        Self { rooms, user_bytes_max, user_rooms_max, admins_make_rooms, ..Self::default() }
    }

    /// Most bytes of this room on disk; `None`: any number.
    pub fn room_bytes_max(&self, room: &RoomName) -> Option<u64> {
        self.rooms.of(room)
    }

    /// Whether bytes on disk are to be counted.
    pub fn count_bytes(&self) -> bool {
        self.rooms.is_set() || self.user_bytes_max.is_some()
    }

    /// Whether what a user has is of interest.
    pub fn limit_users(&self) -> bool {
        self.user_bytes_max.is_some() || self.user_rooms_max.is_some()
    }

    /// Whether anything may be denied.
    pub fn are_set(&self) -> bool {
        self.rooms.is_set() || self.limit_users() || self.admins_make_rooms
    }

    /// Whether a room may have an entry with a body of `bytes` more of `from`.
    pub fn admit(&self, room: RoomBytes, from: Sender, bytes: usize) -> Result<(), Denied> {
        self.admit_all(room, from, bytes as u64 + ENTRY_OVERHEAD_BYTES)
    }

    /// As [`admit`](Self::admit), for entries that count so much together.
    pub fn admit_all(&self, room: RoomBytes, from: Sender, bytes: u64) -> Result<(), Denied> {
        self.admit_room(room, from)?;
        fits(room, bytes)?;
        let Some(user_bytes_max) = self.user_bytes_max else { return Ok(()) };
        if self.own(from.user, 0) + bytes > user_bytes_max { Err(Denied::UserFull) } else { Ok(()) }
    }

    /// Whether a room may have a first content, the bytes of which are nobody's, for this one.
    pub fn admit_first(&self, room: RoomBytes, from: Sender, bytes: usize) -> Result<(), Denied> {
        self.admit_room(room, from)?;
        fits(room, bytes as u64 + ENTRY_OVERHEAD_BYTES)
    }

    /// Whether a room is there, or this one may make it, as far as is known. The database knows better: see [`maker`](Self::maker).
    pub fn admit_room(&self, room: RoomBytes, from: Sender) -> Result<(), Denied> {
        if room.stored.is_some() || from.access >= Access::Admin {
            return Ok(());
        }
        if self.admins_make_rooms {
            return Err(Denied::NoRoom);
        }
        if self.have_all_rooms(from.user) { Err(Denied::TooManyRooms) } else { Ok(()) }
    }

    /// For whom a room counts that this one makes; for nobody if an admin does.
    pub fn maker(&self, from: Sender) -> Option<Maker> {
        let maker = || Maker { user: from.user.clone(), rooms_max: self.user_rooms_max };
        (from.access < Access::Admin).then(maker)
    }

    /// The database says that a user has made as many rooms as they may.
    pub fn has_all_rooms(&self, user: &UserId) {
        if let Some(user_rooms_max) = self.user_rooms_max {
            self.with_own(user, |own| own.rooms = user_rooms_max);
        }
    }

    /// An entry was stored; what it counts.
    pub fn count(&self, entry: &NewEntry) -> u64 {
        let bytes = entry.body.len() as u64 + ENTRY_OVERHEAD_BYTES;
        self.count_of(entry.via.as_ref().unwrap_or(&entry.author), bytes);
        bytes
    }

    /// So much was stored of a user.
    pub fn count_of(&self, user: &UserId, bytes: u64) {
        if self.user_bytes_max.is_some() {
            self.own(user, bytes);
        }
    }

    /// A user may want to store something soon. Who could make no more rooms is read at once: one may be gone since.
    pub fn expect(&self, user: &UserId) {
        if self.limit_users() && self.have_all_rooms(user) {
            self.unknown.notify_one();
        }
    }

    /// Whether a user has made as many rooms as they may, as far as is known.
    pub fn have_all_rooms(&self, user: &UserId) -> bool {
        self.limit_users() && self.with_own(user, |own| self.user_rooms_max.is_some_and(|max| own.rooms >= max))
    }

    /// The bytes of a user, with so many more, as far as they are known; they are read again soon.
    fn own(&self, user: &UserId, more: u64) -> u64 {
        self.with_own(user, |own| {
            own.bytes += more;
            own.bytes
        })
    }

    /// What a user has, as far as that is known; it is read again soon.
    fn with_own<R>(&self, user: &UserId, act: impl FnOnce(&mut Own) -> R) -> R {
        let mut users = self.users();
        if let Some(own) = users.get_mut(user) {
            own.is_due = true;
            return act(own);
        }
        forget_little(&mut users, self.user_bytes_max.unwrap_or(0));
        self.unknown.notify_one();
        act(users.entry(user.clone()).or_insert(Own { is_due: true, ..Own::default() }))
    }

    /// Waits for users who are to be read at once.
    pub async fn unknown(&self) {
        self.unknown.notified().await;
    }

    /// At most so many users whose bytes are to be read now.
    pub fn take_due(&self, limit: usize) -> Vec<UserId> {
        let mut users = self.users();
        let due = users.iter_mut().filter(|(_, own)| own.is_due).take(limit);
        due.map(|(user, own)| {
            own.is_due = false;
            user.clone()
        })
        .collect()
    }

    /// What users have was read.
    pub fn set(&self, read: impl IntoIterator<Item = (UserId, Usage)>) {
        let mut users = self.users();
        for (user, Usage { bytes, rooms }) in read {
            if let Some(own) = users.get_mut(&user) {
                (own.bytes, own.rooms) = (bytes, rooms);
            }
        }
    }

    /// It could not be read.
    pub fn put_back(&self, due: &[UserId]) {
        let mut users = self.users();
        for user in due {
            if let Some(own) = users.get_mut(user) {
                own.is_due = true;
            }
        }
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Own>> {
        // Nothing panics while it is locked.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fits(room: RoomBytes, bytes: u64) -> Result<(), Denied> {
    let is_full = room.max.is_some_and(|max| room.stored.unwrap_or(0) + bytes > max);
    if is_full { Err(Denied::RoomFull) } else { Ok(()) }
}

/// Makes room for another user.
fn forget_little(users: &mut HashMap<UserId, Own>, user_bytes_max: u64) {
    if users.len() < USERS_MAX {
        return;
    }
    let mut little = user_bytes_max / LITTLE_PART;
    while users.len() >= USERS_MAX {
        users.retain(|_, own| own.bytes > little);
        little = 2 * little + 1;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;

    use super::*;
    use crate::store::EntryKind;

    fn of(user: &UserId) -> Sender<'_> {
        Sender { user, access: Access::Write }
    }

    fn room(quotas: &Quotas, stored: Option<u64>) -> RoomBytes {
        RoomBytes { stored, max: quotas.room_bytes_max(&RoomName::parse("plan").unwrap()) }
    }

    fn entry(author: &UserId, via: Option<&UserId>, bytes: usize) -> NewEntry {
        let (kind, body) = (EntryKind::Edit, Bytes::from(vec![0; bytes]));
        NewEntry { kind, author: author.clone(), via: via.cloned(), key: None, condition: None, body }
    }

    #[test]
    fn a_room_takes_what_fits_to_the_byte() {
        let (quotas, ada) = (Quotas::new(RoomQuota::of_each(1_000), None, None, false), UserId::new("ada"));
        let body = (1_000 - ENTRY_OVERHEAD_BYTES) as usize;
        assert_eq!(quotas.admit(room(&quotas, None), of(&ada), body), Ok(()));
        assert_eq!(quotas.admit(room(&quotas, None), of(&ada), body + 1), Err(Denied::RoomFull));
        assert_eq!(quotas.admit(room(&quotas, Some(1)), of(&ada), body), Err(Denied::RoomFull));
        assert_eq!(quotas.count(&entry(&ada, None, body)), 1_000);
    }

    #[test]
    fn a_user_has_what_it_sent_in_all_rooms_and_others_have_their_own() {
        let quotas = Quotas::new(RoomQuota::default(), Some(1_000), None, false);
        let [ada, bob] = ["ada", "bob"].map(UserId::new);
        quotas.count(&entry(&bob, Some(&ada), 600));
        assert_eq!(quotas.admit(room(&quotas, Some(0)), of(&bob), 900), Ok(()));
        assert_eq!(quotas.admit(room(&quotas, Some(0)), of(&ada), 600), Err(Denied::UserFull));
        quotas.count(&entry(&ada, None, 100));
        assert_eq!(quotas.admit(room(&quotas, Some(0)), of(&ada), 200), Err(Denied::UserFull));
        let mut due = quotas.take_due(10);
        due.sort();
        assert_eq!(due, [ada.clone(), bob.clone()]);
        assert_eq!(quotas.take_due(10), []);
        let bytes = |bytes| Usage { bytes, rooms: 9 };
        quotas.set([(ada.clone(), bytes(100)), (bob.clone(), bytes(1_000)), (UserId::new("gone"), bytes(7))]);
        assert_eq!(quotas.admit(room(&quotas, Some(0)), of(&ada), 600), Ok(()));
        assert_eq!(quotas.admit(room(&quotas, Some(0)), of(&bob), 0), Err(Denied::UserFull));
        // Whoever was let store something, or not, is read again; also after a database that did not answer.
        assert_eq!(quotas.take_due(1).len(), 1);
        let last = quotas.take_due(10);
        quotas.put_back(&last);
        assert_eq!((last.len(), quotas.take_due(10)), (1, last));
    }

    #[test]
    fn somebody_of_whom_nothing_is_known_is_read_at_once() {
        let (quotas, ada) = (Quotas::new(RoomQuota::default(), Some(1_000), None, false), UserId::new("ada"));
        assert!(quotas.unknown().now_or_never().is_none());
        quotas.expect(&ada);
        assert!(quotas.unknown().now_or_never().is_some());
        assert_eq!(quotas.take_due(10), std::slice::from_ref(&ada));
        quotas.expect(&ada);
        assert!(quotas.unknown().now_or_never().is_none(), "it is read in its time");
        Quotas::default().expect(&ada);
    }

    #[test]
    fn a_first_content_is_nobodys_and_of_no_room_that_nobody_may_make() {
        let (quotas, ada) = (Quotas::new(RoomQuota::of_each(1_000), Some(0), None, true), UserId::new("ada"));
        let body = (1_000 - ENTRY_OVERHEAD_BYTES) as usize;
        let admin = Sender { access: Access::Admin, ..of(&ada) };
        assert_eq!(quotas.admit_first(room(&quotas, None), admin, body), Ok(()));
        assert_eq!(quotas.admit_first(room(&quotas, None), admin, body + 1), Err(Denied::RoomFull));
        assert_eq!(quotas.admit_first(room(&quotas, None), of(&ada), body), Err(Denied::NoRoom));
        assert_eq!(quotas.admit_first(room(&quotas, Some(0)), of(&ada), body), Ok(()));
        assert_eq!(quotas.admit_first(room(&quotas, Some(1)), of(&ada), body), Err(Denied::RoomFull));
    }

    #[test]
    fn who_has_made_as_many_rooms_as_they_may_makes_no_more_and_admins_make_any_number() {
        let quotas = Quotas::new(RoomQuota::default(), None, Some(2), false);
        let [ada, bob] = ["ada", "bob"].map(UserId::new);
        let admin = Sender { access: Access::Admin, ..of(&ada) };
        let rooms = |rooms| Usage { bytes: 1 << 40, rooms };
        quotas.expect(&ada);
        quotas.set([(ada.clone(), rooms(1))]);
        assert_eq!(quotas.admit(room(&quotas, None), of(&ada), 1), Ok(()));
        quotas.set([(ada.clone(), rooms(2))]);
        assert_eq!(quotas.admit(room(&quotas, None), of(&ada), 1), Err(Denied::TooManyRooms));
        assert_eq!(quotas.admit_first(room(&quotas, None), of(&ada), 1), Err(Denied::TooManyRooms));
        assert_eq!(quotas.admit(room(&quotas, Some(0)), of(&ada), 1), Ok(()));
        assert_eq!(quotas.admit(room(&quotas, None), admin, 1), Ok(()));
        assert_eq!((quotas.maker(admin), quotas.maker(of(&ada)).map(|maker| maker.rooms_max)), (None, Some(Some(2))));
        // Of whom nothing is known the database knows.
        assert_eq!(quotas.admit(room(&quotas, None), of(&bob), 1), Ok(()));
        quotas.has_all_rooms(&bob);
        assert_eq!(quotas.admit(room(&quotas, None), of(&bob), 1), Err(Denied::TooManyRooms));
        assert!(quotas.take_due(10).contains(&bob), "a room may be gone");
        // Who comes in is read before they write.
        assert!(quotas.unknown().now_or_never().is_some());
        quotas.set([(ada.clone(), rooms(1))]);
        quotas.expect(&ada);
        assert!(quotas.unknown().now_or_never().is_none());
        quotas.expect(&bob);
        assert!(quotas.unknown().now_or_never().is_some());
    }

    #[test]
    fn only_an_admin_makes_a_room_where_that_is_asked_for() {
        let (quotas, ada) = (Quotas::new(RoomQuota::default(), None, None, true), UserId::new("ada"));
        let admin = Sender { access: Access::Admin, ..of(&ada) };
        assert_eq!(quotas.admit(room(&quotas, None), of(&ada), 1), Err(Denied::NoRoom));
        assert_eq!(quotas.admit(room(&quotas, None), admin, 1), Ok(()));
        assert_eq!(quotas.admit(room(&quotas, Some(0)), of(&ada), 1), Ok(()));
        assert!(quotas.are_set() && !Quotas::default().are_set());
        assert_eq!(Quotas::default().admit(room(&quotas, None), of(&ada), usize::MAX >> 1), Ok(()));
    }

    #[test]
    fn of_very_many_users_those_with_little_are_forgotten() {
        let own = |bytes| Own { bytes, rooms: 0, is_due: false };
        let mut users: HashMap<UserId, Own> =
            (0..USERS_MAX as u64).map(|number| (UserId::new(number.to_string()), own(number))).collect();
        forget_little(&mut users, 1_000_000);
        assert_eq!(users.len(), USERS_MAX - 1_001);
        let mut alike: HashMap<UserId, Own> =
            (0..USERS_MAX).map(|number| (UserId::new(number.to_string()), own(9_000))).collect();
        forget_little(&mut alike, 1_000_000);
        assert!(alike.is_empty());
    }
}
