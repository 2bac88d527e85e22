//! Patterns of event types.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::glob::fits;

/// Longest pattern, in bytes.
pub const EVENT_PATTERN_BYTES_MAX: usize = 64;
/// Begins the types of what is told of people who come and go, and of patterns that mean it.
const PRESENCE: &str = "presence.";

/// A type of events in which each `*` stands for any run of characters, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EventPattern(String);

/// Why a text is no pattern: it could match no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event pattern has 1 to {EVENT_PATTERN_BYTES_MAX} of a-z 0-9 _ . - and *")]
pub struct EventPatternError;

impl EventPattern {
    /// Checks and takes `text`.
    pub fn parse(text: &str) -> Result<Self, EventPatternError> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-*".contains(&byte);
        match (1..=EVENT_PATTERN_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(EventPatternError),
        }
    }

    /// Whether it asks for presence, which has to be named: `*` alone does not mean it.
    pub fn asks_for_presence(&self) -> bool {
        self.0.starts_with(PRESENCE)
    }

    /// Whether it asks for events of this type.
    pub fn matches(&self, kind: &str) -> bool {
        fits(&self.0, kind) && (self.asks_for_presence() || !kind.starts_with(PRESENCE))
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_asks_for_types_and_for_presence_only_by_name() {
        for (pattern, kind, matches) in [
            ("*", "order.paid", true),
            ("*", "document.changed", true),
            ("*", "presence.joined", false),
            ("presence.*", "presence.joined", true),
            ("order.*", "order.paid", true),
            ("order.*", "orders.paid", false),
            ("message.created", "message.created", true),
            ("message.created", "message.created2", false),
        ] {
            assert_eq!(EventPattern::parse(pattern).unwrap().matches(kind), matches, "{pattern} {kind}");
        }
        for wrong in ["", "A", "a b", "ü", &"a".repeat(65)] {
            assert!(EventPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
