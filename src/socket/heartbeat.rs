//! When to ping, when to send a keep-alive, when to give a peer up. Pure: asked at each timer, it says what to do and when to ask
//! again.

use std::time::{Duration, Instant};

/// The waits of a socket.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// A peer that was silent for this long is pinged.
    pub ping_interval: Duration,
    /// A pinged peer that stays silent for this long is gone.
    pub pong_timeout: Duration,
    /// A y-websocket peer that was sent nothing for this long gets an empty awareness frame: its watchdog does not see pings.
    pub keepalive_interval: Duration,
    /// A peer that takes none of what waits for it for this long is stuck.
    pub stall_timeout: Duration,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing.
    Rest,
    /// Ping the peer.
    Ping,
    /// Send a keep-alive.
    KeepAlive,
    /// The peer is gone.
    Lost,
    /// The peer takes nothing.
    Stalled,
}

/// What a socket knows of its peer.
#[derive(Debug, Clone, Copy)]
pub struct Signs {
    /// When anything last came.
    pub heard: Instant,
    /// When a ping went out that nothing has come after.
    pub pinged: Option<Instant>,
    /// When a message last went out; `None` where no keep-alive is needed.
    pub spoke: Option<Instant>,
    /// When the peer last took something, while frames wait for it.
    pub progressed: Option<Instant>,
    /// Whether the socket reads: a pong cannot be heard while it does not.
    pub is_reading: bool,
}

impl Rhythm {
    /// How long a new socket waits before it first asks what is due.
    pub fn first_wait(&self) -> Duration {
        self.ping_interval.min(self.keepalive_interval).min(self.stall_timeout)
    }

    /// What is due at `now`, and how long to wait before asking again.
    pub fn beat(&self, signs: Signs, now: Instant) -> (Beat, Duration) {
        let left = |since: Instant, wait: Duration| wait.saturating_sub(now.duration_since(since));
        if let Some(progressed) = signs.progressed
            && left(progressed, self.stall_timeout).is_zero()
        {
            return (Beat::Stalled, self.ping_interval);
        }
        let mut wait = signs.progressed.map_or(self.stall_timeout, |since| left(since, self.stall_timeout));
        match signs.pinged {
            Some(pinged) if signs.is_reading => {
                // The ping stands behind what the peer is still taking.
                let reached = signs.progressed.map_or(pinged, |progressed| progressed.max(pinged));
                let silence = left(reached, self.pong_timeout);
                if silence.is_zero() {
                    return (Beat::Lost, self.ping_interval);
                }
                wait = wait.min(silence);
            }
            Some(_) => wait = wait.min(self.pong_timeout),
            None => {
                let silence = left(signs.heard, self.ping_interval);
                if silence.is_zero() {
                    let keepalive = signs.spoke.map_or(wait, |spoke| left(spoke, self.keepalive_interval));
                    return (Beat::Ping, wait.min(self.pong_timeout).min(keepalive));
                }
                wait = wait.min(silence);
            }
        }
        if let Some(spoke) = signs.spoke {
            let silence = left(spoke, self.keepalive_interval);
            if silence.is_zero() {
                return (Beat::KeepAlive, wait.min(self.keepalive_interval));
            }
            wait = wait.min(silence);
        }
        (Beat::Rest, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm {
        ping_interval: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(10),
        keepalive_interval: Duration::from_secs(15),
        stall_timeout: Duration::from_secs(30),
    };

    fn beat(at_s: u64, change: impl Fn(&mut Signs, Instant)) -> (Beat, u64) {
        let start = Instant::now();
        let mut signs = Signs { heard: start, pinged: None, spoke: None, progressed: None, is_reading: true };
        change(&mut signs, start);
        let (beat, wait) = RHYTHM.beat(signs, start + Duration::from_secs(at_s));
        (beat, wait.as_secs())
    }

    #[test]
    fn a_silent_peer_is_pinged_and_given_up_after_the_pong_is_due() {
        assert_eq!(beat(24, |_, _| {}), (Beat::Rest, 1));
        assert_eq!(beat(25, |_, _| {}), (Beat::Ping, 10));
        let pinged = |signs: &mut Signs, start| signs.pinged = Some(start);
        assert_eq!(beat(9, pinged), (Beat::Rest, 1));
        assert_eq!(beat(10, pinged).0, Beat::Lost);
    }

    #[test]
    fn a_peer_is_not_given_up_while_nothing_is_read_from_it() {
        let unread = |signs: &mut Signs, start| {
            signs.pinged = Some(start);
            signs.is_reading = false;
        };
        assert_eq!(beat(20, unread), (Beat::Rest, 10));
    }

    #[test]
    fn a_peer_that_was_sent_nothing_gets_a_keep_alive() {
        let spoke = |signs: &mut Signs, start| signs.spoke = Some(start);
        assert_eq!(beat(14, spoke), (Beat::Rest, 1));
        assert_eq!(beat(15, spoke), (Beat::KeepAlive, 10));
    }

    #[test]
    fn a_ping_does_not_put_off_the_keep_alive() {
        let spoke = |signs: &mut Signs, start| signs.spoke = Some(start);
        assert_eq!(beat(25, |signs, start| signs.spoke = Some(start + Duration::from_secs(14))), (Beat::Ping, 4));
        assert_eq!(beat(25, spoke), (Beat::Ping, 0));
    }

    #[test]
    fn a_pong_is_due_only_once_the_peer_has_taken_what_stands_before_the_ping() {
        let slow = |signs: &mut Signs, start| {
            signs.pinged = Some(start);
            signs.progressed = Some(start + Duration::from_secs(9));
        };
        assert_eq!(beat(18, slow), (Beat::Rest, 1));
        assert_eq!(beat(19, slow).0, Beat::Lost);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_stuck() {
        let waiting = |signs: &mut Signs, start| {
            signs.progressed = Some(start);
            signs.pinged = Some(start + Duration::from_secs(29));
        };
        assert_eq!(beat(29, waiting), (Beat::Rest, 1));
        assert_eq!(beat(30, waiting).0, Beat::Stalled);
    }
}
