//! Who someone is and what they may do: tokens in, an [`Identity`] out; access and the one policy; origins. Knows
//! settings and names; neither sockets, HTTP nor the store.

mod access;
mod claims;
mod error;
mod grants;
mod key;
mod key_file;
mod key_set;
mod limits;
mod mint;
pub mod origin;
mod revocations;
#[cfg(test)]
mod tests;
mod tickets;
mod verifier;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use access::{Access, Action, NotAnAccess, allows};
pub use claims::is_plain_id;
pub use error::TokenError;
pub use grants::{GRANTS_MAX, Grant, Grants, GrantsError};
pub use key::{Key, KeyError};
pub use key_file::KeyFileError;
pub use key_set::{KeyMark, KeySet, NoKeySet};
pub use mint::{MintError, Minter, NewToken};
pub use revocations::{REVOCATIONS_MAX, Revocation, Revocations, Revoked};
pub use tickets::{TICKET_LIFETIME, Tickets, TooManyTickets};
pub use verifier::{Inspection, Verifier};

use crate::ids::{RoomName, UserId};

/// What somebody may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// What its token allows there.
    pub access: Access,
    /// Whether it is shown what is no more.
    pub looks_back: bool,
}

/// Who holds a token, and what it opens. Made by [`Verifier`] only from a token that it has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`.
    pub user: UserId,
    /// The name shown to others: the token's `name`, or its `sub`.
    pub name: Arc<str>,
    /// The token's `exp`, in Unix seconds.
    pub expires_at_s: u64,
    /// When a live socket with this token ends: `exp` and the leeway, in Unix seconds. Up to here the token would be
    /// accepted again, so a socket that ended earlier would come back with it at once.
    pub valid_until_s: u64,
    /// The token's `jti`, by which it can be revoked.
    pub token_id: Option<String>,
    /// The token's `iat`, if it says when it was issued, in Unix seconds.
    pub issued_at_s: Option<u64>,
    /// The rooms that it opens.
    pub grants: Arc<Grants>,
    /// Whether the key is still known by which it was verified.
    pub key: KeyMark,
}

impl Identity {
    /// What this identity may do in `room`. Rooms of the server's own are read by those who would be their admins.
    pub fn access(&self, room: &RoomName) -> Access {
        match self.grants.access(room) {
            Access::Admin if room.is_reserved() => Access::Read,
            _ if room.is_reserved() => Access::None,
            access => access,
        }
    }

    /// What this identity is let in with.
    pub fn rights(&self, room: &RoomName) -> Rights {
        Rights { access: self.access(room), looks_back: self.allows(room, Action::ReadPast) }
    }

    /// Whether it may do something in `room`.
    pub fn allows(&self, room: &RoomName, action: Action) -> bool {
        let access = self.access(room);
        let looks_back = action == Action::ReadPast && self.grants.with_history(room);
        allows(access, if looks_back { Action::ReadDocument } else { action })
    }

    /// Whether it is likely a server's: it may administer some room.
    pub fn is_server(&self) -> bool {
        self.grants.as_slice().iter().any(|grant| grant.access == Access::Admin && !grant.pattern.is_reserved())
    }

    /// Whether it may administer every room, and so the server: `admin` of `*`, which nothing before it lowers.
    pub fn is_server_admin(&self) -> bool {
        let grants = self.grants.as_slice();
        let everything = grants.iter().position(|grant| grant.pattern.is_everything());
        everything.is_some_and(|at| grants[..=at].iter().all(|grant| grant.access == Access::Admin))
    }

    /// Whether it may send messages to people: whoever may write in some room.
    pub fn may_message(&self) -> bool {
        self.grants.as_slice().iter().any(|grant| grant.access >= Access::Write && !grant.pattern.is_reserved())
    }
}

/// The wall clock in Unix milliseconds.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Unix seconds in milliseconds.
pub fn in_ms(unix_s: u64) -> i64 {
    i64::try_from(unix_s.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// The wall clock in Unix seconds, in which tokens count.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
