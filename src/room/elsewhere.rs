//! What a turn has for the other servers where the room lives, beside what is committed: whether there are any, and what is said.

use crate::bus::Signal;

/// What goes to other servers.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Whether the room lives on other servers, too.
    pub is_shared: bool,
    signals: Vec<Signal>,
}

impl Elsewhere {
    /// Passes on what is said and not kept, in its order.
    pub fn signal(&mut self, signal: impl FnOnce() -> Signal) {
        if self.is_shared {
            self.signals.push(signal());
        }
    }

    /// Takes out what was said.
    pub fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }
}
