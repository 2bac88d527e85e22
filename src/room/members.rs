//! Who is in a room: sockets, their users and what they may do. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::messages::UserPresence;
use crate::auth::Access;
use crate::ids::{SocketId, UserId};

/// One socket in a room.
#[derive(Debug)]
pub struct Member {
    /// Its relay, as an index into the room's links.
    pub link: usize,
    /// Whose socket it is.
    pub user: UserId,
    /// The name shown to others.
    pub name: Arc<str>,
    /// What it may do here.
    pub access: Access,
    /// The Yjs client that the socket announced first, its own.
    pub own_client: Option<u64>,
    /// What the document lacks of this member, if anything.
    pub lack: Option<Box<Lack>>,
}

/// Most echoes that wait for a lack to be filled. A client whose further ones are dropped never takes its edits for saved.
const HELD_ECHOES_MAX: usize = 64;

/// Edits of a member that came after a gap, or were refused for now. Until the document has them, nothing that the member sends
/// later tells it that all before is committed.
#[derive(Debug, Default)]
pub struct Lack {
    /// Clocks that the document must reach, by Yjs client.
    pub clocks: Vec<(u64, u32)>,
    /// Whether only a Step2 can tell that all is there.
    pub needs_step2: bool,
    /// Whether the member was asked by Step1.
    pub is_asked: bool,
    /// Echoes that wait.
    held: Vec<Bytes>,
}

impl Lack {
    /// Keeps an echo until the lack is filled.
    pub fn hold(&mut self, echo: Bytes) {
        if self.held.len() < HELD_ECHOES_MAX {
            self.held.push(echo);
        }
    }

    /// The echoes that waited, in order.
    pub fn into_echoes(self) -> Vec<Bytes> {
        self.held
    }
}

/// The members by socket.
#[derive(Debug, Default)]
pub struct Members {
    by_socket: HashMap<SocketId, Member>,
}

impl Members {
    /// Adds a member; a socket is in a room at most once.
    pub fn insert(&mut self, socket: SocketId, member: Member) {
        self.by_socket.insert(socket, member);
    }

    /// Removes a member.
    pub fn remove(&mut self, socket: SocketId) -> Option<Member> {
        self.by_socket.remove(&socket)
    }

    /// The member of a socket.
    pub fn get(&self, socket: SocketId) -> Option<&Member> {
        self.by_socket.get(&socket)
    }

    /// The member of a socket, to change it.
    pub fn get_mut(&mut self, socket: SocketId) -> Option<&mut Member> {
        self.by_socket.get_mut(&socket)
    }

    /// The sockets, but for `sender`, whose own typing by one of these Yjs clients is.
    pub fn owners(&self, clients: &[u64], sender: SocketId) -> Vec<SocketId> {
        let is_owner = |member: &Member| member.own_client.is_some_and(|own| clients.contains(&own));
        let owners = self.by_socket.iter().filter(|(socket, member)| **socket != sender && is_owner(member));
        owners.map(|(socket, _)| *socket).collect()
    }

    /// All members, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SocketId, &mut Member)> {
        self.by_socket.iter_mut().map(|(socket, member)| (*socket, member))
    }

    /// Whether nobody is in.
    pub fn is_empty(&self) -> bool {
        self.by_socket.is_empty()
    }

    /// The members by user, in order of the users' ids.
    pub fn users(&self) -> Vec<UserPresence> {
        let mut users: BTreeMap<&UserId, UserPresence> = BTreeMap::new();
        for member in self.by_socket.values() {
            users
                .entry(&member.user)
                .or_insert_with(|| UserPresence { user: member.user.clone(), name: member.name.clone(), sockets: 0 })
                .sockets += 1;
        }
        users.into_values().collect()
    }
}
