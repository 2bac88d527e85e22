//! By which names a server may be reached. A demo at loopback gives a token to everyone who gets there, so a page of somewhere else must
//! not get there by a name of its own that it points at this machine (DNS rebinding).

use crate::config::{Origin, OriginPattern};

/// Which values of `Host` are answered.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// All.
    Any,
    /// This machine's own, and those of origins that may connect.
    Loopback(Vec<OriginPattern>),
}

impl Hosts {
    /// Whether a request with this `Host` is answered. One without any comes from no browser.
    pub fn allow(&self, host: Option<&[u8]>) -> bool {
        let (Self::Loopback(listed), Some(host)) = (self, host) else { return true };
        let Ok(host) = std::str::from_utf8(host) else { return false };
        // The scheme is not known behind a proxy.
        ["http", "https"]
            .iter()
            .filter_map(|scheme| Origin::parse(&format!("{scheme}://{host}")).ok())
            .any(|origin| origin.is_loopback() || listed.iter().any(|pattern| pattern.matches(&origin)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_demo_at_loopback_answers_to_names_of_this_machine_and_of_allowed_origins() {
        let listed = ["https://demo.example.com", "http://box.local:8080"];
        let hosts = Hosts::Loopback(listed.map(|text| OriginPattern::parse(text).unwrap()).to_vec());
        let table = [
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("tutti.localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("[::1]:8080", true),
            ("demo.example.com", true),
            ("box.local:8080", true),
            ("box.local", false),
            ("evil.io", false),
            ("evil.io:8080", false),
            ("localhost.evil.io", false),
            ("127.0.0.1.evil.io", false),
            ("evil.io@localhost", false),
            ("localhost/evil.io", false),
            ("192.168.0.2:8080", false),
            ("0.0.0.0:8080", false),
            ("", false),
        ];
        for (host, is_allowed) in table {
            assert_eq!(hosts.allow(Some(host.as_bytes())), is_allowed, "{host}");
            assert!(Hosts::Any.allow(Some(host.as_bytes())));
        }
        assert!(hosts.allow(None) && !hosts.allow(Some(b"\xff")));
    }

    proptest! {
        #[test]
        fn rule_27_any_host_is_judged_and_only_loopback_names_are_allowed(
            host in prop::collection::vec(any::<u8>(), 0..60),
            name in "(localhost|127\\.0\\.0\\.1|\\[::1\\]|[a-z]{1,5})[:@/.a-z0-9]{0,12}",
        ) {
            let hosts = Hosts::Loopback(Vec::new());
            let _ = hosts.allow(Some(&host));
            if hosts.allow(Some(name.as_bytes())) {
                let name = name.split(':').next().unwrap_or_default();
                let is_loopback = name.ends_with("localhost") || name.starts_with("127.") || name.starts_with('[');
                prop_assert!(is_loopback, "{}", name);
            }
        }
    }
}
