//! One HTTP request a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::DEADLINE;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads the head of an answer, up to the empty line.
    pub fn parse_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status").parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Self { status, headers, body: Vec::new() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The status and the stable code of an error.
    pub fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().expect("an error has a code").to_owned())
    }
}

/// `GET path`, with a token if there is one.
pub fn get(address: SocketAddr, path: &str, token: Option<&str>) -> Answer {
    ask("GET", address, path, token)
}

/// Any method without a body, with a token if there is one.
pub fn ask(method: &str, address: SocketAddr, path: &str, token: Option<&str>) -> Answer {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    request(
        address,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    )
}

/// `POST path` with a JSON body.
pub fn post_json(address: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> Answer {
    post_text(address, path, token, &body.to_string())
}

/// `POST path` with any body.
pub fn post_text(address: SocketAddr, path: &str, token: Option<&str>, body: &str) -> Answer {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    request(address, &format!("{head}{body}"))
}

/// Sends any request.
pub fn request(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).expect("an answer, then the end");
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let mut answer = Answer::parse_head(std::str::from_utf8(&raw[..end]).unwrap());
    assert_eq!(answer.header("transfer-encoding"), None, "this client reads whole bodies only");
    answer.body = raw.split_off(end + 4);
    answer
}
