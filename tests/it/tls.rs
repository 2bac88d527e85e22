//! TLS of the server's own: everything works as over plain TCP, and what is wrong with certificates and handshakes is told.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};

use crate::support::editor::Editor;
use crate::support::flood::{Flood, UNLIMITED};
use crate::support::http::{get, post_json, request};
use crate::support::json::Client;
use crate::support::process::{Process, fails_with};
use crate::support::socket::{Socket, upgrade};
use crate::support::tls::{Pair, block_on};
use crate::support::token::{token, token_until, writer};
use crate::support::{DEADLINE, within};

type Wss = tokio_tungstenite::WebSocketStream<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>;

async fn wss(pair: &Pair, address: SocketAddr, path: &str) -> Result<Wss, WsError> {
    let stream = pair.connect(address).await.map_err(WsError::Io)?;
    let request = format!("wss://localhost:{}{path}", address.port()).into_client_request()?;
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}

#[test]
fn rest_and_every_protocol_work_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (mut process, _) = pair.serve(folder.path(), &[]);
    assert_eq!(get(process.address, "/healthz", None).status, 200);
    let mut bob = Client::join(process.address, &writer("bob"), "room");
    let mut ada = Editor::join(process.address, "room", &writer("ada"), 1);
    ada.saves("typed");
    let mut eve = Editor::join(process.address, "room", &writer("eve"), 2);
    eve.until_text("typed");
    // Much longer than what may be encrypted ahead, each way.
    let long = "long ".repeat(200_000);
    ada.saves(&long);
    eve.until_text(&format!("typed{long}"));
    let published =
        post_json(process.address, "/api/v1/rooms/room/messages", Some(&writer("ada")), &json!({ "text": "by REST" }));
    assert_eq!(published.status, 201, "{published:?}");
    assert_eq!(bob.until("chat.message")["text"], "by REST");
    let mut denied = Socket::yjs(process.address, "other", &token("ada", &["room=write"]));
    assert_eq!(denied.closed().0, 4403);
    let mut expired = Socket::yjs(process.address, "room", &token_until("ada", &["*=write"], 1_000_000_000));
    let late = expired.closed();
    assert_eq!((late.0, expired.ended()), (4504, crate::support::socket::End::Finished), "{late:?}");

    process.terminate();
    assert_eq!(ada.socket.closed().0, 1001);
    assert_eq!(process.wait(DEADLINE).code(), Some(0), "{}", process.log());
}

#[test]
fn a_wss_client_talks_is_closed_with_a_code_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (process, address) = pair.serve(folder.path(), &["--demo"]);
    block_on(async {
        let mut echo = wss(&pair, address, "/echo").await.unwrap();
        for size in [1, 1000, 70_000, 3_000_000] {
            let sent = WsMessage::binary(vec![size as u8; size]);
            let (mut out, mut back) = echo.split();
            let (sending, received) = tokio::join!(out.send(sent.clone()), back.next());
            sending.unwrap();
            assert!(received.unwrap().unwrap() == sent, "{size}");
            echo = out.reunite(back).unwrap();
        }
        echo.close(None).await.unwrap();
        while let Some(message) = echo.next().await {
            assert!(message.unwrap().is_close());
        }
        let mut json = wss(&pair, address, &format!("/ws?token={}", writer("ada"))).await.unwrap();
        let first: Value = serde_json::from_str(json.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
        assert_eq!(first["type"], "welcome", "{first}");
        process.terminate();
        let close = loop {
            match json.next().await.unwrap().unwrap() {
                WsMessage::Close(close) => break close.unwrap(),
                _ => continue,
            }
        };
        assert_eq!(u16::from(close.code), 1001);
    });
}

#[test]
fn http_2_is_not_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (_process, address) = pair.serve(folder.path(), &[]);
    block_on(async {
        for (offered, spoken) in [(&["h2"][..], None), (&["h2", "http/1.1"], Some(&b"http/1.1"[..])), (&[], Some(b""))]
        {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let shaken = pair.client(offered).connect(name, tcp).await;
            let protocol = shaken.ok().map(|stream| stream.get_ref().1.alpn_protocol().unwrap_or_default().to_owned());
            assert_eq!(protocol.as_deref(), spoken, "{offered:?}");
        }
    });
}

/// Waits until something is so.
async fn until(process: &Process, is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < DEADLINE, "{}", process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn renewed_files_are_used_within_5_s_and_a_bad_pair_leaves_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Pair::write(folder.path());
    let (process, address) = first.serve(folder.path(), &["--demo"]);
    block_on(async {
        let mut old = wss(&first, address, "/echo").await.unwrap();
        let second = Pair::write(folder.path());
        let started = Instant::now();
        while second.connect(address).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(5), "{}", process.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(first.connect(address).await.is_err());
        old.send(WsMessage::text("still here")).await.unwrap();
        assert_eq!(old.next().await.unwrap().unwrap().into_text().unwrap(), "still here");

        // Half of the next pair: its key is that of the second one.
        let key = fs::read(&second.key_file).unwrap();
        let third = Pair::write(folder.path());
        let good_key = fs::read(&third.key_file).unwrap();
        fs::write(&third.key_file, key).unwrap();
        let complaint = "does not belong to the first certificate";
        until(&process, async || process.log().contains(complaint)).await;
        assert!(second.connect(address).await.is_ok());
        fs::write(&third.key_file, good_key).unwrap();
        until(&process, async || third.connect(address).await.is_ok()).await;
        assert_eq!(process.log_with(complaint, 1).matches(complaint).count(), 1, "{}", process.log());
        fs::remove_file(&third.key_file).unwrap();
        until(&process, async || process.log().contains("TUTTI_TLS_KEY_FILE cannot be read")).await;
        assert!(third.connect(address).await.is_ok());
        old.send(WsMessage::text("and here")).await.unwrap();
        assert_eq!(old.next().await.unwrap().unwrap().into_text().unwrap(), "and here");
    });
}

#[test]
fn what_is_wrong_with_the_files_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let other_folder = tempfile::tempdir().unwrap();
    let (pair, other) = (Pair::write(folder.path()), Pair::write(other_folder.path()));
    let [_, certificate, _, key] = pair.options();
    let text = folder.path().join("text");
    fs::write(&text, "no PEM").unwrap();
    let text = text.to_str().unwrap();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--tls-cert-file", certificate], 2, "--tls-key-file (TUTTI_TLS_KEY_FILE): it belongs to --tls-cert-file"),
        (&["--tls-key-file", key], 2, "--tls-cert-file (TUTTI_TLS_CERT_FILE): it belongs to --tls-key-file"),
        (&["--tls-cert-file", missing, "--tls-key-file", key], 1, "TUTTI_TLS_CERT_FILE cannot be read"),
        (&["--tls-cert-file", certificate, "--tls-key-file", "."], 1, "TUTTI_TLS_KEY_FILE cannot be read"),
        (&["--tls-cert-file", text, "--tls-key-file", key], 1, "holds no certificate in PEM form"),
        (&["--tls-cert-file", key, "--tls-key-file", key], 1, "holds no certificate in PEM form"),
        (&["--tls-cert-file", certificate, "--tls-key-file", certificate], 1, "holds no private key in PEM form"),
        (&["--tls-cert-file", certificate, "--tls-key-file", other.options()[3]], 1, "does not belong to the first"),
    ];
    for (options, code, complaint) in cases {
        let (found, said) = fails_with(folder.path(), options);
        assert!(found == Some(code) && said.contains(complaint), "{options:?}: {found:?} {said}");
        let mut check = Command::new(env!("CARGO_BIN_EXE_tutti"));
        let check = check.env_clear().current_dir(folder.path()).arg("check").args(options).output().unwrap();
        let said = String::from_utf8(check.stderr).unwrap();
        assert!(check.status.code() == Some(2) && said.contains(complaint), "{options:?}: {said}");
    }
    let bind = format!("unix:{}", folder.path().join("tutti.sock").display());
    let at_file = [&pair.options()[..], &["--bind", &bind]].concat();
    let mut check = Command::new(env!("CARGO_BIN_EXE_tutti"));
    let check = check.env_clear().current_dir(folder.path()).arg("check").args(at_file).output().unwrap();
    assert!(String::from_utf8(check.stderr).unwrap().contains("a Unix socket is served without TLS"));
}

#[test]
fn rule_6_a_handshake_that_stops_halfway_ends_in_time_and_others_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (process, address) = pair.serve(folder.path(), &[]);
    let started = Instant::now();
    // The beginning of a record with a handshake; nothing; and a handshake after which no request comes.
    let mut halves: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    for half in &mut halves[..20] {
        half.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap();
    }
    let silent = block_on(async { pair.connect(address).await.unwrap() });
    assert_eq!(get(process.address, "/healthz", None).status, 200);
    for half in &mut halves {
        half.set_read_timeout(Some(DEADLINE)).unwrap();
        // An end or a reset.
        let mut rest = Vec::new();
        let _ = half.read_to_end(&mut rest);
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let late = "did not finish its TLS handshake in time";
    assert_eq!(process.log_with(late, 1).matches(late).count(), 1, "{}", process.log());
    drop(silent);
    assert_eq!(get(process.address, "/healthz", None).status, 200);
}

#[test]
fn plain_http_at_the_tls_port_is_told_what_to_do_and_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (process, address) = pair.serve(folder.path(), &[]);
    for _ in 0..3 {
        let answer = request(address, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(answer.status == 400 && answer.text().contains("use https or wss"), "{answer:?}");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    }
    assert_eq!(
        process
            .log_with("a client speaks plain HTTP to the TLS port", 1)
            .matches("a client speaks plain HTTP to the TLS port")
            .count(),
        1,
        "{}",
        process.log()
    );
    assert_eq!(get(process.address, "/healthz", None).status, 200);
    assert!(!process.log().contains("panicked"), "{}", process.log());
}

#[test]
fn bytes_that_are_no_tls_end_their_connection_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (process, address) = pair.serve(folder.path(), &["--demo"]);
    block_on(async {
        let mut other = wss(&pair, address, "/echo").await.unwrap();
        // In the middle of a connection that was good.
        let mut broken = wss(&pair, address, "/echo").await.unwrap();
        broken.send(WsMessage::text("fine")).await.unwrap();
        assert_eq!(broken.next().await.unwrap().unwrap().into_text().unwrap(), "fine");
        let tcp = broken.get_mut().get_mut().0;
        tokio::io::AsyncWriteExt::write_all(tcp, &[23, 3, 3, 0, 40]).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(tcp, &[7; 40]).await.unwrap();
        while let Some(Ok(_)) = broken.next().await {}
        other.send(WsMessage::text("still here")).await.unwrap();
        assert_eq!(other.next().await.unwrap().unwrap().into_text().unwrap(), "still here");
    });
    let mut garbage = TcpStream::connect(address).unwrap();
    garbage.write_all(&[22, 3, 1, 0, 40]).unwrap();
    garbage.write_all(&[9; 40]).unwrap();
    garbage.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut rest = Vec::new();
    let _ = garbage.read_to_end(&mut rest);
    assert!(!process.log().contains("panicked"), "{}", process.log());
}

#[test]
fn rule_7_an_address_has_its_limit_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (process, _) = pair.serve(folder.path(), &["--sockets-per-ip-max", "1", "--trusted-proxies", "127.0.0.2"]);
    let open = |forwarded: &str| {
        Socket::open(process.address, &upgrade("/ws", &[&format!("X-Forwarded-For: {forwarded}")]), &[])
    };
    let first = open("10.0.0.1");
    assert_eq!((first.answer.status, open("10.0.0.2").answer.status), (101, 503));
}

#[test]
fn health_asks_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (_process, address) = pair.serve(folder.path(), &[]);
    let health = |options: &[&str]| {
        let mut health = Command::new(env!("CARGO_BIN_EXE_tutti"));
        health.env_clear().args(["health", "--bind", &address.to_string()]).args(options).output().unwrap()
    };
    let answer = health(&pair.options());
    assert!(answer.status.success() && answer.stdout == b"ready\n", "{answer:?}");
    let answer = health(&[]);
    assert!(!answer.status.success() && String::from_utf8_lossy(&answer.stderr).contains("https"), "{answer:?}");
}

#[test]
fn rule_28_a_peer_that_never_reads_over_tls_is_ended_and_holds_little_memory() {
    const FLOOD_BYTES: usize = 64_000_000;
    const GROWTH_BYTES_MAX: usize = 8 << 20;
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (process, _) = pair.serve(folder.path(), &UNLIMITED);
    let mut flood = Flood::start(&process, "room");
    flood.send("room", FLOOD_BYTES / 4, |_| {});
    let before = process.memory_bytes();
    let mut dead = Client::join(process.address, &writer("dead"), "room").socket;
    let mut most = before;
    flood.send("room", FLOOD_BYTES, |number| {
        if number % 100 == 0 {
            most = most.max(process.memory_bytes());
        }
    });
    let growth = most.saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "grew by {growth} bytes from {before}");
    within(Duration::from_secs(30), "the slow one is closed", || {
        process.log().lines().any(|line| line.contains("socket closed") && line.contains("code=4500")).then_some(())
    });
    dead.ended();
}
