//! Sends messages back, one at a time.

use bytes::Bytes;

use super::io::SessionIo;
use super::session::{Session, SocketClose};
use crate::room::Counted;
use crate::wire::Frame;

/// A connection that gets back what it sends.
pub struct EchoSession;

impl Session for EchoSession {
    fn protocol(&self) -> &'static str {
        "echo"
    }

    fn message_bytes_max(&self, io: &SessionIo) -> usize {
        io.context.settings.writer_message_bytes_max
    }

    fn on_binary(&mut self, message: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        io.outbox.push(&Frame::binary(&[message]), Counted::Own);
        Ok(())
    }

    fn on_text(&mut self, message: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        io.outbox.push(&Frame::text(&[message]), Counted::Own);
        Ok(())
    }

    fn is_reading(&self, _: usize, io: &SessionIo) -> bool {
        !io.outbox.is_waiting()
    }
}
