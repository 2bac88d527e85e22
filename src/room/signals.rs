//! What members say to each other that is not kept: signals, and the texts of Hocuspocus apps unless those are entries here.

use serde::Deserialize;

use super::commit::{Commit, Pending};
use super::io::Io;
use super::members::{Acknowledgement, Receipt};
use super::messages::{BroadcastBinary, BroadcastStateless};
use super::quotas::Sender;
use crate::auth::{Action, allows, now_ms};
use crate::bus::{Signal, UserSignal};
use crate::ids::{MemberId, UserId};
use crate::metrics;
use crate::protocol::json::request::Event;
use crate::protocol::json::{entry, signal};
use crate::protocol::{Dialect, hocuspocus};
use crate::store::{EntryKind, NewEntry};

/// The type of kept texts of Hocuspocus apps. No JSON client can send it: it has no dot.
const STATELESS: &str = "stateless";
/// Longest text of a Hocuspocus app, in bytes: with a few of them no outbox is full.
const STATELESS_BYTES_MAX: usize = 256 * 1024;
/// Who speaks where it is the server itself.
const SERVER: &str = "server";

/// Passes a JSON member's event on to the others.
pub(super) fn on_signal(from: MemberId, event: &Event, request_id: &Option<Box<str>>, io: &mut Io) {
    let Some(member) = io.permitted(from, Action::Signal, request_id) else { return };
    let (user, body) = (member.user.clone(), entry::body(event, &member.name));
    let frame = entry::stamped(io.name, &user, now_ms(), None, &body);
    io.broadcast_json(&frame, Some(from));
    io.elsewhere.signal(|| Signal::Event(UserSignal { user, payload: body }));
    io.send_done(from, request_id);
}

/// Passes a JSON member's bytes on to the others.
pub(super) fn on_binary_signal(message: BroadcastBinary, io: &mut Io) {
    let BroadcastBinary { from, payload, charge } = message;
    io.credit(from, charge);
    let Some(member) = io.permitted(from, Action::Signal, &None) else { return };
    let user = member.user.clone();
    let frame = signal::frame(io.name, &user, &payload);
    io.broadcast_json(&frame, Some(from));
    io.elsewhere.signal(|| Signal::Binary(UserSignal { user, payload }));
}

/// Passes a Hocuspocus app's own text on to the others, at once or, where it is to be kept, once it is committed.
pub(super) fn on_stateless(message: BroadcastStateless, commit: &mut Commit, io: &mut Io) {
    let BroadcastStateless { from, payload, charge } = message;
    let is_kept = io.settings.keeps_stateless;
    let Some(member) = io.credit(from, charge) else { return };
    let (author, name, access) = (member.user.clone(), member.name.clone(), member.access);
    let is_allowed = allows(access, if is_kept { Action::Publish } else { Action::Signal });
    if !is_allowed || payload.len() > STATELESS_BYTES_MAX {
        // The protocol has no answer for that.
        return tracing::debug!(member.id = %from, "a stateless message is dropped");
    }
    let frame = hocuspocus::stateless(io.name.as_str(), &payload);
    if !is_kept {
        io.elsewhere.signal(|| Signal::Stateless { payload: payload.clone() });
        return io.outbound.broadcast(Dialect::Hocuspocus, &frame, Some(from), &[]);
    }
    let text = Some(String::from_utf8_lossy(&payload).into_owned());
    let body = entry::body(&Event { kind: STATELESS.into(), text, payload: None }, &name);
    let entry = NewEntry { kind: EntryKind::Event, author, via: None, key: None, condition: None, body };
    if !commit.uncommitted.has_room() {
        return tracing::warn!("a stateless message is dropped, too much is not committed");
    }
    if let Err(denied) = commit.admit(Sender { user: &entry.author, access }, entry.body.len()) {
        metrics::STORING_DENIED.inc();
        return tracing::info!(%denied, "a stateless message is dropped");
    }
    let acknowledgement = Acknowledgement { to: from, receipt: Receipt::Broadcast(frame) };
    commit.uncommitted.push(Pending::new(entry, vec![acknowledgement]));
}

/// Passes on what was said on another server.
pub(super) fn on_foreign_signal(signal: Signal, io: &mut Io) {
    match signal {
        Signal::Event(UserSignal { user, payload }) => {
            let frame = entry::stamped(io.name, &user, now_ms(), None, &payload);
            io.broadcast_json(&frame, None);
        }
        Signal::Binary(UserSignal { user, payload }) => {
            let frame = signal::frame(io.name, &user, &payload);
            io.broadcast_json(&frame, None);
        }
        Signal::Stateless { payload } => {
            let frame = hocuspocus::stateless(io.name.as_str(), &payload);
            io.outbound.broadcast(Dialect::Hocuspocus, &frame, None, &[]);
        }
    }
}

/// Passes on a Hocuspocus app's own text that was committed on another server.
pub(super) fn on_foreign_event(body: &[u8], io: &mut Io) {
    #[derive(Deserialize)]
    struct Kept {
        #[serde(rename = "type")]
        kind: String,
        text: Option<String>,
    }
    if !io.members.speak(Dialect::Hocuspocus) {
        return;
    }
    let kept: Option<Kept> = serde_json::from_slice(body).ok();
    if let Some(text) = kept.filter(|kept| kept.kind == STATELESS).and_then(|kept| kept.text) {
        let frame = hocuspocus::stateless(io.name.as_str(), text.as_bytes());
        io.outbound.broadcast(Dialect::Hocuspocus, &frame, None, &[]);
    }
}

/// Sends JSON members an event of the server's own.
pub(super) fn announce(body: &[u8], io: &mut Io) {
    let frame = entry::stamped(io.name, &UserId::new(SERVER), now_ms(), None, body);
    io.broadcast_json(&frame, None);
}
