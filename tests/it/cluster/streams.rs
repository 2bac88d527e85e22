//! What the clients of event streams say to a server that does not have their stream.

use serde_json::{Value, json};
use tutti::bus::FORWARDED_BYTES_MAX;

use super::{By, Servers, on_each_bus};
use crate::network::Direction;
use crate::support::events::Events;
use crate::support::eventually;
use crate::support::http::{Answer, post_json, post_text};
use crate::support::json::Client;
use crate::support::token::{reader, writer};

/// Where the client of a stream says something.
fn path(stream: &Events, key: &str) -> String {
    format!("/api/v1/events/{}?key={key}", stream.client)
}

/// Says something again until the other server has answered in time.
fn answered(says: impl Fn() -> Answer) -> Answer {
    eventually("it is answered", || Some(says()).filter(|answer| answer.status != 503))
}

fn chat(text: &str) -> Value {
    json!({ "type": "chat.message", "room": "r", "text": text })
}

on_each_bus! {
    fn a_message_to_another_server_is_heard_as_long_as_it_fits_the_bus(by: By) {
        let most = (4 * FORWARDED_BYTES_MAX).to_string();
        let servers = Servers::with(by, "long", 2, &["--json-message-bytes-max", &most]);
        let token = writer("ada");
        let mut ada = Events::open(servers.at(1), "/api/v1/events", &token);
        let said = |length: usize| -> Answer {
            let ping = json!({ "type": "ping", "requestId": "p" }).to_string();
            let body = ping.clone() + &" ".repeat(length - ping.len());
            post_text(servers.at(0), &path(&ada, "k"), Some(&token), &body)
        };
        assert_eq!(said(FORWARDED_BYTES_MAX + 1).error(), (413, "too_large".into()));
        assert_eq!(answered(|| said(FORWARDED_BYTES_MAX)).status, 204);
        assert_eq!(ada.until("pong")["requestId"], "p");
    }
}

#[test]
fn what_was_heard_though_its_answer_was_lost_is_not_heard_again() {
    let mut servers = Servers::start(By::Postgres, "answers", 1);
    let network = servers.add_behind();
    servers.have_met();
    let token = writer("ada");
    let mut ada = Events::open(servers.at(1), "/api/v1/events", &token);
    ada.ask_for(&token, json!({ "type": "room.join", "room": "r" }));
    let mut bob = Client::join(servers.at(1), &reader("bob"), "r");
    let says = |text: &str, key: &str| post_json(servers.at(0), &path(&ada, key), Some(&token), &chat(text));
    assert_eq!(answered(|| says("one", "1")).status, 204);
    assert_eq!(bob.until("chat.message")["seq"], 1);
    network.lose(Direction::Up);
    assert_eq!(says("two", "2").error(), (503, "try_later".into()));
    assert_eq!(bob.until("chat.message")["seq"], 2);
    network.restore();
    network.drop_connections();
    eventually("the bus is back", || (servers.bus_of(1) == "ok").then_some(()));
    assert_eq!(answered(|| says("two", "2")).status, 204);
    assert_eq!(answered(|| says("three", "3")).status, 204);
    let third = bob.until("chat.message");
    assert_eq!((&third["seq"], &third["text"]), (&json!(3), &json!("three")));
}
