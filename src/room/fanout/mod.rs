//! From a room to the sockets of its members: what a turn gathers for each relay, and the relays that hand it to the sockets of
//! their threads. Knows no documents and no members but by their ids.

mod outbound;
mod pace;
mod relay;
mod seat;
mod user_sockets;

use std::time::{Duration, Instant};

use crate::rate::{Bucket, Rate, weight};
pub use outbound::Outbound;
#[cfg(test)]
pub use outbound::Sent;
pub use pace::Pace;
pub use relay::{
    CheckTokens, CloseAll, Connection, Counted, LocalRelay, Outlet, Relay, RelayHandle, Relays, StopReading,
};
pub use seat::Seat;
pub use user_sockets::UserSockets;

/// A turn ends when the mailbox is empty, or here: a mailbox under load never is.
pub(super) const TURN_MESSAGES_MAX: usize = 256;
/// After so long others of the thread get their turn, whatever else there is to do.
const TURN_TIME: Duration = Duration::from_millis(1);
/// As above, in bytes sent to one relay.
const TURN_BYTES_MAX: usize = 64 * 1024;
/// What has no credit is refused while more than this is owed.
const INFLOW_OWED_MAX: Duration = Duration::from_secs(10);
/// Under load a room sends at most this often.
const FLUSH_EVERY: Duration = Duration::from_millis(5);

/// What a turn sends, and when.
pub struct Fanout {
    /// What it has gathered.
    pub outbound: Outbound,
    messages: usize,
    /// When the first of them was handled since others had their turn.
    began: Option<Instant>,
    pace: Pace,
    /// What is sent to the room. Past the rate members get their credit back later, and so send more slowly.
    inflow: Bucket,
    inflow_rate: Rate,
}

impl Fanout {
    /// Nothing is gathered yet; the room may be sent so much as `inflow_rate` says.
    pub fn new(outbound: Outbound, inflow_rate: Rate, now: Instant) -> Self {
        let (messages, pace) = (0, Pace::new(FLUSH_EVERY));
        Self { outbound, messages, began: None, pace, inflow: Bucket::new(inflow_rate, now), inflow_rate }
    }

    /// Counts messages that are not counted otherwise, and bytes.
    pub fn count_inflow(&mut self, messages: usize, bytes: usize, now: Instant) {
        self.inflow.spend(weight(messages, bytes), self.inflow_rate, now);
    }

    /// Whether to take what came without credit, of requests; or when to try again.
    pub fn may_take(&self, now: Instant) -> Result<(), Duration> {
        self.inflow.wait(self.inflow_rate, now).filter(|owed| *owed > INFLOW_OWED_MAX).map_or(Ok(()), Err)
    }

    /// Counts a message that the room has handled. Whether it is others' turn.
    pub fn count_message(&mut self, now: Instant) -> bool {
        self.messages += 1;
        let began = *self.began.get_or_insert(now);
        self.is_full() || now.duration_since(began) >= TURN_TIME
    }

    /// Others have their turn now, or nothing is left to do.
    pub fn rest(&mut self) {
        self.began = None;
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
        self.outbound.flush(self.inflow.wait(self.inflow_rate, now).is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemberId;
    use crate::rate::UNIT_BYTES;
    use crate::room::RoomKey;

    const RATE: Rate = Rate { per_second: 10.0, burst: 10.0 };

    #[test]
    fn rule_26_a_room_that_is_sent_too_much_gives_no_credit_for_a_while() {
        let now = Instant::now();
        let mut fanout = Fanout::new(Outbound::unconnected(), RATE, now);
        for second in [0, 1] {
            fanout.outbound.credit(0, MemberId(1), 100);
            fanout.count_inflow(1, 0, now);
            fanout.flush(now + Duration::from_secs(second));
            assert!(!fanout.outbound.is_behind(), "{second}");
        }
        fanout.count_inflow(0, 12 * UNIT_BYTES, now + Duration::from_secs(1));
        fanout.outbound.credit(0, MemberId(1), 100);
        fanout.flush(now + Duration::from_secs(1));
        assert!(fanout.outbound.is_behind());
        fanout.flush(now + Duration::from_secs(3));
        assert!(!fanout.outbound.is_behind());
    }

    #[test]
    fn rule_26_a_room_that_is_sent_far_too_much_refuses_requests_for_a_while() {
        let now = Instant::now();
        let mut fanout = Fanout::new(Outbound::unconnected(), RATE, now);
        fanout.count_inflow(0, 110 * UNIT_BYTES, now);
        assert_eq!(fanout.may_take(now), Ok(()));
        fanout.count_inflow(0, UNIT_BYTES, now);
        assert!(fanout.may_take(now).is_err_and(|wait| wait > INFLOW_OWED_MAX));
        assert_eq!(fanout.may_take(now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn a_turn_ends_after_so_many_messages_and_load_is_held_back_until_then() {
        let now = Instant::now();
        let mut fanout = Fanout::new(Outbound::new(RoomKey(1)), RATE, now);
        for _ in 0..20 {
            fanout.flush(now);
        }
        assert_eq!(fanout.wait(now), Some(FLUSH_EVERY));
        for _ in 1..TURN_MESSAGES_MAX {
            assert!(!fanout.count_message(now));
        }
        assert!(fanout.count_message(now));
        assert_eq!(fanout.wait(now), None);
    }

    #[test]
    fn a_turn_ends_when_its_messages_take_long_and_what_it_has_gathered_is_held_back_all_the_same() {
        let now = Instant::now();
        let mut fanout = Fanout::new(Outbound::new(RoomKey(1)), RATE, now);
        for _ in 0..20 {
            fanout.flush(now);
        }
        assert!(!fanout.count_message(now) && !fanout.count_message(now + TURN_TIME / 2));
        assert!(fanout.count_message(now + TURN_TIME));
        assert_eq!(fanout.wait(now + TURN_TIME), Some(FLUSH_EVERY - TURN_TIME));
        fanout.rest();
        assert!(!fanout.count_message(now + TURN_TIME));
    }
}
