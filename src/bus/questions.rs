//! What is asked of the other servers, and what they have answered so far.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::message::Answer;

/// The answers of other servers.
#[derive(Debug, Default)]
pub struct Answers {
    /// What has come.
    pub answers: Vec<Answer>,
    /// Whether a server has not answered in time.
    pub is_partial: bool,
}

impl Answers {
    /// To how many something has happened, all together.
    pub fn count(&self) -> usize {
        let count = |answer: &Answer| if let Answer::Count { count } = answer { *count } else { 0 };
        self.answers.iter().map(count).sum()
    }
}

/// The questions that wait for answers.
#[derive(Debug, Default)]
pub struct Questions {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    asking: HashMap<u64, mpsc::UnboundedSender<(Uuid, Answer)>>,
}

impl Questions {
    /// Opens a question.
    pub fn open(&self) -> Asked<'_> {
        // One answer a server that was asked.
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.asking.insert(id, sender);
        Asked { questions: self, id, receiver }
    }

    /// A server has answered.
    pub fn answer(&self, id: u64, from: Uuid, answer: Answer) {
        if let Some(asking) = self.lock().asking.get(&id) {
            // Whoever asked may have stopped waiting.
            let _ = asking.send((from, answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that waits for answers, until this is dropped.
#[derive(Debug)]
pub struct Asked<'q> {
    questions: &'q Questions,
    id: u64,
    receiver: mpsc::UnboundedReceiver<(Uuid, Answer)>,
}

impl Asked<'_> {
    /// Names the question.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Waits for the next answer, and who gives it.
    pub async fn next(&mut self) -> Option<(Uuid, Answer)> {
        self.receiver.recv().await
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.questions.lock().asking.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn whoever_stops_waiting_leaves_no_question_open() {
        let questions = Questions::default();
        let open = || questions.lock().asking.len();
        let (mut one, other) = (questions.open(), questions.open());
        questions.answer(one.id(), Uuid::nil(), Answer::Count { count: 3 });
        assert!(matches!(one.next().await, Some((_, Answer::Count { count: 3 }))));
        assert_eq!(open(), 2);
        drop(one);
        assert_eq!(open(), 1);
        // The request for which it was asked goes while it waits.
        let waits = async {
            let mut other = other;
            other.next().await
        };
        assert!(tokio::time::timeout(Duration::ZERO, waits).await.is_err());
        assert_eq!(open(), 0);
    }
}
