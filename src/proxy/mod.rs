//! `tutti proxy`: passes connections on to another server. It reads the head of a request, and nothing of what follows: frames, their
//! compression, close codes and event streams are the upstream's and the client's.

mod head;
mod pass;
mod refusal;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::config::{Bind, ProxyConfig, UpstreamUrl};
use crate::outgoing::{OutgoingError, trust};
use crate::socket::Gate;
use head::Head;
use pass::pass;

/// How long a client may take for a request's head, and how long that may be.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long the upstream may take to be there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which nothing passes for so long is lost: both sides speak more often.
const IDLE: Duration = Duration::from_secs(90);
/// How the answer begins that makes a connection a WebSocket.
const SWITCHED: &[u8] = b"HTTP/1.1 101";
/// So many who find no place are told so at once.
const TOLD_MAX: usize = 64;
/// Between two tries to accept, when there are no descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Why the proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nothing can listen there.
    #[error("cannot listen at {0}: {1}")]
    Bind(Bind, io::Error),
    /// A proxy has an address.
    #[error("--bind must be an address and a port")]
    UnixSocket,
    /// TLS.
    #[error(transparent)]
    Tls(#[from] OutgoingError),
    /// The system refuses something.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What all connections share.
struct Proxy {
    upstream: UpstreamUrl,
    tls: TlsConnector,
    gate: Arc<Gate>,
    /// Permits to tell those who find no place.
    told: Semaphore,
}

/// Runs until SIGTERM or SIGINT ends it; open connections end with it.
pub fn run(config: &ProxyConfig) -> Result<(), ProxyError> {
    let Bind::Tcp(address) = config.bind else { return Err(ProxyError::UnixSocket) };
    let gate = Gate::new(config.sockets_max, config.sockets_per_ip_max);
    let tls = TlsConnector::from(trust()?);
    let proxy = Arc::new(Proxy { upstream: config.upstream.clone(), tls, gate, told: Semaphore::new(TOLD_MAX) });
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let bound = |error| ProxyError::Bind(config.bind.clone(), error);
        let listener = TcpListener::bind(address).await.map_err(bound)?;
        let address = listener.local_addr()?;
        tracing::info!(%address, upstream = %proxy.upstream, "passing connections on");
        writeln!(io::stdout(), "listening on http://{address}")?;
        tokio::select! {
            () = accept(listener, proxy) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener, proxy: Arc<Proxy>) {
    loop {
        match listener.accept().await {
            Ok((client, peer)) => {
                let proxy = proxy.clone();
                tokio::spawn(async move { proxy.serve(client, peer).await });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

impl Proxy {
    async fn serve(&self, mut client: TcpStream, peer: SocketAddr) {
        // Fails on a connection that has just died; reading will tell.
        let _ = client.set_nodelay(true);
        let _permit = match self.gate.enter(peer.ip()) {
            Ok(permit) => permit,
            Err(full) => {
                // Beyond those who are told, connections just end.
                if let Ok(_told) = self.told.try_acquire() {
                    let reason = full.to_string();
                    refusal::answer(&mut client, "503 Service Unavailable", "try_later", &reason).await;
                }
                return;
            }
        };
        let Ok(Some((bytes, end))) = timeout(HEAD_TIMEOUT, read_head(&mut client)).await else {
            return refusal::answer(
                &mut client,
                "408 Request Timeout",
                "no_head",
                "no request with a head of at most 16 KiB came in time",
            )
            .await;
        };
        let text = String::from_utf8_lossy(&bytes[..end]);
        let head = match Head::parse(&text) {
            Ok(head) => head,
            Err(error) => {
                return refusal::answer(&mut client, "400 Bad Request", "invalid_request", &error.to_string()).await;
            }
        };
        if let Err(error) = head.body_bytes() {
            return refusal::answer(&mut client, "411 Length Required", "no_length", &error.to_string()).await;
        }
        let passed_on = head.passed_on(self.upstream.authority(), self.upstream.prefix(), peer.ip());
        match timeout(CONNECT_TIMEOUT, self.connect()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(mut upstream) => {
                let begun = begin(&mut client, &mut upstream, &head, &passed_on, &bytes[end + 4..]);
                let left = match timeout(IDLE, begun).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok(left) => left,
                    Err(error) => return tracing::info!(%error, "the upstream ended a connection"),
                };
                if let Err(error) = pass(client, upstream, left, IDLE).await {
                    tracing::debug!(%error, "connection lost");
                }
            }
            Err(error) => {
                tracing::warn!(%error, upstream = %self.upstream, "the upstream cannot be reached");
                let reason = "the server behind this proxy cannot be reached, try again later";
                match head.is_upgrade() {
                    true => refusal::close(&mut client, &head, reason).await,
                    false => refusal::answer(&mut client, "502 Bad Gateway", "upstream_unreachable", reason).await,
                }
            }
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let host = self.upstream.host();
        let tcp = TcpStream::connect((host.as_str(), self.upstream.port())).await?;
        tcp.set_nodelay(true)?;
        if !self.upstream.is_encrypted() {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(Box::new(self.tls.connect(name, tcp).await?))
    }
}

/// Passes on a request's head and the beginning of what follows it, `early`: how much more the client may send. A connection brings one
/// request, for of another nobody would have said who sent it: so of a plain one its body, and of a WebSocket nothing before it is one.
async fn begin(
    client: &mut TcpStream,
    upstream: &mut Box<dyn Connection>,
    head: &Head<'_>,
    passed_on: &str,
    early: &[u8],
) -> io::Result<u64> {
    upstream.write_all(passed_on.as_bytes()).await?;
    upstream.flush().await?;
    let may_send = if head.is_upgrade() {
        let mut answer = Vec::with_capacity(SWITCHED.len());
        while answer.len() < SWITCHED.len() {
            if (&mut *upstream).take((SWITCHED.len() - answer.len()) as u64).read_buf(&mut answer).await? == 0 {
                break;
            }
        }
        client.write_all(&answer).await?;
        if answer == SWITCHED { u64::MAX } else { 0 }
    } else {
        head.body_bytes().unwrap_or(0)
    };
    let begun = early.len().min(usize::try_from(may_send).unwrap_or(usize::MAX));
    upstream.write_all(&early[..begun]).await?;
    upstream.flush().await?;
    Ok(may_send - begun as u64)
}

/// A connection to the upstream.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Reads up to the end of a head: what came, and where the empty line begins. `None` if there is no head of a length that is taken.
async fn read_head(client: &mut TcpStream) -> Option<(Vec<u8>, usize)> {
    let mut bytes = Vec::new();
    while bytes.len() < HEAD_BYTES_MAX {
        let before = bytes.len();
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        // It may have begun in the part before.
        let from = before.saturating_sub(3);
        if let Some(at) = bytes[from..].windows(4).position(|window| window == b"\r\n\r\n") {
            return Some((bytes, from + at));
        }
    }
    None
}
