//! Someone who was told that they may not, and is ignored from then on.

use bytes::Bytes;

use super::io::SessionIo;
use super::session::{Session, SocketClose};
use crate::auth::Access;

/// A connection whose messages are ignored until it is closed.
pub struct DeniedSession;

impl Session for DeniedSession {
    fn protocol(&self) -> &'static str {
        "denied"
    }

    fn message_bytes_max(&self, io: &SessionIo) -> usize {
        io.context.settings.message_bytes_max(Access::None, 0)
    }

    fn on_binary(&mut self, _: &Bytes, _: &SessionIo) -> Result<(), SocketClose> {
        Ok(())
    }

    fn on_text(&mut self, _: &Bytes, _: &SessionIo) -> Result<(), SocketClose> {
        Ok(())
    }

    fn is_stranger(&self) -> bool {
        true
    }
}
