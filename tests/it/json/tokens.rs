//! A token's life on a live socket: it is asked for anew, renewed, changed, and ends.

use serde_json::json;

use crate::support::json::Client;
use crate::support::server::Server;
use crate::support::token::{token, token_until, writer};
use tutti::auth::now_s;

fn authenticate(token: &str) -> serde_json::Value {
    json!({ "type": "authenticate", "token": token })
}

#[test]
fn rule_13_a_token_that_runs_out_is_asked_for_before_and_its_socket_closed_to_come_back() {
    let server = Server::with(&["--jwt-leeway-s", "0"]);
    let mut client = Client::join(server.address, &token_until("ada", &["*=write"], now_s() + 12), "general");
    let expiring = client.until("token.expiring");
    assert!(expiring["expiresAt"].is_string(), "{expiring}");
    assert_eq!(client.socket.closed().0, 4504);
}

#[test]
fn a_renewed_token_keeps_the_socket_and_is_asked_for_again() {
    let server = Server::with(&["--jwt-leeway-s", "0"]);
    let mut client = Client::join(server.address, &token_until("ada", &["*=write"], now_s() + 12), "general");
    client.until("token.expiring");
    let renewed = client.ask(authenticate(&token_until("ada", &["*=write"], now_s() + 12)));
    assert_eq!(renewed["type"], "auth.success");
    client.until("token.expiring");
    assert_eq!(client.chats("general", "still here"), 1);
}

#[test]
fn a_wrong_renewal_changes_nothing() {
    let server = Server::start();
    let mut client = Client::join(server.address, &writer("ada"), "general");
    assert_eq!(client.ask(authenticate("nonsense"))["type"], "auth.error");
    assert_eq!(client.chats("general", "still here"), 1);
}

#[test]
fn rule_13_a_renewal_for_another_user_ends_the_socket_for_good() {
    let server = Server::start();
    let mut client = Client::join(server.address, &writer("ada"), "general");
    assert_eq!(client.ask(authenticate(&writer("bob")))["type"], "auth.error");
    assert_eq!(client.socket.closed().0, 4401);
}

#[test]
fn rule_15_a_renewal_gives_and_takes_rights_in_the_rooms_that_the_client_is_in() {
    let server = Server::start();
    let mut client = Client::enter(server.address, &token("ada", &["kept=write", "lost=write", "less=write"]));
    for room in ["kept", "lost", "less"] {
        client.joins(room);
    }
    client.say(authenticate(&token("ada", &["kept=admin", "less=read", "more=write"])));
    client.until("auth.success");
    let mut told = [client.next(), client.next(), client.next()];
    told.sort_by_key(|message| message["room"].to_string());
    assert_eq!(told[0], json!({ "type": "room.access", "room": "kept", "access": "admin" }));
    assert_eq!(told[1], json!({ "type": "room.access", "room": "less", "access": "read" }));
    assert_eq!((&told[2]["type"], &told[2]["room"]), (&json!("room.evicted"), &json!("lost")));
    let said = |room| json!({ "type": "chat.message", "room": room, "text": "?" });
    assert_eq!(client.ask(said("lost"))["code"], "not_joined");
    assert_eq!(client.ask(said("less"))["code"], "read_only");
    assert_eq!(client.ask(said("kept"))["type"], "saved");
    assert_eq!(client.joins("more")["access"], "write");
    // Nobody sees in a room who was put out of it.
    let mut bob = Client::join(server.address, &writer("bob"), "lost");
    assert_eq!(bob.joins("lost")["members"], json!([{ "user": "bob", "name": "bob", "sockets": 1 }]));
}
