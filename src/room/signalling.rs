//! What members say to each other that is not kept: signals.

use super::messages::Stateless;
use super::room::{Early, Phase, Room};
use crate::auth::{Action, allows};
use crate::protocol::{Dialect, hocuspocus};

impl Room {
    /// Passes a Hocuspocus app's own text on to the others.
    pub(super) fn stateless(&mut self, message: Stateless) {
        if matches!(self.phase, Phase::Loading) {
            return self.early.push(Early::Stateless(message));
        }
        let Some(member) = self.members.get(message.from) else { return };
        self.outbound.credit(member.link, message.from, message.charge);
        if !allows(member.access, Action::Signal) {
            return;
        }
        let frame = hocuspocus::stateless(self.name.as_str(), &message.payload);
        self.outbound.all(Dialect::Hocuspocus, &frame, Some(message.from), &[]);
    }
}
