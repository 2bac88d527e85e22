//! The first content of a document, from the application's own back end: a signed question, and an answer that becomes an edit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use uuid::Uuid;

use crate::archive::Archive;
use crate::config::SeedConfig;
use crate::document::{DraftError, Nested, ReadingBudget, Refusal, View, ViewError, Wanted, from_v2};
use crate::ids::RoomName;
use crate::outgoing::{self, Outgoing, OutgoingError, Reach, sign};

/// How long the back end may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The header with what the answer is: a format of `PUT` or `POST …/document`.
const FORMAT_HEADER: &str = "tutti-format";
/// The header with the root type that the answer is for.
const ROOT_HEADER: &str = "tutti-root";

/// Asks for first contents.
#[derive(Debug)]
pub struct Seed {
    config: SeedConfig,
    bytes_max: usize,
}

/// Why there is no first content now.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The back end did not answer as it should.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// Another status than 200, 204 or 404.
    #[error("the answer has status {0} and not 200, 204 or 404")]
    Status(StatusCode),
    /// What came is no content.
    #[error("what came cannot be used: {0}")]
    Content(String),
}

impl From<DraftError> for SeedError {
    fn from(error: DraftError) -> Self {
        Self::Content(error.to_string())
    }
}

impl From<Refusal> for SeedError {
    fn from(error: Refusal) -> Self {
        Self::Content(error.to_string())
    }
}

impl From<ViewError> for SeedError {
    fn from(error: ViewError) -> Self {
        Self::Content(error.to_string())
    }
}

impl Seed {
    /// Asks as `config` says, for documents of at most `bytes_max`.
    pub fn new(config: SeedConfig, bytes_max: usize) -> Self {
        Self { config, bytes_max }
    }

    /// The edit that makes the first content of a room's document; `None` if it begins empty.
    ///
    /// # Errors
    /// The back end cannot be asked, or what it answers cannot be used.
    pub async fn ask(&self, room: &RoomName, archive: &Archive) -> Result<Option<Bytes>, SeedError> {
        let mut url = self.config.url.as_url().clone();
        url.query_pairs_mut().append_pair("room", room.as_str());
        let outgoing = Outgoing {
            method: Method::GET,
            url: &url,
            reach: Reach::Anywhere,
            headers: self.headers(room),
            body: Bytes::new(),
            timeout: TIMEOUT,
            answer_bytes_max: self.bytes_max,
        };
        let answer = outgoing::ask(outgoing).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(SeedError::Status(status)),
        }
        let (format, root) = told(&answer.headers)?;
        let (body, bytes_max, mut document) = (answer.body, self.bytes_max, archive.empty(room));
        let made = tokio::task::spawn_blocking(move || {
            let Some(update) = update(body, &format, root, bytes_max)? else { return Ok(None) };
            // Whatever the back end sent, it is judged as anybody's edit.
            Ok(document.apply_whole(&update)?.map(|news| news.update))
        });
        made.await.map_err(|panic| SeedError::Content(panic.to_string()))?
    }

    /// The signature is that of the room's name.
    fn headers(&self, room: &RoomName) -> Vec<(HeaderName, HeaderValue)> {
        let id = format!("seed_{}", Uuid::new_v4().simple());
        let at_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = sign(self.config.secret.key(), &id, at_s, room.as_str().as_bytes());
        let header = |name, value: String| Some((HeaderName::from_static(name), value.parse().ok()?));
        [
            header("webhook-id", id),
            header("webhook-timestamp", at_s.to_string()),
            header("webhook-signature", signature),
            Some((ACCEPT, HeaderValue::from_static("application/json, text/plain, application/octet-stream"))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The format and the root of an answer.
fn told(headers: &HeaderMap) -> Result<(String, Option<String>), SeedError> {
    let text = |name: &str| match headers.get(name) {
        Some(value) => match value.to_str() {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(SeedError::Content(format!("the header {name} is no plain text"))),
        },
        None => Ok(None),
    };
    let content_type = text(CONTENT_TYPE.as_str())?.unwrap_or_default();
    let format = text(FORMAT_HEADER)?.unwrap_or_else(|| {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => "json",
            "text/plain" => "text",
            _ => "yjs",
        }
        .to_owned()
    });
    Ok((format, text(ROOT_HEADER)?))
}

/// What an answer says, as an update of an empty document.
fn update(body: Bytes, format: &str, root: Option<String>, bytes_max: usize) -> Result<Option<Bytes>, SeedError> {
    let text = || std::str::from_utf8(&body).map_err(|_| SeedError::Content("it is no UTF-8".into()));
    let json = || serde_json::from_str(text()?).map_err(|error| SeedError::Content(error.to_string()));
    let named = |root: Option<String>| {
        root.ok_or_else(|| SeedError::Content(format!("the header {ROOT_HEADER} has to name a root type")))
    };
    let wanted = match format {
        "yjs" => return Ok(Some(body)),
        "yjs-v2" => return Ok(Some(from_v2(&body, bytes_max)?)),
        "text" => Wanted::Text { root: named(root)?, text: text()?.to_owned() },
        "prosemirror" => Wanted::ProseMirror { root: named(root)?, document: json()? },
        "json" => {
            let value: crate::document::Json = json()?;
            let roots = match root {
                Some(root) => [(root, value)].into(),
                None => match value {
                    crate::document::Json::Map(roots) => roots,
                    _ => return Err(SeedError::Content("it is no object of root types by their names".into())),
                },
            };
            Wanted::Json { roots, nested: Nested::AsBeside }
        }
        other => return Err(SeedError::Content(format!("{other:?} is no format"))),
    };
    let empty = View::read(&Bytes::from_static(crate::protocol::lib0::EMPTY_UPDATE), ReadingBudget::default())?;
    Ok(empty.rewrite(&wanted, rand::random::<u32>().into())?)
}
