//! The server of a configuration, from start to stop. Puts the parts together; holds no logic of theirs.

mod certificate;
mod check;
mod cluster;
mod connections;
mod descriptors;
mod erasures;
mod error;
mod key_set;
mod listener;
mod pacing;
mod purge;
mod quotas;
mod requests;
mod revocations;
mod stats;
mod stop;
mod supervisor;
mod sweep;
mod takeover;
mod tls;
mod upgrade;
mod watched;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter};
use actix_rt::task::JoinHandle;
use actix_web::{App, HttpServer, web};
use tokio::sync::Notify;

use crate::archive::{self, Archive, DocumentRules};
use crate::auth::origin::AllowedOrigins;
use crate::auth::{Minter, Tickets, Verifier};
use crate::budget::ByteBudget;
use crate::bus::BusRuntime;
use crate::config::{Bind, Config, JwtKey, StoreConfig};
use crate::history::{self, Histories, Sweeper};
use crate::http::{self, AppState, Hosts, Origins};
use crate::metrics;
use crate::rate::Rate;
use crate::room::{BackEnd, Directory, Journal, Quotas, Relays, RoomSettings, UserSockets};
use crate::seed::Seed;
use crate::socket::{
    EventStreams, Gate, Rates, Rhythm, RoomOpenings, SharedRates, SocketContext, SocketSettings, UserGate,
};
use crate::store::{Store, StoreError, StoreSettings};
use crate::webhooks::WebhooksRuntime;
use certificate::Certificate;
use cluster::{Here, Link};
use connections::Connections;
pub use error::{CertificateError, ServerError, TooFewDescriptors};
use listener::Listener;
use requests::Requests;
use tls::Tls;

/// Connections at the address of the metrics.
const METRICS_CONNECTIONS_MAX: usize = 16;
/// Between two looks for a database that is not there yet.
const DATABASE_RETRY: Duration = Duration::from_millis(500);
/// What large answers of HTTP may hold together, in documents of the largest size; and at least, in bytes.
const ANSWERS_MAX: usize = 2;
const ANSWERS_BYTES_MIN: usize = 64 << 20;
/// How long a closed socket waits for its peer's end.
const LINGER: Duration = Duration::from_secs(2);

/// A running server. Must be stopped with [`Server::stop`]; dropped otherwise, it goes on.
pub struct Server {
    address: Bind,
    http: actix_server::ServerHandle,
    metrics: Option<(SocketAddr, actix_server::ServerHandle)>,
    state: web::Data<AppState>,
    /// Whether it listens with TLS.
    is_encrypted: bool,
    /// What runs beside the workers: takes samples of the figures, looks for a renewed certificate.
    tasks: Vec<JoinHandle<()>>,
    relays: Arc<Relays>,
    /// Carries what is told to other servers and by them.
    bus: Option<BusRuntime>,
    /// Tells others what happens in rooms.
    webhooks: WebhooksRuntime,
    arbiters: Vec<Arbiter>,
    store: Store,
    stop_timeout: Duration,
}

impl Server {
    /// Opens the database, migrates it if need be, and listens. To be called in an actix system, which it needs until it stops.
    pub async fn start(config: &Config) -> Result<Self, ServerError> {
        let places = descriptors::places(config)?;
        let certificate = config.edge.tls.as_ref().map(Certificate::open).transpose()?;
        let (listener, address) = Listener::open(&config.edge.bind)?;
        let metrics = config.edge.metrics_bind.map(listener::tcp).transpose()?;
        let limits = &config.limits;
        let counts_usage = limits.quota_room_bytes.is_set() || limits.quota_user_bytes.is_some();
        let settings = store_settings(&config.store, limits.document_bytes_max);
        let settings = StoreSettings { counts_usage, ..settings };
        let store = open_store(&settings, &config.store).await?;
        let link = Link::open(config, &settings, &store).await?;
        let cluster = link.cluster.clone();
        // Only now: a start that fails leaves no key behind.
        let verifier = Arc::new(Verifier::open(&config.jwt)?);
        revocations::load(&store, verifier.revocations(), 0).await?;
        // Before anyone comes; who cannot be verified now is refused, and may come back.
        let key_set = match (&config.jwt.key, verifier.key_set()) {
            (JwtKey::KeySet { url, refresh }, Some(keys)) => {
                let is_good = key_set::told(url, key_set::read(url, keys).await, true);
                Some(key_set::follow(url.clone(), *refresh, verifier.clone(), is_good))
            }
            _ => None,
        };
        let minter = config.edge.is_demo.then(|| Minter::open(&config.jwt)).transpose()?;

        let archive = Archive::new(store.clone(), document_rules(config));

        let limits = &config.limits;
        let journal_arbiter = Arbiter::new();
        let journal = {
            let (store, cluster) = (store.clone(), cluster.clone());
            let (entries, bytes) = (limits.batch_entries_max, limits.batch_bytes_max);
            Journal::start_in_arbiter(&journal_arbiter.handle(), move |_| Journal::new(store, cluster, entries, bytes))
        };
        let mut arbiters: Vec<Arbiter> = (0..config.edge.room_threads).map(|_| Arbiter::new()).collect();
        let room_threads = arbiters.iter().map(Arbiter::handle).collect();
        let seed = config.hooks.seed.clone().map(|seed| Arc::new(Seed::new(seed, limits.document_bytes_max)));
        let (webhooks, events) = WebhooksRuntime::start(&config.hooks, store.clone(), archive.clone()).await?;
        let back_end = BackEnd { seed, events };
        let settings = room_settings(config);
        let quotas = settings.quotas.clone();
        let directory =
            Directory::new(room_threads, store.clone(), archive.clone(), journal, cluster.clone(), back_end, settings);
        arbiters.push(journal_arbiter);

        let relays = Arc::new(Relays::default());
        let users = UserGate::new(limits.sockets_per_user_max);
        let user_sockets = Arc::new(UserSockets::default());
        let openings = Arc::new(RoomOpenings::new(limits.rate_rooms_user));
        let event_streams = Arc::new(EventStreams::default());
        let revoked = Arc::new(Notify::new());
        let tickets = Arc::new(Tickets::new(cluster.mark()));
        let histories = Histories::new(store.clone());
        let here = Here {
            directory: directory.clone(),
            user_sockets: user_sockets.clone(),
            event_streams: event_streams.clone(),
            tickets: tickets.clone(),
            histories: histories.clone(),
        };
        let bus = link.start(&store, here, revoked.clone()).await;
        let rates = Arc::new(SharedRates::new(rates(config), inflow_rates(config)));
        let erasures = Arc::new(Notify::new());
        let state = web::Data::new(AppState {
            store: store.clone(),
            directory: directory.clone(),
            cluster: cluster.clone(),
            verifier: verifier.clone(),
            tickets,
            minter,
            gate: Gate::new(places.sockets_max, limits.sockets_per_ip_max),
            users: users.clone(),
            pace: Default::default(),
            renders: AppState::render_turns(),
            renderings: Default::default(),
            pages: AppState::page_turns(),
            scans: AppState::scan_turns(),
            forwarding: AppState::forwarding_turns(),
            waiting_places: http::waiting_places(places.requests_max),
            restores: AppState::restore_turns(),
            copies: AppState::copy_turns(),
            quotas: quotas.clone(),
            user_sockets: user_sockets.clone(),
            openings: openings.clone(),
            rates: rates.clone(),
            event_streams: event_streams.clone(),
            stats: Default::default(),
            document_bytes_max: limits.document_bytes_max,
            bodies: ByteBudget::new(limits.unfinished_bytes_max, None),
            json_values: http::json_values(),
            json_message_bytes_max: limits.json_message_bytes_max,
            archive: archive.clone(),
            histories: histories.clone(),
            erasures: erasures.clone(),
            deleted_kept: config.store.deleted_rooms_kept,
            webhooks: webhooks.webhooks(),
            hosts: hosts(config),
            origins: Origins::new(AllowedOrigins {
                listed: config.edge.allowed_origins.clone(),
                loopback: config.edge.bind.is_loopback(),
            }),
            trusted_proxies: config.edge.trusted_proxies.clone(),
            compression_bytes_min: config.edge.compression_bytes_min,
            accepts_query_tokens: config.edge.accepts_query_tokens,
            is_demo: config.edge.is_demo,
            is_draining: AtomicBool::new(false),
        });
        let revocations = revocations::follow(store.clone(), verifier.clone(), relays.clone(), revoked);
        let sockets = Arc::new(SocketContext {
            cluster,
            directory,
            relays: relays.clone(),
            settings: socket_settings(config),
            users,
            user_sockets,
            event_streams,
            openings,
            rates,
            verifier,
            unfinished: ByteBudget::new(limits.unfinished_bytes_max, None),
            strangers: ByteBudget::new(limits.unfinished_bytes_max, None),
            outboxes: ByteBudget::new(limits.outboxes_bytes_max, Some(&metrics::OUTBOX_BYTES)),
        });
        let proxies = config.edge.trusted_proxies.clone();
        let tls = certificate.clone().map(Tls::new).transpose()?;
        let connections = Connections {
            state: state.clone(),
            sockets,
            requests: Requests::new(places.requests_max, limits.sockets_per_ip_max, state.gate.clone(), proxies),
            keep_alive: config.timing.http_keep_alive,
            stall_timeout: config.timing.stall_timeout,
            answers: ByteBudget::new(
                ANSWERS_BYTES_MIN.max(ANSWERS_MAX.saturating_mul(limits.document_bytes_max)),
                Some(&metrics::ANSWER_BYTES),
            ),
        };
        let http = connections.serve(listener, tls, config.edge.workers)?;
        let metrics = metrics.map(serve_metrics).transpose()?;
        let is_encrypted = certificate.is_some();
        tracing::info!(%address, tls = is_encrypted, database = %config.store.url, "listening");
        let mut tasks = vec![actix_rt::spawn(stats::publish(state.clone()))];
        tasks.push(actix_rt::spawn(revocations));
        tasks.push(actix_rt::spawn(sweep::follow(store.clone())));
        tasks.push(actix_rt::spawn(purge::follow(store.clone())));
        tasks.push(actix_rt::spawn(erasures::follow(store.clone(), state.clone(), erasures)));
        tasks.push(actix_rt::spawn(quotas::count(store.clone(), quotas.clone())));
        tasks.push(actix_rt::spawn(quotas::read(store.clone(), quotas)));
        let packing = config.store.compact_after.map(|after| archive::pack_all(store.clone(), after));
        tasks.extend(packing.map(actix_rt::spawn));
        let sweeper = Sweeper::new(histories.clone(), archive, store.clone(), config.store.retention.clone());
        tasks.push(actix_rt::spawn(sweeper.follow()));
        tasks.push(actix_rt::spawn(history::build_all(histories, store.clone())));
        tasks.extend(key_set.map(actix_rt::spawn));
        tasks.extend(certificate.map(|certificate| actix_rt::spawn(certificate.follow())));
        let stop_timeout = config.timing.shutdown_timeout;
        Ok(Self {
            address,
            http,
            metrics,
            state,
            is_encrypted,
            tasks,
            relays,
            bus,
            webhooks,
            arbiters,
            store,
            stop_timeout,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &Bind {
        &self.address
    }

    /// Where it serves its metrics, if it does.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }
}

/// Serves the metrics at an address of their own, which operators keep to themselves.
fn serve_metrics(listener: TcpListener) -> io::Result<(SocketAddr, actix_server::ServerHandle)> {
    let address = listener.local_addr()?;
    let routes = || App::new().wrap(http::headers()).configure(http::metrics_routes);
    let server = HttpServer::new(routes)
        .workers(1)
        .max_connections(METRICS_CONNECTIONS_MAX)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok((address, handle))
}

fn store_settings(config: &StoreConfig, entry_bytes_max: usize) -> StoreSettings {
    StoreSettings {
        connections_max: config.connections_max,
        entry_bytes_max,
        ..StoreSettings::new(config.url.expose(), config.server_name.clone())
    }
}

/// Opens the database as soon as it is there, within the time that the configuration gives it.
async fn open_in_time(settings: &StoreSettings, config: &StoreConfig) -> Result<Store, StoreError> {
    let deadline = Instant::now() + config.wait;
    let mut has_told = false;
    loop {
        match Store::open(settings.clone()).await {
            // What is wrong with a database that cannot be opened may be over soon, whatever it is: it starts, or is being made.
            Err(error @ (StoreError::Unavailable(_) | StoreError::Open(_))) if Instant::now() < deadline => {
                if !has_told {
                    tracing::warn!(%error, database = %config.url, seconds = config.wait.as_secs(), "waiting for the database");
                    has_told = true;
                }
                tokio::time::sleep(DATABASE_RETRY).await;
            }
            opened => return opened,
        }
    }
}

async fn open_store(settings: &StoreSettings, config: &StoreConfig) -> Result<Store, ServerError> {
    let store = open_in_time(settings, config).await?;
    store.claim().await?;
    // The runtime role may have no right to migrate, so only where it is needed.
    if store.pending_migrations().await? > 0 {
        let count = store.migrate().await?;
        tracing::info!(count, "database migrated");
    }
    // Also opens the connection that saves, while there are descriptors.
    if let Err(error) = store.can_save().await {
        tracing::error!(%error, "entries cannot be saved now, and /readyz says so: what people write waits until they can");
    }
    Ok(store)
}

/// A demo at loopback without a proxy is reached by this machine's names only; elsewhere a token is what opens.
fn hosts(config: &Config) -> Hosts {
    let edge = &config.edge;
    match edge.is_demo && edge.bind.is_loopback() && edge.trusted_proxies.is_empty() {
        true => Hosts::Loopback(edge.allowed_origins.clone()),
        false => Hosts::Any,
    }
}

fn document_rules(config: &Config) -> DocumentRules {
    DocumentRules {
        bytes_max: config.limits.document_bytes_max,
        gc: config.gc.is_on,
        gc_off_rooms: config.gc.off_rooms.clone(),
    }
}

fn room_settings(config: &Config) -> RoomSettings {
    RoomSettings {
        document_bytes_max: config.limits.document_bytes_max,
        documents_bytes_max: config.limits.documents_bytes_max,
        unsaved_bytes_max: config.limits.room_unsaved_bytes_max,
        uncommitted_bytes_max: config.limits.uncommitted_bytes_max,
        idle: config.timing.room_idle,
        presence_grace: config.timing.presence_grace,
        keeps_stateless: config.edge.keeps_stateless,
        quotas: Arc::new(Quotas::new(
            config.limits.quota_room_bytes.clone(),
            config.limits.quota_user_bytes,
            config.limits.quota_user_rooms,
            config.limits.admins_make_rooms,
        )),
        awareness_bytes_max: config.limits.room_awareness_bytes_max,
        presence_users_max: config.limits.presence_users_max,
        replay_entries_max: config.limits.replay_entries_max as u64,
        say_rate: rate(config.limits.rate_room),
        inflow_rate: inflow_rate(config.limits.rate_yjs_room),
        batch_entries_max: config.limits.batch_entries_max,
        batch_bytes_max: config.limits.batch_bytes_max,
    }
}

fn rate(per_second: usize) -> Rate {
    let per_second = per_second as f64;
    Rate { per_second, burst: 2.0 * per_second }
}

/// Yjs clients send many small messages at once when they come back, or one that holds all they typed meanwhile.
/// With the defaults the longest message passes at once.
fn inflow_rate(per_second: usize) -> Rate {
    let per_second = per_second as f64;
    Rate { per_second, burst: 5.0 * per_second }
}

fn inflow_rates(config: &Config) -> Rates {
    let limits = &config.limits;
    Rates {
        socket: inflow_rate(limits.rate_yjs_socket),
        user: inflow_rate(limits.rate_yjs_user),
        address: inflow_rate(limits.rate_yjs_address),
    }
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
        has_guests: config.edge.is_demo,
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

pub use check::{DatabaseState, check, check_certificate, read_key_set};
pub use stop::{migrate, run};
