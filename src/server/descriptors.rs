//! How many files and connections the process may have open, and what they are for: sockets must leave some, so that requests are
//! answered (were it with 503) and entries saved, however many clients come.

use super::error::{ServerError, TooFewDescriptors};
use crate::config::Config;

/// The standard streams, listeners, signals, key files, and connections at the address of the metrics.
const BASE: u64 = 48;
/// For each thread: what it waits for events with.
const PER_THREAD: u64 = 6;
/// For each connection to the database; SQLite has a file, a write-ahead log and its index.
const PER_DATABASE_CONNECTION: u64 = 4;
/// Connections for plain requests and for handshakes, at least; and if there are many descriptors, at least this part of them: many
/// clients of one address may come back at once.
const REQUESTS_MIN: u64 = 128;
const REQUESTS_PART: u64 = 32;
/// More of them never helped; as actix has it for each worker.
const REQUESTS_MAX: u64 = 25_600;

/// How many connections fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// WebSockets.
    pub sockets_max: usize,
    /// Plain requests and handshakes.
    pub requests_max: usize,
}

/// Raises the soft limit to the hard one, and shares it out. Says so if fewer sockets fit than are configured.
pub(super) fn places(config: &Config) -> Result<Places, ServerError> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).or_else(|error| {
        tracing::warn!(%error, "the limit of open files cannot be raised");
        rlimit::Resource::NOFILE.get().map(|(soft, _)| soft)
    })?;
    let threads = (config.edge.workers + config.edge.room_threads) as u64;
    let own = BASE + PER_THREAD * threads + PER_DATABASE_CONNECTION * u64::from(config.store.connections_max);
    let wanted = config.limits.sockets_max;
    let places = share(limit, own, wanted)?;
    if places.sockets_max < wanted {
        tracing::warn!(
            limit,
            sockets_max = places.sockets_max,
            "the limit of open files is too low for TUTTI_SOCKETS_MAX={wanted}, so fewer are let in: raise it (`ulimit -n`, LimitNOFILE)"
        );
    }
    Ok(places)
}

/// Shares `limit` descriptors out, of which the process itself takes `own`.
fn share(limit: u64, own: u64, sockets_max: usize) -> Result<Places, TooFewDescriptors> {
    let needed = own + REQUESTS_MIN + 1;
    if limit < needed {
        return Err(TooFewDescriptors { limit, needed });
    }
    let left = limit - own;
    let sockets = (sockets_max as u64).min(left - REQUESTS_MIN.max(left / REQUESTS_PART));
    let requests = (left - sockets).min(REQUESTS_MAX);
    Ok(Places { sockets_max: sockets as usize, requests_max: requests as usize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_leave_what_the_process_and_requests_need() {
        let own = 100;
        let cases = [
            // limit, sockets wanted; sockets and requests given
            (1_048_576, 15_000, Some((15_000, 25_600))),
            (20_000, 15_000, Some((15_000, 4_900))),
            (15_228, 15_000, Some((14_656, 472))),
            (4_196, 15_000, Some((3_968, 128))),
            (1_024, 15_000, Some((796, 128))),
            (1_024, 10, Some((10, 914))),
            (229, 15_000, Some((1, 128))),
            (228, 15_000, None),
            (0, 1, None),
        ];
        for (limit, wanted, expected) in cases {
            let given = share(limit, own, wanted).ok().map(|places| (places.sockets_max, places.requests_max));
            assert_eq!(given, expected, "{limit} for {wanted} sockets");
            assert!(given.is_none_or(|(sockets, requests)| (sockets + requests) as u64 + own <= limit));
        }
    }
}
