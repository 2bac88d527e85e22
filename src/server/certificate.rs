//! The certificate and its key: read at the start, looked at again every second, so that renewed files are used without a restart.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::web;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys};

use super::error::CertificateError;
use crate::config::TlsConfig;

/// Most bytes of either file; more is another file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the two files held. Compared, to see whether they have changed.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The pair that is served now.
pub(super) struct Certificate {
    files: TlsConfig,
    provider: Arc<CryptoProvider>,
    /// What was there at the start.
    opened: Contents,
    current: RwLock<Arc<CertifiedKey>>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Certificate {
    /// Reads the files.
    pub fn open(files: &TlsConfig) -> Result<Arc<Self>, CertificateError> {
        let provider = Arc::new(ring::default_provider());
        let contents = read(files)?;
        let current = RwLock::new(Arc::new(certified(files, &contents, &provider)?));
        Ok(Arc::new(Self { files: files.clone(), provider, opened: contents, current }))
    }

    /// The cryptography that the key was made for.
    pub fn provider(&self) -> Arc<CryptoProvider> {
        self.provider.clone()
    }

    /// Serves what the files hold, as soon as they have changed and come to rest. What cannot be served is told once, and the pair
    /// before it stays.
    pub async fn follow(self: Arc<Self>) {
        let mut judged = Ok(self.opened.clone());
        let mut seen = judged.clone();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let files = self.files.clone();
            // The error is a thread pool that ended, with the process.
            let Ok(found) = web::block(move || read(&files).map_err(|error| error.to_string())).await else { return };
            if found == seen && found != judged {
                match &found {
                    Ok(contents) => self.renew(contents),
                    Err(error) => tracing::error!(error, "the certificate is served on, but not renewed"),
                }
                judged = found.clone();
            }
            seen = found;
        }
    }

    fn renew(&self, contents: &Contents) {
        match certified(&self.files, contents, &self.provider) {
            Ok(made) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate is renewed: new connections get it");
            }
            Err(error) => tracing::error!(%error, "the renewed certificate cannot be served, the one before it stays"),
        }
    }
}

fn read(files: &TlsConfig) -> Result<Contents, CertificateError> {
    Ok(Contents {
        certificate: read_file("TUTTI_TLS_CERT_FILE", &files.certificate)?,
        key: read_file("TUTTI_TLS_KEY_FILE", &files.key)?,
    })
}

fn read_file(variable: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut content));
    match read {
        Ok(_) => Ok(content),
        Err(source) => Err(CertificateError::Read { variable, path: path.to_owned(), source }),
    }
}

fn certified(
    files: &TlsConfig,
    contents: &Contents,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&contents.certificate).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| CertificateError::NoKey(files.key.clone()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|source| match source {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
        }
        source => CertificateError::Unfit { certificate: files.certificate.clone(), source },
    })
}
