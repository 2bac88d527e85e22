//! Whose address a connection has: the peer's own, or what a configured proxy says in front of it. And whether the peer is still there.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use actix_web::HttpRequest;

use crate::config::IpRange;

/// Whether the peer of a connection has ended its side of it. Set by who reads the connection, for the requests that came by it.
#[derive(Debug, Clone, Default)]
pub struct HungUp(Rc<Cell<bool>>);

impl HungUp {
    /// It has.
    pub fn set(&self) {
        self.0.set(true);
    }

    /// Whether it has.
    pub fn is_set(&self) -> bool {
        self.0.get()
    }
}

/// The client's address. `X-Forwarded-For` is read from its end as long as the one who wrote it is a trusted proxy.
pub fn address(req: &HttpRequest, trusted: &[IpRange]) -> IpAddr {
    let peer = req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let values = req.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    forwarded(peer, values, trusted)
}

fn forwarded<'a>(peer: IpAddr, values: impl Iterator<Item = &'a str>, trusted: &[IpRange]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let hops: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    let mut client = peer;
    for hop in hops.iter().rev() {
        if !is_trusted(client) {
            break;
        }
        match hop_address(hop.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// An address, which some proxies write with a port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rule_7_only_trusted_proxies_speak_for_others() {
        let trusted: Vec<IpRange> = vec!["10.0.0.0/8".parse().unwrap()];
        let cases = [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::1]:4711, 10.0.0.2:80", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "198.51.100.1:port", "10.0.0.1"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ];
        for (peer, header, client) in cases {
            let found = forwarded(peer.parse().unwrap(), [header].into_iter(), &trusted);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {header}");
        }
    }

    proptest! {
        #[test]
        fn rule_27_any_header_of_an_untrusted_peer_changes_nothing(header in "[0-9a-f:., \\[\\]]{0,60}|.{0,60}") {
            let trusted: Vec<IpRange> = vec!["10.0.0.0/8".parse().unwrap()];
            let peer: IpAddr = "203.0.113.9".parse().unwrap();
            prop_assert_eq!(forwarded(peer, [header.as_str()].into_iter(), &trusted), peer);
            let _ = forwarded("10.0.0.1".parse().unwrap(), [header.as_str()].into_iter(), &trusted);
        }
    }
}
