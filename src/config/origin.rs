//! A web origin as a value (RFC 6454): scheme, host and port, exactly; and patterns of them. Whether one is allowed is decided
//! in `auth::origin`.
//!
//! Not read by `url`: its parser mends what has to be refused here (a path, a user, letters that are not ASCII), and its `Origin` has no
//! value for the schemes of app shells, such as `capacitor://localhost`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A scheme, host and port in one canonical writing: lower case, no default port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// Which origins are allowed: one, or those of all hosts one label below a domain, as in `https://*.example.com`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OriginPattern {
    /// The one; or with subdomains the domain, which itself is not among them.
    origin: Origin,
    has_subdomains: bool,
}

/// The text is no pattern of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "origins like https://app.example.com or http://localhost:3000, or https://*.example.com for all names one label below, without path or 'null'"
)]
pub struct NotAnOriginPattern;

impl OriginPattern {
    /// Reads an origin, of which the first label may be `*` if at least two follow.
    pub fn parse(text: &str) -> Result<Self, NotAnOriginPattern> {
        let (scheme, rest) = text.split_once("://").ok_or(NotAnOriginPattern)?;
        let parsed = |text: &str| Origin::parse(text).map_err(|NotAnOrigin| NotAnOriginPattern);
        let Some(domain) = rest.strip_prefix("*.") else {
            return Ok(Self { origin: parsed(text)?, has_subdomains: false });
        };
        let origin = parsed(&format!("{scheme}://{domain}"))?;
        // "*.com" is everyone, and below an address there is nothing.
        match origin.host.contains('.') && origin.host.parse::<Ipv4Addr>().is_err() {
            true => Ok(Self { origin, has_subdomains: true }),
            false => Err(NotAnOriginPattern),
        }
    }

    /// Whether `origin` is among them. Scheme and port must be the same.
    pub fn matches(&self, origin: &Origin) -> bool {
        match self.has_subdomains {
            true => {
                let domain = origin.host.split_once('.').map(|(_, domain)| domain);
                domain == Some(&self.origin.host)
                    && (&origin.scheme, origin.port) == (&self.origin.scheme, self.origin.port)
            }
            false => self.origin == *origin,
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, host, port } = &self.origin;
        write!(f, "{scheme}://{}{host}", if self.has_subdomains { "*." } else { "" })?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
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

    /// Whether its pages come from a web server on the visitor's own machine.
    pub fn is_loopback(&self) -> bool {
        let name = self.host.as_str();
        matches!(self.scheme.as_str(), "http" | "https")
            && (name == "localhost"
                || name.ends_with(".localhost")
                || name == "[::1]"
                || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()))
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
    fn a_pattern_matches_the_names_one_label_below_its_domain() {
        let pattern = OriginPattern::parse("https://*.Example.com").unwrap();
        assert_eq!(pattern.to_string(), "https://*.example.com");
        let table = [
            ("https://a.example.com", true),
            ("https://A.EXAMPLE.COM:443", true),
            ("https://xn--bcher-kva.example.com", true),
            ("https://example.com", false),
            ("https://evil-example.com", false),
            ("https://evilexample.com", false),
            ("https://a.b.example.com", false),
            ("https://a.example.com.evil.io", false),
            ("https://a.example.com:8443", false),
            ("http://a.example.com", false),
            ("https://a.example.org", false),
        ];
        for (origin, matches) in table {
            assert_eq!(pattern.matches(&Origin::parse(origin).unwrap()), matches, "{origin}");
        }
        // Nothing that a browser might make of these is an origin.
        for text in
            ["https://a.example.com.", "https://.example.com", "https://*.example.com", "https://a.example.com/"]
        {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        let with_port = OriginPattern::parse("https://*.example.com:8443").unwrap();
        assert!(with_port.matches(&Origin::parse("https://a.example.com:8443").unwrap()));
        assert!(!with_port.matches(&Origin::parse("https://a.example.com").unwrap()));
    }

    #[test]
    fn a_pattern_names_a_domain_of_at_least_two_labels_below_one_star() {
        for text in ["https://app.example.com", "http://localhost:3000", "https://*.example.com", "https://*.a.b.c:1"] {
            assert_eq!(OriginPattern::parse(text).map(|pattern| pattern.to_string()), Ok(text.to_owned()));
        }
        let refused = [
            "*",
            "https://*",
            "https://*.",
            "https://*.com",
            "https://*.com:443",
            "https://*.localhost",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "https://*example.com",
            "https://a*.example.com",
            "https://a.*.example.com",
            "https://*.*.example.com",
            "https://**.example.com",
            "https://*.example.com/",
            "https://*.example.com.",
            "*://*.example.com",
            "*.example.com",
            "null",
        ];
        for text in refused {
            assert_eq!(OriginPattern::parse(text), Err(NotAnOriginPattern), "{text}");
        }
    }

    #[test]
    fn loopback_is_what_no_other_machine_serves() {
        let table = [
            ("http://localhost", true),
            ("http://localhost:5173", true),
            ("https://app.localhost:3000", true),
            ("http://127.0.0.1:5173", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:5173", true),
            ("http://localhost.evil.io", false),
            ("http://127.0.0.1.evil.io", false),
            ("http://evillocalhost", false),
            ("http://192.168.0.2", false),
            ("http://0.0.0.0:5173", false),
            ("app://localhost", false),
        ];
        for (origin, is_loopback) in table {
            assert_eq!(Origin::parse(origin).unwrap().is_loopback(), is_loopback, "{origin}");
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
