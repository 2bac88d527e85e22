//! How the process runs and how it stops: nothing new is taken, what was taken is committed and acknowledged, sockets are closed
//! over a while so that not all come back at once, and all of it in bounded time.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::Arbiter;
use futures_util::future::join_all;
use tokio::signal::unix::{SignalKind, signal};

use super::{Server, ServerError, store_settings, supervisor};
use crate::auth::{self, Grant, Grants, Minter, NewToken};
use crate::config::{Bind, Config, JwtKey, StoreConfig};
use crate::protocol::CloseCode;
use crate::room::{CloseAll, Flush, HandOver, StopReading};
use crate::store::Store;
use crate::telemetry;

/// Between two slices of sockets that are closed.
const CLOSE_EVERY: Duration = Duration::from_millis(50);
/// The fewest sockets of a slice, for each worker.
const CLOSE_SLICE: usize = 100;
/// Closing everything must not take more of the time to stop than one part in so many.
const CLOSE_PART: u32 = 4;
/// How long threads may take to end once everything else has.
const THREADS_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the token in the ready link is good for.
const LINK_TOKEN_S: u64 = 24 * 3600;

/// Runs until SIGTERM or SIGINT stops it; a second one ends the process at once.
pub fn run(config: Config) -> Result<(), ServerError> {
    let system = actix_rt::System::new();
    let server = system.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let server = Server::start(&config).await?;
        greet(greeting(&server, &config)?);
        supervisor::ready();
        supervisor::watch(server.arbiters.iter().map(Arbiter::handle).chain([Arbiter::current()]).collect());
        let mut next_signal = async move || {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        };
        next_signal().await;
        supervisor::stopping();
        actix_rt::spawn(async move {
            next_signal().await;
            tracing::warn!("a second signal, ending at once");
            telemetry::flush();
            std::process::exit(1);
        });
        Ok::<_, ServerError>(server.drain().await)
    })?;
    std::thread::spawn(|| {
        std::thread::sleep(THREADS_TIMEOUT);
        tracing::error!("threads did not end in time");
        telemetry::flush();
        std::process::exit(1);
    });
    server.join();
    tracing::info!("stopped");
    Ok(())
}

/// Brings the database's tables up to date, and returns how many migrations ran.
pub fn migrate(config: StoreConfig) -> Result<usize, ServerError> {
    let system = actix_rt::System::new();
    // Migrating appends nothing, so the longest entry does not matter.
    let settings = store_settings(&config, 0);
    let (store, count) = system.block_on(async {
        let store = Store::open(settings).await?;
        let count = store.migrate().await?;
        Ok::<_, ServerError>((store, count))
    })?;
    store.shutdown();
    Ok(count)
}

/// Tells the person who started the server where it is. On a thread of its own, since nobody may be reading.
fn greet(text: String) {
    std::thread::spawn(move || {
        let mut out = std::io::stdout();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(%error, "the standard output does not take where the server listens");
        }
    });
}

/// Where the server is, and a link that works at once.
fn greeting(server: &Server, config: &Config) -> Result<String, ServerError> {
    let (http, ws) = if server.is_encrypted { ("https", "wss") } else { ("http", "ws") };
    let mut text = match server.address() {
        Bind::Tcp(address) => format!("listening on {http}://{address}\n"),
        file @ Bind::Unix(_) => format!("listening on {file}\n"),
    };
    if let Some(address) = server.metrics_address() {
        text += &format!("metrics on http://{address}/metrics\n");
    }
    // There is no link to a file.
    let Bind::Tcp(address) = server.address() else { return Ok(text) };
    let address = linked(*address);
    if config.edge.is_demo {
        text += &format!("\n  Tutti is ready. Open this in two windows and type:\n\n      {http}://{address}/\n\n");
    } else if let (JwtKey::KeyFile(_), Ok(minter)) = (&config.jwt.key, Minter::open(&config.jwt)) {
        let grants = Grant::parse("*=write").and_then(|grant| Grants::new(vec![grant]));
        if let Ok(grants) = grants {
            let expires_at_s = auth::now_s() + LINK_TOKEN_S;
            let token = NewToken { subject: "you", name: None, grants: &grants, expires_at_s };
            let token = minter.mint(&token)?;
            text += &format!(
                "\n  Tutti is ready, with a key of its own. For y-websocket, good for a day:\n\n      \
                 new WebsocketProvider('{ws}://{address}/yjs', 'my-room', doc, {{ params: {{ token: '{token}' }} }})\n\n"
            );
        }
    }
    Ok(text)
}

/// What a browser on this machine opens to get to `address`.
fn linked(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    }
}

impl Server {
    /// Stops, from an actix system that goes on: for tests. The threads end by themselves.
    pub async fn stop(self) {
        let stopped = self.drain().await;
        // `join` blocks, and this thread may drive the system that the threads report to.
        std::thread::spawn(|| stopped.join());
    }

    /// Commits what was taken, tells its authors, and closes all sockets.
    pub(super) async fn drain(self) -> Stopped {
        let deadline = Instant::now() + self.stop_timeout;
        tracing::info!(sockets = self.state.gate.count(), "stopping");
        self.state.is_draining.store(true, Ordering::Relaxed);
        for task in &self.tasks {
            task.abort();
        }
        self.http.pause().await;
        for relay in self.relays.all() {
            relay.addr.do_send(StopReading);
        }
        let flushes = join_all(self.state.directory.rooms().into_iter().map(|room| room.send(Flush)));
        if tokio::time::timeout(self.stop_timeout / 2, flushes).await.is_err() {
            tracing::error!(
                "not everything was committed, or its snapshot made, in time; authors of what is not committed were not told that it is"
            );
        }
        if !self.state.cluster.is_alone() {
            self.hand_over(deadline).await;
        }
        self.close_sockets(deadline).await;
        self.state.cluster.say_bye().await;
        // Its row says so, too, or goes by its age.
        let _ = self.store.sign_off().await;
        self.state.directory.stop();
        self.webhooks.stop().await;
        self.http.stop(false).await;
        if let Some((_, metrics)) = &self.metrics {
            metrics.stop(false).await;
        }
        Stopped { server: self }
    }

    /// Has other servers wait for the users of this one.
    async fn hand_over(&self, deadline: Instant) {
        let within = self.stop_timeout / CLOSE_PART;
        let rooms = self.state.directory.rooms().into_iter();
        let told = join_all(rooms.map(|room| room.send(HandOver { within })));
        let left = deadline.saturating_duration_since(Instant::now()) / 2;
        if tokio::time::timeout(left, told).await.is_err() {
            tracing::warn!("not all rooms have told other servers in time who may come back");
        }
        self.state.cluster.flush().await;
    }

    async fn close_sockets(&self, deadline: Instant) {
        let slices = (self.stop_timeout / CLOSE_PART).as_millis() / CLOSE_EVERY.as_millis();
        let count = CLOSE_SLICE.max(self.state.gate.count() / (slices.max(1) as usize) + 1);
        while self.state.gate.count() > 0 && Instant::now() < deadline {
            for relay in self.relays.all() {
                relay.addr.do_send(CloseAll { code: CloseCode::GoingAway, count });
            }
            tokio::time::sleep(CLOSE_EVERY).await;
        }
    }
}

/// A server whose sockets are closed and whose rooms are committed; its threads are left.
pub(super) struct Stopped {
    server: Server,
}

impl Stopped {
    /// Ends the threads. Blocks.
    pub fn join(self) {
        let Server { arbiters, store, bus, webhooks, .. } = self.server;
        drop(bus);
        drop(webhooks);
        for arbiter in arbiters {
            arbiter.stop();
            if arbiter.join().is_err() {
                tracing::error!("a thread ended by a panic");
            }
        }
        store.shutdown();
    }
}
