//! The bodies of deliveries, read from the timeline when they are sent.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::content::{Content, content};
use super::endpoint::NewEndpoint;
use super::events::EMPTY;
use crate::archive::{Archive, ArchiveError};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::rfc3339;
use crate::store::{Bodies, Delivery, Entry, EntryKind, HistoryQuery, Kinds, Page, RoomId, Store};

/// Edits looked at for their authors, of one delivery.
const EDITS_MAX: u32 = 10_000;
/// Authors that are told of one delivery.
const AUTHORS_MAX: usize = 100;
/// Begins the types of what is told of people.
const PRESENCE: &str = "presence.";

/// What is told, with what all bodies have.
#[derive(Serialize)]
struct Told<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    timestamp: String,
    room: &'a str,
    #[serde(flatten)]
    told: T,
}

impl<'a, T: Serialize> Told<'a, T> {
    fn new(delivery: &'a Delivery, told: T) -> Self {
        let Delivery { kind, id, at_ms, room, .. } = delivery;
        Self { kind, id, timestamp: rfc3339(*at_ms), room, told }
    }

    fn json(self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self).ok()
    }
}

/// An entry: what its author said, and the server's stamps.
#[derive(Serialize)]
struct EntryTold {
    seq: Seq,
    user: UserId,
    #[serde(flatten)]
    said: Said,
}

/// The body of an entry in the store.
#[derive(Serialize, Deserialize, Default)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
}

/// What has changed in a document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangesTold {
    first_seq: Seq,
    seq: Seq,
    authors: BTreeSet<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Box<RawValue>>,
    /// Up to which entry the content is: it may be newer than what this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_error: Option<&'static str>,
}

/// What is in no timeline.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventTold {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    best_effort: bool,
    /// Who, for presence; all that is kept with it, for a newer release may have kept it.
    #[serde(flatten)]
    kept: Map<String, Value>,
}

/// The body of a delivery; `None` if what it is about is gone.
///
/// # Errors
/// The store cannot be asked now.
pub async fn body(
    delivery: &Delivery,
    endpoint: &NewEndpoint,
    store: &Store,
    archive: &Archive,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let Ok(name) = RoomName::parse(&delivery.room) else { return Ok(None) };
    let Some(seq) = delivery.seq else { return Ok(event(delivery)) };
    let Some(row) = store.any_room(&name).await? else { return Ok(None) };
    match delivery.after {
        None => Ok(entry(store, row.id, seq, delivery).await?.and_then(|entry| told(delivery, entry))),
        Some(after) => {
            let edits = edits(store, row.id, (after, seq), delivery).await?;
            let Some((first, last)) = edits.first().zip(edits.last()) else { return Ok(None) };
            let (first_seq, seq) = (first.seq, last.seq);
            let authors = edits.into_iter().map(|edit| edit.author).collect::<BTreeSet<_>>();
            let authors = authors.into_iter().take(AUTHORS_MAX).collect();
            let found = match endpoint.content {
                Some(format) => content(&name, format, endpoint.root.clone(), archive).await?,
                None => None,
            };
            let (content_seq, rendered) =
                found.map_or((None, None), |(seq, rendered): Content| (Some(seq), Some(rendered)));
            let (content, content_error) = match rendered {
                Some(Ok(content)) => (Some(content), None),
                Some(Err(error)) => (None, Some(error)),
                None => (None, None),
            };
            let changes = ChangesTold { first_seq, seq, authors, content, content_seq, content_error };
            Ok(Told::new(delivery, changes).json())
        }
    }
}

fn told(delivery: &Delivery, entry: Entry) -> Option<Vec<u8>> {
    let said = match entry.kind {
        // That a room was made says nothing of what its first entry was.
        _ if delivery.kind.starts_with("room.") && entry.kind != EntryKind::Event => Said::default(),
        EntryKind::Message | EntryKind::Event => serde_json::from_slice(entry.body.as_deref()?).ok()?,
        EntryKind::Edit | EntryKind::Step => Said::default(),
    };
    Told::new(delivery, EntryTold { seq: entry.seq, user: entry.author, said }).json()
}

fn event(delivery: &Delivery) -> Option<Vec<u8>> {
    let is_presence = delivery.kind.starts_with(PRESENCE);
    let kept: Option<Map<String, Value>> = delivery.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
    if is_presence && kept.is_none() {
        return None;
    }
    let best_effort = is_presence || delivery.kind == EMPTY;
    Told::new(delivery, EventTold { best_effort, kept: kept.unwrap_or_default() }).json()
}

/// The entry that a delivery is about. A room that was deleted and made anew has others under its seqs, with later times.
async fn entry(store: &Store, room: RoomId, seq: Seq, delivery: &Delivery) -> Result<Option<Entry>, ArchiveError> {
    let query = HistoryQuery {
        after: Some(Seq(seq.0.saturating_sub(1))),
        before: Some(Seq(seq.0 + 1)),
        kinds: Kinds::All,
        author: None,
        limit: 1,
        page: Page::Oldest,
        bodies: Bodies::NotOfEdits,
    };
    let found = store.remaining(room, query).await?.pop();
    Ok(found.filter(|entry| entry.at_ms == delivery.at_ms))
}

async fn edits(
    store: &Store,
    room: RoomId,
    (after, upto): (Seq, Seq),
    delivery: &Delivery,
) -> Result<Vec<Entry>, ArchiveError> {
    let query = |page, limit| HistoryQuery {
        after: Some(after),
        before: Some(Seq(upto.0 + 1)),
        kinds: Kinds::Only(EntryKind::Edit),
        author: None,
        limit,
        page,
        bodies: Bodies::NotOfEdits,
    };
    let mut edits = store.remaining(room, query(Page::Oldest, EDITS_MAX)).await?;
    edits.extend(store.remaining(room, query(Page::Newest, 1)).await?);
    edits.retain(|edit| edit.at_ms <= delivery.at_ms);
    Ok(edits)
}
