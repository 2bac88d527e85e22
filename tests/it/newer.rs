//! What a newer release has stored is no damage to a server that does not know it: it goes on with the rest, and says so once.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::database::{execute, number};
use crate::support::editor::Editor;
use crate::support::http::{ask, get, post_json};
use crate::support::process::Process;
use crate::support::server::{Server, database_url};
use crate::support::token::{token, writer};
use crate::support::{DEADLINE, eventually};

/// Layouts that no release has, each with the checksum of its number: of a segment, a snapshot, an erasure's plan, a pack.
const SEGMENT: &str = "x'7f2083b812'";
const SNAPSHOT: &str = "x'7eb6b3bf65'";
const PLAN: &str = "x'7d0ce2b6fc'";
const PACK: &str = "x'7c9ad2b18b'";

#[test]
fn what_a_newer_release_has_stored_is_left_alone_and_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), &database_url(folder.path()));
    let mut process = Process::start(folder, &[]);
    for room in ["read", "erased", "packed"] {
        let mut ada = Editor::join(process.address, room, &writer("ada"), 1);
        ada.saves("one");
        ada.saves("two");
    }
    process.terminate();
    process.wait(DEADLINE);
    for sql in [
        &format!(
            "insert into history (room_id, after, seq, body) select id, 0, head, {SEGMENT} from room where name = 'read'"
        ),
        "delete from snapshot",
        &format!(
            "insert into snapshot (room_id, seq, state, whole_bytes) select id, head, {SNAPSHOT}, 99 from room where name = 'read'"
        ),
        &format!("insert into erasure (room_id, plan, upto) select id, {PLAN}, head from room where name = 'erased'"),
        "update room set epoch = epoch + 1 where name = 'erased'",
        &format!(
            "insert into pack (room_id, seq, first_seq, body) select id, 1, 1, {PACK} from room where name = 'packed'"
        ),
        "delete from entry where seq = 1 and room_id = (select id from room where name = 'packed')",
    ] {
        execute(url, sql);
    }

    let process = Process::start(folder, &["--metrics-bind", "127.0.0.1:0", "--room-idle-ms", "50"]);
    let address = process.address;
    let past = |seq: u64| {
        let path = format!("/api/v1/rooms/read/document?format=text&at={seq}");
        get(address, &path, Some(&token("ada", &["*=admin"]))).text().to_owned()
    };
    let log = process.log_with("waits for a server of a newer release", 1);
    assert!(log.contains("room.name=erased"), "{log}");
    for id in 2..5 {
        assert_eq!([past(1), past(2)], ["one", "onetwo"]);
        let refused = get(address, "/api/v1/rooms/packed/document?format=text", Some(&writer("ada")));
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("try_later")));
        let mut bob = Editor::join(address, "read", &writer("bob"), id);
        assert!(bob.text().starts_with("onetwo"), "{}", bob.text());
        bob.saves("!");
    }
    let count = |table: &str, column: &str, body: &str| {
        number(url, &format!("select count(*) from {table} where {column} = {body}"))
    };
    assert_eq!([count("history", "body", SEGMENT), count("snapshot", "state", SNAPSHOT)], [1, 1]);
    assert_eq!([count("erasure", "plan", PLAN), count("pack", "body", PACK)], [1, 1]);
    for layout in [127, 126, 125, 124] {
        let log = process.log_with(&format!("layout {layout},"), 1);
        let is_it = |line: &&str| line.contains(&format!("layout {layout},")) && line.contains("(told once)");
        assert_eq!(log.lines().filter(is_it).count(), 1, "{layout}: {log}");
    }
    let log = process.log();
    assert!(!log.contains("ERROR"), "{log}");
    let metrics = get(process.metrics_address(), "/metrics", None);
    let met = metrics.text().lines().find_map(|line| line.strip_prefix("tutti_newer_formats_met_total "));
    assert!(met.unwrap().parse::<u32>().unwrap() >= 4, "{met:?}");
}

#[test]
fn webhooks_wait_for_a_newer_release_whose_endpoints_are_there_or_until_these_are_deleted() {
    let server = Server::start();
    let admin = token("root", &["*=admin"]);
    let known = json!({ "url": "https://app.example.com/", "events": ["message.created"] });
    let answer = post_json(server.address, "/api/v1/webhooks", Some(&admin), &known);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let url = &server.database_url;
    execute(
        url,
        "insert into webhook (id, url, secret, events, rooms, content, root, paused, created_at) \
         select 'wh_later', url, secret, events, rooms, 'a later format', root, paused, created_at from webhook",
    );
    let say = |text: &str| {
        let said = json!({ "text": text });
        let answer = post_json(server.address, "/api/v1/rooms/chat/messages", Some(&writer("ada")), &said);
        assert_eq!(answer.status, 201, "{}", answer.text());
    };
    say("one");
    let waiting = || number(url, "select count(*) from webhook_due where since < head");
    let queued = || number(url, "select count(*) from webhook_delivery");
    // Longer than sorting takes.
    for _ in 0..20 {
        assert_eq!((waiting(), queued()), (1, 0));
        thread::sleep(Duration::from_millis(100));
    }
    let answer = ask("DELETE", server.address, "/api/v1/webhooks/wh_later", Some(&admin));
    assert_eq!(answer.status, 204, "{}", answer.text());
    eventually("what waited is told", || (queued() == 1).then_some(()));
}

#[test]
fn what_no_server_sorts_waits_as_far_as_it_is_bounded_also_where_no_webhook_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), &database_url(folder.path()));
    let mut process = Process::start(folder, &[]);
    process.terminate();
    process.wait(DEADLINE);
    execute(
        url,
        "insert into webhook (id, url, secret, events, rooms, content, created_at) \
         values ('wh_later', 'https://app.example.com/', 'whsec_', '[\"*\"]', '*', 'a later format', 0)",
    );
    for (id, kind) in [(1, "presence.joined"), (2, "room.deleted"), (3, "presence.left"), (100_002, "presence.joined")]
    {
        execute(url, &format!("insert into webhook_event (id, room, type, at) values ({id}, 'chat', '{kind}', 0)"));
    }
    let process = Process::start(folder, &["--metrics-bind", "127.0.0.1:0"]);
    eventually("the oldest is dropped", || {
        (number(url, "select count(*) from webhook_event where id = 1") == 0).then_some(())
    });
    assert_eq!(number(url, "select count(*) from webhook_event"), 3);
    process.log_with("too much waits for a server that can sort it", 1);
    let metrics = get(process.metrics_address(), "/metrics", None);
    assert!(metrics.text().contains("\ntutti_webhook_events_dropped_total 1\n"), "{}", metrics.text());
}
