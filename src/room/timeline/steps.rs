//! The central authority for editors that send steps (prosemirror-collab, @codemirror/collab): a push is taken if it builds on the
//! newest version, and otherwise answered with the steps that it lacks.

use super::lookups::Lookup;
use super::publishing::keep;
use super::step_search::StepsSince;
use crate::auth::Action;
use crate::ids::MemberId;
use crate::protocol::json::request::Steps;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage, entry};
use crate::room::commit::Commit;
use crate::room::io::Io;
use crate::room::members::{Acknowledgement, MissedSteps, Receipt};
use crate::store::{EntryKind, NewEntry, StoreError};

/// Pushes that wait for the version of a room in which nobody has pushed of late.
const PUSHES_WAITING_MAX: usize = 8;
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
        let entry = NewEntry { kind: EntryKind::Step, author, via: None, key: None, body };
        if keep(from, entry, request_id, Some(version), commit, io) {
            self.version = Some(version);
        }
    }

    /// Keeps a push until it is known how many steps there are.
    fn wait_for_version(&mut self, push: Push, commit: &mut Commit, lookups: &mut Vec<Lookup>, io: &mut Io) {
        let Some(row) = commit.row() else {
            // A room without a row has no entries.
            self.version = Some(0);
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
        found: Result<u64, StoreError>,
        commit: &mut Commit,
        lookups: &mut Vec<Lookup>,
        io: &mut Io,
    ) {
        let waiting = std::mem::take(&mut self.pushes);
        match found {
            Ok(version) => {
                self.version.get_or_insert(version);
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
    pub fn look_up_missed(&self, to: MemberId, commit: &Commit, lookups: &mut Vec<Lookup>, io: &mut Io) {
        let version = self.version.unwrap_or_default();
        let Some(since) = io.members.json(to).and_then(|json| json.missed_steps.as_ref()).map(|missed| missed.since)
        else {
            return;
        };
        match commit.row().filter(|_| since < version) {
            Some(row) => lookups.push(Lookup::Steps { to, row, since, version }),
            None => send_missed(to, version, &StepsSince::default(), io),
        }
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
