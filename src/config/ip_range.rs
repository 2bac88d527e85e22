//! An address or a range of addresses (CIDR), as trusted proxies are written.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `10.0.0.0/8`, `2001:db8::/32` or a single address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpRange {
    base: IpAddr,
    prefix_bits: u32,
}

/// The text is neither an address nor a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("addresses or ranges like 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32, without bits set past the prefix")]
pub struct NotAnIpRange;

impl IpRange {
    /// Whether `address` lies within. An IPv4 address that came over an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                masked(address.to_canonical(), self.prefix_bits) == bits(self.base)
            }
            _ => false,
        }
    }
}

impl FromStr for IpRange {
    type Err = NotAnIpRange;

    fn from_str(text: &str) -> Result<Self, NotAnIpRange> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.parse().map_err(|_| NotAnIpRange)?;
        let width = width(base);
        let prefix_bits = match prefix {
            None => width,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| NotAnIpRange)?,
            Some(_) => return Err(NotAnIpRange),
        };
        // Bits past the prefix are a slip: the writer meant another range than the one that would be taken.
        if prefix_bits > width || masked(base, prefix_bits) != bits(base) {
            return Err(NotAnIpRange);
        }
        Ok(Self { base, prefix_bits })
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address with only its first `prefix_bits` bits.
fn masked(address: IpAddr, prefix_bits: u32) -> u128 {
    let dropped = width(address) - prefix_bits;
    bits(address).checked_shr(dropped).and_then(|kept| kept.checked_shl(dropped)).unwrap_or(0)
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
        for text in ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.1/8", "::/129", "localhost", "*"] {
            assert_eq!(text.parse::<IpRange>(), Err(NotAnIpRange), "{text:?}");
        }
    }
}
