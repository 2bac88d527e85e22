//! What rooms, and users, may have on disk, and how many rooms users may make.

use std::fmt;

use super::reading::Reading;
use crate::ids::{RoomName, RoomPattern};

/// Most rules.
const RULES_MAX: usize = 1_000;
/// Most that may be allowed: 1 PiB.
const BYTES_MAX: u64 = 1 << 50;
/// Most rooms that may be allowed: they are counted each time one is made.
const ROOMS_MAX: u64 = 1_000_000;
const ROOMS: &str = "a number of rooms up to 1000000; 0 or off for no limit";
const SIZE: &str = "a size in bytes such as 1048576, 512KiB, 10MiB or 2GiB, up to 1024TiB; 0 or off for no limit";
const RULE: &str = "a size such as 1048576, 512KiB, 10MiB or 2GiB, up to 1024TiB, 0 or off for no limit, for all rooms or behind a pattern of their names: 5MiB,docs/*=10MiB,legal/*=off";

/// What rooms may have on disk: the longest pattern that a name fits says it; of patterns that are as long, the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomQuota {
    rules: Vec<Rule>,
}

/// A part of the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: RoomPattern,
    /// None for any number.
    bytes_max: Option<u64>,
    /// As it was written.
    text: String,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl RoomQuota {
    pub(super) fn read(reading: &mut Reading, option: &'static str, text: &str) -> Self {
        let rules: Vec<Rule> = reading.list(option, text, RULES_MAX, rule);
        for (at, rule) in rules.iter().enumerate() {
            if rules[..at].iter().any(|other| other.pattern == rule.pattern) {
                reading.problem(option, format!("there is more than one size for \"{}\"; name one", rule.pattern));
            }
        }
        Self { rules }
    }

    /// Every room may have so many bytes.
    #[cfg(test)]
    pub fn of_each(bytes_max: u64) -> Self {
        Self { rules: vec![rule(&bytes_max.to_string()).expect("a size")] }
    }

    /// Most bytes of a room on disk; `None`: any number.
    pub fn of(&self, room: &RoomName) -> Option<u64> {
        let fits = self.rules.iter().rev().filter(|rule| rule.pattern.matches(room));
        fits.max_by_key(|rule| rule.pattern.as_str().len())?.bytes_max
    }

    /// Whether any room is limited.
    pub fn is_set(&self) -> bool {
        self.rules.iter().any(|rule| rule.bytes_max.is_some())
    }
}

/// One size for all; `None`: any number.
pub(super) fn size(reading: &mut Reading, option: &'static str, text: &str) -> Option<u64> {
    match bytes(text) {
        Some(bytes_max) => {
            reading.setting(option, text);
            bytes_max
        }
        None => {
            reading.wrong(option, text, SIZE);
            None
        }
    }
}

/// A number of rooms; `None`: any number.
pub(super) fn rooms(reading: &mut Reading, option: &'static str, text: &str) -> Option<u64> {
    let count = if text == "off" { Some(0) } else { text.parse().ok().filter(|count| *count <= ROOMS_MAX) };
    match count {
        Some(count) => {
            reading.setting(option, text);
            (count > 0).then_some(count)
        }
        None => {
            reading.wrong(option, text, ROOMS);
            None
        }
    }
}

fn rule(text: &str) -> Result<Rule, &'static str> {
    let (pattern, size) = text.rsplit_once('=').unwrap_or(("*", text));
    let pattern = RoomPattern::parse(pattern.trim_end()).map_err(|_| RULE)?;
    let bytes_max = bytes(size.trim_start()).ok_or(RULE)?;
    Ok(Rule { pattern, bytes_max, text: text.to_owned() })
}

/// How many bytes a size stands for, or that it stands for any number; `None` if it is no size.
fn bytes(text: &str) -> Option<Option<u64>> {
    if text == "off" {
        return Some(None);
    }
    let (count, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    let bytes = count.parse::<u64>().ok()?.checked_mul(1 << shift).filter(|bytes| *bytes <= BYTES_MAX)?;
    Some((bytes > 0).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(text: &str) -> Result<RoomQuota, Vec<String>> {
        let mut reading = Reading::default();
        let quota = RoomQuota::read(&mut reading, "quota-room-bytes", text);
        let problems: Vec<_> = reading.problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(quota) } else { Err(problems) }
    }

    fn of(quota: &RoomQuota, room: &str) -> Option<u64> {
        quota.of(&RoomName::parse(room).unwrap())
    }

    #[test]
    fn one_size_is_for_all_rooms_and_nothing_is_none() {
        for (text, bytes) in [("20000", Some(20_000)), ("5MiB", Some(5 << 20)), ("0", None), ("off", None), ("", None)]
        {
            let quota = quota(text).unwrap();
            assert_eq!((of(&quota, "plan"), quota.is_set()), (bytes, bytes.is_some()), "{text:?}");
        }
    }

    #[test]
    fn the_longest_pattern_that_fits_says_what_a_room_may_have() {
        let quota =
            quota("*=5MiB, docs/*=10MiB, chat/*=1KiB, docs/*/notes=7, *t/general=9, free/*=off, none/*=0").unwrap();
        for (room, bytes) in [
            ("plan", Some(5 << 20)),
            ("docs", Some(5 << 20)),
            ("docs/plan", Some(10 << 20)),
            ("docs/plan/notes", Some(7)),
            ("chat/random", Some(1 << 10)),
            ("chat/general", Some(9)),
            ("free/plan", None),
            ("none/plan", None),
        ] {
            assert_eq!(of(&quota, room), bytes, "{room}");
        }
        assert!(quota.is_set());
    }

    #[test]
    fn without_a_pattern_that_fits_there_is_no_limit_and_of_two_as_long_the_first_counts() {
        let quota = quota("docs/*=10,*/plan=20").unwrap();
        assert_eq!([of(&quota, "chat"), of(&quota, "docs/plan"), of(&quota, "chat/plan")], [None, Some(10), Some(20)]);
        assert!(!RoomQuota::default().is_set());
    }

    #[test]
    fn a_size_has_a_bound_and_known_units() {
        for text in ["1", "1125899906842624", "1024TiB", "1048576GiB", "0TiB"] {
            assert!(bytes(text).is_some(), "{text:?}");
        }
        for text in [
            "",
            "1125899906842625",
            "1025TiB",
            "MiB",
            "-1",
            "1.5MiB",
            "10MB",
            "10mib",
            "10 MiB",
            "99999999999999999999",
            "ä",
        ] {
            assert_eq!(bytes(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_part_that_is_wrong_and_what_is_allowed() {
        for wrong in ["docs/*", "docs/*=", "=5MiB", "do?cs=5MiB", "docs/*=10MB", "docs/*=never"] {
            let problems = quota(&format!("chat/*=1MiB,{wrong}")).unwrap_err();
            assert_eq!(problems.len(), 1, "{wrong:?}");
            let begin =
                format!("--quota-room-bytes (TUTTI_QUOTA_ROOM_BYTES): {wrong:?} is not allowed; it takes a size");
            assert!(problems[0].starts_with(&begin) && problems[0].contains("docs/*=10MiB"), "{}", problems[0]);
        }
    }

    #[test]
    fn two_sizes_for_the_same_rooms_are_refused() {
        for twice in ["a/*=1,a/*=2", "a/*=1,a/*=1", "1,2"] {
            let problems = quota(twice).unwrap_err();
            assert!(problems[0].contains("more than one size"), "{problems:?}");
        }
        assert!(quota("5MiB,*=off").unwrap_err()[0].contains("\"*\""));
    }

    #[test]
    fn a_list_of_rules_has_a_bound() {
        let rules = |count: usize| (0..count).map(|at| format!("room-{at}=1,")).collect::<String>();
        assert!(quota(&rules(RULES_MAX)).is_ok());
        assert!(quota(&rules(RULES_MAX + 1)).unwrap_err()[0].contains("1000"));
    }

    #[test]
    fn a_users_size_is_one() {
        for (text, read) in [("20KiB", Ok(Some(20 << 10))), ("0", Ok(None)), ("off", Ok(None)), ("docs/*=1", Err(()))] {
            let mut reading = Reading::default();
            let size = size(&mut reading, "quota-user-bytes", text);
            assert_eq!(if reading.problems.is_empty() { Ok(size) } else { Err(()) }, read, "{text:?}");
        }
    }

    #[test]
    fn a_number_of_rooms_has_a_bound() {
        for (text, read) in [
            ("1", Ok(Some(1))),
            ("1000000", Ok(Some(1_000_000))),
            ("0", Ok(None)),
            ("off", Ok(None)),
            ("1000001", Err(())),
            ("-1", Err(())),
            ("1.5", Err(())),
            ("10KiB", Err(())),
            ("", Err(())),
        ] {
            let mut reading = Reading::default();
            let count = rooms(&mut reading, "quota-user-rooms", text);
            assert_eq!(if reading.problems.is_empty() { Ok(count) } else { Err(()) }, read, "{text:?}");
        }
    }
}
