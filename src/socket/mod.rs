//! Sockets: one actor a WebSocket connection or event stream, owner of its stream. Each protocol's side of a conversation is a session.
//!
//! [`Socket`] reads, beats and ends; [`Outbox`] is its bounded queue of frames, written by the thread's relay too; [`Stream`] is
//! the only place that knows what carries the bytes; [`Gate`] counts connections and [`ReconnectPace`] slows loops of them down.
//! Never touches a document or the store.

mod actor;
mod context;
mod ending;
mod event_streams;
mod gate;
mod heartbeat;
mod inflow;
mod opening;
mod openings;
mod outbox;
mod pace;
mod rates;
mod session;
mod settings;
mod stream;
mod timers;
mod tls;
mod turn;
mod unfinished;

pub use actor::Socket;
pub use context::SocketContext;
pub use event_streams::{EventStreams, HEARD_TIMEOUT, Said, UPLINK_KEY_CHARS_MAX, Uplink, UplinkError};
pub use gate::{Gate, GateFull, Permit, UserGate, UserPermit, network};
pub use heartbeat::Rhythm;
pub use inflow::spend_body;
pub use opening::{Opening, Path, StreamRoom, UpgradeRefusal};
pub use openings::RoomOpenings;
pub use outbox::Outbox;
pub use pace::{ReconnectPace, Visit};
pub use rates::{Buckets, Rates, SharedRates};
pub use settings::SocketSettings;
pub use stream::{Detach, Detached, SEND_BUFFER_BYTES, Stream};
