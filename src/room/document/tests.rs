//! What becomes of edits, and who hears of it when.

use bytes::Bytes;

use super::editing::TakenEdit;
use super::origin::Source;
use super::*;
use crate::auth::Access;
use crate::ids::{MemberId, Seq};
use crate::protocol::{Dialect, EditKind, hocuspocus, yjs};
use crate::room::commit::{Commit, NextCommit, Pending};
use crate::room::fanout::Sent;
use crate::room::io::Io;
use crate::room::messages::{AskSaved, AskState, Edit, RefuseLongEdit};
use crate::room::testing::TestRoom;
use crate::store::Placed;

/// Yjs client 1 types "hi".
const HI: &[u8] = &[1, 1, 1, 0, 4, 1, 1, b't', 2, b'h', b'i', 0];
/// And "!" behind it.
const MORE: &[u8] = &[1, 1, 1, 2, 0x84, 1, 1, 1, b'!', 0];

fn document() -> LiveDocument {
    let documents = ByteBudget::new(1 << 20, None);
    let stored = Blocks::new(1 << 20, false);
    LiveDocument::new(stored, HashMap::new(), Tail::default(), &documents, StateBudget::new(1 << 20), Instant::now())
}

struct Live {
    room: TestRoom,
    document: LiveDocument,
    commit: Commit,
    /// Who has announced Yjs client 1.
    announced: Option<UserId>,
}

impl Live {
    fn new() -> Self {
        let room = TestRoom::new();
        Self { document: document(), commit: room.commit(), room, announced: None }
    }

    fn sends(&mut self, from: MemberId, kind: EditKind, update: &'static [u8]) -> Vec<Sent> {
        let edit = Edit { from, update: Bytes::from_static(update), kind, charge: 1 };
        let announced =
            |client, user: &UserId| client == 1 && self.announced.as_ref().is_some_and(|owner| owner != user);
        self.document.on_edit(edit, &announced, &mut self.commit, &mut self.room.io());
        self.room.sent()
    }

    /// Who is asked by Step1 now.
    fn asks(&mut self) -> Vec<MemberId> {
        self.document.ask_for_missing(&self.commit, &mut self.room.io());
        let asked = |sent| if let Sent::One { to, .. } = sent { to } else { panic!("{sent:?}") };
        self.room.sent().into_iter().map(asked).collect()
    }

    fn types(&mut self, from: MemberId, update: &'static [u8]) -> Vec<Sent> {
        self.sends(from, EditKind::Update, update)
    }

    /// The store commits all; what authors are sent then, and the entries.
    fn commits(&mut self) -> (Vec<Sent>, Vec<Pending>) {
        let NextCommit::Submit { append, .. } = self.commit.next(self.room.now) else { return Default::default() };
        let placed = Placed { seq: Seq(1), at_ms: 0, is_new: true };
        let settled = self.commit.settle(vec![Ok(placed); append.entries.len()]);
        let mut pending: Vec<_> = settled.into_iter().map(|(pending, _)| pending).collect();
        for one in &mut pending {
            one.part(true);
        }
        for one in pending.iter_mut().flat_map(|pending| pending.acknowledgements.drain(..)) {
            acknowledge(one.to, one.receipt, &mut self.room.io());
        }
        (self.room.sent(), pending)
    }
}

fn all(dialect: Dialect, frame: crate::wire::Frame, but: &[MemberId]) -> Sent {
    Sent::All { dialect, frame, but: but.to_vec() }
}

#[test]
fn others_are_sent_an_edit_at_once_and_its_author_after_the_commit() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    live.room.join(Dialect::Json, "json", Access::Write);
    assert_eq!(live.types(ada, HI), [all(Dialect::Yjs, yjs::update(HI), &[ada])]);
    let (sent, pending) = live.commits();
    assert_eq!(sent, [Sent::One { to: ada, frame: yjs::update(HI) }]);
    assert_eq!((&*pending[0].entry.body, pending[0].entry.author.as_str()), (HI, "ada"));
    assert_eq!(pending[0].clients, [(1, UserId::new("ada"))]);
    assert_eq!(live.types(ada, HI), [Sent::One { to: ada, frame: yjs::update(HI) }], "it is committed already");
}

#[test]
fn a_hocuspocus_author_is_sent_a_status() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Hocuspocus, "ada", Access::Write);
    live.types(ada, HI);
    let (sent, _) = live.commits();
    assert_eq!(sent, [Sent::One { to: ada, frame: hocuspocus::sync_status(live.room.name.as_str(), true) }]);
}

#[test]
fn an_edit_of_the_server_needs_no_member_and_reaches_all() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Read);
    let origin = EditOrigin::Server { user: UserId::new("importer") };
    let source = Source { origin, kind: EditKind::Update, announced: &|_, _| false };
    let take = |live: &mut Live, update: &'static [u8]| {
        live.document.take(&source, &Bytes::from_static(update), &mut live.commit, &mut live.room.io())
    };
    let missing = take(&mut live, MORE).unwrap();
    assert_eq!(missing, TakenEdit { has_news: false, missing: Some(vec![(1, 3)]) });
    assert_eq!(take(&mut live, HI).unwrap(), TakenEdit { has_news: true, missing: None });
    assert_eq!(live.room.sent(), [all(Dialect::Yjs, yjs::update(HI), &[])]);
    assert_eq!(take(&mut live, HI).unwrap(), TakenEdit { has_news: false, missing: None });
    assert!(take(&mut live, &[0xff]).is_err());
    let (sent, pending) = live.commits();
    assert_eq!((sent, pending.len()), (vec![], 1));
    assert_eq!(pending[0].entry.author.as_str(), "importer");
    assert!(live.room.members.get(ada).is_some());
}

#[test]
fn what_another_forwards_comes_by_its_step2_alone_and_is_its_typists_who_takes_the_echo_for_the_commit() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    let bob = live.room.join(Dialect::Yjs, "bob", Access::Write);
    live.room.members.get_mut(ada).unwrap().own_client = Some(1);
    live.types(ada, HI);
    live.commits();
    assert_eq!((live.types(bob, MORE), live.asks()), (vec![], vec![bob]));
    assert_eq!(
        (live.types(bob, MORE), live.types(bob, &[0, 0]), live.asks()),
        (vec![], vec![], vec![]),
        "it is asked once"
    );
    assert!(live.commit.uncommitted.is_empty());
    let sent = live.sends(bob, EditKind::Step2, MORE);
    assert_eq!(sent, [all(Dialect::Yjs, yjs::update(MORE), &[bob, ada])]);
    let (sent, pending) = live.commits();
    let entry = &pending[0].entry;
    assert_eq!((entry.author.as_str(), entry.via.as_ref().map(UserId::as_str)), ("ada", Some("bob")));
    let echo = |to, update| Sent::One { to, frame: yjs::update(update) };
    assert_eq!(sent, [echo(ada, MORE), echo(bob, MORE), echo(bob, &[0, 0])]);
    assert_eq!(live.types(bob, HI), [echo(bob, HI)], "what the document has may come from anybody");
    assert_eq!(live.types(bob, &[0, 1, 1, 1, 0, 1]).len(), 1, "and anybody may delete it");
}

#[test]
fn of_what_another_forwards_a_hocuspocus_client_is_told_once_its_step2_is_committed() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    let bob = live.room.join(Dialect::Hocuspocus, "bob", Access::Write);
    live.types(ada, HI);
    live.commits();
    assert_eq!((live.types(bob, MORE), live.asks()), (vec![], vec![bob]));
    live.sends(bob, EditKind::Step2, MORE);
    let (sent, _) = live.commits();
    assert_eq!(sent, [Sent::One { to: bob, frame: hocuspocus::sync_status(live.room.name.as_str(), true) }]);
}

#[test]
fn who_forwards_something_before_its_typist_sends_it_waits_for_either() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    let bob = live.room.join(Dialect::Yjs, "bob", Access::Write);
    live.types(ada, HI);
    live.commits();
    assert_eq!((live.types(bob, MORE), live.types(bob, &[0, 0])), (vec![], vec![]));
    live.types(ada, MORE);
    live.document.acknowledge_reached(&mut live.commit, &mut live.room.io());
    let (sent, pending) = live.commits();
    assert_eq!(pending[0].entry.via, None);
    assert!(sent.contains(&Sent::One { to: bob, frame: yjs::update(&[0, 0]) }), "{sent:?}");
    assert_eq!(live.asks(), []);
}

#[test]
fn a_client_is_of_who_announced_it_until_somebody_has_typed_with_it() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    let bob = live.room.join(Dialect::Yjs, "bob", Access::Write);
    live.room.members.get_mut(bob).unwrap().own_client = Some(1);
    live.announced = Some(UserId::new("ada"));
    assert_eq!((live.types(bob, HI), live.asks()), (vec![], vec![bob]));
    assert_eq!(live.sends(bob, EditKind::Step2, HI).len(), 1);
    let (_, pending) = live.commits();
    assert_eq!((pending[0].entry.author.as_str(), pending[0].clients.len()), ("bob", 0));
    live.types(ada, MORE);
    let (_, pending) = live.commits();
    assert_eq!(pending[0].clients, [(1, UserId::new("ada"))]);
}

#[test]
fn anybody_goes_on_with_a_client_of_the_first_content() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    live.document.authors.insert(1, UserId::new("tutti/seed"));
    assert_eq!((live.types(ada, HI).len(), live.asks()), (1, vec![]));
}

#[test]
fn who_administers_the_room_may_bring_anybodys_updates() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    let server = live.room.join(Dialect::Yjs, "importer", Access::Admin);
    live.types(ada, HI);
    assert_eq!(live.types(server, MORE).len(), 1);
    let (_, pending) = live.commits();
    let via: Vec<_> = pending.iter().map(|pending| pending.entry.via.as_ref().map(UserId::as_str)).collect();
    assert_eq!(via, [None, Some("importer")]);
}

#[test]
fn a_readers_edit_is_refused_in_its_protocol_and_one_that_adds_nothing_is_not() {
    for (dialect, refused) in [
        (Dialect::Yjs, yjs::denied("this room is read-only for you")),
        (Dialect::Hocuspocus, hocuspocus::sync_status("docs/plan", false)),
    ] {
        let mut live = Live::new();
        let reader = live.room.join(dialect, "ada", Access::Read);
        assert_eq!(live.types(reader, HI), [Sent::One { to: reader, frame: refused }]);
        assert_eq!(live.sends(reader, EditKind::Step2, &[0, 0]).len(), usize::from(dialect == Dialect::Hocuspocus));
        assert!(live.commit.uncommitted.is_empty());
    }
}

#[test]
fn what_no_client_makes_ends_a_connection_whose_protocol_has_no_refusal() {
    let mut live = Live::new();
    let yjs = live.room.join(Dialect::Yjs, "ada", Access::Write);
    let hocuspocus = live.room.join(Dialect::Hocuspocus, "bob", Access::Write);
    let code = crate::protocol::CloseCode::EditRefused;
    assert_eq!(live.types(yjs, &[0xff]), [Sent::Closed { to: yjs, code }]);
    assert!(matches!(live.types(hocuspocus, &[0xff])[..], [Sent::One { to, .. }] if to == hocuspocus));
    let long = RefuseLongEdit { from: yjs, kind: EditKind::Update, charge: 1 };
    live.document.on_long_edit(long, &mut live.room.io());
    assert!(matches!(live.room.sent()[..], [Sent::One { to, .. }] if to == yjs));
}

#[test]
fn whoever_sends_more_than_there_is_room_for_is_asked_for_it_again_once_there_is_some() {
    let mut live = Live::new();
    live.room.settings.unsaved_bytes_max = 1;
    live.commit = live.room.commit();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    live.types(ada, HI);
    assert_eq!(live.types(ada, MORE), [], "nobody sees what is not taken");
    live.document.ask_for_missing(&live.commit, &mut live.room.io());
    assert_eq!(live.room.sent(), []);
    live.commits();
    live.document.ask_for_missing(&live.commit, &mut live.room.io());
    assert!(matches!(live.room.sent()[..], [Sent::One { to, .. }] if to == ada));
    assert_eq!(live.sends(ada, EditKind::Step2, MORE).len(), 1);
}

#[test]
fn those_who_lack_the_same_are_sent_the_same_frame() {
    let mut live = Live::new();
    let members = [1, 2].map(|_| live.room.join(Dialect::Yjs, "ada", Access::Write));
    live.types(members[0], HI);
    let mut ask = |from| {
        let ask = AskState { from, state_vector: Bytes::from_static(&[0]), charge: 1 };
        live.document.on_ask_state(ask, &mut live.commit, &mut live.room.io());
        match &live.room.sent()[..] {
            [Sent::One { to, frame }] if *to == from => frame.plain().as_ptr(),
            sent => panic!("{sent:?}"),
        }
    };
    assert_eq!(ask(members[0]), ask(members[1]));
}

#[test]
fn a_hocuspocus_writer_is_asked_back_and_a_reader_that_has_more_is_refused() {
    let mut live = Live::new();
    let writer = live.room.join(Dialect::Hocuspocus, "ada", Access::Write);
    let reader = live.room.join(Dialect::Hocuspocus, "bob", Access::Read);
    let mut ask = |from, known: &'static [u8]| {
        let ask = AskState { from, state_vector: Bytes::from_static(known), charge: 1 };
        live.document.on_ask_state(ask, &mut live.commit, &mut live.room.io());
        live.room.sent().len()
    };
    assert_eq!(ask(writer, &[0]), 2, "Step1 and Step2");
    assert_eq!(ask(reader, &[1, 9, 4]), 2, "Step2 and the refusal");
}

#[test]
fn a_question_whether_all_is_saved_is_answered_after_the_commit() {
    let mut live = Live::new();
    let ada = live.room.join(Dialect::Yjs, "ada", Access::Write);
    live.sends(ada, EditKind::Step2, HI);
    let question = yjs::SavedQuestion::Save(7);
    let ask = AskSaved { from: ada, question: question.clone(), charge: 1 };
    let ask_saved =
        |document: &mut LiveDocument, commit: &mut Commit, io: &mut Io| document.on_ask_saved(ask, commit, io);
    ask_saved(&mut live.document, &mut live.commit, &mut live.room.io());
    assert_eq!(live.room.sent(), []);
    let (sent, _) = live.commits();
    assert!(sent.contains(&Sent::One { to: ada, frame: question.saved() }), "{sent:?}");
}
