//! A room's entries as JSON lines, page by page.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::error::TransferError;
use crate::ids::{Seq, UserId};
use crate::protocol::json::rfc3339;
use crate::store::{Bodies, Entry, EntryKind, HISTORY_ENTRIES_MAX, HistoryQuery, Kinds, Page, RoomId, Store};

/// An entry as a line.
#[derive(Serialize)]
struct Line<'e> {
    seq: Seq,
    kind: &'static str,
    author: &'e UserId,
    /// Who sent it, where that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<&'e UserId>,
    /// RFC 3339, UTC.
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'e str>,
    /// Of what is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    /// Of what is not, Yjs updates above all.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Writes all entries up to `head` that are kept.
pub(super) async fn write(store: &Store, room: RoomId, head: Seq, out: &mut dyn Write) -> Result<(), TransferError> {
    let before = Some(Seq(head.0 + 1));
    let (limit, page, bodies) = (HISTORY_ENTRIES_MAX, Page::Oldest, Bodies::All);
    let mut after = Seq::ZERO;
    while after < head {
        let query = HistoryQuery { after: Some(after), before, kinds: Kinds::All, author: None, limit, page, bodies };
        let entries = store.remaining(room, query).await?;
        // Only an empty page says that there are no more.
        let Some(last) = entries.last() else { break };
        after = last.seq;
        for entry in &entries {
            write_line(entry, out)?;
        }
    }
    Ok(())
}

fn write_line(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let bytes = entry.body.as_deref().unwrap_or_default();
    let body = (entry.kind != EntryKind::Edit).then(|| json(bytes)).flatten();
    let line = Line {
        seq: entry.seq,
        kind: name(entry.kind),
        author: &entry.author,
        via: entry.via.as_ref(),
        at: rfc3339(entry.at_ms),
        key: entry.key.as_deref(),
        base64: body.is_none().then(|| STANDARD.encode(bytes)),
        body,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// JSON as it was written, on one line: its line breaks are never within a text.
fn json(body: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(body).ok()?.replace(['\n', '\r'], " ");
    RawValue::from_string(text).ok()
}

fn name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Edit => "edit",
        EntryKind::Message => "message",
        EntryKind::Event => "event",
        EntryKind::Step => "step",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn line(kind: EntryKind, key: Option<&str>, body: &'static [u8]) -> String {
        let mut out = Vec::new();
        let entry = Entry {
            seq: Seq(3),
            kind,
            author: UserId::new("ada"),
            via: None,
            at_ms: 1_700_000_000_123,
            key: key.map(str::to_owned),
            body_bytes: body.len() as u64,
            body: Some(Bytes::from_static(body)),
        };
        write_line(&entry, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_edit_is_base64_and_json_stays_json_on_one_line() {
        assert_eq!(
            line(EntryKind::Edit, Some("k"), &[0, 0]),
            "{\"seq\":3,\"kind\":\"edit\",\"author\":\"ada\",\"at\":\"2023-11-14T22:13:20.123Z\",\"key\":\"k\",\"base64\":\"AAA=\"}\n"
        );
        assert_eq!(
            line(EntryKind::Message, None, b"{\n\"n\": 12345678901234567890.10}"),
            "{\"seq\":3,\"kind\":\"message\",\"author\":\"ada\",\"at\":\"2023-11-14T22:13:20.123Z\",\"body\":{ \"n\": 12345678901234567890.10}}\n"
        );
    }

    #[test]
    fn a_body_that_is_no_json_is_base64_whatever_its_kind() {
        assert!(line(EntryKind::Event, None, b"hello").ends_with("\"base64\":\"aGVsbG8=\"}\n"));
        assert!(line(EntryKind::Step, None, &[0xff]).ends_with("\"base64\":\"/w==\"}\n"));
    }
}
