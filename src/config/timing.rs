//! The bound of every wait: how long.

use std::time::Duration;

use super::options::TimingOptions;
use super::reading::Reading;

/// How long anything waits.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Between two pings to a socket.
    pub ping_interval: Duration,
    /// For the pong, before the socket is closed.
    pub pong_timeout: Duration,
    /// Between two messages that keep a lone Yjs client connected.
    pub keepalive_interval: Duration,
    /// Until a peer that takes no byte is closed.
    pub stall_timeout: Duration,
    /// For the next request on a connection, before the server ends it.
    pub http_keep_alive: Duration,
    /// For a JSON client's token.
    pub auth_timeout: Duration,
    /// Until a user whose last connection dropped is absent to JSON clients.
    pub presence_grace: Duration,
    /// Until a room without members leaves memory.
    pub room_idle: Duration,
    /// Until the server has stopped after SIGTERM.
    pub shutdown_timeout: Duration,
}

impl Timing {
    pub(super) fn read(reading: &mut Reading, options: &TimingOptions) -> Self {
        Self {
            ping_interval: reading.millis("ping-interval-ms", &options.ping_interval_ms, 100..=600_000),
            pong_timeout: reading.millis("pong-timeout-ms", &options.pong_timeout_ms, 100..=600_000),
            keepalive_interval: reading.millis("keepalive-interval-ms", &options.keepalive_interval_ms, 100..=28_000),
            stall_timeout: reading.millis("stall-timeout-ms", &options.stall_timeout_ms, 100..=600_000),
            http_keep_alive: reading.millis("http-keep-alive-ms", &options.http_keep_alive_ms, 1000..=3_600_000),
            auth_timeout: reading.millis("auth-timeout-ms", &options.auth_timeout_ms, 1000..=600_000),
            presence_grace: reading.millis("presence-grace-ms", &options.presence_grace_ms, 0..=600_000),
            room_idle: reading.millis("room-idle-ms", &options.room_idle_ms, 10..=86_400_000),
            shutdown_timeout: reading.millis("shutdown-timeout-ms", &options.shutdown_timeout_ms, 100..=600_000),
        }
    }
}
