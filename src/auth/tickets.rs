//! Tickets: what stands for a token in a URL, which proxies log. Random, good once and for half a minute, held in memory only.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Identity;
use crate::ids::UserId;

/// How long a ticket is good.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(30);
/// Most that one user may have at a time.
const USER_MAX: usize = 64;
/// Most at a time; each holds what a token says.
const ALL_MAX: usize = 16_384;
/// Random bytes in a ticket.
const BYTES: usize = 16;
/// Places of used tickets that are kept in the order of their ends, beside as many as there are tickets.
const USED_MAX: usize = 64;

/// Too many tickets wait to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many tickets have not been used yet")]
pub struct TooManyTickets;

type Code = [u8; BYTES];

#[derive(Debug, Default)]
struct Open {
    tickets: HashMap<Code, Arc<Identity>>,
    by_user: HashMap<UserId, usize>,
    /// The oldest first. Some of them may have been used.
    ends: VecDeque<(Instant, Code)>,
}

/// The tickets of a server.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<Open>);

impl Tickets {
    /// Makes a ticket for who holds a token.
    pub fn issue(&self, identity: Arc<Identity>, now: Instant) -> Result<String, TooManyTickets> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.forget(now);
        let of_user = open.by_user.get(&identity.user).copied().unwrap_or_default();
        if of_user >= USER_MAX || open.tickets.len() >= ALL_MAX {
            return Err(TooManyTickets);
        }
        let code: Code = rand::random();
        open.by_user.insert(identity.user.clone(), of_user + 1);
        open.tickets.insert(code, identity);
        open.ends.push_back((now + TICKET_LIFETIME, code));
        Ok(URL_SAFE_NO_PAD.encode(code))
    }

    /// Whose ticket it is; it is used up by that.
    pub fn redeem(&self, ticket: &str, now: Instant) -> Option<Arc<Identity>> {
        let mut code = Code::default();
        let decoded = URL_SAFE_NO_PAD.decode_slice(ticket, &mut code);
        if decoded != Ok(BYTES) {
            return None;
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.forget(now);
        open.take(&code)
    }
}

impl Open {
    fn take(&mut self, code: &Code) -> Option<Arc<Identity>> {
        let identity = self.tickets.remove(code)?;
        if let Entry::Occupied(mut count) = self.by_user.entry(identity.user.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(identity)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((end, code)) = self.ends.front().copied()
            && end <= now
        {
            self.ends.pop_front();
            self.take(&code);
        }
        if self.ends.len() > 2 * self.tickets.len() + USED_MAX {
            let tickets = &self.tickets;
            self.ends.retain(|(_, code)| tickets.contains_key(code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(user: &str) -> Arc<Identity> {
        Arc::new(Identity {
            user: UserId::new(user),
            name: user.into(),
            expires_at_s: 5000,
            valid_until_s: 5000,
            token_id: None,
            issued_at_s: None,
            grants: Default::default(),
        })
    }

    #[test]
    fn rule_5_a_ticket_is_good_once_and_for_half_a_minute() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let [first, second] = [0, 1].map(|_| tickets.issue(identity("ada"), now).unwrap());
        assert_eq!((first.len(), first != second), (22, true));
        assert_eq!(tickets.redeem(&first, now).unwrap().user.as_str(), "ada");
        assert!(tickets.redeem(&first, now).is_none());
        assert!(tickets.redeem(&second, now + TICKET_LIFETIME).is_none());
        for nonsense in ["", "A", &"A".repeat(22), &"A".repeat(21), &"A".repeat(10_000), "????"] {
            assert!(tickets.redeem(nonsense, now).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn rule_5_of_many_who_redeem_one_ticket_one_wins() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.issue(identity("ada"), now).unwrap();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..50).map(|_| scope.spawn(|| tickets.redeem(&ticket, now).is_some())).collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn tickets_have_bounds_by_user_and_in_all_and_room_comes_back() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let held: Vec<String> = (0..USER_MAX).map(|_| tickets.issue(identity("ada"), now).unwrap()).collect();
        assert_eq!(tickets.issue(identity("ada"), now), Err(TooManyTickets));
        assert!(tickets.redeem(&held[0], now).is_some());
        assert!(tickets.issue(identity("ada"), now).is_ok());
        for user in 0..ALL_MAX - USER_MAX {
            tickets.issue(identity(&user.to_string()), now).unwrap();
        }
        assert_eq!(tickets.issue(identity("eve"), now), Err(TooManyTickets));
        assert!(tickets.issue(identity("eve"), now + TICKET_LIFETIME).is_ok());
        let open = tickets.0.lock().unwrap();
        assert_eq!((open.tickets.len(), open.by_user.len(), open.ends.len()), (1, 1, 1));
    }

    #[test]
    fn used_tickets_take_no_place() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        for _ in 0..10_000 {
            let ticket = tickets.issue(identity("ada"), now).unwrap();
            assert!(tickets.redeem(&ticket, now).is_some());
        }
        assert!(tickets.0.lock().unwrap().ends.len() <= USED_MAX + 2);
    }
}
