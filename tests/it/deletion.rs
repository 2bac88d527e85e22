//! Deleted rooms: who is in them is put out, nothing of theirs is acknowledged any more, and nobody brings the room back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::DEADLINE;
use crate::support::database::execute;
use crate::support::editor::{Editor, typed, whole};
use crate::support::events::Events;
use crate::support::frame::CLOSE;
use crate::support::http::{Answer, ask, get, post_json, request};
use crate::support::json::Client;
use crate::support::message;
use crate::support::process::Process;
use crate::support::provider::{Provider, WRITER, auth, denied};
use crate::support::server::{Server, database_url};
use crate::support::socket::Socket;
use crate::support::token::{token, writer};
use crate::support::{eventually, within};

const PLAN: &str = "/api/v1/rooms/plan";
const REASON: &str = "the room was deleted";

fn admin() -> String {
    token("root", &["*=admin"])
}

fn delete(address: std::net::SocketAddr, query: &str) -> Answer {
    ask("DELETE", address, &format!("{PLAN}{query}"), Some(&admin()))
}

fn undelete(address: std::net::SocketAddr) -> Answer {
    ask("POST", address, &format!("{PLAN}/undelete"), Some(&admin()))
}

fn with_plan() -> Server {
    let server = Server::start();
    Editor::join(server.address, "plan", &writer("alice"), 1).saves("one ");
    server
}

#[test]
fn who_is_in_a_deleted_room_is_put_out_by_every_protocol_and_kept_out() {
    let server = with_plan();
    let address = server.address;
    let mut editor = Editor::join(address, "plan", &writer("alice"), 2);
    let mut provider = Provider::open(address, "plan", &writer("bob"), WRITER);
    provider.say("other", &auth(&writer("bob"), None));
    provider.until("other", WRITER);
    let mut json = Client::join(address, &writer("carol"), "plan");
    json.joins("other");
    let mut events = Events::open(address, "/api/v1/rooms/plan/events", &writer("dora"));
    events.until("presence.state");

    assert_eq!(ask("DELETE", address, PLAN, Some(&writer("alice"))).error(), (403, "forbidden".into()));
    let answer = delete(address, "");
    let told = answer.json();
    assert_eq!((answer.status, &told["room"], &told["disconnected"]), (200, &json!("plan"), &json!(4)), "{told}");
    assert_eq!((&told["deletion"]["by"], &told["deletion"]["remains"]), (&json!("root"), &json!("all")));
    assert_eq!(editor.socket.closed(), (4404, REASON.to_owned()));
    let closed = [&[7, REASON.len() as u8][..], REASON.as_bytes()].concat();
    provider.until("plan", &closed);
    assert_eq!(json.until("room.evicted")["reason"], REASON);
    assert_eq!(events.closed(), (4404, REASON.to_owned()));
    // The other rooms of these connections go on.
    json.chats("other", "here");
    assert_eq!(json.ask(json!({ "type": "chat.message", "room": "plan", "text": "?" }))["code"], "not_joined");

    assert_eq!(Socket::yjs(address, "plan", &writer("alice")).closed(), (4404, REASON.to_owned()));
    provider.say("plan", &auth(&writer("bob"), None));
    provider.until("plan", &denied(REASON));
    let refused = json.ask(json!({ "type": "room.join", "room": "plan" }));
    assert_eq!((&refused["code"], &refused["temporary"]), (&json!("room_deleted"), &json!(false)), "{refused}");
    let mut events = Events::open(address, "/api/v1/rooms/plan/events", &writer("dora"));
    assert_eq!(events.closed(), (4404, REASON.to_owned()));
    json.chats("other", "still here");
}

#[test]
fn nothing_is_read_of_a_deleted_room_or_written_to_it_over_rest() {
    let server = with_plan();
    let (address, writer) = (server.address, writer("alice"));
    delete(address, "");
    let gone = (410, "room_deleted".to_owned());
    for path in ["", "/document", "/document?at=1&format=text", "/history", "/versions", "/activity", "/presence"] {
        assert_eq!(get(address, &format!("{PLAN}{path}"), Some(&writer)).error(), gone, "{path}");
    }
    for (path, body) in [
        ("/messages", json!({ "text": "hi" })),
        ("/versions", json!({ "seq": 1, "label": "a" })),
        ("/restore", json!({ "to": 0 })),
    ] {
        assert_eq!(post_json(address, &format!("{PLAN}{path}"), Some(&writer), &body).error(), gone, "{path}");
    }
    let sent = request(
        address,
        &format!(
            "PUT {PLAN}/document HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {writer}\r\n\
             Content-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{{\"text\":\"more\"}}"
        ),
    );
    assert_eq!(sent.error(), gone);
    // Who may not read the room hears nothing of it.
    let stranger = token("eve", &["other=read"]);
    assert_eq!(get(address, PLAN, Some(&stranger)).error(), (404, "room_not_found".into()));
    assert_eq!(get(address, "/api/v1/rooms", Some(&writer)).json()["rooms"], json!([]));
    assert_eq!(get(address, "/api/v1/rooms?deleted=true", Some(&writer)).json()["rooms"], json!([]));
    let listed = get(address, "/api/v1/rooms?deleted=true", Some(&admin())).json();
    assert_eq!((&listed["rooms"][0]["room"], &listed["rooms"][0]["seq"]), (&json!("plan"), &json!(1)), "{listed}");
    assert_eq!(listed["rooms"][0]["deletion"]["remains"], "all");
}

#[test]
fn a_deletion_is_taken_back_and_the_room_is_as_it_was() {
    let server = with_plan();
    let address = server.address;
    delete(address, "");
    let mut late = Socket::yjs(address, "plan", &writer("alice"));
    assert_eq!(late.closed().0, 4404);
    let answer = undelete(address);
    assert_eq!((answer.status, &answer.json()["seq"]), (200, &json!(1)));
    let mut editor = Editor::join(address, "plan", &writer("alice"), 2);
    assert_eq!(editor.text(), "one ");
    editor.saves("two ");
    // Of one that is not deleted it is none the less there.
    assert_eq!(undelete(address).status, 200);
    assert_eq!(get(address, PLAN, Some(&admin())).json()["seq"], 2);
    assert_eq!(delete(address, "?free=true").error(), (400, "invalid_parameter".into()));
    let nobody = |method, path| ask(method, address, path, Some(&admin())).error();
    assert_eq!(nobody("DELETE", "/api/v1/rooms/nobody"), (404, "room_not_found".into()));
    assert_eq!(nobody("POST", "/api/v1/rooms/nobody/undelete"), (404, "room_not_found".into()));
}

#[test]
fn trap_34_what_was_deleted_for_good_comes_back_neither_by_a_step2_nor_by_what_was_in_flight() {
    let server = with_plan();
    let address = server.address;
    let mut offline = Editor::join(address, "plan", &writer("bob"), 2);
    offline.until_text("one ");
    let offline = offline.leave();
    typed(&offline, "offline ");
    let told = delete(address, "?hard=true").json();
    assert_eq!(told["deletion"]["remains"], "name", "{told}");
    assert_eq!(undelete(address).error(), (410, "room_purged".into()));
    // It comes back with all it has.
    let mut back = Socket::yjs(address, "plan", &writer("bob"));
    back.say(&message::step2(&whole(&offline)));
    assert_eq!(back.closed().0, 4404);
    assert_eq!(get(address, &format!("{PLAN}/document"), Some(&admin())).error(), (410, "room_deleted".into()));
    let told = delete(address, "?hard=true&free=true").json();
    assert_eq!(told["deletion"]["remains"], "nothing", "{told}");
    assert_eq!(get(address, PLAN, Some(&admin())).error(), (404, "room_not_found".into()));
    let mut editor = Editor::join(address, "plan", &writer("alice"), 3);
    assert_eq!(editor.text(), "");
    editor.saves("new");
    let entries = get(address, &format!("{PLAN}/history"), Some(&admin())).json();
    assert_eq!(entries["entries"].as_array().unwrap().iter().map(|entry| &entry["seq"]).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_was_acknowledged_was_there_when_the_room_was_deleted_and_nothing_after_that() {
    let server = with_plan();
    let address = server.address;
    for round in 0..5 {
        let is_deleted = AtomicBool::new(false);
        let acknowledged: Vec<usize> = std::thread::scope(|scope| {
            let typing: Vec<_> = (0..4_u64)
                .map(|one| {
                    let is_deleted = &is_deleted;
                    scope.spawn(move || {
                        let mut editor = Editor::join(address, "plan", &writer("alice"), 100 + round * 10 + one);
                        let mut acknowledged = 0;
                        let started = Instant::now();
                        loop {
                            let update = editor.types("x");
                            loop {
                                assert!(started.elapsed() < DEADLINE);
                                match editor.socket.next() {
                                    Ok(frame) if frame.payload == message::update(&update) => break,
                                    Ok(frame) if frame.opcode == CLOSE => return acknowledged,
                                    Ok(_) => {}
                                    Err(_) => return acknowledged,
                                }
                            }
                            acknowledged += 1;
                            if acknowledged == 20 {
                                is_deleted.store(true, Ordering::Relaxed);
                            }
                        }
                    })
                })
                .collect();
            eventually("some typing", || is_deleted.load(Ordering::Relaxed).then_some(()));
            assert_eq!(delete(address, "").status, 200);
            typing.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let before = get(address, "/api/v1/rooms?deleted=true", Some(&admin())).json()["rooms"][0]["seq"].clone();
        assert_eq!(undelete(address).json()["seq"], before, "nothing was stored after the deletion");
        let text = get(address, &format!("{PLAN}/document?format=text&root=t"), Some(&admin()));
        let typed = text.text().matches('x').count();
        // A deletion may come between a commit and its acknowledgement, never the other way round; each waits for one.
        let all: usize = acknowledged.iter().sum();
        assert!((all..=all + acknowledged.len()).contains(&typed), "{typed} were stored, {all} acknowledged");
        delete(address, "?hard=true&free=true");
        Editor::join(address, "plan", &writer("alice"), 1).saves("one ");
    }
}

#[test]
fn a_deletion_outlives_a_kill_and_what_was_half_gone_goes_on_going() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    Editor::join(process.address, "plan", &writer("alice"), 1).saves("one ");
    assert_eq!(delete(process.address, "").status, 200);
    process.kill();
    let process = Process::start(folder.path(), &[]);
    assert_eq!(Socket::yjs(process.address, "plan", &writer("alice")).closed().0, 4404);
    assert_eq!(undelete(process.address).status, 200);
    assert_eq!(Editor::join(process.address, "plan", &writer("alice"), 2).text(), "one ");
    // As a kill leaves it between the first part and the last one.
    process.kill();
    let half_gone = "update room set deleted_at = 1, deleted_by = 'root', purge_at = 1, purge = 1, frees_name = true";
    execute(&database_url(folder.path()), half_gone);
    let process = Process::start(folder.path(), &[]);
    let left = || get(process.address, "/api/v1/rooms?deleted=true", Some(&admin())).json()["rooms"].clone();
    within(DEADLINE, "it goes on", || (left() == json!([])).then_some(()));
    assert_eq!(Editor::join(process.address, "plan", &writer("alice"), 3).text(), "");
}

#[test]
fn what_is_in_a_deleted_room_goes_by_itself_after_a_while() {
    let server = Server::with(&["--deleted-rooms-kept", "1s"]);
    let address = server.address;
    Editor::join(address, "plan", &writer("alice"), 1).saves("one ");
    delete(address, "");
    let remains = || {
        let listed = get(address, "/api/v1/rooms?deleted=true", Some(&admin())).json();
        listed["rooms"][0]["deletion"]["remains"].clone()
    };
    eventually("its content is gone", || (remains() == json!("name")).then_some(()));
    assert_eq!(undelete(address).error(), (410, "room_purged".into()));
    assert_eq!(Socket::yjs(address, "plan", &writer("alice")).closed().0, 4404);
}

#[test]
fn a_deleted_room_that_cannot_be_emptied_holds_no_other_one_up() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--deleted-rooms-kept", "1s"]);
    let address = process.address;
    for room in ["damaged", "plan"] {
        Editor::join(address, room, &writer("alice"), 1).saves("one ");
    }
    let refusing = "create trigger refuse before delete on entry \
                    when old.room_id = (select id from room where name = 'damaged') \
                    begin select raise(abort, 'refused'); end";
    execute(&database_url(folder.path()), refusing);
    // The first to go is the one that cannot.
    assert_eq!(ask("DELETE", address, "/api/v1/rooms/damaged", Some(&admin())).status, 200);
    assert_eq!(delete(address, "").status, 200);
    eventually("the other one is empty", || {
        let listed = get(address, "/api/v1/rooms?deleted=true", Some(&admin())).json();
        let remains = |place: usize| listed["rooms"][place]["deletion"]["remains"].clone();
        assert_ne!(remains(0), "name", "{listed}");
        (remains(1) == "name").then_some(())
    });
    let log = process.log_with("what is in a deleted room cannot be deleted now", 1);
    let line = log.lines().find(|line| line.contains("cannot be deleted now")).unwrap();
    assert!(line.contains("WARN") && line.contains("room.id"), "{line}");
}

#[test]
fn a_request_that_waits_for_the_next_entry_hears_that_there_is_none() {
    let server = with_plan();
    let address = server.address;
    let _member = Editor::join(address, "plan", &writer("bob"), 2);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get(address, &format!("{PLAN}/history?after=1&wait=30"), Some(&writer("alice"))));
        let post = || post_json(address, &format!("{PLAN}/messages"), Some(&writer("bob")), &json!({ "text": "hi" }));
        assert!([201, 410].contains(&post().status));
        delete(address, "");
        let answer: Value = waiting.join().unwrap().json();
        assert!(answer["entries"].is_array() || answer["error"]["code"] == "room_deleted", "{answer}");
    });
}
