//! Replies to Step1: what a client lacks of the document, encoded once for all who lack the same.

use std::time::Instant;

use bytes::Bytes;

use super::LiveDocument;
use super::large_frames::TOO_MANY_LARGE;
use super::reply_cache::{NOTHING, ReplyKey};
use crate::auth::{Action, allows};
use crate::budget::Payer;
use crate::document::DeletedContent;
use crate::ids::MemberId;
use crate::protocol::{CloseCode, Dialect, EditorMessage};
use crate::room::commit::Commit;
use crate::room::io::Io;
use crate::room::messages::AskState;
use crate::wire::Frame;

/// Why somebody gets no reply, and is closed.
type ReplyRefusal = (CloseCode, &'static str);

impl LiveDocument {
    /// A member asks for what it lacks, and gets it now or when there is time. Who is asked back with each Step1 is asked first.
    pub fn on_ask_state(&mut self, ask: AskState, commit: &mut Commit, io: &mut Io) {
        let Some(member) = io.members.get(ask.from) else { return };
        if member.editor().is_asked_on_step1() && allows(member.access, Action::Edit) {
            self.send_step1(ask.from, io);
        }
        self.queue.push(ask);
        self.send_replies(commit, io);
    }

    /// Asks a member by Step1 for what the document lacks.
    pub fn send_step1(&mut self, to: MemberId, io: &mut Io) {
        self.missing.asked(to, io.now);
        io.send_message(to, EditorMessage::Step1(&self.blocks.state_vector()));
    }

    /// When [`on_replies_due`](Self::on_replies_due) is to be called.
    pub fn replies_due(&self) -> Option<Instant> {
        self.queue.due()
    }

    /// There is time for replies again.
    pub fn on_replies_due(&mut self, commit: &mut Commit, io: &mut Io) {
        self.queue.on_due();
        self.send_replies(commit, io);
    }

    /// Replies to all who wait, as far as there is time for it.
    fn send_replies(&mut self, commit: &mut Commit, io: &mut Io) {
        while let Some(ask) = self.queue.next() {
            let payer = Payer::of(io.members.get(ask.from).map(|member| &member.user));
            let shown = shown_to(ask.from, io);
            let (dialect, deleted) = shown.unwrap_or((Dialect::Json, DeletedContent::Dropped));
            let key = ReplyKey { dialect, deleted, known: ask.state_vector.clone() };
            let reply = match self.replies.get(&key) {
                Some(frame) => Ok(Some(frame)),
                None if self.queue.has_time(Instant::now()) => self.encode(key.clone(), payer, io),
                None => return,
            };
            self.send_same(&key, reply, commit, io);
        }
    }

    fn encode(&mut self, key: ReplyKey, payer: Payer, io: &Io) -> Result<Option<Frame>, ReplyRefusal> {
        let began = Instant::now();
        let update = match key.deleted {
            DeletedContent::Kept => self.blocks.diff(&key.known),
            DeletedContent::Dropped => self.blocks.diff_without_deleted(&key.known),
        };
        let update = update.map_err(|_| (CloseCode::EditRefused, "the state vector cannot be read"))?;
        let frame = key.dialect.step2(update, io.name);
        let now = Instant::now();
        self.queue.spend(now.duration_since(began), now);
        let Some(frame) = frame else { return Ok(None) };
        let whole = ReplyKey { known: Bytes::from_static(NOTHING), ..key };
        let is_whole = key.known == NOTHING;
        match self.replies.add(key, frame, &self.states, payer) {
            Some(frame) => Ok(Some(frame)),
            None if is_whole => Err((CloseCode::TryLater, TOO_MANY_LARGE)),
            // More than it lacks does no harm, and is shared.
            None => self.replies.get(&whole).map_or_else(|| self.encode(whole, payer, io), |frame| Ok(Some(frame))),
        }
    }

    /// Replies to those who lack the same.
    fn send_same(
        &mut self,
        key: &ReplyKey,
        reply: Result<Option<Frame>, ReplyRefusal>,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        let same = (key.dialect, key.deleted);
        let is_same = |ask: &AskState| {
            let shown = shown_to(ask.from, io);
            shown.is_none_or(|shown| shown == same && ask.state_vector == key.known)
        };
        for AskState { from, state_vector, charge } in self.queue.take(is_same) {
            let Some(member) = io.credit(from, charge) else { continue };
            let may_edit = allows(member.access, Action::Edit);
            match &reply {
                Ok(Some(frame)) => {
                    io.send_requested(from, frame.clone());
                    if !may_edit {
                        self.judge_reader(from, &state_vector, frame.plain_bytes(), commit, io);
                    }
                }
                Ok(None) => {}
                Err((code, reason)) => io.close(from, *code, *reason),
            }
        }
    }
}

/// In which dialect a member is answered, and whether with the content of what is deleted: who does not look back is not shown it.
fn shown_to(member: MemberId, io: &Io) -> Option<(Dialect, DeletedContent)> {
    let member = io.members.get(member)?;
    Some((member.dialect(), if member.looks_back { DeletedContent::Kept } else { DeletedContent::Dropped }))
}
