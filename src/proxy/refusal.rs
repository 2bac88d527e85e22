//! What a client is told that is not passed on.

use std::io;
use std::time::Duration;

use actix_http::ws::hash_key;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::head::Head;
use crate::protocol::CloseCode;
use crate::protocol::json::NAME;
use crate::wire::Frame;

/// How long a WebSocket is held that will be closed: most clients come back at once after that.
const HOLD: Duration = Duration::from_secs(2);
/// How long a client may take to hear it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Answers a request with a status and a reason, in the form of REST errors.
pub async fn answer(client: &mut (impl AsyncRead + AsyncWrite + Unpin), status: &str, code: &str, reason: &str) {
    say(client, text(status, code, reason).as_bytes()).await;
}

fn text(status: &str, code: &str, reason: &str) -> String {
    let body = serde_json::json!({ "error": { "code": code, "message": reason } }).to_string();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Retry-After: 2\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Closes a WebSocket with 1013 and a reason: to a browser, an upgrade that is refused says nothing.
pub async fn close(client: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &Head<'_>, reason: &str) {
    let accept = hash_key(head.header("sec-websocket-key").unwrap_or_default().as_bytes());
    let offers = head.header("sec-websocket-protocol").unwrap_or_default();
    let label = offers.split(',').any(|offer| offer.trim() == NAME);
    let protocol = if label { format!("Sec-WebSocket-Protocol: {NAME}\r\n") } else { String::new() };
    let mut bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{protocol}\r\n",
        String::from_utf8_lossy(&accept)
    )
    .into_bytes();
    tokio::time::sleep(HOLD.mul_f64(rand::random_range(0.5..1.5))).await;
    bytes.extend_from_slice(Frame::close(CloseCode::TryLater.code(), reason).plain());
    say(client, &bytes).await;
}

/// Writes all, and waits for the client's end, so that it gets that and no reset.
async fn say(client: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) {
    let said = async {
        client.write_all(bytes).await?;
        client.shutdown().await?;
        while client.read(&mut [0; 4096]).await? > 0 {}
        io::Result::Ok(())
    };
    // Whoever is gone, or takes too long, has missed it.
    let _ = tokio::time::timeout(TIMEOUT, said).await;
}
