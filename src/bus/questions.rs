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
    /// Opens a question, which is closed when what is returned second is dropped and [`close`](Self::close) is called.
    pub fn open(&self) -> (u64, mpsc::UnboundedReceiver<(Uuid, Answer)>) {
        // One answer a server that was asked.
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.asking.insert(id, sender);
        (id, receiver)
    }

    /// A server has answered.
    pub fn answer(&self, id: u64, from: Uuid, answer: Answer) {
        if let Some(asking) = self.lock().asking.get(&id) {
            // Whoever asked may have stopped waiting.
            let _ = asking.send((from, answer));
        }
    }

    /// Nobody waits for more answers.
    pub fn close(&self, id: u64) {
        self.lock().asking.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
