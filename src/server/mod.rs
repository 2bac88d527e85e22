//! The server of a configuration, from start to stop. Puts the parts together; holds no logic of theirs.

mod stats;
mod stop;
mod upgrade;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::{Actor, Arbiter};
use actix_http::HttpService;
use actix_rt::task::JoinHandle;
use actix_service::map_config;
use actix_web::dev::AppConfig;
use actix_web::middleware::Compress;
use actix_web::{App, HttpServer, web};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use crate::auth::{KeyError, MintError, Minter, Verifier};
use crate::config::{Config, StoreConfig};
use crate::http::{self, AppState};
use crate::metrics;
use crate::rate::Rate;
use crate::room::{Directory, Journal, People, Relays, RoomSettings};
use crate::socket::{Gate, OutboxBudget, Rates, Rhythm, SharedRates, SocketContext, SocketSettings, UnfinishedBudget};
use crate::store::{Store, StoreError, StoreSettings};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a closed socket waits for its peer's end.
const LINGER: Duration = Duration::from_secs(2);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key for tokens.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Guests' tokens cannot be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The address.
    #[error(
        "cannot listen on {address}: {source}; is another server running there? --bind (TUTTI_BIND) takes another address"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Something else of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A running server. Must be stopped with [`Server::stop`]; dropped otherwise, it goes on.
pub struct Server {
    address: SocketAddr,
    http: actix_server::ServerHandle,
    metrics: Option<(SocketAddr, actix_server::ServerHandle)>,
    state: web::Data<AppState>,
    /// Takes samples of the figures.
    stats: JoinHandle<()>,
    relays: Arc<Relays>,
    arbiters: Vec<Arbiter>,
    store: Store,
    stop_timeout: Duration,
}

impl Server {
    /// Opens the database, migrates it if need be, and listens. To be called in an actix system, which it needs until it stops.
    pub async fn start(config: &Config) -> Result<Self, ServerError> {
        let verifier = Arc::new(Verifier::open(&config.jwt)?);
        let minter = config.edge.is_demo.then(|| Minter::open(&config.jwt)).transpose()?;
        let listener = listen(config.edge.bind)?;
        let address = listener.local_addr()?;
        let metrics = config.edge.metrics_bind.map(listen).transpose()?;
        let store = open_store(store_settings(&config.store, config.limits.document_bytes_max)).await?;

        let limits = &config.limits;
        let journal_arbiter = Arbiter::new();
        let journal = {
            let (store, entries, bytes) = (store.clone(), limits.batch_entries_max, limits.batch_bytes_max);
            Journal::start_in_arbiter(&journal_arbiter.handle(), move |_| Journal::new(store, entries, bytes))
        };
        let mut arbiters: Vec<Arbiter> = (0..config.edge.room_threads).map(|_| Arbiter::new()).collect();
        let room_threads = arbiters.iter().map(Arbiter::handle).collect();
        let directory = Directory::new(room_threads, store.clone(), journal, room_settings(config));
        arbiters.push(journal_arbiter);

        let relays = Arc::new(Relays::default());
        let people = Arc::new(People::default());
        let rates = Arc::new(SharedRates::new(rates(config)));
        let state = web::Data::new(AppState {
            store: store.clone(),
            directory: directory.clone(),
            verifier: verifier.clone(),
            minter,
            gate: Gate::new(limits.sockets_max, limits.sockets_per_ip_max),
            pace: Default::default(),
            renders: AppState::render_permits(),
            people: people.clone(),
            rates: rates.clone(),
            stats: Default::default(),
            json_message_bytes_max: limits.json_message_bytes_max,
            document_bytes_max: limits.document_bytes_max,
            allowed_origins: config.edge.allowed_origins.clone(),
            trusted_proxies: config.edge.trusted_proxies.clone(),
            accepts_query_tokens: config.edge.accepts_query_tokens,
            is_demo: config.edge.is_demo,
            is_draining: AtomicBool::new(false),
        });
        let sockets = Arc::new(SocketContext {
            directory,
            relays: relays.clone(),
            settings: socket_settings(config),
            people,
            rates,
            verifier,
            unfinished: UnfinishedBudget::new(limits.unfinished_bytes_max),
            outboxes: OutboxBudget::new(limits.outboxes_bytes_max),
        });
        let http = serve(listener, config.edge.workers, state.clone(), sockets)?;
        let metrics = metrics.map(serve_metrics).transpose()?;
        tracing::info!(%address, database = %config.store.url, "listening");
        let stats = actix_rt::spawn(stats::publish(state.clone()));
        let stop_timeout = config.timing.shutdown_timeout;
        Ok(Self { address, http, metrics, state, stats, relays, arbiters, store, stop_timeout })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves its metrics, if it does.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }
}

/// Starts the workers. Each has the routes twice: for requests, and for upgrades before their stream is taken over.
fn serve(
    listener: TcpListener,
    workers: usize,
    state: web::Data<AppState>,
    sockets: Arc<SocketContext>,
) -> io::Result<actix_server::ServerHandle> {
    let service = move || {
        let for_requests = state.clone();
        let requests =
            App::new().wrap(Compress::default()).configure(move |config| http::routes(config, &for_requests));
        HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .tcp_nodelay(true)
            .upgrade(upgrade::Upgrades::new(state.clone(), sockets.clone()))
            .finish(map_config(requests, |()| AppConfig::default()))
            .tcp()
    };
    let server =
        actix_server::Server::build().workers(workers).disable_signals().listen("tutti", listener, service)?.run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(handle)
}

/// Serves the metrics at an address of their own, which operators keep to themselves.
fn serve_metrics(listener: TcpListener) -> io::Result<(SocketAddr, actix_server::ServerHandle)> {
    let address = listener.local_addr()?;
    let routes = || App::new().route("/metrics", web::get().to(|| async { metrics::text() }));
    let server = HttpServer::new(routes).workers(1).disable_signals().listen(listener)?.run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok((address, handle))
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let open = || {
        let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A server that restarts must not wait for the last one's connections to be forgotten.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|source| ServerError::Bind { address, source })
}

fn store_settings(config: &StoreConfig, entry_bytes_max: usize) -> StoreSettings {
    StoreSettings {
        connections_max: config.connections_max,
        entry_bytes_max,
        ..StoreSettings::new(config.url.expose(), config.server_name.clone())
    }
}

async fn open_store(settings: StoreSettings) -> Result<Store, ServerError> {
    let store = Store::open(settings).await?;
    store.claim().await?;
    // The runtime role may have no right to migrate, so only where it is needed.
    if store.pending_migrations().await? > 0 {
        let count = store.migrate().await?;
        tracing::info!(count, "database migrated");
    }
    Ok(store)
}

fn room_settings(config: &Config) -> RoomSettings {
    RoomSettings {
        document_bytes_max: config.limits.document_bytes_max,
        unsaved_bytes_max: config.limits.room_unsaved_bytes_max,
        uncommitted_bytes_max: config.limits.uncommitted_bytes_max,
        idle: config.timing.room_idle,
        presence_grace: config.timing.presence_grace,
        keeps_stateless: config.edge.keeps_stateless,
        presence_users_max: config.limits.presence_users_max,
        replay_entries_max: config.limits.replay_entries_max as u64,
        say_rate: rate(config.limits.rate_room),
        batch_entries_max: config.limits.batch_entries_max,
        batch_bytes_max: config.limits.batch_bytes_max,
    }
}

fn rate(per_second: usize) -> Rate {
    let per_second = per_second as f64;
    Rate { per_second, burst: 2.0 * per_second }
}

fn rates(config: &Config) -> Rates {
    let limits = &config.limits;
    Rates { socket: rate(limits.rate_socket), user: rate(limits.rate_user), address: rate(limits.rate_address) }
}

fn socket_settings(config: &Config) -> SocketSettings {
    let (limits, timing) = (&config.limits, &config.timing);
    SocketSettings {
        rhythm: Rhythm {
            ping_interval: timing.ping_interval,
            pong_timeout: timing.pong_timeout,
            keepalive_interval: timing.keepalive_interval,
            stall_timeout: timing.stall_timeout,
        },
        outbox_bytes_max: limits.outbox_bytes_max,
        unhandled_bytes_max: limits.socket_unhandled_bytes_max,
        writer_message_bytes_max: limits.document_bytes_max,
        reader_message_bytes_max: limits.reader_message_bytes_max,
        json_message_bytes_max: limits.json_message_bytes_max,
        rooms_per_socket_max: limits.rooms_per_socket_max,
        auth_timeout: timing.auth_timeout,
        fragments_max: limits.fragments_max,
        linger: LINGER,
    }
}

pub use stop::{migrate, run};
