//! How far a socket's end has come, and what it still takes from its peer to throw it away: a peer that is in the middle of a long
//! message reads our close frame only if it may go on writing. Pure but for what reads.

use std::io;

/// What is thrown away at most, in bytes.
const REST_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Reads before others of the thread get their turn.
const READS_PER_TURN: usize = 4;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Not begun.
    Open,
    /// The close frame is on its way.
    Flushing,
    /// Nothing more is written; what comes is thrown away, so that the peer gets the close frame and not a reset. Once so much has come as
    /// is `missing` of the message that the peer is in the middle of, our side of the connection ends: a proxy ends the other side with it.
    Lingering { taken: usize, missing: u64 },
}

/// What became of a look at what the peer still sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There is nothing now.
    Awaited,
    /// So many bytes were thrown away; there may be more, in a later turn.
    Taken(usize),
    /// It has ended, or was too much.
    Over,
}

impl Ending {
    /// What has been thrown away.
    pub fn taken(&self) -> usize {
        match self {
            Ending::Open | Ending::Flushing => 0,
            Ending::Lingering { taken, .. } => *taken,
        }
    }

    /// Whether our side of the connection may end.
    pub fn may_shut(&self) -> bool {
        matches!(self, Ending::Lingering { taken, missing } if *taken as u64 >= *missing)
    }

    /// Throws away what `read` brings, as much of it as a turn may take: a peer may send as fast as it is read, and in pieces that are
    /// shorter than a read.
    pub fn take_rest(&mut self, mut read: impl FnMut() -> io::Result<usize>) -> io::Result<Rest> {
        let Ending::Lingering { taken, .. } = self else { return Ok(Rest::Awaited) };
        let before = *taken;
        for _ in 0..READS_PER_TURN {
            match read() {
                Ok(0) => return Ok(Rest::Over),
                Ok(count) => *taken += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if *taken > REST_BYTES_MAX {
                return Ok(Rest::Over);
            }
        }
        Ok(if *taken == before { Rest::Awaited } else { Rest::Taken(*taken - before) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGERING: Ending = Ending::Lingering { taken: 0, missing: 0 };

    #[test]
    fn rule_21_who_sends_as_fast_as_it_is_read_is_read_for_a_turn_at_a_time() {
        let (mut ending, mut reads) = (LINGERING, 0);
        let mut turn = || {
            let rest = ending.take_rest(|| {
                reads += 1;
                Ok(64 * 1024)
            });
            rest.unwrap()
        };
        let full = Rest::Taken(4 * 64 * 1024);
        assert_eq!(turn(), full);
        let turns = 1 + std::iter::repeat_with(turn).take_while(|rest| *rest == full).count();
        assert_eq!((turns, reads), (1024, 4 * 1024 + 1));
        assert!(ending.taken() > REST_BYTES_MAX);
    }

    #[test]
    fn who_is_in_the_middle_of_a_message_may_end_it_before_our_side_ends() {
        assert!(LINGERING.may_shut() && !Ending::Open.may_shut() && !Ending::Flushing.may_shut());
        let mut ending = Ending::Lingering { taken: 0, missing: 9 };
        for (comes, may_shut) in [(0, false), (8, false), (1, true), (5, true)] {
            let mut parts = vec![Err(io::ErrorKind::WouldBlock.into()), Ok(comes)];
            if comes > 0 {
                assert_eq!(ending.take_rest(|| parts.pop().unwrap()).unwrap(), Rest::Taken(comes));
            }
            assert_eq!(ending.may_shut(), may_shut, "{comes}");
        }
    }

    #[test]
    fn what_comes_later_is_awaited_and_an_end_is_one() {
        let blocked = || io::Error::from(io::ErrorKind::WouldBlock);
        let mut comes = vec![Err(blocked()), Err(blocked()), Ok(7)];
        let mut ending = LINGERING;
        assert_eq!(ending.take_rest(|| comes.pop().unwrap()).unwrap(), Rest::Taken(7));
        assert_eq!(ending.take_rest(|| comes.pop().unwrap()).unwrap(), Rest::Awaited);
        assert_eq!(ending.taken(), 7);
        assert_eq!(ending.take_rest(|| Ok(0)).unwrap(), Rest::Over);
        assert!(ending.take_rest(|| Err(io::ErrorKind::ConnectionReset.into())).is_err());
        assert_eq!(Ending::Flushing.take_rest(|| Ok(1)).unwrap(), Rest::Awaited, "it is not lingering yet");
    }
}
