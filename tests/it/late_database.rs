//! A database that is not there yet when the server starts.

use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::postgres::Postgres;
use crate::support::process::{Process, fails_with};
use crate::support::server::ANY_PORT;
use crate::support::token::writer;

/// An address that nobody else gets, and that refuses connections until somebody listens there.
struct Reserved(Socket);

impl Reserved {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&ANY_PORT.parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        Self(socket)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().as_socket().unwrap().port()
    }

    /// From now on, whoever connects is connected to `server`.
    fn leads_to(self, server: String) {
        self.0.listen(16).unwrap();
        let listener: TcpListener = self.0.into();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
    }
}

/// The database's URL at another port, and `host:port` where it is.
fn moved(database: &Postgres, port: u16) -> (String, String) {
    let (user, rest) = database.url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    (format!("{user}@127.0.0.1:{port}/{name}"), address.to_owned())
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

#[test]
fn a_server_that_may_wait_starts_once_its_database_is_there() {
    let database = Postgres::fresh("late");
    let reserved = Reserved::new();
    let (url, address) = moved(&database, reserved.port());
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let starting = thread::spawn(move || {
        let process = Process::start(&path, &["--database-url", &url, "--database-wait", "60s"]);
        Editor::join(process.address, "r", &writer("ada"), 1).saves("here");
    });
    eventually("the log says what it waits for", || {
        let log = log_of(folder.path());
        log.contains("waiting for the database").then_some(())
    });
    assert!(!starting.is_finished());
    reserved.leads_to(address);
    starting.join().unwrap();
    assert_eq!(log_of(folder.path()).matches("waiting for the database").count(), 1);
}

#[test]
fn a_server_whose_database_does_not_come_in_time_says_so_and_ends() {
    let database = Postgres::fresh("never");
    let reserved = Reserved::new();
    let (url, _) = moved(&database, reserved.port());
    let folder = TempDir::new().unwrap();
    for wait in ["0s", "1s"] {
        let options = ["--database-url", &url, "--database-wait", wait];
        let (code, complaints) = fails_with(folder.path(), &options);
        assert_eq!(code, Some(1), "{complaints}");
        assert!(complaints.lines().last().unwrap().contains("cannot be reached"), "{complaints}");
        assert_eq!(complaints.contains("waiting for the database"), wait != "0s", "{complaints}");
    }
}
