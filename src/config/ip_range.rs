//! An address or a range of addresses (CIDR), as trusted proxies are written.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// `10.0.0.0/8`, `2001:db8::/32` or a single address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpRange(IpNet);

/// The text is neither an address nor a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("addresses or ranges like 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32, without bits set past the prefix")]
pub struct NotAnIpRange;

impl IpRange {
    /// Whether `address` lies within. An IPv4 address that came over an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for IpRange {
    type Err = NotAnIpRange;

    fn from_str(text: &str) -> Result<Self, NotAnIpRange> {
        let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| NotAnIpRange)?;
        // Bits past the prefix are a slip: the writer meant another range than the one that would be taken.
        match range == range.trunc() {
            true => Ok(Self(range)),
            false => Err(NotAnIpRange),
        }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_its_bounds_and_not_what_lies_beside_it() {
        let cases = [
            ("10.0.0.0/8", "10.0.0.0", true),
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "::1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ];
        for (range, address, is_inside) in cases {
            let (range, address): (IpRange, IpAddr) = (range.parse().unwrap(), address.parse().unwrap());
            assert_eq!(range.contains(address), is_inside, "{range} {address}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "::/129",
            "10.0.0.0/8/8",
            "localhost",
            "*",
        ] {
            assert_eq!(text.parse::<IpRange>(), Err(NotAnIpRange), "{text:?}");
        }
    }
}
