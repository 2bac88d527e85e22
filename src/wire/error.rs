//! What can be wrong with what a peer sends.

/// What a peer did against RFC 6455 or our limits. Each names the close code it earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A violation of the framing rules; the text names the rule.
    #[error("{0}")]
    Protocol(&'static str),
    /// A text message or close reason that is not UTF-8.
    #[error("text is not valid UTF-8")]
    Utf8,
    /// A compressed message that is not what DEFLATE makes (RFC 7692).
    #[error("compressed data cannot be read")]
    Deflate,
    /// A declared or gathered message length beyond the limit; refused before its payload is taken.
    #[error("message is larger than {limit} bytes")]
    TooBig {
        /// The limit in force, in bytes.
        limit: usize,
    },
}

impl WireError {
    /// The close code of RFC 6455 section 7.4.1 for this error.
    pub fn close_code(self) -> u16 {
        match self {
            WireError::Protocol(_) => 1002,
            WireError::Utf8 | WireError::Deflate => 1007,
            WireError::TooBig { .. } => 1009,
        }
    }
}
