//! How clients reach the server: plainly, over TLS, with compressed messages, or by event streams.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// `BENCH_TRANSPORT`: how the people of a load are connected, and whoever is beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
    /// WebSockets with permessage-deflate.
    Compressed,
    /// People have event streams and post what they say; hostile clients have WebSockets.
    Events,
}

impl Transport {
    pub fn parse(name: &str) -> Self {
        match name {
            "plain" => Self::Plain,
            "tls" => Self::Tls,
            "compressed" => Self::Compressed,
            "events" => Self::Events,
            _ => panic!("BENCH_TRANSPORT is plain, tls, compressed or events, not {name}"),
        }
    }

    /// What a row's title ends with.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Tls => ", over TLS",
            Self::Compressed => ", with compression",
            Self::Events => ", by event streams",
        }
    }
}

/// A certificate of the server's own, which clients trust.
#[derive(Clone)]
pub struct Certificate {
    config: Arc<ClientConfig>,
}

impl Certificate {
    /// Makes one, as `cert.pem` and `key.pem` in a folder.
    pub fn make(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        fs::write(folder.join("cert.pem"), made.cert.pem()).expect("the folder takes files");
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("the folder takes files");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a certificate that can be trusted");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has these versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { config: Arc::new(config) }
    }

    fn connection(&self) -> ClientConnection {
        let name = ServerName::try_from("localhost").expect("a name");
        ClientConnection::new(self.config.clone(), name).expect("a client's configuration")
    }
}

/// A socket, with TLS in it if the server has a certificate. It blocks as the socket does.
pub struct Stream<S> {
    pub socket: S,
    tls: Option<Box<ClientConnection>>,
}

impl<S: Read + Write> Stream<S> {
    pub fn new(socket: S, certificate: Option<&Certificate>) -> Self {
        Self { socket, tls: certificate.map(|certificate| Box::new(certificate.connection())) }
    }

    /// Waits for the TLS handshake; for sockets that block.
    pub fn shake_hands(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.complete_io(&mut self.socket).map(drop),
            None => Ok(()),
        }
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            let is_over = tls.read_tls(&mut self.socket)? == 0;
            tls.process_new_packets().map_err(io::Error::other)?;
            send(tls, &mut self.socket)?;
            if is_over {
                return Ok(0);
            }
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        let written = tls.writer().write(bytes)?;
        send(tls, &mut self.socket)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => send(tls, &mut self.socket),
            None => Ok(()),
        }
    }
}

/// Sends what the socket takes now.
fn send(tls: &mut ClientConnection, socket: &mut impl Write) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
