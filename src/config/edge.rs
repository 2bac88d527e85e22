//! Where the server listens, whom it trusts, and how many threads serve.

use std::net::SocketAddr;
use std::num::NonZero;

use super::bind;
use super::options::{EdgeOptions, ListenOptions, TlsOptions};
use super::reading::Reading;
use super::{Bind, IpRange, OriginPattern, TlsConfig};

/// What the shortest compressed message may be set to, in bytes.
const COMPRESSION_BYTES_MIN_MAX: usize = 64 * 1024;

/// Where the server listens and whom it trusts.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Where to listen.
    pub bind: Bind,
    /// The certificate to serve; without one, plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Origins whose pages may connect, besides the server's own.
    pub allowed_origins: Vec<OriginPattern>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpRange>,
    /// Whether `?token=` is read.
    pub accepts_query_tokens: bool,
    /// Shortest message that is compressed for clients that take it, in bytes, if any is.
    pub compression_bytes_min: Option<usize>,
    /// Whether Hocuspocus apps' stateless messages are kept in the timeline.
    pub keeps_stateless: bool,
    /// Whether the demo is served and guests get tokens.
    pub is_demo: bool,
    /// Where `/metrics` is served, if anywhere.
    pub metrics_bind: Option<SocketAddr>,
    /// Threads for HTTP and handshakes.
    pub workers: usize,
    /// Threads for rooms and sockets.
    pub room_threads: usize,
}

impl EdgeConfig {
    pub(super) fn read(reading: &mut Reading, listen: &ListenOptions, tls: &TlsOptions, options: &EdgeOptions) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let origins = options.allowed_origins.as_deref().unwrap_or_default();
        let proxies = options.trusted_proxies.as_deref().unwrap_or_default();
        let bind = Bind::read(reading, listen);
        let compresses = reading.boolean("compression", &options.compression);
        let compression_bytes_min =
            reading.number("compression-bytes-min", &options.compression_bytes_min, 1..=COMPRESSION_BYTES_MIN_MAX);
        Self {
            tls: TlsConfig::read(reading, tls, &bind),
            bind,
            allowed_origins: reading.list("allowed-origins", origins, 1000, OriginPattern::parse),
            trusted_proxies: reading.list("trusted-proxies", proxies, 1000, str::parse),
            accepts_query_tokens: reading.boolean("query-tokens", &options.query_tokens),
            compression_bytes_min: compresses.then_some(compression_bytes_min),
            keeps_stateless: reading.boolean("keep-stateless", &options.keep_stateless),
            is_demo: reading.boolean("demo", &options.demo),
            metrics_bind: reading
                .list("metrics-bind", options.metrics_bind.as_deref().unwrap_or_default(), 1, |text| {
                    bind::tcp(text).ok_or("an IP address and a port, like 127.0.0.1:9090")
                })
                .pop(),
            workers: reading.number_or_auto("workers", &options.workers, 1..=1024, (cores / 2).max(1)),
            room_threads: reading.number_or_auto("room-threads", &options.room_threads, 1..=1024, cores),
        }
    }
}
