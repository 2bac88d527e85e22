//! Opening: what is wrong is said at once, with what to do, and without the password.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tutti::store::{Store, StoreError, StoreSettings};

use crate::support::*;

async fn error(url: &str) -> String {
    error_within(url, Duration::from_secs(30)).await
}

async fn error_within(url: &str, connect_timeout: Duration) -> String {
    let settings = StoreSettings { connect_timeout, ..StoreSettings::new(url, "s1") };
    match Store::open(settings).await {
        Ok(_) => panic!("{url} opens"),
        Err(error @ (StoreError::Open(_) | StoreError::Settings(_))) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    }
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} should contain {part:?}");
    }
    assert!(!message.contains("s3cret"), "{message:?}");
}

#[test]
fn urls_that_cannot_work_are_explained() {
    block_on(async {
        for url in
            ["", "mysql://h/d", "sqlite::memory:", "sqlite://", "postgres://u:s3cret@h:99999/d", "sqlite://a?x=1"]
        {
            assert_says(&error(url).await, &["sqlite://tutti.db"]);
        }
    });
}

#[test]
fn a_missing_file_is_made_and_opens_again() {
    on_sqlite(async |db: &Database| {
        let store = db.store("s1").await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("x")])).await;
        drop(store);
        assert_gap_free(&db.store("s1").await, room, 1).await;
    });
}

#[test]
fn a_file_that_cannot_be_a_database_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |file: &str| folder.path().join(file).display().to_string();
    let url = |file: &str| format!("sqlite://{}", path(file));
    std::fs::write(path("letter.txt"), "Dear Ada, this is a letter and no database. ".repeat(100)).expect("written");
    block_on(async {
        assert_says(&error(&url("letter.txt")).await, &["letter.txt", "not an SQLite database"]);
        assert_says(&error(&url("no/such/folder/tutti.db")).await, &["no folder", "no/such/folder", "create it"]);
        assert_says(&error(&url("")).await, &["is a folder"]);
    });
}

#[test]
fn a_file_that_cannot_be_written_is_explained() {
    on_sqlite(async |db: &Database| {
        drop(db.store("s1").await);
        assert_says(&error(&format!("{}?mode=ro", db.url)).await, &["tutti.db", "cannot be written"]);
    });
}

#[test]
fn a_postgres_that_is_not_there_is_explained() {
    // Bound, so that nobody else gets the port, but not listening.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let address = socket.local_addr().expect("an address").as_socket().expect("an IP address");
    let port = address.port();
    block_on(async {
        let message = error(&format!("postgres://ada:s3cret@127.0.0.1:{port}/tutti")).await;
        assert_says(&message, &[&format!("127.0.0.1:{port}"), "cannot be reached"]);
    });
}

#[test]
fn a_postgres_that_does_not_answer_is_given_up() {
    // Connections are made by the kernel, and nobody speaks.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let url = format!("postgres://127.0.0.1:{port}/tutti");
    let message = block_on(within_seconds(60, error_within(&url, Duration::from_millis(500))));
    assert_says(&message, &["does not answer"]);
}

#[test]
fn a_database_or_user_that_postgres_does_not_know_is_explained() {
    on_postgres(async |db: &Database| {
        let missing = with_database(&db.url, "tutti_test_missing");
        assert_says(&error(&missing).await, &["no database \"tutti_test_missing\"", "create it"]);
        let (scheme, rest) = db.url.split_once("://").expect("a URL with a scheme");
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        let stranger = format!("{scheme}://tutti_test_nobody:s3cret@{host}");
        assert_says(&error(&stranger).await, &["tutti_test_nobody", "check the user and the password"]);
    });
}
