//! How frames are written to a connection.

/// Longest payload that is compressed: it is done at once, on a thread that others wait for (docs/PERFORMANCE.md has what it takes).
const DEFLATED_BYTES_MAX: usize = 512 * 1024;
/// The window of DEFLATE, in bits, to which our own compressed data keeps.
pub const WINDOW_BITS_MAX: u8 = 15;

/// What a connection has agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Without extensions.
    Plain,
    /// As events of a `text/event-stream`, to a peer that has no WebSocket.
    Events,
    /// Compressed, where that makes a message shorter (RFC 7692).
    Deflated(DeflateRules),
}

/// Which messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateRules {
    /// Shortest payload that is compressed, in bytes: the same for all connections of a server.
    pub bytes_min: usize,
    /// How far back compressed data may refer, in bits: [`WINDOW_BITS_MAX`], or less where the client asks for it.
    pub window_bits: u8,
}

impl Encoding {
    /// Whether a message with `payload_bytes` is compressed. One that does not fit into the client's window is not, so that all
    /// clients get the same compressed bytes.
    pub(super) fn compresses(self, payload_bytes: usize) -> bool {
        match self {
            Encoding::Plain | Encoding::Events => false,
            Encoding::Deflated(DeflateRules { bytes_min, window_bits }) => {
                let window_bytes = if window_bits < WINDOW_BITS_MAX { 1 << window_bits } else { usize::MAX };
                (bytes_min..=DEFLATED_BYTES_MAX.min(window_bytes)).contains(&payload_bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_lies_between_the_minimum_and_both_bounds() {
        let deflated = |window_bits| Encoding::Deflated(DeflateRules { bytes_min: 100, window_bits });
        let cases = [
            (Encoding::Plain, 100, false),
            (deflated(15), 99, false),
            (deflated(15), 100, true),
            (deflated(15), DEFLATED_BYTES_MAX, true),
            (deflated(15), DEFLATED_BYTES_MAX + 1, false),
            (deflated(9), 512, true),
            (deflated(9), 513, false),
            (deflated(14), 16_385, false),
        ];
        for (encoding, bytes, expected) in cases {
            assert_eq!(encoding.compresses(bytes), expected, "{encoding:?} {bytes}");
        }
    }
}
