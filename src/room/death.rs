//! A room that dies of a panic dies alone. Whoever is in it or about to come in is told to come back, to a new one that reads what was
//! committed: of all else nobody was told that it is saved, and clients send it again.

use super::room::Room;
use crate::metrics;

impl Room {
    /// Tells of it. What the room was about to send goes nowhere, for the panic may have left it half done.
    pub(super) fn on_death(&mut self) {
        metrics::ROOM_DEATHS.inc();
        tracing::error!(room.name = %self.name, "room died, its members come back to a new one");
        self.residence = None;
        self.slots.forget(&self.name, self.key);
        self.fanout.outbound.died(self.members.of(None));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::io::Write;
    use std::rc::Rc;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use actix::{Context, Handler, Message};
    use bytes::Bytes;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::auth::{Access, Rights};
    use crate::ids::{MemberId, RoomName, Seq, UserId};
    use crate::protocol::{CloseCode, Dialect, EditKind, yjs};
    use crate::room::testing::{DEADLINE, directory};
    use crate::room::{
        AskState, Counted, Directory, Edit, Join, JsonJoin, Lease, Leave, LocalRelay, Outlet, Relays, Seat,
    };
    use crate::wire::{Frame, Run};

    /// Has a room panic.
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Panic;

    impl Handler<Panic> for Room {
        type Result = ();

        fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
            self.in_span(|_| panic!("as the test asks"));
        }
    }

    /// What a member was told.
    #[derive(Default)]
    struct Told {
        frames: RefCell<Vec<Bytes>>,
        is_in: Cell<bool>,
        closed: Cell<Option<CloseCode>>,
    }

    impl Outlet for Told {
        fn push(&self, frame: &Frame, _: Counted) {
            self.frames.borrow_mut().push(Bytes::copy_from_slice(frame.payload()));
        }

        fn push_run(&self, run: &Run, counted: Counted) {
            run.frames().iter().for_each(|frame| self.push(frame, counted));
        }

        fn flush(&self) {}

        fn credit(&self, _: usize) {}

        fn let_in(&self) {
            self.is_in.set(true);
        }

        fn close(&self, code: CloseCode, _: &str) {
            self.closed.set(Some(code));
        }
    }

    /// What is logged, as text.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn lines_with(&self, words: &[&str]) -> usize {
            let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    async fn eventually(what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < DEADLINE, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A member behind a relay of this thread.
    struct Person {
        member: MemberId,
        told: Rc<Told>,
        room: Lease,
    }

    impl Person {
        /// Is about to come in.
        fn comes(rooms: &Arc<Directory>, relay: &LocalRelay, room: &str, user: &str, json: Option<JsonJoin>) -> Self {
            let [lease, room] = [(); 2].map(|()| rooms.lookup(&RoomName::parse(room).unwrap()));
            let told = Rc::<Told>::default();
            let member = relay.seat(told.clone());
            room.room().do_send(Join {
                lease: lease.into_guard(),
                seat: Seat::new(member, relay.handle()),
                dialect: if json.is_some() { Dialect::Json } else { Dialect::Yjs },
                json: json.map(Box::new),
                user: UserId::new(user),
                name: user.into(),
                rights: Rights { access: Access::Write, looks_back: true },
            });
            Self { member, told, room }
        }

        async fn is_in(&self) {
            eventually("the member is in", || self.told.is_in.get()).await;
        }

        fn types(&self, update: &[u8]) {
            let update = Bytes::copy_from_slice(update);
            self.room.room().do_send(Edit { from: self.member, update, kind: EditKind::Update, charge: 100 });
        }

        fn was_told(&self, payload: &[u8]) -> bool {
            self.told.frames.borrow().iter().any(|frame| frame == payload)
        }

        /// Types, and waits until that is acknowledged.
        async fn saves(&self, update: &[u8]) {
            self.types(update);
            let echo = yjs::update(update);
            eventually("the edit is acknowledged", || self.was_told(echo.payload())).await;
        }

        fn leaves(&self) {
            self.room.room().do_send(Leave { from: self.member, is_for_good: true });
        }

        /// Whether the document has a word.
        async fn reads(&self, word: &str) -> bool {
            self.told.frames.borrow_mut().clear();
            let state_vector = Bytes::from_static(&[0]);
            self.room.room().do_send(AskState { from: self.member, state_vector, charge: 0 });
            let frames = &self.told.frames;
            eventually("the document comes", || frames.borrow().iter().any(|frame| frame.starts_with(&[0, 1]))).await;
            let frames = frames.borrow();
            frames.iter().any(|frame| frame.windows(word.len()).any(|part| part == word.as_bytes()))
        }

        async fn is_told_to_come_back(&self, who: &str) {
            eventually(who, || self.told.closed.get() == Some(CloseCode::Internal)).await;
        }
    }

    /// Yjs client `client` types a word of four letters first of all.
    fn word(client: u8, word: &str) -> Vec<u8> {
        [&[1, 1, client, 0, 4, 1, 1, b't', 4], word.as_bytes(), &[0]].concat()
    }

    #[test]
    fn rule_30_a_room_that_panics_ends_alone_and_all_who_are_in_it_or_about_to_are_told_to_come_back() {
        let log = Log::default();
        // With one subscriber, tracing asks only the thread that comes first to a line, which may be another test's.
        let _another = tracing::Dispatch::new(tracing_subscriber::registry());
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        let _logged = tracing::subscriber::set_default(subscriber);
        let deaths = metrics::ROOM_DEATHS.get();
        let told = actix::System::new().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let rooms = directory(folder.path()).await;
            let relay = LocalRelay::current(&Relays::default());
            let comes = |room: &str, user: &str| Person::comes(&rooms, &relay, room, user, None);

            let (ada, bob) = (comes("sick", "ada"), comes("well", "bob"));
            ada.is_in().await;
            bob.is_in().await;
            ada.saves(&word(1, "kept")).await;
            bob.saves(&word(2, "here")).await;
            // Who has come and reads what was missed; who has said something and left; who comes too late.
            let since = Some(JsonJoin { since: Some(Seq(0)), ..JsonJoin::default() });
            let json = Person::comes(&rooms, &relay, "sick", "json", since);
            let eve = comes("sick", "eve");
            eve.types(&word(3, "gone"));
            eve.leaves();
            ada.types(&word(4, "lost"));
            ada.room.room().do_send(Panic);
            ada.room.room().do_send(Panic);
            let late = comes("sick", "late");
            for (who, person) in [("ada", &ada), ("json", &json), ("eve", &eve), ("late", &late)] {
                person.is_told_to_come_back(who).await;
            }
            assert!(!ada.was_told(yjs::update(&word(4, "lost")).payload()), "it was not acknowledged");
            // Who still talks to the dead room hears the same.
            let lease = late.room;
            let told = Rc::<Told>::default();
            lease.room().do_send(Join {
                lease: rooms.lookup(&RoomName::parse("sick").unwrap()).into_guard(),
                seat: Seat::new(relay.seat(told.clone()), relay.handle()),
                dialect: Dialect::Yjs,
                json: None,
                user: UserId::new("last"),
                name: "last".into(),
                rights: Rights { access: Access::Read, looks_back: true },
            });
            eventually("the last one", || told.closed.get() == Some(CloseCode::Internal)).await;

            bob.saves(&word(5, "more")).await;
            assert_eq!(bob.told.closed.get(), None);
            let ada = comes("sick", "ada");
            ada.is_in().await;
            assert!(ada.reads("kept").await && !ada.reads("lost").await && !ada.reads("gone").await);
            ada.saves(&word(4, "lost")).await;
            assert!(ada.reads("lost").await);

            // Before the end of the system, which rooms do not outlive either.
            let lines = |words: &[&str]| log.lines_with(words);
            let logged = (lines(&["ERROR", "room died", "sick"]), lines(&["room died", "well"]));
            (logged, metrics::ROOM_DEATHS.get() > deaths)
        });
        assert_eq!(told, ((1, 0), true));
    }

    #[test]
    fn rule_30_what_is_on_its_way_into_the_store_when_a_room_dies_is_there_once_and_what_comes_after_behind_it() {
        actix::System::new().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let rooms = directory(folder.path()).await;
            let relay = LocalRelay::current(&Relays::default());
            let comes = |user: &str| Person::comes(&rooms, &relay, "sick", user, None);
            for round in 0..5 {
                let (ada, bob) = (comes("ada"), comes("bob"));
                ada.is_in().await;
                bob.is_in().await;
                let (first, second) =
                    (word(10 + round, &format!("a{round}--")), word(20 + round, &format!("b{round}--")));
                ada.types(&first);
                // It has been shown, so its append is on its way, or the room waits for a row.
                eventually("others are shown it", || bob.was_told(yjs::update(&first).payload())).await;
                ada.room.room().do_send(Panic);
                ada.is_told_to_come_back("ada").await;
                let ada = comes("ada");
                ada.is_in().await;
                // As a client does with what was not acknowledged.
                ada.saves(&first).await;
                ada.saves(&second).await;
                let late = comes("late");
                late.is_in().await;
                for round in 0..=round {
                    assert!(late.reads(&format!("a{round}--")).await && late.reads(&format!("b{round}--")).await);
                }
                ada.room.room().do_send(Panic);
                late.is_told_to_come_back("late").await;
            }
        });
    }
}
