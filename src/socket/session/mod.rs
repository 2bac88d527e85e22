//! A socket's side of the conversation: reads messages of its protocol and passes them on to rooms. What comes back goes through
//! the relay.

mod charges;
mod denied;
mod echo;
mod forward;
mod hocuspocus;
mod io;
mod json;
mod member_outlet;
mod membership;
mod open;
mod request_queue;

#[allow(clippy::module_inception)]
mod session;
mod token_lifetime;
mod yjs;

pub(super) use denied::DeniedSession;
pub(super) use io::SessionIo;
pub(super) use open::{Opened, open};
pub(super) use session::{Session, SocketClose};
