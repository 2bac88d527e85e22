//! The negotiation (RFC 7692 section 7.1): which of a client's offers is accepted, and the answer.

use std::fmt::{self, Display};

use crate::wire::encoding::WINDOW_BITS_MAX;

/// The extension's name.
const NAME: &str = "permessage-deflate";

/// An accepted offer. Its text is the answer's `Sec-WebSocket-Extensions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The window that the client asks the server to keep to, in bits, if it does.
    server_window_bits: Option<u8>,
}

impl Accepted {
    /// How far back compressed data may refer, in bits.
    pub fn window_bits(self) -> u8 {
        self.server_window_bits.unwrap_or(WINDOW_BITS_MAX)
    }
}

impl Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}; server_no_context_takeover; client_no_context_takeover")?;
        match self.server_window_bits {
            Some(bits) => write!(f, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

/// The first offer that can be accepted, in the order of the client's preference. `headers` are the values of all its
/// `Sec-WebSocket-Extensions`. What is unknown, repeated or has a wrong value declines its offer.
pub fn accept<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Option<Accepted> {
    // A comma within quotes would split an offer in two that are both declined: no parameter's value has one.
    headers.filter_map(|header| std::str::from_utf8(header).ok()).flat_map(|header| header.split(',')).find_map(read)
}

fn read(offer: &str) -> Option<Accepted> {
    let mut parts = offer.split(';').map(trim);
    if parts.next() != Some(NAME) {
        return None;
    }
    let (mut server_window_bits, mut client_window_bits) = (None, None);
    let (mut has_server_takeover, mut has_client_takeover) = (false, false);
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (trim(name), Some(unquoted(trim(value)))),
            None => (part, None),
        };
        let is_repeated = match (name, value) {
            ("server_no_context_takeover", None) => std::mem::replace(&mut has_server_takeover, true),
            ("client_no_context_takeover", None) => std::mem::replace(&mut has_client_takeover, true),
            ("server_max_window_bits", Some(value)) => server_window_bits.replace(window_bits(value)?).is_some(),
            // What the client may do is up to it: its messages are inflated whatever its window.
            ("client_max_window_bits", Some(value)) => client_window_bits.replace(window_bits(value)?).is_some(),
            ("client_max_window_bits", None) => client_window_bits.replace(WINDOW_BITS_MAX).is_some(),
            _ => return None,
        };
        if is_repeated {
            return None;
        }
    }
    Some(Accepted { server_window_bits })
}

/// Without the white space of RFC 9110 around it.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn window_bits(value: &str) -> Option<u8> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    value.parse().ok().filter(|bits| is_plain && (8..=WINDOW_BITS_MAX).contains(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    /// The answer to headers, each in a line.
    fn answer(headers: &str) -> Option<String> {
        accept(headers.lines().map(str::as_bytes)).map(|accepted| accepted.to_string())
    }

    #[test]
    fn offers_that_can_be_accepted_are_answered() {
        let windowed = |bits| format!("{PLAIN}; server_max_window_bits={bits}");
        let cases = [
            // Browsers; npm's ws.
            ("permessage-deflate; client_max_window_bits", PLAIN.to_owned()),
            ("permessage-deflate", PLAIN.to_owned()),
            ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", PLAIN.to_owned()),
            ("permessage-deflate;client_max_window_bits=8", PLAIN.to_owned()),
            (" permessage-deflate\t;  client_max_window_bits = 15 ", PLAIN.to_owned()),
            ("permessage-deflate; server_max_window_bits=8", windowed(8)),
            ("permessage-deflate; server_max_window_bits=\"10\"", windowed(10)),
            ("permessage-deflate; server_max_window_bits=15", windowed(15)),
            // The next one, where the first is declined; in another header, too.
            ("permessage-deflate; server_max_window_bits=16, permessage-deflate", PLAIN.to_owned()),
            ("x-webkit-deflate-frame, permessage-deflate", PLAIN.to_owned()),
            ("permessage-bzip2\npermessage-deflate; server_max_window_bits=9", windowed(9)),
            (",, permessage-deflate", PLAIN.to_owned()),
            // The first one, where several will do.
            ("permessage-deflate; server_max_window_bits=9, permessage-deflate", windowed(9)),
        ];
        for (offer, expected) in cases {
            assert_eq!(answer(offer).as_deref(), Some(expected.as_str()), "{offer}");
        }
    }

    #[test]
    fn rule_22_offers_with_unknown_repeated_or_wrong_parameters_are_declined() {
        let cases = [
            "",
            "deflate-frame",
            "PerMessage-Deflate",
            "permessage-deflate-2",
            "permessage-deflate;",
            "permessage-deflate; ",
            "permessage-deflate; foo",
            "permessage-deflate; foo=1",
            "permessage-deflate; =15",
            "permessage-deflate; server_no_context_takeover=true",
            "permessage-deflate; server_no_context_takeover=",
            "permessage-deflate; client_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=-9",
            "permessage-deflate; server_max_window_bits=9.0",
            "permessage-deflate; server_max_window_bits=265",
            "permessage-deflate; server_max_window_bits=\"9",
            "permessage-deflate; server_max_window_bits=9=9",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=\"\"",
            "permessage-deflate; Server_Max_Window_Bits=10",
            "permessage-deflate; foo=\"a, permessage-deflate\"",
            "permessage-deflate client_max_window_bits",
        ];
        for offer in cases {
            assert_eq!(answer(offer), None, "{offer}");
        }
    }

    proptest! {
        #[test]
        fn rule_27_any_offer_is_accepted_or_declined(header in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = accept([&header[..]].into_iter());
        }

        #[test]
        fn rule_27_parameters_in_any_order_are_accepted_if_each_stands_there_once(
            parts in prop::collection::vec(prop::sample::select(vec![
                "server_no_context_takeover",
                "client_no_context_takeover",
                "server_max_window_bits=12",
                "client_max_window_bits",
            ]), 0..6),
        ) {
            let mut once = parts.clone();
            once.sort_unstable();
            once.dedup();
            let offer = std::iter::once("permessage-deflate").chain(parts.iter().copied()).collect::<Vec<_>>().join("; ");
            prop_assert_eq!(answer(&offer).is_some(), once.len() == parts.len());
        }
    }
}
