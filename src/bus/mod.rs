//! What servers on one database tell each other: committed entries, and signals. A bus may lose, repeat and delay anything: it is a
//! hint, and the database is the judge. Nothing that is not committed travels as an entry. Knows no rooms' insides.
//!
//! [`Bus`] carries texts; behind it stand Postgres ([`PostgresBus`]) and NATS ([`NatsBus`]). [`Cluster`] is what the rest of the program
//! sees: who else is there, which rooms live elsewhere too, and how to tell them something. A server that is alone tells nobody anything.

mod cluster;
mod deliver;
mod frame;
mod kept;
mod link;
mod message;
mod nats;
mod outgoing;
mod peers;
mod postgres;
mod questions;
mod rooms;
mod runtime;
mod transport;
mod watch;

pub use cluster::{Cluster, Entered, Status, Unanswered};
pub use deliver::Deliver;
pub use message::{
    AbsentUser, Answer, Question, RoomMessage, RoomState, SharedEntry, SharedState, SharedUser, Signal, StreamMessage,
    Uplinked, UserSignal,
};
pub use nats::NatsBus;
pub use postgres::PostgresBus;
pub use questions::Answers;
pub use runtime::BusRuntime;
pub use transport::{Bus, BusError, BusReceiver, BusSender, Channel};
