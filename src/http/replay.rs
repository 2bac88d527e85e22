//! REST: a document's whole history in one answer, for who shows it step by step without asking again.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::caller::{May, ReadPast};
use super::error::ApiError;
use super::failures::{Fails, InRoom};
use super::parameters::{Parameters, RoomPath};
use super::past;
use super::state::AppState;
use crate::history::{Authors, Column, Moved, Node, NodeKind, Open, Pair};
use crate::ids::{RoomName, Seq, UserId};

/// Numbers in runs: of each run the first number, how much each is more than the one before, and how many there are.
type Runs = Vec<i64>;

#[derive(Serialize, ToSchema)]
pub struct Replay {
    room: RoomName,
    /// The newest entry that is in it.
    seq: Seq,
    /// The root type; null if the document never had one.
    #[schema(required)]
    root: Option<String>,
    kind: RootKind,
    /// Users, by their numbers, from 0 on.
    authors: Vec<UserId>,
    edits: Edits,
    units: Units,
    /// Text that an edit deleted and inserted again: the first unit of it, the first one that it stands for, and how many there are.
    moved: Vec<[u64; 3]>,
    nodes: Vec<NodeView>,
    /// Surrogate pairs whose halves are U+FFFD in the text: the units of both halves, the code point, and the edit until which it was one
    /// character.
    pairs: Vec<[u64; 4]>,
    /// Some text that an edit deleted and inserted again only in part counts as newly written: finding it would have taken too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RootKind {
    Text,
    Xml,
}

/// All edits, numbered from 1 on.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplayEdits)]
struct Edits {
    count: u32,
    /// Their seqs, in runs.
    seq: Runs,
    /// When they were committed: of the first in Unix milliseconds, of each other how long after the one before.
    at: Vec<i64>,
    /// Numbers of their authors, in runs.
    by: Runs,
}

/// All that was ever inserted, in the order of the document, by UTF-16 units.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplayUnits)]
struct Units {
    /// U+FFFC stands for what is no text.
    text: String,
    /// Of each unit the edit that inserted it, in runs.
    inserted: Runs,
    /// Of each unit the edit that deleted it first, 0 if none did; in runs.
    deleted: Runs,
    /// Of each unit the number of its author, in runs.
    by: Runs,
}

/// What a unit is that is no text.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = ReplayNode)]
enum NodeView {
    /// An element with what stands up to the unit at `end`.
    Element { at: u64, end: u64, name: String },
    /// Text within XML, up to the unit at `end`.
    Text { at: u64, end: u64 },
    /// An attribute of the element around it.
    Attribute {
        at: u64,
        key: String,
        #[schema(value_type = Value)]
        value: Box<RawValue>,
    },
    /// Begins a format, or ends it where the value is null.
    Mark {
        at: u64,
        key: String,
        #[schema(value_type = Value)]
        value: Box<RawValue>,
    },
    /// An embedded value.
    Embed {
        at: u64,
        #[schema(value_type = Value)]
        value: Box<RawValue>,
    },
}

impl From<Node> for NodeView {
    fn from(Node { at, what }: Node) -> Self {
        // What a client called JSON need not be.
        let value = |json: String| RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned());
        match what {
            NodeKind::Type { name: Some(name), end } => Self::Element { at, end, name },
            NodeKind::Type { name: None, end } => Self::Text { at, end },
            NodeKind::Attribute { key, value: json } => Self::Attribute { at, key, value: value(json) },
            NodeKind::Mark { key, value: json } => Self::Mark { at, key, value: value(json) },
            NodeKind::Embed { value: json } => Self::Embed { at, value: value(json) },
        }
    }
}

fn runs(column: &Column) -> Runs {
    column.runs().to_vec()
}

fn pair(Pair { at, other, char, until }: Pair) -> [u64; 4] {
    [at, other, u32::from(char).into(), until.into()]
}

/// All that a text or XML root ever was.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/replay", operation_id = "getReplay", tag = "past",
    params(
        RoomPath,
        ("root" = Option<String>, Query, description = "The root type; needed for one of several"),
    ),
    responses((status = 200, description = "Its history", body = Replay), InRoom, Fails<422>),
)]
pub async fn replay(
    may: May<ReadPast>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let root = parameters.text("root");
    parameters.end()?;
    let room = may.room.clone();
    let read = move |open: Open, authors: Authors| {
        let replay = open.replay(root.as_deref(), &authors)?;
        Ok(Replay {
            room,
            seq: open.row.head,
            root: replay.root,
            kind: if replay.is_xml { RootKind::Xml } else { RootKind::Text },
            authors: replay.authors.into_iter().collect(),
            edits: Edits { count: replay.edits, seq: runs(&replay.seqs), at: replay.times, by: runs(&replay.editors) },
            units: Units {
                text: replay.text,
                inserted: runs(&replay.inserted),
                deleted: runs(&replay.deleted),
                by: runs(&replay.writers),
            },
            moved: replay.moved.into_iter().map(|Moved { at, from, count }| [at, from, count]).collect(),
            nodes: replay.nodes.into_iter().map(NodeView::from).collect(),
            pairs: replay.pairs.into_iter().map(pair).collect(),
            partial: replay.is_partial.then_some(true),
        })
    };
    past::answer(&may.room, &may.identity.user, &state, read).await
}
