//! Whether a browser's page may open a socket here, by its `Origin` header (RFC 6455 section 10.2). Pure: headers
//! in, a verdict out.

use crate::config::{Origin, OriginPattern};

/// Whose pages may connect beside the server's own.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins {
    /// The list of the configuration.
    pub listed: Vec<OriginPattern>,
    /// Whether those of the visitor's own machine may: where the server itself is reached from nowhere else.
    pub loopback: bool,
}

impl AllowedOrigins {
    fn contain(&self, origin: &Origin) -> bool {
        self.listed.iter().any(|pattern| pattern.matches(origin)) || self.loopback && origin.is_loopback()
    }
}

/// What the `Origin` headers of a request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginVerdict {
    /// No header: not a browser's page. Fine for a token, never for what a browser adds by itself (a cookie).
    Absent,
    /// The server's own origin, or one on the list.
    Allowed,
    /// Anything else.
    Refused(OriginRefusal),
}

/// Why an origin is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginRefusal {
    /// More than one header: a proxy or an attacker added one.
    #[error("the request has several Origin headers; send one")]
    Several,
    /// Not `scheme://host[:port]`; `null` is among these.
    #[error("the Origin header is not an origin; open the page from a web server, not from a file or a sandbox")]
    Malformed,
    /// A page from elsewhere.
    #[error("pages of this origin may not connect; add it to --allowed-origins (TUTTI_ALLOWED_ORIGINS)")]
    Foreign,
}

/// Judges the values of all `Origin` headers. `host` is the value of the request's one `Host` header: a page of that
/// host and port is the server's own. The `Host` is the client's word, so against a name that an attacker points at
/// this server (DNS rebinding) only tokens protect.
pub fn judge<'a>(
    origins: impl IntoIterator<Item = &'a [u8]>,
    host: Option<&[u8]>,
    allowed: &AllowedOrigins,
) -> OriginVerdict {
    let mut origins = origins.into_iter();
    let Some(origin) = origins.next() else {
        return OriginVerdict::Absent;
    };
    if origins.next().is_some() {
        return OriginVerdict::Refused(OriginRefusal::Several);
    }
    let Some(origin) = std::str::from_utf8(origin).ok().and_then(|text| Origin::parse(text).ok()) else {
        return OriginVerdict::Refused(OriginRefusal::Malformed);
    };
    let host = host.and_then(|host| std::str::from_utf8(host).ok());
    if allowed.contain(&origin) || host.is_some_and(|host| origin.is_at_host(host)) {
        OriginVerdict::Allowed
    } else {
        OriginVerdict::Refused(OriginRefusal::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::OriginRefusal::*;
    use super::OriginVerdict::*;
    use proptest::prelude::*;

    use super::*;

    fn judged(origins: &[&str], host: Option<&str>, allowed: &[&str]) -> OriginVerdict {
        let listed = allowed.iter().map(|text| OriginPattern::parse(text).unwrap()).collect();
        let allowed = AllowedOrigins { listed, loopback: false };
        judge(origins.iter().map(|text| text.as_bytes()), host.map(str::as_bytes), &allowed)
    }

    #[test]
    fn only_the_exact_origins_on_the_list_may_connect() {
        let allowed = ["https://app.example.com", "http://localhost:3000"];
        let table: [(&[&str], OriginVerdict); 19] = [
            (&[], Absent),
            (&["https://app.example.com"], Allowed),
            (&["HTTPS://APP.EXAMPLE.COM"], Allowed),
            (&["https://app.example.com:443"], Allowed),
            (&["http://localhost:3000"], Allowed),
            (&["http://app.example.com"], Refused(Foreign)),
            (&["https://app.example.com:8443"], Refused(Foreign)),
            (&["https://example.com"], Refused(Foreign)),
            (&["https://evil.app.example.com"], Refused(Foreign)),
            (&["https://app.example.com.evil.io"], Refused(Foreign)),
            (&["https://evilapp.example.com"], Refused(Foreign)),
            (&["http://localhost"], Refused(Foreign)),
            (&["https://app.example.com."], Refused(Malformed)),
            (&["https://app.example.com/"], Refused(Malformed)),
            (&["https://app.example.com@evil.io"], Refused(Malformed)),
            (&["null"], Refused(Malformed)),
            (&[""], Refused(Malformed)),
            (&["https://app.example.com, https://evil.io"], Refused(Malformed)),
            (&["https://app.example.com", "https://evil.io"], Refused(Several)),
        ];
        for (origins, verdict) in table {
            assert_eq!(judged(origins, Some("collab.example.com"), &allowed), verdict, "{origins:?}");
        }
    }

    #[test]
    fn a_page_of_the_servers_own_host_and_port_may_connect() {
        let table = [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080"), Allowed),
            ("http://localhost:8080", Some("LOCALHOST:8080"), Allowed),
            ("http://[::1]:8080", Some("[::1]:8080"), Allowed),
            ("https://collab.example.com", Some("collab.example.com"), Allowed),
            ("https://collab.example.com", Some("collab.example.com:443"), Allowed),
            ("http://localhost:8080", Some("127.0.0.1:8080"), Refused(Foreign)),
            ("http://localhost:3000", Some("localhost:8080"), Refused(Foreign)),
            ("http://localhost", Some("localhost:8080"), Refused(Foreign)),
            ("https://evil.io", Some("collab.example.com"), Refused(Foreign)),
            ("https://evil.io", Some("evil.io/x"), Refused(Foreign)),
            ("https://evil.io", None, Refused(Foreign)),
            ("app://collab.example.com", Some("collab.example.com"), Refused(Foreign)),
            ("null", Some("null"), Refused(Malformed)),
        ];
        for (origin, host, verdict) in table {
            assert_eq!(judged(&[origin], host, &[]), verdict, "{origin} at {host:?}");
        }
    }

    #[test]
    fn pages_of_the_visitors_own_machine_may_connect_to_a_server_that_is_reached_from_there_only() {
        let table = [
            ("http://localhost:5173", Allowed),
            ("http://127.0.0.1:3000", Allowed),
            ("http://192.168.0.2:3000", Refused(Foreign)),
            ("https://evil.io", Refused(Foreign)),
            ("null", Refused(Malformed)),
        ];
        let allowed = AllowedOrigins { listed: Vec::new(), loopback: true };
        for (origin, verdict) in table {
            assert_eq!(judge([origin.as_bytes()], Some(b"127.0.0.1:8080"), &allowed), verdict, "{origin}");
        }
    }

    #[test]
    fn an_origin_that_is_no_text_is_refused() {
        assert_eq!(judge([&b"https://\xff"[..]], None, &AllowedOrigins::default()), Refused(Malformed));
    }

    proptest! {
        #[test]
        fn rule_27_any_origin_is_judged_and_no_foreign_one_is_allowed(
            raw in prop::collection::vec(any::<u8>(), 0..60),
            text in "(https?://)?(app\\.example\\.com|[a-z.]{0,12})[:@/?#.a-z0-9]{0,12}",
        ) {
            let listed = vec![OriginPattern::parse("https://app.example.com").unwrap()];
            let allowed = AllowedOrigins { listed, loopback: false };
            let _ = judge([&raw[..]], Some(&raw), &allowed);
            if judge([text.as_bytes()], None, &allowed) == Allowed {
                prop_assert_eq!(text.trim_end_matches(":443"), "https://app.example.com");
            }
        }
    }
}
