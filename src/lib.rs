//! Tutti: a self-hosted real-time collaboration backend. One binary, one database, the clients people already have.
//!
//! Modules, from the bottom up; upper ones may use lower ones, never the other way round:
//!
//! - [`ids`]: room names, users, seqs. [`entry_key`]: keys of entries. [`reclaim`]: large buffers of what clients send, given back by a thread of their own. [`parts`]: bytes that come one after another. [`layout`]: in which layouts things are stored. [`line`]: whose turn is over waits for others. [`metrics`]: what is counted. [`config`]: options in, a checked configuration or all problems out. [`telemetry`]: logs.
//! - [`wire`]: WebSocket frames. [`protocol`]: what Yjs clients say inside them. [`auth`]: tokens, access, the one policy.
//! - [`document`]: what is kept of a document, and how it is read. [`pack`]: old edits, compressed. [`store`]: the timelines in Postgres or SQLite.
//! - [`archive`]: the way from the store to a document. [`outgoing`]: requests to others. [`seed`]: first contents. [`webhooks`]: who is told what happens.
//! - [`bus`]: what servers on one database tell each other.
//! - [`comments`]: threads of comments, folded from events.
//! - [`history`]: a room's past: any state, who wrote what, what changed, how to undo it.
//! - [`room`]: the actor that orders what happens in a room, the relays that show it, the journal that commits it.
//! - [`socket`]: the actor that owns one connection.
//! - `transfer`: documents in from other servers' storage, rooms out into files (feature `import`).
//! - [`http`]: routes, REST, the upgrade. [`server`]: all of it put together, started and stopped.
//! - [`proxy`]: connections passed on to another server. [`cli`]: the commands.
//!
//! `docs/ARCHITECTURE.md` walks through what happens when a client joins, types, is too slow, and when the process stops.

pub mod archive;
pub mod auth;
pub mod budget;
pub mod bus;
pub mod cli;
pub mod comments;
pub mod config;
pub mod document;
pub mod entry_key;
pub mod history;
pub mod http;
pub mod ids;
pub mod layout;
pub mod line;
pub mod metrics;
pub mod outgoing;
pub mod pack;
pub mod parts;
pub mod protocol;
pub mod proxy;
pub mod rate;
pub mod reclaim;
pub mod room;
pub mod seed;
pub mod server;
pub mod socket;
pub mod store;
pub mod telemetry;
#[cfg(feature = "import")]
pub mod transfer;
pub mod webhooks;
pub mod wire;
