//! Who waits for the next entry without being a member: requests that ask for the history and may take a while.

use tokio::sync::oneshot;

use crate::ids::Seq;

/// Those who wait; each was counted before it came here.
#[derive(Default)]
pub struct Awaiting(Vec<(Seq, oneshot::Sender<()>)>);

impl Awaiting {
    /// Tells `reply` as soon as the timeline, which ends at `head`, goes on behind `after`.
    pub fn add(&mut self, after: Seq, reply: oneshot::Sender<()>, head: Seq) {
        self.0.retain(|(_, waiting)| !waiting.is_closed());
        self.0.push((after, reply));
        self.on_head(head);
    }

    /// The timeline ends at `head` now.
    pub fn on_head(&mut self, head: Seq) {
        for (_, reply) in self.0.extract_if(.., |(after, _)| *after < head) {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_the_timeline_goes_on_behind_what_it_has() {
        let mut awaiting = Awaiting::default();
        let add = |awaiting: &mut Awaiting, after, head| {
            let (reply, told) = oneshot::channel();
            awaiting.add(Seq(after), reply, Seq(head));
            told
        };
        let mut late = add(&mut awaiting, 3, 5);
        let mut present = add(&mut awaiting, 5, 5);
        let mut ahead = add(&mut awaiting, 6, 5);
        assert!(late.try_recv().is_ok() && present.try_recv().is_err());
        awaiting.on_head(Seq(6));
        assert!(present.try_recv().is_ok() && ahead.try_recv().is_err());
        awaiting.on_head(Seq(7));
        assert!(ahead.try_recv().is_ok());
    }

    #[test]
    fn who_has_stopped_waiting_is_forgotten() {
        let mut awaiting = Awaiting::default();
        for _ in 0..10 {
            let (reply, _) = oneshot::channel();
            awaiting.add(Seq(1), reply, Seq(1));
        }
        assert_eq!(awaiting.0.len(), 1);
    }
}
