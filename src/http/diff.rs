//! REST: what changed in a root type between two moments.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::caller::{May, ReadPast};
use super::error::ApiError;
use super::failures::{Fails, InRoom};
use super::moment::{Moment, when};
use super::parameters::{Parameters, RoomPath};
use super::past::{answer, look_back};
use super::state::AppState;
use crate::document::TypeKind;
use crate::history::{
    Attributes, Authors, Change, Changes, Credit, Difference, Entry, KeyChange, Open, Reformat, RootChanges, Shared,
    What, When,
};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::rfc3339;

/// Any JSON.
type Json = Box<RawValue>;

#[derive(Serialize, ToSchema)]
pub struct Diff {
    room: RoomName,
    from: Seq,
    to: Seq,
    /// The root type; missing if the document never had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// What differs in its list.
    ops: Vec<Operation>,
    /// What differs in its keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    keys: BTreeMap<String, KeyView>,
}

/// What a shared type is. Of a root that is XML, `fragment`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SharedKind)]
enum Kind {
    Text,
    Array,
    Map,
    Fragment,
    Element,
    XmlText,
    Hook,
}

impl From<TypeKind> for Kind {
    fn from(kind: TypeKind) -> Self {
        match kind {
            TypeKind::Text => Self::Text,
            TypeKind::Array | TypeKind::Root => Self::Array,
            TypeKind::Map => Self::Map,
            TypeKind::XmlFragment => Self::Fragment,
            TypeKind::XmlElement => Self::Element,
            TypeKind::XmlText => Self::XmlText,
            TypeKind::XmlHook => Self::Hook,
        }
    }
}

/// What differs in a shared type.
#[derive(Serialize, ToSchema)]
#[schema(as = TypeChanges)]
struct ChangesView {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    ops: Vec<Operation>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(no_recursion)]
    keys: BTreeMap<String, KeyView>,
}

/// A shared type that came or went, with all that came or went with it.
#[derive(Serialize, ToSchema)]
#[schema(as = SharedType)]
struct SharedView {
    kind: Kind,
    /// Of an element or a hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    ops: Vec<Operation>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(no_recursion)]
    keys: BTreeMap<String, KeyView>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Difference)]
enum Operation {
    /// So many units are as they were, but for their formats where `attributes` tells them.
    Retain {
        retain: u64,
        #[serde(flatten)]
        format: FormatView,
    },
    /// A shared type that is in both, and what differs in it.
    Modify {
        modify: ChangesView,
        #[serde(flatten)]
        format: FormatView,
    },
    /// A text, the value of an embed, or a list of plain values.
    Insert {
        #[schema(value_type = Value)]
        insert: Json,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        #[schema(value_type = BTreeMap<String, Value>)]
        attributes: BTreeMap<String, Json>,
        #[serde(flatten)]
        by: ChangeView,
    },
    /// A shared type.
    Create {
        create: SharedView,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        #[schema(value_type = BTreeMap<String, Value>)]
        attributes: BTreeMap<String, Json>,
        #[serde(flatten)]
        by: ChangeView,
    },
    /// So many units that were a text, values (of an embed, one), or a shared type.
    Delete {
        delete: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Vec<Value>>)]
        values: Option<Vec<Json>>,
        #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
        shared: Option<SharedView>,
        #[serde(flatten)]
        by: ChangeView,
    },
}

/// Other formats than before, null for those that ended, and who did that; nothing if they are as before.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Reformat)]
struct FormatView {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Value>)]
    attributes: BTreeMap<String, Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    at: Option<String>,
}

/// What became of a key: its shared type differs (`modify`), or it has another value. What it had is `from`, or `type`; what it has is
/// `to`, or `create`; what is missing was not there, or is not.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = KeyChange)]
enum KeyView {
    Modify {
        modify: ChangesView,
    },
    Replace {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Value>)]
        from: Option<Json>,
        #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
        shared: Option<Box<SharedView>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Value>)]
        to: Option<Json>,
        #[serde(skip_serializing_if = "Option::is_none")]
        create: Option<Box<SharedView>>,
        #[serde(flatten)]
        by: ChangeView,
    },
}

#[derive(Serialize, ToSchema)]
#[schema(as = ChangeStamp)]
struct ChangeView {
    by: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<UserId>,
    seq: Seq,
    #[schema(format = DateTime)]
    at: String,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let (seq, at) = (change.seq(), rfc3339(change.at_ms()));
        let Credit { by, via } = change.credit;
        Self { by, via, seq, at }
    }
}

/// What a client called JSON need not be.
fn json(text: String) -> Json {
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn attributes(attributes: &Attributes) -> BTreeMap<String, Json> {
    attributes.iter().map(|(key, value)| (key.clone(), json(value.clone()))).collect()
}

fn ops(changes: Vec<Difference>) -> Vec<Operation> {
    changes.into_iter().map(Operation::from).collect()
}

fn keys(changes: Vec<(String, KeyChange)>) -> BTreeMap<String, KeyView> {
    changes.into_iter().map(|(key, change)| (key, change.into())).collect()
}

impl From<Changes> for ChangesView {
    fn from(changes: Changes) -> Self {
        Self { ops: ops(changes.ops), keys: keys(changes.keys) }
    }
}

impl From<Shared> for SharedView {
    fn from(Shared { kind, name, changes }: Shared) -> Self {
        Self { kind: kind.into(), name, ops: ops(changes.ops), keys: keys(changes.keys) }
    }
}

impl From<Option<Reformat>> for FormatView {
    fn from(format: Option<Reformat>) -> Self {
        let Some(Reformat { attributes: told, change }) = format else { return Self::default() };
        let ChangeView { by, via, seq, at } = change.into();
        Self { attributes: attributes(&told), by: Some(by), via, seq: Some(seq), at: Some(at) }
    }
}

impl From<Difference> for Operation {
    fn from(difference: Difference) -> Self {
        match difference {
            Difference::Retain { len, format } => Self::Retain { retain: len, format: format.into() },
            Difference::Modify { changes, format } => Self::Modify { modify: changes.into(), format: format.into() },
            Difference::Insert { what, attributes: told, change } => {
                let (attributes, by) = (attributes(&told), change.into());
                let insert = match what {
                    What::Type(shared) => return Self::Create { create: shared.into(), attributes, by },
                    What::Text(text) => json(serde_json::Value::from(text).to_string()),
                    What::Embed(value) => json(value),
                    What::Values(values) => json(format!("[{}]", values.join(","))),
                };
                Self::Insert { insert, attributes, by }
            }
            Difference::Delete { what, change } => {
                let by = change.into();
                let (mut text, mut values, mut shared) = (None, None, None);
                let delete = match what {
                    What::Text(gone) => text.insert(gone).encode_utf16().count(),
                    What::Embed(value) => values.insert(vec![json(value)]).len(),
                    What::Values(gone) => values.insert(gone.into_iter().map(json).collect()).len(),
                    What::Type(gone) => {
                        shared = Some(gone.into());
                        1
                    }
                };
                Self::Delete { delete, text, values, shared, by }
            }
        }
    }
}

impl From<KeyChange> for KeyView {
    fn from(change: KeyChange) -> Self {
        let parts = |entry: Option<Entry>| match entry {
            None => (None, None),
            Some(Entry::Value(value)) => (Some(json(value)), None),
            Some(Entry::Type(shared)) => (None, Some(Box::new(shared.into()))),
        };
        match change {
            KeyChange::Modify(changes) => Self::Modify { modify: changes.into() },
            KeyChange::Replace { from, to, change } => {
                let ((from, shared), (to, create)) = (parts(from), parts(to));
                Self::Replace { from, shared, to, create, by: change.into() }
            }
        }
    }
}

/// What changed in a root type between two moments.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/diff", operation_id = "getDiff", tag = "past",
    params(
        RoomPath,
        ("root" = Option<String>, Query, description = "The root type; needed for one of several"),
        ("from" = inline(Moment), Query, description = "After which entry, or at which time"),
        ("to" = inline(Option<Moment>), Query, description = "Likewise; now if not given"),
        ("format" = Option<String>, Query, description = "`json`, which is the default, or `text`: a unified diff by lines"),
    ),
    responses(
        (
            status = 200, description = "What leads from one to the other",
            content((Diff = "application/json"), (String = "text/plain")),
        ),
        InRoom, Fails<422>,
    ),
)]
pub async fn diff(
    may: May<ReadPast>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let root = parameters.text("root");
    let is_text = match parameters.text("format").as_deref() {
        None | Some("json") => false,
        Some("text") => true,
        Some(_) => return Err(ApiError::Parameter("format is json or text".into())),
    };
    let from = when("from", &mut parameters)?.ok_or_else(|| ApiError::Parameter("from is a seq or a time".into()))?;
    let to = when("to", &mut parameters)?;
    parameters.end()?;
    if is_text {
        let read = move |open: Open, _| {
            let to = to.unwrap_or(When::Seq(open.row.head));
            open.unified_diff(root.as_deref(), (from, to)).map_err(ApiError::from)
        };
        let told = look_back(&may.room, &may.identity.user, &state, read).await?;
        return Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(told));
    }
    let room = may.room.clone();
    let read = move |open: Open, authors: Authors| {
        let to = to.unwrap_or(When::Seq(open.row.head));
        let (from, to, RootChanges { root, changes }) = open.diff(root.as_deref(), (from, to), &authors)?;
        let (root, kind) = root.map(|(root, kind)| (root, kind.into())).unzip();
        Ok(Diff { room, from, to, root, kind, ops: ops(changes.ops), keys: keys(changes.keys) })
    };
    answer(&may.room, &may.identity.user, &state, read).await
}
