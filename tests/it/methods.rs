//! Which methods a path takes.

use crate::support::http::ask;
use crate::support::process::Process;
use crate::support::token::token;

const READ: &[&str] = &["GET", "HEAD"];
const POST: &[&str] = &["POST"];
const LIST: &[&str] = &["GET", "HEAD", "POST"];
const SOCKET: &[&str] = &["GET"];
const DOCUMENT: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH"];
const ROOM: &[&str] = &["GET", "HEAD", "PATCH", "DELETE"];
const VERSIONS: &[&str] = &["GET", "HEAD", "POST", "PATCH", "DELETE"];

/// Every path of the server, and what it takes.
const PATHS: [(&str, &[&str]); 45] = [
    ("/healthz", READ),
    ("/readyz", READ),
    ("/api", READ),
    ("/tutti.js", READ),
    ("/tutti.d.ts", READ),
    ("/tutti-history.js", READ),
    ("/yjs/room", SOCKET),
    ("/yjs/docs/plan", SOCKET),
    ("/ws", SOCKET),
    ("/hocuspocus", SOCKET),
    ("/echo", SOCKET),
    ("/api/v1/rooms", READ),
    ("/api/v1/rooms/room", ROOM),
    ("/api/v1/rooms/docs/plan", ROOM),
    ("/api/v1/rooms/docs/plan/history", READ),
    ("/api/v1/rooms/docs/plan/document", DOCUMENT),
    ("/api/v1/rooms/docs/plan/blame", READ),
    ("/api/v1/rooms/docs/plan/activity", READ),
    ("/api/v1/rooms/docs/plan/replay", READ),
    // With a parameter that they do not have: as they are, their answers would not end.
    ("/api/v1/rooms/docs/plan/events?nothing=1", SOCKET),
    ("/api/v1/events?nothing=1", SOCKET),
    ("/api/v1/events/stream", &["POST", "DELETE"]),
    ("/api/v1/revocations", LIST),
    ("/api/v1/webhooks", LIST),
    ("/api/v1/webhooks/one", &["GET", "HEAD", "PATCH", "DELETE"]),
    ("/api/v1/webhooks/one/test", POST),
    ("/api/v1/webhooks/one/deliveries", READ),
    ("/api/v1/webhooks/one/deliveries/two/redeliver", POST),
    ("/api/v1/tickets", POST),
    ("/api/v1/rooms/docs/plan/diff", READ),
    ("/api/v1/rooms/docs/plan/versions", VERSIONS),
    ("/api/v1/rooms/docs/plan/restore", POST),
    ("/api/v1/rooms/docs/plan/erase", &["GET", "HEAD", "POST", "DELETE"]),
    ("/api/v1/rooms/docs/plan/comments", READ),
    ("/api/v1/rooms/docs/plan/undelete", POST),
    ("/api/v1/rooms/docs/plan/presence", READ),
    ("/api/v1/rooms/docs/plan/messages", POST),
    ("/api/v1/rooms/docs/plan/disconnect", POST),
    ("/api/v1/users/ada/messages", POST),
    ("/api/v1/stats", READ),
    ("/api/v1/openapi.json", READ),
    ("/demo/token", POST),
    ("/dashboard", READ),
    ("/d/plan", READ),
    ("/", READ),
];

#[test]
fn a_method_that_a_path_does_not_take_is_405_with_those_that_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--demo", "--metrics-bind", "127.0.0.1:0"]);
    let token = token("ada", &["*=admin"]);
    let paths = PATHS.map(|(path, taken)| (process.address, path, taken));
    let metrics = (process.metrics_address(), "/metrics", READ);
    for (address, path, taken) in paths.into_iter().chain([metrics]) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            for token in [None, Some(token.as_str())] {
                if token.is_some() && method == "GET" && path.ends_with("/events") {
                    // Its answer does not end.
                    continue;
                }
                let answer = ask(method, address, path, token);
                let is_refused = answer.status == 405;
                assert_eq!(is_refused, !taken.contains(&method), "{method} {path}: {answer:?}");
                assert_eq!(answer.header("allow"), is_refused.then(|| taken.join(", ")).as_deref(), "{method} {path}");
                if is_refused && method != "HEAD" {
                    assert_eq!(answer.error().1, "method_not_allowed");
                }
            }
        }
    }
    for path in ["/nothing", "/api/v1/nothing", "/api/", "/healthz/x", "/ws/x"] {
        for method in ["GET", "POST", "DELETE"] {
            assert_eq!(
                ask(method, process.address, path, Some(&token)).error(),
                (404, "not_found".into()),
                "{method} {path}"
            );
        }
    }
}
