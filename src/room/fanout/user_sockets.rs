//! The sockets of each user, for what is said to a person and not in a room. A sharded map and no actor, as the directory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::relay::{RelayHandle, Tell};
use crate::ids::{SocketId, UserId};
use crate::wire::Frame;

const SHARDS: usize = 64;
/// Most sockets of one user that messages to the user reach; later ones get none.
const SOCKETS_MAX: usize = 1000;

type Shard = HashMap<UserId, Vec<(SocketId, RelayHandle)>>;

/// The sockets of each user that speak JSON.
pub struct UserSockets {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

impl Default for UserSockets {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl UserSockets {
    /// Adds a socket.
    pub fn add(&self, user: &UserId, socket: SocketId, relay: RelayHandle) {
        let mut shard = self.shard(user);
        let sockets = shard.entry(user.clone()).or_default();
        if sockets.len() < SOCKETS_MAX {
            sockets.push((socket, relay));
        }
    }

    /// Removes a socket.
    pub fn remove(&self, user: &UserId, socket: SocketId) {
        let mut shard = self.shard(user);
        if let Some(sockets) = shard.get_mut(user) {
            sockets.retain(|(id, _)| *id != socket);
            if sockets.is_empty() {
                shard.remove(user);
            }
        }
    }

    /// Sends a frame to all sockets of a user; how many there are.
    pub fn tell(&self, user: &UserId, frame: &Frame) -> usize {
        let sockets = self.shard(user).get(user).cloned().unwrap_or_default();
        for (socket, relay) in &sockets {
            relay.addr.do_send(Tell { socket: *socket, frame: frame.clone() });
        }
        sockets.len()
    }

    /// Sends a frame to one socket, by its relay.
    pub fn tell_one(relay: &RelayHandle, socket: SocketId, frame: Frame) {
        relay.addr.do_send(Tell { socket, frame });
    }

    fn shard(&self, user: &UserId) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[self.hasher.hash_one(user) as usize % SHARDS];
        // Nothing panics while a shard is locked.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
