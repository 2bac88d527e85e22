//! TLS in front of HTTP: the handshake of each connection, within the time that a request's head has.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_http::error::DispatchError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;

/// What a TLS record with a handshake begins with (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
/// Between two lines about handshakes that fail, which strangers can make as many of as they want.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How much of a plain request is taken before it is answered.
const REQUEST_BYTES: usize = 8 * 1024;
/// The answer to a plain request.
const USE_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 47\r\n\
    Connection: close\r\n\r\nThis port speaks TLS only: use https or wss.   ";

/// Accepts TLS connections.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    told: Arc<Mutex<Option<Instant>>>,
}

/// Why a connection never became one of HTTP.
#[derive(Debug, thiserror::Error)]
enum NoHandshake {
    #[error("a client speaks plain HTTP to the TLS port: give it a URL with https or wss")]
    PlainHttp,
    #[error("a client did not finish its TLS handshake in time")]
    TimedOut,
    #[error("a client's TLS handshake failed: {0}")]
    Failed(io::Error),
}

impl Tls {
    /// Serves `certificate`. HTTP/1.1 is all that is spoken: an upgrade takes a whole connection over.
    pub fn new(certificate: Arc<Certificate>) -> Result<Self, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(certificate.provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: Arc::new(config).into(), told: Arc::default() })
    }

    /// Makes the handshake within `patience`.
    pub async fn accept(&self, stream: TcpStream, patience: Duration) -> Result<TlsStream<TcpStream>, DispatchError> {
        let peer = stream.peer_addr().ok();
        let shaken = tokio::time::timeout(patience, self.shake(stream)).await.unwrap_or(Err(NoHandshake::TimedOut));
        shaken.map_err(|error| {
            self.tell(&error, peer);
            DispatchError::Io(io::Error::other(error))
        })
    }

    async fn shake(&self, mut stream: TcpStream) -> Result<TlsStream<TcpStream>, NoHandshake> {
        // Fails on a connection that has just died; reading will tell.
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        let count = stream.peek(&mut first).await.map_err(NoHandshake::Failed)?;
        if count > 0 && first[0] != HANDSHAKE && first[0].is_ascii_alphabetic() {
            // Who does not take the answer finds the connection ended.
            let _ = refuse(&mut stream).await;
            return Err(NoHandshake::PlainHttp);
        }
        self.acceptor.accept(stream).await.map_err(NoHandshake::Failed)
    }

    /// A line a minute is enough to find a client that is set up wrongly.
    fn tell(&self, error: &NoHandshake, peer: Option<SocketAddr>) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY) {
            *told = Some(now);
            drop(told);
            tracing::warn!(address = peer.map(|peer| peer.ip().to_string()), "{error}");
        }
    }
}

/// Tells who speaks plain HTTP what to do.
async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    // What is not read would have the kernel reset the connection, and the answer with it. What it says does not matter.
    let mut request = [0; REQUEST_BYTES];
    let _part = stream.read(&mut request).await?;
    stream.write_all(USE_TLS).await?;
    stream.shutdown().await?;
    let _rest = stream.read(&mut request).await?;
    Ok(())
}
