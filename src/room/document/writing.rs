//! Edits of servers, which are no members: shown at once as members' are, or once they are committed.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::LiveDocument;
use super::origin::{AnnouncedByAnother, EditOrigin, Source};
use crate::document::scan;
use crate::ids::{Seq, UserId};
use crate::metrics;
use crate::protocol::EditKind;
use crate::room::commit::{Commit, Pending};
use crate::room::io::Io;
use crate::room::messages::{Reply, Showing, WriteDocument, WriteError, Written};
use crate::room::quotas::{Denied, Sender};
use crate::store::{Condition, EntryKind, NewEntry, Placed};

/// The author of first contents, whom no token names.
pub(super) const SEED_USER: &str = "tutti/seed";

impl LiveDocument {
    /// Takes a server's edit, or refuses it; answered once it is committed. `newest` is the last entry that was sent.
    pub fn on_write(
        &mut self,
        write: WriteDocument,
        newest: Seq,
        announced: AnnouncedByAnother<'_>,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        if !commit.uncommitted.has_room() {
            return write.refuse(WriteError::TryLater);
        }
        match (write.showing.clone(), self.denied(&write, commit)) {
            (Showing::AtOnce, None) => self.write_now(write, newest, announced, commit, io),
            (Showing::AtOnce, Some(denied)) => write.refuse(denied.into()),
            (Showing::Committed { epoch, .. }, _) if epoch.is_some_and(|epoch| epoch != commit.epoch()) => {
                write.refuse(WriteError::Stale);
            }
            (Showing::Committed { key, head, .. }, None) => {
                let WriteDocument { lease, user, update, reply, .. } = write;
                self.keep(user, update, (key, head), reply, commit);
                drop(lease);
            }
            (Showing::Committed { key, .. }, denied) => keep_repetition(write, key, denied, commit),
            (Showing::Repeated { key }, _) => keep_repetition(write, Some(key), None, commit),
        }
    }

    /// Why an edit that brings something may not be stored.
    fn denied(&self, write: &WriteDocument, commit: &mut Commit) -> Option<Denied> {
        if matches!(write.showing, Showing::Repeated { .. }) {
            return None;
        }
        let sender = Sender { user: &write.user, access: write.access };
        let denied = commit.admit(sender, write.update.len()).err()?;
        if self.blocks.brings_nothing(&write.update) {
            return None;
        }
        metrics::STORING_DENIED.inc();
        Some(denied)
    }

    fn write_now(
        &mut self,
        write: WriteDocument,
        newest: Seq,
        announced: AnnouncedByAnother<'_>,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        let was_empty = self.blocks.is_empty();
        let news = match self.blocks.apply_whole(&write.update) {
            Ok(news) => news,
            Err(refusal) => return write.refuse(refusal.into()),
        };
        let WriteDocument { lease, user, reply, .. } = write;
        let is_first = was_empty && news.is_some();
        if let Some(news) = news {
            let source = Source { origin: EditOrigin::Server { user }, kind: EditKind::Update, announced };
            self.broadcast_and_keep(news, &source, true, commit, io);
        }
        // The entry that it became is the last one, and what the document had already is committed with that at the latest.
        if let Some(reply) = commit.uncommitted.reply_when_settled(Reply::Write { to: reply, is_first }) {
            reply.send(Ok(Placed { seq: newest, at_ms: 0, is_new: false }));
        }
        drop(lease);
    }

    /// Keeps the first content of a document for the journal; answered once it is committed. `newest` is the last entry that was sent.
    pub fn write_seed(
        &mut self,
        update: Bytes,
        newest: Seq,
        reply: oneshot::Sender<Result<Written, WriteError>>,
        commit: &mut Commit,
    ) {
        self.keep(UserId::new(SEED_USER), update, (None, Some(newest)), reply, commit);
    }

    /// Keeps an edit for the journal that is shown once it is committed; under a key, and behind a head.
    fn keep(
        &mut self,
        user: UserId,
        update: Bytes,
        (key, head): (Option<String>, Option<Seq>),
        reply: oneshot::Sender<Result<Written, WriteError>>,
        commit: &mut Commit,
    ) {
        // It was read by whoever made it.
        let typed = scan(&update).map(|scan| scan.sections).unwrap_or_default();
        let unknown = typed.iter().map(|section| section.client).filter(|client| !self.authors.contains_key(client));
        let clients = unknown.map(|client| (client, user.clone())).collect();
        let is_first = self.blocks.is_empty();
        let condition = head.map(Condition::Head);
        let entry = NewEntry { kind: EntryKind::Edit, author: user, via: None, key, condition, body: update };
        let replies = vec![Reply::Write { to: reply, is_first }];
        commit.uncommitted.push(Pending { clients, replies, is_shown_late: true, ..Pending::new(entry, Vec::new()) });
    }

    /// A server's edit is committed, and not shown before.
    pub fn on_written(&mut self, update: &Bytes, clients: Vec<(u64, UserId)>, commit: &mut Commit, io: &mut Io) {
        for (client, user) in clients {
            self.authors.entry(client).or_insert(user);
        }
        self.on_foreign_edit(update, commit, io);
    }
}

/// Answers an edit that is not taken now as its first one was, if that was stored under its key.
fn keep_repetition(write: WriteDocument, key: Option<String>, denied: Option<Denied>, commit: &mut Commit) {
    let Some(key) = key.filter(|_| commit.has_entries()) else {
        return write.refuse(denied.map_or(WriteError::Stale, WriteError::Denied));
    };
    let WriteDocument { lease, user, reply, .. } = write;
    let replies = vec![Reply::Write { to: reply, is_first: false }];
    commit.uncommitted.push(Pending { replies, ..Pending::repetition(EntryKind::Edit, user, key, denied) });
    drop(lease);
}
