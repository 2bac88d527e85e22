//! The address of a key set: an `https` URL, or `http` on this machine, where nobody can change the keys on their way.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2000;

/// The address of a JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksUrl(Url);

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an https URL without a user, such as https://id.example.com/.well-known/jwks.json; http only at localhost")]
pub struct NotAJwksUrl;

impl JwksUrl {
    /// The address.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for JwksUrl {
    /// Without the query, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..url::Position::AfterPath])
    }
}

impl FromStr for JwksUrl {
    type Err = NotAJwksUrl;

    fn from_str(text: &str) -> Result<Self, NotAJwksUrl> {
        let url = Url::parse(text).map_err(|_| NotAJwksUrl)?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(NotAJwksUrl),
        };
        let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if is_safe && is_plain && text.len() <= URL_BYTES_MAX { Ok(Self(url)) } else { Err(NotAJwksUrl) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_tls_or_from_this_machine() {
        for text in [
            "https://id.example.com/keys",
            "https://id.example.com:8443/a/keys?p=1",
            "http://localhost:8080/keys",
            "http://127.0.0.1/keys",
            "http://[::1]:81/keys",
        ] {
            let url: JwksUrl = text.parse().unwrap();
            assert_eq!(url.as_url().as_str(), text);
        }
        for text in [
            "",
            "id.example.com/keys",
            "http://id.example.com/keys",
            "http://localhost.evil.io/keys",
            "http://192.168.0.2/keys",
            "https://user:secret@id.example.com/keys",
            "https://id.example.com/keys#1",
            "file:///etc/keys",
            &format!("https://id.example.com/{}", "x".repeat(URL_BYTES_MAX)),
        ] {
            assert_eq!(text.parse::<JwksUrl>(), Err(NotAJwksUrl), "{text}");
        }
    }
}
