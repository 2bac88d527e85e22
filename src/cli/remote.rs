//! Requests of commands to a running server, by its REST API.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::outcome::{USAGE, done, stop};
use crate::auth::{self, Grant, Grants, MintError, Minter, NewToken};
use crate::config::{Credential, RemoteConfig};
use crate::ids::{RoomName, turns_direction};
use crate::outgoing::{self, Answer, Outgoing, OutgoingError, Reach};

/// Longest answer, in bytes: a document may be as long.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// How long a token is good that is made for one request, in seconds.
const TOKEN_S: u64 = 300;
/// Whose requests they are that have the server's key.
const OPERATOR: &str = "tutti-cli";

/// Whom a server is asked for.
pub(super) struct Remote {
    url: Url,
    token: Token,
}

enum Token {
    Given(String),
    /// Made anew for each request: following a timeline takes long.
    Made(Box<Minter>),
}

/// A request.
pub(super) struct Ask<'a> {
    pub method: Method,
    /// Below `/api/v1`.
    pub path: Vec<&'a str>,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    /// Nobody answers.
    #[error("no server answers at {0} ({1}); name one with --url (TUTTI_URL)")]
    Unreachable(Url, OutgoingError),
    /// The server refuses, in its own words.
    #[error("{message}")]
    Refused {
        status: StatusCode,
        message: String,
        /// When it may be asked again.
        retry_after: Option<Duration>,
    },
    /// Whoever answers is no server of ours.
    #[error("what answers at {0} is not Tutti, or lies in front of it: {1}; name the server with --url (TUTTI_URL)")]
    Stranger(Url, StatusCode),
    /// No token can be made.
    #[error("{0}; or give a token with --token (TUTTI_TOKEN)")]
    Token(#[from] MintError),
}

impl RemoteError {
    /// Whether the same request may be answered later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(..) => true,
            Self::Refused { status, .. } | Self::Stranger(_, status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 429)
            }
            Self::Token(_) => false,
        }
    }

    /// Whether what was asked about is not there, or not any more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if matches!(status.as_u16(), 404 | 410))
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalOf,
}

#[derive(Deserialize)]
struct RefusalOf {
    message: String,
}

impl Remote {
    pub fn open(config: RemoteConfig) -> Result<Self, MintError> {
        let token = match config.credential {
            Credential::Token(token) => Token::Given(token),
            Credential::Key(jwt) => Token::Made(Box::new(Minter::open_existing(&jwt)?)),
        };
        Ok(Self { url: config.url, token })
    }

    /// The answer, which is one of success.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, RemoteError> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(ask.path);
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        // A token is plain text, so it is a header's value.
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.token()?)).map_err(|_| MintError::Signing)?;
        let mut headers = vec![(AUTHORIZATION, bearer)];
        if ask.body.is_some() {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        let outgoing = Outgoing {
            method: ask.method,
            url: &url,
            reach: Reach::Anywhere,
            headers,
            body: ask.body.map_or(Bytes::new(), |body| body.to_string().into()),
            timeout: ask.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = outgoing::ask(outgoing).await;
        let answer = answer.map_err(|error| RemoteError::Unreachable(self.url.clone(), error))?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(&answer)) }
    }

    /// The JSON of an answer.
    pub async fn json(&self, ask: Ask<'_>) -> Result<Value, RemoteError> {
        let answer = self.ask(ask).await?;
        serde_json::from_slice(&answer.body).map_err(|_| RemoteError::Stranger(self.url.clone(), answer.status))
    }

    fn refusal(&self, answer: &Answer) -> RemoteError {
        let status = answer.status;
        let Ok(Refusal { error }) = serde_json::from_slice(&answer.body) else {
            return RemoteError::Stranger(self.url.clone(), status);
        };
        let seconds = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        RemoteError::Refused { status, message: error.message, retry_after: seconds.map(Duration::from_secs) }
    }

    fn token(&self) -> Result<String, MintError> {
        let minter = match &self.token {
            Token::Given(token) => return Ok(token.clone()),
            Token::Made(minter) => minter,
        };
        let all = Grant::parse("*=admin").expect("it is a grant");
        let grants = Grants::new(vec![all]).expect("it is one");
        let expires_at_s = auth::now_s() + TOKEN_S;
        minter.mint(&NewToken { subject: OPERATOR, name: None, grants: &grants, expires_at_s })
    }
}

impl<'a> Ask<'a> {
    /// A question about a room.
    pub fn of_room(method: Method, room: &'a RoomName, what: Option<&'a str>) -> Self {
        let path = ["rooms", room.as_str()].into_iter().chain(what).collect();
        Self { method, path, query: Vec::new(), body: None, timeout: Duration::from_secs(60) }
    }
}

/// Does something with a server; exit code 2 without a token, 1 where it fails.
pub(super) fn with_server<F: Future<Output = Result<(), Box<dyn std::error::Error>>>>(
    config: RemoteConfig,
    work: impl FnOnce(Remote) -> F,
) -> ExitCode {
    let remote = match Remote::open(config).map_err(RemoteError::from) {
        Ok(remote) => remote,
        Err(error) => return stop(USAGE, &error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return stop(1, &error),
    };
    match runtime.block_on(work(remote)) {
        // Whoever reads has read enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        ended => done(ended),
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Text without control characters but those, so that nothing is left that a terminal would obey.
pub(super) fn plain(text: &str, kept: &[char]) -> String {
    text.chars().map(|c| if c.is_control() && !kept.contains(&c) { '\u{fffd}' } else { c }).collect()
}

/// Prints a line in which nothing is left that a terminal would obey, and nothing that turns what stands behind it.
pub(super) fn print_line(out: &mut impl Write, line: &str) -> io::Result<()> {
    writeln!(out, "{}", plain(line, &[]).replace(turns_direction, "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_that_it_would_obey() {
        let text = "a\tb\n\u{1b}]0;title\u{7}\u{9b}2J\rü";
        let mut out = Vec::new();
        print_line(&mut out, "Ada \u{202e}nimda\u{2069}, \u{5d0}\u{200f}!").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "Ada \u{fffd}nimda\u{fffd}, \u{5d0}\u{200f}!\n");
        assert_eq!(plain(text, &['\n', '\t']), "a\tb\n\u{fffd}]0;title\u{fffd}\u{fffd}2J\u{fffd}ü");
        assert_eq!(plain(text, &[]), "a\u{fffd}b\u{fffd}\u{fffd}]0;title\u{fffd}\u{fffd}2J\u{fffd}ü");
    }
}
