//! Rule 14: who is revoked is out within a second, on every protocol and by REST, and stays out.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tutti::auth::now_s;

use crate::support::database::Lock;
use crate::support::editor::{Editor, document, typed};
use crate::support::http::{Answer, ask, get, post_json};
use crate::support::json::Client;
use crate::support::postgres::Postgres;
use crate::support::process::Process;
use crate::support::provider::{Provider, WRITER, auth};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{SECRET, reader, rooms, signed, token, writer};
use crate::support::{DEADLINE, eventually};

const PATH: &str = "/api/v1/revocations";
/// What "within a second" is allowed on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(10);

fn admin() -> String {
    token("root", &["*=admin"])
}

fn revoke(address: SocketAddr, what: &Value) -> Answer {
    post_json(address, PATH, Some(&admin()), what)
}

/// A writer's token with an id, issued so many seconds ago.
fn issued(user: &str, id: &str, ago_s: u64) -> String {
    let now_s = now_s();
    let claims =
        json!({ "sub": user, "jti": id, "iat": now_s - ago_s, "exp": now_s + 3600, "rooms": rooms(&["*=write"]) });
    signed(SECRET, &claims)
}

fn status(address: SocketAddr, token: &str) -> u16 {
    get(address, "/api/v1/rooms", Some(token)).status
}

#[test]
fn rule_14_a_revoked_user_is_closed_with_4401_on_every_protocol_and_refused_by_rest() {
    let server = Server::start();
    let mut editor = Editor::join(server.address, "room", &writer("ada"), 1);
    let mut client = Client::join(server.address, &writer("ada"), "room");
    let mut provider = Provider::connect(server.address);
    provider.say("room", &auth(&writer("ada"), None));
    provider.until("room", WRITER);
    let mut other = Editor::join(server.address, "room", &writer("bob"), 2);

    let started = Instant::now();
    let answer = revoke(server.address, &json!({ "sub": "ada" }));
    assert_eq!((answer.status, answer.json()["sub"].as_str()), (201, Some("ada")), "{answer:?}");
    assert_eq!(status(server.address, &writer("ada")), 401);
    for socket in [&mut editor.socket, &mut client.socket, &mut provider.socket] {
        assert_eq!(socket.closed(), (4401, "the token was revoked".to_owned()));
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());

    // The same token opens nothing more: neither at the upgrade nor in band.
    let mut again = Socket::yjs(server.address, "room", &writer("ada"));
    let (code, reason) = again.closed();
    assert!(code == 4401 && reason.contains("revoked"), "{code} {reason}");
    let mut in_band = Client::open(server.address);
    in_band.say(json!({ "type": "authenticate", "token": writer("ada") }));
    assert!(in_band.until("auth.error")["message"].as_str().unwrap().contains("revoked"));
    // Who is not meant goes on.
    other.saves("still here");
    assert_eq!(status(server.address, &writer("bob")), 200);
}

#[test]
fn rule_14_who_is_revoked_while_a_body_comes_writes_nothing() {
    let server = Server::start();
    let path = "/api/v1/rooms/room/document";
    let update = {
        let document = document(1);
        typed(&document, "not mine to write any more")
    };
    let json = br#"{"operations":[{"op":"set","path":["map","key"],"value":1}]}"#;
    let cases = [
        ("POST", path.to_owned(), &*update),
        ("PUT", format!("{path}?format=text&root=t"), b"not mine to write any more"),
        ("PATCH", path.to_owned(), json),
    ];
    let token = writer("ada");
    let mut streams = cases.map(|(method, path, body)| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server asks for a body when it is about to read it.
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        let (first, second) = body.split_at(length / 2);
        stream.write_all(first).unwrap();
        (stream, second)
    });
    assert_eq!(revoke(server.address, &json!({ "sub": "ada" })).status, 201);
    for (stream, second) in &mut streams {
        stream.write_all(second).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("revoked"), "{answer}");
    }
    assert_eq!(get(server.address, path, Some(&reader("bob"))).status, 404, "nobody wrote, so there is no room");
}

/// Paths and methods of the API that take a body, but for those that write documents.
fn with_bodies(address: SocketAddr) -> Vec<(String, String)> {
    let api = get(address, "/api/v1/openapi.json", None).json();
    let mut found = Vec::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["requestBody"].is_object() && !path.ends_with("/document") {
                let path = path.replace("{room}", "room").replace("{client}", "00000000-0000-0000-0000-000000000000");
                found.push((method.to_uppercase(), path.replace("{user}", "bob").replace("{webhook}", "wh_1")));
            }
        }
    }
    found
}

#[test]
fn rule_14_who_is_revoked_while_a_short_body_comes_does_nothing_at_any_path() {
    let server = Server::start();
    let ada = token("ada", &["*=admin"]);
    let cases = with_bodies(server.address);
    assert!(cases.len() >= 10, "{cases:?}");
    let mut streams: Vec<_> = cases
        .iter()
        .map(|(method, path)| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ada}\r\nContent-Length: 7\r\n\
                 Expect: 100-continue\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut asked = [0; 25];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(b"{\"x\"").unwrap();
            stream
        })
        .collect();
    assert_eq!(revoke(server.address, &json!({ "sub": "ada" })).status, 201);
    for (stream, case) in streams.iter_mut().zip(&cases) {
        stream.write_all(b":1}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("revoked"), "{case:?}: {answer}");
    }
}

#[test]
fn rule_14_by_sub_tokens_up_to_now_are_hit_and_by_jti_one_token() {
    let server = Server::start();
    assert_eq!(revoke(server.address, &json!({ "sub": "ada" })).status, 201);
    assert_eq!(status(server.address, &issued("ada", "old", 60)), 401);
    assert_eq!(status(server.address, &writer("ada")), 401, "a token that does not say when it was issued");
    let later = json!({ "sub": "ada", "iat": now_s() + 2, "exp": now_s() + 3600, "rooms": rooms(&["*=write"]) });
    assert_eq!(status(server.address, &signed(SECRET, &later)), 200);

    let (kept, stolen) = (issued("bob", "t1", 0), issued("bob", "t2", 0));
    let mut at_home = Editor::join(server.address, "room", &kept, 1);
    let mut elsewhere = Socket::yjs(server.address, "room", &stolen);
    assert_eq!(revoke(server.address, &json!({ "jti": "t2" })).status, 201);
    assert_eq!(elsewhere.closed().0, 4401);
    at_home.saves("still here");
    assert_eq!((status(server.address, &kept), status(server.address, &stolen)), (200, 401));
}

#[test]
fn rule_14_a_revocation_outlives_the_process_and_ends_when_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let until_s = now_s() + 10;
    let until = tutti::protocol::json::rfc3339(until_s as i64 * 1000);
    assert_eq!(revoke(process.address, &json!({ "sub": "ada" })).status, 201);
    assert_eq!(revoke(process.address, &json!({ "sub": "eve", "until": until })).status, 201);
    assert_eq!(status(process.address, &writer("eve")), 401);
    process.kill();
    let process = Process::start(folder.path(), &[]);
    assert_eq!(status(process.address, &writer("ada")), 401);
    assert_eq!(status(process.address, &writer("bob")), 200);
    eventually("the revocation ends", || (status(process.address, &writer("eve")) == 200).then_some(()));
    assert!(now_s() >= until_s);
    assert_eq!(status(process.address, &writer("ada")), 401);
}

#[test]
fn revocations_of_another_server_on_the_same_database_are_read() {
    let database = Postgres::fresh("revocation");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start =
        |folder: &Path, name: &str| Process::start(folder, &["--database-url", &database.url, "--server-name", name]);
    let (first, second) = (start(folders[0].path(), "first"), start(folders[1].path(), "second"));
    let mut editor = Socket::yjs(second.address, "room", &writer("ada"));
    assert_eq!(revoke(first.address, &json!({ "sub": "ada" })).status, 201);
    assert_eq!(editor.closed().0, 4401);
    assert_eq!(status(second.address, &writer("ada")), 401);
}

#[test]
fn rule_19_only_who_administers_every_room_may_revoke_or_list() {
    let server = Server::start();
    let table = [
        (token("a", &["*=admin"]), 201),
        (token("a", &["docs/*=admin", "*=admin"]), 201),
        (token("a", &["docs/secret=none", "*=admin"]), 403),
        (token("a", &["docs/*=admin"]), 403),
        (token("a", &["tutti/stats=admin"]), 403),
        (writer("a"), 403),
        (reader("a"), 403),
        (token("a", &[]), 403),
        ("nonsense".to_owned(), 401),
    ];
    for (token, expected) in table {
        let posted = post_json(server.address, PATH, Some(&token), &json!({ "jti": "none" }));
        assert_eq!(posted.status, expected, "{posted:?}");
        let listed = get(server.address, PATH, Some(&token)).status;
        assert_eq!(listed, if expected == 201 { 200 } else { expected });
    }
    assert_eq!(post_json(server.address, PATH, None, &json!({ "sub": "ada" })).status, 401);
    assert_eq!(ask("DELETE", server.address, PATH, Some(&admin())).error().0, 405);
}

#[test]
fn what_is_no_revocation_is_refused_with_a_reason() {
    let server = Server::start();
    let table = [
        json!({}),
        json!({ "sub": "a", "jti": "b" }),
        json!({ "sub": "" }),
        json!({ "sub": "a\u{0}" }),
        json!({ "sub": "x".repeat(201) }),
        json!({ "sub": 7 }),
        json!({ "sub": "a", "untill": "2030-01-01T00:00:00Z" }),
        json!({ "sub": "a", "until": "2020-01-01T00:00:00Z" }),
        json!({ "sub": "a", "until": "9999-01-01T00:00:00Z" }),
        json!({ "sub": "a", "until": "tomorrow" }),
        json!({ "sub": "a", "until": 1 }),
        json!([]),
    ];
    for body in table {
        let answer = revoke(server.address, &body);
        assert_eq!(answer.error(), (400, "invalid_body".to_owned()), "{body}");
    }
    assert_eq!(get(server.address, PATH, Some(&admin())).json()["revocations"], json!([]));
}

#[test]
fn revocations_are_listed_in_pages_with_bounds() {
    let server = Server::start();
    for name in ["c", "a", "b"] {
        assert_eq!(revoke(server.address, &json!({ "sub": name })).status, 201);
    }
    assert_eq!(revoke(server.address, &json!({ "jti": "a" })).status, 201);
    let page = |query: &str| get(server.address, &format!("{PATH}{query}"), Some(&admin()));
    let first = page("?limit=2").json();
    let ids = |page: &Value| -> Vec<String> {
        let list = page["revocations"].as_array().unwrap().iter();
        list.map(|one| one["sub"].as_str().or(one["jti"].as_str()).unwrap().to_owned()).collect()
    };
    assert_eq!((ids(&first), first["next"].as_str()), (vec!["a".to_owned(), "b".to_owned()], Some("sub:b")));
    let second = page("?limit=3&after=sub:b").json();
    assert_eq!((ids(&second), &second["next"]), (vec!["c".to_owned(), "a".to_owned()], &Value::Null));
    assert!(second["revocations"][1]["jti"] == "a" && second["revocations"][1]["revokedAt"].is_string());
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?after=ada", "?from=2"] {
        assert_eq!(page(query).error(), (400, "invalid_parameter".to_owned()), "{query}");
    }
}

#[test]
fn a_revocation_that_cannot_be_kept_is_not_acknowledged() {
    let server = Server::start();
    let mut editor = Editor::join(server.address, "room", &writer("ada"), 1);
    editor.saves("typed");
    let lock = Lock::hold(&server.database_url);
    let answer = revoke(server.address, &json!({ "sub": "ada" }));
    assert_eq!(answer.error().0, 503, "{answer:?}");
    assert_eq!(status(server.address, &writer("ada")), 200);
    drop(lock);
    assert_eq!(revoke(server.address, &json!({ "sub": "ada" })).status, 201);
    assert_eq!(editor.socket.closed().0, 4401);
}
