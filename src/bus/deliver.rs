//! Who hears what comes from other servers.

use uuid::Uuid;

use super::message::{Question, RoomMessage};
use crate::ids::RoomName;
use crate::store::RoomRow;

/// Who hears what comes from other servers. Nothing here may wait.
pub trait Deliver: Send + Sync + std::fmt::Debug {
    /// A server tells something about a room, which may not live here any more. Whether the room knows of that server what it is to
    /// know: if not, there was no room for it, and it has to be told again.
    fn room(&self, room: &RoomName, from: Uuid, say: RoomMessage) -> bool;
    /// A room that lives here lives there as well, and the server is to be told who is here.
    fn entered(&self, room: &RoomName, by: Uuid);
    /// A room that lives here does not live there any more, or the server is gone.
    fn left(&self, room: &RoomName, by: Uuid);
    /// The database told where a room's timeline ends.
    fn head(&self, row: &RoomRow);
    /// The database told that a room was deleted.
    fn deleted(&self, row: &RoomRow);
    /// The database told that there is no room of a name.
    fn missing(&self, room: &RoomName);
    /// A server asks something, to be answered with [`Cluster::answer`](super::Cluster::answer).
    fn ask(&self, from: Uuid, id: u64, question: Question);
    /// A revocation was added to the database.
    fn revoked(&self);
}
