//! Replies to Step1: what a client lacks of the document, encoded once for all who lack the same.

use std::time::Instant;

use bytes::Bytes;

use super::LiveDocument;
use super::large_frames::TOO_MANY_LARGE;
use super::reply_cache::{NOTHING, ReplyKey};
use crate::auth::{Action, allows};
use crate::budget::Payer;
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
            let asker = io.members.get(ask.from);
            let dialect = asker.map_or(Dialect::Json, |member| member.dialect());
            let payer = Payer::of(asker.map(|member| &member.user));
            let key = (dialect, ask.state_vector.clone());
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
        let update =
            self.blocks.diff(&key.1).map_err(|_| (CloseCode::EditRefused, "the state vector cannot be read"))?;
        let frame = key.0.step2(update, io.name);
        let now = Instant::now();
        self.queue.spend(now.duration_since(began), now);
        let Some(frame) = frame else { return Ok(None) };
        let (dialect, is_whole) = (key.0, key.1 == NOTHING);
        match self.replies.add(key, frame, &self.states, payer) {
            Some(frame) => Ok(Some(frame)),
            None if is_whole => Err((CloseCode::TryLater, TOO_MANY_LARGE)),
            // More than it lacks does no harm, and is shared.
            None => {
                let whole = (dialect, Bytes::from_static(NOTHING));
                self.replies.get(&whole).map_or_else(|| self.encode(whole, payer, io), |frame| Ok(Some(frame)))
            }
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
        let is_same = |ask: &AskState| {
            let dialect = io.members.get(ask.from).map(|member| member.dialect());
            dialect.is_none_or(|dialect| dialect == key.0 && ask.state_vector == key.1)
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
