//! Which rooms a token opens: a list of patterns, of which the first that matches decides.

use serde::{Deserialize, Serialize};

use super::access::Access;
use crate::ids::{PatternError, RoomName, RoomPattern};

/// Most grants in a list.
pub const GRANTS_MAX: usize = 1000;
/// Access to the rooms of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The rooms.
    #[serde(rename = "room")]
    pub pattern: RoomPattern,
    /// What is allowed in them; `none` takes rooms out of a later, wider pattern.
    pub access: Access,
    /// Whether a reader may look back, too; a writer may always.
    #[serde(rename = "history", default, skip_serializing_if = "std::ops::Not::not")]
    pub with_history: bool,
}

/// At most [`GRANTS_MAX`] grants in their order. The empty list gives no access.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Grants(Vec<Grant>);

/// Why grants are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantsError {
    /// A pattern that could match no room.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Too many grants.
    #[error("at most {GRANTS_MAX} grants are allowed")]
    TooMany,
    /// A grant on the command line without `=`, or with an unknown access.
    #[error(
        "a grant is written 'pattern=access' with access one of none, read, write, admin, such as 'docs/*=write'; 'docs/*=read+history' lets readers look back"
    )]
    Form,
}

impl Grant {
    /// Reads `pattern=access`, or `pattern=access+history`.
    pub fn parse(text: &str) -> Result<Self, GrantsError> {
        let (pattern, access) = text.rsplit_once('=').ok_or(GrantsError::Form)?;
        let bare = access.strip_suffix("+history");
        let with_history = bare.is_some();
        let access = bare.unwrap_or(access).parse().map_err(|_| GrantsError::Form)?;
        Ok(Self { pattern: RoomPattern::parse(pattern)?, access, with_history })
    }
}

impl Grants {
    /// Takes a list.
    pub fn new(grants: Vec<Grant>) -> Result<Self, GrantsError> {
        match grants.len() {
            ..=GRANTS_MAX => Ok(Self(grants)),
            _ => Err(GrantsError::TooMany),
        }
    }

    /// What the first matching grant allows. Looks at every grant, so ask once when a room is joined, not for each edit.
    pub fn access(&self, room: &RoomName) -> Access {
        self.first(room).map_or(Access::None, |grant| grant.access)
    }

    /// Whether the first matching grant lets a reader look back.
    pub fn with_history(&self, room: &RoomName) -> bool {
        self.first(room).is_some_and(|grant| grant.with_history)
    }

    fn first(&self, room: &RoomName) -> Option<&Grant> {
        self.0.iter().find(|grant| grant.pattern.matches(room))
    }

    /// The grants in their order.
    pub fn as_slice(&self) -> &[Grant] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PATTERN_BYTES_MAX;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn a_pattern_matches_whole_names_and_a_star_crosses_slashes() {
        let cases = [
            ("docs/plan", "docs/plan", true),
            ("docs/plan", "docs/plans", false),
            ("docs/plan", "my/docs/plan", false),
            ("*", "docs/2026/plan", true),
            ("docs/*", "docs/2026/plan", true),
            ("docs/*", "docs", false),
            ("docs/*", "docsx/plan", false),
            ("*/plan", "docs/plan", true),
            ("*/plan", "plan", false),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("ab*ba", "aba", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("a*bc*bc", "abcbc", true),
            ("a*bc*bc", "abc", false),
            ("**", "x", true),
            ("a**b", "ab", true),
            ("A*", "a", false),
            ("a.c", "abc", false),
            ("räume/*", "räume/größe", true),
            ("r*ume/*", "räume/größe", true),
            ("raume/*", "räume/größe", false),
            ("*/会*", "team/会議", true),
        ];
        for (pattern, name, is_match) in cases {
            assert_eq!(RoomPattern::parse(pattern).unwrap().matches(&room(name)), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn the_first_matching_grant_decides() {
        let grants = ["docs/secret=none", "docs/*=write", "*=read"].map(|text| Grant::parse(text).unwrap());
        let grants = Grants::new(grants.to_vec()).unwrap();
        let cases = [("docs/secret", Access::None), ("docs/plan", Access::Write), ("general", Access::Read)];
        for (name, access) in cases {
            assert_eq!(grants.access(&room(name)), access, "{name}");
        }
        assert_eq!(Grants::default().access(&room("general")), Access::None);
    }

    #[test]
    fn lists_and_patterns_have_bounds() {
        let grant = Grant::parse("a=read").unwrap();
        assert!(Grants::new(vec![grant.clone(); GRANTS_MAX]).is_ok());
        assert_eq!(Grants::new(vec![grant; GRANTS_MAX + 1]), Err(GrantsError::TooMany));
        assert!(RoomPattern::parse(&"*".repeat(PATTERN_BYTES_MAX)).is_ok());
        for text in ["", "a?", "\u{202e}*", "u\u{308}*", "a\0", &"*".repeat(PATTERN_BYTES_MAX + 1)] {
            assert_eq!(RoomPattern::parse(text), Err(PatternError), "{text:?}");
        }
        for text in ["docs/*", "docs/*=owner", "=", "docs/*="] {
            assert_eq!(Grant::parse(text), Err(GrantsError::Form), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_of_stars_against_a_long_name_is_quick() {
        let pattern = RoomPattern::parse(&"a*".repeat(PATTERN_BYTES_MAX / 2)).unwrap();
        let grants =
            Grants::new(vec![Grant { pattern, access: Access::Admin, with_history: false }; GRANTS_MAX]).unwrap();
        let name = room(&format!("{}b", "a".repeat(PATTERN_BYTES_MAX / 2 - 1)));
        let start = std::time::Instant::now();
        assert_eq!(grants.access(&name), Access::None);
        // Tried one way after another, it would not end within a lifetime.
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
    }

    proptest::proptest! {
        /// Against the plain definition: a star takes nothing, or one more character.
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*]{1,8}", name in "[ab]{1,10}") {
            fn fits(pattern: &[u8], name: &[u8]) -> bool {
                match (pattern, name) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) if fits(rest, name) => true,
                    ([b'*', ..], [_, name @ ..]) => fits(pattern, name),
                    ([p, rest @ ..], [n, name @ ..]) => p == n && fits(rest, name),
                    _ => false,
                }
            }
            let matched = RoomPattern::parse(&pattern).unwrap().matches(&room(&name));
            assert_eq!(matched, fits(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
