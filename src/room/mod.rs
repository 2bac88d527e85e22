//! Rooms: everything that happens in one is ordered by one actor, shown by relays and made durable by the journal.
//!
//! [`Room`] orders; its parts are pure and tested without actors: [`members`] (who is in), [`presence`] (awareness states),
//! [`uncommitted`] (edits on their way into the store), [`lacks`] (who is asked for what the room lacks), [`outbound`] (what this
//! turn shows to whom). [`Directory`] finds or starts a
//! room, [`Relay`] hands a room's frames to the sockets of one thread, [`Journal`] commits entries of many rooms together.
//!
//! A room knows neither HTTP nor streams. What it sends goes room → relay → outlet, so that one mailbox keeps one order.

mod answering;
mod counting;
mod directory;
mod documents;
mod editing;
mod foreign;
mod gathering;
mod hearing;
mod journal;
mod lacks;
mod loading;
mod members;
mod messages;
mod outbound;
mod pace;
mod people;
mod presence;
mod presenting;
#[cfg(test)]
mod promise;
mod publishing;
mod questions;
mod recent;
mod refusing;
mod relay;
#[allow(clippy::module_inception)]
mod room;
mod roster;
mod saving;
mod saying;
mod settings;
mod signalling;
mod snapshots;
mod states;
mod steps;
mod timeline;
mod turn;
mod typing;
mod uncommitted;

pub use directory::{Directory, Lease, Place};
pub use journal::Journal;
pub use messages::{
    Announce, AskAwareness, AskSaved, AskState, Awareness, BinarySignal, Disconnect, Edit, Flush, GetPresence, Join,
    JsonJoin, Leave, LongEdit, More, Post, PostError, Renew, Say, StartCount, Stateless, UserPresence,
};
pub use outbound::Outbound;
pub use people::People;
pub use relay::{CloseAll, Connection, Counted, LocalRelay, Outlet, Relay, RelayHandle, Relays, StopReading};
pub use room::Room;
pub use settings::RoomSettings;
pub use states::{StateBudget, TOO_MANY_LARGE};

/// One life of a room in this process; a room that ends and starts again gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomKey(pub u64);
