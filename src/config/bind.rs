//! Where a server listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::options::ListenOptions;
use super::reading::Reading;
use super::sources::Source;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";
/// Longest path that fits into the system's address of a socket.
const PATH_BYTES_MAX: usize = 107;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// An address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// The text is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an IP address and a port, like 127.0.0.1:8080 or [::]:8080, localhost:8080, :8080 for all addresses, or a file of at most {PATH_BYTES_MAX} bytes, like unix:/run/tutti/tutti.sock"
)]
pub struct NotABind;

impl Bind {
    /// Reads where to listen: an address that is given, else a port that is given, else the default.
    pub(super) fn read(reading: &mut Reading, options: &ListenOptions) -> Self {
        let port = reading.list("port", options.port.as_deref().unwrap_or_default(), 1, |text| {
            text.parse::<u16>().map_err(|_| "a whole number from 0 to 65535")
        });
        let fallback = Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        match port.first() {
            Some(port) if reading.source("bind") == Source::Default => {
                let bind = Self::Tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port)));
                reading.setting("bind", &bind);
                bind
            }
            _ => reading.parsed("bind", &options.bind, fallback, str::parse),
        }
    }

    /// Whether it is an address of this machine's own, at which browsers on it may be.
    pub fn is_loopback(&self) -> bool {
        matches!(self, Self::Tcp(_)) && self.is_local()
    }

    /// Whether only programs on this machine get there.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Bind {
    type Err = NotABind;

    fn from_str(text: &str) -> Result<Self, NotABind> {
        match text.strip_prefix(UNIX) {
            Some(path) if (1..=PATH_BYTES_MAX).contains(&path.len()) && !path.contains('\0') => {
                Ok(Self::Unix(path.into()))
            }
            Some(_) => Err(NotABind),
            None => tcp(text).map(Self::Tcp).ok_or(NotABind),
        }
    }
}

/// `IP:PORT`, `localhost:PORT`, or for all addresses `:PORT` and `PORT`.
pub(super) fn tcp(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let address = match host {
        "" => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        _ if host.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST.into(),
        _ => return text.parse().ok(),
    };
    // A number's own parser would also take a sign.
    let port = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())??;
    Some(SocketAddr::new(address, port))
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_the_file_of_a_socket_is_read_and_written_alike() {
        let longest = format!("unix:/{}", "x".repeat(PATH_BYTES_MAX - 1));
        for text in ["127.0.0.1:8080", "[::1]:0", "unix:/run/tutti.sock", "unix:tutti.sock", &longest] {
            assert_eq!(text.parse::<Bind>().map(|bind| bind.to_string()).as_deref(), Ok(text));
        }
        for (text, address) in [
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:0", "127.0.0.1:0"),
            (":8080", "0.0.0.0:8080"),
            ("8080", "0.0.0.0:8080"),
        ] {
            assert_eq!(text.parse::<Bind>().map(|bind| bind.to_string()).as_deref(), Ok(address), "{text}");
        }
        for text in [
            "",
            ":",
            "localhost",
            "localhost:",
            "example.com:80",
            ":+80",
            ":65536",
            "127.0.0.1:x",
            "/run/tutti.sock",
            "unix:",
            "127.0.0.1",
            &format!("{longest}x"),
        ] {
            assert_eq!(text.parse::<Bind>(), Err(NotABind), "{text}");
        }
    }
}
