//! Requests that the server makes of others: one connection each, HTTP/1.1, with a time, an answer of a bounded size, and no redirects.
//! What comes back is for whoever asked to judge.

mod reach;
mod signature;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::{Host, Position, Url};

pub use reach::Reach;
pub use signature::sign;

/// What is asked.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// How.
    pub method: Method,
    /// Where: `http` or `https`, without a user.
    pub url: &'a Url,
    /// Which addresses may be behind its name.
    pub reach: Reach,
    /// Headers beside `Host` and `User-Agent`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Longest answer, in bytes.
    pub answer_bytes_max: usize,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status; redirects are not followed.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Not in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// No connection.
    #[error("no connection: {0}")]
    Io(#[from] io::Error),
    /// Only addresses that may not be asked.
    #[error("its address is in a private network")]
    Private,
    /// No way to a trusted server.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The address cannot be asked for.
    #[error("the address cannot be asked for")]
    Address,
    /// Too long, or cut off.
    #[error("the answer has more than {0} bytes, or was cut off")]
    Body(usize),
}

/// Asks once.
///
/// # Errors
/// See [`OutgoingError`].
pub async fn ask(outgoing: Outgoing<'_>) -> Result<Answer, OutgoingError> {
    let limit = outgoing.timeout;
    tokio::time::timeout(limit, exchange(outgoing)).await.map_err(|_| OutgoingError::TimedOut(limit))?
}

async fn exchange(outgoing: Outgoing<'_>) -> Result<Answer, OutgoingError> {
    let url = outgoing.url;
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err(OutgoingError::Address),
    };
    let port = url.port_or_known_default().ok_or(OutgoingError::Address)?;
    // The address that was looked at is the one that is connected to.
    let found = tokio::net::lookup_host((host.as_str(), port)).await?;
    let allowed: Vec<SocketAddr> = found.filter(|address| outgoing.reach.allows(address.ip())).collect();
    if allowed.is_empty() {
        return Err(OutgoingError::Private);
    }
    let tcp = TcpStream::connect(allowed.as_slice()).await?;
    if url.scheme() != "https" {
        return send(outgoing, tcp).await;
    }
    let name = ServerName::try_from(host).map_err(|_| OutgoingError::Address)?;
    let tls = TlsConnector::from(trust()?).connect(name, tcp).await?;
    send(outgoing, tls).await
}

async fn send(
    outgoing: Outgoing<'_>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Answer, OutgoingError> {
    let Outgoing { method, url, headers, body, answer_bytes_max, .. } = outgoing;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or when the answer is not waited for any more.
    let connection = AbortOnDrop(tokio::spawn(connection));
    let mut request = Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, url.authority())
        .header(USER_AGENT, concat!("tutti/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body)).map_err(|_| OutgoingError::Address)?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, answer_bytes_max).collect().await;
    drop(connection);
    let body = body.map_err(|_| OutgoingError::Body(answer_bytes_max))?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// A task that ends with what waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Trusts whom this system trusts, and the public authorities; read once.
pub fn trust() -> Result<Arc<ClientConfig>, OutgoingError> {
    static TRUST: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = TRUST.get() {
        return Ok(config.clone());
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TRUST.get_or_init(|| Arc::new(config)).clone())
}
