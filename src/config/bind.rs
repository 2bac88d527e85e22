//! Where a server listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

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
    "an IP address and a port, like 127.0.0.1:8080 or [::]:8080, or a file of at most {PATH_BYTES_MAX} bytes, like unix:/run/tutti/tutti.sock"
)]
pub struct NotABind;

impl Bind {
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
            None => text.parse().map(Self::Tcp).map_err(|_| NotABind),
        }
    }
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
        for text in ["", "localhost:80", "/run/tutti.sock", "unix:", "127.0.0.1", &format!("{longest}x")] {
            assert_eq!(text.parse::<Bind>(), Err(NotABind), "{text}");
        }
    }
}
