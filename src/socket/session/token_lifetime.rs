//! How long a token holds on a live socket: when to ask for a fresh one, and when it is over. Pure.

use crate::auth::Identity;

/// A fresh token is asked for so long before the end, in seconds, or at half of what is left if that is shorter.
const NOTICE_S: u64 = 30;

/// The time of one token.
#[derive(Debug, Clone, Copy)]
pub struct TokenLifetime {
    until_s: u64,
    notice_s: u64,
    is_noticed: bool,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenDue {
    /// Nothing.
    Nothing,
    /// A fresh token should be asked for; told once.
    Notice,
    /// The token has ended.
    Over,
}

impl TokenLifetime {
    /// Begins at `now_s`, in Unix seconds.
    pub fn new(identity: &Identity, now_s: u64) -> Self {
        let until_s = identity.valid_until_s;
        let left = identity.expires_at_s.saturating_sub(now_s);
        let notice_s = identity.expires_at_s.saturating_sub(NOTICE_S.min(left / 2));
        Self { until_s, notice_s, is_noticed: false }
    }

    /// When something is next due.
    pub fn next_s(&self) -> u64 {
        if self.is_noticed { self.until_s } else { self.notice_s }
    }

    /// What is due at `now_s`.
    pub fn due(&mut self, now_s: u64) -> TokenDue {
        if now_s >= self.until_s {
            TokenDue::Over
        } else if now_s >= self.notice_s && !std::mem::replace(&mut self.is_noticed, true) {
            TokenDue::Notice
        } else {
            TokenDue::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(expires_at_s: u64) -> TokenLifetime {
        let identity = Identity {
            user: crate::ids::UserId::new("ada"),
            name: "Ada".into(),
            expires_at_s,
            valid_until_s: expires_at_s + 5,
            token_id: None,
            issued_at_s: None,
            grants: Default::default(),
            key: Default::default(),
        };
        TokenLifetime::new(&identity, 1000)
    }

    #[test]
    fn a_fresh_token_is_asked_for_once_before_the_end() {
        let mut lifetime = lifetime(1600);
        assert_eq!((lifetime.next_s(), lifetime.due(1569)), (1570, TokenDue::Nothing));
        assert_eq!(
            (lifetime.due(1570), lifetime.due(1571), lifetime.next_s()),
            (TokenDue::Notice, TokenDue::Nothing, 1605)
        );
        assert_eq!((lifetime.due(1604), lifetime.due(1605)), (TokenDue::Nothing, TokenDue::Over));
    }

    #[test]
    fn of_a_short_token_half_passes_before_that() {
        assert_eq!(lifetime(1010).next_s(), 1005);
    }
}
