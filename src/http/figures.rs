//! The server's own figures, sampled once a second.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth;
use crate::metrics;
use crate::protocol::json::rfc3339;

/// Samples for what is counted by the minute.
const MINUTE: usize = 60;

/// The figures of one moment.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    active_connections: i64,
    /// Messages that came from clients in the last second.
    messages_per_second: u64,
    /// Of those.
    average_message_size_bytes: u64,
    /// Connections that ended in the last minute.
    disconnect_rate_per_minute: u64,
    /// Resident memory; null where the system does not tell.
    #[schema(required)]
    memory_bytes: Option<u64>,
    rooms: i64,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// Takes the samples.
#[derive(Default)]
pub struct Sampler {
    messages: u64,
    bytes: u64,
    /// Connections that had ended, second by second.
    ended: VecDeque<u64>,
}

impl Sampler {
    /// The figures since the last call, which should be a second ago.
    pub fn sample(&mut self) -> Stats {
        let (messages, bytes) = (metrics::MESSAGES_RECEIVED.get(), metrics::MESSAGE_BYTES_RECEIVED.get());
        let (new_messages, new_bytes) = (messages - self.messages, bytes - self.bytes);
        (self.messages, self.bytes) = (messages, bytes);
        let ended = metrics::SOCKETS_CLOSED.get();
        self.ended.push_back(ended);
        if self.ended.len() > MINUTE + 1 {
            self.ended.pop_front();
        }
        Stats {
            active_connections: metrics::SOCKETS.get(),
            messages_per_second: new_messages,
            average_message_size_bytes: new_bytes.checked_div(new_messages).unwrap_or_default(),
            disconnect_rate_per_minute: ended - self.ended.front().copied().unwrap_or(ended),
            memory_bytes: memory_bytes(),
            rooms: metrics::ROOMS.get(),
            timestamp: rfc3339(auth::now_ms()),
        }
    }
}

/// What Linux tells of the process.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The newest figures, shared.
#[derive(Default)]
pub struct Newest(Mutex<Stats>);

impl Newest {
    /// Puts the next figures in the place of the last.
    pub fn set(&self, stats: Stats) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }

    /// The newest.
    pub fn get(&self) -> Stats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
