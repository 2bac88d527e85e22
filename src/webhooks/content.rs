//! The document that comes along with `document.changed`, on wish.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::archive::{Archive, ArchiveError, Stored};
use crate::document::{ReadingBudget, View};
use crate::ids::{RoomName, Seq};
use crate::store::StoreError;

/// Longest document that comes along, in bytes.
const CONTENT_BYTES_MAX: usize = 1 << 20;

/// How a document comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A text.
    Text,
    /// JSON of a root type, or of all.
    Json,
    /// The JSON of ProseMirror.
    ProseMirror,
    /// XML.
    Xml,
    /// A Yjs update, in base64.
    Yjs,
}

const FORMATS: [(&str, Format); 5] = [
    ("text", Format::Text),
    ("json", Format::Json),
    ("prosemirror", Format::ProseMirror),
    ("xml", Format::Xml),
    ("yjs", Format::Yjs),
];

impl Format {
    /// Reads its name.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        let found = FORMATS.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| format).ok_or("content is text, json, prosemirror, xml or yjs")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        FORMATS.into_iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// A document at a seq, as JSON; or why it does not come along.
pub type Content = (Seq, Result<Box<RawValue>, &'static str>);

/// The document as it is now; `None` if the room is gone.
///
/// # Errors
/// The store cannot be asked now.
pub async fn content(
    room: &RoomName,
    format: Format,
    root: Option<String>,
    archive: &Archive,
) -> Result<Option<Content>, ArchiveError> {
    let stored = match archive.read(room).await {
        Err(ArchiveError::Store(StoreError::RoomDeleted)) => None,
        stored => stored?,
    };
    let Some(Stored { head, document, .. }) = stored else { return Ok(None) };
    let rendered = tokio::task::spawn_blocking(move || {
        let json = render(&Bytes::from(document.state()), format, root.as_deref())?;
        if json.get().len() > CONTENT_BYTES_MAX { Err("too_large") } else { Ok(json) }
    });
    let rendered = rendered.await.map_err(|panic| ArchiveError::Panic(panic.to_string()))?;
    Ok(Some((head, rendered)))
}

fn render(state: &Bytes, format: Format, root: Option<&str>) -> Result<Box<RawValue>, &'static str> {
    if format == Format::Yjs {
        return text(BASE64_STANDARD.encode(state));
    }
    let view = View::read(state, ReadingBudget::default()).map_err(|_| "too_costly")?;
    let unknown = |_| "root_not_found";
    match format {
        Format::Text => text(view.text(root).map_err(unknown)?),
        Format::Xml => text(view.xml(root).map_err(unknown)?),
        Format::Json => raw(view.json(root).map_err(unknown)?),
        Format::ProseMirror => raw(view.prosemirror(root).map_err(unknown)?),
        Format::Yjs => Err("too_costly"),
    }
}

fn text(text: String) -> Result<Box<RawValue>, &'static str> {
    serde_json::value::to_raw_value(&text).map_err(|_| "too_costly")
}

fn raw(json: String) -> Result<Box<RawValue>, &'static str> {
    RawValue::from_string(json).map_err(|_| "too_costly")
}
