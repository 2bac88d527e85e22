//! The address of another server, which `tutti proxy` passes connections on to.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl(Url);

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a URL of a server without a user and a query, such as wss://tutti.example.com or ws://10.0.0.5:8080/prefix")]
pub struct NotAnUpstreamUrl;

impl UpstreamUrl {
    /// Whether it is reached by TLS.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0.scheme(), "wss" | "https")
    }

    /// The host, without brackets.
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// The host as a header has it, with a port that is not the usual one.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(if self.is_encrypted() { 443 } else { 80 })
    }

    /// What stands before each path, without a slash at its end.
    pub fn prefix(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for UpstreamUrl {
    type Err = NotAnUpstreamUrl;

    fn from_str(text: &str) -> Result<Self, NotAnUpstreamUrl> {
        let url = Url::parse(text).map_err(|_| NotAnUpstreamUrl)?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_whole = url.query().is_none() && url.fragment().is_none() && url.has_host();
        let is_known = matches!(url.scheme(), "ws" | "wss" | "http" | "https");
        if is_plain && is_whole && is_known { Ok(Self(url)) } else { Err(NotAnUpstreamUrl) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_url() {
        for (text, is_encrypted, host, port, authority, prefix) in [
            ("wss://tutti.example.com", true, "tutti.example.com", 443, "tutti.example.com", ""),
            ("https://tutti.example.com/", true, "tutti.example.com", 443, "tutti.example.com", ""),
            ("ws://10.0.0.5:8080/a/b/", false, "10.0.0.5", 8080, "10.0.0.5:8080", "/a/b"),
            ("http://[::1]", false, "::1", 80, "[::1]", ""),
        ] {
            let url: UpstreamUrl = text.parse().unwrap();
            let read = (url.is_encrypted(), &url.host()[..], url.port(), url.authority(), url.prefix());
            assert_eq!(read, (is_encrypted, host, port, authority, prefix), "{text}");
        }
        for text in ["", "tutti.example.com", "ftp://a", "wss://user@a", "wss://a?b=1", "wss://a#b", "unix:/run/a"] {
            assert_eq!(text.parse::<UpstreamUrl>(), Err(NotAnUpstreamUrl), "{text}");
        }
    }
}
