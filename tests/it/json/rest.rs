//! What servers say by REST reaches JSON clients, and pages of allowed origins may ask.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Answer, get, post_json, request};
use crate::support::json::Client;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{reader, token, writer};

const MESSAGES: &str = "/api/v1/rooms/general/messages";

fn admin() -> String {
    token("root", &["*=admin"])
}

#[test]
fn what_is_published_is_in_the_timeline_and_comes_to_all() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let published =
        post_json(server.address, MESSAGES, Some(&writer("bot")), &json!({ "text": "deployed", "payload": 7 }));
    assert_eq!((published.status, &published.json()["seq"]), (201, &json!(1)));
    let message = ada.until("chat.message");
    assert_eq!(
        (&message["user"], &message["text"], &message["payload"]),
        (&json!("bot"), &json!("deployed"), &json!(7))
    );
    assert_eq!(message["timestamp"], published.json()["timestamp"]);
    let event = json!({ "type": "order.updated", "payload": {}, "key": "k" });
    for _ in 0..2 {
        assert_eq!(post_json(server.address, MESSAGES, Some(&writer("bot")), &event).json()["seq"], 2);
    }
    let history = get(server.address, "/api/v1/rooms/general/history", Some(&reader("ada"))).json();
    let bodies: Vec<&Value> = history["entries"].as_array().unwrap().iter().map(|entry| &entry["body"]).collect();
    let chat = json!({ "type": "chat.message", "name": "bot", "text": "deployed", "payload": 7 });
    assert_eq!(bodies, [&chat, &json!({ "type": "order.updated", "name": "bot", "payload": {} })]);
}

#[test]
fn a_batch_is_published_whole_or_refused_whole() {
    let server = Server::start();
    let batch = |count: usize| json!(vec![json!({ "text": "x" }); count]);
    let answer = post_json(server.address, MESSAGES, Some(&admin()), &batch(256)).json();
    let seqs: Vec<u64> = answer.as_array().unwrap().iter().map(|each| each["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=256).collect::<Vec<u64>>());
    assert_eq!(post_json(server.address, MESSAGES, Some(&admin()), &batch(257)).error(), (400, "invalid_body".into()));
    let one_wrong = json!([{ "text": "fine" }, { "text": 7 }]);
    assert_eq!(post_json(server.address, MESSAGES, Some(&admin()), &one_wrong).error(), (400, "invalid_body".into()));
    assert_eq!(post_json(server.address, MESSAGES, Some(&admin()), &json!([])).json(), json!([]));
    assert_eq!(post_json(server.address, MESSAGES, Some(&admin()), &json!({ "text": "next" })).json()["seq"], 257);
}

#[test]
fn what_may_not_be_published_is_refused() {
    let server = Server::start();
    let say = |token: Option<&str>, body: Value| post_json(server.address, MESSAGES, token, &body).error();
    assert_eq!(say(None, json!({ "text": "x" })), (401, "unauthorized".into()));
    assert_eq!(say(Some(&reader("ada")), json!({ "text": "x" })), (403, "forbidden".into()));
    assert_eq!(say(Some(&token("ada", &["other=write"])), json!({ "text": "x" })), (404, "room_not_found".into()));
    for wrong in [
        json!({}),
        json!(7),
        json!({ "type": "user.typing" }),
        json!({ "type": "a.b", "ephemeral": true }),
        json!({ "text": "\0" }),
        json!({ "text": "x", "colour": 1 }),
        json!({ "text": "x", "key": "k".repeat(257) }),
    ] {
        assert_eq!(say(Some(&writer("ada")), wrong), (400, "invalid_body".into()));
    }
    let large = json!({ "text": "x".repeat(1 << 20) });
    assert_eq!(say(Some(&writer("ada")), large), (413, "too_large".into()));
    let stats =
        post_json(server.address, "/api/v1/rooms/tutti/stats/messages", Some(&admin()), &json!({ "text": "x" }));
    assert_eq!(stats.error(), (403, "forbidden".into()));
}

#[test]
fn publishing_is_limited_by_user_but_for_servers_and_by_room_for_all() {
    let server = Server::with(&["--rate-user", "2", "--rate-room", "20"]);
    let many = |token: &str| {
        let statuses = (0..45).map(|_| post_json(server.address, MESSAGES, Some(token), &json!({ "text": "x" })));
        statuses.filter(|answer| answer.status == 201).count()
    };
    assert!(many(&writer("eve")) < 45, "a user is limited");
    let four = json!(vec![json!({ "text": "x" }); 4]);
    let refused = eventually("a batch too soon after another", || {
        let answer = post_json(server.address, MESSAGES, Some(&writer("eve")), &four);
        (answer.status != 201).then_some(answer)
    });
    assert_eq!(refused.error(), (429, "rate_limited".into()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(post_json(server.address, MESSAGES, Some(&writer("ada")), &json!({ "text": "x" })).status, 201);
    let batch = json!(vec![json!({ "text": "x" }); 40]);
    let statuses: Vec<u16> =
        (0..3).map(|_| post_json(server.address, MESSAGES, Some(&admin()), &batch).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn a_server_says_something_to_one_user() {
    let server = Server::start();
    let mut bob = Client::enter(server.address, &reader("bob"));
    let path = "/api/v1/users/bob/messages";
    let told = post_json(server.address, path, Some(&admin()), &json!({ "payload": { "badge": 3 } }));
    assert_eq!((told.status, told.json()), (200, json!({ "sockets": 1 })));
    let direct = bob.next();
    assert_eq!(
        (&direct["type"], &direct["user"], &direct["payload"]),
        (&json!("direct.message"), &json!("root"), &json!({ "badge": 3 }))
    );
    let large = json!({ "payload": "x".repeat(100_000) });
    assert_eq!(post_json(server.address, path, Some(&admin()), &large).json(), json!({ "sockets": 1 }));
    assert_eq!(bob.next()["payload"], large["payload"]);
    let too_large = json!({ "payload": "x".repeat(1 << 20) });
    assert_eq!(post_json(server.address, path, Some(&admin()), &too_large).error(), (413, "too_large".into()));
    assert_eq!(post_json(server.address, path, Some(&reader("eve")), &json!({ "payload": 1 })).status, 403);
    assert_eq!(post_json(server.address, path, None, &json!({ "payload": 1 })).status, 401);
    assert_eq!(post_json(server.address, path, Some(&admin()), &json!({ "payload": "\0" })).error().0, 400);
}

#[test]
fn the_type_of_a_body_need_not_be_told() {
    let server = Server::start();
    let (address, token) = (server.address, admin());
    for (path, body, status) in [
        (MESSAGES, r#"{"text":"x"}"#, 201),
        ("/api/v1/users/bob/messages", r#"{"payload":1}"#, 200),
        ("/api/v1/rooms/general/disconnect", "{}", 200),
    ] {
        for content_type in ["", "Content-Type: application/x-www-form-urlencoded\r\n"] {
            let answer = request(
                address,
                &format!(
                    "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{content_type}\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                ),
            );
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
        }
    }
}

#[test]
fn an_admin_puts_a_user_or_all_out_of_a_room() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.joins("other");
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let mut editor = Socket::yjs(server.address, "general", &writer("ada"));
    editor.message();
    let path = "/api/v1/rooms/general/disconnect";
    assert_eq!(post_json(server.address, path, Some(&writer("ada")), &json!({})).error(), (403, "forbidden".into()));
    let reason = format!("enough {}", "é".repeat(300));
    let answer = post_json(server.address, path, Some(&admin()), &json!({ "user": "ada", "reason": reason }));
    assert_eq!(answer.json(), json!({ "disconnected": 2 }));
    let evicted = ada.until("room.evicted");
    assert_eq!(evicted, json!({ "type": "room.evicted", "room": "general", "reason": reason }));
    assert_eq!(editor.closed().0, 4403);
    drop(editor);
    // The connection and its other rooms stay.
    assert_eq!(ada.ask(json!({ "type": "chat.message", "room": "general", "text": "?" }))["code"], "not_joined");
    ada.chats("other", "here");
    bob.chats("general", "not me");
    let presence = || get(server.address, "/api/v1/rooms/general/presence", Some(&admin())).json()["users"].clone();
    let bob_alone = json!([{ "user": "bob", "name": "bob", "sockets": 1 }]);
    eventually("bob is alone", || (presence() == bob_alone).then_some(()));
    assert_eq!(post_json(server.address, path, Some(&admin()), &json!({})).json(), json!({ "disconnected": 1 }));
    bob.until("room.evicted");
    assert_eq!(post_json(server.address, path, Some(&admin()), &json!({})).json(), json!({ "disconnected": 0 }));
}

#[test]
fn the_figures_are_for_admins_of_their_room() {
    let server = Server::start();
    let _ada = Client::enter(server.address, &writer("ada"));
    let path = "/api/v1/stats";
    assert_eq!(get(server.address, path, None).status, 401);
    assert_eq!(get(server.address, path, Some(&writer("ada"))).error(), (403, "forbidden".into()));
    let figures = eventually("the first figures", || {
        let figures = get(server.address, path, Some(&token("ops", &["tutti/stats=admin"]))).json();
        figures["activeConnections"].as_u64().is_some_and(|count| count > 0).then_some(figures)
    });
    let names = [
        "activeConnections",
        "messagesPerSecond",
        "averageMessageSizeBytes",
        "disconnectRatePerMinute",
        "memoryBytes",
        "rooms",
    ];
    assert!(names.iter().all(|name| figures[name].is_u64()), "{figures}");
}

/// A request of a page at `origin`.
fn of_page(server: &Server, method: &str, path: &str, origin: &str, headers: &str) -> Answer {
    request(
        server.address,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n",
            server.address
        ),
    )
}

#[test]
fn pages_of_allowed_origins_may_ask_with_a_token_and_no_others() {
    let server = Server::with(&["--allowed-origins", "https://app.example.com"]);
    Client::join(server.address, &writer("ada"), "general").chats("general", "hi");
    let path = "/api/v1/rooms/general/history";
    let bearer = format!("Authorization: Bearer {}\r\n", reader("ada"));
    let answer = of_page(&server, "GET", path, "https://app.example.com", &bearer);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("https://app.example.com")));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let preflight =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n";
    let answer = of_page(&server, "OPTIONS", MESSAGES, "https://app.example.com", preflight);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("https://app.example.com")));
    assert!(answer.header("access-control-allow-headers").is_some_and(|names| names.contains("authorization")));
    for foreign in ["https://evil.example", "https://app.example.com.evil.io", "http://app.example.com", "null"] {
        let answer = of_page(&server, "GET", path, foreign, &bearer);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{foreign}");
        let answer = of_page(&server, "OPTIONS", path, foreign, preflight);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{foreign}");
    }
    // What is no API says nothing to other pages, and errors of the API can be read.
    assert_eq!(
        of_page(&server, "GET", "/healthz", "https://app.example.com", "").header("access-control-allow-origin"),
        None
    );
    let denied = of_page(&server, "GET", path, "https://app.example.com", "");
    assert_eq!((denied.status, denied.header("access-control-allow-origin")), (401, Some("https://app.example.com")));
}
