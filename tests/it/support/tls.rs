//! Certificates made for a test, a client that trusts them, and a way through TLS for clients that speak none.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::process::Process;
use super::server::ANY_PORT;

/// A certificate of `localhost` that vouches for itself, in two files.
pub struct Pair {
    pub certificate: CertificateDer<'static>,
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

impl Pair {
    /// A new one, in place of whatever is there.
    pub fn write(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let (certificate_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&certificate_file, made.cert.pem()).unwrap();
        fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
        Self { certificate: made.cert.der().clone(), certificate_file, key_file }
    }

    /// The options that serve it.
    pub fn options(&self) -> [&str; 4] {
        let [certificate, key] = [&self.certificate_file, &self.key_file].map(|file| file.to_str().unwrap());
        ["--tls-cert-file", certificate, "--tls-key-file", key]
    }

    /// What trusts this certificate and no other, and offers `protocols` by ALPN.
    pub fn client(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }

    /// Connects, if the server has this certificate.
    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        self.client(&[]).connect(name, TcpStream::connect(address).await?).await
    }

    /// A server with this certificate. `address` leads there through TLS; its own is returned beside it.
    pub fn serve(&self, folder: &Path, options: &[&str]) -> (Process, SocketAddr) {
        let all: Vec<&str> = self.options().into_iter().chain(options.iter().copied()).collect();
        let mut process = Process::start(folder, &all);
        let encrypted = process.address;
        process.address = self.tunnel(encrypted);
        (process, encrypted)
    }

    /// An address that speaks TLS with this certificate, in front of one that does not.
    pub fn front(&self, address: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind(ANY_PORT).unwrap();
        let local = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&fs::read(&self.key_file).unwrap()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((client, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        // Refused by a client that does not trust it.
                        let mut encrypted = acceptor.accept(client).await?;
                        let mut plain = TcpStream::connect(address).await?;
                        tokio::io::copy_bidirectional(&mut encrypted, &mut plain).await
                    });
                }
            });
        });
        local
    }

    /// An address whose connections are carried on to `address` by TLS. It holds little, and reads no faster than it is read.
    fn tunnel(&self, address: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind(ANY_PORT).unwrap();
        let local = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let connector = self.client(&["http/1.1"]);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((mut plain, _)) = listener.accept().await {
                    let connector = connector.clone();
                    tokio::spawn(async move {
                        let name = ServerName::try_from("localhost").unwrap();
                        // Refused while the server is away: the client's connection ends, too.
                        let tcp = TcpStream::connect(address).await?;
                        let mut encrypted = connector.connect(name, tcp).await?;
                        tokio::io::copy_bidirectional(&mut plain, &mut encrypted).await
                    });
                }
            });
        });
        local
    }
}

/// Runs a test that has clients of its own.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(super::DEADLINE, test).await.expect("the test ends in time") })
}
