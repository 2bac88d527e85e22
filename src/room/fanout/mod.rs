//! From a room to the sockets of its members: what a turn gathers for each relay, and the relays that hand it to the sockets of
//! their threads. Knows no documents and no members but by their ids.

mod outbound;
mod pace;
mod relay;
mod user_sockets;

use std::time::{Duration, Instant};

pub use outbound::Outbound;
#[cfg(test)]
pub use outbound::Sent;
pub use pace::Pace;
pub use relay::{
    CheckTokens, CloseAll, Connection, Counted, LocalRelay, Outlet, Relay, RelayHandle, Relays, StopReading,
};
pub use user_sockets::UserSockets;

/// A turn ends when the mailbox is empty, or here: a mailbox under load never is.
const TURN_MESSAGES_MAX: usize = 256;
/// As above, in bytes sent to one relay.
const TURN_BYTES_MAX: usize = 64 * 1024;
/// Under load a room sends at most this often.
const FLUSH_EVERY: Duration = Duration::from_millis(5);

/// What a turn sends, and when.
pub struct Fanout {
    /// What it has gathered.
    pub outbound: Outbound,
    messages: usize,
    pace: Pace,
}

impl Fanout {
    /// Nothing is gathered yet.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, messages: 0, pace: Pace::new(FLUSH_EVERY) }
    }

    /// Counts a message that the room has handled. Whether the turn has become too long.
    pub fn count_message(&mut self) -> bool {
        self.messages += 1;
        self.is_full()
    }

    fn is_full(&self) -> bool {
        self.messages >= TURN_MESSAGES_MAX || self.outbound.turn_bytes() >= TURN_BYTES_MAX
    }

    /// How long to hold back what has been gathered; `None`: send it now.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.pace.wait(now).filter(|_| !self.is_full())
    }

    /// Sends what has been gathered.
    pub fn flush(&mut self, now: Instant) {
        self.pace.turned(now, self.messages);
        self.messages = 0;
        self.outbound.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::RoomKey;

    #[test]
    fn a_turn_ends_after_so_many_messages_and_load_is_held_back_until_then() {
        let (mut fanout, now) = (Fanout::new(Outbound::new(RoomKey(1))), Instant::now());
        for _ in 0..20 {
            fanout.flush(now);
        }
        assert_eq!(fanout.wait(now), Some(FLUSH_EVERY));
        for _ in 1..TURN_MESSAGES_MAX {
            assert!(!fanout.count_message());
        }
        assert!(fanout.count_message());
        assert_eq!(fanout.wait(now), None);
    }
}
