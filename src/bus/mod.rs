//! What servers on one database tell each other: committed entries, and signals. A bus may lose, repeat and delay anything: it is a
//! hint, and the database is the judge. Nothing that is not committed travels as an entry. Knows no rooms' insides.
//!
//! [`Bus`] carries texts; behind it stand Postgres ([`PostgresBus`]) and NATS ([`NatsBus`]). [`Cluster`] is what the rest of the program
//! sees: who else is there, which rooms live elsewhere too, and how to tell them something. A server that is alone tells nobody anything.

mod cluster;
mod deliver;
mod frame;
#[cfg(test)]
mod golden;
mod hearing;
mod kept;
mod link;
mod meeting;
mod message;
mod nats;
mod outgoing;
mod peers;
mod postgres;
mod questions;
mod room_state;
mod rooms;
mod runtime;
mod telling;
#[cfg(test)]
mod tests;
mod transport;
mod watch;

pub use cluster::{Cluster, Status};
pub use deliver::Deliver;
pub use message::{
    Answer, FORWARDED_BYTES_MAX, Question, RoomMessage, SharedEntry, Signal, StreamMessage, Uplinked, UserSignal,
};
pub use nats::NatsBus;
pub use postgres::PostgresBus;
pub use questions::Answers;
pub use room_state::{AbsentUser, Part, RoomState, SharedState, SharedUser};
pub use runtime::BusRuntime;
pub use telling::{ANSWER_TIMEOUT, Entered, Unanswered};
pub use transport::{Bus, BusError, BusReceiver, BusSender, Channel};
