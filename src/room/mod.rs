//! Rooms: everything that happens in one is ordered by one actor, shown by relays and made durable by the journal.
//!
//! [`Room`] orders; its parts are folders: [`document`] (edits, replies to Step1, loading, snapshots), [`timeline`] (publishing, steps,
//! replay), [`presence`] (awareness, users, typing), [`commit`] (entries on their way into the store) and [`fanout`] (what this turn
//! shows to whom, and the relays). [`Directory`] finds or starts a room, [`Relay`] hands a room's frames to the sockets of one thread,
//! [`Journal`] commits entries of many rooms together.
//!
//! A room knows neither HTTP nor streams. What it sends goes room → relay → outlet, so that one mailbox keeps one order.

mod arrivals;
mod commit;
mod context;
mod death;
mod deleted;
mod directory;
mod dispatch;
mod document;
mod elsewhere;
mod fanout;
mod io;
mod life;
mod members;
mod membership;
mod messages;
mod outcomes;
mod presence;
mod quotas;
mod renewal;
mod residence;
#[allow(clippy::module_inception)]
mod room;
mod seeding;
mod servers;
mod settings;
mod signals;
mod slots;
#[cfg(test)]
mod testing;
mod timeline;
mod timers;
mod turn;
mod unmade;
mod unplaced;

pub use commit::Journal;
pub use context::BackEnd;
pub use directory::{Directory, Lease, Place};
pub use document::{EditOrigin, StateBudget, TOO_MANY_LARGE};
pub use fanout::{
    CheckTokens, CloseAll, Connection, Counted, LocalRelay, Outbound, Outlet, Relay, RelayHandle, Relays, Seat,
    StopReading, UserSockets,
};
pub use messages::{
    Announce, AskAwareness, AskSaved, AskState, AwaitEntry, BroadcastBinary, BroadcastStateless, Disconnect, Edit,
    EndDeleted, EndOutdated, Flush, FromServer, GetPresence, HandOver, Join, JsonJoin, Leave, Post, PostError,
    RefuseLongEdit, Renew, ReplayMore, Say, Showing, StartCount, UpdateAwareness, WriteDocument, WriteError, Written,
};
pub use quotas::{Denied, Quotas, RoomBytes, Sender};
pub use room::Room;
pub use settings::RoomSettings;

/// One life of a room in this process; a room that ends and starts again gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomKey(pub u64);
