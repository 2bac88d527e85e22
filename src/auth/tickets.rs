//! Tickets: what stands for a token in a URL, which proxies log. Random, good once and for half a minute, held in the memory of the
//! server that issued them, whose mark they carry.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ids::UserId;

/// How long a ticket is good.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(30);
/// Most that one user may have at a time.
const USER_MAX: usize = 64;
/// Most at a time; each holds a token. For one more the oldest of whoever has most gives way.
const ALL_MAX: usize = 16_384;
/// Random bytes in a ticket.
const BYTES: usize = 16;
/// Bytes before them, by which the server is known that issued it.
const MARK_BYTES: usize = 8;
/// Places of used tickets that are kept in the order of their ends, beside as many as there are tickets.
const USED_MAX: usize = 64;

/// Too many tickets wait to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many tickets have not been used yet")]
pub struct TooManyTickets;

type Code = [u8; BYTES];

/// A token that a ticket stands for.
#[derive(Debug)]
struct Ticket {
    user: UserId,
    token: String,
}

#[derive(Debug, Default)]
struct Open {
    tickets: HashMap<Code, Ticket>,
    by_user: HashMap<UserId, usize>,
    /// The oldest first. Some of them may have been used.
    ends: VecDeque<(Instant, Code)>,
}

/// The tickets of a server.
#[derive(Debug)]
pub struct Tickets {
    mark: u64,
    open: Mutex<Open>,
}

impl Tickets {
    /// Of the server of this mark.
    pub fn new(mark: u64) -> Self {
        Self { mark, open: Mutex::default() }
    }

    /// Makes a ticket for who holds a token.
    pub fn issue(&self, user: &UserId, token: &str, now: Instant) -> Result<String, TooManyTickets> {
        let mut open = self.lock();
        open.forget(now);
        if open.by_user.get(user).is_some_and(|count| *count >= USER_MAX) {
            return Err(TooManyTickets);
        }
        if open.tickets.len() >= ALL_MAX {
            open.give_way();
        }
        let code: Code = rand::random();
        *open.by_user.entry(user.clone()).or_default() += 1;
        open.tickets.insert(code, Ticket { user: user.clone(), token: token.to_owned() });
        open.ends.push_back((now + TICKET_LIFETIME, code));
        Ok(URL_SAFE_NO_PAD.encode([&self.mark.to_be_bytes()[..], &code].concat()))
    }

    /// The mark of the server that issued a ticket, if it looks like one.
    pub fn issuer(ticket: &str) -> Option<u64> {
        read(ticket).map(|(mark, _)| mark)
    }

    /// The token that a ticket of this server stands for; it is used up by that.
    pub fn redeem(&self, ticket: &str, now: Instant) -> Option<String> {
        let (_, code) = read(ticket).filter(|(mark, _)| *mark == self.mark)?;
        let mut open = self.lock();
        open.forget(now);
        open.take(&code)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(ticket: &str) -> Option<(u64, Code)> {
    let mut bytes = [0; MARK_BYTES + BYTES];
    let decoded = URL_SAFE_NO_PAD.decode_slice(ticket, &mut bytes);
    let (mark, code) = bytes.split_at(MARK_BYTES);
    (decoded == Ok(bytes.len())).then_some((u64::from_be_bytes(mark.try_into().ok()?), code.try_into().ok()?))
}

impl Open {
    fn take(&mut self, code: &Code) -> Option<String> {
        let Ticket { user, token } = self.tickets.remove(code)?;
        if let Entry::Occupied(mut count) = self.by_user.entry(user) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(token)
    }

    fn give_way(&mut self) {
        let most = self.by_user.iter().max_by_key(|(_, count)| **count).map(|(user, _)| user.clone());
        let is_theirs = |code: &Code| self.tickets.get(code).map(|ticket| &ticket.user) == most.as_ref();
        if let Some(oldest) = self.ends.iter().map(|(_, code)| *code).find(is_theirs) {
            self.take(&oldest);
        }
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

    /// A ticket of a user, whose token is their name.
    fn issue(tickets: &Tickets, user: &str, now: Instant) -> Result<String, TooManyTickets> {
        tickets.issue(&UserId::new(user), user, now)
    }

    #[test]
    fn rule_5_a_ticket_is_good_once_and_for_half_a_minute() {
        let (tickets, now) = (Tickets::new(7), Instant::now());
        let [first, second] = [0, 1].map(|_| issue(&tickets, "ada", now).unwrap());
        assert_eq!((first.len(), first != second), (32, true));
        assert_eq!(Tickets::issuer(&first), Some(7));
        assert!(Tickets::new(8).redeem(&first, now).is_none(), "another server's");
        assert_eq!(tickets.redeem(&first, now).unwrap(), "ada");
        assert!(tickets.redeem(&first, now).is_none());
        assert!(tickets.redeem(&second, now + TICKET_LIFETIME).is_none());
        for nonsense in ["", "A", &"A".repeat(32), &"A".repeat(31), &"A".repeat(22), &"A".repeat(10_000), "????"] {
            assert!(tickets.redeem(nonsense, now).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn rule_5_of_many_who_redeem_one_ticket_one_wins() {
        let (tickets, now) = (Tickets::new(7), Instant::now());
        let ticket = issue(&tickets, "ada", now).unwrap();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..50).map(|_| scope.spawn(|| tickets.redeem(&ticket, now).is_some())).collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn rule_37_where_there_are_too_many_tickets_whoever_has_most_loses_one_to_the_next_who_asks() {
        let (tickets, now) = (Tickets::new(7), Instant::now());
        let held: Vec<String> = (0..USER_MAX).map(|_| issue(&tickets, "ada", now).unwrap()).collect();
        assert_eq!(issue(&tickets, "ada", now), Err(TooManyTickets));
        assert!(tickets.redeem(&held[0], now).is_some());
        assert!(issue(&tickets, "ada", now).is_ok());
        for user in 0..ALL_MAX - USER_MAX {
            issue(&tickets, &user.to_string(), now).unwrap();
        }
        let eves = issue(&tickets, "eve", now).unwrap();
        assert_eq!(tickets.lock().tickets.len(), ALL_MAX);
        assert!(tickets.redeem(&eves, now).is_some());
        assert!(tickets.redeem(&held[1], now).is_none(), "the oldest gave way");
        assert!(tickets.redeem(&held[2], now).is_some());
        assert!(issue(&tickets, "eve", now + TICKET_LIFETIME).is_ok());
        let open = tickets.lock();
        assert_eq!((open.tickets.len(), open.by_user.len(), open.ends.len()), (1, 1, 1));
    }

    #[test]
    fn used_tickets_take_no_place() {
        let (tickets, now) = (Tickets::new(7), Instant::now());
        for _ in 0..10_000 {
            let ticket = issue(&tickets, "ada", now).unwrap();
            assert!(tickets.redeem(&ticket, now).is_some());
        }
        assert!(tickets.lock().ends.len() <= USED_MAX + 2);
    }
}
