//! Who is there and who is typing, told by user, whatever protocol they have.

use serde_json::{Value, json};

use crate::support::editor::Editor;
use crate::support::json::{Client, problem};
use crate::support::message::{self, Message};
use crate::support::server::Server;
use crate::support::token::{SECRET, reader, rooms, signed, writer};
use tutti::auth::now_s;

fn show(state: Value) -> Value {
    json!({ "type": "presence.update", "room": "general", "state": state })
}

fn typing(is_typing: bool) -> Value {
    json!({ "type": if is_typing { "typing.started" } else { "typing.stopped" }, "room": "general" })
}

/// Reads until a difference names `user` in `list`; what it says of them.
fn told(client: &mut Client, list: &str, user: &str) -> Value {
    let find = |diff: &Value| {
        let people = diff[list].as_array()?;
        people.iter().find(|person| person["user"] == user || **person == json!(user)).cloned()
    };
    let mut found = None;
    client.find(&format!("{user} in {list}"), |message| {
        found = (message["type"] == "presence.diff").then(|| find(message)).flatten();
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_user_is_one_however_many_sockets_they_have() {
    let server = Server::with(&["--presence-grace-ms", "0"]);
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let first = Client::join(server.address, &writer("ada"), "general");
    assert_eq!(told(&mut bob, "joins", "ada")["sockets"], 1);
    let second = Client::join(server.address, &writer("ada"), "general");
    assert_eq!(told(&mut bob, "updates", "ada")["sockets"], 2);
    drop(first);
    assert_eq!(told(&mut bob, "updates", "ada")["sockets"], 1);
    drop(second);
    told(&mut bob, "leaves", "ada");
}

#[test]
fn who_comes_in_is_told_what_each_shows_of_themselves() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    assert_eq!(ada.ask(show(json!({ "colour": "#2f6fb0" })))["type"], "done");
    let mut bob = Client::enter(server.address, &reader("bob"));
    bob.say(json!({ "type": "room.join", "room": "general" }));
    let state = bob.until("presence.state");
    let ada_is = json!({ "user": "ada", "name": "ada", "sockets": 1, "state": { "colour": "#2f6fb0" } });
    let expected = json!({ "type": "presence.state", "room": "general", "count": 2,
                           "users": [ada_is, { "user": "bob", "name": "bob", "sockets": 1 }] });
    assert_eq!(state, expected);
    ada.ask(show(json!({ "colour": "red" })));
    bob.find("the new state", |message| message.to_string().contains(r#"{"colour":"red"}"#));
}

#[test]
fn changes_within_a_moment_are_told_together() {
    let server = Server::start();
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    for number in 0..50 {
        ada.say(show(json!({ "at": number })));
    }
    let mut diffs = 0;
    bob.find("the last state", |message| {
        diffs += 1;
        message["type"] == "presence.diff" && message.to_string().contains("\"at\":49")
    });
    assert!(diffs < 50, "{diffs} differences for 50 changes");
}

#[test]
fn a_state_is_an_object_as_long_as_it_may_be_and_no_longer() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let of = |bytes: usize| show(json!({ "x": "y".repeat(bytes - 8) }));
    assert_eq!(ada.ask(of(4096))["type"], "done");
    for wrong in [of(4097), show(json!([])), show(json!("x")), json!({ "type": "presence.update", "room": "general" })]
    {
        assert_eq!(problem(&ada.ask(wrong)), ("invalid_message", false));
    }
}

#[test]
fn who_drops_and_comes_back_has_never_been_away() {
    let server = Server::with(&["--presence-grace-ms", "10000"]);
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let ada = Client::join(server.address, &writer("ada"), "general");
    told(&mut bob, "joins", "ada");
    drop(ada);
    let ada = Client::join(server.address, &writer("ada"), "general");
    drop(ada);
    let mut leaves = 0;
    bob.find("ada's end", |message| {
        leaves += message["leaves"].as_array().map_or(0, Vec::len);
        leaves > 0
    });
    assert_eq!(leaves, 1);
    assert_eq!(bob.joins("general")["members"], json!([{ "user": "bob", "name": "bob", "sockets": 1 }]));
}

#[test]
fn who_leaves_on_purpose_is_gone_at_once() {
    let server = Server::with(&["--presence-grace-ms", "600000"]);
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let ada = Client::join(server.address, &writer("ada"), "general");
    told(&mut bob, "joins", "ada");
    ada.close();
    told(&mut bob, "leaves", "ada");
    let mut cleo = Client::join(server.address, &writer("cleo"), "general");
    told(&mut bob, "joins", "cleo");
    cleo.ask(json!({ "type": "room.leave", "room": "general" }));
    told(&mut bob, "leaves", "cleo");
}

#[test]
fn a_renewed_token_with_another_name_counts_in_the_rooms_that_one_is_in() {
    let server = Server::start();
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    told(&mut bob, "joins", "ada");
    let claims = json!({ "sub": "ada", "name": "Ada II", "exp": now_s() + 60, "rooms": rooms(&["*=write"]) });
    let renewed = ada.ask(json!({ "type": "authenticate", "token": signed(SECRET, &claims) }));
    assert_eq!(renewed["name"], "Ada II");
    assert_eq!(told(&mut bob, "updates", "ada")["name"], "Ada II");
    ada.chats("general", "hello");
    assert_eq!(bob.until("chat.message")["name"], "Ada II");
}

#[test]
fn of_more_users_than_are_told_by_name_only_the_number_is_told() {
    let server = Server::with(&["--presence-users-max", "2", "--presence-grace-ms", "0"]);
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let _bob = Client::join(server.address, &writer("bob"), "general");
    told(&mut ada, "joins", "bob");
    let mut cleo = Client::enter(server.address, &writer("cleo"));
    cleo.say(json!({ "type": "room.join", "room": "general" }));
    let joined = cleo.until("room.joined");
    assert_eq!(joined["members"].as_array().map(Vec::len), Some(2));
    let state = cleo.until("presence.state");
    assert_eq!((&state["count"], &state["capped"], &state["users"]), (&json!(3), &json!(true), &json!([])));
    let capped = ada.find("the number", |message| message["count"] == 3);
    assert_eq!(
        (&capped["type"], &capped["capped"], &capped["joins"]),
        (&json!("presence.diff"), &json!(true), &json!([]))
    );
    drop(cleo);
    // The names are known to nobody any more: all of them come again.
    let state = ada.until("presence.state");
    assert_eq!(state["users"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_editor_is_present_for_json_clients_and_the_other_way_round() {
    let server = Server::with(&["--presence-grace-ms", "0"]);
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.ask(show(json!({ "mood": 1 })));
    let mut eve = Editor::join(server.address, "general", &writer("eve"), 7);
    eve.socket.say(&message::awareness(7, 1, r#"{"user":{"name":"Eve"}}"#));
    let is_eves = |person: &Value| person["user"] == "eve" && person["state"] == json!({ "user": { "name": "Eve" } });
    ada.find("eve's state", |message| {
        ["joins", "updates"]
            .iter()
            .any(|list| message[*list].as_array().is_some_and(|people| people.iter().any(is_eves)))
    });
    eve.socket.say(message::QUERY);
    let states =
        eve.until("all states", |_, message| matches!(message, Message::Awareness(states) if states.len() > 1));
    let Message::Awareness(states) = states else { unreachable!() };
    let ada_is = states.iter().find(|state| state.client != 7).expect("ada, too");
    let ada_is: Value = serde_json::from_str(&ada_is.json).unwrap();
    assert_eq!(ada_is, json!({ "user": { "name": "ada", "id": "ada" }, "state": { "mood": 1 } }));
    drop(eve);
    told(&mut ada, "leaves", "eve");
}

#[test]
fn a_users_editor_takes_the_place_of_what_stood_for_them_and_gives_it_back() {
    let server = Server::with(&["--presence-grace-ms", "0"]);
    let mut watcher = Editor::join(server.address, "general", &writer("watcher"), 1);
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let count_of_ada = |editor: &Editor| {
        let mut newest = std::collections::HashMap::new();
        for state in &editor.states {
            newest.insert(state.client, state.json.clone());
        }
        newest.values().filter(|json| json.contains("ada")).count()
    };
    watcher.until("ada stands in", |editor, _| count_of_ada(editor) == 1);
    let stand_in = watcher.states.last().unwrap().client;
    let mut editor = Editor::join(server.address, "general", &writer("ada"), 9);
    editor.socket.say(&message::awareness(9, 1, r#"{"user":{"name":"ada's editor"}}"#));
    watcher.until("the stand-in's end", |editor, _| {
        editor.states.iter().any(|state| state.client == stand_in && state.json == "null") && count_of_ada(editor) == 1
    });
    drop(editor);
    watcher.until("ada stands in again", |editor, _| {
        let gone = editor.states.iter().any(|state| state.client == 9 && state.json == "null");
        gone && count_of_ada(editor) == 1
    });
    assert_eq!(ada.ask(json!({ "type": "ping" }))["type"], "pong");
}

#[test]
fn what_a_closed_tab_showed_is_not_shown_on() {
    let server = Server::with(&["--presence-grace-ms", "0"]);
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let _ada = Client::join(server.address, &writer("ada"), "general");
    let mut tab = Client::join(server.address, &writer("ada"), "general");
    tab.ask(show(json!({ "tab": 2 })));
    bob.find("the state", |message| message.to_string().contains("\"tab\":2"));
    drop(tab);
    assert_eq!(told(&mut bob, "updates", "ada"), json!({ "user": "ada", "name": "ada", "sockets": 1 }));
}

#[test]
fn typing_is_told_once_to_the_others_and_ends_when_it_is_said_to() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    for _ in 0..5 {
        assert_eq!(ada.ask(typing(true))["type"], "done");
    }
    for _ in 0..2 {
        ada.ask(typing(false));
    }
    let told = |is_typing| json!({ "type": "user.typing", "room": "general", "user": "ada", "name": "ada", "typing": is_typing });
    assert_eq!(bob.heard_until_now("general", "user.typing"), [told(true), told(false)]);
    assert_eq!(ada.heard_until_now("general", "user.typing"), Vec::<Value>::new());
}

#[test]
fn who_joins_is_told_who_else_types() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut eve = Client::join(server.address, &writer("eve"), "general");
    ada.ask(typing(true));
    eve.ask(typing(true));
    eve.ask(typing(false));
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    let told = json!({ "type": "user.typing", "room": "general", "user": "ada", "name": "ada", "typing": true });
    assert_eq!(bob.heard_until_now("general", "user.typing"), [told]);
    let mut second = Client::join(server.address, &writer("ada"), "general");
    assert_eq!(second.heard_until_now("general", "user.typing"), Vec::<Value>::new());
}

#[test]
fn who_types_in_two_windows_is_told_of_it_in_none() {
    let server = Server::start();
    let mut windows = [(); 2].map(|()| Client::join(server.address, &writer("ada"), "general"));
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    let mut heard = Vec::new();
    for is_typing in [true, false] {
        for window in &mut windows {
            heard.extend(window.ask_hearing(typing(is_typing)).0);
        }
    }
    let told = bob.heard_until_now("general", "user.typing");
    assert_eq!(told.iter().map(|each| &each["typing"]).collect::<Vec<_>>(), [&json!(true), &json!(false)]);
    heard.extend(windows.iter_mut().flat_map(|window| window.heard_until_now("general", "user.typing")));
    heard.retain(|message| message["type"] == "user.typing");
    assert_eq!(heard, Vec::<Value>::new());
}

#[test]
fn typing_ends_by_itself_and_with_its_socket() {
    let server = Server::start();
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut cleo = Client::join(server.address, &writer("cleo"), "general");
    ada.ask(typing(true));
    cleo.ask(typing(true));
    drop(cleo);
    let stopped = bob.find("cleo's end", |message| message["typing"] == json!(false));
    assert_eq!((&stopped["user"], &stopped["name"]), (&json!("cleo"), &json!("cleo")));
    let stopped = bob.find("ada's end", |message| message["typing"] == json!(false));
    assert_eq!((&stopped["user"], &stopped["name"]), (&json!("ada"), &json!("ada")));
}
