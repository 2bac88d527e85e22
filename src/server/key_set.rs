//! Reads the key set (JWKS) of who signs tokens: at the start, every few minutes, and when a token names an unknown key. One reading at
//! a time; the newest good set stays while readings fail.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::auth::{KeySet, NoKeySet, Verifier};
use crate::config::JwksUrl;

/// How long one reading may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest set, in bytes.
const BYTES_MAX: usize = 256 * 1024;
/// After a reading that failed, unless sets are read more often.
const RETRY: Duration = Duration::from_secs(15);

/// Why a key set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not in time.
    #[error("no answer within {TIMEOUT:?}")]
    TimedOut,
    /// No connection.
    #[error("no connection: {0}")]
    Io(#[from] io::Error),
    /// No way to a trusted server.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The address cannot be asked for.
    #[error("the address cannot be asked for")]
    Address,
    /// Another status than 200; redirects are not followed.
    #[error("the answer has status {0} and not 200")]
    Status(StatusCode),
    /// Too long, or cut off.
    #[error("the answer has more than {BYTES_MAX} bytes, or was cut off")]
    Body,
    /// What came is no set.
    #[error("what came cannot be used: {0}")]
    Set(#[from] NoKeySet),
}

/// Reads the set once, and takes its keys.
pub(super) async fn read(url: &JwksUrl, key_set: &KeySet) -> Result<usize, KeySetError> {
    let text = tokio::time::timeout(TIMEOUT, fetch(url)).await.map_err(|_| KeySetError::TimedOut)?;
    let read = text.and_then(|text| Ok(key_set.replace(&text)?));
    key_set.ended(Instant::now());
    read
}

/// Goes on until it is aborted. The first reading has been made.
pub(super) async fn follow(url: JwksUrl, refresh: Duration, verifier: Arc<Verifier>, mut is_good: bool) {
    let Some(key_set) = verifier.key_set() else { return };
    loop {
        let wait = if is_good { refresh } else { refresh.min(RETRY) };
        let _ = tokio::time::timeout(wait, key_set.asked()).await;
        is_good = told(&url, read(&url, key_set).await, is_good);
    }
}

/// Says how a reading went, where that is news. Whether it went well.
pub(super) fn told(url: &JwksUrl, read: Result<usize, KeySetError>, was_good: bool) -> bool {
    match &read {
        Ok(keys) if !was_good => tracing::info!(%url, keys, "the key set was read"),
        Ok(_) => {}
        Err(error) if was_good => {
            tracing::error!(%url, %error, "the key set cannot be read; the keys that are known stay, and new ones are not accepted");
        }
        Err(error) => tracing::debug!(%url, %error, "the key set still cannot be read"),
    }
    read.is_ok()
}

async fn fetch(url: &JwksUrl) -> Result<Vec<u8>, KeySetError> {
    let host = url.host();
    let tcp = TcpStream::connect((host.as_str(), url.port())).await?;
    if !url.is_encrypted() {
        return ask(url, tcp).await;
    }
    let name = ServerName::try_from(host).map_err(|_| KeySetError::Address)?;
    ask(url, TlsConnector::from(Arc::new(trust()?)).connect(name, tcp).await?).await
}

async fn ask(
    url: &JwksUrl,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Vec<u8>, KeySetError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or when the answer is not waited for any more.
    let connection = tokio::spawn(connection);
    let request = Request::get(url.path())
        .header(HOST, url.authority())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("tutti/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<&[u8]>::new())
        .map_err(|_| KeySetError::Address)?;
    let answer = sender.send_request(request).await;
    let read = async {
        let answer = answer?;
        if answer.status() != StatusCode::OK {
            return Err(KeySetError::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await.map_err(|_| KeySetError::Body)?;
        Ok(body.to_bytes().to_vec())
    };
    let read = read.await;
    connection.abort();
    read
}

/// Trusts whom this system trusts, and the public authorities.
fn trust() -> Result<ClientConfig, KeySetError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
