#![no_main]
//! Any bytes as what a stranger sends to the port, `{token}` in them being a good token: an answer that is no fault of the server's, or
//! none, and never a wait.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::signal::unix::{SignalKind, signal};
use tutti::auth::{Grant, Grants, Minter, NewToken, now_s};
use tutti::config::{Config, serve_config};
use tutti::server::Server;

/// Longer than the server waits for anything that a stranger has begun.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const TOKEN: &[u8] = b"{token}";

/// The server in this process, which never ends, at its socket; and a token.
static SERVER: LazyLock<(PathBuf, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let socket = folder.join("tutti.sock");
    let config = serve_config([
        "--bind".to_owned(),
        format!("unix:{}", socket.display()),
        "--database-url".to_owned(),
        format!("sqlite://{}", folder.join("tutti.db").display()),
        "--jwt-secret=p6Uo0n3bY1xk9Zr7QeWq2tLs5vGd8Hj4".to_owned(),
        "--demo".to_owned(),
        "--compression=on".to_owned(),
        "--trusted-proxies=127.0.0.1,10.0.0.0/8".to_owned(),
        "--allowed-origins=https://*.example.com".to_owned(),
    ]);
    let Ok(config) = config else { panic!("the options are good") };
    let token = token(&config);
    let (started, is_started) = mpsc::channel();
    std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            // The fuzzer's `main` is not Rust's, which lets a write to someone who is gone be an error and not the end.
            signal(SignalKind::pipe()).expect("a signal can be handled");
            let _server = Server::start(&config).await.expect("the server starts");
            started.send(()).expect("someone waits for the server");
            std::future::pending::<()>().await;
        });
    });
    is_started.recv().expect("the server starts");
    (socket, token)
});

fn token(config: &Config) -> String {
    let grants = Grants::new(vec![Grant::parse("*=admin").expect("a grant")]).expect("one grant");
    let claims = NewToken { subject: "ada", name: None, grants: &grants, expires_at_s: now_s() + 1_000_000 };
    Minter::open(&config.jwt).and_then(|minter| minter.mint(&claims)).expect("a token")
}

fn with_token(bytes: &[u8], token: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(TOKEN.len()).position(|window| window == TOKEN) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(token.as_bytes());
        rest = &rest[at + TOKEN.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fuzz_target!(|bytes: &[u8]| {
    let (socket, token) = &*SERVER;
    let mut stream = UnixStream::connect(socket).expect("the server listens");
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a time-out");
    // The server may have refused it before its end.
    let _ = stream.write_all(&with_token(bytes, token)).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no end in time")
            }
            Err(_) => break,
        }
        if answer.starts_with(b"HTTP/1.1 101 ") {
            return;
        }
    }
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    assert!(!answer.starts_with(b"HTTP/1.1 500 "), "{}", answer.escape_ascii());
});
