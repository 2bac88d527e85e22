//! A room that the database does not let be made, since whoever was let in first has made as many rooms as they may: on another server, or
//! a moment ago. What waits is refused. What was shown of it is in people's documents, so they come back to a room without it.

use actix::Context;

use super::commit::Pending;
use super::members::{EditRefusal, Receipt};
use super::outcomes::{acknowledge_behind, deny};
use super::quotas::Denied;
use super::room::{Parts, Room};
use super::timeline::send_try_later;
use crate::metrics;
use crate::store::EntryKind;

impl Room {
    /// Refuses what waits.
    pub(super) fn on_not_made(&mut self, ctx: &mut Context<Self>) {
        let Some(maker) = self.commit.on_not_made() else { return };
        metrics::STORING_DENIED.inc();
        let denied = Denied::TooManyRooms;
        tracing::info!(user.id = %maker.user, %denied, "room not made");
        let waiting = self.commit.uncommitted.take_all();
        let was_shown = waiting.iter().any(Pending::is_shown_edit);
        let mut writers = Vec::new();
        let Parts { timeline, commit, mut io, .. } = self.parts();
        for (place, pending) in waiting.into_iter().enumerate() {
            let is_shown = pending.is_shown_edit();
            let Pending { entry, acknowledgements, replies, behind, .. } = pending;
            if entry.kind == EntryKind::Step {
                timeline.on_push_refused(&entry, commit);
            }
            // The first one is the maker's, also where it is a first content.
            let is_makers = place == 0 || *entry.via.as_ref().unwrap_or(&entry.author) == maker.user;
            if is_makers {
                writers.extend(acknowledgements.iter().map(|waiting| waiting.to).filter(|_| is_shown));
                deny(acknowledgements, denied, &mut io);
                replies.into_iter().for_each(|reply| reply.send_denied(denied));
            } else {
                for waiting in acknowledgements {
                    if let Receipt::Saved { request_id, .. } = waiting.receipt {
                        send_try_later(waiting.to, &request_id, &mut io);
                    }
                }
                replies.into_iter().for_each(|reply| reply.send_try_later());
            }
            if was_shown {
                behind.replies.into_iter().for_each(|reply| reply.send_try_later());
            } else {
                acknowledge_behind(behind, timeline, commit, &mut io);
            }
        }
        if was_shown {
            // What the others were shown they bring when they come back, the maker's other connections, too.
            for writer in writers {
                let Some(member) = self.members.remove(writer) else { continue };
                let code = EditRefusal::from(denied).close_code();
                self.fanout.outbound.close(member.link, writer, code, denied.to_string());
            }
            return self.end_stale(ctx);
        }
        if let Some((document, Parts { commit, mut io, .. })) = self.live() {
            document.acknowledge_reached(commit, &mut io);
        }
        self.end_turn(ctx);
    }
}
