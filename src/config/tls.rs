//! Where the server's certificate and its key lie. What is in the files is looked at where they are served.

use std::path::PathBuf;

use super::Bind;
use super::options::TlsOptions;
use super::reading::Reading;

/// Longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 4096;

/// The files of a certificate.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsConfig {
    pub(super) fn read(reading: &mut Reading, options: &TlsOptions, bind: &Bind) -> Option<Self> {
        let certificate = options.tls_cert_file.as_deref().unwrap_or_default();
        let key = options.tls_key_file.as_deref().unwrap_or_default();
        let certificate = reading.text("tls-cert-file", certificate, NAME_BYTES_MAX);
        let key = reading.text("tls-key-file", key, NAME_BYTES_MAX);
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                if matches!(bind, Bind::Unix(_)) {
                    reading.problem(
                        "tls-cert-file",
                        "a Unix socket is served without TLS, which the proxy in front ends; leave out both files",
                    );
                }
                Some(Self { certificate: certificate.into(), key: key.into() })
            }
            (None, None) => None,
            (Some(_), None) => {
                reading.problem("tls-key-file", "it belongs to --tls-cert-file; name the file of its private key");
                None
            }
            (None, Some(_)) => {
                reading.problem("tls-cert-file", "it belongs to --tls-key-file; name the file of its certificate");
                None
            }
        }
    }
}
