//! What rooms and users may have on disk, and who may make rooms. Counted by what this server stores; what others store, and what is
//! deleted, counts once it is counted anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::auth::Access;
use crate::ids::UserId;
use crate::store::{ENTRY_OVERHEAD_BYTES, NewEntry};

/// Users whose bytes are remembered. Of more, those are forgotten who have little, until they are counted anew.
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
}

/// What is allowed, and what users have. By default everything is.
#[derive(Debug, Default)]
pub struct Quotas {
    /// Most bytes of a room on disk; `None`: any number.
    pub room_bytes_max: Option<u64>,
    /// Most bytes of a user on disk, in all rooms together; `None`: any number.
    pub user_bytes_max: Option<u64>,
    /// Whether only who has admin access may make a room.
    pub admins_make_rooms: bool,
    users: Mutex<HashMap<UserId, u64>>,
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
    pub fn new(room_bytes_max: Option<u64>, user_bytes_max: Option<u64>, admins_make_rooms: bool) -> Self {
        Self { room_bytes_max, user_bytes_max, admins_make_rooms, users: Mutex::default() }
    }

    /// Whether anything may be denied.
    pub fn are_set(&self) -> bool {
        self.room_bytes_max.is_some() || self.user_bytes_max.is_some() || self.admins_make_rooms
    }

    /// Whether a room that has `room_bytes`, or is not there yet, may have an entry with a body of `bytes` more of `from`.
    pub fn admit(&self, room_bytes: Option<u64>, from: Sender, bytes: usize) -> Result<(), Denied> {
        let bytes = bytes as u64 + ENTRY_OVERHEAD_BYTES;
        if room_bytes.is_none() && self.admins_make_rooms && from.access < Access::Admin {
            return Err(Denied::NoRoom);
        }
        if self.room_bytes_max.is_some_and(|max| room_bytes.unwrap_or(0) + bytes > max) {
            return Err(Denied::RoomFull);
        }
        let Some(user_bytes_max) = self.user_bytes_max else { return Ok(()) };
        let own = self.users().get(from.user).copied().unwrap_or(0);
        if own + bytes > user_bytes_max { Err(Denied::UserFull) } else { Ok(()) }
    }

    /// An entry was stored; what it counts.
    pub fn count(&self, entry: &NewEntry) -> u64 {
        let bytes = entry.body.len() as u64 + ENTRY_OVERHEAD_BYTES;
        if let Some(max) = self.user_bytes_max {
            let mut users = self.users();
            let user = entry.via.as_ref().unwrap_or(&entry.author);
            if let Some(own) = users.get_mut(user) {
                *own += bytes;
            } else {
                forget_little(&mut users, max);
                users.insert(user.clone(), bytes);
            }
        }
        bytes
    }

    /// What users have was counted anew.
    pub fn set_users(&self, counted: HashMap<UserId, u64>) {
        *self.users() = counted;
    }

    /// Adds what users have in some rooms, while it is counted anew.
    pub fn gather(&self, counted: &mut HashMap<UserId, u64>, part: Vec<(UserId, u64)>) {
        for (user, bytes) in part {
            *counted.entry(user).or_default() += bytes;
        }
        forget_little(counted, self.user_bytes_max.unwrap_or(0));
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, u64>> {
        // Nothing panics while it is locked.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for another user.
fn forget_little(users: &mut HashMap<UserId, u64>, user_bytes_max: u64) {
    if users.len() < USERS_MAX {
        return;
    }
    let mut little = user_bytes_max / LITTLE_PART;
    while users.len() >= USERS_MAX {
        users.retain(|_, bytes| *bytes > little);
        little = 2 * little + 1;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::EntryKind;

    fn of(user: &UserId) -> Sender<'_> {
        Sender { user, access: Access::Write }
    }

    fn entry(author: &UserId, via: Option<&UserId>, bytes: usize) -> NewEntry {
        let (kind, body) = (EntryKind::Edit, Bytes::from(vec![0; bytes]));
        NewEntry { kind, author: author.clone(), via: via.cloned(), key: None, condition: None, body }
    }

    #[test]
    fn a_room_takes_what_fits_to_the_byte() {
        let (quotas, ada) = (Quotas::new(Some(1_000), None, false), UserId::new("ada"));
        let body = (1_000 - ENTRY_OVERHEAD_BYTES) as usize;
        assert_eq!(quotas.admit(None, of(&ada), body), Ok(()));
        assert_eq!(quotas.admit(None, of(&ada), body + 1), Err(Denied::RoomFull));
        assert_eq!(quotas.admit(Some(1), of(&ada), body), Err(Denied::RoomFull));
        assert_eq!(quotas.count(&entry(&ada, None, body)), 1_000);
    }

    #[test]
    fn a_user_has_what_it_sent_in_all_rooms_and_others_have_their_own() {
        let quotas = Quotas::new(None, Some(1_000), false);
        let [ada, bob] = ["ada", "bob"].map(UserId::new);
        quotas.count(&entry(&bob, Some(&ada), 600));
        assert_eq!(quotas.admit(Some(0), of(&bob), 900), Ok(()));
        assert_eq!(quotas.admit(Some(0), of(&ada), 600), Err(Denied::UserFull));
        quotas.count(&entry(&ada, None, 100));
        assert_eq!(quotas.admit(Some(0), of(&ada), 200), Err(Denied::UserFull));
        let mut counted = HashMap::new();
        quotas.gather(&mut counted, vec![(ada.clone(), 100), (bob.clone(), 1)]);
        quotas.gather(&mut counted, vec![(bob.clone(), 999)]);
        quotas.set_users(counted);
        assert_eq!(quotas.admit(Some(0), of(&ada), 600), Ok(()));
        assert_eq!(quotas.admit(Some(0), of(&bob), 0), Err(Denied::UserFull));
    }

    #[test]
    fn only_an_admin_makes_a_room_where_that_is_asked_for() {
        let (quotas, ada) = (Quotas::new(None, None, true), UserId::new("ada"));
        let admin = Sender { access: Access::Admin, ..of(&ada) };
        assert_eq!(quotas.admit(None, of(&ada), 1), Err(Denied::NoRoom));
        assert_eq!(quotas.admit(None, admin, 1), Ok(()));
        assert_eq!(quotas.admit(Some(0), of(&ada), 1), Ok(()));
        assert!(quotas.are_set() && !Quotas::default().are_set());
        assert_eq!(Quotas::default().admit(None, of(&ada), usize::MAX >> 1), Ok(()));
    }

    #[test]
    fn of_very_many_users_those_with_little_are_forgotten() {
        let mut users: HashMap<UserId, u64> =
            (0..USERS_MAX as u64).map(|number| (UserId::new(number.to_string()), number)).collect();
        forget_little(&mut users, 1_000_000);
        assert_eq!(users.len(), USERS_MAX - 1_001);
        let mut alike: HashMap<UserId, u64> =
            (0..USERS_MAX).map(|number| (UserId::new(number.to_string()), 9_000)).collect();
        forget_little(&mut alike, 1_000_000);
        assert!(alike.is_empty());
    }
}
