//! Users and tokens that are not let in any more, although their tokens have not expired. Held whole in memory; kept elsewhere.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::Identity;

/// Most that are held, so that nobody fills the memory with them.
pub const REVOCATIONS_MAX: usize = 100_000;

/// Whom a revocation hits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// All tokens of a user (`sub`) that were issued (`iat`) up to the revocation, or do not say when.
    User(String),
    /// The token with this id (`jti`).
    Token(String),
}

/// One revocation. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whom it hits.
    pub revoked: Revoked,
    /// When it was made.
    pub at_s: u64,
    /// From here on it may be forgotten: what it hits has expired.
    pub until_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Times {
    at_s: u64,
    until_s: u64,
}

/// All revocations of a server.
#[derive(Debug, Default)]
pub struct Revocations {
    held: RwLock<BTreeMap<Revoked, Times>>,
    /// Changes with each that says something new.
    version: AtomicU64,
}

impl Revocations {
    /// Takes one, in place of an earlier one of the same user or token. From now on what it hits is refused.
    pub fn add(&self, Revocation { revoked, at_s, until_s }: Revocation) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let is_first = !held.contains_key(&revoked);
        let times = held.entry(revoked).or_insert(Times { at_s, until_s });
        let before = *times;
        // Those of another server may come late, and again and again.
        *times = Times { at_s: before.at_s.max(at_s), until_s: before.until_s.max(until_s) };
        let is_news = is_first || *times != before;
        drop(held);
        if is_news {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.held().len()
    }

    /// Another one whenever something new was added.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Forgets those whose time is over.
    pub fn forget(&self, now_s: u64) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).retain(|_, times| now_s < times.until_s);
    }

    /// Whether what `identity` was made of is revoked at `now_s`.
    pub fn hit(&self, identity: &Identity, now_s: u64) -> bool {
        let held = self.held();
        if held.is_empty() {
            return false;
        }
        let times = |revoked| held.get(&revoked).filter(|times| now_s < times.until_s);
        let by_user = times(Revoked::User(identity.user.to_string()));
        by_user.is_some_and(|times| identity.issued_at_s.is_none_or(|issued_at_s| issued_at_s <= times.at_s))
            || identity.token_id.as_ref().is_some_and(|id| times(Revoked::Token(id.clone())).is_some())
    }

    /// At most `limit` of them that hold at `now_s`, behind `after`; users first, then tokens, each in the order of their bytes.
    pub fn page(&self, after: Option<Revoked>, limit: usize, now_s: u64) -> Vec<Revocation> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let held = self.held();
        let holding = held.range(behind).filter(|(_, times)| now_s < times.until_s).take(limit);
        holding
            .map(|(revoked, times)| Revocation { revoked: revoked.clone(), at_s: times.at_s, until_s: times.until_s })
            .collect()
    }

    fn held(&self) -> RwLockReadGuard<'_, BTreeMap<Revoked, Times>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    fn identity(user: &str, token_id: Option<&str>, issued_at_s: Option<u64>) -> Identity {
        Identity {
            user: UserId::new(user),
            name: user.into(),
            expires_at_s: 5000,
            valid_until_s: 5000,
            token_id: token_id.map(str::to_owned),
            issued_at_s,
            grants: Default::default(),
            key: Default::default(),
        }
    }

    fn user(name: &str, at_s: u64, until_s: u64) -> Revocation {
        Revocation { revoked: Revoked::User(name.to_owned()), at_s, until_s }
    }

    #[test]
    fn rule_14_a_users_tokens_up_to_the_revocation_are_hit_and_later_ones_are_not() {
        let revocations = Revocations::default();
        assert!(!revocations.hit(&identity("ada", None, None), 1000));
        revocations.add(user("ada", 1000, 2000));
        for (issued_at_s, is_hit) in [(None, true), (Some(0), true), (Some(1000), true), (Some(1001), false)] {
            assert_eq!(revocations.hit(&identity("ada", None, issued_at_s), 1500), is_hit, "{issued_at_s:?}");
        }
        assert!(!revocations.hit(&identity("bob", None, None), 1500));
        assert!(!revocations.hit(&identity("ada", None, None), 2000));
    }

    #[test]
    fn rule_14_a_token_is_hit_by_its_id_whoever_holds_it() {
        let revocations = Revocations::default();
        revocations.add(Revocation { revoked: Revoked::Token("t1".to_owned()), at_s: 1000, until_s: 2000 });
        assert!(revocations.hit(&identity("ada", Some("t1"), Some(1500)), 1500));
        assert!(!revocations.hit(&identity("ada", Some("t2"), None), 1500));
        assert!(!revocations.hit(&identity("t1", None, None), 1500));
    }

    #[test]
    fn a_second_revocation_reaches_further_and_a_late_one_takes_nothing_back() {
        let revocations = Revocations::default();
        let version = revocations.version();
        revocations.add(user("ada", 1000, 2000));
        revocations.add(user("ada", 1500, 1800));
        revocations.add(user("ada", 900, 1000));
        assert_ne!(revocations.version(), version);
        assert_eq!(revocations.page(None, 10, 0), [user("ada", 1500, 2000)]);
    }

    #[test]
    fn pages_are_in_order_and_leave_out_what_is_over() {
        let revocations = Revocations::default();
        for name in ["c", "a", "b"] {
            revocations.add(user(name, 1000, 2000));
        }
        revocations.add(user("old", 1, 2));
        let names = |page: Vec<Revocation>| page.into_iter().map(|found| found.revoked).collect::<Vec<_>>();
        let [a, b, c] = ["a", "b", "c"].map(|name| Revoked::User(name.to_owned()));
        assert_eq!(names(revocations.page(None, 2, 1500)), [a, b.clone()]);
        assert_eq!(names(revocations.page(Some(b), 2, 1500)), [c]);
        assert_eq!(revocations.count(), 4);
        revocations.forget(1500);
        assert_eq!(revocations.count(), 3);
    }
}
