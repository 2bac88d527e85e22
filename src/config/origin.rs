//! A web origin as a value (RFC 6454): scheme, host and port, exactly. Whether one is allowed is decided in
//! `auth::origin`.

use std::fmt;
use std::net::Ipv6Addr;

/// A scheme, host and port in one canonical writing: lower case, no default port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// The text is not one exact origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("exact origins like https://app.example.com or http://localhost:3000, without path, '*' or 'null'")]
pub struct NotAnOrigin;

impl Origin {
    /// Reads `scheme://host[:port]`. Anything more (a path, a user, a wildcard) or less is refused, so that two
    /// readers cannot understand it differently.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let (scheme, authority) = text.split_once("://").ok_or(NotAnOrigin)?;
        let scheme = scheme.to_ascii_lowercase();
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !is_scheme {
            return Err(NotAnOrigin);
        }
        let (host, port) = split_port(authority)?;
        let default_port = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Ok(Self { host: canonical_host(host)?, port: port.filter(|port| Some(*port) != default_port), scheme })
    }

    /// Whether a page of this origin was loaded from the server that a `Host` header with this value names. The
    /// scheme is not compared: behind a proxy that ends TLS the server does not see it.
    pub fn is_at_host(&self, host: &str) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
            && Origin::parse(&format!("{}://{host}", self.scheme)).is_ok_and(|own| own == *self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Splits `host[:port]`, minding that an IPv6 host in brackets holds colons.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), NotAnOrigin> {
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[host_end..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..host_end + colon], &authority[host_end + colon + 1..]);
    // A number's own parser would also take a sign.
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotAnOrigin);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(NotAnOrigin),
        Ok(port) => Ok((host, Some(port))),
    }
}

fn canonical_host(host: &str) -> Result<String, NotAnOrigin> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| NotAnOrigin)?;
        return Ok(format!("[{address}]"));
    }
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    match host.split('.').all(is_label) {
        true => Ok(host.to_ascii_lowercase()),
        false => Err(NotAnOrigin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_origin_is_taken_in_its_canonical_writing() {
        let cases = [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.COM:443", "https://app.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("https://localhost:80", "https://localhost:80"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[0:0::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
        ];
        for (text, canonical) in cases {
            assert_eq!(Origin::parse(text).map(|o| o.to_string()), Ok(canonical.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_exact_origin_is_refused() {
        let refused = [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*",
            "https://*.example.com",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a:",
            "https://a:0",
            "https://a:65536",
            "https://a:+80",
            "https://a:80:80",
            "https://a.",
            "https://.a",
            "https://a..b",
            "https://[::1",
            "https://::1",
            "https://[x]",
            "https://bücher.de",
            "https://a b",
            " https://a",
            "https://a,https://b",
            "://a",
            "1http://a",
            "https://a\0",
        ];
        for text in refused {
            assert_eq!(Origin::parse(text), Err(NotAnOrigin), "{text:?}");
        }
    }
}
