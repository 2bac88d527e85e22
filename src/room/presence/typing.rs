//! Who is typing, as JSON clients say it. Typing ends by itself. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ids::{MemberId, UserId};

/// Typing that nobody renews ends after this time.
const TYPING: Duration = Duration::from_secs(6);

/// The members that are typing.
#[derive(Debug, Default)]
pub struct Typing {
    until: HashMap<MemberId, (UserId, Instant)>,
}

impl Typing {
    /// A member types, or goes on typing. Whether its user has begun.
    pub fn start(&mut self, member: MemberId, user: &UserId, now: Instant) -> bool {
        let was_typing = self.is_typing(user);
        self.until.insert(member, (user.clone(), now + TYPING));
        !was_typing
    }

    /// A member has stopped, or left. The user who types no more.
    pub fn stop(&mut self, member: MemberId) -> Option<UserId> {
        let (user, _) = self.until.remove(&member)?;
        (!self.is_typing(&user)).then_some(user)
    }

    /// Ends what was not renewed; the members and users who type no more.
    pub fn expire(&mut self, now: Instant) -> Vec<(MemberId, UserId)> {
        let over: Vec<MemberId> =
            self.until.iter().filter(|(_, (_, until))| *until <= now).map(|(member, _)| *member).collect();
        over.into_iter().filter_map(|member| Some((member, self.stop(member)?))).collect()
    }

    /// Who types, each with one of their members.
    pub fn typists(&self) -> HashMap<UserId, MemberId> {
        self.until.iter().map(|(member, (user, _))| (user.clone(), *member)).collect()
    }

    /// When something may next end.
    pub fn next_end(&self) -> Option<Instant> {
        self.until.values().map(|(_, until)| *until).min()
    }

    /// Whether a user types.
    pub fn is_typing(&self, user: &UserId) -> bool {
        self.until.values().any(|(typist, _)| typist == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberId = MemberId(1);
    const B: MemberId = MemberId(2);

    #[test]
    fn a_user_begins_once_and_stops_with_the_last_of_their_members() {
        let (mut typing, ada, now) = (Typing::default(), UserId::new("ada"), Instant::now());
        assert!(typing.start(A, &ada, now));
        assert!(!typing.start(A, &ada, now));
        assert!(!typing.start(B, &ada, now));
        assert_eq!(typing.stop(A), None);
        assert_eq!(typing.stop(A), None);
        assert_eq!(typing.stop(B), Some(ada));
    }

    #[test]
    fn typing_ends_by_itself_unless_it_is_renewed() {
        let (mut typing, ada, now) = (Typing::default(), UserId::new("ada"), Instant::now());
        typing.start(A, &ada, now);
        typing.start(A, &ada, now + Duration::from_secs(3));
        assert_eq!(typing.next_end(), Some(now + Duration::from_secs(9)));
        assert_eq!(typing.expire(now + Duration::from_secs(8)), []);
        assert_eq!(typing.expire(now + Duration::from_secs(9)), [(A, ada)]);
        assert_eq!(typing.next_end(), None);
    }
}
