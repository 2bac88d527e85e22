//! What is said in a room for the timeline: committed first, then shown to all with its seq and time. And what its author hears.

use std::time::Instant;

use tokio::sync::oneshot;

use crate::auth::Action;
use crate::ids::{MemberId, UserId};
use crate::protocol::Dialect;
use crate::protocol::json::request::Publication;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage, entry, rfc3339};
use crate::room::commit::uncommitted::{Acknowledgement, Pending, Receipt};
use crate::room::fanout::relay::Counted;
use crate::room::messages::{Post, PostError};
use crate::room::room::{Phase, Room};
use crate::store::{Kind, NewEntry, Placed, Refused};
use crate::wire::Frame;

/// When to try again what there is no room for now, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

impl Room {
    /// Puts a member's message or event on its way into the timeline.
    pub(in crate::room) fn publish(&mut self, from: MemberId, publication: Publication, request_id: Option<Box<str>>) {
        let Some(member) = self.may(from, Action::Publish, &request_id) else { return };
        let (author, name) = (member.user.clone(), member.name.clone());
        let entry = entry(author, &name, publication);
        self.keep(from, entry, request_id, None);
    }

    /// Keeps an entry for the journal; its author hears after the commit. Whether there is room for it.
    pub(in crate::room) fn keep(
        &mut self,
        from: MemberId,
        entry: NewEntry,
        request_id: Option<Box<str>>,
        version: Option<u64>,
    ) -> bool {
        if !self.uncommitted.has_room() {
            let message = "the database does not answer and too much waits for it, try again later";
            self.complain(from, ErrorMessage::temporary(ErrorCode::TryLater, message, RETRY_AFTER_MS), &request_id);
            return false;
        }
        let receipt = Receipt::Saved { request_id, version };
        self.uncommitted.push(Pending::new(entry, vec![Acknowledgement { to: from, receipt }]));
        true
    }

    /// Puts what REST publishes on its way; answered after the commit, one by one.
    pub(in crate::room) fn post(&mut self, post: Post) {
        if matches!(self.phase, Phase::Failed) {
            return post.refuse(PostError::TryLater);
        }
        let settings = &self.context.settings;
        if let Err(wait) = self.said.take_many(post.publications.len(), settings.say_rate, Instant::now()) {
            return post.refuse(PostError::TooMany(wait));
        }
        // Also while the room loads: its bound is that of what is uncommitted, since no credit bounds these senders.
        let Post { lease, author, name, publications } = post;
        for (publication, reply) in publications {
            let entry = entry(author.clone(), &name, publication);
            if self.uncommitted.has_room() {
                self.uncommitted.push(Pending { reply: Some(reply), ..Pending::new(entry, Vec::new()) });
            } else {
                answer(reply, Err(PostError::TryLater));
            }
        }
        drop(lease);
    }

    /// Shows a committed entry.
    pub(in crate::room) fn committed(&mut self, entry: &NewEntry, placed: Placed) {
        self.timeline.advance(placed.seq);
        if !self.members.speak(Dialect::Json) {
            self.timeline.forget();
        } else if entry.kind == Kind::Edit {
            self.show_edit(entry, placed);
        } else {
            let frame = entry::stamped(&self.name, &entry.author, placed.at_ms, Some(placed.seq), &entry.body);
            self.outbound.all(Dialect::Json, &frame, None, &[]);
            self.timeline.recent.push(placed.seq, frame);
        }
    }

    /// Shows a committed edit to those JSON members who asked for edits.
    fn show_edit(&mut self, entry: &NewEntry, placed: Placed) {
        let wanting = self.members.wanting_edits();
        if wanting.is_empty() {
            return;
        }
        let frame = entry::edit(&self.name, &entry.author, placed.at_ms, placed.seq, &entry.body);
        for (link, member) in wanting {
            self.outbound.one(link, member, frame.clone(), Counted::Yes);
        }
    }

    /// Tells a JSON author that its entry is committed.
    pub(in crate::room) fn saved(
        &mut self,
        to: MemberId,
        request_id: Option<&str>,
        version: Option<u64>,
        placed: Placed,
    ) {
        let (room, timestamp) = (&self.name, rfc3339(placed.at_ms));
        let frame = ServerMessage::Saved { room, seq: placed.seq, timestamp, version, request_id }.frame();
        self.tell(to, frame);
    }

    /// Tells a JSON author that its entry will never be stored.
    pub(in crate::room) fn refuse_entry(&mut self, to: MemberId, request_id: &Option<Box<str>>, refused: Refused) {
        self.complain(to, ErrorMessage::permanent(ErrorCode::InvalidMessage, refused.to_string()), request_id);
    }

    /// Sends a JSON member a frame.
    pub(in crate::room) fn tell(&mut self, to: MemberId, frame: Frame) {
        if let Some(member) = self.members.get(to) {
            self.outbound.one(member.link, to, frame, Counted::Yes);
        }
    }

    /// Tells a JSON member that something was not done.
    pub(in crate::room) fn complain(&mut self, to: MemberId, error: ErrorMessage, request_id: &Option<Box<str>>) {
        let frame = error.about(request_id.as_deref(), Some(&self.name)).frame();
        self.tell(to, frame);
    }
}

/// Answers a server, which may have stopped waiting.
pub(in crate::room) fn answer(reply: oneshot::Sender<Result<Placed, PostError>>, outcome: Result<Placed, PostError>) {
    let _ = reply.send(outcome);
}

fn entry(author: UserId, name: &str, publication: Publication) -> NewEntry {
    let Publication { event, key } = publication;
    let kind = if entry::is_chat(&event) { Kind::Message } else { Kind::Event };
    NewEntry { kind, author, key, body: entry::body(&event, name) }
}
