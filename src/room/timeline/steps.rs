//! The central authority for editors that send steps (prosemirror-collab, @codemirror/collab): a push is taken if it builds on the
//! newest version, and otherwise answered with the steps that it lacks.

use super::lookups::Lookup;
use super::publishing::keep;
use super::step_search::{NewestSteps, Pushed, StepsSince};
use crate::auth::Action;
use crate::ids::{MemberId, Seq};
use crate::protocol::json::request::Steps;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage, entry};
use crate::room::commit::Commit;
use crate::room::io::Io;
use crate::room::members::{Acknowledgement, MissedSteps, Receipt};
use crate::store::{Condition, EntryKind, NewEntry, StoreError};

/// Pushes that wait for the version of a room in which nobody has pushed of late.
const PUSHES_WAITING_MAX: usize = 8;
/// No step has this seq.
const NO_STEP: Seq = Seq(i64::MAX as u64);
/// When to ask again what is being looked up, in milliseconds.
const SOON_MS: u64 = 100;
/// When to ask again while the database does not answer, in milliseconds.
const LATER_MS: u64 = 1000;

/// Steps that wait until it is known how many there are.
#[derive(Debug)]
struct Push {
    from: MemberId,
    steps: Steps,
    request_id: Option<Box<str>>,
}

/// What the room knows of its steps.
#[derive(Debug, Default)]
pub struct StepLog {
    /// How many steps there are, also uncommitted ones; `None` until somebody pushes.
    version: Option<u64>,
    /// The newest step that is committed and that those build on.
    newest: Seq,
    /// What was pushed before that was known.
    pushes: Vec<Push>,
}

impl StepLog {
    /// Takes steps that follow the newest version, or tells their sender what it lacks.
    pub fn on_push(
        &mut self,
        from: MemberId,
        steps: Steps,
        request_id: Option<Box<str>>,
        commit: &mut Commit,
        lookups: &mut Vec<Lookup>,
        io: &mut Io,
    ) {
        // Without steps it is a question.
        let action = if steps.steps.is_empty() { Action::ReadHistory } else { Action::Edit };
        let Some(member) = io.permitted(from, action, &request_id) else { return };
        let (author, name) = (member.user.clone(), member.name.clone());
        let Some(head) = self.version else {
            return self.wait_for_version(Push { from, steps, request_id }, commit, lookups, io);
        };
        if steps.version != head || steps.steps.is_empty() {
            return self.await_missed(from, steps.version, request_id, commit, lookups, io);
        }
        let version = head + steps.steps.len() as u64;
        let body = entry::steps_body(&steps, &name);
        let condition = Some(Condition::NewestStep(self.newest));
        let entry = NewEntry { kind: EntryKind::Step, author, via: None, key: None, condition, body };
        if keep(from, entry, request_id, Some(version), commit, io) {
            self.version = Some(version);
        }
    }

    /// Keeps a push until it is known how many steps there are.
    fn wait_for_version(&mut self, push: Push, commit: &mut Commit, lookups: &mut Vec<Lookup>, io: &mut Io) {
        let Some(row) = commit.row() else {
            // A room without a row has no entries.
            (self.version, self.newest) = (Some(0), Seq::ZERO);
            return self.on_push(push.from, push.steps, push.request_id, commit, lookups, io);
        };
        if self.pushes.len() >= PUSHES_WAITING_MAX {
            return send_try_later(push.from, &push.request_id, SOON_MS, io);
        }
        self.pushes.push(push);
        if self.pushes.len() == 1 {
            lookups.push(Lookup::Version { row });
        }
    }

    /// The store told the newest version: takes the pushes that wait for it.
    pub fn on_version(
        &mut self,
        found: Result<NewestSteps, StoreError>,
        commit: &mut Commit,
        lookups: &mut Vec<Lookup>,
        io: &mut Io,
    ) {
        let waiting = std::mem::take(&mut self.pushes);
        match found {
            // They may build on something else than what was found.
            Ok(_) if self.version.is_none() && commit.uncommitted.has_steps() => {
                for Push { from, request_id, .. } in waiting {
                    send_try_later(from, &request_id, SOON_MS, io);
                }
            }
            Ok(NewestSteps { version, seq }) => {
                if self.version.is_none() {
                    (self.version, self.newest) = (Some(version), seq);
                }
                for Push { from, steps, request_id } in waiting {
                    self.on_push(from, steps, request_id, commit, lookups, io);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the steps' version cannot be read");
                for Push { from, request_id, .. } in waiting {
                    send_try_later(from, &request_id, LATER_MS, io);
                }
            }
        }
    }

    /// Tells a member what it lacks once all that is uncommitted now is committed: those steps are among it. One answer at a time.
    fn await_missed(
        &mut self,
        to: MemberId,
        since: u64,
        request_id: Option<Box<str>>,
        commit: &mut Commit,
        lookups: &mut Vec<Lookup>,
        io: &mut Io,
    ) {
        let Some(json) = io.members.json_mut(to) else { return };
        if json.missed_steps.is_some() {
            return send_try_later(to, &request_id, SOON_MS, io);
        }
        json.missed_steps = Some(MissedSteps { request_id, since });
        let receipt = Receipt::MissedSteps;
        if commit.uncommitted.when_settled(Acknowledgement { to, receipt }).is_some() {
            self.look_up_missed(to, commit, lookups, io);
        }
    }

    /// Reads the steps that a member lacks, all of them committed by now.
    pub fn look_up_missed(&mut self, to: MemberId, commit: &mut Commit, lookups: &mut Vec<Lookup>, io: &mut Io) {
        let Some(since) = io.members.json(to).and_then(|json| json.missed_steps.as_ref()).map(|missed| missed.since)
        else {
            return;
        };
        let Some(version) = self.version else {
            if let Some(MissedSteps { request_id, since }) = take_missed(to, io) {
                self.ask(to, since, request_id, commit, lookups, io);
            }
            return;
        };
        match commit.row().filter(|_| since < version) {
            Some(row) => lookups.push(Lookup::Steps { to, row, since, version }),
            None => send_missed(to, version, &StepsSince::default(), io),
        }
    }

    /// Tells a member what it lacks that has the steps up to `since`.
    fn ask(
        &mut self,
        from: MemberId,
        since: u64,
        request_id: Option<Box<str>>,
        commit: &mut Commit,
        lookups: &mut Vec<Lookup>,
        io: &mut Io,
    ) {
        let nothing = Steps { version: since, steps: Vec::new(), client_id: Box::default() };
        self.on_push(from, nothing, request_id, commit, lookups, io);
    }

    /// A push of the room's own is committed: those that were made after it build on it.
    pub fn on_committed(&mut self, push: &NewEntry, seq: Seq, commit: &mut Commit) {
        if let Some(Condition::NewestStep(named)) = push.condition {
            commit.uncommitted.follow_step(&[named, self.newest], seq);
            self.newest = seq;
        }
    }

    /// A push of the room's own was refused: none that was made after it can be stored.
    pub fn on_refused(&mut self, push: &NewEntry, commit: &mut Commit) {
        if let Some(Condition::NewestStep(named)) = push.condition {
            commit.uncommitted.follow_step(&[named, self.newest], NO_STEP);
        }
        self.forget_version();
    }

    /// A push was refused since another server's came before it: its author is told what it lacks.
    pub fn on_stale(
        &mut self,
        to: MemberId,
        request_id: Option<Box<str>>,
        push: &NewEntry,
        commit: &mut Commit,
        lookups: &mut Vec<Lookup>,
        io: &mut Io,
    ) {
        let since = Pushed::read(&push.body).map_or(0, |pushed| pushed.version);
        self.ask(to, since, request_id, commit, lookups, io);
    }

    /// Forgets the version: a push was taken that the store refused, or another process took one.
    pub fn forget_version(&mut self) {
        self.version = None;
    }
}

/// The store told the steps that a member lacks.
pub fn on_missed(to: MemberId, version: u64, found: Result<StepsSince, StoreError>, io: &mut Io) {
    match found {
        Ok(found) => send_missed(to, version, &found, io),
        Err(error) => {
            tracing::warn!(%error, "steps cannot be read");
            if let Some(missed) = take_missed(to, io) {
                send_try_later(to, &missed.request_id, LATER_MS, io);
            }
        }
    }
}

fn take_missed(of: MemberId, io: &mut Io) -> Option<MissedSteps> {
    io.members.json_mut(of)?.missed_steps.take()
}

fn send_missed(to: MemberId, version: u64, found: &StepsSince, io: &mut Io) {
    let Some(MissedSteps { request_id, since }) = take_missed(to, io) else { return };
    let (room, request_id) = (io.name, request_id.as_deref());
    let (steps, client_ids) = (&found.steps[..], &found.client_ids[..]);
    let frame = ServerMessage::StepsRejected { room, version, since, steps, client_ids, request_id }.frame();
    io.send(to, frame);
}

fn send_try_later(to: MemberId, request_id: &Option<Box<str>>, retry_after_ms: u64, io: &mut Io) {
    let message = "the steps cannot be looked up now, try again later";
    io.send_error(to, ErrorMessage::temporary(ErrorCode::TryLater, message, retry_after_ms), request_id);
}
