//! How long rooms keep what was written in them.

use std::fmt;
use std::time::Duration;

use super::options::StoreOptions;
use super::reading::{Reading, duration_s};
use crate::ids::{RoomName, RoomPattern};

/// Most rules.
const RULES_MAX: usize = 1_000;
/// Longest time: a hundred years, in seconds.
const KEPT_S_MAX: u64 = 36_500 * 86_400;
const ALLOWED: &str = "a time such as 90d or 24h, up to 36500d, or off, for all rooms or behind the beginning of their names: 90d,docs/*=365d,legal/*=off";

/// How long rooms keep entries: of the rules whose prefixes a name begins with, the one with the longest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    rules: Vec<Rule>,
}

/// A part of the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    prefix: String,
    /// None for ever.
    kept: Option<Duration>,
    /// As it was written.
    text: String,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Retention {
    pub(super) fn read(reading: &mut Reading, options: &StoreOptions) -> Self {
        const OPTION: &str = "retention";
        let rules: Vec<Rule> = reading.list(OPTION, &options.retention, RULES_MAX, rule);
        for (at, rule) in rules.iter().enumerate() {
            if rules[..at].iter().any(|other| other.prefix == rule.prefix) {
                let rooms = if rule.prefix.is_empty() { "all rooms" } else { &rule.prefix };
                reading.problem(OPTION, format!("there is more than one time for {rooms:?}; name one"));
            }
        }
        Self { rules }
    }

    /// How long a room keeps its entries; `None` for ever.
    pub fn of(&self, room: &RoomName) -> Option<Duration> {
        let fits = self.rules.iter().filter(|rule| room.as_str().starts_with(&rule.prefix));
        fits.max_by_key(|rule| rule.prefix.len())?.kept
    }

    /// The shortest time that any room keeps its entries; `None` if all do for ever.
    pub fn shortest(&self) -> Option<Duration> {
        self.rules.iter().filter_map(|rule| rule.kept).min()
    }
}

fn rule(text: &str) -> Result<Rule, &'static str> {
    let (prefix, time) = match text.rsplit_once('=') {
        None => ("", text),
        Some((pattern, time)) => {
            let prefix = pattern.strip_suffix('*').ok_or(ALLOWED)?;
            RoomPattern::parse(pattern).map_err(|_| ALLOWED)?;
            (prefix, time)
        }
    };
    if prefix.contains('*') {
        return Err(ALLOWED);
    }
    let kept = match time {
        "off" => None,
        time => Some(duration_s(time).filter(|seconds| (1..=KEPT_S_MAX).contains(seconds)).ok_or(ALLOWED)?),
    };
    Ok(Rule { prefix: prefix.to_owned(), kept: kept.map(Duration::from_secs), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Retention {
        Retention { rules: texts.iter().map(|text| rule(text).unwrap()).collect() }
    }

    #[test]
    fn the_longest_prefix_that_fits_says_how_long_a_room_keeps_what_was_written() {
        let retention = rules(&["90d", "docs/*=365d", "docs/legal/*=off", "chat/*=1h"]);
        let days = |count: u64| Some(Duration::from_secs(count * 86_400));
        for (room, kept) in [
            ("plan", days(90)),
            ("docs/plan", days(365)),
            ("docs", days(90)),
            ("docs/legal/contract", None),
            ("chat/general", Some(Duration::from_secs(3_600))),
        ] {
            assert_eq!(retention.of(&RoomName::parse(room).unwrap()), kept, "{room}");
        }
        assert_eq!(retention.shortest(), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn without_rules_everything_is_kept() {
        assert_eq!(Retention::default().of(&RoomName::parse("plan").unwrap()), None);
        assert_eq!((Retention::default().shortest(), rules(&["off"]).shortest()), (None, None));
        assert_eq!(rules(&["docs/*=1d"]).of(&RoomName::parse("plan").unwrap()), None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in
            ["", "90", "0s", "36501d", "docs=1d", "docs/*", "docs/*=", "*/docs/*=1d", "do*cs/*=1d", "docs/*=never"]
        {
            assert!(rule(text).is_err(), "{text:?}");
        }
        for text in ["1s", "36500d", "*=1d", "a@b/*=1d"] {
            assert!(rule(text).is_ok(), "{text:?}");
        }
    }
}
