//! What is said in a room for the timeline: committed first, then sent to all with its seq and time. And what its author hears.

use super::recent::Recent;
use crate::auth::{Access, Action};
use crate::ids::{MemberId, UserId};
use crate::metrics;
use crate::protocol::Dialect;
use crate::protocol::json::request::Publication;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage, entry, rfc3339};
use crate::room::commit::{Commit, Pending};
use crate::room::fanout::Counted;
use crate::room::io::Io;
use crate::room::members::{Acknowledgement, Receipt};
use crate::room::messages::{Post, PostError, Reply};
use crate::room::quotas::{Denied, Sender};
use crate::store::{EntryKind, NewEntry, Placed, Refused};

/// When to try again what there is no room for now, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// Puts a member's message or event on its way into the timeline.
pub fn publish(
    from: MemberId,
    publication: Publication,
    request_id: Option<Box<str>>,
    commit: &mut Commit,
    io: &mut Io,
) {
    let Some(member) = io.permitted(from, Action::Publish, &request_id) else { return };
    let (author, name) = (member.user.clone(), member.name.clone());
    let entry = new_entry(author, &name, publication);
    keep(from, entry, request_id, None, commit, io);
}

/// Keeps an entry for the journal; its author hears after the commit. Whether there is room for it.
pub fn keep(
    from: MemberId,
    entry: NewEntry,
    request_id: Option<Box<str>>,
    version: Option<u64>,
    commit: &mut Commit,
    io: &mut Io,
) -> bool {
    if !commit.uncommitted.has_room() {
        let message = "the database does not answer and too much waits for it, try again later";
        io.send_error(from, ErrorMessage::temporary(ErrorCode::TryLater, message, RETRY_AFTER_MS), &request_id);
        return false;
    }
    let access = io.members.get(from).map_or(Access::None, |member| member.access);
    let pending = match admitted(entry, access, commit) {
        Ok(pending) => pending,
        Err(denied) => {
            send_denied(from, &request_id, denied, io);
            return false;
        }
    };
    let receipt = Receipt::Saved { request_id, version };
    commit.uncommitted.push(Pending { acknowledgements: vec![Acknowledgement { to: from, receipt }], ..pending });
    true
}

/// What is to be stored; of what may not be, whether it was before.
fn admitted(entry: NewEntry, access: Access, commit: &mut Commit) -> Result<Pending, Denied> {
    let Err(denied) = commit.admit(Sender { user: &entry.author, access }, entry.body.len()) else {
        return Ok(Pending::new(entry, Vec::new()));
    };
    metrics::STORING_DENIED.inc();
    match entry {
        NewEntry { kind, author, key: Some(key), .. } if commit.has_entries() => {
            Ok(Pending::repetition(kind, author, key, Some(denied)))
        }
        _ => Err(denied),
    }
}

/// Puts what REST publishes on its way; answered after the commit, one by one. Also while the room loads, unless it may be denied: its
/// bound is that of what is uncommitted, since no credit bounds these senders.
pub fn post(post: Post, commit: &mut Commit) {
    let Post { lease, author, access, name, bytes: _, publications } = post;
    for (publication, reply) in publications {
        let entry = new_entry(author.clone(), &name, publication);
        // Whoever asked may have stopped waiting.
        match admitted(entry, access, commit) {
            Err(denied) => drop(reply.send(Err(denied.into()))),
            Ok(_) if !commit.uncommitted.has_room() => drop(reply.send(Err(PostError::TryLater))),
            Ok(pending) => commit.uncommitted.push(Pending { replies: vec![Reply::Post(reply)], ..pending }),
        }
    }
    drop(lease);
}

/// Sends JSON members an entry that is committed, the next one.
pub fn broadcast_committed(entry: &NewEntry, placed: Placed, recent: &mut Recent, io: &mut Io) {
    recent.advance(placed.seq);
    if !io.members.speak(Dialect::Json) {
        recent.forget();
    } else if entry.kind == EntryKind::Edit {
        send_edit(entry, placed, io);
    } else {
        let frame = entry::stamped(io.name, &entry.author, placed.at_ms, Some(placed.seq), &entry.body);
        io.broadcast_json(&frame, None);
        recent.push(placed.seq, frame);
    }
}

/// Sends a committed edit to those JSON members who asked for edits.
fn send_edit(entry: &NewEntry, placed: Placed, io: &mut Io) {
    let wanting = io.members.wanting_edits();
    if wanting.is_empty() {
        return;
    }
    let frame = entry::edit(io.name, &entry.author, placed.at_ms, placed.seq, &entry.body);
    for (link, member) in wanting {
        io.outbound.send(link, member, frame.clone(), Counted::Yes);
    }
}

/// Tells a JSON author that its entry is committed.
pub fn send_saved(to: MemberId, request_id: Option<&str>, version: Option<u64>, placed: Placed, io: &mut Io) {
    let timestamp = rfc3339(placed.at_ms);
    let frame = ServerMessage::Saved { room: io.name, seq: placed.seq, timestamp, version, request_id }.frame();
    io.send(to, frame);
}

/// Tells a JSON author that its entry may not be stored.
pub fn send_denied(to: MemberId, request_id: &Option<Box<str>>, denied: Denied, io: &mut Io) {
    let code = if denied == Denied::NoRoom { ErrorCode::Forbidden } else { ErrorCode::QuotaExceeded };
    io.send_error(to, ErrorMessage::permanent(code, denied.to_string()), request_id);
}

/// Tells a JSON author that its entry is not stored now.
pub fn send_try_later(to: MemberId, request_id: &Option<Box<str>>, io: &mut Io) {
    let message = "the room was not made, try again";
    io.send_error(to, ErrorMessage::temporary(ErrorCode::TryLater, message, RETRY_AFTER_MS), request_id);
}

/// Tells a JSON author that its entry will never be stored.
pub fn refuse(to: MemberId, request_id: &Option<Box<str>>, refused: Refused, io: &mut Io) {
    io.send_error(to, ErrorMessage::permanent(ErrorCode::InvalidMessage, refused.to_string()), request_id);
}

fn new_entry(author: UserId, name: &str, publication: Publication) -> NewEntry {
    let Publication { event, key } = publication;
    let kind = if entry::is_chat(&event) { EntryKind::Message } else { EntryKind::Event };
    NewEntry { kind, author, via: None, key, condition: None, body: entry::body(&event, name) }
}
