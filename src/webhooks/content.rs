//! The document that comes along with `document.changed`, on wish.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::archive::{Archive, ArchiveError, Stored};
use crate::document::{Format, ReadingBudget, RenderError, View};
use crate::ids::{RoomName, Seq};
use crate::store::StoreError;

/// Longest document that comes along, in bytes.
const CONTENT_BYTES_MAX: usize = 1 << 20;

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
    match format {
        Format::Text => text(view.text(root).map_err(reason)?),
        Format::Xml => text(view.xml(root).map_err(reason)?),
        Format::Json => raw(view.json(root).map_err(reason)?),
        Format::ProseMirror => raw(view.prosemirror(root).map_err(reason)?),
        Format::Yjs => Err("too_costly"),
    }
}

fn reason(error: RenderError) -> &'static str {
    match error {
        RenderError::TooCostly => "too_costly",
        RenderError::NoSuchRoot | RenderError::SeveralRoots(_) => "root_not_found",
    }
}

fn text(text: String) -> Result<Box<RawValue>, &'static str> {
    serde_json::value::to_raw_value(&text).map_err(|_| "too_costly")
}

fn raw(json: String) -> Result<Box<RawValue>, &'static str> {
    RawValue::from_string(json).map_err(|_| "too_costly")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_much_to_render_is_not_told_to_be_no_root() {
        let several = RenderError::SeveralRoots(vec!["one".to_owned(), "two".to_owned()]);
        let told = [RenderError::TooCostly, RenderError::NoSuchRoot, several].map(reason);
        assert_eq!(told, ["too_costly", "root_not_found", "root_not_found"]);
    }
}
