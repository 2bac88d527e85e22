//! What other servers committed in a room of this name, while it is not known which row is this room's: a name may have been that of a
//! room that was deleted, of which is heard late. So the database is asked. Bounded by what may wait of the bus. Pure.

use super::messages::FromServer;
use crate::bus::RoomMessage;

/// What waits until it is known which row is the room's.
#[derive(Default)]
pub(super) struct Unplaced {
    told: Vec<FromServer>,
    /// Of how many the question on its way is.
    asked: Option<usize>,
}

impl Unplaced {
    /// Whether a message waits: it names a row, or comes behind one that does and is not to overtake it.
    pub fn holds(&self, message: &FromServer) -> bool {
        match message {
            FromServer::Told { say: RoomMessage::Signal(_), .. } => !self.told.is_empty(),
            message => names_row(message),
        }
    }

    /// Keeps a message.
    pub fn keep(&mut self, message: FromServer) {
        self.told.push(message);
    }

    /// Whether the database is to be asked now.
    pub fn ask(&mut self) -> bool {
        let is_due = self.asked.is_none() && !self.told.is_empty();
        self.asked = self.asked.or(is_due.then_some(self.told.len()));
        is_due
    }

    /// The database could not tell: it is to be asked again.
    pub fn on_unanswered(&mut self) {
        self.asked = None;
    }

    /// Takes out what waits, in its order; the database told whether the room has a row. If not, what named one before it was asked is
    /// of another room, and dropped.
    pub fn take(&mut self, has_row: bool) -> Vec<FromServer> {
        let asked = self.asked.take().filter(|_| !has_row).unwrap_or(0);
        let told = std::mem::take(&mut self.told).into_iter().enumerate();
        told.filter(|(index, message)| *index >= asked || !names_row(message)).map(|(_, message)| message).collect()
    }

    /// Drops all of it.
    pub fn clear(&mut self) {
        self.told.clear();
    }
}

fn names_row(message: &FromServer) -> bool {
    matches!(message, FromServer::Told { say: RoomMessage::Entries { .. }, .. } | FromServer::Head(..))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::budget::ByteBudget;
    use crate::bus::Signal;
    use crate::ids::Seq;
    use crate::store::RoomId;

    fn head(row: i64) -> FromServer {
        FromServer::Head(RoomId(row), Seq(1), 0)
    }

    fn signal() -> FromServer {
        let say = RoomMessage::Signal(Signal::Stateless { payload: "x".into() });
        FromServer::Told { from: Uuid::nil(), say, held: ByteBudget::new(1, None).hold(0) }
    }

    fn kinds(told: &[FromServer]) -> Vec<i64> {
        let kind = |message: &FromServer| if let FromServer::Head(row, ..) = message { row.0 } else { 0 };
        told.iter().map(kind).collect()
    }

    #[test]
    fn what_names_a_row_waits_for_the_database_and_no_signal_overtakes_it() {
        let mut unplaced = Unplaced::default();
        assert!(!unplaced.ask() && !unplaced.holds(&signal()) && unplaced.holds(&head(1)));
        assert!(!unplaced.holds(&FromServer::Missing));
        unplaced.keep(head(1));
        assert!(unplaced.holds(&signal()));
        unplaced.keep(signal());
        assert!(unplaced.ask() && !unplaced.ask());
        unplaced.on_unanswered();
        assert!(unplaced.ask());
        unplaced.keep(head(2));
        assert_eq!(kinds(&unplaced.take(true)), [1, 0, 2]);
        assert!(!unplaced.ask());
    }

    #[test]
    fn without_a_row_what_was_told_before_the_question_is_of_another_room() {
        let mut unplaced = Unplaced::default();
        unplaced.keep(head(1));
        unplaced.keep(signal());
        unplaced.ask();
        // The room may have got its row meanwhile.
        unplaced.keep(head(2));
        assert_eq!(kinds(&unplaced.take(false)), [0, 2]);
    }
}
