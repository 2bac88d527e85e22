//! Whose states are shown, and with which clocks.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::room::presence::SWEEP;

const A: MemberId = MemberId(1);
const B: MemberId = MemberId(2);

fn entry(client: u64, clock: u64, state: Option<&'static str>) -> Entry {
    Entry { client, clock, state: state.map(|text| Bytes::from_static(text.as_bytes())) }
}

struct Table(AwarenessStates);

impl Table {
    fn take_at(&mut self, now: Instant, member: MemberId, user: &str, own: u64, entry: Entry) -> Change {
        self.0.take(member, &UserId::new(user), Some(own), vec![entry], now)
    }

    fn take(&mut self, member: MemberId, user: &str, own: u64, entry: Entry) -> Change {
        self.take_at(Instant::now(), member, user, own, entry)
    }

    fn leave(&mut self, member: MemberId) -> Vec<Entry> {
        self.0.leave(member, Instant::now())
    }
}

/// The table of a room that has been live for long.
fn table() -> Table {
    Table(AwarenessStates::new(1 << 20, Instant::now() - RETURN_WITHIN))
}

fn news(entry: Entry) -> Change {
    Change { news: vec![entry], ..Change::default() }
}

#[test]
fn a_state_is_news_once_and_dropped_when_others_send_it_back() {
    let mut table = table();
    let state = entry(1, 1, Some("{}"));
    assert_eq!(table.take(A, "ada", 1, state.clone()), news(state.clone()));
    assert_eq!(table.take(B, "bob", 2, state), Change::default());
}

#[test]
fn nobody_changes_or_removes_the_state_of_another_user() {
    let mut table = table();
    table.take(A, "ada", 1, entry(1, 1, Some("{}")));
    assert_eq!(table.take(B, "bob", 1, entry(1, 9, Some("1"))), Change::default());
    assert_eq!(table.take(B, "bob", 1, entry(1, 9, None)), Change::default());
    assert_eq!(table.0.entries().collect::<Vec<_>>(), [&entry(1, 1, Some("{}"))]);
    assert_eq!(table.take(A, "ada", 1, entry(1, 1, None)), news(entry(1, 1, None)));
    assert_eq!(table.0.entries().len(), 0);
}

#[test]
fn rule_17_who_has_left_has_the_client_back_that_another_has_announced_meanwhile() {
    let mut table = table();
    let (shown, stolen) = (entry(1, 5, Some("{}")), entry(1, 9, Some("1")));
    table.take(A, "ada", 1, shown.clone());
    table.leave(A);
    // Also who comes twice, or says it of a client that is not its first.
    for own in [1, 2] {
        assert_eq!(table.take(B, "bob", own, Entry { clock: 9 + 2 * own, ..stolen.clone() }).news.len(), 1);
        assert_eq!(table.leave(B), [entry(1, 10 + 2 * own, None)]);
    }
    assert_eq!(table.0.typist(1), Some(&UserId::new("ada")), "gone");
    table.take(B, "bob", 1, Entry { clock: 20, ..stolen.clone() });
    assert_eq!(table.0.typist(1), Some(&UserId::new("ada")), "and stolen");
    // Cleo had it never, and Ada does not take it by sending it back.
    assert_eq!(table.take(MemberId(3), "cleo", 1, entry(1, 30, Some("2"))), Change::default());
    assert_eq!(table.take(A, "ada", 3, entry(1, 30, Some("{}"))), Change::default());
    let renew = vec![(A, entry(1, 22, Some("{}")))];
    assert_eq!(table.take(A, "ada", 1, shown), Change { renew, ..news(entry(1, 22, Some("{}"))) });
    assert_eq!(table.take(B, "bob", 1, entry(1, 40, Some("1"))), Change::default());
    assert_eq!(table.leave(B), []);
    assert_eq!(table.leave(A), [entry(1, 23, None)]);
}

#[test]
fn rule_39_whose_state_another_passes_on_has_the_client_all_the_same() {
    let mut table = table();
    let ada = Some(&UserId::new("ada")).cloned();
    // Bob's page has it of hers, before she is connected.
    table.take(B, "bob", 2, entry(1, 1, Some("{}")));
    assert_eq!(table.0.typist(1), None);
    table.take(A, "ada", 1, entry(1, 1, Some("{}")));
    assert_eq!(table.0.typist(1), ada.as_ref());
    table.leave(B);
    assert_eq!(table.0.typist(1), ada.as_ref());
    table.take(B, "bob", 1, entry(1, 9, Some("{}")));
    assert_eq!(table.0.typist(1), ada.as_ref());
}

#[test]
fn rule_17_no_clock_is_so_high_that_nobody_could_go_on_from_there() {
    let mut table = table();
    let refused = Change { refused: Some(AwarenessError::Clock), ..Change::default() };
    for state in [Some("{}"), None] {
        let first = entry(1, FIRST_CLOCK_MAX, Some("{}"));
        assert_eq!(table.take(A, "ada", 1, entry(1, FIRST_CLOCK_MAX + 1, Some("{}"))), refused);
        assert_eq!(table.take(A, "ada", 1, first.clone()), news(first));
        assert_eq!(table.take(A, "ada", 1, entry(1, FIRST_CLOCK_MAX + CLOCK_STEP_MAX + 1, state)), refused);
        let last = entry(1, FIRST_CLOCK_MAX + CLOCK_STEP_MAX, state);
        assert_eq!(table.take(A, "ada", 1, last.clone()), news(last));
        table = self::table();
    }
}

#[test]
fn a_client_that_returns_with_its_old_clock_is_shown_with_a_raised_one_and_told_to_raise_it() {
    let mut table = table();
    table.take(A, "ada", 1, entry(1, 5, Some("{}")));
    assert_eq!(table.leave(A), [entry(1, 6, None)]);
    // Sent back late by a peer: no news, and no answer for the peer.
    assert_eq!(table.take(B, "bob", 2, entry(1, 5, Some("{}"))), Change::default());
    let renew = vec![(B, entry(1, 7, Some("{}")))];
    let raised = Change { renew, ..news(entry(1, 7, Some("{}"))) };
    assert_eq!(table.take(B, "ada", 1, entry(1, 5, Some("{}"))), raised);
    // So told, the client goes on after that clock.
    assert_eq!(table.take(B, "ada", 1, entry(1, 8, Some("{}"))), news(entry(1, 8, Some("{}"))));
}

#[test]
fn one_that_returns_is_shown_with_raised_clocks_what_it_has_dropped() {
    let mut table = table();
    let start = Instant::now();
    let later = start + Duration::from_secs(1);
    table.take_at(start, A, "ada", 1, entry(1, 5, Some("{}")));
    table.take_at(start, B, "bob", 2, entry(2, 3, Some("{}")));
    table.0.leave(B, start);
    table.take_at(later, MemberId(3), "cleo", 3, entry(3, 1, Some("{}")));
    let change = table.take_at(later, B, "bob", 2, entry(2, 3, Some("{}")));
    // Cleo came after Bob had left, so Bob does not know her clock.
    assert_eq!(change.dropped, [entry(1, 6, Some("{}"))]);
    assert_eq!(change.renew, [(A, entry(1, 6, Some("{}"))), (B, entry(2, 5, Some("{}")))]);
}

#[test]
fn after_a_restart_of_the_server_everybody_is_shown_and_sent_their_own_state_with_a_raised_clock() {
    let mut table = Table(AwarenessStates::new(1 << 20, Instant::now()));
    let raised =
        |clock, state| Change { renew: vec![(A, entry(1, clock, Some(state)))], ..news(entry(1, clock, Some(state))) };
    assert_eq!(table.take(A, "ada", 1, entry(1, 5, Some("{}"))), raised(6, "{}"));
    // y-websocket sends back what it is sent; Hocuspocus does not.
    assert_eq!(table.take(A, "ada", 1, entry(1, 6, Some("{}"))), Change::default());
    assert_eq!(table.take(A, "ada", 1, entry(1, 7, Some("1"))), news(entry(1, 7, Some("1"))));
    assert_eq!(table.leave(A), [entry(1, 8, None)]);
}

#[test]
fn what_an_owner_changes_before_it_takes_a_raised_clock_over_is_shown_and_raised_again() {
    let start = Instant::now();
    let mut table = Table(AwarenessStates::new(1 << 20, start));
    table.take_at(start, A, "ada", 1, entry(1, 5, Some("{}")));
    // Who changes its state all the time is not sent each change.
    assert_eq!(table.take_at(start, A, "ada", 1, entry(1, 6, Some("1"))), news(entry(1, 7, Some("1"))));
    let later = start + TELL_EVERY;
    let change = table.take_at(later, A, "ada", 1, entry(1, 7, Some("2")));
    assert_eq!(change, Change { renew: vec![(A, entry(1, 8, Some("2")))], ..news(entry(1, 8, Some("2"))) });
    assert_eq!(table.take_at(later, A, "ada", 1, entry(1, 7, Some("2"))), Change::default());
    assert_eq!(table.take_at(later, A, "ada", 1, entry(1, 9, Some("3"))), news(entry(1, 9, Some("3"))));
}

#[test]
fn a_renewal_with_the_clock_that_was_raised_to_is_shown_since_peers_would_drop_the_state() {
    let start = Instant::now();
    let mut table = Table(AwarenessStates::new(1 << 20, start));
    table.take_at(start, A, "ada", 1, entry(1, 5, Some("{}")));
    // An owner that has not heard of the raised clock renews its state as it is.
    let renewed = entry(1, 7, Some("{}"));
    let change = table.take_at(start + RENEWED_WITHIN / 2, A, "ada", 1, entry(1, 6, Some("{}")));
    assert_eq!(change, Change { renew: vec![(A, renewed.clone())], ..news(renewed) });
}

/// An owner as y-protocols is one, which sends what it is sent back or not.
struct Owner {
    clock: u64,
    state: u64,
    sends_back: bool,
}

impl Owner {
    fn entry(&self) -> Entry {
        Entry { client: 1, clock: self.clock, state: Some(Bytes::from(self.state.to_string())) }
    }

    /// What it sends when it is sent this.
    fn take(&mut self, entry: &Entry) -> Option<Entry> {
        if entry.clock <= self.clock {
            return None;
        }
        let state = entry.state.clone().expect("nobody is told their own removal");
        assert_eq!(state, self.entry().state.unwrap(), "an own state is never set back");
        self.clock = entry.clock;
        self.sends_back.then(|| self.entry())
    }
}

proptest! {
    #[test]
    fn owners_keep_their_newest_state_and_peers_come_to_see_it_whatever_crosses_on_the_way(
        steps in prop::collection::vec(0..5u8, 0..60),
        sends_back in any::<bool>(),
        known in 0..10u64,
    ) {
        let start = Instant::now();
        let mut table = Table(AwarenessStates::new(1 << 20, start));
        let mut owner = Owner { clock: 5, state: 0, sends_back };
        // What the peer knows from before.
        let (mut peer_clock, mut peer_state) = (known, None);
        let (mut up, mut down) = (std::collections::VecDeque::from([owner.entry()]), std::collections::VecDeque::new());
        let mut settled = 0;
        for step in steps.into_iter().chain([1, 2].repeat(100)) {
            match step {
                0 => {
                    owner.clock += 1;
                    owner.state += 1;
                    up.push_back(owner.entry());
                }
                1 | 3 => {
                    if let Some(entry) = up.pop_front() {
                        let change = table.take_at(start, A, "ada", 1, entry);
                        for entry in change.news {
                            prop_assert!(entry.clock > peer_clock || peer_state.is_none());
                            if entry.clock > peer_clock {
                                (peer_clock, peer_state) = (entry.clock, entry.state);
                            }
                        }
                        down.extend(change.renew.into_iter().map(|(_, entry)| entry));
                    }
                }
                _ => {
                    if let Some(entry) = down.pop_front() {
                        up.extend(owner.take(&entry));
                    }
                }
            }
            settled = up.len() + down.len();
        }
        prop_assert_eq!(settled, 0, "they would talk for ever");
        if known <= 5 {
            prop_assert_eq!(peer_state, owner.entry().state);
        }
    }
}

#[test]
fn the_end_of_a_socket_leaves_a_state_that_a_newer_socket_took_over() {
    let mut table = table();
    table.take(A, "ada", 1, entry(1, 5, Some("{}")));
    assert_eq!(table.take(B, "ada", 1, entry(1, 5, Some("{}"))), Change::default());
    assert_eq!(table.leave(A), []);
    assert_eq!(table.leave(B), [entry(1, 6, None)]);
}

#[test]
fn a_second_window_of_the_same_user_does_not_take_over_by_sending_back() {
    let mut table = table();
    table.take(A, "ada", 1, entry(1, 5, Some("{}")));
    table.take(B, "ada", 2, entry(2, 1, Some("{}")));
    table.take(B, "ada", 2, entry(1, 5, Some("{}")));
    assert_eq!(table.leave(B), [entry(2, 2, None)]);
    assert_eq!(table.leave(A), [entry(1, 6, None)]);
}

#[test]
fn what_is_not_json_too_large_or_one_state_too_many_is_refused() {
    let mut table = table();
    let ada = UserId::new("ada");
    let mut refused = |entries| table.0.take(A, &ada, None, entries, Instant::now()).refused;
    assert_eq!(refused(vec![entry(1, 1, Some("{"))]), Some(AwarenessError::NotJson));
    let text = |bytes: usize| Some(Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2))));
    let longest = Entry { state: text(STATE_BYTES_MAX), ..entry(0, 1, None) };
    assert_eq!(refused(vec![longest]), None);
    let longer = Entry { state: text(STATE_BYTES_MAX + 1), ..entry(0, 2, None) };
    assert_eq!(refused(vec![longer]), Some(AwarenessError::TooLarge));
    let states = |n: usize| (0..n as u64).map(|client| entry(client, 1, Some("{}"))).collect();
    assert_eq!(refused(states(STATES_PER_SOCKET_MAX)), None);
    assert_eq!(refused(vec![entry(99, 1, Some("{}"))]), Some(AwarenessError::TooMany));
}

#[test]
fn of_a_message_what_may_be_shown_is_news_whatever_stands_beside_it() {
    let mut table = table();
    let ada = UserId::new("ada");
    let states = |n: u64| (1..=n).map(|client| entry(client, 1, Some("{}"))).collect::<Vec<_>>();
    let too_many = STATES_PER_SOCKET_MAX as u64 + 2;
    let mixed = [vec![entry(90, 1, Some("{"))], states(too_many)].concat();
    let change = table.0.take(A, &ada, None, mixed, Instant::now());
    assert_eq!(change.news, states(STATES_PER_SOCKET_MAX as u64));
    assert_eq!(change.refused, Some(AwarenessError::NotJson), "the first reason");
    let deep = Entry { state: Some("[".repeat(1_000).into()), ..entry(2, 2, None) };
    let change = table.0.take(A, &ada, None, vec![entry(1, 2, None), deep, entry(3, 2, Some("1"))], Instant::now());
    assert_eq!(change.news, [entry(1, 2, None), entry(3, 2, Some("1"))]);
    assert!(change.refused.is_some());
    // What is refused leaves what was shown before.
    let known: Vec<_> = table.0.entries().filter(|known| known.client == 2).collect();
    assert_eq!(known, [&entry(2, 1, Some("{}"))]);
}

#[test]
fn who_comes_over_from_another_server_with_what_is_refused_is_shown_no_more() {
    let (mut table, now) = (table(), Instant::now());
    let ada = Announced { entry: entry(1, 3, Some("{}")), user: UserId::new("ada"), is_placeholder: false };
    table.0.take_elsewhere(Uuid::from_u128(1), vec![ada], now);
    let change = table.take(A, "ada", 1, entry(1, 4, Some("{")));
    assert_eq!(change, Change { refused: Some(AwarenessError::NotJson), ..news(entry(1, 4, None)) });
    assert_eq!(table.0.entries().len(), 0);
}

#[test]
fn rule_38_what_a_room_and_a_user_show_has_a_bound_and_the_next_one_who_comes_has_room() {
    let (now, kib) = (Instant::now(), 1 << 10);
    let mut table = AwarenessStates::new(1 << 20, now);
    let state = |client: u64, bytes: usize| Entry {
        client,
        clock: 1,
        state: Some(Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2)))),
    };
    let mut refused = |user: &str, member: u64, entry: Entry| {
        table.take(MemberId(member), &UserId::new(user), None, vec![entry], now).refused
    };
    // One user with many connections.
    let taken = (0..100).filter(|client| refused("mallory", client / 16, state(*client, 32 * kib)).is_none()).count();
    assert_eq!(taken, 16, "half of what the room may show");
    assert_eq!(refused("mallory", 99, state(1_000, kib)), Some(AwarenessError::NoRoom));
    // The room is for all others as well.
    for person in 0..100 {
        assert_eq!(refused(&format!("person-{person}"), 200 + person, state(2_000 + person, 4 * kib)), None);
    }
}

#[test]
fn rule_38_a_state_that_is_too_deep_is_refused_however_short_it_is() {
    let mut table = table();
    let nested = |depth: usize| Entry {
        state: Some(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into()),
        ..entry(1, 1, None)
    };
    let mut refused = |entry| table.0.take(A, &UserId::new("ada"), None, vec![entry], Instant::now()).refused;
    assert_eq!(refused(nested(DEPTH_MAX + 1)), Some(AwarenessError::TooDeep));
    assert_eq!(refused(nested(DEPTH_MAX)), None);
}

#[test]
fn rule_38_a_state_holds_no_more_than_its_own_bytes() {
    let mut table = table();
    let message = Bytes::from(vec![b'1'; 1 << 20]);
    for clock in [1, 2] {
        let state = Some(message.slice(..1 + clock as usize));
        table.take(A, "ada", 1, Entry { state, ..entry(1, clock, None) });
        assert_eq!(table.0.bytes(), 1 + clock as usize);
        assert!(message.is_unique(), "the message is let go");
    }
}

#[test]
fn a_state_that_is_not_renewed_is_forgotten_and_returns_with_a_raised_clock_only() {
    let mut table = table();
    let start = Instant::now();
    table.take_at(start, A, "ada", 1, entry(1, 5, Some("{}")));
    table.0.expire(start + RENEWED_WITHIN);
    assert_eq!(table.0.entries().len(), 1);
    table.0.expire(start + RENEWED_WITHIN + Duration::from_millis(1));
    assert_eq!(table.0.entries().len(), 0);
    assert_eq!(table.take(B, "bob", 2, entry(1, 5, Some("{}"))), Change::default());
    assert_eq!(table.take(A, "ada", 1, entry(1, 6, Some("{}"))).news, [entry(1, 6, Some("{}"))]);
}

#[test]
fn a_user_without_an_editor_is_stood_in_for_until_an_editor_comes() {
    let mut table = table();
    let (ada, now) = (UserId::new("ada"), Instant::now());
    let json = |text: &'static str| Some((B, Bytes::from_static(text.as_bytes())));
    let stand = |table: &mut Table, wanted| table.0.set_placeholder(&ada, wanted, || 9, now);
    assert_eq!(stand(&mut table, json("{}")), [entry(9, 1, Some("{}"))]);
    assert_eq!(stand(&mut table, json("{}")), []);
    assert_eq!(stand(&mut table, json("[]")), [entry(9, 2, Some("[]"))]);
    assert_eq!(table.0.renew_placeholders(now), [entry(9, 3, Some("[]"))]);
    assert_eq!(table.take(A, "ada", 9, entry(9, 9, None)), Change::default(), "no client can remove it");
    assert_eq!(table.0.typist(9), None, "no editor has that client");
    table.take(A, "ada", 1, entry(1, 1, Some("{}")));
    assert_eq!(stand(&mut table, json("[]")), [entry(9, 4, None)]);
    assert_eq!(stand(&mut table, json("[]")), []);
    table.leave(A);
    assert_eq!(stand(&mut table, json("[]")).len(), 1);
    assert_eq!(stand(&mut table, None).len(), 1);
}

#[test]
fn for_minutes_no_peer_has_a_reason_to_drop_what_stands_in_while_an_editor_that_is_gone_is_forgotten() {
    let mut table = table();
    let start = Instant::now();
    table.take_at(start, A, "eve", 1, entry(1, 1, Some("{}")));
    let mut shown = table.0.set_placeholder(&UserId::new("ada"), Some((B, Bytes::from_static(b"{}"))), || 9, start);
    let mut heard = start;
    for sweep in 1..=60 {
        let now = start + SWEEP * sweep;
        assert!(now.duration_since(heard) < RENEWED_WITHIN / 2, "one sweep may be missed");
        let renewed = table.0.sweep(now);
        assert_eq!(renewed, [Entry { clock: shown[0].clock + 1, ..shown[0].clone() }]);
        (shown, heard) = (renewed, now);
    }
    assert_eq!(table.0.entries().collect::<Vec<_>>(), [&shown[0]]);
}

#[test]
fn what_stands_in_survives_a_sweep_that_comes_too_late() {
    let mut table = table();
    let start = Instant::now();
    table.0.set_placeholder(&UserId::new("ada"), Some((B, Bytes::from_static(b"{}"))), || 9, start);
    assert_eq!(table.0.sweep(start + RENEWED_WITHIN * 2), [entry(9, 2, Some("{}"))]);
}
