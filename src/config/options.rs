//! Every option as it is written: a flag, an environment variable, a default, one sentence. All are texts here;
//! reading them is one pass elsewhere, so that all problems are reported together. An empty text of an option
//! without a default is the same as none.

use clap::Args;

/// All options of `tutti serve`.
#[derive(Args, Debug)]
pub(super) struct ServeOptions {
    #[command(flatten)]
    pub listen: ListenOptions,
    #[command(flatten)]
    pub tls: TlsOptions,
    #[command(flatten)]
    pub edge: EdgeOptions,
    #[command(flatten)]
    pub store: StoreOptions,
    #[command(flatten)]
    pub bus: BusOptions,
    #[command(flatten)]
    pub gc: GcOptions,
    #[command(flatten)]
    pub hooks: HookOptions,
    #[command(flatten)]
    pub jwt: JwtOptions,
    #[command(flatten)]
    pub limits: LimitOptions,
    #[command(flatten)]
    pub timing: TimingOptions,
    #[command(flatten)]
    pub log: LogOptions,
}

/// Where the server listens.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub(super) struct ListenOptions {
    /// Where to listen: IP:PORT, localhost:PORT, :PORT (all addresses), or unix:PATH for a Unix socket; port 0 picks a free port
    #[arg(long, env = "TUTTI_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub bind: String,
    /// Listen on this port on all addresses, unless --bind is set
    #[arg(long, env = "PORT", value_name = "PORT")]
    pub port: Option<String>,
}

/// The server's certificate.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub(super) struct TlsOptions {
    /// PEM file with the server's certificate and those that vouch for it: serve https and wss. Renewed files are used at once
    #[arg(long, env = "TUTTI_TLS_CERT_FILE", value_name = "FILE")]
    pub tls_cert_file: Option<String>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "TUTTI_TLS_KEY_FILE", value_name = "FILE")]
    pub tls_key_file: Option<String>,
}

/// Whom the server trusts, and how many threads serve.
#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub(super) struct EdgeOptions {
    /// Origins whose pages may connect, in addition to the server's own (comma-separated; https://*.example.com for subdomains)
    #[arg(long, env = "TUTTI_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    pub allowed_origins: Option<String>,
    /// Proxies whose X-Forwarded-For header is trusted (comma-separated addresses or CIDR ranges)
    #[arg(long, env = "TUTTI_TRUSTED_PROXIES", value_name = "RANGES")]
    pub trusted_proxies: Option<String>,
    /// Accept tokens as ?token= in a URL, where proxies may log them
    #[arg(long, env = "TUTTI_QUERY_TOKENS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value = "true")]
    pub query_tokens: String,
    /// Compress WebSocket messages for clients that offer permessage-deflate: on or off
    #[arg(long, env = "TUTTI_COMPRESSION", value_name = "BOOL", num_args = 0..=1, default_missing_value = "on", default_value = "off")]
    pub compression: String,
    /// Length in bytes from which messages are compressed
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_COMPRESSION_BYTES_MIN",
        value_name = "BYTES",
        default_value = "1024"
    )]
    pub compression_bytes_min: String,
    /// Store the stateless messages of Hocuspocus apps in the timeline, as events, instead of only passing them on
    #[arg(long, env = "TUTTI_KEEP_STATELESS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    pub keep_stateless: String,
    /// Serve the demo, and give a guest token to everyone who can reach it
    #[arg(long, env = "TUTTI_DEMO", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    pub demo: String,
    /// Address and port for GET /metrics, in Prometheus format; keep it private
    #[arg(long, env = "TUTTI_METRICS_BIND", value_name = "IP:PORT")]
    pub metrics_bind: Option<String>,
    /// Threads for HTTP and handshakes; auto means one per two cores
    #[arg(long, env = "TUTTI_WORKERS", value_name = "COUNT", default_value = "auto")]
    pub workers: String,
    /// Threads for rooms and their connections; auto means one per core
    #[arg(long, env = "TUTTI_ROOM_THREADS", value_name = "COUNT", default_value = "auto")]
    pub room_threads: String,
}

/// Where everything durable lies.
#[derive(Args, Debug)]
#[command(next_help_heading = "Database")]
pub(super) struct StoreOptions {
    /// The database: sqlite://<file> or postgres://user:password@host/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", default_value = "sqlite://tutti.db")]
    pub database_url: String,
    /// Maximum number of database connections
    #[arg(long, env = "TUTTI_DATABASE_CONNECTIONS_MAX", value_name = "COUNT", default_value = "8")]
    pub database_connections_max: String,
    /// How long to wait at startup for a database that cannot be opened yet, such as 60s
    #[arg(long, env = "TUTTI_DATABASE_WAIT", value_name = "DURATION", default_value = "0s")]
    pub database_wait: String,
    /// How long a deleted room can be taken back before its content goes for good
    #[arg(long, env = "TUTTI_DELETED_ROOMS_KEPT", value_name = "DURATION", default_value = "30d")]
    pub deleted_rooms_kept: String,
    /// Compress edits older than this; 0: never; auto: 1h with SQLite, never with Postgres
    #[arg(long, env = "TUTTI_COMPACT_AFTER", value_name = "DURATION", default_value = "auto")]
    pub compact_after: String,
    /// How long rooms keep edits and messages, such as 90d or docs/*=365d,chat/*=30d; the longest prefix counts. Otherwise for ever
    #[arg(long, env = "TUTTI_RETENTION", value_name = "RULES", default_value = "")]
    pub retention: String,
    /// This server's name among those on the same database, for people
    #[arg(long, env = "TUTTI_SERVER_NAME", value_name = "NAME", default_value = "main")]
    pub server_name: String,
}

/// What servers on one database tell each other by.
#[derive(Args, Debug)]
#[command(next_help_heading = "Database")]
pub(super) struct BusOptions {
    /// What carries edits and presence between servers on one database: postgres, nats, none, or auto: Postgres where that is the database
    #[arg(long, env = "TUTTI_BUS", value_name = "BUS", default_value = "auto")]
    pub bus: String,
    /// Address of the bus: of the NATS server, or of Postgres past a pooler that pools by transaction
    #[arg(long, env = "TUTTI_BUS_URL", hide_env_values = true, value_name = "URL")]
    pub bus_url: Option<String>,
}

/// Which documents drop what was deleted from them.
#[derive(Args, Debug)]
#[command(next_help_heading = "Documents")]
pub(super) struct GcOptions {
    /// Drop deleted content from documents; turn off for apps that show old versions with Y.snapshot
    #[arg(long, env = "TUTTI_GC", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value = "true")]
    pub gc: String,
    /// Rooms that keep deleted content nevertheless (comma-separated patterns, * matches any characters)
    #[arg(long, env = "TUTTI_GC_OFF_ROOMS", value_name = "PATTERNS")]
    pub gc_off_rooms: Option<String>,
}

/// What the server asks of the application's own back end.
#[derive(Args, Debug)]
#[command(next_help_heading = "Back end")]
pub(super) struct HookOptions {
    /// Address that is asked for the first content of a document
    #[arg(long, env = "TUTTI_SEED_URL", value_name = "URL")]
    pub seed_url: Option<String>,
    /// Secret that this question is signed with: whsec_ and base64
    #[arg(long, env = "TUTTI_SEED_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub seed_secret: Option<String>,
    /// Address that is told what happens in rooms; others can be added by REST
    #[arg(long, env = "TUTTI_WEBHOOK_URL", value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Secret that its deliveries are signed with: whsec_ and base64
    #[arg(long, env = "TUTTI_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub webhook_secret: Option<String>,
    /// Event types that it is told of (comma-separated patterns); presence has to be named, as presence.*
    #[arg(long, env = "TUTTI_WEBHOOK_EVENTS", value_name = "PATTERNS", default_value = "*")]
    pub webhook_events: String,
    /// Rooms that it is told of (a pattern, * matches any characters)
    #[arg(long, env = "TUTTI_WEBHOOK_ROOMS", value_name = "PATTERN", default_value = "*")]
    pub webhook_rooms: String,
    /// Let webhooks lead to addresses in private networks
    #[arg(long, env = "TUTTI_WEBHOOK_ALLOW_PRIVATE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    pub webhook_allow_private: String,
    /// How long a delivery is tried before it is given up
    #[arg(long, hide_short_help = true, env = "TUTTI_WEBHOOK_GIVE_UP", value_name = "DURATION", default_value = "24h")]
    pub webhook_give_up: String,
}

/// How tokens are checked.
#[derive(Args, Debug)]
#[command(next_help_heading = "Tokens")]
pub(super) struct JwtOptions {
    /// The secret that signs tokens, at least 32 bytes; without any key, a server on loopback creates one
    #[arg(long, env = "TUTTI_JWT_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub jwt_secret: Option<String>,
    /// The previous secret, still accepted during a rotation
    #[arg(long, env = "TUTTI_JWT_SECRET_PREVIOUS", hide_env_values = true, value_name = "SECRET")]
    pub jwt_secret_previous: Option<String>,
    /// PEM file with the public key of the token issuer (two keys during a rotation), instead of a secret
    #[arg(long, env = "TUTTI_JWT_PUBLIC_KEY_FILE", value_name = "FILE")]
    pub jwt_public_key_file: Option<String>,
    /// Address of the key set (JWKS) of who signs tokens, instead of a secret; https, or http at localhost
    #[arg(long, env = "TUTTI_JWKS_URL", hide_env_values = true, value_name = "URL")]
    pub jwks_url: Option<String>,
    /// How long the key set is used before it is read again, and a key that was removed is accepted at most
    #[arg(long, env = "TUTTI_JWKS_REFRESH", value_name = "DURATION", default_value = "5m")]
    pub jwks_refresh: String,
    /// The key's algorithm: HS256, HS384, HS512; RS256, RS384, RS512, ES256, ES384, EdDSA with a public key
    #[arg(long, env = "TUTTI_JWT_ALGORITHM", value_name = "NAME", default_value = "HS256")]
    pub jwt_algorithm: String,
    /// The issuer (iss) that tokens must carry
    #[arg(long, env = "TUTTI_JWT_ISSUER", value_name = "ISSUER")]
    pub jwt_issuer: Option<String>,
    /// The audiences (aud, comma-separated), of which tokens must name one; if unset, tokens must not have any
    #[arg(long, env = "TUTTI_JWT_AUDIENCE", value_name = "AUDIENCES")]
    pub jwt_audience: Option<String>,
    /// Seconds by which the clocks of server and issuer may differ, at most 60
    #[arg(long, env = "TUTTI_JWT_LEEWAY_S", value_name = "SECONDS", default_value = "30")]
    pub jwt_leeway_s: String,
}

/// The bounds of every queue and input.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitOptions {
    /// Maximum number of connections
    #[arg(long, hide_short_help = true, env = "TUTTI_SOCKETS_MAX", value_name = "COUNT", default_value = "15000")]
    pub sockets_max: String,
    /// Maximum number of connections from one address (IPv6: one /64)
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_SOCKETS_PER_IP_MAX",
        value_name = "COUNT",
        default_value = "1000"
    )]
    pub sockets_per_ip_max: String,
    /// Maximum number of connections of one user
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_SOCKETS_PER_USER_MAX",
        value_name = "COUNT",
        default_value = "1000"
    )]
    pub sockets_per_user_max: String,
    /// Maximum bytes queued for one connection; beyond that, a slow client is disconnected
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_OUTBOX_BYTES_MAX",
        value_name = "BYTES",
        default_value = "1048576"
    )]
    pub outbox_bytes_max: String,
    /// Maximum bytes queued for all connections together
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_OUTBOXES_BYTES_MAX",
        value_name = "BYTES",
        default_value = "1073741824"
    )]
    pub outboxes_bytes_max: String,
    /// Maximum bytes of one connection that its rooms have not handled yet; beyond that, the server stops reading from it
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_SOCKET_UNHANDLED_BYTES_MAX",
        value_name = "BYTES",
        default_value = "262144"
    )]
    pub socket_unhandled_bytes_max: String,
    /// Maximum bytes of a document in memory, and of one message from a client that may write
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_DOCUMENT_BYTES_MAX",
        value_name = "BYTES",
        default_value = "67108864"
    )]
    pub document_bytes_max: String,
    /// Maximum bytes of all documents in use, in memory
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_DOCUMENTS_BYTES_MAX",
        value_name = "BYTES",
        default_value = "2147483648"
    )]
    pub documents_bytes_max: String,
    /// Maximum bytes of one message from a client that may only read
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_READER_MESSAGE_BYTES_MAX",
        value_name = "BYTES",
        default_value = "65536"
    )]
    pub reader_message_bytes_max: String,
    /// Maximum bytes of one message from a JSON client
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_JSON_MESSAGE_BYTES_MAX",
        value_name = "BYTES",
        default_value = "1048576"
    )]
    pub json_message_bytes_max: String,
    /// Maximum number of rooms per JSON connection
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_ROOMS_PER_SOCKET_MAX",
        value_name = "COUNT",
        default_value = "128"
    )]
    pub rooms_per_socket_max: String,
    /// Maximum bytes that the awareness states (cursors, names) of one room hold; one user may have half of what is free
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_ROOM_AWARENESS_BYTES_MAX",
        value_name = "BYTES",
        default_value = "4194304"
    )]
    pub room_awareness_bytes_max: String,
    /// Maximum number of users in a room that JSON clients see by name; beyond that, they see the number only
    #[arg(long, hide_short_help = true, env = "TUTTI_PRESENCE_USERS_MAX", value_name = "COUNT", default_value = "200")]
    pub presence_users_max: String,
    /// Maximum number of entries sent to a JSON client that reconnects; if it missed more, it has to read the history
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_REPLAY_ENTRIES_MAX",
        value_name = "COUNT",
        default_value = "10000"
    )]
    pub replay_entries_max: String,
    /// Messages per second from one JSON connection; bursts may be twice as large
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_SOCKET", value_name = "COUNT", default_value = "100")]
    pub rate_socket: String,
    /// Messages per second from all JSON connections of a user; bursts may be twice as large
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_USER", value_name = "COUNT", default_value = "200")]
    pub rate_user: String,
    /// Messages per second from all JSON connections of an address (IPv6: one /64); bursts may be twice as large
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_ADDRESS", value_name = "COUNT", default_value = "2000")]
    pub rate_address: String,
    /// Messages per second from all JSON connections into one room; bursts may be twice as large
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_ROOM", value_name = "COUNT", default_value = "2000")]
    pub rate_room: String,
    /// Rooms per minute that a user may open while nobody is in them; bursts are a minute's worth
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_ROOMS_USER", value_name = "COUNT", default_value = "1200")]
    pub rate_rooms_user: String,
    /// Maximum bytes that a room may have on disk, for all rooms or by pattern: 5MiB,docs/*=10MiB,legal/*=off; the longest pattern that fits counts; 0 or off for no limit
    #[arg(long, hide_short_help = true, env = "TUTTI_QUOTA_ROOM_BYTES", value_name = "LIST", default_value = "0")]
    pub quota_room_bytes: String,
    /// Maximum bytes that a user may have on disk, in all rooms together, such as 100MiB; 0 or off for no limit
    #[arg(long, hide_short_help = true, env = "TUTTI_QUOTA_USER_BYTES", value_name = "BYTES", default_value = "0")]
    pub quota_user_bytes: String,
    /// Maximum rooms that a user may have made without admin access; 0 or off for no limit
    #[arg(long, hide_short_help = true, env = "TUTTI_QUOTA_USER_ROOMS", value_name = "COUNT", default_value = "0")]
    pub quota_user_rooms: String,
    /// Let only tokens with admin access make a room, instead of everybody who may write in it
    #[arg(long, hide_short_help = true, env = "TUTTI_ADMINS_MAKE_ROOMS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    pub admins_make_rooms: String,
    /// Messages per second from one Yjs connection, each 16 KiB (of JSON, too) counting as one more; beyond a burst of 10 s, it is read more slowly
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_YJS_SOCKET", value_name = "COUNT", default_value = "1000")]
    pub rate_yjs_socket: String,
    /// Messages per second from all Yjs connections of a user, counted likewise, with the bodies of requests
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_YJS_USER", value_name = "COUNT", default_value = "10000")]
    pub rate_yjs_user: String,
    /// Messages per second from all Yjs connections of an address (IPv6: one /64), counted likewise
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_YJS_ADDRESS", value_name = "COUNT", default_value = "50000")]
    pub rate_yjs_address: String,
    /// Messages per second from all Yjs connections into one room, counted likewise
    #[arg(long, hide_short_help = true, env = "TUTTI_RATE_YJS_ROOM", value_name = "COUNT", default_value = "20000")]
    pub rate_yjs_room: String,
    /// Maximum bytes of unfinished messages, of all clients together
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_UNFINISHED_BYTES_MAX",
        value_name = "BYTES",
        default_value = "83886080"
    )]
    pub unfinished_bytes_max: String,
    /// Maximum number of frames per message
    #[arg(long, hide_short_help = true, env = "TUTTI_FRAGMENTS_MAX", value_name = "COUNT", default_value = "1024")]
    pub fragments_max: String,
    /// Maximum bytes that one room keeps while the database is unavailable
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_ROOM_UNSAVED_BYTES_MAX",
        value_name = "BYTES",
        default_value = "16777216"
    )]
    pub room_unsaved_bytes_max: String,
    /// Maximum uncommitted bytes of all rooms together
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_UNCOMMITTED_BYTES_MAX",
        value_name = "BYTES",
        default_value = "268435456"
    )]
    pub uncommitted_bytes_max: String,
    /// Maximum number of entries per transaction
    #[arg(long, hide_short_help = true, env = "TUTTI_BATCH_ENTRIES_MAX", value_name = "COUNT", default_value = "2000")]
    pub batch_entries_max: String,
    /// Maximum bytes per transaction, unless it holds a single write
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_BATCH_BYTES_MAX",
        value_name = "BYTES",
        default_value = "1048576"
    )]
    pub batch_bytes_max: String,
}

/// How long anything waits.
#[derive(Args, Debug)]
#[command(next_help_heading = "Timeouts")]
pub(super) struct TimingOptions {
    /// Milliseconds between pings
    #[arg(long, hide_short_help = true, env = "TUTTI_PING_INTERVAL_MS", value_name = "MS", default_value = "25000")]
    pub ping_interval_ms: String,
    /// Milliseconds to wait for a pong before the connection is closed
    #[arg(long, hide_short_help = true, env = "TUTTI_PONG_TIMEOUT_MS", value_name = "MS", default_value = "10000")]
    pub pong_timeout_ms: String,
    /// Milliseconds between messages that keep a lone Yjs client connected; it gives up after 30 s without one
    #[arg(
        long,
        hide_short_help = true,
        env = "TUTTI_KEEPALIVE_INTERVAL_MS",
        value_name = "MS",
        default_value = "15000"
    )]
    pub keepalive_interval_ms: String,
    /// Milliseconds after which a client that reads nothing is disconnected
    #[arg(long, hide_short_help = true, env = "TUTTI_STALL_TIMEOUT_MS", value_name = "MS", default_value = "30000")]
    pub stall_timeout_ms: String,
    /// Milliseconds that a connection may wait for its next HTTP request; must be longer than the proxy in front keeps idle connections
    #[arg(long, hide_short_help = true, env = "TUTTI_HTTP_KEEP_ALIVE_MS", value_name = "MS", default_value = "75000")]
    pub http_keep_alive_ms: String,
    /// Milliseconds within which a JSON client must send a token
    #[arg(long, hide_short_help = true, env = "TUTTI_AUTH_TIMEOUT_MS", value_name = "MS", default_value = "5000")]
    pub auth_timeout_ms: String,
    /// Milliseconds for which a user who lost the connection is still shown as present
    #[arg(long, hide_short_help = true, env = "TUTTI_PRESENCE_GRACE_MS", value_name = "MS", default_value = "10000")]
    pub presence_grace_ms: String,
    /// Milliseconds for which an empty room stays in memory
    #[arg(long, hide_short_help = true, env = "TUTTI_ROOM_IDLE_MS", value_name = "MS", default_value = "30000")]
    pub room_idle_ms: String,
    /// Milliseconds within which the server stops after SIGTERM
    #[arg(long, hide_short_help = true, env = "TUTTI_SHUTDOWN_TIMEOUT_MS", value_name = "MS", default_value = "10000")]
    pub shutdown_timeout_ms: String,
}

/// What is logged, to the standard error output.
#[derive(Args, Debug)]
#[command(next_help_heading = "Logs")]
pub(super) struct LogOptions {
    /// Format of log lines: text or json
    #[arg(long, env = "TUTTI_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: String,
    /// What is logged: error, warn, info, debug or trace, or a tracing filter such as info,tutti::room=debug
    #[arg(long, env = "TUTTI_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    pub log_level: String,
}
