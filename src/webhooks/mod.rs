//! Tells the application's own back end what happens in rooms: at least once, in order for each endpoint, room and event type.
//!
//! The timeline is the outbox. An append notes, in its transaction, that its room has entries to be told ([`crate::store::DueRoom`]);
//! `collect` sorts these into queues of deliveries, which name seqs and hold no content; `deliver` reads what they name and sends it.
//! Whichever server on the database comes first does either: rows say how far it is, and a lease in the database says who works on a
//! queue. Nothing here is waited for by a room.

mod body;
mod collect;
mod content;
mod deliver;
mod endpoint;
mod events;
mod hub;
mod known;

pub use deliver::{Sent, test};
pub use endpoint::{Endpoint, NewEndpoint, NewEndpointError};
pub use events::RoomEvents;
pub use hub::{CONFIGURED, WebhooksRuntime};
pub use known::Webhooks;
