//! Passes bytes both ways until both sides have ended, or nothing has passed for a while. What one side does not take is not read from
//! the other.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What is on its way in one direction, at most.
const BUFFER_BYTES: usize = 32 * 1024;

/// When bytes last moved, in either direction.
struct LastMoved(Mutex<Instant>);

impl LastMoved {
    fn note(&self) {
        // Nothing panics while it is locked.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// Passes bytes between two connections: from `a` at most so many, and what comes after them goes nowhere.
pub async fn pass<A, B>(a: A, b: B, from_a_max: u64, idle: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let ((mut from_a, mut to_a), (mut from_b, mut to_b)) = (tokio::io::split(a), tokio::io::split(b));
    let moved = LastMoved(Mutex::new(Instant::now()));
    let both = async {
        tokio::try_join!(
            one_way(&mut from_a, &mut to_b, from_a_max, &moved),
            one_way(&mut from_b, &mut to_a, u64::MAX, &moved)
        )
        .map(|_| ())
    };
    let stalled = async {
        loop {
            let left = idle.saturating_sub(moved.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            tokio::time::sleep(left).await;
        }
    };
    tokio::select! { ended = both => ended, late = stalled => late }
}

async fn one_way(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut left: u64,
    moved: &LastMoved,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        moved.note();
        if read == 0 {
            return to.shutdown().await;
        }
        let passed = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= passed as u64;
        to.write_all(&buffer[..passed]).await?;
        to.flush().await?;
        moved.note();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::duplex;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn bytes_and_ends_pass_both_ways() {
        block_on(async {
            let ((mut client, a), (mut server, b)) = (duplex(64), duplex(64));
            let talk = async {
                client.write_all(b"question").await.unwrap();
                client.shutdown().await.unwrap();
                let mut heard = String::new();
                server.read_to_string(&mut heard).await.unwrap();
                server.write_all(b"answer").await.unwrap();
                server.shutdown().await.unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                (heard, answer)
            };
            let (passed, said) = tokio::join!(pass(a, b, u64::MAX, Duration::from_secs(60)), talk);
            passed.unwrap();
            assert_eq!(said, ("question".into(), "answer".into()));
        });
    }

    #[test]
    fn what_comes_after_what_may_come_goes_nowhere() {
        block_on(async {
            let ((mut client, a), (mut server, b)) = (duplex(64), duplex(64));
            let talk = async {
                client.write_all(b"one, and another").await.unwrap();
                client.shutdown().await.unwrap();
                let mut heard = String::new();
                server.read_to_string(&mut heard).await.unwrap();
                server.shutdown().await.unwrap();
                heard
            };
            let (passed, heard) = tokio::join!(pass(a, b, 3, Duration::from_secs(60)), talk);
            passed.unwrap();
            assert_eq!(heard, "one");
        });
    }

    #[test]
    fn what_nobody_takes_is_not_read_and_a_connection_that_stands_still_ends() {
        block_on(async {
            let ((mut client, a), (_server, b)) = (duplex(1024), duplex(1024));
            let taken = Cell::new(0);
            let flood = async {
                while client.write_all(&[0; 1024]).await.is_ok() {
                    taken.set(taken.get() + 1024);
                }
            };
            let (passed, ()) = tokio::join!(pass(a, b, u64::MAX, Duration::from_millis(200)), flood);
            assert_eq!(passed.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(taken.get() <= BUFFER_BYTES + 4 * 1024, "{}", taken.get());
        });
    }
}
