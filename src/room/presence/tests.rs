//! Presence as each side sees it.

use super::*;
use crate::auth::Access;
use crate::room::fanout::Sent;
use crate::room::testing::{TestRoom, json_types, looked_at};

fn announce(presence: &mut Presence, from: MemberId, client: u64, room: &mut TestRoom) {
    let entry = Entry { client, clock: 1, state: Some(Bytes::from_static(b"{\"cursor\":1}")) };
    let message = UpdateAwareness { from, entries: encode([&entry].into_iter()).into(), charge: 1 };
    presence.on_awareness(message, &mut room.io());
}

fn kinds(room: &mut TestRoom) -> Vec<String> {
    json_types(&room.sent()).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn awareness_goes_to_all_editors_but_its_sender_and_once_a_dialect() {
    let mut room = TestRoom::new();
    // Nobody may be back from before the start.
    let mut presence = Presence::new(1 << 20, room.now - Duration::from_secs(60));
    let ada = room.join(Dialect::Yjs, "ada", Access::Read);
    room.join(Dialect::Hocuspocus, "bob", Access::Write);
    announce(&mut presence, ada, 1, &mut room);
    let sent = room.sent();
    let to: Vec<_> = sent.iter().map(|sent| matches!(sent, Sent::All { but, .. } if but[..] == [ada])).collect();
    assert_eq!(to, [true, true]);
    announce(&mut presence, ada, 1, &mut room);
    assert_eq!(room.sent(), [], "it is no news");
}

#[test]
fn what_is_no_json_ends_the_connection_and_what_is_too_long_is_refused_in_the_members_protocol() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now);
    let yjs = room.join(Dialect::Yjs, "ada", Access::Write);
    let hocuspocus = room.join(Dialect::Hocuspocus, "bob", Access::Write);
    let mut send = |from: MemberId, state: Vec<u8>, room: &mut TestRoom| {
        let entry = Entry { client: from.0, clock: 1, state: Some(state.into()) };
        let message = UpdateAwareness { from, entries: encode([&entry].into_iter()).into(), charge: 1 };
        presence.on_awareness(message, &mut room.io());
        room.sent()
    };
    let long = format!("\"{}\"", "x".repeat(40_000)).into_bytes();
    assert!(matches!(send(yjs, long.clone(), &mut room)[..], [Sent::One { to, .. }] if to == yjs));
    assert_eq!(send(hocuspocus, long, &mut room), []);
    let closed = send(hocuspocus, b"{".to_vec(), &mut room);
    assert_eq!(closed, [Sent::Closed { to: hocuspocus, code: CloseCode::EditRefused }]);
}

#[test]
fn of_a_message_with_several_states_all_that_may_be_shown_are_and_its_sender_hears_of_the_rest() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now - Duration::from_secs(60));
    let ada = room.join(Dialect::Yjs, "ada", Access::Write);
    room.join(Dialect::Yjs, "bob", Access::Write);
    let long: Bytes = format!("\"{}\"", "x".repeat(40_000)).into();
    let states = [(1, Bytes::from_static(b"1")), (2, long), (3, Bytes::from_static(b"3"))];
    let entries = states.map(|(client, state)| Entry { client, clock: 1, state: Some(state) });
    let message = UpdateAwareness { from: ada, entries: encode(entries.iter()).into(), charge: 1 };
    assert!(presence.on_awareness(message, &mut room.io()));
    let sent = room.sent();
    assert!(matches!(sent[..], [Sent::All { .. }, Sent::One { to, .. }] if to == ada), "{sent:?}");
    let shown: Vec<u64> = presence.awareness.entries().map(|entry| entry.client).collect();
    assert!(shown.len() == 2 && !shown.contains(&2), "{shown:?}");
}

#[test]
fn editors_see_a_json_user_as_an_awareness_state_until_its_last_socket_leaves() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now);
    room.join(Dialect::Yjs, "ada", Access::Write);
    let bob = room.join(Dialect::Json, "bob", Access::Write);
    presence.on_join(bob, &mut room.io());
    assert!(matches!(room.sent()[..], [Sent::All { dialect: Dialect::Yjs, .. }]));
    presence.sweep(&mut room.io());
    assert_eq!(room.sent().len(), 1, "it is renewed");
    let gone = room.members.remove(bob).unwrap();
    presence.on_leave(bob, &gone, true, &mut room.io());
    assert!(matches!(room.sent()[..], [Sent::All { dialect: Dialect::Yjs, .. }]));
    presence.sweep(&mut room.io());
    assert_eq!(room.sent(), []);
}

#[test]
fn json_members_are_sent_changes_together_after_a_moment() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now);
    let bob = room.join(Dialect::Json, "bob", Access::Write);
    presence.send_state(bob, &mut room.io());
    assert_eq!(kinds(&mut room), ["presence.state"]);
    for user in ["ada", "cleo"] {
        let id = room.join(Dialect::Yjs, user, Access::Write);
        presence.on_join(id, &mut room.io());
        announce(&mut presence, id, id.0, &mut room);
    }
    assert_eq!(kinds(&mut room), [""; 0]);
    let due = presence.due().unwrap();
    assert_eq!(due, room.now + GATHER);
    room.now = due;
    presence.on_due(&mut room.io());
    assert_eq!(kinds(&mut room), ["presence.diff"]);
    assert_eq!(presence.due(), None);
}

#[test]
fn typing_is_told_to_other_users_and_ends_by_itself() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now);
    let ada = room.join(Dialect::Json, "ada", Access::Write);
    let ada_too = room.join(Dialect::Json, "ada", Access::Write);
    presence.on_typing(ada, true, &None, &mut room.io());
    presence.on_typing(ada_too, true, &None, &mut room.io());
    let sent = room.sent();
    assert!(matches!(&sent[..], [Sent::All { but, .. }] if but.contains(&ada) && but.contains(&ada_too)), "{sent:?}");
    room.now = presence.due().unwrap();
    presence.on_due(&mut room.io());
    assert_eq!(kinds(&mut room), ["user.typing"]);
    assert_eq!(presence.due(), None);
}

#[test]
fn a_reader_may_not_type_and_is_told_so() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now);
    let ada = room.join(Dialect::Json, "ada", Access::Read);
    presence.on_typing(ada, true, &Some("7".into()), &mut room.io());
    assert_eq!(json_types(&room.sent()), [("error".to_owned(), Some(ada))]);
    assert_eq!(presence.due(), None);
}

#[test]
fn who_drops_where_nobody_wants_to_know_is_here_for_who_comes_in_and_leaves_when_their_time_is_over() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now);
    let drop_one = |presence: &mut Presence, room: &mut TestRoom, is_for_good| {
        let id = room.join(Dialect::Yjs, "ada", Access::Write);
        presence.on_join(id, &mut room.io());
        let gone = room.members.remove(id).unwrap();
        presence.on_leave(id, &gone, is_for_good, &mut room.io());
    };
    drop_one(&mut presence, &mut room, false);
    drop_one(&mut presence, &mut room, true);
    assert_eq!(presence.absent(Uuid::nil(), room.now), [], "she left for good");
    drop_one(&mut presence, &mut room, false);
    room.now += Duration::from_secs(4);
    let absent = |user: &str, gone_ms| AbsentUser { user: UserId::new(user), name: user.to_owned(), gone_ms };
    presence.on_absent(vec![absent("bob", 5_000), absent("late", 10_000)], &mut room.io());
    let cleo = room.join(Dialect::Json, "cleo", Access::Write);
    presence.on_join(cleo, &mut room.io());
    presence.send_state(cleo, &mut room.io());
    let told: Vec<String> =
        presence.absent(Uuid::nil(), room.now).iter().map(|user| format!("{} {}", user.user, user.gone_ms)).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&"ada 4000".to_owned()) && told.contains(&"bob 5000".to_owned()), "{told:?}");
    // As an absent user of a server that stops would be told, too.
    assert_eq!(presence.leaving(&room.members, Duration::from_secs(1), room.now).len(), 3);
    presence.on_absent(vec![absent("cleo", 0)], &mut room.io());
    assert_eq!(presence.absent(Uuid::nil(), room.now).len(), 2, "she is here");
    room.sent();
    // Bob's time is over, then Ada's.
    for seconds in [9, 10] {
        room.now = presence.due().unwrap();
        presence.on_due(&mut room.io());
        assert_eq!(kinds(&mut room), ["presence.diff"], "{seconds}");
    }
    presence.sweep(&mut room.io());
    assert_eq!((presence.due(), presence.absent(Uuid::nil(), room.now).len()), (None, 0));
}

#[test]
fn who_is_only_missing_from_what_a_server_tells_leaves_here_and_no_server_is_told_of_who_was_on_it() {
    let mut room = TestRoom::new();
    let mut presence = Presence::new(1 << 20, room.now - Duration::from_secs(60));
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let watcher = room.join(Dialect::Json, "watcher", Access::Write);
    presence.on_join(watcher, &mut room.io());
    presence.send_state(watcher, &mut room.io());
    let bob =
        SharedUser { user: UserId::new("bob"), name: "bob".to_owned(), sockets: 1, state: None, is_for_good: false };
    let here = || RoomState { users: vec![bob.clone()], ..RoomState::default() };
    let told = |presence: &Presence, room: &TestRoom| {
        [one, other]
            .map(|to| presence.absent(to, room.now).iter().map(|user| user.user.to_string()).collect::<Vec<_>>())
    };
    let nobody: [Vec<String>; 2] = Default::default();
    presence.on_server_state(one, here(), true, &mut room.io());
    // He went while nothing could be told: when is known there.
    presence.on_server_state(one, RoomState::default(), true, &mut room.io());
    assert_eq!(told(&presence, &room), nobody);
    room.now += Duration::from_secs(20);
    presence.on_due(&mut room.io());
    assert!(presence.roster.as_ref().unwrap().members().iter().all(|user| user.user.as_str() != "bob"));
    // He goes as that server tells, or with it.
    let gone = RoomState { users: vec![SharedUser { sockets: 0, ..bob.clone() }], ..RoomState::default() };
    for is_told in [true, false] {
        presence.on_server_state(one, here(), true, &mut room.io());
        assert_eq!(told(&presence, &room), nobody);
        match is_told {
            true => presence.on_server_state(one, gone.clone(), false, &mut room.io()),
            false => presence.on_server_left(one, &mut room.io()),
        }
        assert_eq!(told(&presence, &room), [vec![], vec!["bob".to_owned()]]);
    }
    assert_eq!(presence.leaving(&room.members, Duration::ZERO, room.now).len(), 2, "all are told when this one stops");
}

#[test]
fn who_comes_shows_something_and_goes_costs_the_same_however_many_are_there() {
    let looked_at_among = |others: u64| {
        let mut room = TestRoom::new();
        room.elsewhere.is_shared = true;
        let mut presence = Presence::new(1 << 20, room.now - Duration::from_secs(60));
        let state = |client: u64| SharedState {
            client,
            clock: 1,
            user: UserId::new(format!("far-{client}")),
            state: Some("{}".to_owned()),
            is_placeholder: false,
        };
        let user = |name: &str, sockets| SharedUser {
            user: UserId::new(name),
            name: name.to_owned(),
            sockets,
            state: None,
            is_for_good: false,
        };
        let json = |presence: &mut Presence, room: &mut TestRoom, user: &str| {
            let id = room.join(Dialect::Json, user, Access::Write);
            presence.on_join(id, &mut room.io());
            presence.on_state(id, RawValue::from_string("1".to_owned()).unwrap(), &None, &mut room.io());
            id
        };
        for number in 0..others {
            // Some with a socket of their own, some of one user.
            for user in [format!("near-{number}"), "many".to_owned()] {
                json(&mut presence, &mut room, &user);
                let editor = room.join(Dialect::Yjs, &user, Access::Write);
                presence.on_join(editor, &mut room.io());
                announce(&mut presence, editor, editor.0, &mut room);
            }
            let there = vec![user(&format!("far-{number}"), 1)];
            let state = RoomState { users: there, states: vec![state(1_000_000 + number)], typing: Vec::new() };
            presence.on_server_state(Uuid::from_u128(1), state, false, &mut room.io());
        }
        looked_at();
        for user in ["ada", "many"] {
            let id = json(&mut presence, &mut room, user);
            let editor = room.join(Dialect::Yjs, user, Access::Write);
            presence.on_join(editor, &mut room.io());
            announce(&mut presence, editor, editor.0, &mut room);
            for id in [editor, id] {
                let gone = room.members.remove(id).unwrap();
                presence.on_leave(id, &gone, true, &mut room.io());
            }
        }
        for sockets in [1, 0] {
            let state = RoomState { users: vec![user("bob", sockets)], ..RoomState::default() };
            presence.on_server_state(Uuid::from_u128(1), state, false, &mut room.io());
        }
        presence.take_to_tell(&room.members);
        looked_at()
    };
    assert_eq!([4, 200].map(looked_at_among), [0, 0]);
}
